"""Draws the dashboards on hours of the demo, and keeps them as pictures for docs/.

Run by ``make pictures``. A real Prometheus gets the history that the tests use, the page in this
folder asks it, and Chromium looks at the page.
"""

import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Literal

from tests.browser import Browser, chromium
from tests.history import JOB, STEP, Demo, samples
from tests.processes import PATIENCE, eventually, get

HERE = Path(__file__).parent
PICTURES = HERE.parent.parent / "docs" / "pictures"
HOURS = 6
WIDTH = 1600
QUEUED_JOB = "0b7e6b52-6c1f-4a7e-9a43-5d0f7c2e1a01"

# The file's name, the page's path, the theme.
DRAWN: tuple[tuple[str, str, Literal["light", "dark"]], ...] = (
    ("overview", "/d/adbpg-overview", "dark"),
    ("overview-light", "/d/adbpg-overview", "light"),
    ("job", f"/d/adbpg-job?var-job_id={QUEUED_JOB}", "dark"),
    ("exporter", "/d/adbpg-exporter", "dark"),
)


def main() -> int:
    """Draw all pictures; the exit code is 1 when a page had something to complain about."""
    PICTURES.mkdir(exist_ok=True)
    with (
        tempfile.TemporaryDirectory(prefix="dashboards-") as name,
        history(Path(name)) as prometheus,
        page(prometheus) as url,
        chromium(Path(name) / "profile") as browser,
    ):
        for file, path, theme in DRAWN:
            print(f"== {file}", flush=True)
            draw(browser, url + path, theme, PICTURES / f"{file}.png")
    for complaint in browser.complaints:
        print(complaint, file=sys.stderr)
    return 1 if browser.complaints else 0


@contextmanager
def history(folder: Path) -> Iterator[str]:
    """Start a Prometheus that has scraped the demo for hours, until now; gives its address."""
    print(f"== {HOURS} hours of the demo, for Prometheus", flush=True)
    (folder / "demo").mkdir()
    demo = Demo(folder / "demo", time.time() - HOURS * 3600)
    told = folder / "history.txt"
    with told.open("w", encoding="utf-8") as output, closing(demo.exporter):
        for at, text in demo.pages(HOURS * 3600):
            labels = {"instance": "exporter-0:10077", "job": JOB}
            output.writelines(line + "\n" for line in samples(text, at, labels))
        output.write("# EOF\n")
    command = ["promtool", "tsdb", "create-blocks-from", "openmetrics", told, folder / "data"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    (folder / "prometheus.yml").write_text("scrape_configs: []\n")
    flags = (
        f"--config.file={folder}/prometheus.yml",
        f"--storage.tsdb.path={folder}/data",
        "--web.listen-address=127.0.0.1:0",
    )
    with started("prometheus", *flags, says=r"Listening on.*address=(\S+)") as address:
        eventually(lambda: get(f"http://{address}/-/ready")[0] == 200, "Prometheus is ready")
        yield f"http://{address}"


@contextmanager
def page(prometheus: str) -> Iterator[str]:
    """Serve the page of this folder; gives its address."""
    environ = {"VITE_PROMETHEUS_URL": prometheus, "VITE_SCRAPE_INTERVAL": f"{STEP}s"}
    vite = str(HERE / "node_modules/.bin/vite")
    flags = ("--port=0", "--clearScreen=false")
    with started(vite, *flags, says=r"http://([\d.]+:\d+)/", environ=environ) as address:
        yield f"http://{address}"


def draw(browser: Browser, url: str, theme: Literal["light", "dark"], file: Path) -> None:
    """Open a page, wait until it is drawn, and keep all of it as a picture."""
    browser.look_like(WIDTH, theme)
    browser.open(f"{url}{'&' if '?' in url else '?'}theme={theme}")
    drawn = "document.body.dataset.state === 'drawn'"
    eventually(lambda: browser.evaluate(drawn) is True, "the dashboard is drawn")
    # Chromium does not paint the rows of a table that lies below the window.
    height = browser.evaluate("document.documentElement.scrollHeight")
    browser.send(
        "Emulation.setDeviceMetricsOverride",
        width=WIDTH,
        height=height,
        deviceScaleFactor=1,
        mobile=False,
    )
    time.sleep(1)  # icons, and tables that look at their size, say nothing when they are ready
    browser.screenshot(file)
    subprocess.run(["pngquant", "--force", "--ext=.png", "--strip", file], check=True)


@contextmanager
def started(
    program: str, *flags: str, says: str, environ: Mapping[str, str] | None = None
) -> Iterator[str]:
    """Start a server; gives the address that it says it listens on.

    Args:
        program: to run in this folder.
        flags: for it.
        says: the pattern of that line, with one group.
        environ: beside our own.
    """
    process = subprocess.Popen(
        [program, *flags],
        cwd=HERE,
        env={**os.environ, **(environ or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    log: list[str] = []
    found: list[str] = []
    known = threading.Event()

    def follow() -> None:
        for line in process.stdout or ():
            log.append(line)
            if not found and (match := re.search(says, re.sub(r"\x1b\[[\d;]*m", "", line))):
                found.append(match[1])
                known.set()

    follower = threading.Thread(target=follow, daemon=True)
    follower.start()
    try:
        if not known.wait(PATIENCE):
            raise SystemExit(f"{program} did not start:\n{''.join(log)}")
        yield found[0]
    finally:
        process.terminate()
        process.wait(PATIENCE)
        follower.join(PATIENCE)


if __name__ == "__main__":
    sys.exit(main())
