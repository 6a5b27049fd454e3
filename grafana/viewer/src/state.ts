// Says when all is drawn, so that a picture is not taken too early: `data-state` of the body.

const pending = new Set<string>();

/** Count a piece of work that the picture waits for; its failure is a complaint in the console. */
export function working(name: string, work: Promise<unknown>): void {
  pending.add(name);
  document.body.dataset.state = 'working';
  work
    .catch((error: unknown) => console.error(`${name}: ${error}`))
    .finally(async () => {
      pending.delete(name);
      await document.fonts.ready;
      if (!pending.size) {
        requestAnimationFrame(() => requestAnimationFrame(settle));
      }
    });
}

function settle(): void {
  if (!pending.size) {
    document.body.dataset.state = 'drawn';
  }
}
