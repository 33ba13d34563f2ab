"""Links are renewed by a real server on loopback that behaves as Discord's does."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest

from harvester.discord.links import refresh_links
from harvester.errors import RateLimitedError, SourceChangedError, SourceError
from harvester.pipeline import generations as run_generations

TOKEN = "made.up.token"


class Discord(ThreadingHTTPServer):
    """Renews links by adding `&fresh=1`; `script` holds answers to give first."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.script: list[tuple[int, dict[str, str], object]] = []
        self.batches: list[list[str]] = []
        self.api = f"http://127.0.0.1:{self.server_port}/api/v10"


class Handler(BaseHTTPRequestHandler):
    server: Discord

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.batches.append(body["attachment_urls"])
        if self.server.script:
            status, headers, answer = self.server.script.pop(0)
        elif self.path != "/api/v10/attachments/refresh-urls":
            status, headers, answer = 404, {}, {}
        elif self.headers["Authorization"] != f"Bot {TOKEN}":
            status, headers, answer = 401, {}, {"message": "401: Unauthorized"}
        else:
            known = [url for url in body["attachment_urls"] if "gone" not in url]
            pairs = [{"original": url, "refreshed": url + "&fresh=1"} for url in known]
            status, headers, answer = 200, {}, {"refreshed_urls": pairs}
        payload = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        self.wfile.write(payload)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def discord() -> Iterator[Discord]:
    with Discord() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def urls(count: int) -> list[str]:
    base = "https://cdn.discordapp.com/attachments/1"
    return [f"{base}/{number}/a.png?ex=1&is=2&hm=3" for number in range(count)]


async def refresh(server: Discord, links: list[str], token: str = TOKEN) -> dict[str, str]:
    async with httpx.AsyncClient(trust_env=False) as client:
        return await refresh_links(client, links, token, api=server.api)


async def test_links_are_renewed_fifty_at_a_time_and_once_each(discord):
    links = urls(120)
    fresh = await refresh(discord, links + links[:30])
    assert fresh == {link: link + "&fresh=1" for link in links}
    assert [len(batch) for batch in discord.batches] == [50, 50, 20]


async def test_no_links_ask_nothing(discord):
    assert await refresh(discord, []) == {}
    assert discord.batches == []


async def test_a_link_that_is_not_renewed_is_missing(discord):
    gone = "https://cdn.discordapp.com/attachments/1/2/gone.png?ex=1"
    fresh = await refresh(discord, [*urls(1), gone])
    assert list(fresh) == urls(1)


@pytest.mark.parametrize(
    ("headers", "body"),
    [({"Retry-After": "0.4"}, b"slow down"), ({}, {"retry_after": 0.4, "global": False})],
)
async def test_a_pause_that_discord_asks_for_is_kept(discord, headers, body):
    discord.script = [(429, headers, body)]
    start = time.monotonic()
    assert len(await refresh(discord, urls(1))) == 1
    assert time.monotonic() - start >= 0.4
    assert len(discord.batches) == 2


async def test_a_server_error_is_tried_again(discord):
    discord.script = [(502, {}, b"bad gateway")]
    assert len(await refresh(discord, urls(1))) == 1
    assert len(discord.batches) == 2


async def test_endless_pauses_end_after_five_attempts(discord):
    discord.script = [(429, {"Retry-After": "0.01"}, {})] * 9
    with pytest.raises(RateLimitedError, match="429") as caught:
        await refresh(discord, urls(1))
    assert caught.value.retry_after_s == 0.01
    assert len(discord.batches) == 5


async def test_a_pause_of_an_hour_is_not_waited_for(discord):
    discord.script = [(429, {"Retry-After": "3600"}, {})]
    with pytest.raises(RateLimitedError) as caught:
        await refresh(discord, urls(1))
    assert caught.value.retry_after_s == 3600
    assert len(discord.batches) == 1


@pytest.mark.parametrize("status", [401, 403])
async def test_a_refused_token_is_asked_once_and_explained(discord, status):
    discord.script = [(status, {}, {})]
    with pytest.raises(SourceError, match=f"{status}.*WHENCE_DISCORD_TOKEN") as caught:
        await refresh(discord, urls(1))
    assert TOKEN not in str(caught.value)
    assert len(discord.batches) == 1


@pytest.mark.parametrize("token", ["", "  ", "Bot ", "tök", "a\nb"])
async def test_an_unusable_token_is_never_sent(discord, token):
    with pytest.raises(SourceError, match="unusable"):
        await refresh(discord, urls(1), token)
    assert discord.batches == []


async def test_a_token_may_already_say_bot(discord):
    assert len(await refresh(discord, urls(1), f" Bot {TOKEN}\n")) == 1


@pytest.mark.parametrize(
    "answer",
    [b"<html>", {"links": []}, {"refreshed_urls": [{"original": "a"}]}, [1], {"refreshed_urls": 3}],
)
async def test_another_shape_is_told(discord, answer):
    discord.script = [(200, {}, answer)]
    with pytest.raises(SourceChangedError, match="refreshed_urls"):
        await refresh(discord, urls(1))


async def test_another_status_is_told_and_not_repeated(discord):
    discord.script = [(400, {}, {})]
    with pytest.raises(SourceError, match="400"):
        await refresh(discord, urls(1))
    assert len(discord.batches) == 1


async def test_nobody_listening_is_told(monkeypatch):
    monkeypatch.setattr("harvester.discord.links._ATTEMPTS", 2)
    async with httpx.AsyncClient(trust_env=False) as client:
        with pytest.raises(SourceError, match="no answer"):
            await refresh_links(client, urls(1), TOKEN, api="http://127.0.0.1:9/api")


async def test_proxies_of_the_surroundings_do_not_end_a_harvest(monkeypatch):
    """A kind that httpx does not speak was a traceback."""
    monkeypatch.setenv("ALL_PROXY", "socks5://127.0.0.1:9")
    assert await run_generations._renewer(TOKEN, None)([]) == {}
