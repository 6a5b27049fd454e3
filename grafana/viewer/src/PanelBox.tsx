// One panel: its queries, its transformations, its frame, and what is drawn in it.

import { type DataFrame, LoadingState } from '@grafana/data';
import { PanelChrome, useTheme2 } from '@grafana/ui';
import { useEffect, useMemo, useState } from 'react';
import type { Panel } from './dashboard';
import { fieldOptions, transformed, withFieldOptions } from './fields';
import { KINDS } from './panels/kinds';
import { runQueries, type Source } from './prometheus';
import { working } from './state';
import type { Variables } from './variables';

const SHOWS_WITHOUT_DATA = new Set(['stat']);

interface Props {
  panel: Panel;
  width: number;
  height: number;
  source: Source;
  variables: Variables;
  timeZone: string;
}

export function PanelBox({ panel, width, height, source, variables, timeZone }: Props) {
  const theme = useTheme2();
  const [frames, setFrames] = useState<DataFrame[]>();
  const [problem, setProblem] = useState('');
  const Kind = KINDS[panel.type];
  const fieldConfig = useMemo(() => fieldOptions(panel), [panel]);
  const replace = variables.replacer();

  useEffect(() => {
    const loaded = load();
    loaded.then(setFrames, (error: unknown) => setProblem(String(error)));
    working(`panel ${panel.id}, ${panel.title}`, loaded);
  }, [panel, source, variables, theme]);

  async function load(): Promise<DataFrame[]> {
    if (!Kind) {
      throw new Error(`no panels of type ${panel.type} here`);
    }
    const raw = await runQueries(source, panel, width, variables);
    const data = await transformed(panel, raw, replace);
    return withFieldOptions(fieldConfig, data, theme, timeZone, replace);
  }

  const empty = !frames?.some(({ length }) => length) && !SHOWS_WITHOUT_DATA.has(panel.type);

  function content(innerWidth: number, innerHeight: number) {
    if (problem || !Kind) {
      return <Message text={problem} />;
    }
    if (!frames) {
      return null;
    }
    if (empty) {
      return <Message text={fieldConfig.defaults.noValue ?? 'No data'} />;
    }
    return (
      <Kind
        width={innerWidth}
        height={innerHeight}
        frames={frames}
        fieldConfig={fieldConfig}
        options={panel.options ?? {}}
        timeRange={source.range}
        timeZone={timeZone}
        replace={replace}
      />
    );
  }

  return (
    <PanelChrome
      title={replace(panel.title ?? '')}
      description={panel.description}
      displayMode={panel.transparent ? 'transparent' : 'default'}
      loadingState={frames || problem ? LoadingState.Done : LoadingState.Loading}
      width={width}
      height={height}
      hoverHeader={!panel.title}
    >
      {content}
    </PanelChrome>
  );
}

/** What Grafana writes into a panel that has nothing to draw. */
function Message({ text }: { text: string }) {
  return (
    <div style={{ height: '100%', display: 'grid', placeItems: 'center', textAlign: 'center' }}>
      {text}
    </div>
  );
}
