"""These are the keys of the seen index, and those that wait in memory to be written to it.

Addresses and findings are digests, ids the 32 bytes that their digits stand for; an id of another
form, which a dataset of another maker may have, is kept as the text that it is.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from harvester.dataset.precedence import rank_of
from harvester.dedup.canonical_url import canonical_url
from harvester.dedup.near_duplicates import bands, read_pdq
from harvester.schema import FetchStatus, stored_text

Packed = bytes | str
"""An id: 32 bytes, or the text of one that has another form."""
OK = 0
OPTED_OUT = 1
_FIRST = (FetchStatus.OK, FetchStatus.OPTED_OUT)
STATUSES = dict(enumerate((*_FIRST, *(one for one in FetchStatus if one not in _FIRST))))
CODES = {status: code for code, status in STATUSES.items()}
"""A small number for each status; the first two are compared with in the file's statements."""
_FAILED = "failed-"


def url_key(url: str) -> bytes:
    """16 bytes for an address, as a row holds it: addresses with one `canonical_url` have one."""
    return _digest(canonical_url(stored_text(url)), 16)


def finding_key(*parts: str | None) -> bytes:
    """16 bytes for one way to one address: the address as written, source, prompt and query."""
    return _digest("\0".join(stored_text(part or "") for part in parts), 16)


def led_to(candidate_id: str | None) -> bytes:
    """8 bytes for what a finding led to; failures are one, however their address was written."""
    return _digest(_FAILED if is_failed(candidate_id) else candidate_id or "", 8)


def is_failed(candidate_id: str | None) -> bool:
    """Whether an id is that of a candidate whose bytes were never had."""
    return candidate_id is not None and candidate_id.startswith(_FAILED)


def _digest(text: str, size: int) -> bytes:
    return hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=size).digest()


def pack_id(candidate_id: str, code: int) -> Packed:
    """The short form of an id whose candidate has this status."""
    digits = candidate_id if code == OK else candidate_id.removeprefix(_FAILED)
    try:
        packed = bytes.fromhex(digits)
    except ValueError:
        return stored_text(candidate_id)
    return packed if unpack_id(packed, code) == candidate_id and len(packed) == 32 else candidate_id


def unpack_id(packed: Packed, code: int) -> str:
    """The inverse of `pack_id`."""
    if isinstance(packed, str):
        return packed
    return packed.hex() if code == OK else _FAILED + packed.hex()


def supersedes(new: tuple[Packed, int], old: tuple[Packed, int] | None) -> bool:
    """Whether an address's new (id, status) holds instead of the old one.

    By `dataset.precedence`. Of two pictures the lower id holds, so that it does not matter which
    came first; of two opt-outs the first.
    """
    if old is None:
        return True
    ranks = rank_of(STATUSES[new[1]]), rank_of(STATUSES[old[1]])
    if ranks[0] != ranks[1] or not ranks[0]:
        return ranks[0] >= ranks[1] and new != old
    return new[1] == OK and _order(new[0]) < _order(old[0])


def _order(packed: Packed) -> tuple[bool, Any]:
    """As SQLite sorts them: texts before bytes."""
    return isinstance(packed, bytes), packed


@dataclass(slots=True, eq=False)
class PendingKeys:
    """What goes into the file together.

    Attributes:
        addresses: (id, status) by key.
        aliases: as addresses, of findings in shards: to be taken where the picture is known.
        pictures: PDQ by id, None where it cannot be trusted.
        bands: the ids of `pictures` by their bands; only while they are looked up here.
        findings: what each led to, by key.
    """

    addresses: dict[bytes, tuple[Packed, int]] = field(default_factory=dict)
    aliases: dict[bytes, tuple[Packed, int]] = field(default_factory=dict)
    pictures: dict[Packed, bytes | None] = field(default_factory=dict)
    bands: dict[int, list[bytes]] = field(default_factory=dict)
    findings: dict[bytes, bytes] = field(default_factory=dict)

    @property
    def rows(self) -> int:
        """About how many rows of shards it stands for."""
        return len(self.addresses) + len(self.findings)

    def add_picture(self, packed: Packed, pdq: bytes | None) -> None:
        """Take a picture that is to be found by its bands before it is in the file."""
        self.pictures[packed] = pdq
        if pdq is not None and isinstance(packed, bytes):
            for band in bands(pdq):
                self.bands.setdefault(band, []).append(packed)

    def take_candidates(self, columns: Iterable[list[Any]]) -> None:
        """Take rows of a shard: columns id, url, final_url, status, pdq, pdq_quality."""
        for candidate_id, url, final_url, status, pdq, quality in zip(*columns, strict=True):
            code = CODES[status]
            packed = pack_id(candidate_id, code)
            _settle(self.addresses, url_key(url), (packed, code))
            if code == OPTED_OUT and final_url:
                _settle(self.addresses, url_key(final_url), (packed, code))
            if code == OK:
                self.pictures.setdefault(packed, read_pdq(pdq, quality))

    def take_findings(self, columns: Iterable[list[Any]]) -> None:
        """Take rows of a shard: columns url, source, query_prompt, query, candidate_id."""
        for *way, candidate_id in zip(*columns, strict=True):
            self.findings[finding_key(*way)] = led_to(candidate_id)
            if candidate_id is not None and not is_failed(candidate_id):
                # One picture under several addresses has one candidate and several findings.
                _settle(self.aliases, url_key(way[0]), (pack_id(candidate_id, OK), OK))


def _settle(
    addresses: dict[bytes, tuple[Packed, int]], key: bytes, new: tuple[Packed, int]
) -> None:
    if supersedes(new, addresses.get(key)):
        addresses[key] = new
