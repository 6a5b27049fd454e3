"""The running exporter: what it answers the web server, and what a reload replaces."""

import gc
import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass

from exporter.announcing import Announcer
from exporter.clock import Clock, Deadline
from exporter.coalescing import Coalescing
from exporter.config import Config
from exporter.errors import ConfigurationError
from exporter.gpdb.kinds import DEFAULT_KIND, KINDS
from exporter.instruments import Instruments
from exporter.jobs import JobFiles, Registry
from exporter.metrics.page import Pages, shows_jobs
from exporter.metrics.pieces import gzipped, plain
from exporter.model import Snapshot
from exporter.polling import Poller, PollSettings, Scrape
from exporter.store import Ledger

logger = logging.getLogger(__name__)

_LOOKING = 0.25  # of a scrape's budget, at most, to wait for what reads the lists of jobs
_PATIENCE = 1.0  # seconds that a person's page waits for it
# Seconds to reserve for writing a job: before a page has shown what it takes here, and at least,
# since pages of jobs that have ended take next to nothing.
_FIRST_WRITING = 0.0002
_LEAST_WRITING = 0.00005
_MARGIN = 1.5  # the next page may take so much longer, and has to be sent
_FORGETTING = 0.95  # of an expensive page, at each one after it


@dataclass(frozen=True, slots=True)
class Runtime:
    """What one configuration makes. A reload makes another, and nothing is half of each.

    Attributes:
        config: as it was read.
        registry: of its jobs.
        files: the job files, which hand over to those of the next configuration.
        poll_settings: for the poller.
    """

    config: Config
    registry: Registry
    files: JobFiles
    poll_settings: PollSettings


class Exporter:
    """Answers scrapes, and reloads its configuration.

    Args:
        runtime: of the configuration at start.
        load_again: makes the next one; raises ConfigurationError when it cannot be used.
        poller: queries the jobs.
        instruments: counts.
        ledger: what the store knows of jobs.
        clock: what time it is.

    Attributes:
        announcer: takes over announced jobs.
    """

    def __init__(
        self,
        runtime: Runtime,
        load_again: Callable[[Runtime], Runtime],
        *,
        poller: Poller,
        instruments: Instruments,
        ledger: Ledger,
        clock: Clock,
    ) -> None:
        self._ledger = ledger
        self.announcer = Announcer(
            lambda: self.config, ledger=ledger, poller=poller, instruments=instruments
        )
        self._runtime = runtime
        self._load_again = load_again
        self._poller = poller
        self._instruments = instruments
        self._clock = clock
        self._reloading = threading.Lock()
        self._stopping = threading.Event()
        self._pages = Pages(instruments.registry)
        self._coalescing: Coalescing[tuple[str, bytes]] = Coalescing()
        # What writing takes, in seconds: the last page, and a job of a page lately at most.
        self._writing = 0.0
        self._writing_a_job = _FIRST_WRITING
        self._watch(runtime)

    @property
    def config(self) -> Config:
        """The configuration in force."""
        return self._runtime.config

    def scrape(
        self, accept: str, names: tuple[str, ...], budget: float, *, gzip: bool = False
    ) -> tuple[str, bytes]:
        """Return the content type and the bytes of a metrics page.

        Args:
            accept: the request's Accept header.
            names: the sample names to show; none for all.
            budget: seconds that it may take.
            gzip: whether the bytes are to be compressed.
        """
        if not shows_jobs(names):
            return self._page(None, accept, names, gzip=gzip)
        now = self._clock.monotonic
        registry, deadline = self._runtime.registry, Deadline.after(budget, now)
        self._ledger.refresh(budget * _LOOKING)
        registry.refresh(budget * _LOOKING)
        # What writing the page will take is left for it; but half of the time is for queries.
        jobs = registry.count()
        writing = max(self._writing, jobs * self._writing_a_job)
        scrape = self._poller.poll(deadline.earlier(min(writing, budget / 2)))
        began = now()
        # A coalesced page shows the jobs as they are when the last of its scrapes has come.
        page = self._coalescing.page(
            (scrape.jobs.generation, accept, names, gzip),
            lambda: self._page(scrape, accept, names, gzip=gzip),
        )
        self._writing = now() - began
        self._writing_a_job = max(
            _MARGIN * self._writing / max(jobs, 1_000),  # of few jobs, the page itself says little
            self._writing_a_job * _FORGETTING,
            _LEAST_WRITING,
        )
        return page

    def _page(
        self, scrape: Scrape | None, accept: str, names: tuple[str, ...], *, gzip: bool
    ) -> tuple[str, bytes]:
        snapshot = self._ledger.shown(self._poller.snapshot(scrape)) if scrape else None
        content_type, pieces = self._pages.page(snapshot, accept=accept, names=names)
        body = gzipped(pieces) if gzip else plain(pieces)
        if snapshot is not None:
            self._ledger.flush(snapshot)
        return content_type, body

    def last_seen(self) -> Snapshot:
        """Return what the scrapes have seen so far; makes no call."""
        self._runtime.registry.refresh(_PATIENCE)
        return self._ledger.shown(self._poller.last_seen())

    def reload(self) -> None:
        """Load the configuration again and go on with it.

        Raises:
            ConfigurationError: it cannot be used; everything stays as it was.
        """
        with self._reloading:
            try:
                runtime = self._load_again(self._runtime)
            except ConfigurationError as error:
                self._instruments.reload_failed()
                for problem in error.problems:
                    logger.error("configuration not reloaded", extra={"problem": str(problem)})  # noqa: TRY400  a user's mistake has no traceback
                raise
            self._poller.adopt(runtime.poll_settings)
            self._runtime = runtime
            self._ledger.adopt(runtime.config)
            self._watch(runtime)
        # A client is a ring of objects: its connections stay open until the collector comes by.
        gc.collect()
        logger.info("configuration reloaded")

    def begin(self) -> None:
        """Look for jobs, so that the first scrape knows them. Does not wait."""
        self._runtime.registry.refresh(0.0)

    def web_config_read(self, *, good: bool) -> None:
        """Show whether the last reading of the web configuration worked."""
        self._instruments.web_config_read(good=good)

    def is_ready(self) -> bool:
        """Whether scrapes are welcome: from the start until the stop begins."""
        return not self._stopping.is_set()

    def stop(self) -> None:
        """Say that we are no longer ready. Scrapes under way go on."""
        self._stopping.set()

    def close(self) -> None:
        """Start no further query."""
        self._poller.close()
        self._ledger.close()

    def _watch(self, runtime: Runtime) -> None:
        config = runtime.config
        actions = {target.name: {KINDS[DEFAULT_KIND].action} for target in config.targets}
        for job in config.jobs:
            actions.setdefault(job.target, set()).add(KINDS[job.kind].action)
        self._instruments.watch(actions)
        if config.tokens:
            self._instruments.show_registrations()
        now = self._clock.monotonic()
        self._instruments.reloaded(lambda: now + self._clock.offset())
