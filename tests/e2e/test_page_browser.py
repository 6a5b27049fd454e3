"""The status page in a real Chromium, served by the real server."""

from collections.abc import Iterator
from typing import Any, Literal

import pytest

from exporter.config import ScrapeSettings
from exporter.gpdb.kinds import UPSERT_COLLECTION_DATA
from exporter.model import (
    JobRef,
    JobState,
    JobStatus,
    Observation,
    ScrapeResult,
    Snapshot,
    TargetHealth,
)
from exporter.web.app import App, Settings
from exporter.web.server import Server
from tests.browser import Browser, chromium

pytestmark = pytest.mark.browser

NOW = 1_704_700_000.0
LONG = "x" * 256
HOSTILE = "<script>document.title = 'owned'</script>\"'&"
SCREENS = [(width, scheme) for width in (320, 768, 1440) for scheme in ("light", "dark")]

# The contrast of each text with the nearest background that is painted, by WCAG 2.2.
TOO_FAINT = """(() => {
  const light = (colour) => {
    const [r, g, b] = colour.match(/[0-9.]+/g).map(Number).map((c) => c / 255)
      .map((c) => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const painted = (element) => {
    const colour = getComputedStyle(element).backgroundColor;
    return colour === 'rgba(0, 0, 0, 0)' ? painted(element.parentElement) : colour;
  };
  const faint = [];
  for (const element of document.body.querySelectorAll('*')) {
    const own = [...element.childNodes].some((n) => n.nodeType === 3 && n.data.trim());
    if (!own) continue;
    const pair = [light(getComputedStyle(element).color), light(painted(element))];
    const ratio = (Math.max(...pair) + 0.05) / (Math.min(...pair) + 0.05);
    if (ratio < 4.5) faint.push(`${element.className} ${element.textContent} ${ratio}`);
  }
  return faint;
})()"""


def job(number: int, **facts: Any) -> JobRef:
    """A job of half a million entries."""
    known: dict[str, Any] = {
        "target": "rag-prod",
        "region_id": "cn-hangzhou",
        "collection": "document",
    }
    named = known | {"job_id": f"job-{number}", "db_instance_id": "gp-1"} | facts
    return JobRef(
        **named,
        expected_entries=500_000,
        labels=(("team", HOSTILE), ("long", LONG)),
        kind=UPSERT_COLLECTION_DATA,
    )


def every_state() -> Iterator[Observation]:
    """Jobs in each state, and in each kind of trouble."""
    for number, status in enumerate(JobStatus):
        state = JobState(status, progress=123_456, created=NOW - 5000, updated=NOW - 60)
        yield Observation(
            job(number),
            ScrapeResult.FRESH,
            state,
            up=True,
            queried_at=NOW - 4,
            answered_at=NOW - 4,
            progress_per_second=1012.0,
            planned_end=NOW + 600,
        )
    late = JobState(
        JobStatus.RUNNING,
        completed=True,
        progress=10,
        created=NOW - 9000,
        error_text="error",
        invalid_fields=("UpdateTime",),
    )
    yield Observation(
        job(20, job_id=LONG, collection=HOSTILE, workspace_id="مجموعة المستندات"),
        ScrapeResult.FAILED,
        late,
        up=False,
        reason="timeout",
        queried_at=NOW - 4,
        progress_changed_at=NOW - 5000,
        planned_end=NOW - 600,
    )
    yield Observation(job(21), ScrapeResult.LATE)
    start = JobState(JobStatus.START, progress=0, created=NOW - 9000)
    yield Observation(
        job(22), ScrapeResult.FRESH, start, up=True, queried_at=NOW, waits=True, behind=job(20)
    )


class Jobs:
    """Mimics the exporter behind the routes: it has seen every state."""

    def scrape(
        self, accept: str, names: tuple[str, ...], budget: float, *, gzip: bool
    ) -> tuple[str, bytes]:
        """Return nothing: nobody scrapes here."""
        raise NotImplementedError

    def last_seen(self) -> Snapshot:
        """Return every state."""
        targets = {"rag-prod": TargetHealth(1300.0, time_zone_suspect=True)}
        return Snapshot(NOW, 0.1, tuple(every_state()), targets, {f"/etc/{LONG}": True})

    def reload(self) -> None:
        """Do nothing."""

    def is_ready(self) -> bool:
        """Say yes."""
        return True


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """The page's address."""
    server = Server(("127.0.0.1", 0), App(Jobs(), Settings("1.2.3"), ScrapeSettings))
    server.start()
    yield f"http://127.0.0.1:{server.address[1]}/?paused"
    server.stop(0)


@pytest.fixture(scope="module")
def shared_browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """One browser for all tests of this file: its start takes a second or two."""
    with chromium(tmp_path_factory.mktemp("profile")) as browser:
        yield browser


@pytest.fixture
def browser(shared_browser: Browser) -> Browser:
    """A browser with nothing to complain about."""
    shared_browser.complaints.clear()
    return shared_browser


@pytest.mark.parametrize(("width", "scheme"), SCREENS)
def test_the_page_fits_and_is_readable(
    browser: Browser, url: str, width: int, scheme: Literal["light", "dark"]
) -> None:
    """On every screen: nothing to complain of, no scrolling sideways, texts of contrast AA."""
    browser.look_like(width, scheme)

    browser.open(url)

    assert browser.complaints == []
    assert browser.evaluate("document.title") == "(3) Jobs · adbpg-job-exporter"
    assert browser.evaluate("document.documentElement.scrollWidth") == width
    assert browser.evaluate(TOO_FAINT) == []


