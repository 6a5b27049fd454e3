"""Pages, as Prometheus gets them. The expected ones are in tests/data/metrics, to be read."""

import itertools
import re
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.openmetrics import parser as openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text
from prometheus_client.registry import Collector

from exporter.errors import TimedOut
from exporter.gpdb.kinds import UPSERT_COLLECTION_DATA
from exporter.instruments import Instruments
from exporter.metrics import FAMILIES, HISTORY_FAMILIES, SCRAPE_FAMILIES, job_label_names
from exporter.metrics.page import Pages
from exporter.metrics.pieces import Piece, gzipped
from exporter.model import (
    CollectionHistory,
    ErrorClass,
    Freshness,
    JobRef,
    JobState,
    JobStatus,
    Observation,
    PatternReport,
    ScrapeResult,
    Snapshot,
    TargetHealth,
    Usage,
)
from tests.rendering import render

NAMES = [
    *(row.name for row in FAMILIES),
    *(row.name for row in SCRAPE_FAMILIES),
    *(row.name for row in HISTORY_FAMILIES),
]
DATA = Path(__file__).parent.parent / "data" / "metrics"
NOW = 1_704_703_984.0
TEXT = "text/plain;version=0.0.4"
OPENMETRICS = "application/openmetrics-text;version=1.0.0"
ACTION = "GetUpsertCollectionDataJob"
SAMPLE_NAMES = [
    *(row.name for row in FAMILIES),
    *(row.name for row in SCRAPE_FAMILIES),
    *(name for row in HISTORY_FAMILIES for name in row.sample_names),
]
Series = tuple[str, tuple[tuple[str, str], ...], float]

LABELS = (("team", "search"), ("pipeline", "nightly"))
INSTANCE = JobRef(
    target="rag-prod",
    region_id="cn-hangzhou",
    job_id="231460f8-75dc-405e-a669-0c5204887e91",
    collection="document",
    collection_namespace="rag",
    db_instance_id="gp-bp1",
    labels=LABELS,
    kind=UPSERT_COLLECTION_DATA,
)
WORKSPACE = replace(
    INSTANCE, target="工作区", db_instance_id="", workspace_id="gp-ws-1", source="file"
)
STATE = JobState(
    JobStatus.RUNNING,
    completed=False,
    progress=1600,
    created=1_704_703_924.864664,
    updated=1_704_703_980.5,
)


def observed(
    ref: JobRef,
    state: JobState,
    *,
    answered_at: float = NOW - 0.25,
    progress_changed_at: float | None = None,
    turn_at: float | None = None,
    planned_end: float | None = None,
) -> Observation:
    """Return the observation of a job that answered."""
    return Observation(
        ref,
        ScrapeResult.FINAL if state.status.is_final else ScrapeResult.FRESH,
        state,
        up=True,
        queried_at=answered_at,
        answered_at=answered_at,
        progress_changed_at=progress_changed_at,
        turn_at=turn_at,
        planned_end=planned_end,
    )


def snapshot(*observations: Observation) -> Snapshot:
    """Return a snapshot of these jobs."""
    return Snapshot(
        taken_at=NOW,
        duration=0.25,
        observations=observations,
        targets={
            "rag-prod": TargetHealth(clock_skew=-0.5),
            "工作区": TargetHealth(time_zone_suspect=True),
        },
        file_errors={"/var/lib/adbpg-jobs/b.yaml": True, "/var/lib/adbpg-jobs/a.yaml": False},
        sources=("config", "file"),
        patterns=(PatternReport("/var/lib/adbpg-jobs/*.yaml", files=2, broken=1),),
        dropped=7,
    )


