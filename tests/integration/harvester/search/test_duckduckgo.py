"""The real ddgs client against an offline DuckDuckGo on 127.0.0.1."""

from __future__ import annotations

from datetime import UTC

import pytest
from ddgs.engines.duckduckgo_images import DuckduckgoImages
from ddgs.http_client import HttpClient
from ddgs.results import ImagesResult

from harvester.errors import InputError, RateLimitedError, SourceChangedError, SourceError
from harvester.search.duckduckgo import DuckDuckGo


@pytest.fixture
def engine(duckduckgo_server):
    return DuckDuckGo(proxy=duckduckgo_server.proxy_url, verify=str(duckduckgo_server.ca_pem))


def addresses(count, name="p"):
    return [f"https://pictures.example/{name}{number}.jpg" for number in range(count)]


def test_pages_until_the_limit(duckduckgo_server, engine):
    duckduckgo_server.results["boat"] = addresses(320)
    found = engine.search("boat", query_prompt="a boat", limit=250)
    assert [finding.url for finding in found] == addresses(250)
    assert [finding.rank for finding in found] == list(range(1, 251))
    assert duckduckgo_server.asked == [("boat", 1), ("boat", 2), ("boat", 3)]


def test_stops_where_the_engine_has_no_more(duckduckgo_server, engine):
    duckduckgo_server.results["boat"] = addresses(130)
    assert len(engine.search("boat", query_prompt="boat", limit=1000)) == 130
    assert duckduckgo_server.asked == [("boat", 1), ("boat", 2)]


def test_stops_at_a_page_without_anything_new(duckduckgo_server, engine):
    duckduckgo_server.results["boat"] = addresses(100) * 5
    assert len(engine.search("boat", query_prompt="boat", limit=300)) == 100
    assert len(duckduckgo_server.asked) == 2


def test_a_finding_says_where_it_comes_from(duckduckgo_server, engine):
    duckduckgo_server.results["boat"] = addresses(1)
    (finding,) = engine.search("boat", query_prompt="a boat --ar 1:1")
    assert (finding.source, finding.query, finding.query_prompt) == (
        "ddg",
        "boat",
        "a boat --ar 1:1",
    )
    assert finding.page_url == "https://pages.example/p0.jpg.html"
    assert finding.title == "Picture p0.jpg"
    assert finding.found_at.tzinfo is UTC


def test_addresses_come_through_byte_for_byte(duckduckgo_server, engine):
    signed = "https://cdn.example/a%20b?sig=x%2By%26z&e=%C3%A9#part"
    duckduckgo_server.results["boat"] = [{"image": signed, "url": signed, "title": "t"}]
    (finding,) = engine.search("boat", query_prompt="boat")
    assert finding.url == signed
    assert finding.page_url == signed


def test_titles_lose_their_markup(duckduckgo_server, engine):
    title = "A <b>boat</b> &amp; the\n sea &#39;24 &lt;b&gt;x&lt;/b&gt; <3 \ud800"
    duckduckgo_server.results["boat"] = [{"image": "https://a.example/1.jpg", "title": title}]
    (finding,) = engine.search("boat", query_prompt="boat")
    assert finding.title == "A boat & the sea '24 x <3 \ufffd"


def test_only_addresses_of_the_web_each_once(duckduckgo_server, engine):
    duckduckgo_server.results["boat"] = [
        {"image": "data:image/png;base64,AAAA"},
        {"image": "https://a.example/1.jpg", "title": "first"},
        {"image": None},
        {"image": "HTTP://a.example/2.jpg", "url": "javascript:alert(1)"},
        {"image": "https://a.example/1.jpg", "title": "again"},
        {"image": "https://a.example/\udcff.jpg"},
    ]
    found = engine.search("boat", query_prompt="boat")
    assert [(finding.url, finding.rank) for finding in found] == [
        ("https://a.example/1.jpg", 2),
        ("HTTP://a.example/2.jpg", 4),
    ]
    assert found[0].title == "first"
    assert found[1].page_url is None


def test_nothing_found_is_an_empty_list(engine):
    assert engine.search("nothing of the kind", query_prompt="nothing") == []


@pytest.mark.parametrize("fault", ["403", "202", "429", "418", "empty", "html"])
def test_a_block_is_no_empty_result(duckduckgo_server, engine, fault):
    duckduckgo_server.results["boat"] = addresses(3)
    duckduckgo_server.faults.append(fault)
    with pytest.raises(RateLimitedError, match=r"blocked.*then run the same command again"):
        engine.search("boat", query_prompt="boat")
    assert len(engine.search("boat", query_prompt="boat")) == 3


@pytest.mark.parametrize("fault", ["403", "202", "429", "empty", "captcha"])
def test_a_block_of_the_token_is_a_block(duckduckgo_server, engine, fault):
    duckduckgo_server.home_faults.append(fault)
    with pytest.raises(RateLimitedError):
        engine.search("boat", query_prompt="boat")
    assert duckduckgo_server.asked == []


@pytest.mark.parametrize(
    ("written", "seconds"),
    [("7", 7), ("Wed, 21 Oct 2015 07:28:00 GMT", 0), ("soon", None), ("-1", None)],
)
def test_a_block_says_for_how_long(duckduckgo_server, engine, written, seconds):
    duckduckgo_server.faults.append(f"429 Retry-After {written}")
    with pytest.raises(RateLimitedError) as caught:
        engine.search("boat", query_prompt="boat")
    assert caught.value.retry_after_s == seconds


@pytest.mark.parametrize("fault", ["no-json-results", "no-image"])
def test_an_unknown_shape_says_so(duckduckgo_server, engine, fault):
    duckduckgo_server.faults.append(fault)
    with pytest.raises(SourceChangedError, match="update whence"):
        engine.search("boat", query_prompt="boat")


def test_a_page_without_the_token_is_an_unknown_shape(duckduckgo_server, engine):
    duckduckgo_server.home_faults.append("no-token")
    with pytest.raises(SourceChangedError, match="vqd"):
        engine.search("boat", query_prompt="boat")


@pytest.mark.parametrize("fault", ["500", "drop", "404"])
def test_a_broken_answer_is_a_source_error(duckduckgo_server, engine, fault):
    duckduckgo_server.faults.extend([fault] * 5)
    with pytest.raises(SourceError) as caught:
        engine.search("boat", query_prompt="boat")
    assert type(caught.value) is SourceError


@pytest.mark.usefixtures("duckduckgo_server")  # for the environment without proxies
def test_no_network_is_a_source_error():
    engine = DuckDuckGo(proxy="http://127.0.0.1:9", timeout_s=2)
    with pytest.raises(SourceError, match="check the network"):
        engine.search("boat", query_prompt="boat")


def test_an_unknown_authority_is_not_trusted(duckduckgo_server):
    engine = DuckDuckGo(proxy=duckduckgo_server.proxy_url)
    with pytest.raises(SourceError):
        engine.search("boat", query_prompt="boat")


@pytest.mark.parametrize(
    "options",
    [{"proxy": "no proxy at all"}, {"verify": "/no/such/file.pem"}, {"safesearch": "perhaps"}],
)
def test_options_that_cannot_be_used_are_refused(options):
    with pytest.raises(InputError, match="expected"):
        DuckDuckGo(**options)


def test_other_users_of_ddgs_see_no_change(engine):
    engine.search("boat", query_prompt="boat")
    assert type(DuckduckgoImages().http_client) is HttpClient
    result = ImagesResult()
    result.image = "https://a.example/a%20b"
    assert result.image == "https://a.example/a+b"
