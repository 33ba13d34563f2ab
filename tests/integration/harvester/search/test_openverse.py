"""Openverse's search by a real client against an offline server of the documented shape."""

from __future__ import annotations

import pytest

from harvester.errors import InputError, RateLimitedError, SourceChangedError, SourceError
from harvester.search import json_api
from harvester.search.json_api import open_api_client
from harvester.search.openverse import Openverse
from harvester.search.session import QueryProgress
from tests.integration.conftest import serving_context
from tests.support.servers.offline_openverse import OfflineOpenverse


@pytest.fixture
def server():
    with OfflineOpenverse() as server:
        yield server


@pytest.fixture
def client():
    with open_api_client(contact="mail@example.org", timeout_s=2) as client:
        yield client


@pytest.fixture
def engine(server, client):
    return Openverse(client, base_url=server.base_url)


def records(count):
    return [{"url": f"https://pictures.example/{n}.jpg"} for n in range(count)]


def search(engine, query="boat", limit=100):
    gathering = QueryProgress(query, "a boat", limit, engine.source, engine.scope)
    while not gathering.is_over:
        gathering.add(engine.search_page(query, gathering.pages + 1))
    return gathering.findings


def test_pages_are_asked_for_until_there_are_enough(server, engine):
    server.results["boat"] = records(70)
    found = search(engine, limit=45)
    assert [finding.rank for finding in found] == list(range(1, 46))
    assert [asked["page"] for asked in server.asked] == ["1", "2", "3"]
    assert {asked["page_size"] for asked in server.asked} == {"20"}


def test_a_search_ends_where_the_api_does(server, engine):
    server.results["boat"] = records(999)
    assert len(search(engine, limit=1000)) == 240
    assert len(server.asked) == 12


def test_nothing_found_is_an_empty_page(server, engine):
    assert search(engine) == []
    assert len(server.asked) == 1


def test_a_finding_names_its_maker_and_license(server, engine):
    server.results["boat"] = [
        {"license": "by-sa", "license_version": "4.0", "title": "A <b>boat</b> &amp; sea"}
    ]
    (finding,) = search(engine)
    assert (finding.source, finding.query, finding.query_prompt) == ("openverse", "boat", "a boat")
    assert finding.title == "A boat & sea"
    assert finding.creator == "Tim Sullivan"
    assert finding.license == "CC BY-SA 4.0"
    assert finding.license_url == "https://creativecommons.org/publicdomain/zero/1.0/"
    assert finding.page_url == "https://stocksnap.io/photo/XNVBVXO3B7"
    assert finding.url == "https://cdn.stocksnap.io/img-thumbs/960w/XNVBVXO3B7.jpg"


@pytest.mark.parametrize(
    ("code", "version", "name"),
    [
        ("by", "2.0", "CC BY 2.0"),
        ("cc0", "1.0", "CC0 1.0"),
        ("pdm", "1.0", "PDM 1.0"),
        ("by-nc-nd", None, "CC BY-NC-ND"),
        ("sampling+", "1.0", "CC SAMPLING+ 1.0"),
        (None, "1.0", None),
        (" ", None, None),
        (["by"], {}, None),
    ],
)
def test_licenses_as_people_write_them(server, engine, code, version, name):
    server.results["boat"] = [{"license": code, "license_version": version}]
    assert search(engine)[0].license == name


def test_hostile_values_are_left_out_or_bounded(server, engine):
    long = "x" * 1_000_000
    server.results["boat"] = [
        {"url": "javascript:alert(1)"},
        {"url": "https://a.example/1.jpg", "foreign_landing_url": "javascript:alert(1)"},
        {"url": "https://a.example/2.jpg", "title": long, "creator": "<" * 1_000_000},
        {"url": "https://a.example/3.jpg", "title": ["a"], "creator": None, "license_url": 3},
        {"url": "https://a.example/4.jpg", "creator": "a\ud800b", "title": "\u0000 "},
        {"url": None, "title": None},
    ]
    first, second, third, fourth = search(engine)
    assert first.page_url is None
    assert len(second.title) == len(second.creator) == 20_000
    assert (third.title, third.creator, third.license_url) == (None, None, None)
    assert fourth.creator == "a\ufffdb"
    assert [finding.rank for finding in (first, second, third, fourth)] == [2, 3, 4, 5]


def test_drawings_are_passed_over_and_do_not_end_the_search(server, engine):
    drawings = [{"url": f"https://a.example/{n}.svg", "filetype": "svg"} for n in range(20)]
    server.results["boat"] = [*drawings, *records(5)]
    assert len(search(engine)) == 5


def test_licenses_narrow_the_search(server, client):
    server.results["boat"] = [{"license": "by"}, {"license": "by-nc", "url": "https://a.example/b"}]
    engine = Openverse(client, base_url=server.base_url, licenses=["CC0", "by", "by"])
    assert [finding.license for finding in search(engine)] == ["CC BY 1.0"]
    assert server.asked[0]["license"] == "by,cc0"
    assert engine.scope == "license by,cc0"