VENDOR_SAMPLE = snapshot(
    observed(
        INSTANCE,
        replace(
            STATE,
            status=JobStatus.SUCCESS,
            updated=1_704_703_984.864664,
            error_text="Failed to connect database.",
            error_class=ErrorClass.INTERNAL,
        ),
        progress_changed_at=NOW - 0.25,
    )
)
EVERY_CASE = snapshot(
    observed(
        replace(INSTANCE, job_id="1-running", expected_entries=500_000),
        STATE,
        progress_changed_at=NOW - 30.0,
        turn_at=1_704_703_924.864664,
        planned_end=1_704_703_924.864664 + 500.0 + 1_800.0,
    ),
    observed(
        replace(INSTANCE, job_id="2-final"),
        replace(
            STATE,
            status=JobStatus.FAILED,
            completed=True,
            error_text="No\nway",
            error_class=ErrorClass.OTHER,
            progress=0,
        ),
        answered_at=NOW - 86_400.0,
        progress_changed_at=NOW - 86_400.0,
    ),
    Observation(replace(INSTANCE, job_id="3-never-asked", expected_entries=7), ScrapeResult.LATE),
    replace(
        observed(replace(WORKSPACE, job_id="4-failed"), STATE, answered_at=NOW - 60.0),
        result=ScrapeResult.FAILED,
        up=False,
        reason="timeout",
    ),
    Observation(
        replace(WORKSPACE, job_id="5-aged-out", expected_entries=500_000),
        ScrapeResult.FAILED,
        up=False,
        reason="timeout",
        queried_at=NOW,
        answered_at=NOW - 300.0,
    ),
    observed(replace(WORKSPACE, job_id="6-without-times"), JobState(JobStatus.UNKNOWN)),
    replace(
        observed(
            replace(INSTANCE, job_id="7-pending", kind="upload_document"),
            replace(STATE, status=JobStatus.PENDING, progress=0),
        ),
        waits=True,
    ),
    observed(
        replace(INSTANCE, job_id="8-document", kind="upload_document"),
        replace(STATE, progress=75, usage=Usage(embedding_tokens=951_350, embedding_entries=1_210)),
        progress_changed_at=NOW - 30.0,
        turn_at=1_704_703_924.864664,
        planned_end=1_704_703_924.864664 + 7_200.0,
    ),
    observed(
        replace(INSTANCE, job_id="9-index", kind="create_index"), replace(STATE, progress=None)
    ),
    observed(
        replace(INSTANCE, job_id="10-graph", kind="graph_rag"),
        replace(
            STATE,
            status=JobStatus.FAILED,
            progress=20,
            usage=Usage(embedding_tokens=0, llm_input_tokens=12_000, llm_output_tokens=340),
        ),
    ),
)
HOSTILE = 'quote " back\\slash \\n {brace="x"} # 日本語 עברית 🧪 é=\u00e9'
HOSTILE_LABELS = snapshot(
    observed(
        replace(INSTANCE, collection=HOSTILE, labels=(("team", HOSTILE), ("pipeline", ""))), STATE
    )
)
EVERY_CASE = replace(
    EVERY_CASE,
    history=(
        CollectionHistory(
            collection=("c", "rag", "gp-1", ""),
            kind=UPSERT_COLLECTION_DATA,
            finished={JobStatus.SUCCESS: 41, JobStatus.FAILED: 2, JobStatus.CANCELLED: 0},
            lost=1,
            durations=(1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 0, 0, 1),
            duration_sum=12345.5,
            entries=20_000,
            last_success=NOW - 60.0,
            last_completion=NOW - 30.0,
            last_status=JobStatus.FAILED,
        ),
        CollectionHistory(
            collection=("docs", "rag", "", "ws-1"),
            kind="graph_rag",
            finished={JobStatus.SUCCESS: 0, JobStatus.FAILED: 0, JobStatus.CANCELLED: 0},
            embedding_tokens=70,
            llm_input_tokens=30,
            llm_output_tokens=20,
        ),
    ),
    freshness=(Freshness(("c", "rag", "gp-1", ""), UPSERT_COLLECTION_DATA, 93_600.0),),
)
EMPTY = Snapshot(NOW, 0.0, (), {}, {}, ("config", "file"))
PAGES = {
    "vendor-sample": VENDOR_SAMPLE,
    "every-case": EVERY_CASE,
    "hostile-labels": HOSTILE_LABELS,
    "no-jobs": EMPTY,
}


def page(shown: Snapshot, accept: str = TEXT, names: tuple[str, ...] = ()) -> str:
    """Return the page of a snapshot alone, without the exporter's counters."""
    return render(lambda: shown, CollectorRegistry(), accept=accept, names=names)[1].decode()


def series(families: Iterable[Metric]) -> list[Series]:
    """Return all samples, in their order."""
    return [
        (sample.name, tuple(sample.labels.items()), sample.value)
        for family in families
        for sample in family.samples
    ]


