"""Measures the exporter beside its peers, and writes results.json and plots. See README.md."""

import argparse
import json
import platform
import re
import statistics
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from gzip import decompress
from pathlib import Path

from benchmarks import crowd, monitoring, plot, processes, registry
from benchmarks.processes import Child
from tests.certificates import Authority

LATENCY = 0.05  # seconds


@dataclass(slots=True)
class Results:
    """All figures, each with its runs.

    Attributes:
        figures: name to the values of all runs.
    """

    figures: dict[str, list[float]] = field(default_factory=dict)

    def add(self, name: str, value: float) -> None:
        """Note one run."""
        self.figures.setdefault(name, []).append(value)

    def ratio(self, name: str, ours: str, theirs: str) -> None:
        """Note the ratios of two figures that were measured in turn and have none yet."""
        known = len(self.figures.get(name, ()))
        pairs = [*zip(self.figures[ours], self.figures[theirs], strict=True)]
        for mine, other in pairs[known:]:
            self.add(name, mine / other if other else float("nan"))

    def median(self, name: str) -> float:
        """Return the median of the runs."""
        return statistics.median(self.figures[name])

    def show(self) -> None:
        """Print a line a figure."""
        for name, values in self.figures.items():
            spread = f"{min(values):.3f} to {max(values):.3f}"
            print(f"{name:<58} {self.median(name):>9.3f}   {spread}")

    def write(self, folder: Path) -> None:
        """Write results.json and the plots."""
        folder.mkdir(parents=True, exist_ok=True)
        machine = {"python": platform.python_version(), "system": platform.platform()}
        document = {"machine": machine, "figures": self.figures}
        (folder / "results.json").write_text(json.dumps(document, indent=1) + "\n", "utf-8")
        plot.write(folder, self.figures)


@dataclass(frozen=True, slots=True)
class Bench:
    """What every measurement needs.

    Attributes:
        folder: of certificates and configurations, new for each suite.
        results: where the figures go.
        passes: how often a run measures what is short, after one pass that warms up.
    """

    folder: Path
    results: Results
    passes: int = 2

    def measure(self, children: dict[str, Child], jobs: int, concurrency: int, note: str) -> None:
        """Make passes in turn, so that a slow moment hits all."""
        for number in range(self.passes + 1):
            for name, child in children.items():
                before = child.cpu()
                seconds = child.one_pass() if child.url == "-" else _scrape(child, jobs)
                if number:
                    width = 1 if "one after another" in name else concurrency
                    ideal = jobs * LATENCY / width
                    label = f"{note}: {name}"
                    cpu = child.cpu() - before
                    self.results.add(f"{label}: seconds", seconds)
                    self.results.add(f"{label}: wall / ideal", seconds / ideal)
                    self.results.add(f"{label}: CPU ms a job", cpu * 1000 / jobs)
        for name, child in children.items():
            self.results.add(f"{note}: {name}: peak MB", child.memory())


def _scrape(child: Child, jobs: int) -> float:
    """Return the seconds of a scrape, which must show every job's answer."""
    seconds, page = child.get("/metrics")
    text = decompress(page) if page.startswith(b"\x1f\x8b") else page
    running = rb'^adbpg_job_status\{.*status="Running".*\} 1(?:\.0)?$'
    shown = len(re.findall(running, text, re.MULTILINE))
    assert shown == jobs, f"only {shown} of {jobs} jobs were answered"
    return seconds


def names(jobs: int, prefix: str = "job") -> list[str]:
    """Return job ids."""
    return [f"{prefix}-{number:06d}" for number in range(jobs)]


def sqlite(folder: Path, name: str) -> str:
    """Return the section of a store in a file of its own."""
    path = folder / f"{name.replace(' ', '-').replace(',', '')}.sqlite"
    return f"registry: {{store: sqlite, path: {path}}}\n"


def settings(concurrency: int) -> str:
    """Return the exporter's settings: every job is due in every scrape."""
    return f"min_interval: 0s, timeout: 60s, concurrency: {concurrency}"


