"""Addresses that are one have one key, and those that are not keep theirs."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from harvester.dedup.canonical_url import canonical_url

SIGNED = "0123456789abcdef" * 4

SAME = [
    # RFC 3986, section 6.2.2 and 6.2.3
    ("HTTP://Example.ORG/a.jpg", "https://example.org/a.jpg"),
    ("https://example.org:443/a.jpg", "https://example.org/a.jpg"),
    ("http://example.org:80/a.jpg", "https://example.org/a.jpg"),
    ("http://example.org:/a.jpg", "https://example.org/a.jpg"),
    ("http://example.org", "https://example.org/"),
    ("http://example.org?", "https://example.org/"),
    ("http://example.org./a.jpg", "https://example.org/a.jpg"),
    ("http://example.org/a.jpg#top", "https://example.org/a.jpg"),
    ("http://example.org/%7euser/%c3%a4.jpg", "https://example.org/~user/%C3%A4.jpg"),
    ("http://example.org/ä b.jpg", "https://example.org/%C3%A4%20b.jpg"),
    ("http://example.org/a/./b/../c.jpg", "https://example.org/a/c.jpg"),
    ("http://example.org/a/%2e%2e/c.jpg", "https://example.org/c.jpg"),
    ("http://example.org/a/..", "https://example.org/"),
    ("http://example.org/100%.jpg", "https://example.org/100%25.jpg"),
    ("http://MÜLLER.example/a", "https://xn--mller-kva.example/a"),
    ("http://example。org/a", "https://example.org/a"),
    ("  http://example.org/a\n", "https://example.org/a"),
    ("http://[2001:DB8::1]:8080/a", "https://[2001:db8::1]:8080/a"),
    # tracking
    ("https://example.org/a?utm_source=x&w=640&UTM_Medium=y", "https://example.org/a?w=640"),
    ("https://example.org/a?fbclid=1&gclid=2&igshid=3", "https://example.org/a"),
    ("https://example.org/a?&w=1&&h=2&", "https://example.org/a?w=1&h=2"),
    # signatures
    (
        (
            "https://b.s3.amazonaws.com/k.jpg?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Date=20260101T000000Z"
            f"&X-Amz-Expires=60&versionId=7&X-Amz-SignedHeaders=host&X-Amz-Signature={SIGNED}"
        ),
        "https://b.s3.amazonaws.com/k.jpg?versionId=7",
    ),
    (
        f"https://storage.googleapis.com/b/k?X-Goog-Date=20260101T000000Z&X-Goog-Signature={SIGNED}",
        "https://storage.googleapis.com/b/k",
    ),
    (
        "https://b.s3.amazonaws.com/k?AWSAccessKeyId=AKIA1&Expires=1700000000&Signature=abcdefgh%3D",
        "https://b.s3.amazonaws.com/k",
    ),
    (
        "https://d1.cloudfront.net/k?size=2&Expires=1700000000&Signature=abcdefgh~&Key-Pair-Id=K123ABC456",
        "https://d1.cloudfront.net/k?size=2",
    ),
    (
        "https://a.blob.core.windows.net/c/k?sv=2022-11-02&sr=b&sp=r&se=2026-01-01&sig=abcdefghijklmnopqrstuv%3D",
        "https://a.blob.core.windows.net/c/k",
    ),
    (
        f"https://cdn.discordapp.com/attachments/1/2/a.png?ex=65f1a2b3&is=65e02db3&hm={SIGNED}&",
        "https://cdn.discordapp.com/attachments/1/2/a.png",
    ),
    (
        (
            "https://scontent.cdninstagram.com/v/a.jpg?stp=dst-jpg_s640x640&_nc_ht=x&_nc_cat=1&ccb=7-5"
            "&oh=00_AfC1234567&oe=65F1A2B3"
        ),
        "https://scontent.cdninstagram.com/v/a.jpg?stp=dst-jpg_s640x640",
    ),
    (
        f"https://video.example.org/a.jpg?hdnts=exp=1700000000~acl=/*~hmac={SIGNED}&w=2",
        "https://video.example.org/a.jpg?w=2",
    ),
    (
        (
            "https://img.example.cn/a.jpg?x-oss-process=image/resize,w_200&x-oss-signature=abcdefghijklmnop"
            "&x-oss-date=1"
        ),
        "https://img.example.cn/a.jpg?x-oss-process=image/resize,w_200",
    ),
]

OTHER = [
    "https://example.org/a?sig=7",
    "https://example.org/a?e=3",
    "https://example.org/a?ex=1&is=2&hm=3",
    "https://example.org/a?token=red",
    "https://example.org/a?expires=1700000000",
    "https://example.org/a?signature=abcdefgh&expires=1700000000",
    "https://example.org/a?X-Amz-Date=20260101T000000Z",
    "https://example.org/a?oh=1&oe=2",
    "https://example.org/a?sv=2&sig=abcdefghijklmnopqrstuv",
    "https://example.org/a?w=640&h=480&format=webp&q=80",
    "https://example.org/a?h=480&w=640",
    "https://example.org/a//b",
    "https://example.org/A.jpg",
    "https://example.org:8080/a",
    "https://example.org/a%2Fb",
    "https://example.org/a?b+c",
    "https://user@example.org/a",
]

OWN = [
    "file:///home/A/%7e.jpg",
    "data:image/png;base64,AA==",
    "",
    "a.jpg",
    "http://",
    "http:///a",
    "http://exa mple.org/a",
    "http://[::1/a",
    "http://example.org:port/a",
    "http://" + "a" * 300 + "/",
    "http://\ud800/a",
    "http://xn--\u00fc\u202e/a",
]


@pytest.mark.parametrize(("url", "key"), SAME)
def test_addresses_of_one_picture_have_one_key(url, key):
    assert canonical_url(url) == key
    assert canonical_url(key) == key


@pytest.mark.parametrize("url", OTHER)
def test_what_may_choose_the_picture_stays(url):
    assert canonical_url(url) == url


@pytest.mark.parametrize("url", OWN)
def test_what_is_no_address_of_the_web_is_its_own_key(url):
    assert canonical_url(url) == url


_PIECES = st.sampled_from(
    [
        *("http://", "HTTPS://", "//", "/", "?", "#", "&", "=", ":", "@", "%", "%25", "%2e", "%2F"),
        *("%41", "%", "..", ".", "a", "B", "ü", "。", "\ud800", "[", "]", "[::1]", ":80", ":443"),
        *(
            " ",
            "\n",
            "\\",
            "+",
            "utm_a=1",
            f"hm={SIGNED}",
            "ex=65f1a2b3",
            "is=65f1a2b3",
            "example.org",
        ),
    ]
)


@given(
    st.one_of(
        st.text(),
        st.lists(_PIECES).map("".join),
        st.lists(_PIECES).map("http://h".__add__("{}").format),
    )
)
@example("http://h:443/")
@example("http://h/%%34%31")
@settings(max_examples=2000)
def test_a_key_is_its_own_key(url):
    key = canonical_url(url)
    assert canonical_url(key) == key


@given(st.lists(_PIECES, max_size=30).map(lambda pieces: "http://example.org/" + "".join(pieces)))
@settings(max_examples=1000)
def test_fragments_and_case_of_the_scheme_make_no_difference(url):
    plain = url.partition("#")[0].rstrip()
    assert canonical_url(f"{plain}#part") == canonical_url(plain.replace("http", "HTTPS", 1))