def from_text(text: str) -> list[Series]:
    """Return all samples of a page in the text format."""
    return series(parse_text(text))


def parse_openmetrics(text: str) -> Iterable[Metric]:
    """Return the families of a page in the OpenMetrics format."""
    families: Iterable[Metric] = openmetrics.text_string_to_metric_families(text)  # type: ignore[no-untyped-call]
    return families


def from_openmetrics(text: str) -> list[Series]:
    """Return all samples of a page in the OpenMetrics format."""
    return series(parse_openmetrics(text))


def refuse() -> Snapshot:
    """Stand for a scrape that must not be made."""
    raise AssertionError("a snapshot was taken")


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_as_expected(name: str) -> None:
    """The page of a fixed snapshot is the expected one, byte for byte."""
    expected = (DATA / f"{name}.prom").read_bytes()

    _, body = render(lambda: PAGES[name], CollectorRegistry(), accept=TEXT, names=())

    assert body.decode() == expected.decode()
    assert body == expected


@pytest.mark.parametrize("name", PAGES)
def test_openmetrics_has_the_same_samples(name: str) -> None:
    """A page in OpenMetrics is valid, ends as it must, and says the same."""
    text = page(PAGES[name], OPENMETRICS)

    assert text.endswith("# EOF\n")
    assert from_openmetrics(text) == from_text(page(PAGES[name]))


@pytest.mark.parametrize("name", PAGES)
def test_samples_have_no_timestamps(name: str) -> None:
    """Prometheus dates samples itself."""
    families = list(parse_text(page(PAGES[name])))
    families += parse_openmetrics(page(PAGES[name], OPENMETRICS))

    samples = [sample for family in families for sample in family.samples]
    assert samples
    assert {sample.timestamp for sample in samples} == {None}


@pytest.mark.parametrize("name", PAGES)
def test_each_series_is_there_once(name: str) -> None:
    """No page names a series or a family twice: Prometheus would refuse all of it."""
    text = page(PAGES[name])

    keys = [(sample, labels) for sample, labels, _ in from_text(text)]
    helps = re.findall(r"^# HELP (\S+)", text, re.MULTILINE)
    assert len(set(keys)) == len(keys)
    assert len(set(helps)) == len(helps)


def test_every_family_is_on_every_page() -> None:
    """All families have their HELP and TYPE, in the order of the tables, with or without jobs."""
    for shown in PAGES.values():
        assert re.findall(r"^# HELP (\S+)", page(shown), re.MULTILINE) == NAMES
        assert re.findall(r"^# TYPE (\S+) \w+$", page(shown), re.MULTILINE) == NAMES


@settings(max_examples=60)
@given(
    texts=st.lists(
        st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30),
        min_size=6,
        max_size=6,
    )
)
def test_any_text_survives_as_a_label(texts: list[str]) -> None:
    """Ids and labels in any script, with quotes, backslashes or line breaks, arrive unchanged."""
    job_id, collection, namespace, target, team, pipeline = texts
    ref = replace(
        INSTANCE,
        job_id=job_id,
        collection=collection,
        collection_namespace=namespace,
        target=target,
        labels=(("team", team), ("pipeline", pipeline)),
    )
    shown = snapshot(observed(ref, STATE))

    for samples in (from_text(page(shown)), from_openmetrics(page(shown, OPENMETRICS))):
        name, labels, _ = samples[0]
        assert name == "adbpg_job_info"
        assert dict(labels) == {
            "job_id": job_id,
            "collection": collection,
            "collection_namespace": namespace,
            "db_instance_id": "gp-bp1",
            "workspace_id": "",
            "kind": "upsert_collection_data",
            "target": target,
            "region_id": "cn-hangzhou",
            "team": team,
            "pipeline": pipeline,
        }


def test_jobs_come_in_the_snapshots_order() -> None:
    """The series of a family are in the order of the jobs, whatever their names."""
    refs = [replace(INSTANCE, job_id=name) for name in ("z", "a", "10", "9")]
    text = page(snapshot(*(observed(ref, STATE) for ref in refs)))

    jobs = [dict(labels)["job_id"] for name, labels, _ in from_text(text) if name == "adbpg_job_up"]
    assert jobs == ["z", "a", "10", "9"]


