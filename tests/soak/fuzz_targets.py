"""What is fuzzed, and what must hold of every input."""

from __future__ import annotations

import random
import tempfile
from functools import cache
from pathlib import Path

from harvester.consent.embedded import read_file_rights
from harvester.consent.robots import read_robots
from harvester.consent.signals import ConsentPolicy, SignalKind, decide, read_signals, rights_of
from harvester.consent.tdmrep import judge_tdm, read_tdmrep
from harvester.dataset.arrow import to_table
from harvester.dedup.canonical_url import canonical_url
from harvester.discord.export import MessageTally, read_exports
from harvester.errors import ExportFormatError
from harvester.fetch.faults import read_retry_after
from harvester.fetch.guard import AddressError, check_url
from harvester.pictures.decode import PictureError, open_picture
from harvester.pictures.worker import SIZE, pack, unpack
from harvester.sanitize import clean
from harvester.schema import Candidate, FetchStatus
from tests.soak import fuzz_corpus as corpus
from tests.soak.fuzzing import Target

_STORED = (
    *("width", "height", "bytes", "mime", "sha256", "phash", "dhash", "pdq", "pdq_quality"),
    "creator",
)
_URL = "https://example.org/private/a%20b.jpg?x=1"


def _text(body: bytes) -> str:
    """As a header, an address or a file may reach us: any character, lone surrogates included."""
    return body.decode("utf-8", "surrogateescape" if body[-1:] < b"\x40" else "surrogatepass")


def _any_text(body: bytes) -> str:
    try:
        return _text(body)
    except UnicodeDecodeError:
        return body.decode("latin-1")


def _is_clean(text: str) -> bool:
    """Whether it may be printed; where it was cut, a space may be its end."""
    return clean(text) == text.strip()


def _check_refusal(exc: Exception, *others: bool) -> None:
    """An error is one line, and all else of it holds as well."""
    assert "\n" not in str(exc)
    assert all(others)


def check_picture(body: bytes) -> None:
    try:
        picture = open_picture(body, max_side=48)
    except PictureError as exc:
        _check_refusal(exc, exc.status is not FetchStatus.OK)
        return
    height, width, channels = picture.rgb.shape
    assert channels == 3
    assert max(width, height) <= 48
    assert picture.width >= width
    assert picture.height >= height


@cache
def _folder() -> Path:
    """A folder in memory where there is one; a process's own, and gone with it."""
    memory = Path("/dev/shm")  # noqa: S108  # nothing secret, and a name of its own
    _keep.append(tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None))
    return Path(_keep[0].name)


_keep: list[tempfile.TemporaryDirectory[str]] = []


def check_export(body: bytes) -> None:
    path = _folder() / "export.json"
    path.write_bytes(body)
    tally = MessageTally()
    try:
        for post in read_exports([path], author_key=b"key", tally=tally):
            assert post.generation.id
            assert post.media is None or post.media.is_relative_to(_folder().resolve())
    except ExportFormatError as exc:
        _check_refusal(exc)
    assert tally.messages == tally.kinds.total()
    tally.describe().encode("utf-8", "surrogatepass")


def check_consent(body: bytes) -> None:
    chance = random.Random(len(body))
    name = chance.choice(("X-Robots-Tag", "x-robots-tag", "TDM-Reservation", "tdm-policy", "X"))
    signals = read_signals([(name, _any_text(body)), ("X-Robots-Tag", "noindex")])
    rights = rights_of(signals)
    assert signals
    assert rights
    assert len(rights) <= 16
    assert all(len(text) <= 200 and _is_clean(text) for text in rights)
    assert decide(signals, ConsentPolicy.STRICT)  # noindex stays, whatever stands beside it
    assert decide(signals, ConsentPolicy.RECORD) is None


def check_canonical(body: bytes) -> None:
    key = canonical_url(_any_text(body))
    assert isinstance(key, str)
    assert canonical_url(key) == key


def check_guard(body: bytes) -> None:
    url = _any_text(body)
    try:
        parsed = check_url(url)
    except AddressError as exc:
        refusals = {FetchStatus.BAD_URL, FetchStatus.BLOCKED_ADDRESS}
        _check_refusal(exc, exc.status in refusals)
        return
    assert parsed.scheme in {"http", "https"}
    assert parsed.host
    assert not parsed.userinfo
    assert check_url(str(parsed)).host == parsed.host  # what is asked passes the same check


def check_file_rights(body: bytes) -> None:
    rights = read_file_rights(body)
    texts = [signal.text for signal in rights.signals]
    assert len(texts) <= 8
    assert len(texts) == len(set(texts))
    texts += [rights.creator] if rights.creator is not None else []
    assert all(0 < len(text) <= 500 and _is_clean(text) for text in texts)


def check_answer(body: bytes) -> None:
    try:
        answer = unpack(body)
    except ValueError as exc:
        _check_refusal(exc)
        return
    if isinstance(answer, PictureError):
        assert answer.status is not FetchStatus.OK
    else:  # it can be stored
        stored = {name: getattr(answer, name) for name in _STORED}
        assert to_table([Candidate(id=answer.sha256, url="u", **stored)], Candidate).num_rows == 1
    again = unpack(pack(answer)[SIZE.size :])
    assert repr(again) == repr(answer)  # an error is equal to itself alone


def check_retry_after(body: bytes) -> None:
    wait_s = read_retry_after(_any_text(body))
    assert wait_s is None or 0 <= wait_s < float("inf")


def check_robots(body: bytes) -> None:
    rules, cost = read_robots(body)
    assert cost >= 0
    verdict = rules.judge(_URL)
    if verdict.signal is not None:
        assert verdict.signal.kind is SignalKind.ROBOTS
        assert _is_clean(verdict.signal.text)
    assert verdict.crawl_delay_s is None or verdict.crawl_delay_s >= 0


def check_tdmrep(body: bytes) -> None:
    rules, cost = read_tdmrep(body)
    assert cost >= 0
    signal = judge_tdm(rules, _URL)
    assert signal is None or _is_clean(signal.text)


TARGETS: dict[str, Target] = {
    "picture": Target(corpus.pictures, check_picture, corpus.PICTURE_TOKENS, 2.0, corpus.mend_png),
    "export": Target(corpus.exports, check_export, corpus.EXPORT_TOKENS),
    "consent": Target(lambda: corpus.HEADERS, check_consent, corpus.HEADER_TOKENS),
    "canonical": Target(lambda: corpus.ADDRESSES, check_canonical, corpus.ADDRESS_TOKENS),
    "guard": Target(lambda: corpus.ADDRESSES, check_guard, corpus.ADDRESS_TOKENS),
    "file-rights": Target(
        corpus.marked_files, check_file_rights, corpus.MARK_TOKENS, repair=corpus.mend_png
    ),
    "answer": Target(corpus.answers, check_answer, corpus.ANSWER_TOKENS),
    "retry-after": Target(lambda: corpus.RETRY_AFTER, check_retry_after, corpus.RETRY_TOKENS),
    "robots": Target(lambda: corpus.ROBOTS, check_robots, corpus.ROBOTS_TOKENS),
    "tdmrep": Target(lambda: corpus.TDMREP, check_tdmrep, corpus.TDMREP_TOKENS),
}
