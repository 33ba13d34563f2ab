"""This is the reader of XMP packets: the values of some properties, without a tree of the rest.

A packet is RDF in XML: a property's value stands in its element, in the items of a list within, in
an attribute of the element around it, or as the resource that its element names. Anything that
declares a document type is refused from there on: XMP has none, and entities, which can name files
or grow without end, can be declared nowhere else.

But: structures within a property are not told apart from its values.
"""

from __future__ import annotations

from collections.abc import Mapping
from xml.parsers import expat

RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
_MAX_VALUES = 8


def read_xmp(packet: bytes, names: Mapping[str, str]) -> tuple[dict[str, list[str]], bool]:
    """Read a packet of any bytes; raises nothing.

    Args:
        packet: at most as long as its reader wants to wait for.
        names: the properties to look for, each as namespace, space and name, and what to call it.

    Returns:
        By what it is called, each property's values that are not blank, stripped, at most eight;
        and whether the packet is well-formed to its end. Of one that is not, what came before.
    """
    collector = _Collector(names)
    try:
        collector.parser.Parse(packet, True)
    except (expat.ExpatError, _DoctypeError, ValueError):
        return collector.values, False
    return collector.values, True


class _DoctypeError(Exception):
    """A packet that declares a document type; no honest tool writes one."""


class _Collector:
    """Follows a packet's elements and keeps the properties' values."""

    def __init__(self, names: Mapping[str, str]) -> None:
        self.values: dict[str, list[str]] = {}
        self._names = names
        self._open: list[str | None] = []
        self._pieces: list[str] = []
        self.parser = expat.ParserCreate(namespace_separator=" ")
        self.parser.StartDoctypeDeclHandler = self._refuse
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._text

    def _refuse(self, *_: object) -> None:
        raise _DoctypeError

    def _start(self, element: str, attributes: dict[str, str]) -> None:
        above = self._open[-1] if self._open else None
        name = above if element.startswith(RDF) else self._names.get(element)
        self._open.append(name)
        self._pieces.clear()
        for key, value in attributes.items():
            self._keep(name if key == f"{RDF} resource" else self._names.get(key), value)

    def _end(self, _: str) -> None:
        self._keep(self._open.pop(), "".join(self._pieces))
        self._pieces.clear()

    def _text(self, text: str) -> None:
        if self._open and self._open[-1] is not None:
            self._pieces.append(text)

    def _keep(self, name: str | None, text: str) -> None:
        if name is not None and text.strip():
            values = self.values.setdefault(name, [])
            if len(values) < _MAX_VALUES:
                values.append(text.strip())
