"""Wikimedia Commons' API without a network: a real HTTP server on 127.0.0.1.

Its answers have the shape that the documentation shows: https://www.mediawiki.org/wiki/API:Search
and API:Continue for a generator and its pages, API:Imageinfo and Commons:Machine-readable_data for
a file, Manual:Maxlag_parameter for servers that lag. No live answer could be recorded.
"""

from __future__ import annotations

import json
import ssl
from collections import deque
from collections.abc import Mapping
from typing import Any, Self
from urllib.parse import parse_qs, quote, urlsplit

from tests.support.servers.fault_server import Exchange, FaultServer

PATH = "/w/api.php"
HTML = b"<!DOCTYPE html>\n<title>Wikimedia Error</title>"
SEE = "See https://commons.wikimedia.org/w/api.php for API usage."


class OfflineCommons:
    """The server; a context manager.

    Attributes:
        files: query → files, best first; see `file`.
        faults: answers to come first, one a request: a status ("500", "429 7"), an error's code
            ("error maxlag", "error maxlag 7"), "html", "list", "no-query", "no-imageinfo", "ok".
        is_split: whether half of a page's imageinfo comes in a second part.
        asked, headers: of every request, in order.
    """

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.files: dict[str, list[Mapping[str, Any]]] = {}
        self.faults: deque[str] = deque()
        self.is_split = False
        self.asked: list[dict[str, str]] = []
        self.headers: list[dict[str, str]] = []
        self._server = FaultServer(tls=tls, handlers={PATH: self._answer})

    @property
    def base_url(self) -> str:
        return self._server.url("")

    def __enter__(self) -> Self:
        self._server.__enter__()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._server.__exit__(*exc_info)

    async def _answer(self, exchange: Exchange) -> None:
        target, headers = self._server.requests[-1]
        asked = {name: values[0] for name, values in parse_qs(urlsplit(target).query).items()}
        self.asked.append(asked)
        self.headers.append(headers)
        fault = self.faults.popleft() if self.faults else "ok"
        if fault == "html":
            return await exchange.answer(HTML, content_type="text/html")
        kind, *words = fault.split()
        if kind.isdigit():
            further = {"retry_after": words[0]} if words else {}
            return await exchange.answer(HTML, int(kind), content_type="text/html", **further)
        if kind == "error":
            further = {"retry_after": words[1], "x_database_lag": "9"} if words[1:] else {}
            error = {"code": words[0], "info": f"As told: {words[0]}", "*": SEE}
            body = json.dumps({"error": error, "servedby": "mw1"}).encode()
            return await exchange.answer(body, content_type="application/json", **further)
        wrong = {"list": [], "no-query": {"parse": {}}}
        answer = wrong[fault] if fault in wrong else self._page(asked, bare=fault != "ok")
        body = json.dumps(answer).encode()
        return await exchange.answer(body, content_type="application/json; charset=utf-8")

    def _page(self, asked: dict[str, str], *, bare: bool) -> dict[str, Any]:
        query = asked["gsrsearch"].removeprefix("filetype:bitmap|drawing ")
        files = self.files.get(query, [])
        start, size = int(asked["gsroffset"]), int(asked["gsrlimit"])
        shown = files[start : start + size]
        if not shown:
            return {"batchcomplete": ""}
        pages: dict[str, Any] = {}
        is_second = "iicontinue" in asked
        for place, file in reversed(list(enumerate(shown))):  # by number, as PHP's arrays come
            number = str(7_000_000 + start + place)
            record = {"pageid": int(number), "ns": 6, "index": start + place + 1, **file}
            has_info = not self.is_split or (place % 2 == 1) == is_second
            pages[number] = record if has_info and not bare else _without(record, "imageinfo")
        answer: dict[str, Any] = {"query": {"pages": pages}}
        if self.is_split and not is_second:
            return answer | {"continue": {"iicontinue": "A_boat.jpg|2020", "continue": "||"}}
        if start + size < len(files):
            answer["continue"] = {"gsroffset": start + size, "continue": "gsroffset||"}
        return answer | {"batchcomplete": ""}


def _without(record: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in record.items() if key != name}


def file(name: str, /, *, metadata: Mapping[str, Any] | None = None, **info: Any) -> dict[str, Any]:
    """A file as the documentation shows it; `metadata` gives values of extmetadata."""
    written = quote(name.replace(" ", "_"))
    store = "https://upload.wikimedia.org/wikipedia/commons"
    texts = {
        "Artist": '<a href="//commons.wikimedia.org/wiki/User:Ada" title="User:Ada">Ada</a>',
        "ImageDescription": f"<p>What <b>{name}</b> shows</p>",
        "LicenseShortName": "CC BY-SA 4.0",
        "LicenseUrl": "https://creativecommons.org/licenses/by-sa/4.0",
        **(metadata or {}),
    }
    return {
        "title": f"File:{name}",
        "imagerepository": "local",
        "imageinfo": [
            {
                "size": 1_353_326,
                "width": 3746,
                "height": 2400,
                "thumburl": f"{store}/thumb/a/a2/{written}/1280px-{written}",
                "thumbwidth": 1280,
                "thumbheight": 820,
                "responsiveUrls": {},
                "url": f"{store}/a/a2/{written}",
                "descriptionurl": f"https://commons.wikimedia.org/wiki/File:{written}",
                "descriptionshorturl": "https://commons.wikimedia.org/w/index.php?curid=7000000",
                "sha1": "6c9a4b0e0f0b6f4a0b3f0f1c0f2e7d1b6a1b2c3d",
                "mime": "image/jpeg",
                "extmetadata": {
                    field: {"value": value, "source": "commons-desc-page", "hidden": ""}
                    for field, value in texts.items()
                    if value is not None
                },
                **info,
            }
        ],
    }
