"""This is the source of a retry: the addresses of a dataset that failed, as findings.

Every way that led to such an address is told, so that each of them names the picture once it has
come. An opt-out is never asked again, and an address of a private network neither: what refused
them then would now. Pictures of a folder are none of the web's: `harvest folder` reads them again.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Self

from harvester.dataset import shards
from harvester.dataset.storage import Location
from harvester.errors import InputError
from harvester.maintenance.latest_status import LatestStatuses
from harvester.maintenance.status import kind_of
from harvester.schema import Candidate, FailureClass, FetchStatus, Finding, Generation, Retry

_NEVER = frozenset({FetchStatus.OK, FetchStatus.OPTED_OUT, FetchStatus.BLOCKED_ADDRESS})
_PROVENANCE = tuple(
    field.name
    for field in dataclasses.fields(Finding)
    if field.name not in {"candidate_id", "found_at"}
)


def retried(which: Retry | None) -> frozenset[FetchStatus]:
    """The statuses that are asked for again; without a choice the transient and throttled ones."""
    chosen: tuple[FailureClass, ...] = (FailureClass.TRANSIENT, FailureClass.THROTTLED)
    if which is not None:
        chosen = tuple(FailureClass) if which is Retry.ALL else (FailureClass(str(which)),)
    return frozenset(one for one in FetchStatus if one.failure_class in chosen) - _NEVER


class FailedFindings:
    """The findings of the addresses that failed; a context manager, and an iterable of findings.

    Args:
        folder: of a candidates dataset. It may be written to while it is gone through.
        which: of the failures.

    Attributes:
        addresses: how many there are on the web; `local`: pictures of folders, which are not told.
        findings: how many will be told.

    Raises:
        InputError: on entering, if there is no dataset, or it is one of generations.
        SchemaError, ShardError: on entering, as `LatestStatuses`.
    """

    def __init__(self, folder: Location, which: Retry | None = None) -> None:
        self._folder = folder
        self._statuses = retried(which)
        self._latest = LatestStatuses(folder, Candidate)
        self.addresses = self.local = self.findings = 0

    def __enter__(self) -> Self:
        if kind_of(self._folder) is Generation:
            raise InputError(
                f"{self._folder}: expected a dataset of candidates, found one of generations; "
                "`harvest midjourney` with the same export tries again by itself"
            )
        self._latest.__enter__()
        try:
            self._count()
        except BaseException:
            self._latest.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._latest.__exit__()

    def __iter__(self) -> Iterator[Finding]:
        """Every finding of each address; of one that has none, what its own row tells.

        Raises:
            SchemaError, ShardError: as `shards.batches`.
        """
        for records in shards.records(self._folder, Finding, [*_PROVENANCE, "found_at"]):
            for record in records:
                if self._latest.contains(record["url"]):
                    yield Finding(**record)
        # Rows come before the findings that name them: a run that died in between left some alone.
        for records in shards.records(self._folder, Candidate, _PROVENANCE):
            for record in records:
                if self._latest.mark(record["url"]):
                    yield Finding(**record)

    def _count(self) -> None:
        self.addresses, self.local = self._latest.select(self._statuses)
        self.findings = self.addresses
        if not self.addresses:
            return
        for batch in shards.batches(self._folder, Finding, ["url"]):
            for url in batch.column(0).to_pylist():
                if self._latest.contains(url):
                    self.findings += not self._latest.mark(url)
