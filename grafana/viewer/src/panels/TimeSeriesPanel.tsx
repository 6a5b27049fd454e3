import { TimeSeries } from '@grafana/ui';
import type { PanelProps } from './kinds';

/** The TimeSeries that @grafana/ui still has; Grafana's own has grown from it. */
export function TimeSeriesPanel({ frames, options, ...rest }: PanelProps) {
  return (
    <TimeSeries
      frames={frames}
      width={rest.width}
      height={rest.height}
      timeRange={rest.timeRange}
      timeZone={rest.timeZone}
      legend={options.legend}
      options={options}
    />
  );
}
