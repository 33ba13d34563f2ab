"""tdmrep.json: what a site reserves, by the first rule that fits."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harvester.consent.signals import ConsentPolicy, SignalKind, decide
from harvester.consent.tdmrep import judge_tdm, read_tdmrep
from harvester.fetch.faults import FetchError
from harvester.fetch.site_rules import TDMREP, SiteFiles
from harvester.schema import FetchStatus
from tests.support.patience import cpu_seconds

SITE = "https://example.org"


def file(*rules: tuple[str, object]) -> bytes:
    return json.dumps(
        [{"location": pattern, "tdm-reservation": said} for pattern, said in rules]
    ).encode()


def is_reserved(body: bytes, path: str) -> bool | None:
    rules, _ = read_tdmrep(body)
    signal = judge_tdm(rules, SITE + path)
    return None if signal is None else signal.kind is SignalKind.TDM


@pytest.mark.parametrize(
    ("pattern", "inside", "outside"),
    [
        ("/", ["", "/", "/a/b.jpg?c"], []),
        ("/a/", ["/a/", "/a/b"], ["/a", "/b/a/"]),
        ("/a", ["/a", "/ab"], ["/A", "/b"]),
        ("a", ["/a"], ["/b"]),
        ("*", ["/", "/a"], []),
        ("/img/*.jpg", ["/img/a.jpg", "/img/b/c.jpg?d"], ["/img/a.png", "/a.jpg"]),
        ("/img/*.jpg$", ["/img/a.jpg", "/img/a.jpg.jpg"], ["/img/a.jpg?b", "/img/.jp"]),
        ("/a$", ["/a", "/a#b"], ["/ab", "/a?"]),
        ("/**b***c", ["/bc", "/xbxc"], ["/cb"]),
        ("/a*a$", ["/aa"], ["/a"]),
        ("/foo-%24", ["/foo-%24"], ["/foo-$"]),
        ("/%7euser/%e4", ["/~user/%E4"], ["/user"]),
        ("/ä b", ["/%C3%A4%20b"], ["/a"]),
        ("*.gif", ["/a.gif", "/b?x.gif"], ["/gif"]),
    ],
)
def test_patterns_begin_at_the_paths_beginning(pattern, inside, outside):
    body = file((pattern, 1))
    assert [path for path in inside if not is_reserved(body, path)] == []
    assert [path for path in outside if is_reserved(body, path) is not None] == []


def test_the_first_rule_that_fits_counts():
    body = file(("/a/free/", 0), ("/a/", 1), ("/a/free/not", 1))
    assert is_reserved(body, "/a/b")
    assert is_reserved(body, "/a/free/not") is False
    assert is_reserved(body, "/b") is None


@pytest.mark.parametrize(("said", "result"), [(1, True), ("1", True), (0, False), ("0", False)])
def test_a_reservation_is_one_or_zero(said, result):
    assert is_reserved(file(("/", said)), "/a") is result


@pytest.mark.parametrize("said", [2, -1, "yes", None, [], {}, [1], 1e400])
def test_any_other_value_is_as_if_it_were_not_there(said):
    assert is_reserved(file(("/", said)), "/a") is None


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b'{"location": "/", "tdm-reservation": 1}',
        b"<html>",
        b"\xff\xfe\x00",
        b"[" * 500_000,
        b'[{"location": 5, "tdm-reservation": 1}, null, 7, "a", []]',
        b'[{"tdm-reservation": 1}, {"location": ""}]',
        b'[{"location": "/", "tdm-reservation": ' + b"9" * 10_000 + b"}]",
    ],
)
def test_files_that_are_no_list_of_rules_reserve_nothing(body):
    assert is_reserved(body, "/a") is None


@pytest.mark.parametrize(
    "body",
    [
        file(*[("/" + "*a" * 900 + "b", 1)] * 1000),
        file(*[("/*" + "a" * 1900 + "b", 1)] * 1000),
        file(*[(f"/{n}", 1) for n in range(20_000)]),
    ],
)
def test_hostile_files_hold_nothing_up(body):
    with cpu_seconds(1.5):
        assert is_reserved(body, "/" + "a" * 16_000) is None


async def test_a_site_is_asked_once_and_its_word_is_a_signal():
    asked = []

    async def get(url):
        asked.append(url)
        policy = "https://example.org/\x1b[2Jpolicy.json"
        rules = [{"location": "/a", "tdm-reservation": 1, "tdm-policy": policy}]
        return 200, {}, json.dumps(rules).encode()

    tdmrep = SiteFiles(TDMREP, get)
    signal = (await tdmrep.check(f"{SITE}/a.jpg")).signal
    assert signal.text == "tdmrep.json: /a reserved, policy https://example.org/policy.json"
    assert decide([signal], ConsentPolicy.STRICT) == signal.text
    assert decide([signal], ConsentPolicy.SEARCH_ONLY) is None
    assert (await tdmrep.check(f"{SITE}/b.jpg")).signal is None
    assert asked == [f"{SITE}/.well-known/tdmrep.json"]
    assert len(tdmrep) == 1
    await tdmrep.close()


@pytest.mark.parametrize(
    "answer", [(404, {}, b""), (500, {}, b"[]"), FetchError(FetchStatus.DNS, "no such name")]
)
async def test_a_file_that_cannot_be_had_reserves_nothing(answer):
    async def get(_):
        if isinstance(answer, FetchError):
            raise answer
        return answer

    assert (await SiteFiles(TDMREP, get).check(f"{SITE}/a")).signal is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["location", "tdm-reservation", "tdm-policy"]), inner, max_size=3
        )
    ),
    max_leaves=12,
)


@given(JSON, st.text(max_size=20))
def test_any_json_can_be_read(value, path):
    rules, _ = read_tdmrep(json.dumps(value).encode())
    judge_tdm(rules, f"{SITE}/{path}")


@given(
    st.text("ab*", min_size=1, max_size=8).map("/".__add__),
    st.text("ab", max_size=8).map("/".__add__),
    st.booleans(),
)
def test_patterns_match_as_the_same_regular_expression(pattern, path, is_whole):
    import re  # noqa: PLC0415  # only here

    body = file((pattern + "$" * is_whole, 1))
    expression = re.escape(pattern).replace(r"\*", ".*") + "$" * is_whole
    assert bool(is_reserved(body, path)) == bool(re.match(expression, path))
