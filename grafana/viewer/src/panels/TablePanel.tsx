import { TableNG } from '@grafana/ui/unstable';
import type { PanelProps } from './kinds';

/** Grafana's table; of several frames it shows the first. */
export function TablePanel({ frames, options, ...rest }: PanelProps) {
  const [frame] = frames;
  return (
    frame && (
      <TableNG
        data={frame}
        width={rest.width}
        height={rest.height}
        noHeader={!options.showHeader}
        cellHeight={options.cellHeight}
        sortBy={options.sortBy}
        frozenColumns={options.frozenColumns?.left}
        enablePagination={options.enablePagination}
        noValue={rest.fieldConfig.defaults.noValue}
        fieldConfig={rest.fieldConfig}
        timeRange={rest.timeRange}
        showTypeIcons={options.showTypeIcons}
        enableVirtualization
        structureRev={1}
      />
    )
  );
}
