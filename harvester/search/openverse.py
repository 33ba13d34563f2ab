"""This is Openverse's image search: openly licensed pictures, with makers and licenses.

Follows the API's published description (https://api.openverse.org/v1/, and the examples of the
project WordPress/openverse): 20 pictures a page without a token, 50 with one, and 240 of a query
at most.

But: SVG drawings are passed over, no format here decodes them; what Openverse holds to be
sensitive stays out, as it does by default.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

import httpx

from harvester.errors import InputError
from harvester.readers.tables import as_text
from harvester.search.json_api import ask_json, changed
from harvester.search.session import Page

SOURCE = "openverse"
BASE_URL = "https://api.openverse.org/"
TOKEN_ENVIRONMENT = "WHENCE_OPENVERSE_TOKEN"  # noqa: S105  # the variable's name
LICENSES = ("by", "by-sa", "by-nd", "by-nc", "by-nc-sa", "by-nc-nd", "cc0", "pdm")
"""Codes to search by; `pdm` is the Public Domain Mark."""
_PAGE_ROWS, _PAGE_ROWS_WITH_TOKEN = 20, 50
_PAUSE_S, _PAUSE_WITH_TOKEN_S = 3.0, 1.0  # of 20 and 100 requests a minute


class Openverse:
    """The image search of openverse.org, one request a page.

    Args:
        client: of `open_api_client`.
        token: of a registered application; None asks anonymously.
        licenses: of `LICENSES`; none means all.
        base_url: another server that speaks Openverse's API.
        before_request: called before each request; what it raises is raised here.

    Raises:
        InputError: if the token or a license cannot be used.
    """

    source = SOURCE

    def __init__(
        self,
        client: httpx.Client,
        *,
        token: str | None = None,
        licenses: Collection[str] = (),
        base_url: str | None = None,
        before_request: Callable[[], None] | None = None,
    ) -> None:
        if token is not None and not (token.isascii() and token.isprintable() and " " not in token):
            raise InputError(
                f"{TOKEN_ENVIRONMENT}: expected a token of ASCII letters and digits, found other "
                "characters; copy it again from Openverse's answer"
            )
        self._client = client
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._rows = _PAGE_ROWS_WITH_TOKEN if token else _PAGE_ROWS
        self._licenses = check_licenses(licenses)
        self._address = f"{(base_url or BASE_URL).rstrip('/')}/v1/images/"
        self._before_request = before_request
        self.pause_s = _PAUSE_WITH_TOKEN_S if token else _PAUSE_S
        self.scope = scope_of(self._licenses)

    def search_page(self, query: str, page: int) -> Page:
        """One page of rows, counted from 1.

        Raises:
            RateLimitedError: if the search is blocked, which is not the same as nothing found.
            SourceChangedError: if the answer has another shape than the one known here, or the
                token is refused.
            SourceError: if there is no answer.
        """
        params = {"q": query, "page_size": str(self._rows), "page": str(page)}
        if self._licenses:
            params["license"] = ",".join(self._licenses)
        answer, _ = ask_json(
            self._client,
            self._address,
            params,
            name=SOURCE,
            headers=self._headers,
            before_request=self._before_request,
        )
        return _read_page(answer, page)


def check_licenses(given: Collection[str]) -> tuple[str, ...]:
    """License codes in the order of `LICENSES`, each once.

    Raises:
        InputError: if one is none of them.
    """
    codes = {code.strip().lower() for code in given}
    unknown = codes.difference(LICENSES)
    if unknown:
        raise InputError(
            f"--license: expected some of {', '.join(LICENSES)}, found {min(unknown)!r}; "
            "give those, with commas between"
        )
    return tuple(code for code in LICENSES if code in codes)


def scope_of(licenses: Collection[str]) -> str:
    """How a search was narrowed, for the dataset; empty where it was not."""
    return f"license {','.join(licenses)}" if licenses else ""


def _read_page(answer: dict[str, Any], page: int) -> Page:
    results, pages = answer.get("results"), answer.get("page_count")
    if not isinstance(results, list) or not isinstance(pages, int):
        raise changed(SOURCE, "no results and page_count in the JSON")
    records = [record for record in results if isinstance(record, dict)]
    if results and not any(isinstance(record.get("url"), str) for record in records):
        raise changed(SOURCE, "results without the address of a picture")
    rows = [_row(record) for record in records if not _is_drawing(record)]
    return Page(rows=rows, is_last=page >= pages, dropped=len(results) - len(rows))


def _row(record: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "image": record.get("url"),
        "url": record.get("foreign_landing_url"),
        "title": record.get("title"),
        "creator": record.get("creator"),
        "license": _license(record),
        "license_url": record.get("license_url"),
    }


def _is_drawing(record: Mapping[str, Any]) -> bool:
    return str(record.get("filetype")).lower() == "svg" or str(record.get("url"))[-4:] == ".svg"


def _license(record: Mapping[str, Any]) -> str | None:
    """`by-sa` and `4.0` → `CC BY-SA 4.0`; the public domain's two marks are no CC licenses."""
    code = record.get("license")
    if not isinstance(code, str) or not code.strip():
        return None
    name = code.strip().upper()
    version = as_text(record.get("license_version")) or ""
    return " ".join(f"{name if name in {'CC0', 'PDM'} else f'CC {name}'} {version}".split())
