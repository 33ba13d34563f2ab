"""Strangers' words and addresses: nothing acts, nothing reorders, nothing links off the web."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from attribution.report.safe_text import MAX_LINK, cut, short_address, web_link

ANY_TEXT = st.text(st.characters(codec=None)) | st.text(
    "\x1b[]\x9b\x9d;m\x07\\A0\u202e\ud800\udc00 "
)


def test_cut_text_says_that_it_was_cut():
    assert cut("abcdef", 6) == "abcdef"
    assert cut("abc defg", 5) == "abc…"


@pytest.mark.parametrize(
    ("address", "link"),
    [
        ("https://example.org/a?b=c%20d&e='f'#g", "https://example.org/a?b=c%20d&e='f'#g"),
        ("HTTP://Example.org", "HTTP://Example.org"),
        (" https://example.org/a b ", "https://example.org/a%20b"),
        ("https://example.org/日", "https://example.org/%E6%97%A5"),
        ("http://[2001:db8::1]:8080/x", "http://[2001:db8::1]:8080/x"),
        ('https://example.org/"><b>', "https://example.org/%22%3E%3Cb%3E"),
    ],
)
def test_web_addresses_are_links(address, link):
    assert web_link(address) == link


@pytest.mark.parametrize(
    "address",
    [
        None,
        "",
        "javascript:alert(1)",
        "java\nscript:alert(1)",
        "\x01javascript:alert(1)",
        "data:text/html,<script>alert(1)</script>",
        "file:///etc/passwd",
        "ftp://example.org/a",
        "//example.org/a",
        "/a/path",
        "https://",
        "https:example.org",
        "https://good.example@evil.example/",
        "https://evil.example\\.good.example/",
        "https://ex ample.org/",
        "https://[half",
        "https://example.org:port/",
        "https://example.org/\u202egnp.exe",
        "https://example.org/\x1b[31m",
        "https://example.org/\ud800",
        "https://example.org/" + "a" * MAX_LINK,
    ],
)
def test_everything_else_is_not_followed(address):
    assert web_link(address) is None


@given(
    st.sampled_from(["", "http://", "https://a/", "https:/\\"]).flatmap(
        lambda start: ANY_TEXT.map(lambda rest: start + rest)
    )
)
def test_a_link_is_ascii_and_leads_to_the_web(address):
    link = web_link(address)
    if link is not None:
        assert link.isascii()
        assert link.isprintable()
        assert " " not in link
        assert link.lower().startswith(("http://", "https://"))
    assert len(short_address(address, 30)) <= 30


def test_a_short_address_names_host_and_path():
    assert short_address("https://www.example.org/a/b/?q=1#x", 40) == "example.org/a/b"
    assert short_address("https://ja.example.org/%E6%97%A5%1B%5B31m", 40) == "ja.example.org/日"
    assert short_address("javascript:alert(1)", 40) == "javascript:alert(1)"
