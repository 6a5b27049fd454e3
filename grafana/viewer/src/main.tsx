// Draws /d/UID?theme=dark&from=now-6h&to=now&var-NAME=VALUE as Grafana would.

import { createTheme, rangeUtil, ThemeContext } from '@grafana/data';
import { initPluginTranslations } from '@grafana/i18n';
import { GlobalStyles, PortalContainer } from '@grafana/ui';
import { createRoot } from 'react-dom/client';
import { App } from './App';
import { dashboards } from './dashboard';

const wanted = new URLSearchParams(location.search);
const uid = location.pathname.replace(/^\/d\/|\/$/g, '');
const dashboard = dashboards.find((each) => each.uid === uid) ?? dashboards[0]!;
const timeZone = wanted.get('timezone') ?? 'browser';
const theme = createTheme({
  name: 'viewer',
  colors: { mode: wanted.get('theme') === 'light' ? 'light' : 'dark' },
});
const source = {
  url: import.meta.env.VITE_PROMETHEUS_URL ?? 'http://127.0.0.1:9090',
  scrapeInterval: import.meta.env.VITE_SCRAPE_INTERVAL ?? '15s',
  range: rangeUtil.convertRawToRange(
    { from: wanted.get('from') ?? dashboard.time.from, to: wanted.get('to') ?? dashboard.time.to },
    timeZone
  ),
};

await initPluginTranslations('viewer');
createRoot(document.getElementById('root')!).render(
  <ThemeContext.Provider value={theme}>
    <GlobalStyles />
    <App {...{ dashboard, source, wanted, timeZone }} width={innerWidth} />
    <PortalContainer />
  </ThemeContext.Provider>
);
