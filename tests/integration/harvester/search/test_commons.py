"""Wikimedia Commons' search by a real client against an offline server of the documented shape."""

from __future__ import annotations

import pytest

from harvester.errors import RateLimitedError, SourceChangedError, SourceError
from harvester.search.commons import Commons, plain_text
from harvester.search.json_api import open_api_client
from harvester.search.session import QueryProgress
from tests.support.patience import cpu_seconds
from tests.support.servers.offline_commons import OfflineCommons, file

SVG = {"mime": "image/svg+xml"}


@pytest.fixture
def server():
    with OfflineCommons() as server:
        yield server


@pytest.fixture
def client():
    with open_api_client(contact="mail@example.org", timeout_s=2) as client:
        yield client


@pytest.fixture
def engine(server, client):
    return Commons(client, base_url=server.base_url)


def files(count):
    return [file(f"Boat {number}.jpg") for number in range(count)]


def search(engine, query="boat", limit=200):
    gathering = QueryProgress(query, "a boat", limit, engine.source, engine.scope)
    while not gathering.is_over:
        gathering.add(engine.search_page(query, gathering.pages + 1))
    return gathering.findings


def test_pages_come_in_the_order_of_the_search(server, engine):
    server.files["boat"] = files(120)
    found = search(engine)
    assert [finding.rank for finding in found] == list(range(1, 121))
    assert [finding.title for finding in found] == [f"Boat {number}" for number in range(120)]
    assert [asked["gsroffset"] for asked in server.asked] == ["0", "50", "100"]


def test_a_request_is_as_the_owners_wish(server, engine):
    engine.search_page("boat", 1)
    (asked,), (headers,) = server.asked, server.headers
    assert asked["maxlag"] == "5"
    assert (asked["gsrnamespace"], asked["gsrlimit"]) == ("6", "50")
    assert asked["iiurlwidth"] == "1280"
    assert headers["user-agent"].startswith("whence/")
    assert "mail@example.org" in headers["user-agent"]
    assert "gzip" in headers["accept-encoding"]


def test_nothing_found_is_an_empty_page(server, engine):
    assert search(engine) == []
    assert len(server.asked) == 1


def test_a_finding_names_its_maker_and_license(server, engine):
    server.files["boat"] = [file("A boat & sea.jpg")]
    (finding,) = search(engine)
    assert (finding.source, finding.query, finding.query_prompt) == ("commons", "boat", "a boat")
    assert finding.title == "A boat & sea"
    assert finding.caption == "What A boat & sea.jpg shows"
    assert finding.creator == "Ada"
    assert finding.license == "CC BY-SA 4.0"
    assert finding.license_url == "https://creativecommons.org/licenses/by-sa/4.0"
    assert finding.page_url == "https://commons.wikimedia.org/wiki/File:A_boat_%26_sea.jpg"
    assert finding.url == ("https://upload.wikimedia.org/wikipedia/commons/a/a2/A_boat_%26_sea.jpg")


def test_an_answer_in_two_parts_is_put_together(server, engine):
    server.is_split = True
    server.files["boat"] = files(60)
    page = engine.search_page("boat", 1)
    assert [row["rank"] for row in page.rows] == list(range(1, 51))
    assert not page.is_last
    assert server.asked[1]["iicontinue"] == "A_boat.jpg|2020"
    assert server.asked[1]["gsroffset"] == "0"


@pytest.mark.parametrize(
    "mime", ["image/jpeg", "image/png", "image/webp", "image/gif", "image/tiff"]
)
def test_pictures_that_are_decoded_are_taken_as_they_are(server, engine, mime):
    server.files["boat"] = [file("boat.x", mime=mime)]
    assert search(engine)[0].url.endswith("/a/a2/boat.x")


@pytest.mark.parametrize(
    "info", [SVG, {"size": 20_000_001}, {"width": 10_000, "height": 6001}], ids=str
)
def test_drawings_and_large_files_are_taken_as_rendered(server, engine, info):
    server.files["boat"] = [file("boat.x", **info)]
    assert search(engine)[0].url.endswith("/1280px-boat.x")


def test_films_leave_gaps_and_do_not_end_the_search(server, engine):
    film = file("A film.webm", mime="video/webm")
    server.files["boat"] = [film, *files(1), *[film] * 60, *files(1)]
    found = search(engine)
    assert [finding.rank for finding in found] == [2]  # the last is the first one's address again
    assert len(server.asked) == 2
    page = engine.search_page("boat", 1)
    assert (len(page.rows), page.dropped) == (1, 49)


def test_pages_of_films_alone_have_an_end(server, engine):
    server.files["boat"] = [file("A film.webm", mime="video/webm")] * 900
    assert search(engine) == []
    assert len(server.asked) == 3


@pytest.mark.parametrize("gone", ["url", "mime", "descriptionurl", "extmetadata", "size"])
@pytest.mark.parametrize("value", [None, 3, ["a"], {"a": 1}, -1], ids=str)
def test_fields_of_another_kind_end_no_search(server, engine, gone, value):
    server.files["boat"] = [file("boat.jpg", **{gone: value}), *files(1)]
    assert search(engine)[-1].title == "Boat 0"


