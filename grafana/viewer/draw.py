"""Draws the dashboards on hours of the demo, and keeps them as pictures for docs/.

Run by ``make pictures``. A real Prometheus gets the history that the tests use, the page in this
folder asks it, and Chromium looks at the page.
"""

import logging
import os
import socket
import subprocess
import sys
import tempfile
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
JOB_FILES = "/var/lib/adbpg-jobs"  # a usual folder, in place of the one that is made to draw
JOB_ID = "cf0b0a0d-c21e-4fb3-a8d7-169fe5046c15"  # its queries fail now and then

# The picture's name, the page's path, the theme.
DRAWN: tuple[tuple[str, str, Literal["light", "dark"]], ...] = (
    ("overview", "/d/adbpg-overview?", "dark"),
    ("overview-light", "/d/adbpg-overview?", "light"),
    ("collections", "/d/adbpg-collections?from=now-6h&to=now&", "dark"),
    ("job", f"/d/adbpg-job?var-job_id={JOB_ID}&", "dark"),
    ("exporter", "/d/adbpg-exporter?", "dark"),
)


def main() -> int:
    """Draw all pictures; the exit code is 1 when a page had something to complain about."""
    logging.getLogger().addHandler(logging.NullHandler())  # the demo's jobs fail on purpose
    PICTURES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="dashboards-") as name:
        folder = Path(name)
        print(f"== {HOURS} hours of the demo, for Prometheus", flush=True)
        write_blocks(folder)
        with (
            prometheus(folder) as source,
            page(source) as url,
            chromium(folder / "profile") as browser,
        ):
            for file, path, theme in DRAWN:
                print(f"== docs/pictures/{file}.png", flush=True)
                draw(browser, f"{url}{path}theme={theme}", theme, PICTURES / f"{file}.png")
    for complaint in browser.complaints:
        print(complaint, file=sys.stderr)
    return 1 if browser.complaints else 0


def write_blocks(folder: Path) -> None:
    """Make the storage of a Prometheus that has scraped the demo for hours, until now."""
    (folder / "demo").mkdir()
    demo = Demo(folder / "demo", time.time() - HOURS * 3600)
    told = folder / "history.txt"
    with told.open("w", encoding="utf-8") as output, closing(demo.exporter):
        for at, text in demo.pages(HOURS * 3600):
            labels = {"instance": "exporter-0:10077", "job": JOB}
            shown = text.replace(str(folder / "demo"), JOB_FILES)
            output.writelines(line + "\n" for line in samples(shown, at, labels))
        output.write("# EOF\n")
    command = ("promtool", "tsdb", "create-blocks-from", "openmetrics", told, folder / "data")
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


@contextmanager
def prometheus(folder: Path) -> Iterator[str]:
    """Start a Prometheus on that storage; gives its address."""
    configuration = folder / "prometheus.yml"
    configuration.write_text("scrape_configs: []\n", "utf-8")
    address = free_address()
    command = (
        "prometheus",
        f"--config.file={configuration}",
        f"--storage.tsdb.path={folder}/data",
        f"--web.listen-address={address}",
        "--log.level=error",
    )
    with started(command, f"http://{address}/-/ready", {}):
        yield f"http://{address}"


@contextmanager
def page(source: str) -> Iterator[str]:
    """Serve the page of this folder; gives its address.

    Args:
        source: the address of Prometheus.
    """
    address = free_address()
    host, port = address.split(":")
    vite = str(HERE / "node_modules" / ".bin" / "vite")
    command = (vite, f"--host={host}", f"--port={port}", "--strictPort", "--logLevel=error")
    environ = {"VITE_PROMETHEUS_URL": source, "VITE_SCRAPE_INTERVAL": f"{STEP}s"}
    with started(command, f"http://{address}/", environ):
        yield f"http://{address}"


def draw(browser: Browser, url: str, theme: Literal["light", "dark"], file: Path) -> None:
    """Open a page, wait until it is drawn, and keep all of it as a picture."""
    browser.look_like(WIDTH, theme)
    resize(browser, 3000)  # rows of tables below the window would not be painted
    browser.open(url)
    drawn = "document.body.dataset.state === 'drawn'"
    eventually(lambda: browser.evaluate(drawn) is True, "the dashboard is drawn")
    resize(browser, browser.evaluate("document.getElementById('root').scrollHeight"))
    time.sleep(2)  # icons, and tables that learn their size, do not say when they are ready
    browser.screenshot(file)
    subprocess.run(["pngquant", "--force", "--ext=.png", "--strip", file], check=True)


def resize(browser: Browser, height: int) -> None:
    """Give the window another height."""
    size = {"width": WIDTH, "height": height, "deviceScaleFactor": 1, "mobile": False}
    browser.send("Emulation.setDeviceMetricsOverride", **size)


def free_address() -> str:
    """Return an address on loopback where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return f"127.0.0.1:{server.getsockname()[1]}"


@contextmanager
def started(command: tuple[str, ...], url: str, environ: Mapping[str, str]) -> Iterator[None]:
    """Run a server until it is no longer needed.

    Args:
        command: with its arguments.
        url: answers 200 when the server is ready.
        environ: beside our own.
    """
    process = subprocess.Popen(command, cwd=HERE, env={**os.environ, **environ})

    def ready() -> bool:
        try:
            return get(url)[0] == 200
        except OSError:
            return False

    try:
        eventually(ready, f"{command[0]} answers at {url}")
        yield
    finally:
        process.terminate()
        process.wait(PATIENCE)


if __name__ == "__main__":
    sys.exit(main())