def peers(bench: Bench, *, jobs: int, tls: bool, concurrency: int = 32) -> None:
    """The exporter and everything that would be used instead of it, in turn."""
    folder, note = bench.folder, f"{jobs} jobs, {'TLS' if tls else 'HTTP'}"
    with ExitStack() as stack:
        simulated = stack.enter_context(processes.upstream(folder, latency=LATENCY, tls=tls))
        api = simulated.url
        gate = stack.enter_context(processes.pushgateway(folder))
        push = ("--pushgateway", gate.url)
        enter = stack.enter_context
        children = {
            "exporter": enter(processes.exporter(folder, api, names(jobs), settings(concurrency))),
            "exporter, SQLite": enter(
                processes.exporter(
                    folder, api, names(jobs), settings(concurrency), extra=sqlite(folder, note)
                )
            ),
            "obvious": enter(processes.peer(folder, "obvious", api, jobs)),
            "SDK, 32 threads": enter(processes.peer(folder, "sdk", api, jobs, *push)),
            "bare loop": enter(processes.peer(folder, "bare", api, jobs)),
        }
        bench.measure(children, jobs, concurrency, note)
        own = float(simulated.get("/latency")[1])
        bench.results.add(f"{note}: the simulated API: its latency, ms", own * 1000)
        if not tls:
            few = enter(processes.peer(folder, "sdk", api, 200, *push, "--concurrency", 1))
            slow = {"SDK, one after another (200 jobs)": few}
            bench.measure(slow, 200, 1, note)
    for ours in ("exporter", "exporter, SQLite"):
        bench.results.ratio(
            f"{note}: wall, {ours} / bare loop",
            f"{note}: {ours}: wall / ideal",
            f"{note}: bare loop: wall / ideal",
        )
        for other in ("obvious", "SDK, 32 threads", "bare loop"):
            bench.results.ratio(
                f"{note}: CPU, {ours} / {other}",
                f"{note}: {ours}: CPU ms a job",
                f"{note}: {other}: CPU ms a job",
            )


def growth(bench: Bench) -> None:
    """How the cost grows with the number of jobs, over TLS."""
    with processes.upstream(bench.folder, latency=LATENCY, tls=True) as api:
        for jobs, concurrency in ((10, 32), (100, 32), (1000, 32), (5000, 64), (10000, 128)):
            ids = names(jobs)
            with processes.exporter(bench.folder, api.url, ids, settings(concurrency)) as child:
                note = f"growth, {concurrency} at once, {jobs} jobs"
                bench.measure({"exporter": child}, jobs, concurrency, note)


def pages(bench: Bench, jobs: int = 10000) -> None:
    """What writing the same series costs us with gzip, prometheus_client, and Pushgateway."""
    note, scripts = f"page of {jobs} running jobs", {}
    with ExitStack() as stack:
        for writer in ("ours", "client"):
            command = processes.python("-m", "benchmarks.rendering", writer, jobs)
            scripts[writer] = stack.enter_context(
                processes.running(command, r"^ready (\S+)", folder=bench.folder)
            )
        gate = stack.enter_context(processes.pushgateway(bench.folder))
        text = (bench.folder / "page.txt").read_bytes()
        push = urllib.request.Request(f"{gate.url}/metrics/job/bench", data=text, method="PUT")
        urllib.request.urlopen(push, timeout=120).close()
        series = int(scripts["ours"].url)
        for number in range(bench.passes + 1):
            for writer, child in (*scripts.items(), ("Pushgateway", gate)):
                before = child.cpu()
                for _ in range(3):  # the accounting counts hundredths of a second
                    child.get("/metrics") if child is gate else child.one_pass()
                if number:
                    cost = (child.cpu() - before) / 3 / series * 1e6
                    bench.results.add(f"{note}: {writer}: CPU us a series", cost)
    mine = f"{note}: ours: CPU us a series"
    for other in ("client", "Pushgateway"):
        bench.results.ratio(f"{note}: ours / {other}", mine, f"{note}: {other}: CPU us a series")