def test_the_order_is_stable_from_scrape_to_scrape() -> None:
    """When only values change, only values change on the page: gzip and diffs live on that."""
    later = replace(
        EVERY_CASE,
        taken_at=NOW + 15.0,
        observations=tuple(
            replace(each, answered_at=None if each.answered_at is None else NOW + 14.0)
            for each in EVERY_CASE.observations
        ),
        targets=dict(reversed(list(EVERY_CASE.targets.items()))),
        file_errors=dict(reversed(list(EVERY_CASE.file_errors.items()))),
    )

    def keys(shown: Snapshot) -> list[str]:
        return [line.rsplit(" ", 1)[0] for line in page(shown).splitlines() if line[0] != "#"]

    assert sorted(keys(later)) == sorted(keys(EVERY_CASE))
    assert keys(replace(later, targets=EVERY_CASE.targets)) == keys(EVERY_CASE)


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        ("", "text/plain; version=0.0.4; charset=utf-8"),
        ("*/*", "text/plain; version=0.0.4; charset=utf-8"),
        (TEXT, "text/plain; version=0.0.4; charset=utf-8"),
        ("garbage;;;,,q=", "text/plain; version=0.0.4; charset=utf-8"),
        (f"{OPENMETRICS},{TEXT};q=0.5", "application/openmetrics-text; version=1.0.0"),
        ("application/openmetrics-text", "application/openmetrics-text; version=1.0.0"),
        ("application/openmetrics-text;q=0", "text/plain; version=0.0.4; charset=utf-8"),
    ],
)
def test_the_content_type_is_what_was_asked_for(accept: str, content_type: str) -> None:
    """Text is the default; OpenMetrics comes only to who asks for it."""
    told, body = render(lambda: EMPTY, CollectorRegistry(), accept=accept, names=())

    assert told.startswith(content_type)
    assert body.endswith(b"# EOF\n") == ("openmetrics" in content_type)


