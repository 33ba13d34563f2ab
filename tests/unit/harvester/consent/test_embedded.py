"""What files say of their use: read wherever Pillow and the formats keep it, whatever the bytes."""

from __future__ import annotations

import io
import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from harvester.consent.embedded import FileRights, read_file_rights
from harvester.consent.signals import ConsentPolicy, Signal, SignalKind, decide
from tests.support.patience import cpu_seconds

STRICT, SEARCH_ONLY, _ = ConsentPolicy
VOCABULARY = "http://ns.useplus.org/ldf/vocab/"
SOURCES = "http://cv.iptc.org/newscodes/digitalsourcetype/"
SPACES = (
    'xmlns:plus="http://ns.useplus.org/ldf/xmp/1.0/" '
    'xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/" '
    'xmlns:dc="http://purl.org/dc/elements/1.1/" '
    'xmlns:photoshop="http://ns.adobe.com/photoshop/1.0/"'
)


def xmp(attributes: str = "", elements: str = "") -> bytes:
    return (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>'
        '<x:xmpmeta xmlns:x="adobe:ns:meta/">'
        '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        f'<rdf:Description rdf:about="" {SPACES} {attributes}>{elements}</rdf:Description>'
        '</rdf:RDF></x:xmpmeta><?xpacket end="w"?>'
    ).encode()


def picture(kind: str, packet: bytes | None = None) -> bytes:
    buffer = io.BytesIO()
    options = {}
    if packet is not None and kind == "PNG":
        options["pnginfo"] = PngInfo()
        options["pnginfo"].add_itxt("XML:com.adobe.xmp", packet.decode())
    elif packet is not None and kind == "TIFF":
        options["tiffinfo"] = {700: packet}
    elif packet is not None:
        options["xmp"] = packet
    Image.effect_noise((64, 64), 80).convert("RGB").save(buffer, kind, **options)
    return buffer.getvalue()


def gif(packet: bytes) -> bytes:
    """Pillow writes no XMP into GIF: the block of the XMP specification, and its trailer."""
    trailer = b"\x01" + bytes(range(255, -1, -1)) + b"\0"
    return picture("GIF")[:-1] + b"!\xff\x0bXMP DataXMP" + packet + trailer + b";"


MINING = xmp(f'plus:DataMining="{VOCABULARY}DMI-PROHIBITED-AIMLTRAINING"')


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF", "GIF"])
def test_every_format_is_read(kind):
    data = gif(MINING) if kind == "GIF" else picture(kind, MINING)
    signal = Signal("DataMining: DMI-PROHIBITED-AIMLTRAINING", SignalKind.AI)
    assert read_file_rights(data).signals == (signal,)
    assert read_file_rights(picture(kind)) == FileRights()


@pytest.mark.parametrize(
    ("term", "strict", "search_only"),
    [
        ("DMI-UNSPECIFIED", False, False),
        ("DMI-ALLOWED", False, False),
        ("DMI-PROHIBITED-AIMLTRAINING", True, False),
        ("DMI-PROHIBITED-GENAIMLTRAINING", True, False),
        ("DMI-PROHIBITED-EXCEPTSEARCHENGINEINDEXING", True, False),
        ("DMI-PROHIBITED", True, True),
        ("DMI-PROHIBITED-SEECONSTRAINT", True, True),
        ("DMI-PROHIBITED-SEEEMBEDDEDRIGHTSEXPR", True, True),
        ("DMI-PROHIBITED-SEELINKEDRIGHTSEXPR", True, True),
    ],
)
def test_every_term_of_the_vocabulary_is_weighed(term, strict, search_only):
    for packet in (
        xmp(f'plus:DataMining="{VOCABULARY}{term}"'),
        xmp(f"plus:DataMining = '{term.lower()}'"),
        xmp(elements=f"<plus:DataMining>{VOCABULARY}{term}</plus:DataMining>"),
        xmp(elements=f'<plus:DataMining rdf:resource="{VOCABULARY}{term}"/>'),
    ):
        signals = read_file_rights(picture("JPEG", packet)).signals
        assert [signal.text for signal in signals] == [f"DataMining: {term}"]
        assert bool(decide(signals, STRICT)) == strict
        assert bool(decide(signals, SEARCH_ONLY)) == search_only


@pytest.mark.parametrize(
    "term",
    [
        "trainedAlgorithmicMedia",
        "compositeWithTrainedAlgorithmicMedia",
        "digitalCapture",
        "algorithmicMedia",
        "somethingNew",
    ],
)
def test_the_source_type_is_told_and_refuses_nothing(term):
    for packet in (
        xmp(f'Iptc4xmpExt:DigitalSourceType="{SOURCES}{term}"'),
        xmp(
            elements=f"<Iptc4xmpExt:DigitalSourceType>{SOURCES}{term}</Iptc4xmpExt:DigitalSourceType>"
        ),
        xmp(elements=f'<Iptc4xmpExt:DigitalSourceType rdf:resource="{SOURCES}{term}"/>'),
    ):
        rights = read_file_rights(picture("WEBP", packet))
        assert rights.signals == (Signal(f"DigitalSourceType: {term}", SignalKind.NOTE),)
        assert decide(rights.signals, STRICT) is None


