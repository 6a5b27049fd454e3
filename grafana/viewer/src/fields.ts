// What Grafana itself does between a query and a panel: transformations, defaults, overrides.
// The work is done in @grafana/data; here its registries are filled.

import {
  applyFieldOverrides,
  cacheFieldDisplayNames,
  type DataFrame,
  type FieldConfig,
  type FieldConfigPropertyItem,
  FieldConfigOptionsRegistry,
  type FieldConfigSource,
  FieldType,
  type GrafanaTheme2,
  type InterpolateFunction,
  standardTransformers,
  standardTransformersRegistry,
  transformDataFrame,
} from '@grafana/data';
import { firstValueFrom } from 'rxjs';
import type { Panel } from './dashboard';

const STANDARD = [
  'unit',
  'min',
  'max',
  'fieldMinMax',
  'decimals',
  'displayName',
  'noValue',
  'thresholds',
  'mappings',
  'links',
  'color',
  'filterable',
];
const OF_NUMBERS = /^(min|max|fieldMinMax|decimals|custom\.axis.*)$/;

/** What Grafana fills in where a dashboard says nothing, by the kind of panel. */
const DEFAULTS: Record<string, FieldConfig> = {
  timeseries: { color: { mode: 'palette-classic' }, custom: { lineWidth: 1, pointSize: 5 } },
  'state-timeline': { color: { mode: 'thresholds' }, custom: { fillOpacity: 70 } },
  stat: { color: { mode: 'thresholds' } },
  table: { color: { mode: 'thresholds' }, custom: { cellOptions: { type: 'auto' } } },
};

const nothing = () => null;

standardTransformersRegistry.setInit(() =>
  [...new Set(Object.values(standardTransformers))].map((transformation) => ({
    id: transformation.id,
    name: transformation.name,
    transformation: () => Promise.resolve(transformation),
    editor: nothing,
    imageDark: '',
    imageLight: '',
  }))
);

/** A panel's frames after its transformations. */
export function transformed(panel: Panel, frames: DataFrame[], replace: InterpolateFunction) {
  return firstValueFrom(
    transformDataFrame(panel.transformations ?? [], frames, { interpolate: replace })
  );
}

/** A panel's frames with units, colours, mappings, links and all else of its field options. */
export function withFieldOptions(
  fieldConfig: FieldConfigSource,
  data: DataFrame[],
  theme: GrafanaTheme2,
  timeZone: string,
  replaceVariables: InterpolateFunction
): DataFrame[] {
  const fieldConfigRegistry = new FieldConfigOptionsRegistry(() => properties(fieldConfig));
  const frames = applyFieldOverrides({
    data,
    fieldConfig,
    fieldConfigRegistry,
    replaceVariables,
    theme,
    timeZone,
  });
  cacheFieldDisplayNames(frames); // where tables look for the heads of columns
  return frames;
}

/** A panel's field options with Grafana's defaults. */
export function fieldOptions({ type, fieldConfig }: Panel): FieldConfigSource {
  const { defaults, overrides } = withBaseSteps(fieldConfig ?? { defaults: {}, overrides: [] });
  const custom = { ...DEFAULTS[type]?.custom, ...defaults.custom };
  return { defaults: { ...DEFAULTS[type], ...defaults, custom }, overrides };
}

/** The options that exist: Grafana's own, and those of the panel's kind that are used. */
function properties({ defaults, overrides }: FieldConfigSource): FieldConfigPropertyItem[] {
  const custom = Object.keys(defaults.custom ?? {}).map((name) => `custom.${name}`);
  const overridden = overrides.flatMap((rule) => rule.properties.map(({ id }) => id));
  return [...new Set([...STANDARD, ...custom, ...overridden])].map((id) => ({
    id,
    name: id,
    path: id.replace(/^custom\./, ''),
    isCustom: id.startsWith('custom.'),
    editor: nothing,
    override: nothing,
    process: (value) => value,
    shouldApply: (field) => !OF_NUMBERS.test(id) || field.type === FieldType.number,
  }));
}

/** JSON has no minus infinity, so the first step of thresholds is null there. */
function withBaseSteps<T>(value: T): T {
  return JSON.parse(JSON.stringify(value), (key, part) =>
    key === 'steps'
      ? part.map((step: { value: number | null }) => ({ ...step, value: step.value ?? -Infinity }))
      : part
  );
}
