"""This is Wikimedia Commons' search: free pictures, with their makers and licenses.

Follows the Action API of MediaWiki (https://www.mediawiki.org/wiki/API:Search as a generator,
API:Imageinfo, and the fields of Extension:CommonsMetadata), asked as its owners wish: one request
at a time, with `maxlag`, by a client that says who it is. Texts there are HTML; here they are
plain.

Drawings (SVG) and files too large to fetch are taken as the picture that Commons renders of them,
1,280 pixels wide: one of the widths that it keeps. But: films, sounds and documents are passed
over, and of a query at most the first 10,000 files can be had.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

import httpx

from harvester.errors import SourceError, reason_of
from harvester.fetch.faults import read_retry_after
from harvester.schema import MAX_TEXT
from harvester.search.json_api import ask_json, blocked, changed
from harvester.search.openverse import check_licenses, scope_of
from harvester.search.session import Page

SOURCE = "commons"
BASE_URL = "https://commons.wikimedia.org/"
_PAGE_ROWS = 50
_MOST_ROWS = 10_000
_MOST_PARTS = 4  # of one page's answer
_LAG_S = 5.0
_TYPES = frozenset({"image/jpeg", "image/png", "image/webp", "image/gif", "image/tiff"})
_DRAWING = "image/svg+xml"
_MOST_BYTES, _MOST_PIXELS = 20_000_000, 60_000_000
_READ = 4 * MAX_TEXT  # characters of HTML
_FIELDS = ("Artist", "ImageDescription", "LicenseShortName", "LicenseUrl")
_FIXED: Mapping[str, str] = {
    "action": "query",
    "format": "json",
    "maxlag": f"{_LAG_S:.0f}",
    "generator": "search",
    "gsrnamespace": "6",
    "gsrlimit": str(_PAGE_ROWS),
    "prop": "imageinfo",
    "iiprop": "url|size|mime|sha1|extmetadata",
    "iiextmetadatafilter": "|".join(_FIELDS),
    "iiurlwidth": "1280",
}
_BUSY = re.compile(r"maxlag|ratelimited|readonly|.*too-?busy.*|.*throttled.*", re.ASCII)
_BROKEN = re.compile(r"internal_api_error.*|.*backend-error|search-error", re.ASCII)
# Possessive, so that no text costs more than its length.
_TAG = re.compile(r"<(?P<slash>/?)(?P<name>[a-zA-Z][a-zA-Z0-9]*+)(?P<rest>[^<>]*+)>|<!--[^<>]*+>")
_HIDDEN = re.compile(r"display\s*+:\s*+none", re.IGNORECASE)
_INLINE = frozenset("a b i em strong span bdi sup sub small u".split())
_ENDLESS = frozenset("br hr img input link meta wbr area col".split())
_UNSEEN = frozenset("script style template".split())
_CREATIVE_COMMONS = re.compile(r"cc[ -](by(?:-(?:sa|nd|nc|nc-sa|nc-nd))?)\b")


class Commons:
    """The file search of commons.wikimedia.org, as a rule one request a page.

    Args:
        client: of `open_api_client`, with a contact.
        licenses: of `openverse.LICENSES`; none means all.
        base_url: another wiki with the same extensions.
        before_request: called before each request; what it raises is raised here.

    Raises:
        InputError: if a license cannot be used.
    """

    source = SOURCE
    pause_s = 1.0

    def __init__(
        self,
        client: httpx.Client,
        *,
        licenses: Collection[str] = (),
        base_url: str | None = None,
        before_request: Callable[[], None] | None = None,
    ) -> None:
        self._client = client
        self._licenses = check_licenses(licenses)
        self._address = f"{(base_url or BASE_URL).rstrip('/')}/w/api.php"
        self._before_request = before_request
        self.scope = scope_of(self._licenses)

    def search_page(self, query: str, page: int) -> Page:
        """One page of rows, counted from 1; ranks are Commons' own, so that films leave gaps.

        Raises:
            RateLimitedError: if the search is blocked, or the servers lag behind.
            SourceChangedError: if the answer has another shape than the one known here.
            SourceError: if there is no answer.
        """
        offset = (page - 1) * _PAGE_ROWS
        params = {
            **_FIXED,
            "gsrsearch": f"filetype:bitmap|drawing {query}",
            "gsroffset": str(offset),
        }
        records: dict[str, dict[str, Any]] = {}
        goes_on = False
        for answer in self._parts(params):
            for number, record in _pages(answer):
                records[number] = records.get(number, {}) | record
            goes_on = "gsroffset" in _continue(answer)
        rows = [row for record in records.values() if (row := _row(record, self._licenses))]
        if records and not any("imageinfo" in record for record in records.values()):
            raise changed(SOURCE, "files without their imageinfo")
        return Page(
            rows=sorted(rows, key=lambda row: int(row["rank"])),
            is_last=not goes_on or offset + _PAGE_ROWS >= _MOST_ROWS,
            dropped=len(records) - len(rows),
        )

    def _parts(self, params: Mapping[str, str]) -> Iterator[dict[str, Any]]:
        """The answer, which the server may give in several parts."""
        request = dict(params)
        for _ in range(_MOST_PARTS):
            answer, headers = ask_json(
                self._client,
                self._address,
                request,
                name=SOURCE,
                before_request=self._before_request,
            )
            _check(answer, headers)
            yield answer
            further = _continue(answer)
            if "batchcomplete" in answer or not further:
                return
            request = dict(params) | further


def _check(answer: Mapping[str, Any], headers: httpx.Headers) -> None:
    """Errors come with status 200."""
    error = answer.get("error")
    if isinstance(error, dict):
        code = str(error.get("code"))[:80]
        said = f"the error {reason_of(ValueError(code))}"
        if _BUSY.fullmatch(code):
            pause = read_retry_after(headers.get("retry-after"))
            raise blocked(SOURCE, said, _LAG_S if pause is None and code == "maxlag" else pause)
        if _BROKEN.fullmatch(code):
            raise SourceError(f"{SOURCE}: expected files, found {said}; try again later")
        raise changed(SOURCE, said)
    if "batchcomplete" not in answer and "query" not in answer:
        raise changed(SOURCE, "neither query nor batchcomplete in the JSON")


def _continue(answer: Mapping[str, Any]) -> dict[str, str]:
    given = answer.get("continue")
    if not isinstance(given, dict):
        return {}
    return {str(key): str(value)[:1000] for key, value in list(given.items())[:20]}


def _pages(answer: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The files of an answer, by number; of either shape that the API has had."""
    query = answer.get("query", {})
    pages = query.get("pages", {}) if isinstance(query, dict) else None
    if isinstance(pages, list):
        pages = dict(enumerate(pages))
    if not isinstance(pages, dict):
        raise changed(SOURCE, "pages that are no object")
    for key, record in pages.items():
        if isinstance(record, dict):
            yield str(record.get("pageid", key)), record


