"""The running exporter: what it answers the web server, and what a reload replaces."""

import gc
import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass

from exporter.clock import Clock, Deadline
from exporter.coalescing import Coalescing
from exporter.config import Config, Token, read_announcement
from exporter.errors import ConfigurationError
from exporter.gpdb.kinds import DEFAULT_KIND, KINDS
from exporter.instruments import Instruments
from exporter.jobs import ANNOUNCED, Announcements, JobFiles, Registry
from exporter.metrics.page import Pages, shows_jobs
from exporter.metrics.pieces import gzipped, plain
from exporter.model import Snapshot
from exporter.polling import Poller, PollSettings, Scrape
from exporter.reports import failure_as_json, state_as_json

logger = logging.getLogger(__name__)

_LOOKING = 0.25  # of a scrape's budget, at most, to wait for what reads the lists of jobs
_FAILED = "the last query of this job failed; there is no answer yet"
_NOT_YET = "no scrape has looked at this job yet"
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
        announcements: the jobs that are announced over HTTP.
        clock: what time it is.
    """

    def __init__(
        self,
        runtime: Runtime,
        load_again: Callable[[Runtime], Runtime],
        *,
        poller: Poller,
        instruments: Instruments,
        announcements: Announcements,
        clock: Clock,
    ) -> None:
        self._announcements = announcements
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
        registry.refresh(budget * _LOOKING)
        # What writing the page will take is left for it; but ask, however large it is.
        jobs = registry.count()
        writing = max(self._writing, jobs * self._writing_a_job)
        scrape = self._poller.ask(deadline.earlier(min(writing, budget / 2)))
        began = now()
        # A coalesced page shows the jobs as they are when the last of its scrapes has come.
        page = self._coalescing.page(
            (scrape.jobs, accept, names, gzip), lambda: self._page(scrape, accept, names, gzip=gzip)
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
        snapshot = self._poller.snapshot(scrape) if scrape else None
        content_type, pieces = self._pages.page(snapshot, accept=accept, names=names)
        return content_type, gzipped(pieces) if gzip else plain(pieces)

    def last_seen(self) -> Snapshot:
        """Return what the scrapes have seen so far; asks nothing of the API."""
        self._runtime.registry.refresh(_PATIENCE)
        return self._poller.last_seen()

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
            self._watch(runtime)
        # A client is a ring of objects: its connections stay open until the collector comes by.
        gc.collect()
        logger.info("configuration reloaded")

    def tokens(self) -> tuple[Token, ...]:
        """Return the tokens of those who may announce jobs."""
        return self._runtime.config.tokens

    def announce(self, body: bytes, token: Token) -> list[dict[str, str]]:
        """Take over announced jobs, all or none; return target, id and result of each.

        Args:
            body: of the request.
            token: of who sent it.

        Raises:
            ConfigurationError: with every mistake of the body.
            ForbiddenTarget: a job is of a target that is not the token's.
            Conflict: a job contradicts what is known of it.
            TooManyJobs: there would be more unfinished jobs than can be watched.
        """
        config = self._runtime.config
        entries = read_announcement(body, config, token.targets, ANNOUNCED)
        created = self._announcements.announce(entries, config.scrape.max_jobs)
        return [
            {
                "target": entry.ref.target,
                "id": entry.ref.job_id,
                "result": "created" if is_new else "known",
            }
            for entry, is_new in zip(entries, created, strict=True)
        ]

    def forget(self, target: str, job_id: str) -> None:
        """Watch an announced job no longer."""
        self._announcements.forget(target, job_id)

    def describe(self, target: str, job_id: str) -> str | None:
        """Return what is known of a job, as JSON; None if it is not watched."""
        known = self._poller.known(target, job_id)
        if known is None:
            announced = self._announcements.find(target, job_id)
            return None if announced is None else failure_as_json(announced, "", _NOT_YET, "")
        ref, state, reason = known
        if state is not None:
            return state_as_json(ref, state)
        return failure_as_json(ref, reason, _FAILED if reason else _NOT_YET, "")

    def registration_ended(self, result: str, number: int = 1) -> None:
        """Count how announced jobs or a request about them fared."""
        self._instruments.registration_ended(result, number)

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