def start(bench: Bench) -> None:
    """How long a start takes, to the first answer of /-/ready, and the memory then."""
    for jobs in (10, 10000):
        note = f"start with {jobs} jobs"
        for _ in range(bench.passes):
            with processes.exporter(
                bench.folder, "http://127.0.0.1:1", names(jobs), settings(32)
            ) as child:
                seconds, _ = child.get("/-/ready")
                bench.results.add(f"{note}: ms to ready", (child.started + seconds) * 1000)
                bench.results.add(f"{note}: MB", child.memory())


def ended(bench: Bench, jobs: int = 10000) -> None:
    """What jobs cost that have ended; the first scrapes ask about them and keep their lines."""
    with (
        processes.upstream(bench.folder, latency=0.001, tls=False) as api,
        processes.exporter(bench.folder, api.url, names(jobs, "ended"), settings(64)) as child,
    ):
        for _ in range(20):  # what each connection's thread keeps is in the peak
            child.get("/metrics")
        calls = _calls(api)
        _cheap_scrapes(bench, child, f"{jobs} ended jobs")
        bench.results.add(f"{jobs} ended jobs: calls", _calls(api) - calls)
        bench.results.add(f"{jobs} ended jobs: peak MB", child.memory())


def _cheap_scrapes(bench: Bench, child: Child, note: str, scrapes: int = 10) -> None:
    """Note the mean of some scrapes, since the accounting counts hundredths of a second."""
    before = child.cpu()
    seconds = statistics.mean(child.get("/metrics")[0] for _ in range(scrapes))
    bench.results.add(f"{note}: seconds", seconds)
    bench.results.add(f"{note}: CPU seconds", (child.cpu() - before) / scrapes)


def files(bench: Bench, jobs: int = 10000) -> None:
    """What ended jobs cost that each have a job file of their own; and after a restart."""
    folder, note = bench.folder, f"{jobs} job files"
    lists = folder / "lists"
    lists.mkdir()
    for number, job in enumerate(names(jobs, "ended-file")):
        line = f"- {{target: bench, id: {job}, collection: c{number % 500}}}\n"
        (lists / f"{job}.yaml").write_text(line, "utf-8")
    store = folder / "files.sqlite"
    extra = f"job_files: [{lists}/*.yaml]\nregistry: {{store: sqlite, path: {store}}}\n"
    with processes.upstream(folder, latency=0.001, tls=False) as api:
        with processes.exporter(folder, api.url, (), settings(64), extra=extra) as child:
            while _calls(api) < jobs:
                child.get("/metrics")
            child.get("/metrics")
            _cheap_scrapes(bench, child, note)
            child.process.terminate()  # what has yet to be written is written at a stop
            child.process.wait()
        calls = _calls(api)
        with processes.exporter(folder, api.url, (), settings(64), extra=extra) as child:
            page = b""
            while page.count(b'status="Success"} 1\n') < jobs:
                _, page = child.get("/metrics", gzip=False)
        bench.results.add(f"{note}: calls after a restart", _calls(api) - calls)


def first(bench: Bench, jobs: int = 10000, timeout: int = 10) -> None:
    """The first scrapes after a start, with more jobs than fit: the page must be back in time."""
    with (
        processes.upstream(bench.folder, latency=LATENCY, tls=True) as api,
        processes.exporter(
            bench.folder, api.url, names(jobs), settings(128).replace("timeout: 60s, ", "")
        ) as child,
    ):
        for number in range(1, 4):
            seconds, _ = child.get("/metrics", timeout=timeout)
            bench.results.add(
                f"{jobs} jobs, {timeout} s: scrape {number} after a start, seconds", seconds
            )


