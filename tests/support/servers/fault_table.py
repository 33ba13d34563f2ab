"""Every way a picture is known to go wrong, or to look wrong and be right: what becomes of each.

A literal table: name → how it is answered, the status that its row must get, and the seconds it
may take under `LIMITS`. Each fault has a host of its own (an address of 127.1.0.0/16), as on the
web, so that the pace of one says nothing of another.
"""

from __future__ import annotations

from dataclasses import dataclass

from harvester.fetch.download import FetchLimits
from harvester.schema import FetchStatus as Status
from tests.support.patience import patient
from tests.support.servers import fault_bodies as bodies
from tests.support.servers.fault_answers import (
    HEAD,
    chain,
    chunked,
    closing_after_each,
    of_length,
    packed_twice,
    raw,
    redirected_as_asked,
    redirecting,
    repeating,
    with_head,
)
from tests.support.servers.fault_server import HTML, SVG, Handler, animation, faults, fixed, picture

LIMITS = FetchLimits(max_bytes=1 << 20, deadline_s=patient(4), connect_s=patient(2), pause_s=0.02)

AT_ONCE = patient(40)
"""Seconds for what is settled by the first answer: nearly nothing, on a machine that is busy."""

ALL_TRIES = 2 * LIMITS.deadline_s + patient(40)
"""Seconds for what uses up every try: what all tries may take together, and as much grace.

A server that hangs does so for 60 seconds and more.
"""


@dataclass(frozen=True, slots=True)
class Fault:
    """One row of the table.

    Attributes:
        answer: what the fault's path does; None gives what `fault_server.faults` has there.
        within_s: seconds from the start of the run.
        address: with the places {web}, {secure}, … for origins, and {path} for the fault's own.
    """

    answer: Handler | None
    status: Status
    within_s: float = AT_ONCE
    address: str = "{web}{path}"


OK = picture()
LONG_NAME = "a" * 3000 + ".jpg"
DISPOSITION = b"Content-Disposition: attachment; filename="
GONE_AT_ONCE = HEAD + b"Content-Le"
ENDLESS = HEAD + b"Content-Type: image/jpeg\r\n\r\n"
HTTP2_SETTINGS = b"\x00\x00\x00\x04\x00\x00\x00\x00\x00"


def served(body: bytes, status: Status, content_type: str = "image/jpeg") -> Fault:
    return Fault(fixed(body, content_type=content_type), status)


def known(status: Status, within_s: float = AT_ONCE) -> Fault:
    return Fault(None, status, within_s)


def moved(address: str, status: Status) -> Fault:
    return Fault(redirecting(address), status)


