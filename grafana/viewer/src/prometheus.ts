// Asks Prometheus as Grafana's data source does, and gives the answers the same shape.

import {
  createDataFrame,
  type DataFrame,
  FieldType,
  type Labels,
  rangeUtil,
  type TimeRange,
} from '@grafana/data';
import type { Panel, Target } from './dashboard';
import type { Variables } from './variables';

interface Series {
  metric: Labels;
  value?: [number, string];
  values?: Array<[number, string]>;
}

/** What every question needs: the server, the time range, and how often it scrapes. */
export interface Source {
  url: string;
  range: TimeRange;
  scrapeInterval: string;
}

export async function ask<T>(source: Source, path: string, parameters: Record<string, string>) {
  const query = new URLSearchParams(parameters);
  const response = await fetch(`${source.url}/api/v1/${path}?${query}`);
  const answer: { data: T; error?: string } = await response.json();
  if (answer.error) {
    throw new Error(answer.error);
  }
  return answer.data;
}

/** The frames of a panel's queries, before its transformations. */
export async function runQueries(
  source: Source,
  panel: Panel,
  width: number,
  variables: Variables
): Promise<DataFrame[]> {
  const targets = (panel.targets ?? []).filter((target) => !target.hide);
  const tables = targets.filter((target) => target.format === 'table').length;
  const frames = targets.map((target) => runQuery(source, panel, target, width, variables, tables));
  return (await Promise.all(frames)).flat();
}

async function runQuery(
  source: Source,
  panel: Panel,
  target: Target,
  width: number,
  variables: Variables,
  tables: number
): Promise<DataFrame[]> {
  const step = stepOf(source, panel, target, width);
  const query = variables.withBuiltIn(builtIn(source, step)).interpolateQuery(target.expr);
  const [from, to] = [source.range.from, source.range.to].map((time) => time.valueOf() / 1000);
  const answer = target.instant
    ? await ask<{ result: Series[] }>(source, 'query', { query, time: `${to}` })
    : await ask<{ result: Series[] }>(source, 'query_range', {
        query,
        start: `${Math.floor((from ?? 0) / step) * step}`,
        end: `${Math.floor((to ?? 0) / step) * step}`,
        step: `${step}`,
      });
  return target.format === 'table'
    ? [tableFrame(target, answer.result, tables)]
    : answer.result.map((series) => seriesFrame(target, series, step));
}

/** Seconds between points: one for each pixel, in round numbers, and none closer than scrapes. */
function stepOf(source: Source, panel: Panel, target: Target, width: number): number {
  const least = target.interval || panel.interval || source.scrapeInterval;
  const { intervalMs } = rangeUtil.calculateInterval(
    source.range,
    panel.maxDataPoints ?? width,
    least
  );
  return intervalMs / 1000;
}

function builtIn(source: Source, step: number): Record<string, string> {
  const scrape = rangeUtil.intervalToMs(source.scrapeInterval) / 1000;
  const range = Math.round((source.range.to.valueOf() - source.range.from.valueOf()) / 1000);
  return {
    __interval: `${step}s`,
    __interval_ms: `${step * 1000}`,
    __rate_interval: `${Math.max(step + scrape, 4 * scrape)}s`,
    __range: `${range}s`,
    __range_s: `${range}`,
    __range_ms: `${range * 1000}`,
  };
}

function seriesFrame(target: Target, series: Series, step: number): DataFrame {
  const points = series.values ?? (series.value ? [series.value] : []);
  const name = legend(target, series.metric);
  return createDataFrame({
    name,
    refId: target.refId,
    fields: [
      {
        name: 'Time',
        type: FieldType.time,
        values: points.map(([time]) => time * 1000),
        config: { interval: step * 1000 },
      },
      {
        name: 'Value',
        type: FieldType.number,
        labels: series.metric,
        values: points.map(([, value]) => number(value)),
        config: { displayNameFromDS: name },
      },
    ],
  });
}

/** One row for each series: its time, its labels as columns, its value. */
function tableFrame(target: Target, result: Series[], tables: number): DataFrame {
  const rows = result.flatMap(({ metric, value, values }) =>
    (values ?? (value ? [value] : [])).map(([time, at]) => ({ metric, time, at }))
  );
  const labels = [...new Set(result.flatMap(({ metric }) => Object.keys(metric)))].sort();
  return createDataFrame({
    refId: target.refId,
    fields: [
      { name: 'Time', type: FieldType.time, values: rows.map(({ time }) => time * 1000) },
      ...labels.map((label) => ({
        name: label,
        type: FieldType.string,
        config: { filterable: true },
        values: rows.map(({ metric }) => metric[label] ?? ''),
      })),
      {
        name: tables > 1 ? `Value #${target.refId}` : 'Value',
        type: FieldType.number,
        values: rows.map(({ at }) => number(at)),
      },
    ],
  });
}

function legend(target: Target, metric: Labels): string {
  if (target.legendFormat && target.legendFormat !== '__auto') {
    return target.legendFormat.replace(/{{\s*(.+?)\s*}}/g, (_, label) => metric[label] ?? '');
  }
  const { __name__: name = '', ...labels } = metric;
  const pairs = Object.entries(labels).map(([label, value]) => `${label}="${value}"`);
  return pairs.length ? `${name}{${pairs.join(', ')}}` : name || target.expr;
}

/** Prometheus writes +Inf and -Inf, and JavaScript reads them as no number. */
function number(text: string): number {
  return Number(text.replace('Inf', 'Infinity'));
}