def churn(bench: Bench, scrapes: int = 2000) -> None:
    """Many scrapes while jobs come and go: what grows."""
    folder = bench.folder
    lists, extra = folder / "churn", sqlite(folder, "churn")
    lists.mkdir()
    extra = extra.replace("}", ", keep_ended: 10s}") + f"job_files: [{lists}/*.yaml]\n"
    with (
        processes.upstream(folder, latency=0.001, tls=True) as api,
        processes.exporter(folder, api.url, names(50), settings(8), extra=extra) as child,
    ):
        for number in range(1, scrapes + 1):
            lines = "".join(
                f"- {{target: bench, id: ended-{number}-{each}, collection: c{each}}}\n"
                for each in range(10)
            )
            (lists / "new.yaml").write_text(lines, "utf-8")
            (lists / "new.yaml").rename(lists / "now.yaml")
            child.get("/metrics")
            if number * 5 % scrapes == 0:
                note = f"after {number} scrapes with jobs that come and go"
                bench.results.add(f"{note}: MB", child.memory("VmRSS"))
                bench.results.add(f"{note}: threads", child.threads())
                bench.results.add(f"{note}: descriptors", child.descriptors())
                path = folder / "churn.sqlite"
                bench.results.add(f"{note}: store, MB", registry.megabytes(path))


def crowds(bench: Bench) -> None:
    """Many scrapes at once: of a page of 1 MB, and of jobs that share their calls."""
    with (
        processes.upstream(bench.folder, latency=LATENCY, tls=False) as api,
        processes.exporter(
            bench.folder, api.url, names(330), "min_interval: 1h, max_age: 2h, timeout: 60s"
        ) as child,
    ):
        for _ in range(bench.passes):
            child.get("/metrics")
            seconds = crowd.slowest(f"{child.url}/metrics", 128, least=1_000_000)
            bench.results.add("128 scrapes at once of 1 MB: the slowest, seconds", seconds)
    with (
        processes.upstream(bench.folder, latency=LATENCY, tls=False) as api,
        processes.exporter(bench.folder, api.url, names(200), "timeout: 60s") as child,
    ):
        together(16, lambda: child.get("/metrics")[0])
        bench.results.add("16 scrapes at once of 200 jobs: calls", _calls(api))


def hanging(bench: Bench) -> None:
    """One call of a hundred hangs: the others are all in the page, within the budget of 3 s."""
    ids = [*names(10, "hang"), *names(990)]
    with (
        processes.upstream(bench.folder, latency=LATENCY, tls=False) as api,
        processes.exporter(bench.folder, api.url, ids, "min_interval: 0s, timeout: 3s") as child,
    ):
        seconds, page = child.get("/metrics", gzip=False)
        bench.results.add("1 % of 1000 calls hang: seconds, of a budget of 3", seconds)
        bench.results.add(
            "1 % of 1000 calls hang: jobs shown", page.count(b'status="Running"} 1\n')
        )


def registration(bench: Bench) -> None:
    """How many jobs a second one client announces, one by one and in lists, with durable stores."""
    with (
        registry.stores(bench.folder) as stores,
        processes.upstream(bench.folder, latency=LATENCY, tls=True) as api,
    ):
        for store, section in stores.items():
            note = f"announcing, {store}"
            extra = section + registry.tokens(bench.folder)
            with processes.exporter(
                bench.folder, api.url, names(1000), registry.SETTINGS, extra=extra
            ) as child:
                quiet = [child.get("/metrics")[0] for _ in range(4)][1:]
                single = names(registry.SINGLE, "ended-single")
                seconds = registry.announce(child, single, 1)
                bench.results.add(f"{note}: one by one, a second", len(single) / seconds)
                bare = registry.bare_commits(bench.folder)
                bench.results.add("bare SQLite: rows a second", bare)
                listed = names(registry.LISTS * registry.LIST, "ended-list")
                seconds = registry.announce(child, listed, registry.LIST)
                bench.results.add(f"{note}: {len(listed)} in lists, seconds", seconds)
                for _ in range(2):
                    child.get("/metrics")
                with registry.scraping(child) as beside:
                    registry.announce(child, names(registry.SINGLE, "ended-beside"), 1)
                ratio = statistics.median(beside) / statistics.median(quiet)
                bench.results.add(f"{note}: a scrape beside it / without", ratio)


