"""This is the daily budget of requests to a search engine, kept over runs and datasets.

One file for the user, counted by UTC day and before a request leaves, so that neither a killed
run nor two at once ask more than the day's budget.

Openverse's limits are its own: 100 requests a day without a token and 10,000 with one (the
project WordPress/openverse, `api/conf/settings/rest_framework.py`). DuckDuckGo and Wikimedia
Commons publish no number for a day: theirs in `registry` are courtesy, well below what one person's
patient searching comes to. But: Openverse counts over the last 24 hours and not by the day, and
by address; a block of its own may come before the budget is spent.
"""

from __future__ import annotations

import json
import logging
import os
import tempfile
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from filelock import FileLock

from harvester.errors import InputError, RateLimitedError, reason_of

ENVIRONMENT = "WHENCE_BUDGET_FILE"
_LOG = logging.getLogger(__name__)
_LOCK_S = 10.0
_MOST_BYTES = 1 << 16
_MOST_REQUESTS = 10**9


def budget_path(folder: Path) -> Path:
    """The file that the environment names, else the one in the user's `folder`."""
    given = os.environ.get(ENVIRONMENT)
    return Path(given) if given else folder / "budget.json"


def read_budgets(given: Iterable[str], engines: Collection[str]) -> dict[str, int]:
    """Requests a day by engine, of texts such as `openverse=500`; 0 means that it is not asked.

    Raises:
        InputError: if one has another form, or names an engine that is not known.
    """
    budgets: dict[str, int] = {}
    for text in given:
        engine, _, number = (part.strip() for part in text.partition("="))
        is_number = number.isascii() and number.isdigit() and len(number) < 10
        if engine not in engines or not is_number:
            raise InputError(
                f"--budget: expected one of {', '.join(engines)} and its requests a day, "
                f"as openverse=500, found {text!r}; give it in that form"
            )
        budgets[engine] = int(number)
    return budgets


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Budget:
    """The requests of a day, of which each is taken before it is made.

    Attributes:
        path: the file in which they are counted; made at the first request.
        limits: requests a day by engine; engines that are not in it have no limit.
        now: the time in UTC.
    """

    path: Path
    limits: Mapping[str, int]
    now: Callable[[], datetime] = _now

    def spend(self, engine: str) -> None:
        """Count one request that is about to be made; safe in threads and processes.

        Raises:
            RateLimitedError: if the day's budget is spent; says when the next one begins.
            InputError: if there is no place to count in.
        """
        limit = self.limits.get(engine, _MOST_REQUESTS)
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(f"{self.path}.lock", timeout=_LOCK_S):
                now = self.now()
                spent = self._read(now)
                if spent.get(engine, 0) < limit:
                    self._write(now, spent | {engine: spent.get(engine, 0) + 1})
                    return
        except OSError as exc:  # filelock's own TimeoutError among them
            raise InputError(
                f"{self.path}: expected a place to count the requests of a day in, found "
                f"{reason_of(exc)}; set {ENVIRONMENT} to a file that can be written"
            ) from exc
        raise _spent(engine, limit, now)

    def _read(self, now: datetime) -> dict[str, int]:
        try:
            with self.path.open("rb") as stream:
                text = stream.read(_MOST_BYTES)
        except FileNotFoundError:
            return {}
        try:
            record = json.loads(text)
            if record["day"] != _day(now):
                return {}
            return {
                engine: min(count, _MOST_REQUESTS)
                for engine, count in record["spent"].items()
                if isinstance(count, int) and count > 0
            }
        except (ValueError, RecursionError, KeyError, TypeError, AttributeError):
            _LOG.warning(
                "%s: expected the requests made today, found something else; counting begins anew",
                self.path,
            )
            return {}

    def _write(self, now: datetime, spent: Mapping[str, int]) -> None:
        text = json.dumps({"day": _day(now), "spent": spent})
        descriptor, name = tempfile.mkstemp(dir=self.path.parent, prefix=".budget-")
        try:
            with os.fdopen(descriptor, "w", encoding="ascii") as stream:
                stream.write(text)
            Path(name).replace(self.path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise


def _day(now: datetime) -> str:
    return now.date().isoformat()


def _spent(engine: str, limit: int, now: datetime) -> RateLimitedError:
    next_day = datetime.combine(now.date() + timedelta(days=1), datetime.min.time(), UTC)
    wait_s = max(1.0, (next_day - now).total_seconds())
    return RateLimitedError(
        f"{engine}: expected requests left of the {limit:,} a day, found none; run the same "
        f"command again from {next_day:%Y-%m-%d %H:%M} UTC on (in {wait_s / 3600:.1f} hours) to go "
        f"on, or allow more with --budget {engine}=N",
        retry_after_s=wait_s,
    )