def test_a_token_has_larger_pages_and_is_not_told_elsewhere(server, client, engine):
    server.results["boat"] = records(50)
    with_token = Openverse(client, base_url=server.base_url, token=server.token)
    assert len(with_token.search_page("boat", 1).rows) == 50
    assert with_token.pause_s < engine.pause_s
    engine.search_page("boat", 1)
    assert [headers.get("authorization") for headers in server.headers] == ["Bearer a-token", None]


def test_a_token_that_is_refused_says_so_without_telling_it(server, client):
    engine = Openverse(client, base_url=server.base_url, token="SECRET")
    with pytest.raises(SourceChangedError, match="set WHENCE_OPENVERSE_TOKEN") as caught:
        engine.search_page("boat", 1)
    assert "SECRET" not in str(caught.value)


@pytest.mark.parametrize("token", ["two words", "line\nend", "é"])
def test_a_token_that_cannot_be_sent_is_refused(client, token):
    with pytest.raises(InputError, match="WHENCE_OPENVERSE_TOKEN"):
        Openverse(client, token=token)


def test_a_request_says_who_asks_and_keeps_no_cookies(server, engine):
    engine.search_page("boat", 1)
    assert server.headers[0]["user-agent"].startswith("whence/")
    assert "mail@example.org" in server.headers[0]["user-agent"]
    assert "cookie" not in server.headers[0]


def test_each_request_is_told_before_it_leaves(server, client):
    told = []
    engine = Openverse(client, base_url=server.base_url, before_request=lambda: told.append(1))
    engine.search_page("boat", 1)
    assert told == [1]

    def refuse():
        raise RateLimitedError("spent")

    engine = Openverse(client, base_url=server.base_url, before_request=refuse)
    with pytest.raises(RateLimitedError, match="spent"):
        engine.search_page("boat", 1)
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    ("fault", "pause"), [("429 84923", 84923), ("429", None), ("403", None), ("503 5", 5)]
)
def test_a_block_is_no_empty_result(server, engine, fault, pause):
    server.faults.append(fault)
    with pytest.raises(RateLimitedError, match=r"blocked.*then run the same command") as caught:
        engine.search_page("boat", 1)
    assert caught.value.retry_after_s == pause


def test_a_block_says_what_the_api_said(server, engine):
    server.faults.append("429 84923")
    with pytest.raises(RateLimitedError, match=r"Request was throttled\. Expected available in"):
        engine.search_page("boat", 1)


def test_a_web_page_is_a_block(server, engine):
    server.faults.append("html")
    with pytest.raises(RateLimitedError, match="no JSON"):
        engine.search_page("boat", 1)


@pytest.mark.parametrize("fault", ["list", "no-results", "no-url", "301", "400", "401"])
def test_an_unknown_shape_says_so(server, engine, fault):
    server.faults.append(fault)
    with pytest.raises(SourceChangedError, match="update whence"):
        engine.search_page("boat", 1)
    assert len(server.asked) == 1


@pytest.mark.parametrize("fault", ["500", "502", "404", "cut", "huge"])
def test_a_broken_answer_is_a_source_error(server, engine, fault):
    server.faults.append(fault)
    with pytest.raises(SourceError) as caught:
        engine.search_page("boat", 1)
    assert type(caught.value) is SourceError


def test_an_answer_that_drips_has_an_end(engine, monkeypatch):
    monkeypatch.setattr(json_api, "_MOST_S", 0.0)
    with pytest.raises(SourceError, match="took more than"):
        engine.search_page("boat", 1)


def test_no_network_is_a_source_error(client):
    with pytest.raises(SourceError, match="check the network"):
        Openverse(client, base_url="http://127.0.0.1:9").search_page("boat", 1)


def test_queries_of_any_letters_are_asked(server, engine):
    engine.search_page('a&b=c #? "ü" 舟 \ud800', 1)
    assert server.asked[0]["q"] == 'a&b=c #? "ü" 舟 ?'


def test_tls_with_an_authority_of_its_own(authority, tmp_path):
    pem = tmp_path / "authority.pem"
    authority.cert_pem.write_to_path(str(pem))
    with OfflineOpenverse(serving_context(authority, "127.0.0.1")) as server:
        with open_api_client(ca_file=pem) as client:
            assert Openverse(client, base_url=server.base_url).search_page("boat", 1).is_last
        with open_api_client() as client, pytest.raises(SourceError, match="certificate"):
            Openverse(client, base_url=server.base_url).search_page("boat", 1)


@pytest.mark.parametrize(
    "options",
    [
        {"proxy": "no proxy at all"},
        {"proxy": "socks5://127.0.0.1:9"},
        {"ca_file": "/no/such/file.pem"},
        {"contact": "é"},
    ],
)
def test_options_that_cannot_be_used_are_refused(options):
    with pytest.raises(InputError, match="expected"):
        open_api_client(**options)


def test_a_license_that_is_none_is_refused(client):
    with pytest.raises(InputError, match="expected some of by, by-sa"):
        Openverse(client, licenses=["gpl"])
