// The parts of a dashboard's JSON that are looked at here.

import type { DataTransformerConfig, FieldConfigSource } from '@grafana/data';

export interface Dashboard {
  uid: string;
  title: string;
  description?: string;
  time: { from: string; to: string };
  timezone?: string;
  refresh?: string;
  links?: Array<{ title: string; url?: string; type: string }>;
  templating: { list: Variable[] };
  panels: Panel[];
}

export interface Variable {
  name: string;
  type: string;
  label?: string;
  hide?: number; // 1 hides the label, 2 the variable
  query?: string | { query: string };
  regex?: string;
  multi?: boolean;
  includeAll?: boolean;
  allValue?: string | null;
  current?: { value?: string | string[] };
}

export interface Target {
  refId: string;
  expr: string;
  legendFormat?: string;
  format?: 'time_series' | 'table' | 'heatmap';
  instant?: boolean;
  range?: boolean;
  interval?: string;
  hide?: boolean;
}

export interface Panel {
  id: number;
  type: string;
  title?: string;
  description?: string;
  transparent?: boolean;
  gridPos: { h: number; w: number; x: number; y: number };
  targets?: Target[];
  interval?: string | null;
  maxDataPoints?: number | null;
  transformations?: DataTransformerConfig[];
  fieldConfig?: FieldConfigSource;
  options?: Record<string, unknown>;
  collapsed?: boolean;
  panels?: Panel[];
}

const files = import.meta.glob<Dashboard>('../../dashboards/*.json', {
  eager: true,
  import: 'default',
});

export const dashboards = Object.values(files);
