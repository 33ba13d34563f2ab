"""Real inputs to start from: pictures of all formats, exports of all layouts, headers, addresses."""

from __future__ import annotations

import csv
import io
import json
import zlib
from functools import cache
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image, ImageCms

from harvester.pictures.decode import PictureError
from harvester.pictures.worker import SIZE, Decoded, decode, pack
from harvester.schema import FetchStatus
from tests.support.discord_samples import ASKER_ID, export, link, message, raw


def _save(picture: Image.Image, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


@cache
def pictures() -> list[bytes]:
    """Files of the seven formats, in many of their modes, each a few kilobytes at most."""
    rgb = Image.linear_gradient("L").resize((40, 24)).convert("RGB")
    rgb.paste((200, 30, 30), (5, 5, 20, 20))
    frames = [Image.new("RGB", (12, 9), colour) for colour in ("red", "lime", "blue")]
    several: dict[str, Any] = {"save_all": True, "append_images": frames[1:]}
    exif = Image.Exif()
    exif[0x0112] = 6
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    xmp = b"<x:xmpmeta xmlns:x='adobe:ns:meta/'><rdf:RDF/></x:xmpmeta>"
    alpha = rgb.convert("RGBA")
    alpha.putalpha(Image.linear_gradient("L").resize(rgb.size))
    made = [
        _save(rgb, "JPEG", exif=exif.tobytes(), icc_profile=profile, xmp=xmp),
        _save(rgb, "JPEG", progressive=True, subsampling=2),
        _save(rgb.convert("CMYK"), "JPEG"),
        _save(rgb.convert("L"), "JPEG", restart_marker_blocks=1),
        _save(rgb, "PNG", exif=exif.tobytes(), icc_profile=profile),
        _save(alpha, "PNG"),
        _save(rgb.convert("P"), "PNG", transparency=bytes(range(256))),
        _save(Image.new("I;16", (20, 10), 40_000), "PNG"),
        _save(rgb.convert("1"), "PNG"),
        _save(frames[0], "PNG", **several),
        _save(rgb, "WEBP", exif=exif.tobytes(), icc_profile=profile, xmp=xmp),
        _save(alpha, "WEBP", lossless=True),
        _save(frames[0], "WEBP", **several),
        _save(rgb, "GIF"),
        _save(frames[0], "GIF", **several, loop=0, disposal=2),
        _save(rgb.convert("L"), "GIF", interlace=1),
        _save(rgb, "AVIF", speed=10, exif=exif.tobytes()),
        _save(alpha, "AVIF", speed=10),
        _save(frames[0], "AVIF", speed=10, **several),
        _save(rgb, "BMP"),
        _save(alpha, "BMP"),
        _save(rgb.convert("P"), "BMP"),
        _save(rgb.convert("1"), "BMP"),
        _save(alpha, "TIFF"),
        _save(rgb.convert("CMYK"), "TIFF", icc_profile=profile),
        _save(Image.new("F", (20, 10), 0.5), "TIFF"),
        _save(frames[0], "TIFF", **several),
        _save(rgb, "TIFF", big_tiff=True),
        _save(rgb.convert("1"), "TIFF", compression="group4"),
    ]
    codecs = ("tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg")
    return made + [_save(rgb, "TIFF", compression=codec) for codec in codecs]


def mend_png(body: bytes) -> bytes:
    """Right checksums in a PNG file, so that what is in its chunks is looked at."""
    if not body.startswith(b"\x89PNG"):
        return body
    mended, at = bytearray(body), 8
    while at + 12 <= len(body):
        end = at + 8 + int.from_bytes(body[at : at + 4], "big")
        if end + 4 > len(body):
            break
        mended[end : end + 4] = zlib.crc32(body[at + 4 : end]).to_bytes(4, "big")
        at = end + 4
    return bytes(mended)


PICTURE_TOKENS = (
    *(b"\xff\xd8\xff\xe0", b"\xff\xd9", b"\xff\xda", b"\xff\xc0", b"\xff\xc2", b"\xff\xe1"),
    *(b"IHDR", b"IDAT", b"IEND", b"PLTE", b"tRNS", b"iCCP", b"eXIf", b"acTL", b"fcTL", b"fdAT"),
    *(b"RIFF", b"WEBP", b"VP8 ", b"VP8L", b"VP8X", b"ANIM", b"ANMF", b"ALPH", b"ICCP"),
    *(b"GIF89a", b"\x21\xf9\x04", b"\x21\xff\x0b", b",", b";", b"ftyp", b"avif", b"avis", b"meta"),
    *(b"II*\0", b"MM\0*", b"II+\0", b"Exif\0\0", b"ICC_PROFILE\0", b"<x:xmpmeta", b"\0" * 64),
)


@cache
def exports() -> list[bytes]:
    """Discord exports: JSON of two kinds, lines, CSV, and a table in Parquet."""
    prompt = f"**a glass, by lamplight --ar 2:1 --v 6.0 --no text** - <@{ASKER_ID}> (fast)"
    others = [
        "**https://x.example/a.png a::2 b::-1 --iw 2 --sref random** - Variations (Strong) by <@1>",
        "**a** - Image #3 <@1>",
        "**a** - Upscaled (2x) by <@1> (turbo, stealth)",
        "**a** - <@1> (31%) (relaxed)",
        "**a** - <@1> (Waiting to start)",
    ]
    messages = [
        message(content, id_=f"11900000000000000{n:02}") for n, content in enumerate(others)
    ]
    columns = {
        "AuthorID": ["936929561302675456"] * 2,
        "Author": ["Midjourney Bot"] * 2,
        "Date": ["2023-12-28T20:15:30.1230000+01:00", "28-Dec-23 08:15 PM"],
        "Content": [prompt, others[0]],
        "Attachments": [link(), f"{link()},media/a.png"],
        "Reactions": ["", ""],
    }
    table = io.StringIO(newline="")
    csv.writer(table).writerows([list(columns), *zip(*columns.values(), strict=True)])
    parquet = io.BytesIO()
    pq.write_table(pa.table(columns), parquet)
    return [
        json.dumps(export(message(prompt), *messages)).encode(),
        json.dumps(export(message(prompt))).encode("utf-8-sig"),
        json.dumps([raw(prompt), raw(others[0])]).encode(),
        "\n".join(json.dumps(raw(content)) for content in others).encode(),
        json.dumps({"messages": [[raw(prompt, hit=True)]]}).encode(),
        table.getvalue().encode(),
        parquet.getvalue(),
    ]


EXPORT_TOKENS = (
    *rb"""** :: -- --ar --v --no --iw --sref :-1e9 ::1e999 <@1> <@!1> <#1> (fast) (31%) "id": "content":
    "attachments": "author": "mentions": "timestamp": "url": null true -1 1e999 NaN {} [] {"a": [ ] }
    [[[[[[[[ "\ud800" \u0000 \\ 9999999999999999999999 https:// media/../../x file:///etc/passwd
    ?ex=65a1b2c3&is=1&hm=2 PAR1 Content,Attachments Image\u0020#9 Upscaled by Zoom""".split(),
    b"\xff\xfe",
    b"\xef\xbb\xbf",
    b"\r\n",
    b'","',
    b"9" * 5000,
    b"[" * 200,
    b"\xed\xa0\x80",
)

HEADERS = [
    b"noai, noimageai",
    b"whence: noai, otherbot: noindex",
    b"unavailable_after: Wed, 03 Dec 2025 13:09:53 GMT, noindex",
    b"otherbot: noindex, nofollow, whence: max-snippet: 20, none",
    b"*: noml; noai max-image-preview:large",
    b"googlebot: unavailable_after: 25 Jun 2010 15:00:00 PST",
]
HEADER_TOKENS = tuple(
    b"noai noimageai noml none noindex whence: *: :: , ; : unavailable_after: Wed, GMT -9999 0 1e9 "
    b"max-snippet: indexifembedded 2025-12-03T00:00:00+99:99 \xc2\xa0 \x1b[2J \r\n \0".split(b" ")
)

ADDRESSES = [
    b"https://Example.org:443/a/../b/./c%7e.jpg?utm_source=x&id=1&gclid=2#top",
    b"https://cdn.discordapp.com/attachments/1/2/a.png?ex=65a1b2c3&is=658f3dc3&hm=0123456789abcdef",
    b"https://b.s3.amazonaws.com/a.jpg?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Signature=ab&w=3",
    "http://münchen.de/bürste.jpg?q=ä".encode(),
    b"http://[2001:db8::1%25eth0]:8080/a;b=c?d&e=&=f",
    b"http://0x7f.1/ http://2130706433/ http://0177.0.0.1/",
    b"//user:pass@host.example/a%2Fb%zz?x=[1]&y='",
    b"data:image/png;base64,AAAA",
    b"http://xn--mnchen-3ya.de./a?sig=x%2By%26z",
]
ADDRESS_TOKENS = tuple(
    b"http:// https:// HTTP:// file:// // / ? # & = ; @ : :0 :80 :443 :99999999999999999999 :-1 .. "
    b"/../ /./ %2e %2F %00 %zz % %C3%BC [::1] [::ffff:10.0.0.1] [fe80::1%25x] 0x7f.1 127.1 xn-- "
    b"xn--a xn--\xc3\xbc utm_source= fbclid= X-Amz-Signature= sig= ex= \\ \t \r\n \0 \xe2\x80\xae "
    b"\xe3\x80\x82 \xef\xbc\x8e \xe2\x84\xa1 \xc3\x9f \xed\xa0\x80 \xf0\x9f\x98\x80".split(b" ")
)

RETRY_AFTER = [
    b"120",
    b"Wed, 21 Oct 2026 07:28:00 GMT",
    b"Wednesday, 21-Oct-26 07:28:00 GMT",
    b"-1",
]
RETRY_TOKENS = (b"9" * 70, b"-9999", b"+2400", b"Feb 30", b"\xc2\xb2", b"\xd9\xa3", b"GMT", b":")

_SOURCE = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
_XMP = f"""<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about="" xmlns:plus="http://ns.useplus.org/ldf/xmp/1.0/"
 xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:ph="http://ns.adobe.com/photoshop/1.0/"
 xmlns:e="http://iptc.org/std/Iptc4xmpExt/2008-02-29/" ph:Credit="An agency"
 plus:DataMining="http://ns.useplus.org/ldf/vocab/DMI-PROHIBITED-AIMLTRAINING"
 e:DigitalSourceType="{_SOURCE}"><dc:creator><rdf:Seq><rdf:li>Zoë</rdf:li><rdf:li>B</rdf:li></rdf:Seq>
</dc:creator><dc:rights><rdf:Alt><rdf:li xml:lang="x-default">©</rdf:li></rdf:Alt></dc:rights>
</rdf:Description></rdf:RDF></x:xmpmeta><?xpacket end="w"?>""".encode()


@cache
def marked_files() -> list[bytes]:
    """Files that say something of their use, in each of the places where they can."""
    rgb = Image.new("RGB", (8, 6), "red")
    jpeg = _save(rgb, "JPEG", xmp=_XMP)
    extended = b"".join(
        b"\xff\xe1%b%b%032d%b%b" % (size, b"http://ns.adobe.com/xmp/extension/\0", 0, place, part)
        for part, place, size in (
            (part, place.to_bytes(8, "big"), (len(part) + 77).to_bytes(2, "big"))
            for place, part in ((300, _XMP[300:]), (0, _XMP[:300]))
        )
    )
    text = b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(_XMP)
    png = _save(rgb, "PNG")
    chunk = b"%biTXt%b\0\0\0\0" % (len(text).to_bytes(4, "big"), text)
    return [
        jpeg,
        jpeg[:2] + extended + jpeg[2:],
        _save(rgb, "WEBP", xmp=_XMP),
        mend_png(png[:33] + chunk + png[33:]),
        png + b"c2pa.actions" + _SOURCE.encode() + b"\x6fc2pa",
        _XMP,
        _XMP.replace(b"rdf:", b"r:").replace(b"xmlns:rdf", b"xmlns:r") * 3,
    ]


MARK_TOKENS = (
    *(b"<x:xmpmeta", b"</x:xmpmeta>", b"http://www.w3.org/1999/02/22-rdf-syntax-ns#", b"<rdf:li>"),
    *(b"DMI-PROHIBITED", b"DMI-ALLOWED", b"dmi-prohibited-" + b"A" * 70, b"/digitalsourcetype/"),
    *(b"http://ns.adobe.com/xmp/extension/\0", b"XML:com.adobe.xmp\0\1\0", b"iTXt", b"\xff\xe1"),
    *(b"<!DOCTYPE a [<!ENTITY b 'c'>]>", b"&b;", b"&#0;", b"&#27;[2J", b"<![CDATA[", b"<!--"),
    *(b"<a>" * 3000, b"<" * 5000, b"\xef\xbb\xbf", b"\xff\xfe", b"\xed\xa0\x80", b"x" * 5000),
    b" xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#'",
)


@cache
def answers() -> list[bytes]:
    """What a decoder process says: a picture, one with rights, a refusal; without their lengths."""
    bodies = [pictures()[0], marked_files()[0], marked_files()[3]]
    made: list[Decoded | PictureError] = [decode(body, 48) for body in bodies]
    made.append(PictureError(FetchStatus.UNDECODABLE, "expected a picture, found \x1b[2J"))
    return [pack(one)[SIZE.size :] for one in made]


ANSWER_TOKENS = (
    *b"""null true -1 0 1e999 NaN {} [] "" "ok" "status": "reason": "jpeg": "creator": "signals":
    [["a","note",null]] "width": "sha256": 99999999999999999999 "\\ud800" "\\u0000" } { , \"""".split(),
    b"9" * 5000,
    b"[" * 3000,
    *(b"\0\0\0\0", b"\xff\xff\xff\xff", b"\xed\xa0\x80"),
)

ROBOTS = [
    b"User-agent: *\nDisallow: /private\nAllow: /private/a*.jpg$\nCrawl-delay: 5\n\nSitemap: /s.xml",
    b"User-agent: whence\nUser-agent: other\nDisallow: /*?*sort=\nDisallow: /\n# end\n",
    b"<!DOCTYPE html><title>404</title>",
    "\ufeffUser-agent: *\r\nDisallow: /bürste\r\n".encode(),
    "User-agent: *\nDisallow: /a".encode("utf-16"),
]
ROBOTS_TOKENS = tuple(
    b"User-agent: whence * Disallow: Allow: / $ *a*a*a*a*a*a*b \n \r # Crawl-delay: 1e999 -1 nan "
    b"\0 %zz \xff\xfe".split(b" ")
)

TDMREP = [
    b'[{"location": "/a/*.jpg$", "tdm-reservation": 1, "tdm-policy": "https://p.example/"}]',
    b'[{"location": "*", "tdm-reservation": "0"}, {"location": "/b%7e", "tdm-reservation": 1}]',
    b'{"location": []}',
]
TDMREP_TOKENS = (
    *(
        b'"location": "tdm-reservation": "tdm-policy": 1 0 true 1.0 1e999 NaN null [] {} [ ] * ** $ '
        b'%zz %c3 "\\ud800" \\u0000'
    ).split(b" "),
    b"9" * 5000,
    b"[" * 3000,
    b"/" + b"*a" * 900,
)
