import { defineConfig } from 'vite';

// Where a Grafana server has the files that its components ask for.
const MOVED = [
  [/^\/build\/img\//, '/img/'],
  [/^\/fonts\/inter\/Inter-Regular/, '/node_modules/@fontsource/inter/files/inter-latin-400-normal'],
  [/^\/fonts\/inter\/Inter-Medium/, '/node_modules/@fontsource/inter/files/inter-latin-500-normal'],
] as const;

export default defineConfig({
  publicDir: 'node_modules/@grafana/ui/dist/public',
  plugins: [
    {
      name: 'as-on-a-grafana-server',
      configureServer(server) {
        server.middlewares.use((request, _, next) => {
          for (const [from, to] of MOVED) {
            request.url = request.url?.replace(from, to);
          }
          next();
        });
      },
    },
  ],
  server: { host: '127.0.0.1', fs: { allow: ['..'] } },
});
