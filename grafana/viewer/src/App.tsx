// The page: a dashboard's bar of variables, and its panels where their gridPos says.

import { rangeUtil } from '@grafana/data';
import { Icon, InlineLabel, LinkButton, ToolbarButton, useTheme2 } from '@grafana/ui';
import { type CSSProperties, useEffect, useState } from 'react';
import type { Dashboard, Panel } from './dashboard';
import { PanelBox } from './PanelBox';
import type { Source } from './prometheus';
import { working } from './state';
import { Variables } from './variables';

const COLUMNS = 24;
const ROW = 30; // pixels
const GAP = 8;
const EDGE = 16;

interface Props {
  dashboard: Dashboard;
  source: Source;
  wanted: URLSearchParams; // var-NAME: the values to start with
  width: number;
  timeZone: string;
}

export function App({ dashboard, source, wanted, width, timeZone }: Props) {
  const theme = useTheme2();
  const [variables, setVariables] = useState<Variables>();

  useEffect(() => {
    working('variables', Variables.resolve(dashboard, source, wanted).then(setVariables));
  }, [dashboard]);

  return (
    <div style={{ padding: EDGE, background: theme.colors.background.canvas }}>
      <Bar dashboard={dashboard} source={source} variables={variables} timeZone={timeZone} />
      {variables && (
        <Grid panels={dashboard.panels} width={width - 2 * EDGE}>
          {(panel, width, height) => (
            <PanelBox {...{ panel, width, height, source, variables, timeZone }} />
          )}
        </Grid>
      )}
    </div>
  );
}

interface BarProps {
  dashboard: Dashboard;
  source: Source;
  variables: Variables | undefined;
  timeZone: string;
}

/** The title, the variables with their values, links to other dashboards, and the time range. */
function Bar({ dashboard, source, variables, timeZone }: BarProps) {
  const theme = useTheme2();
  const line: CSSProperties = { display: 'flex', flexWrap: 'wrap', gap: GAP, paddingBottom: GAP };
  const value: CSSProperties = {
    border: `1px solid ${theme.components.input.borderColor}`,
    background: theme.components.input.background,
    borderRadius: theme.shape.radius.default,
    padding: '0 8px',
    lineHeight: '30px',
  };
  return (
    <>
      <div style={{ ...line, alignItems: 'center' }}>
        <span style={{ ...theme.typography.h4, margin: 0, flex: 1 }}>{dashboard.title}</span>
        <ToolbarButton icon="clock-nine">
          {rangeUtil.describeTimeRange(source.range.raw, timeZone)}
        </ToolbarButton>
        {dashboard.refresh && <ToolbarButton icon="sync">{dashboard.refresh}</ToolbarButton>}
      </div>
      <div style={line}>
        {variables?.bar().map(({ label, value: chosen }) => (
          <div key={label} style={{ display: 'flex' }}>
            {label && <InlineLabel width="auto">{label}</InlineLabel>}
            <div style={value}>
              {chosen} <Icon name="angle-down" />
            </div>
          </div>
        ))}
        <div style={{ marginLeft: 'auto', display: 'flex', gap: GAP }}>
          {dashboard.links?.map(({ title, url }) => (
            <LinkButton key={title} href={url} variant="secondary" fill="outline" icon="apps">
              {title}
            </LinkButton>
          ))}
        </div>
      </div>
    </>
  );
}

interface GridProps {
  panels: Panel[];
  width: number;
  children: (panel: Panel, width: number, height: number) => React.ReactNode;
}

function Grid({ panels, width, children }: GridProps) {
  const column = (width - (COLUMNS - 1) * GAP) / COLUMNS;
  const rows = Math.max(...panels.map(({ gridPos: { y, h } }) => y + h));
  return (
    <div style={{ position: 'relative', height: rows * (ROW + GAP) - GAP }}>
      {panels.map((panel) => {
        const { x, y, w, h } = panel.gridPos;
        const place: CSSProperties = {
          position: 'absolute',
          left: x * (column + GAP),
          top: y * (ROW + GAP),
        };
        return (
          <div key={panel.id} style={place}>
            {panel.type === 'row' ? (
              <Heading panel={panel} />
            ) : (
              children(panel, w * column + (w - 1) * GAP, h * ROW + (h - 1) * GAP)
            )}
          </div>
        );
      })}
    </div>
  );
}

function Heading({ panel }: { panel: Panel }) {
  const theme = useTheme2();
  return (
    <div style={{ ...theme.typography.h5, lineHeight: `${ROW}px` }}>
      <Icon name={panel.collapsed ? 'angle-right' : 'angle-down'} /> {panel.title}
    </div>
  );
}
