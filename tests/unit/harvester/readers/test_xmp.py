"""XMP packets: values wherever RDF lets them stand, and nothing of what is not asked for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harvester.readers.xmp import RDF, read_xmp

DC = "http://purl.org/dc/elements/1.1/"
NAMES = {f"{DC} creator": "creator", f"{DC} source": "source"}


def packet(inside, attributes=""):
    return (
        f'<x xmlns:rdf="{RDF}" xmlns:dc="{DC}"><rdf:RDF><rdf:Description {attributes}>{inside}'
        "</rdf:Description></rdf:RDF></x>"
    ).encode()


@pytest.mark.parametrize(
    ("inside", "attributes", "expected"),
    [
        ("<dc:creator>Ada</dc:creator>", "", {"creator": ["Ada"]}),
        ("<dc:creator> \n Ada\n</dc:creator>", "", {"creator": ["Ada"]}),
        ("", 'dc:creator="Ada"', {"creator": ["Ada"]}),
        ('<dc:source rdf:resource="http://a.b/"/>', "", {"source": ["http://a.b/"]}),
        (
            "<dc:creator><rdf:Seq><rdf:li>Ada</rdf:li> <rdf:li>Bea</rdf:li></rdf:Seq></dc:creator>",
            "",
            {"creator": ["Ada", "Bea"]},
        ),
        ("<dc:creator>  </dc:creator><dc:rights>mine</dc:rights>", "", {}),
        ("<dc:creator>A &amp; B</dc:creator>", "", {"creator": ["A & B"]}),
        ("<dc:creator>Ada</dc:creator>" * 20, "", {"creator": ["Ada"] * 8}),
    ],
)
def test_values_stand_in_elements_lists_attributes_and_resources(inside, attributes, expected):
    assert read_xmp(packet(inside, attributes), NAMES) == (expected, True)


def test_of_a_packet_that_is_cut_what_came_before_is_there():
    whole = packet("<dc:creator>Ada</dc:creator><dc:source>here</dc:source>")

    assert read_xmp(whole[: whole.index(b"here")], NAMES) == ({"creator": ["Ada"]}, False)


def test_a_document_type_ends_it():
    bomb = b'<!DOCTYPE x [<!ENTITY a "aaaa">]>' + packet("<dc:creator>&a;</dc:creator>")

    assert read_xmp(bomb, NAMES) == ({}, False)


@given(st.binary(max_size=200) | st.text(max_size=200).map(packet))
def test_any_bytes_are_read(data):
    values, _ = read_xmp(data, NAMES)

    assert values.keys() <= {"creator", "source"}
