"""Which addresses are asked: every notation of a private one is seen through."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harvester.fetch.guard import (
    AddressError,
    BadUrlError,
    BlockedAddressError,
    check_url,
    is_public,
)
from harvester.schema import FetchStatus


@pytest.mark.parametrize(
    "url",
    [
        "http://example.org/a.jpg",
        "HTTPS://EXAMPLE.ORG/a.jpg",
        "  https://example.org/a.jpg\n",
        "https://example.org:8443/a%20b?sig=x%2By%26z",
        "https://münchen.de/bild.jpg",
        "https://a_b.example.org./a.jpg",
        "http://8.8.8.8/a.jpg",
        "http://[2606:4700::1111]/a.jpg",
        "http://[64:ff9b::8.8.8.8]/a.jpg",
        "http://1.example.org/",
        "http://xn--mnchen-3ya.de/",
    ],
)
def test_addresses_of_the_open_web_pass(url):
    assert check_url(url).scheme in {"http", "https"}


@pytest.mark.parametrize(
    "url",
    [
        "",
        "a.jpg",
        "//example.org/a.jpg",
        "/etc/passwd",
        "file:///etc/passwd",
        "ftp://example.org/a.jpg",
        "data:image/png;base64,AAAA",
        "javascript:alert(1)",
        "http://",
        "http:///a.jpg",
        "http://user@example.org/",
        "http://user:secret@example.org/",
        "http://8.8.8.8\\@127.0.0.1/",
        "http://example.org:0/",
        "http://example.org:99999/",
        "http://example.org:-1/",
        "http://example.org:80a/",
        "http://example.org:22/",
        "http://example.org:6379/",
        "http://exa mple.org/",
        "http://exa\nmple.org/",
        "http://example..org/",
        "http://-example.org/",
        "http://%31%32%37.0.0.1/",
        "http://[::1/",
        "http://[nonsense]/",
        "http://256.1.1.1/",
        "http://0177.0.0.01/",
        "http://1.2.3.4.5/",
        "http://1.2.3.09/",
        "http://4294967296/",
        "http://0x8.8.8.8/",
        "http://134744072/",
        "http://\uff11\uff12\uff17.0.0.1/",
        "https://example.org/" + "a" * 20_000,
        "https://" + "a." * 130 + "org/",
    ],
)
def test_what_is_no_address_of_a_picture_is_a_bad_url(url):
    with pytest.raises(BadUrlError) as caught:
        check_url(url)
    assert caught.value.status is FetchStatus.BAD_URL
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "LOCALHOST.",
        "any.localhost",
        "127.0.0.1",
        "127.0.0.1.",
        "127.1",
        "127.0.1",
        "2130706433",
        "0x7f000001",
        "0x7f.0x0.0x0.0x1",
        "017700000001",
        "127\u30020\u30020\u30021",
        "0",
        "0.0.0.0",  # noqa: S104  # an address to refuse, nothing is bound
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "192.0.0.8",
        "198.18.0.1",
        "203.0.113.5",
        "192.88.99.1",
        "168.63.129.16",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "[::]",
        "[::1]",
        "[::127.0.0.1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[::ffff:10.0.0.1]",
        "[64:ff9b::127.0.0.1]",
        "[64:ff9b:1::8.8.8.8]",
        "[2002:7f00:1::]",
        "[2002:808:808::]",
        "[2001:0:808:808::]",
        "[2001:db8::1]",
        "[3fff::1]",
        "[fe80::1]",
        "[fe80::1%25eth0]",
        "[fc00::1]",
        "[fd00:ec2::254]",
        "[fec0::1]",
        "[ff02::1]",
        "[100::1]",
        "[4000::1]",
    ],
)
def test_private_addresses_are_blocked_in_every_notation(host):
    with pytest.raises(BlockedAddressError) as caught:
        check_url(f"http://{host}/")
    assert caught.value.status is FetchStatus.BLOCKED_ADDRESS


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "192.168.1.1", "[::1]", "intranet"])
def test_private_addresses_pass_where_allowed(host):
    assert check_url(f"http://{host}:8080/", allow_private=True).port == 8080


@pytest.mark.parametrize(
    "url", ["file:///etc/passwd", "http://a:b@10.0.0.1/", "http://10.0.0.1:22"]
)
def test_allowing_private_addresses_allows_nothing_else(url):
    with pytest.raises(BadUrlError):
        check_url(url, allow_private=True)


@given(st.text(max_size=60))
def test_any_text_is_an_address_or_an_address_error(text):
    for url in (text, f"http://{text}/", f"http://example.org/{text}"):
        try:
            parsed = check_url(url)
        except AddressError:
            continue
        assert parsed.scheme in {"http", "https"}


@given(st.ip_addresses(v=4))
def test_an_address_and_its_mapped_form_are_judged_alike(address):
    mapped = ipaddress.IPv6Address(f"::ffff:{address}")
    assert is_public(mapped) == is_public(address)


@given(
    st.sampled_from(["10.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "192.168.0.0/16"]), st.data()
)
def test_every_notation_of_a_private_address_is_refused(block, data):
    address = data.draw(st.ip_addresses(network=block))
    value = int(address)
    a, b, c, d = address.packed
    for host in (
        str(address),
        str(value),
        hex(value),
        f"0{value:o}",
        f"{a}.{value & 0xFFFFFF}",
        f"{a:#x}.{b}.{c << 8 | d}",
        f"{a}.0{b:o}.{c}.{d:#x}",
    ):
        with pytest.raises(BlockedAddressError):
            check_url(f"http://{host}/")