def history(bench: Bench, jobs: int = 1_000_000) -> None:
    """What a million ended jobs in SQLite cost: a start, a scrape, and the disk."""
    path = bench.folder / "history.sqlite"
    extra = f"registry: {{store: sqlite, path: {path}, keep_ended: 48h}}\n"
    with processes.upstream(bench.folder, latency=0.001, tls=False) as api:
        filled = 0
        for number in (0, jobs // 100, jobs // 10, jobs):
            if number:
                registry.fill(path, filled, number)
                filled = number
                bench.results.add(f"{number} ended jobs in the store: MB", registry.megabytes(path))
            note = f"{number} ended jobs in the store"
            with processes.exporter(
                bench.folder, api.url, names(1000), registry.SETTINGS, extra=extra
            ) as child:
                seconds, _ = child.get("/-/ready")
                bench.results.add(f"{note}: ms to ready", (child.started + seconds) * 1000)
                scrapes = [child.get("/metrics")[0] for _ in range(6)]
                bench.results.add(f"{note}: the first scrape, seconds", scrapes[0])
                bench.results.add(f"{note}: a scrape, seconds", statistics.median(scrapes[1:]))
                bench.results.add(f"{note}: peak MB", child.memory())


def shards(bench: Bench, jobs: int = 20_000, of: int = 4) -> None:
    """Shards that share one PostgreSQL, beside one with its part of the jobs alone."""
    for number, note in ((1, "alone"), (of, "together")):
        with (
            registry.stores(bench.folder) as stores,
            processes.upstream(bench.folder, latency=LATENCY, tls=False) as api,
        ):
            extra = stores["postgresql"] + registry.tokens(bench.folder)
            with registry.shards(bench.folder, api.url, extra, number, 64) as children:
                registry.announce(children[0], names(jobs // of * number), registry.LIST)
                pages = _together(children)
                found = sum(page.count(b'status="Running"} 1\n') for _, page in pages)
                bench.results.add(f"{note}: jobs in the pages", found)
                for _ in range(bench.passes):
                    slowest = max(seconds for seconds, _ in _together(children))
                    bench.results.add(f"{note}: a scrape of {jobs // of} jobs, seconds", slowest)


def _together(children: Sequence[Child]) -> list[tuple[float, bytes]]:
    """Scrape several exporters at once."""
    with ThreadPoolExecutor(len(children)) as pool:
        return [*pool.map(lambda child: child.get("/metrics", gzip=False), children)]


def together(count: int, work: Callable[[], float]) -> Sequence[float]:
    """Do something in so many threads at once, and return what each returned."""
    found: list[float] = []
    threads = [threading.Thread(target=lambda: found.append(work())) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == count, f"only {len(found)} of {count} were served"
    return found


def _calls(api: Child) -> int:
    return int(api.get("/calls")[1])


SUITES: dict[str, Callable[[Bench], None]] = {
    "peers": lambda bench: peers(bench, jobs=1000, tls=True),
    "http": lambda bench: peers(bench, jobs=1000, tls=False),
    "growth": growth,
    "pages": pages,
    "start": start,
    "ended": ended,
    "files": files,
    "first": first,
    "churn": churn,
    "crowds": crowds,
    "hanging": hanging,
    "registration": registration,
    "history": history,
    "shards": shards,
    "monitoring": lambda bench: monitoring.measure(bench.folder, bench.results.add),
}


def main() -> None:
    """Measure what was asked for, all of it by default, in whole runs one after the other."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("suites", nargs="*", help=f"some of: {', '.join(SUITES)}")
    parser.add_argument("--runs", type=int, default=3, help="whole runs")
    parser.add_argument("--output", type=Path, help="folder for results.json and the plots")
    options = parser.parse_args()
    results = Results()
    for run in range(options.runs):
        for suite in options.suites or SUITES:
            with tempfile.TemporaryDirectory() as name:
                folder = Path(name)
                Authority(folder).issue("server", "DNS:localhost,IP:127.0.0.1")
                SUITES[suite](Bench(folder, results))
            print(f"== {time.strftime('%X')} run {run + 1}: {suite}", flush=True)
            if options.output:  # after each suite: a run that is stopped leaves its figures
                results.write(options.output)
    results.show()


if __name__ == "__main__":
    main()