class Plain(Collector):
    """The metric table as a plain collector of prometheus_client, its usual way."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot

    def collect(self) -> Iterator[Metric]:
        """Give each row as a family."""
        observations, now = self._snapshot.observations, self._snapshot.taken_at
        for row in FAMILIES:
            labels = job_label_names(row, observations)
            family = GaugeMetricFamily(row.name, row.help, labels=labels)
            for observation in observations:
                for added, value in row.samples(observation, now):
                    family.add_metric((*observation.ref.identity, *added), value)
            yield family
        for scrape_row in SCRAPE_FAMILIES:
            family = GaugeMetricFamily(scrape_row.name, scrape_row.help, labels=scrape_row.labels)
            for added, value in scrape_row.samples(self._snapshot):
                family.add_metric(added, value)
            yield family


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
NUMBERS = st.none() | st.integers(0, 10**15)
TIMES = st.none() | st.floats(0, 1e11)


@pytest.mark.parametrize("accept", [TEXT, OPENMETRICS])
@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_the_page_is_what_prometheus_client_would_write(accept: str, data: st.DataObject) -> None:
    """Whatever the labels and values, our lines say what those of the library say, in its order."""
    names = data.draw(st.lists(st.sampled_from(["a", "a1", "team", "zone", "Z"]), unique=True))
    observations = tuple(
        Observation(
            JobRef(
                target=data.draw(TEXTS),
                region_id="cn-hangzhou",
                job_id=f"{number}{data.draw(TEXTS)}",
                collection=data.draw(TEXTS),
                workspace_id=data.draw(TEXTS),
                expected_entries=data.draw(NUMBERS),
                labels=tuple((name, data.draw(TEXTS)) for name in names),
                kind=UPSERT_COLLECTION_DATA,
            ),
            data.draw(st.sampled_from(ScrapeResult)),
            state=JobState(
                data.draw(st.sampled_from(JobStatus)),
                completed=data.draw(st.none() | st.booleans()),
                progress=data.draw(NUMBERS),
                created=data.draw(TIMES),
                updated=data.draw(TIMES),
            ),
            up=data.draw(st.none() | st.booleans()),
            progress_changed_at=data.draw(TIMES),
            answered_at=data.draw(TIMES),
        )
        for number in range(data.draw(st.integers(0, 3)))
    )
    snapshot = Snapshot(1.7e9, 0.25, observations, {}, {"jobs.yaml": True}, ("config", "file"))
    encode, _ = choose_encoder(accept)

    _, page = render(lambda: snapshot, CollectorRegistry(), accept=accept, names=())

    read = from_openmetrics if accept is OPENMETRICS else from_text
    theirs = read(encode(Plain(snapshot)).decode())
    assert [(name, dict(labels), value) for name, labels, value in read(page.decode())] == [
        (name, dict(labels), value) for name, labels, value in theirs
    ]


def texts_made(pages: Pages, shown: Snapshot) -> int:
    """How many texts a compressed page needs that are not kept from the page before."""
    _, pieces = pages.page(shown, accept=TEXT, names=())
    made = itertools.count()

    def noted(piece: Piece) -> Piece:
        def text() -> bytes:
            next(made)
            return piece.text()

        return Piece(text, piece.kept)

    text = zlib.decompress(gzipped(map(noted, pieces)), 16 + zlib.MAX_WBITS)
    assert text.decode() == page(shown)
    return next(made)


# The heads, the limits of freshness, and twice what prometheus_client writes.
ALWAYS = len(FAMILIES) + len(HISTORY_FAMILIES) + 3


def test_the_lines_of_ended_jobs_are_kept() -> None:
    """Of jobs that ended nothing is written again, until one of them looks otherwise."""
    refs = [replace(INSTANCE, job_id=f"job-{number}") for number in range(300)]
    ended = [observed(ref, replace(STATE, status=JobStatus.SUCCESS)) for ref in refs]
    others = [replace(each, ref=replace(each.ref, collection="other")) for each in ended[:1]]
    pages = Pages(CollectorRegistry())

    assert texts_made(pages, snapshot(*ended)) == 3 * len(FAMILIES) + ALWAYS
    assert texts_made(pages, snapshot(*ended)) == ALWAYS
    assert texts_made(pages, snapshot(*others, *ended[1:])) == len(FAMILIES) + ALWAYS
    assert texts_made(pages, snapshot(*others, *ended[1:])) == ALWAYS
    assert texts_made(pages, snapshot()) == ALWAYS


def test_the_lines_of_collections_are_kept() -> None:
    """Of a collection nothing is written again, until a job of it or of its neighbours ends."""
    history = [
        CollectionHistory(
            collection=(f"{HOSTILE}{number}", "public", "gp-1", ""),
            kind=UPSERT_COLLECTION_DATA,
            finished={},
            lost=number,
        )
        for number in range(100)
    ]
    later = [replace(history[0], lost=1), *history[1:]]
    pages = Pages(CollectorRegistry())
    rows = len(HISTORY_FAMILIES) - 1  # but for the limits of freshness

    assert texts_made(pages, replace(snapshot(), history=tuple(history))) == 4 * rows + ALWAYS
    assert texts_made(pages, replace(snapshot(), history=tuple(history))) == ALWAYS
    assert texts_made(pages, replace(snapshot(), history=tuple(later))) == rows + ALWAYS


def test_the_age_of_a_running_job_goes_on_among_ended_ones() -> None:
    """A group of jobs is kept only when all have ended: the age of a running one is never old."""
    running = observed(replace(INSTANCE, job_id="running"), STATE)
    ended = observed(INSTANCE, replace(STATE, status=JobStatus.SUCCESS))
    shown = snapshot(ended, running)
    pages = Pages(CollectorRegistry())

    for now in (NOW, NOW + 15.0):
        later = replace(shown, taken_at=now)
        _, pieces = pages.page(later, accept=TEXT, names=())
        text = zlib.decompress(gzipped(pieces), 16 + zlib.MAX_WBITS)
        assert text.decode() == page(later)


def test_what_an_ended_job_shows_does_not_depend_on_the_time() -> None:
    """No row of an ended job changes as time goes by: its lines are kept."""
    for status in (JobStatus.SUCCESS, JobStatus.FAILED, JobStatus.CANCELLED):
        ended = observed(
            replace(INSTANCE, expected_entries=7),
            replace(STATE, status=status),
            progress_changed_at=NOW,
            planned_end=NOW,
        )
        for row in FAMILIES:
            assert list(row.samples(ended, NOW)) == list(row.samples(ended, NOW + 1e6)), row.name


@pytest.fixture
def instruments() -> Instruments:
    """The exporter's counters, with one target."""
    made = Instruments("1.2.3")
    made.watch({"rag-prod": [ACTION]})
    return made


