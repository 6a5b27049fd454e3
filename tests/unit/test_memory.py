"""What a further job costs in memory, counted by the interpreter."""

import gc
import json
import tracemalloc
from pathlib import Path

from exporter import config
from exporter.config.settings import DeadlineSettings
from exporter.gpdb.kinds import KINDS, UPSERT_COLLECTION_DATA
from exporter.model import BEIJING, Observation
from exporter.polling.record import Record
from tests.config_files import Watched

MOST = 1_200  # bytes
RULE = DeadlineSettings()
Kept = tuple[Watched, dict[object, Record], list[Observation]]


def watched(jobs: int, folder: Path) -> Kept:
    """Return all that is kept of so many jobs that have ended and were shown."""
    lines = "".join(
        f"    {{id: 231460f8-75dc-405e-a669-{n:012d}, collection: c{n}, expected_entries: {n}}},\n"
        for n in range(1, jobs + 1)
    )
    target = "name: t, region_id: cn-hangzhou, db_instance_id: gp-1, namespace_password: pw"
    path = folder / f"{jobs}.yaml"
    path.write_text(f"targets:\n  - {{{target}, jobs: [\n{lines}  ]}}\n", "utf-8")
    sources = Watched(config.load(str(path), {}))
    records: dict[object, Record] = {}
    shown: list[Observation] = []
    for number, ref in enumerate(sources.current().jobs):
        records[ref.identity] = record = Record(ref, sources.current().targets["t"])
        record.answer(
            KINDS[UPSERT_COLLECTION_DATA].decode(answer(number), ref, BEIJING), 1.0 + number
        )
        record.done_in = 1
        shown.append(
            record.observation(ref, 5.0, max_age=300.0, limits=RULE, round_number=2, offset=1.7e9)
        )
    return sources, records, shown


def answer(number: int) -> dict[str, object]:
    """Return an answer as it is read from the wire."""
    document: dict[str, object] = json.loads(
        f'{{"Job": {{"Status": "Success", "Completed": true, "Progress": {number + 1000},'
        f' "CreateTime": "2024-01-08 16:52:04.{number:06d}",'
        f' "UpdateTime": "2024-01-08 16:53:04.{number:06d}"}}}}'
    )
    return document


def bytes_of(jobs: int, folder: Path) -> int:
    """Return what is kept of so many jobs."""
    gc.collect()
    tracemalloc.start()
    try:
        kept = watched(jobs, folder)
        gc.collect()
        used, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(kept[2]) == jobs
    return used


def test_a_further_job(tmp_path: Path) -> None:
    """A job, configured, asked about, ended and shown, is kept in 1.2 KB at most."""
    few, many = bytes_of(500, tmp_path), bytes_of(2500, tmp_path)

    assert (many - few) / 2000 <= MOST, (many - few) / 2000
