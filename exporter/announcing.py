"""Jobs that pipelines announce: what the web server needs of the running exporter."""

from collections.abc import Callable

from exporter.config import Config, Token, read_announcement
from exporter.instruments import Instruments
from exporter.model import JobRef, JobState
from exporter.polling import Poller
from exporter.reports import failure_as_json, state_as_json
from exporter.store import ANNOUNCED, Ledger

_FAILED = "the last query of this job failed; there is no answer yet"
_NOT_YET = "no scrape has looked at this job yet"
_GIVEN_UP = "this job was given up: its queries have failed for registry.keep_unseen"


class Announcer:
    """Takes over jobs, and says what is known of them. May be called in several threads.

    Args:
        config: returns the configuration in force.
        ledger: keeps the jobs.
        poller: queries them.
        instruments: counts.
    """

    def __init__(
        self,
        config: Callable[[], Config],
        *,
        ledger: Ledger,
        poller: Poller,
        instruments: Instruments,
    ) -> None:
        self._config = config
        self._ledger = ledger
        self._poller = poller
        self._instruments = instruments

    def tokens(self) -> tuple[Token, ...]:
        """Return the tokens of those who may announce jobs."""
        return self._config().tokens

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
            StoreFailed: the store does not take them now.
        """
        entries = read_announcement(body, self._config(), token.targets, ANNOUNCED)
        created = self._ledger.announce(entries)
        return [
            {
                "target": entry.ref.target,
                "id": entry.ref.job_id,
                "result": "created" if is_new else "known",
            }
            for entry, is_new in zip(entries, created, strict=True)
        ]

    def forget(self, target: str, job_id: str) -> None:
        """Watch an announced job no longer.

        Raises:
            StoreFailed: the store does not take this now.
        """
        self._ledger.forget(target, job_id)

    def describe(self, target: str, job_id: str) -> str | None:
        """Return what is known of a job, as JSON; None if it is not watched.

        Raises:
            StoreFailed: it is not watched here, and the store does not say more now.
        """
        known = self._poller.known(target, job_id)
        if known is not None:
            ref, state, reason = known
            return self._as_json(ref, state, reason, _FAILED if reason else _NOT_YET)
        stored = self._ledger.find(target, job_id)  # no scrape yet, or another shard's
        if stored is None:
            return None
        why = _GIVEN_UP if stored.is_lost else _NOT_YET
        return self._as_json(stored.ref, stored.state, "", why)

    def registration_ended(self, result: str, number: int = 1) -> None:
        """Count how announced jobs or a request about them fared."""
        self._instruments.registration_ended(result, number)

    @staticmethod
    def _as_json(ref: JobRef, state: JobState | None, reason: str, why: str) -> str:
        if state is not None:
            return state_as_json(ref, state)
        return failure_as_json(ref, reason, why, "")
