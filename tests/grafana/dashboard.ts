// The type of our dashboards: Grafana's own, made strict where it leaves things open.
//
// Grafana's type of a panel has any options, any settings of fields and any queries; here each kind
// of panel has its own, and only the kinds that we use are there. A dashboard's file is checked as
// it is, so enumerations are taken as the texts and numbers that they stand for.

import type {
  Dashboard,
  DataSourceRef,
  DataTransformerConfig,
  FieldConfig,
  GridPos,
  Panel,
  RowPanel,
  TableCellOptions,
  VariableModel,
} from '@grafana/schema';
import type { Options as StatOptions } from '@grafana/schema/dist/esm/raw/composable/stat/panelcfg/x/StatPanelCfg_types.gen';
import type {
  FieldConfig as TimelineFields,
  Options as TimelineOptions,
} from '@grafana/schema/dist/esm/raw/composable/statetimeline/panelcfg/x/StateTimelinePanelCfg_types.gen';
import type {
  FieldConfig as TableFields,
  Options as TableOptions,
} from '@grafana/schema/dist/esm/raw/composable/table/panelcfg/x/TablePanelCfg_types.gen';
import type {
  FieldConfig as GraphFields,
  Options as GraphOptions,
} from '@grafana/schema/dist/esm/raw/composable/timeseries/panelcfg/x/TimeSeriesPanelCfg_types.gen';

type Written<T> = T extends string
  ? `${T}`
  : T extends number
    ? number
    : T extends boolean | null | undefined
      ? T
      : T extends Array<infer Member>
        ? Written<Member>[]
        : T extends object
          ? { [Key in keyof T]: Written<T[Key]> }
          : T;

type Colour = 'red' | 'purple' | 'orange' | 'green' | 'blue' | 'light-blue' | 'text' | 'transparent' | `#${string}`;

interface Source {
  type: 'prometheus';
  uid: '${datasource}';
}

interface Query {
  datasource: Source;
  expr: string;
  refId: string;
  format: 'time_series' | 'table';
  instant: boolean;
  range: boolean;
  legendFormat?: string;
}

type Setting<Fields> =
  | { [Key in keyof FieldConfig]-?: { id: Key; value: Written<FieldConfig[Key]> } }[Exclude<keyof FieldConfig, 'custom' | 'links' | 'color'>]
  | { [Key in keyof Fields & string]-?: { id: `custom.${Key}`; value: Written<Fields[Key]> } }[Exclude<keyof Fields & string, 'cellOptions'>]
  | { id: 'custom.cellOptions'; value: Partial<Written<TableCellOptions>> }
  | { id: 'color'; value: { mode: 'fixed'; fixedColor: Colour } }
  | { id: 'links'; value: { title: string; url: string; targetBlank: boolean }[] };

type Custom<Fields> = { [Key in keyof Fields]?: Written<Fields[Key]> };

interface Kind<Name extends string, Options, Fields>
  extends Omit<Written<Panel>, 'type' | 'options' | 'fieldConfig' | 'targets' | 'datasource' | 'transformations'> {
  type: Name;
  id: number;
  title: string;
  description: string;
  gridPos: GridPos;
  datasource: Source;
  options: Partial<Written<Options>>;
  targets: [Query, ...Query[]];
  transformations?: Written<DataTransformerConfig>[];
  fieldConfig: {
    defaults: Omit<Written<FieldConfig>, 'custom' | 'unit' | 'noValue' | 'thresholds'> & {
      unit: string;
      noValue: string;
      custom?: Custom<Fields>;
      thresholds?: { mode: 'absolute'; steps: { color: Colour; value: number | null }[] };
    };
    overrides: { matcher: { id: 'byName'; options: string }; properties: Setting<Fields>[] }[];
  };
}

type OurPanel =
  | Kind<'stat', StatOptions, {}>
  | Kind<'table', TableOptions, TableFields>
  | Kind<'timeseries', GraphOptions, GraphFields>
  | Kind<'state-timeline', TimelineOptions, TimelineFields>
  | (Omit<Written<RowPanel>, 'panels'> & { gridPos: GridPos; panels: never[] });

interface Variable extends Omit<Written<VariableModel>, 'query' | 'datasource'> {
  query: 'prometheus' | { query: string; qryType: 1; refId: string };
  datasource?: Source & DataSourceRef;
}

export interface OurDashboard extends Omit<Written<Dashboard>, 'panels' | 'templating' | 'uid'> {
  uid: string;
  panels: OurPanel[];
  templating: { list: Variable[] };
}