def _row(record: Mapping[str, Any], licenses: Collection[str]) -> dict[str, Any] | None:
    infos, rank = record.get("imageinfo"), record.get("index")
    info = infos[0] if isinstance(infos, list) and infos else None
    address = _address(info) if isinstance(info, dict) else None
    if address is None or not isinstance(info, dict) or not _is_rank(rank):
        return None
    metadata = info.get("extmetadata")
    texts = {field: _text(metadata, field) for field in _FIELDS}
    name = texts["LicenseShortName"]
    if licenses and _code_of(name) not in licenses:
        return None
    return {
        "image": address,
        "url": info.get("descriptionurl"),
        "title": _title(record.get("title")),
        "caption": texts["ImageDescription"],
        "creator": texts["Artist"],
        "license": name,
        "license_url": _whole_address(texts["LicenseUrl"]),
        "rank": rank,
    }


def _is_rank(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 < value <= _MOST_ROWS


def _address(info: Mapping[str, Any]) -> str | None:
    """Where the picture is, or what Commons renders of it; None for films, sounds, documents."""
    kind = info.get("mime")
    if not isinstance(kind, str) or (kind not in _TYPES and kind != _DRAWING):
        return None
    size, width, height = (_number(info.get(name)) for name in ("size", "width", "height"))
    is_large = size > _MOST_BYTES or width * height > _MOST_PIXELS
    address = info.get("thumburl" if is_large or kind == _DRAWING else "url")
    return address if isinstance(address, str) else None


def _number(value: Any) -> int:
    return value if isinstance(value, int) and value >= 0 else 0


def _title(value: Any) -> str | None:
    """`File:A boat.jpg` → `A boat`."""
    if not isinstance(value, str):
        return None
    name = value[:MAX_TEXT].partition(":")[2] or value[:MAX_TEXT]
    return name.rpartition(".")[0] or name


def _text(metadata: Any, field: str) -> str | None:
    field_of = metadata.get(field) if isinstance(metadata, dict) else None
    value = field_of.get("value") if isinstance(field_of, dict) else None
    return plain_text(value) if isinstance(value, str) else None


def _whole_address(address: str | None) -> str | None:
    return f"https:{address}" if address and address.startswith("//") else address


def _code_of(name: str | None) -> str | None:
    """`CC BY-SA 4.0` → `by-sa`, `Public domain` → `pdm`; None for what is none of those."""
    text = (name or "").casefold()
    if text.startswith(("cc0", "cc-zero")):
        return "cc0"
    if text.startswith(("public domain", "pd", "no restrictions")):
        return "pdm"
    match = _CREATIVE_COMMONS.match(text)
    return match[1] if match else None


def plain_text(markup: str) -> str | None:
    """What a reader sees of a piece of HTML, in one line of at most `MAX_TEXT` characters.

    By a scan of its tags and not by `html.parser`, which needs half a minute for the worst 80,000
    characters. But: a `>` inside an attribute, which MediaWiki writes as `&gt;`, ends the tag.
    """
    text = markup[:_READ]
    pieces: list[str] = []
    hidden_depth = end = 0
    for tag in _TAG.finditer(text):
        name = (tag["name"] or "").lower()
        if not hidden_depth:
            pieces += [text[end : tag.start()], "" if name in _INLINE else " "]
        end = tag.end()
        if not name or name in _ENDLESS or tag["rest"].endswith("/"):
            continue
        if tag["slash"]:
            hidden_depth -= bool(hidden_depth)
        elif hidden_depth or name in _UNSEEN or _HIDDEN.search(tag["rest"]):
            hidden_depth += 1
    if not hidden_depth:
        pieces.append(text[end:])
    return " ".join(html.unescape("".join(pieces)).split())[:MAX_TEXT] or None