def test_a_bare_source_type_counts():
    packet = xmp('Iptc4xmpExt:DigitalSourceType="trainedAlgorithmicMedia"')
    [signal] = read_file_rights(picture("PNG", packet)).signals
    assert signal.text == "DigitalSourceType: trainedAlgorithmicMedia"


def test_a_manifest_is_read_where_letters_follow_the_word():
    # CBOR: a text of 70 bytes behind its key, then a key whose length is the letter m.
    address = f"{SOURCES}trainedAlgorithmicMedia".encode()
    claim = b"\x71digitalSourceType\x78" + bytes([len(address)]) + address + b"msoftwareAgent"
    rights = read_file_rights(picture("PNG") + b"jumbc2pa" + claim)
    assert rights.signals[0].text == "DigitalSourceType: trainedAlgorithmicMedia"


def test_names_are_read():
    packet = xmp(
        'photoshop:Credit="An agency"',
        "<dc:creator><rdf:Seq><rdf:li>Ana &amp; Bo</rdf:li><rdf:li> Čeněk\n</rdf:li></rdf:Seq>"
        "</dc:creator><dc:title><rdf:Alt><rdf:li>No name</rdf:li></rdf:Alt></dc:title>",
    )
    rights = read_file_rights(picture("JPEG", packet))
    assert rights.creator == "Ana & Bo; Čeněk"
    assert rights.signals == ()
    agency = read_file_rights(picture("JPEG", xmp('photoshop:Credit="An agency"')))
    assert agency.creator == "An agency"


def test_names_are_bounded_and_printable():
    packet = xmp('dc:creator="\u202eevil&#x9b;2J' + "x" * 9000 + '"')
    creator = read_file_rights(picture("JPEG", packet)).creator
    assert creator.startswith("evil")
    assert len(creator) <= 500


def test_extended_xmp_is_put_together():
    whole = xmp(
        f'plus:DataMining="{VOCABULARY}DMI-PROHIBITED"', f"<dc:source>{'x' * 70_000}</dc:source>"
    )
    cut = whole.index(b"DMI-") + 6  # in the middle of the word
    parts = [
        (cut, whole[cut : cut + 60_000]),
        (0, whole[:cut]),
        (cut + 60_000, whole[cut + 60_000 :]),
    ]
    segments = b""
    for offset, part in parts:
        body = b"http://ns.adobe.com/xmp/extension/\0" + b"A" * 32
        body += struct.pack(">II", len(whole), offset) + part
        segments += b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body
    data = picture("JPEG", xmp('xmpNote:HasExtendedXMP="A"'))
    signals = read_file_rights(data[:2] + segments + data[2:]).signals
    assert [signal.text for signal in signals] == ["DataMining: DMI-PROHIBITED"]


def test_compressed_png_text_is_unpacked():
    text = PngInfo()
    text.add_itxt("XML:com.adobe.xmp", MINING.decode(), lang="en", tkey="rights", zip=True)
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8)).save(buffer, "PNG", pnginfo=text)
    assert read_file_rights(buffer.getvalue()).signals


def test_ill_formed_packets_are_still_obeyed():
    broken = MINING.replace(b"</rdf:Description>", b"\xe9<oops>")
    for packet in (broken, MINING[:-60], MINING.replace(b"x:xmpmeta", b"y:other")):
        assert decide(read_file_rights(picture("JPEG", packet)).signals, STRICT)


def test_words_outside_of_a_packet_say_nothing():
    assert read_file_rights(picture("JPEG") + b"DMI-PROHIBITED") == FileRights()


def test_entities_are_not_expanded():
    laughs = b'<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;">]>'
    packet = laughs + xmp('dc:creator="&b;"')
    assert read_file_rights(b"\xff\xd8" + packet).creator is None
    inside = xmp(elements="<dc:creator>&b;</dc:creator>").replace(
        b"<x:xmpmeta", laughs + b"<x:xmpmeta"
    )
    assert read_file_rights(inside).creator is None


RDF = b"http://www.w3.org/1999/02/22-rdf-syntax-ns#"
HOSTILE = {
    "marks": RDF * 200_000,
    "depth": xmp(elements="<a>" * 400_000),
    "attributes": xmp(" ".join(f'a{n}=""' for n in range(90_000))),
    "one token": xmp("a='" + "x" * 8_000_000),
    "outer tags": b"<x:xmpmeta " * 800_000 + RDF,
    "terms": xmp(elements="DMI-AAAA " * 800_000),
    "sources": b"/digitalsourcetype/abc " * 300_000,
    "extended": RDF + b"\xff\xe1\0\0http://ns.adobe.com/xmp/extension/\0" * 200_000,
    "bomb": b"\x89PNG" + b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(bytes(200 << 20), 1),
    "zeros": bytes(40 << 20),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files_hold_nothing_up(name):
    with cpu_seconds(1.5):
        rights = read_file_rights(HOSTILE[name])
    assert len(rights.signals) <= 8


@given(st.binary(max_size=400), st.binary(max_size=400), st.integers(0, 1000))
def test_any_bytes_can_be_read(before, behind, cut):
    read_file_rights(
        before + MINING[:cut] + behind + b"http://ns.adobe.com/xmp/extension/\0" + before
    )
    read_file_rights(b"\x89PNG" + before + b"XML:com.adobe.xmp\0\1\0" + behind)