def test_hostile_values_are_left_out_or_bounded(server, engine):
    server.files["boat"] = [
        file("a.jpg", url="javascript:alert(1)"),
        file("b.jpg", descriptionurl="javascript:alert(1)", metadata={"Artist": "y" * 1_000_000}),
        file("c.jpg", metadata={"Artist": "<" * 1_000_000, "LicenseShortName": None}),
        file("d.jpg", metadata={"Artist": 3, "LicenseUrl": "//creativecommons.org/x"}),
        file("e.jpg", metadata={"LicenseUrl": "javascript:alert(1)"}),
        {**file("f.jpg"), "index": "first"},
        {**file("g.jpg"), "title": ["g"]},
    ]
    b, c, d, e, g = search(engine)
    assert (b.page_url, len(b.creator)) == (None, 20_000)
    assert c.license is None
    assert len(c.creator) == 20_000
    assert (d.creator, d.license_url) == (None, "https://creativecommons.org/x")
    assert e.license_url is None
    assert g.title is None


@pytest.mark.parametrize(
    ("wanted", "taken"),
    [
        (["by-sa"], ["CC BY-SA 3.0 de"]),
        (["by"], ["CC BY 2.0"]),
        (["cc0", "pdm"], ["CC0", "Public domain", "PD-old"]),
        (["by-nc"], []),
    ],
)
def test_licenses_narrow_the_search(server, client, wanted, taken):
    names = ["CC BY-SA 3.0 de", "CC BY 2.0", "CC0", "Public domain", "PD-old", "GFDL", None]
    server.files["boat"] = [
        file(f"{n}.jpg", metadata={"LicenseShortName": name}) for n, name in enumerate(names)
    ]
    engine = Commons(client, base_url=server.base_url, licenses=wanted)
    assert [finding.license for finding in search(engine)] == taken
    assert engine.scope == f"license {','.join(wanted)}"


@pytest.mark.parametrize(
    ("markup", "text"),
    [
        ("Ada", "Ada"),
        (" A &amp; B &lt;b&gt; \n", "A & B <b>"),
        ('<a href="//x" title="a">Ada</a> <i>L</i>ovelace', "Ada Lovelace"),
        ("<p>One</p><p>two<br>three</p><ul><li>x</li><li>y</li></ul>", "One two three x y"),
        ('Unknown author<span style="display: none;">Unknown author</span>', "Unknown author"),
        ('<div style="DISPLAY:none"><b>x<br/></b><img src=a>y</div>z', "z"),
        ("<style>.a{b:c}</style><script>alert(1)</script>Ada", "Ada"),
        ("a<!-- b -->c", "a c"),
        ("1 < 2 and 3 > 2", "1 < 2 and 3 > 2"),
        ("</div></div>Ada", "Ada"),
        ("<span style='display:none'>never closed", None),
        ("<>", "<>"),
        ("", None),
        ("&nbsp; <p> </p>", None),
    ],
)
def test_markup_becomes_the_text_that_a_reader_sees(markup, text):
    assert plain_text(markup) == text


@pytest.mark.parametrize(
    "piece", ["<", "<a ", "<!--", "<a b='", "</", "&", "<a a", "&#", "<span>", "display:", "<a"]
)
def test_no_markup_costs_more_than_its_length(piece):
    with cpu_seconds(1):
        plain_text(piece * 1_000_000)


@pytest.mark.parametrize(
    ("fault", "pause"),
    [
        ("429 7", 7),
        ("429", None),
        ("403", None),
        ("503", None),
        ("html", None),
        ("error maxlag 7", 7),
        ("error maxlag", 5),
        ("error ratelimited", None),
        ("error cirrussearch-too-busy-error", None),
    ],
)
def test_a_block_is_no_empty_result(server, engine, fault, pause):
    server.faults.append(fault)
    with pytest.raises(RateLimitedError, match="blocked") as caught:
        engine.search_page("boat", 1)
    assert caught.value.retry_after_s == pause


@pytest.mark.parametrize(
    "fault", ["list", "no-query", "no-imageinfo", "error badvalue", "error \x1b[2J", "301", "400"]
)
def test_an_unknown_shape_says_so(server, engine, fault):
    server.files["boat"] = files(3)
    server.faults.append(fault)
    with pytest.raises(SourceChangedError, match="update whence") as caught:
        engine.search_page("boat", 1)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("fault", ["500", "404", "error internal_api_error_DBQueryError"])
def test_a_broken_answer_is_a_source_error(server, engine, fault):
    server.faults.append(fault)
    with pytest.raises(SourceError) as caught:
        engine.search_page("boat", 1)
    assert type(caught.value) is SourceError


def test_each_request_is_told_before_it_leaves(server, client):
    told = []
    server.is_split = True
    server.files["boat"] = files(2)
    engine = Commons(client, base_url=server.base_url, before_request=lambda: told.append(1))
    engine.search_page("boat", 1)
    assert len(told) == len(server.asked) == 2
