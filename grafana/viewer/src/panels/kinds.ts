// What each kind of panel gets, and which there are.

import type { DataFrame, FieldConfigSource, InterpolateFunction, TimeRange } from '@grafana/data';
import type { ComponentType } from 'react';
import { StateTimelinePanel } from './StateTimelinePanel';
import { StatPanel } from './StatPanel';
import { TablePanel } from './TablePanel';
import { TimeSeriesPanel } from './TimeSeriesPanel';

export interface PanelProps {
  width: number;
  height: number;
  frames: DataFrame[];
  fieldConfig: FieldConfigSource;
  options: any; // as the JSON has them: each kind knows what it takes
  timeRange: TimeRange;
  timeZone: string;
  replace: InterpolateFunction;
}

export const KINDS: Record<string, ComponentType<PanelProps>> = {
  stat: StatPanel,
  'state-timeline': StateTimelinePanel,
  table: TablePanel,
  timeseries: TimeSeriesPanel,
};
