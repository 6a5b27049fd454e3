"""Many scrapes with mixed faults, and what they leave behind.

Run it as ``python -m tests.faults.soak 50000``. The API errs, hesitates and throttles; clients
vanish, stop half-way or ask for nonsense; the configuration is reloaded and a job file rewritten
all the while.
"""

import argparse
import itertools
import json
import statistics
import tempfile
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.clients import answer
from tests.faults.raw import MIB, SCRAPE, Vitals, back_to, connect, vanish, vitals
from tests.processes import (
    ACCESS_KEYS,
    ONE_NAMESPACE,
    Process,
    eventually,
    exporter,
    get,
    post,
    simulator,
)

SCENARIO = f"""{ACCESS_KEYS}{ONE_NAMESPACE}
latency: 2ms
jobs:
  - {{id: steady, collection: c1, namespace: main, entries: 900000000}}
  - {{id: gone, collection: c2, namespace: main, shape: unknown}}
  - {{id: slow, collection: c3, namespace: main, entries: 900000000,
      fault: {{kind: slow, latency: 30ms, from: 1s, to: 3s, every: 7s}}}}
  - {{id: erring, collection: c4, namespace: main, entries: 900000000,
      fault: {{kind: server_error, from: 1s, to: 2s, every: 3s}}}}
  - {{id: garbage, collection: c5, namespace: main, entries: 900000000,
      fault: {{kind: garbage, from: 1s, to: 2s, every: 4s}}}}
  - {{id: failing, collection: c6, namespace: main, entries: 900000000,
      fault: {{kind: api_fail, from: 1s, to: 2s, every: 5s}}}}
  - {{id: throttled, collection: c7, namespace: main, entries: 900000000,
      fault: {{kind: throttled, from: 20s, to: 21s, every: 60s}}}}
"""
SETTINGS = "scrape: {min_interval: 0s, concurrency: 8}\napi: {calls_per_second: 10000}\n"
SCRAPERS = 4
WARM_UP = 0.2  # share of the scrapes before the first look at the memory
LOOKS = 40
POOLED = 8  # connections to the API that may be kept, and threads that may use them
LOOKING = 4  # threads that may wait for a file to look at
# Threads: the main one, who takes connections, who waits for signals, who lists the job files.
MOST_AT_REST = POOLED + LOOKING + 4


@dataclass(frozen=True)
class Result:
    """What a soak has shown.

    Attributes:
        scrapes: that were made.
        answers: how many there were of each status; 0 stands for a client that vanished.
        before: the process when every part of it had been used.
        after: the process at the end, at rest.
        slope: bytes of memory that it grew from the warm-up to the end, by the straight line
            that fits best.
    """

    scrapes: int
    answers: dict[int, int]
    before: Vitals
    after: Vitals
    slope: float


def one(process: Process, number: int, folder: Path) -> int:
    """Do one scrape, or something near it; return the answer's status."""
    if number % 500 == 6:
        return post(process.url + "/-/reload")[0]
    if number % 100 == 7:
        jobs = [{"target": "main", "id": f"filed-{number // 100 % 9}", "collection": "c"}]
        whole = json.dumps(jobs)
        (folder / "jobs.yaml").write_text(whole if number % 200 == 7 else whole[:-3])
    return CLIENTS.get(number % 20, _good)(process)


def _good(process: Process) -> int:
    return get(process.url + "/metrics")[0]


def _hurried(process: Process) -> int:
    return get(process.url + "/metrics", X_Prometheus_Scrape_Timeout_Seconds="0.2")[0]


def _choosy(process: Process) -> int:
    url = process.url + "/metrics?name[]=adbpg_job_up"
    return get(url, Accept="application/openmetrics-text", Accept_Encoding="identity")[0]


def _vanishing(process: Process) -> int:
    vanish(connect(process, SCRAPE))
    return 0


def _half_open(process: Process) -> int:
    vanish(connect(process, SCRAPE[:20]))
    return 0


def _hostile(process: Process) -> int:
    with connect(process, b"GET /%00/.. HTTP/1.1\r\nHost: x\r\nA : b\r\n\r\n") as client:
        return answer(client)[0]


CLIENTS: dict[int, Callable[[Process], int]] = {
    1: _vanishing,
    2: _half_open,
    3: _hostile,
    4: _hurried,
    5: _choosy,
}


def soak(scrapes: int, folder: Path) -> Result:
    """Run so many scrapes and look at the process."""
    with simulator(SCENARIO, folder) as api:
        text = api.configuration(SETTINGS) + "job_files: [jobs.yaml]\n"
        with exporter(text, folder, "--web.enable-lifecycle", "--log.level=error") as it:
            return _soaked(it, scrapes, folder)


def _soaked(process: Process, scrapes: int, folder: Path) -> Result:
    answers: Counter[int] = Counter()
    memory: dict[int, int] = {}
    numbers, lock = itertools.count(), threading.Lock()
    every = max(1, scrapes // LOOKS)

    def work() -> None:
        while (number := next(numbers)) < scrapes:
            status = one(process, number, folder)
            with lock:
                answers[status] += 1
                if number % every == 0 and number >= scrapes * WARM_UP:
                    memory[number] = vitals(process).resident

    before = _at_rest(process)
    with ThreadPoolExecutor(SCRAPERS) as pool:
        for future in [pool.submit(work) for _ in range(SCRAPERS)]:
            future.result()
    line = statistics.linear_regression(list(memory), list(memory.values()))
    slope = line.slope * scrapes * (1 - WARM_UP)
    return Result(scrapes, dict(answers), before, _at_rest(process, before), slope)


def _at_rest(process: Process, before: Vitals | None = None) -> Vitals:
    """Return what a process has when nobody asks anything of it, but all has been asked for."""
    for _ in range(5):
        with ThreadPoolExecutor(SCRAPERS) as pool:
            list(pool.map(_good, [process] * SCRAPERS * 5))
    if before is None:
        eventually(lambda: vitals(process).threads <= MOST_AT_REST, "no client is served")
    else:
        back_to(process, before, pooled=POOLED)
    return vitals(process)


def main() -> None:
    """Print the result as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scrapes", type=int)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        result = soak(options.scrapes, Path(folder))
    print(json.dumps({**asdict(result), "slope_mib": round(result.slope / MIB, 2)}, indent=1))  # noqa: T201  it is a command


if __name__ == "__main__":
    main()