def shown_names(
    take: Callable[[], Snapshot], instruments: Instruments, *names: str
) -> set[tuple[str, str]]:
    """Return family and sample names of a filtered page."""
    _, body = render(take, instruments.registry, accept=TEXT, names=names)
    families = parse_text(body.decode())
    return {(family.name, sample.name) for family in families for sample in family.samples}


def test_a_filter_for_counters_takes_no_snapshot(instruments: Instruments) -> None:
    """Who asks for the exporter's own counters only makes no call."""
    seen = shown_names(
        refuse, instruments, "adbpg_exporter_api_errors_total", "adbpg_exporter_build_info"
    )

    assert seen == {
        ("adbpg_exporter_api_errors", "adbpg_exporter_api_errors_total"),
        ("adbpg_exporter_build_info", "adbpg_exporter_build_info"),
    }


def test_a_filter_for_jobs_shows_these_alone(instruments: Instruments) -> None:
    """A filter shows the metrics that it names, with all of their series."""
    seen = shown_names(
        lambda: EVERY_CASE, instruments, "adbpg_job_status", "adbpg_exporter_api_requests_total"
    )

    assert seen == {
        ("adbpg_job_status", "adbpg_job_status"),
        ("adbpg_exporter_api_requests", "adbpg_exporter_api_requests_total"),
    }


@pytest.mark.parametrize("name", SAMPLE_NAMES)
def test_each_family_can_be_filtered_for(name: str) -> None:
    """A filter for one metric shows its samples just as the whole page does."""
    whole = [each for each in from_text(page(EVERY_CASE)) if each[0] == name]

    assert from_text(page(EVERY_CASE, names=(name,))) == whole
    assert whole


def test_a_filter_takes_one_snapshot(instruments: Instruments) -> None:
    """However many job metrics are asked for, the jobs are asked about once."""
    taken = itertools.count()

    def take() -> Snapshot:
        next(taken)
        return EVERY_CASE

    shown_names(take, instruments, *(family.name for family in FAMILIES))
    shown_names(take, instruments)

    assert next(taken) == 2


@pytest.mark.parametrize("name", ["nonsense", "", "adbpg_job", "adbpg_job_up{}", "ünïcode"])
def test_a_filter_for_nothing_is_empty(instruments: Instruments, name: str) -> None:
    """A name that does not exist gives an empty page, and asks nothing."""
    _, body = render(refuse, instruments.registry, accept=TEXT, names=(name,))

    assert body == b""


def test_the_errors_of_a_scrape_are_on_its_page(instruments: Instruments) -> None:
    """What the queries of this scrape counted is on the page of this scrape."""

    def take() -> Snapshot:
        instruments.called("rag-prod", ACTION, 5.0, TimedOut("x"))
        return EVERY_CASE

    _, body = render(take, instruments.registry, accept=TEXT, names=())

    labels = {"action": ACTION, "reason": "timeout", "target": "rag-prod"}
    samples = from_text(body.decode())
    assert ("adbpg_exporter_api_errors_total", tuple(labels.items()), 1.0) in samples


def test_a_whole_page_is_valid(instruments: Instruments) -> None:
    """Jobs, counters, process and platform together are one valid page in both formats."""
    _, text = render(lambda: EVERY_CASE, instruments.registry, accept=TEXT, names=())
    _, in_other = render(lambda: EVERY_CASE, instruments.registry, accept=OPENMETRICS, names=())

    in_text = {(name, labels) for name, labels, _ in from_text(text.decode())}
    in_openmetrics = {(name, labels) for name, labels, _ in from_openmetrics(in_other.decode())}
    assert in_text == in_openmetrics
    assert {"adbpg_job_up", "python_info", "process_cpu_seconds_total"} <= {n for n, _ in in_text}


def test_a_page_of_some_names_leaves_the_whole_page_as_it_is() -> None:
    """What is written for a few names is not taken for the lines of all."""
    pages = Pages(CollectorRegistry())
    names = ("adbpg_collection_job_duration_seconds_count",)

    for wanted in (names, (), names):
        _, pieces = pages.page(EVERY_CASE, accept=TEXT, names=wanted)
        text = zlib.decompress(gzipped(pieces), 16 + zlib.MAX_WBITS)
        assert text.decode() == page(EVERY_CASE, names=wanted)
