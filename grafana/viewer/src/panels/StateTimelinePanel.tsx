// Grafana's state timeline is not in @grafana/ui: here it is drawn on its plot, axes and legend.

import {
  applyNullInsertThreshold,
  type DataFrame,
  type DisplayValue,
  FieldType,
  formattedValueToString,
  getFieldDisplayName,
  type GrafanaTheme2,
  type TimeRange,
} from '@grafana/data';
import {
  AxisPlacement,
  getTextColorForAlphaBackground,
  measureText,
  ScaleDirection,
  ScaleOrientation,
  UPLOT_AXIS_FONT_SIZE,
  UPlotChart,
  UPlotConfigBuilder,
  useTheme2,
  VizLayout,
  VizLegend,
} from '@grafana/ui';
import { useMemo } from 'react';
import type uPlot from 'uplot';
import type { PanelProps } from './kinds';

interface Run {
  from: number;
  to: number;
  display: DisplayValue;
}

interface Row {
  name: string;
  runs: Run[];
}

interface Style {
  rowHeight: number; // share of a row that its boxes fill
  opacity: number; // of the boxes, 0 to 1
  showValue: 'auto' | 'always' | 'never';
}

export function StateTimelinePanel({ frames, options, timeRange, timeZone, ...rest }: PanelProps) {
  const theme = useTheme2();
  const rows = useMemo(() => rowsOf(frames, timeRange), [frames, timeRange]);
  const config = useMemo(() => {
    const style = {
      rowHeight: options.rowHeight ?? 0.9,
      opacity: (rest.fieldConfig.defaults.custom?.fillOpacity ?? 70) / 100,
      showValue: options.showValue ?? 'auto',
    };
    return plot(rows, style, theme, timeRange, timeZone);
  }, [rows, theme]);
  const ends = [timeRange.from.valueOf(), timeRange.to.valueOf()];
  return (
    <VizLayout width={rest.width} height={rest.height} legend={legend(rows, options.legend)}>
      {(width, height) => (
        <UPlotChart config={config} data={[ends, [0, 0]]} width={width} height={height} />
      )}
    </VizLayout>
  );
}

function rowsOf(frames: DataFrame[], { from, to }: TimeRange): Row[] {
  return frames.flatMap((frame) => {
    const withGaps = applyNullInsertThreshold({ frame, refFieldPseudoMax: to.valueOf() });
    const times = withGaps.fields.find(({ type }) => type === FieldType.time)?.values ?? [];
    return withGaps.fields
      .filter(({ type }) => type !== FieldType.time)
      .map((field) => {
        const runs: Run[] = [];
        times.forEach((time: number, index: number) => {
          const value: unknown = field.values[index];
          const until = Math.min(times[index + 1] ?? to.valueOf(), to.valueOf());
          const display = field.display!(value);
          const last = runs.at(-1);
          if (value === null || until <= from.valueOf()) {
            return;
          }
          if (last?.to === time && last.display.text === display.text) {
            last.to = until;
          } else {
            runs.push({ from: Math.max(time, from.valueOf()), to: until, display });
          }
        });
        return { name: getFieldDisplayName(field, frame, frames), runs };
      });
  });
}

function plot(rows: Row[], style: Style, theme: GrafanaTheme2, range: TimeRange, timeZone: string) {
  const config = new UPlotConfigBuilder(timeZone);
  config.addScale({
    scaleKey: 'x',
    isTime: true,
    orientation: ScaleOrientation.Horizontal,
    direction: ScaleDirection.Right,
    range: () => [range.from.valueOf(), range.to.valueOf()],
  });
  config.addScale({
    scaleKey: 'y',
    orientation: ScaleOrientation.Vertical,
    direction: ScaleDirection.Up,
    range: () => [0, rows.length],
  });
  config.addAxis({
    scaleKey: 'x',
    isTime: true,
    timeZone,
    theme,
    placement: AxisPlacement.Bottom,
    grid: { show: false },
  });
  const widest = Math.max(...rows.map(({ name }) => measureText(name, UPLOT_AXIS_FONT_SIZE).width));
  config.addAxis({
    scaleKey: 'y',
    theme,
    placement: AxisPlacement.Left,
    size: widest + 12,
    splits: rows.map((_, index) => rows.length - index - 0.5),
    values: rows.map(({ name }) => name),
    grid: { show: false },
    ticks: { show: false },
  });
  config.addSeries({
    scaleKey: 'y',
    theme,
    pathBuilder: () => null,
    pointsBuilder: () => undefined,
  });
  config.addHook('draw', (u) => {
    rows.forEach(({ runs }, index) =>
      runs.forEach((run) => drawBox(u, rows.length - index, run, style, theme))
    );
  });
  config.setCursor({ show: false });
  return config;
}

/** Draw one run as a box whose upper end is at `top`, with its text where that fits. */
function drawBox(u: uPlot, top: number, run: Run, style: Style, theme: GrafanaTheme2): void {
  const { ctx } = u;
  const margin = (1 - style.rowHeight) / 2;
  const [left, right] = [u.valToPos(run.from, 'x', true), u.valToPos(run.to, 'x', true)];
  const upper = u.valToPos(top - margin, 'y', true);
  const lower = u.valToPos(top - 1 + margin, 'y', true);
  const color = theme.visualization.getColorByName(run.display.color ?? 'gray');
  const text = formattedValueToString(run.display);
  ctx.save();
  ctx.globalAlpha = style.opacity;
  ctx.fillStyle = color;
  ctx.fillRect(left, upper, right - left, lower - upper);
  ctx.globalAlpha = 1;
  ctx.font = `${UPLOT_AXIS_FONT_SIZE * devicePixelRatio}px ${theme.typography.fontFamily}`;
  const fits =
    ctx.measureText(text).width + 8 < right - left && lower - upper > UPLOT_AXIS_FONT_SIZE;
  if (style.showValue === 'always' || (style.showValue === 'auto' && fits)) {
    ctx.fillStyle = getTextColorForAlphaBackground(color, theme.isDark);
    ctx.textAlign = 'left';
    ctx.textBaseline = 'middle';
    ctx.fillText(text, left + 4, (upper + lower) / 2);
  }
  ctx.restore();
}

function legend(rows: Row[], options: PanelProps['options']) {
  if (!options?.showLegend) {
    return null;
  }
  const displays = rows.flatMap(({ runs }) => runs.map(({ display }) => display));
  const shown = new Map(displays.map(({ text, color }) => [text, color]));
  const items = [...shown].map(([label, color]) => ({ label, color, yAxis: 1 }));
  const { placement, displayMode } = options;
  return (
    <VizLayout.Legend placement={placement}>
      <VizLegend placement={placement} displayMode={displayMode} items={items} readonly />
    </VizLayout.Legend>
  );
}