FAULTS: dict[str, Fault] = {
    # Time
    "slow": known(Status.TIMEOUT, ALL_TRIES),
    "slow-header": Fault(repeating(HEAD, b"X: y\r\n", 0.05), Status.TIMEOUT, ALL_TRIES),
    "slow-status-line": Fault(repeating(b"", b"H", 0.05), Status.CONNECTION, ALL_TRIES),
    "drip": known(Status.TIMEOUT, ALL_TRIES),
    "silence-after-headers": Fault(
        raw(HEAD + b"Content-Length: 9\r\n\r\n", hang_up=False), Status.TIMEOUT, ALL_TRIES
    ),
    "chunks-then-silence": Fault(
        raw(chunked(OK, end=b""), hang_up=False), Status.TIMEOUT, ALL_TRIES
    ),
    "endless-interim-answers": Fault(
        repeating(b"", b"HTTP/1.1 100 Continue\r\n\r\n", 0.01), Status.TIMEOUT, ALL_TRIES
    ),
    # Lines that are cut
    "no-answer": Fault(raw(), Status.CONNECTION, ALL_TRIES),
    "early-close-in-head": Fault(raw(GONE_AT_ONCE), Status.CONNECTION, ALL_TRIES),
    "truncated": known(Status.TRUNCATED, ALL_TRIES),
    "truncated-chunks": known(Status.TRUNCATED, ALL_TRIES),
    "truncated-gzip": known(Status.TRUNCATED, ALL_TRIES),
    "keep-alive-then-close": Fault(closing_after_each, Status.OK),
    "refused": Fault(None, Status.CONNECTION, ALL_TRIES, "{nobody}{path}"),
    # Lengths
    "length-too-long": Fault(of_length(100), Status.TRUNCATED, ALL_TRIES),
    "length-too-short": Fault(of_length(-500), Status.CONNECTION, ALL_TRIES),
    "length-negative": Fault(
        with_head(b"Content-Length: -1", body=b""), Status.CONNECTION, ALL_TRIES
    ),
    "length-two-of-them": Fault(with_head(b"Content-Length: 7"), Status.CONNECTION, ALL_TRIES),
    "content-length-huge": known(Status.TOO_LARGE),
    "oversized": known(Status.TOO_LARGE),
    "endless-body": Fault(repeating(ENDLESS, bytes(1 << 16)), Status.TOO_LARGE),
    "bad-chunk": known(Status.CONNECTION, ALL_TRIES),
    "chunk-of-2^64": Fault(
        raw(HEAD + b"Transfer-Encoding: chunked\r\n\r\n10000000000000000\r\n"),
        Status.CONNECTION,
        ALL_TRIES,
    ),
    "no-length-then-close": Fault(raw(HEAD + b"\r\n" + OK), Status.OK),
    # Encodings
    "gzip": known(Status.OK),
    "gzip-bomb": known(Status.TOO_LARGE),
    "gzip-in-gzip": Fault(fixed(packed_twice(), content_encoding="gzip, gzip"), Status.UNDECODABLE),
    "gzip-broken": known(Status.UNDECODABLE),
    "brotli": known(Status.UNDECODABLE),
    "unknown-encoding": Fault(fixed(OK, content_encoding="\x1b[2Jzstd"), Status.UNDECODABLE),
    # Redirects
    "redirect-ok": known(Status.OK),
    "redirect-chain-5": Fault(chain, Status.OK, address="{web}{path}?5"),
    "redirect-chain-6": Fault(chain, Status.TOO_MANY_REDIRECTS, address="{web}{path}?6"),
    "redirect-loop": known(Status.TOO_MANY_REDIRECTS),
    "redirect-to-private": known(Status.BLOCKED_ADDRESS),
    "redirect-to-loopback": moved("http://localhost/a.jpg", Status.BLOCKED_ADDRESS),
    "redirect-to-decimal": moved("http://2130706433/a.jpg", Status.BLOCKED_ADDRESS),
    "redirect-to-mapped": moved("http://[::ffff:10.0.0.1]/a.jpg", Status.BLOCKED_ADDRESS),
    "redirect-to-file": known(Status.BAD_URL),
    "redirect-to-ftp": moved("ftp://ftp.example/a.jpg", Status.BAD_URL),
    "redirect-to-data": moved("data:image/png;base64,AAAA", Status.BAD_URL),
    "redirect-to-script": moved("javascript:alert(1)", Status.BAD_URL),
    "redirect-to-mail-port": moved("http://mail.example:25/", Status.BAD_URL),
    "redirect-with-password": moved("http://a:b@host.example/", Status.BAD_URL),
    "redirect-to-nonsense": known(Status.BAD_URL),
    "redirect-too-long": moved("/" + "a" * 20_000, Status.CONNECTION),
    "redirect-without-location": known(Status.REFUSED),
    "redirect-300": Fault(redirecting("/ok.jpg", 300), Status.REFUSED),
    "redirect-304": Fault(fixed(b"", 304), Status.REFUSED),
    "redirect-from-https": Fault(
        redirected_as_asked, Status.OK, address="{secure}{path}?{web}/ok.jpg"
    ),
    "redirect-noai": known(Status.OPTED_OUT),
    # Names
    "name-without-address": Fault(None, Status.DNS, ALL_TRIES, "http://no-address.example/"),
    "name-too-long": Fault(None, Status.DNS, ALL_TRIES, f"http://{'a' * 70}.example/"),
    "name-of-private": Fault(None, Status.BLOCKED_ADDRESS, address="http://private.example/"),
    "name-of-both": Fault(None, Status.BLOCKED_ADDRESS, address="http://mixed.example/"),
    "name-that-changes": Fault(
        redirected_as_asked, Status.OK, address="{rebinding}{path}?{rebinding}/ok.jpg"
    ),
    "private": Fault(None, Status.BLOCKED_ADDRESS, address="http://169.254.169.254/latest/"),
    "octal": Fault(None, Status.BAD_URL, address="http://0177.0.0.1/"),
    "hexadecimal": Fault(None, Status.BLOCKED_ADDRESS, address="http://0x7f.1/"),
    "6to4": Fault(None, Status.BLOCKED_ADDRESS, address="http://[2002:7f00:1::]/"),
    "file": Fault(None, Status.BAD_URL, address="file:///etc/passwd"),
    "no-address-at-all": Fault(None, Status.BAD_URL, address="http://"),
    # TLS
    "tls": Fault(None, Status.OK, address="{secure}/ok.jpg"),
    "tls-expired": Fault(None, Status.TLS, ALL_TRIES, "{expired}{path}"),
    "tls-wrong-name": Fault(None, Status.TLS, ALL_TRIES, "{misnamed}{path}"),
    "tls-self-signed": Fault(None, Status.TLS, ALL_TRIES, "{self_signed}{path}"),
    "tls-not-spoken": Fault(None, Status.TLS, ALL_TRIES, "{plain_https}{path}"),
    "plain-to-tls": Fault(None, Status.CONNECTION, ALL_TRIES, "{secure_http}{path}"),
    # Status codes
    **{f"{code}": known(Status.REFUSED) for code in (400, 418)},
    **{f"{code}": known(Status.FORBIDDEN) for code in (401, 403, 451)},
    **{f"{code}": known(Status.NOT_FOUND) for code in (404, 410)},
    "discord-expired": known(Status.EXPIRED),
    "429": known(Status.THROTTLED, ALL_TRIES),
    "429-date": known(Status.OK, ALL_TRIES),
    "429-long": known(Status.THROTTLED),
    "429-past": Fault(
        fixed(b"", 429, retry_after="Wed, 21 Oct 2015 07:28:00 GMT"), Status.THROTTLED, ALL_TRIES
    ),
    "429-junk": Fault(fixed(b"", 429, retry_after="soon; -1"), Status.THROTTLED, ALL_TRIES),
    "429-huge": Fault(fixed(b"", 429, retry_after="9" * 60), Status.THROTTLED),
    "500": known(Status.SERVER_ERROR, ALL_TRIES),
    "502": Fault(fixed(HTML, 502), Status.SERVER_ERROR, ALL_TRIES),
    "503": known(Status.THROTTLED, ALL_TRIES),
    "503-then-ok": known(Status.OK, ALL_TRIES),
    "504": Fault(fixed(b"", 504), Status.SERVER_ERROR, ALL_TRIES),
    "599": Fault(fixed(b"", 599), Status.SERVER_ERROR, ALL_TRIES),
    "999": Fault(fixed(b"", 999), Status.SERVER_ERROR, ALL_TRIES),
    "204": Fault(fixed(b"", 204), Status.EMPTY),
    "206-of-half": Fault(fixed(OK[: len(OK) // 2], 206), Status.TRUNCATED),
    "206-of-all": Fault(fixed(OK, 206), Status.OK),
    "100-then-200": Fault(raw(b"HTTP/1.1 100 Continue\r\n\r\n", HEAD, b"\r\n", OK), Status.OK),
    "103-then-200": Fault(
        raw(b"HTTP/1.1 103 Early Hints\r\nLink: </>\r\n\r\n", HEAD, b"\r\n", OK), Status.OK
    ),
    # Other protocols, and heads that no library sends
    "no-http": known(Status.CONNECTION, ALL_TRIES),
    "http-0.9": Fault(raw(OK), Status.CONNECTION, ALL_TRIES),
    "http-2": Fault(raw(HTTP2_SETTINGS, hang_up=False), Status.CONNECTION, ALL_TRIES),
    "header-of-1-MB": Fault(with_head(b"X: " + b"a" * (1 << 20)), Status.CONNECTION, ALL_TRIES),
    "10,000-headers": Fault(with_head(*[b"X: y"] * 10_000), Status.CONNECTION, ALL_TRIES),
    "header-with-nul": Fault(with_head(b"X: a\0b"), Status.CONNECTION, ALL_TRIES),
    "header-in-utf-8": Fault(with_head("Server: schön ✓".encode()), Status.OK),
    "header-no-colon": Fault(with_head(b"nonsense"), Status.CONNECTION, ALL_TRIES),
    # Bodies
    "png-as-jpg": known(Status.OK),
    "html-as-jpg": known(Status.HTML),
    "svg-as-jpg": served(SVG, Status.NOT_AN_IMAGE),
    "json-as-jpg": served(bodies.JSON, Status.HTML),
    "pdf-as-jpg": served(bodies.PDF, Status.NOT_AN_IMAGE),
    "ico-as-jpg": served(bodies.ICO, Status.NOT_AN_IMAGE),
    "picture-as-html": served(OK, Status.OK, "text/html"),
    "empty": known(Status.EMPTY),
    "cut.jpg": known(Status.TRUNCATED),
    "cut.png": served(picture("PNG")[:-300], Status.TRUNCATED),
    "broken.png": served(
        picture("PNG")[:60] + bytes(900) + picture("PNG")[-12:], Status.UNDECODABLE
    ),
    "gif-and-script": served(bodies.gif_and_script(), Status.OK, "image/gif"),
    "gif-by-name-alone": served(bodies.GIF_BY_NAME_ALONE, Status.UNDECODABLE, "image/gif"),
    "jpeg-and-zip": served(bodies.jpeg_and_zip(), Status.OK),
    "bomb.png": known(Status.TOO_MANY_PIXELS),
    "giant.png": served(bodies.giant_png(), Status.TOO_MANY_PIXELS),
    "giant.jpg": served(bodies.giant_jpeg(), Status.TOO_MANY_PIXELS),
    "giant.tif": served(bodies.giant_tiff(), Status.TOO_MANY_PIXELS),
    "giant.webp": served(bodies.giant_webp(), Status.TOO_MANY_PIXELS),
    "animated.gif": served(animation() + b"\n", Status.OK, "image/gif"),
    "many-frames.gif": served(bodies.many_frames(), Status.OK),
    "animated.png": served(bodies.many_frames("PNG", 20), Status.OK),
    "cmyk.jpg": known(Status.OK),
    "16-bit.png": served(bodies.sixteen_bit_png(), Status.OK),
    "palette-with-alpha.png": served(bodies.palette_with_alpha(), Status.OK),
    "exif.jpg": known(Status.OK),
    # Consent
    "noai": known(Status.OPTED_OUT),
    "tdm": known(Status.OPTED_OUT),
    # Names of files
    "b%C3%BCrste%20%E2%9C%93.jpg": served(OK, Status.OK),
    "unicode": Fault(None, Status.NOT_FOUND, address="{web}/bürste-✓-\u202e.jpg"),
    LONG_NAME: served(OK, Status.OK),
    "address-too-long": Fault(None, Status.BAD_URL, address="{web}/" + "a" * 17_000),
    "disposition-unicode": Fault(with_head(DISPOSITION + "✓\u202egpj.exe".encode()), Status.OK),
    "disposition-upwards": Fault(with_head(DISPOSITION + b"../../etc/passwd"), Status.OK),
    "disposition-overlong": Fault(with_head(DISPOSITION + b"a" * 5000), Status.OK),
}

KNOWN_HANDLERS = faults()


def handlers() -> dict[str, Handler]:
    """Path → handler, for all of the table."""
    given = {f"/{name}": fault.answer for name, fault in FAULTS.items() if fault.answer}
    return KNOWN_HANDLERS | given


def fault_hosts() -> dict[str, str]:
    """Fault → the address of 127.1.0.0/16 that is its host."""
    return {name: f"127.1.{n // 250}.{n % 250 + 1}" for n, name in enumerate(FAULTS)}
