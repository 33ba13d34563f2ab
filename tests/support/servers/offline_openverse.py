"""Openverse's API without a network: a real HTTP server on 127.0.0.1.

Its answers have, field for field, the shape of the examples in the API's documentation
(https://api.openverse.org/v1/; in the project WordPress/openverse the files
`api/api/examples/image_responses.py` for results, `api/api/utils/pagination.py` for pages and
`api/api/constants/privilege.py` for their limits). No live answer could be recorded.
"""

from __future__ import annotations

import json
import ssl
from collections import deque
from collections.abc import Mapping
from typing import Self
from urllib.parse import parse_qs, urlsplit

from tests.support.servers.fault_server import Exchange, FaultServer

PATH = "/v1/images/"
DEPTH = 240
HTML = b"<!DOCTYPE html><html><title>Just a moment...</title></html>"
THROTTLED = {"detail": "Request was throttled. Expected available in 84923 seconds."}


class OfflineOpenverse:
    """The server; a context manager.

    Attributes:
        results: query → records, whole or in part; what is left out is as in the documentation.
        faults: answers to come first, one a request: a status ("500", "429 84923"), "html",
            "list", "no-results", "no-url", "cut", "huge", "ok".
        asked: the parameters of every request, in order.
        headers: those of every request, in order.
        token: the one that is taken; any other gives 401.
    """

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.results: dict[str, list[Mapping[str, object]]] = {}
        self.faults: deque[str] = deque()
        self.asked: list[dict[str, str]] = []
        self.headers: list[dict[str, str]] = []
        self.token = "a-token"
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
        status, body, further = self._say(fault, asked, headers)
        if fault == "cut":
            await exchange.begin(content_length=str(len(body)), content_type="application/json")
            await exchange.send(body[:40])
            await exchange.hang_up()
            return
        kind = "text/html" if body.startswith(b"<") else "application/json"
        await exchange.answer(body, status, content_type=kind, **further)

    def _say(
        self, fault: str, asked: dict[str, str], headers: dict[str, str]
    ) -> tuple[int, bytes, dict[str, str]]:
        if fault[0].isdigit():
            status, _, pause = fault.partition(" ")
            said = THROTTLED if status == "429" else {"detail": f"As told: {status}."}
            further = {"retry_after": pause} if pause else {}
            if status.startswith("3"):
                further["location"] = "https://elsewhere.example/v2/images/"
            return int(status), json.dumps(said).encode(), further
        wrong: dict[str, object] = {
            "list": [],
            "no-results": {"result_count": 0, "pictures": []},
            "no-url": self._page([{"url": None}], asked),
            "huge": {"results": "x" * (9 << 20)},
        }
        if fault in wrong:
            return 200, json.dumps(wrong[fault]).encode(), {}
        if fault == "html":
            return 200, HTML, {}
        given = headers.get("authorization")
        if given is not None and given != f"Bearer {self.token}":
            return 401, b'{"detail": "Invalid token header. No credentials provided."}', {}
        if int(asked["page_size"]) > (20 if given is None else 50):
            return 401, b'{"detail": "Ensure this value is less than or equal to 20."}', {}
        return 200, json.dumps(self._page(self._matching(asked), asked)).encode(), {}

    def _matching(self, asked: dict[str, str]) -> list[Mapping[str, object]]:
        records = self.results.get(asked["q"], [])
        wanted = asked.get("license")
        if wanted is None:
            return records
        return [r for r in records if r.get("license", "cc0") in wanted.split(",")]

    def _page(
        self, records: list[Mapping[str, object]], asked: dict[str, str]
    ) -> dict[str, object]:
        size, page = int(asked["page_size"]), int(asked["page"])
        shown = records[:DEPTH][(page - 1) * size : page * size]
        return {
            "result_count": len(records),
            "page_count": -(-min(len(records), DEPTH) // size),
            "page_size": size,
            "page": page,
            "results": [picture() | dict(record) for record in shown],
        }


def picture() -> dict[str, object]:
    """A result as the documentation shows it."""
    identifier = "4bc43a04-ef46-4544-a0c1-63c63f56e276"
    here = f"https://api.openverse.org/v1/images/{identifier}/"
    return {
        "id": identifier,
        "title": "Tree Bark Photo",
        "indexed_on": "2022-08-27T17:39:48Z",
        "foreign_landing_url": "https://stocksnap.io/photo/XNVBVXO3B7",
        "url": "https://cdn.stocksnap.io/img-thumbs/960w/XNVBVXO3B7.jpg",
        "creator": "Tim Sullivan",
        "creator_url": "https://www.secretagencygroup.com",
        "license": "cc0",
        "license_version": "1.0",
        "license_url": "https://creativecommons.org/publicdomain/zero/1.0/",
        "provider": "stocksnap",
        "source": "stocksnap",
        "category": "photograph",
        "filesize": 896128,
        "filetype": "jpg",
        "tags": [{"accuracy": None, "name": "tree", "unstable__provider": "stocksnap"}],
        "attribution": '"Tree Bark Photo" by Tim Sullivan is marked with CC0 1.0.',
        "fields_matched": ["title"],
        "mature": False,
        "height": 4016,
        "width": 6016,
        "thumbnail": f"{here}thumb/",
        "detail_url": here,
        "related_url": f"{here}related/",
        "unstable__sensitivity": [],
    }
