// The variables of a dashboard: their values from Prometheus, and their places in queries.

import { type Field, getFieldDisplayName, type InterpolateFunction } from '@grafana/data';
import type { Dashboard, Variable } from './dashboard';
import { ask, type Source } from './prometheus';

const ALL = '$__all';
const PLACE = /\$(\w+)|\$\{(\w+)(?:\.[^}:]*)?(?::(\w+))?\}|\[\[(\w+)(?::(\w+))?\]\]/g;
const FIELD_OF_ROW = /\$\{__data\.fields(?:\["?(.+?)"?\]|\.(\w+))(?::(\w+))?\}/g;

interface Resolved {
  variable: Variable;
  options: string[];
  chosen: string[]; // [ALL] for all
}

export class Variables {
  private constructor(
    private readonly resolved: Resolved[],
    private readonly builtIn: Record<string, string>
  ) {}

  /** Ask for the values of all variables, in order, as one may hang on those before it. */
  static async resolve(dashboard: Dashboard, source: Source, wanted: URLSearchParams) {
    let variables = new Variables([], {});
    for (const variable of dashboard.templating.list) {
      const options = await optionsOf(variable, source, variables);
      const chosen = choose(variable, options, wanted.getAll(`var-${variable.name}`));
      variables = new Variables([...variables.resolved, { variable, options, chosen }], {});
    }
    const { from, to } = source.range.raw;
    return variables.withBuiltIn({ __url_time_range: `from=${from}&to=${to}` });
  }

  withBuiltIn(builtIn: Record<string, string>): Variables {
    return new Variables(this.resolved, { ...this.builtIn, ...builtIn });
  }

  /** What the bar on top shows. */
  bar(): Array<{ label: string; value: string }> {
    return this.resolved
      .filter(({ variable }) => variable.hide !== 2)
      .map(({ variable, chosen }) => ({
        label: variable.hide === 1 ? '' : variable.label || variable.name,
        value: chosen[0] === ALL ? 'All' : chosen.join(' + '),
      }));
  }

  /** Fill in a query, where values of a variable with several of them are regular expressions. */
  interpolateQuery(text: string): string {
    return this.interpolate(text, (values, { multi, includeAll }) =>
      multi || includeAll ? alternatives(values) : values.map(escapeString).join('')
    );
  }

  /** A function that fills in titles, and links from the row of a table. */
  replacer(): InterpolateFunction {
    return (text, scope) =>
      this.interpolate(
        text.replace(FIELD_OF_ROW, (place, quoted, plain, format) => {
          const { frame, rowIndex } = scope?.__dataContext?.value ?? {};
          const field = frame?.fields.find(
            (each: Field) => getFieldDisplayName(each, frame) === (quoted ?? plain)
          );
          const values = rowIndex === undefined ? [] : [`${field?.values[rowIndex]}`];
          return values.length ? formatted(values, format ?? 'raw') : place;
        }),
        (values) => values.join(' + ')
      );
  }

  private interpolate(text: string, plain: (values: string[], of: Variable) => string): string {
    return text.replace(PLACE, (place, ...groups: Array<string | undefined>) => {
      const name = groups[0] ?? groups[1] ?? groups[3] ?? '';
      const format = groups[2] ?? groups[4];
      const builtIn = this.builtIn[name];
      const found = this.resolved.find(({ variable }) => variable.name === name);
      if (builtIn !== undefined || !found) {
        return builtIn ?? place;
      }
      const { variable, options, chosen } = found;
      if (format === 'queryparam') {
        return chosen.map((value) => `var-${name}=${encodeURIComponent(value)}`).join('&');
      }
      if (chosen[0] === ALL && variable.allValue) {
        return variable.allValue;
      }
      const values = chosen[0] === ALL ? options : chosen;
      return format ? formatted(values, format) : plain(values, variable);
    });
  }
}

async function optionsOf(variable: Variable, source: Source, before: Variables) {
  const raw = typeof variable.query === 'string' ? variable.query : (variable.query?.query ?? '');
  switch (variable.type) {
    case 'datasource':
      return ['Prometheus'];
    case 'query':
      return matching(variable, await queried(before.interpolateQuery(raw), source));
    default:
      return raw.split(',').map((option) => option.trim().replace(/^.* : /, ''));
  }
}

/** `label_values(selector, label)`, `label_values(label)` or `query_result(query)`. */
async function queried(query: string, source: Source): Promise<string[]> {
  const [start, end] = [source.range.from, source.range.to].map((time) => `${time.unix()}`);
  const labels = /^label_values\((?:(.+),\s*)?(\w+)\)$/s.exec(query.trim());
  if (labels) {
    const selector: Record<string, string> = labels[1] ? { 'match[]': labels[1] } : {};
    return ask(source, `label/${labels[2]}/values`, { start: start!, end: end!, ...selector });
  }
  const result = /^query_result\((.+)\)$/s.exec(query.trim());
  if (!result) {
    throw new Error(`neither label_values nor query_result: ${query}`);
  }
  const { result: rows } = await ask<{
    result: Array<{ metric: Record<string, string>; value: [number, string] }>;
  }>(source, 'query', { query: result[1]!, time: end! });
  return rows.map(({ metric: { __name__: name = '', ...rest }, value: [time, at] }) => {
    const pairs = Object.entries(rest).map(([label, value]) => `${label}="${value}"`);
    return `${name}{${pairs.join(',')}} ${at} ${time * 1000}`;
  });
}

function matching({ regex }: Variable, values: string[]): string[] {
  const [, pattern, flags] = /^\/(.*)\/(\w*)$/s.exec(regex ?? '') ?? [null, regex, ''];
  if (!pattern) {
    return values;
  }
  const expression = new RegExp(pattern, flags?.replace('g', ''));
  const found = values.map((value) => expression.exec(value)).filter((match) => match !== null);
  return [...new Set(found.map((match) => match.groups?.value ?? match[1] ?? match[0]))];
}

function choose(variable: Variable, options: string[], wanted: string[]): string[] {
  const current = [variable.current?.value ?? []].flat().filter((value) => value !== '');
  const possible = current.filter((one) => one === ALL || options.includes(one));
  const kept = wanted.length ? wanted : possible;
  if (kept.length) {
    return kept;
  }
  return variable.includeAll ? [ALL] : options.slice(0, 1);
}

function formatted(values: string[], format: string): string {
  switch (format) {
    case 'regex':
      return alternatives(values, escapeRegex);
    case 'pipe':
      return values.join('|');
    case 'csv':
      return values.join(',');
    case 'percentencode':
      return encodeURIComponent(values.join(','));
    default: // raw, text
      return values.join(' + ');
  }
}

function alternatives(values: string[], escape = escapeQueryRegex): string {
  const escaped = values.map(escape);
  return escaped.length === 1 ? escaped[0]! : `(${escaped.join('|')})`;
}

/** For a string in quotes in a query. */
function escapeString(value: string): string {
  return value.replace(/["\\]/g, '\\$&');
}

function escapeRegex(value: string): string {
  return value.replace(/[\\^$*+?.()|[\]{}/]/g, '\\$&');
}

/** For a regular expression in quotes in a query: each backslash is one in the string as well. */
function escapeQueryRegex(value: string): string {
  return escapeString(escapeRegex(value));
}