def test_dark_is_dark(browser: Browser, url: str) -> None:
    """The reader's preference changes the ground: the screens above do differ."""
    grounds = []
    for scheme in ("light", "dark"):
        browser.look_like(1440, scheme)
        browser.open(url)
        grounds.append(browser.evaluate("getComputedStyle(document.body).backgroundColor"))

    assert grounds == ["rgb(244, 245, 247)", "rgb(15, 19, 25)"]


@pytest.mark.parametrize("width", [320, 768, 1440])
def test_progress_is_seen(browser: Browser, url: str, width: int) -> None:
    """Each bar has a size, stands inside the screen, and is filled as far as its job is."""
    browser.look_like(width, "light")

    browser.open(url)

    bars = browser.evaluate(
        "[...document.querySelectorAll('progress')].map(b => [b.position, "
        "b.getBoundingClientRect().left, b.getBoundingClientRect().right, "
        "b.getBoundingClientRect().height])"
    )
    assert len(bars) == 10
    for position, left, right, height in bars:
        assert position in (0, pytest.approx(0.246912), pytest.approx(0.00002))
        assert 0 <= left < right - 80
        assert right <= width
        assert height >= 6


@pytest.mark.parametrize("width", [320, 1440])
def test_a_screen_reader_finds_its_way(browser: Browser, url: str, width: int) -> None:
    """Tables, rows, bars and links have names, also where rows are laid out as cards."""
    browser.look_like(width, "light")

    browser.open(url)

    assert browser.accessible("table") == [
        "Jobs that need attention",
        "Jobs under way",
        "Jobs whose state is not known yet",
        "Jobs that ended well or were cancelled",
    ]
    columns = ["Job", "State", "Progress", "Age", "Deadline", "Last query"]
    assert browser.accessible("columnheader") == columns * 4
    assert len(browser.accessible("rowheader")) == 11
    assert "Progress of job-0" in browser.accessible("progressbar")
    links = set(browser.accessible("link"))
    assert {"Go on", "Health", "Metrics", "Readiness", "11 All jobs", "1 Failed"} <= links
    assert browser.accessible("searchbox") == ["Find"]
    assert browser.accessible("combobox") == ["State"]
    assert browser.accessible("button") == ["Find"]
    assert browser.accessible("search") == [""]
    assert browser.accessible("navigation") == ["Exporter"]
    assert browser.accessible("main") == [""]


def test_the_head_of_a_table_stays_in_sight(browser: Browser, url: str) -> None:
    """However far one scrolls into a table, its columns have their names above them."""
    browser.look_like(1440, "light")
    browser.open(url)

    tops = browser.evaluate(
        "(() => { const table = document.querySelector('table');"
        "const middle = table.getBoundingClientRect().top + table.offsetHeight / 2;"
        "window.scrollTo(0, middle);"
        "return [...table.querySelectorAll('thead th')].map(h => h.getBoundingClientRect().top)"
        "})()"
    )

    assert tops == [0] * 6


def test_jobs_are_found_without_a_script(browser: Browser, url: str) -> None:
    """Typed and sent by keyboard, the form shows the jobs that match, and the refresh keeps it."""
    browser.look_like(1440, "light")
    browser.open(url.replace("?paused", ""))
    browser.evaluate("document.querySelector('[type=search]').focus()")

    browser.send_form("JOB-2")

    assert browser.evaluate("location.search") == "?q=JOB-2&state="
    ids = "[...document.querySelectorAll('.id')].map(e => e.textContent)"
    assert browser.evaluate(ids) == ["job-2", "job-22", "job-21"]
    assert browser.evaluate("document.querySelector('[type=search]').value") == "JOB-2"
    assert browser.evaluate("document.querySelector('meta[http-equiv=refresh]').content") == "30"
    assert browser.complaints == []


def test_the_tiles_lead_to_their_jobs(browser: Browser, url: str) -> None:
    """A number is a link to the jobs that it counts, and says that it is the one chosen."""
    browser.look_like(1440, "light")
    for tile in range(1, 7):
        browser.open(url)
        link = f"document.querySelectorAll('.tiles a')[{tile}]"
        number = int(browser.evaluate(f"{link}.querySelector('b').textContent"))

        browser.open(browser.evaluate(f"{link}.href"))

        assert browser.evaluate("document.querySelectorAll('tbody').length") == number
        assert browser.evaluate(f"{link}.ariaCurrent") == "true"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_keyboards_place_is_seen(
    browser: Browser, url: str, scheme: Literal["light", "dark"]
) -> None:
    """Whatever Tab comes to has an outline."""
    browser.look_like(1440, scheme)
    browser.open(url)
    stops = browser.evaluate("document.querySelectorAll('a, [type=search], select, button').length")

    for _ in range(stops):
        browser.press("Tab", 9)
        style = browser.evaluate(
            "(() => { const style = getComputedStyle(document.activeElement);"
            "return [document.activeElement.tagName, style.outlineStyle, style.outlineWidth] })()"
        )
        assert style[0] in ("A", "INPUT", "SELECT", "BUTTON")
        assert style[1:] == ["solid", "2px"]


def test_scripts_do_not_run(browser: Browser, url: str) -> None:
    """Even markup that got into the page could do nothing: the policy stops it, and it shows."""
    browser.look_like(1440, "light")
    browser.open(url)

    browser.evaluate(
        "const s = document.createElement('script'); s.textContent = 'window.owned = true';"
        "document.body.append(s)"
    )

    assert browser.evaluate("window.owned") is None
    assert len(browser.complaints) == 1
    assert "Content Security Policy" in browser.complaints[0]
