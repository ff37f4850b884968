"""XML from strangers: elements and attributes, no entities, no document types."""

from __future__ import annotations

from os import PathLike
from xml.etree.ElementTree import Element, TreeBuilder
from xml.parsers import expat

from skelgraph.errors import SkelgraphError
from skelgraph.files.regular import open_regular
from skelgraph.text import plain

_LARGEST = 2**20  # bytes
_DEEPEST = 64  # elements within each other


def read_xml(path: str | PathLike[str], error: type[SkelgraphError]) -> Element:
    """Read an XML file.

    Args:
        path: The file.
        error: The kind of error to raise.

    Returns:
        Its outermost element.

    Raises:
        SkelgraphError: Of the given kind, if the file cannot be read, is no XML, declares a document type (which is
            what entities are made of), is nested too deeply or larger than 1 MiB.
    """
    label = plain(str(path), 1000)
    with open_regular(path, error) as file:
        content = file.read(_LARGEST + 1)
    if len(content) > _LARGEST:
        raise error(f"{label}: is longer than the {_LARGEST} bytes that XML is read up to.")
    builder, parser = _Builder(), expat.ParserCreate()
    parser.StartElementHandler, parser.EndElementHandler = builder.opened, builder.closed
    parser.CharacterDataHandler = builder.data
    parser.StartDoctypeDeclHandler = _refuse
    try:
        parser.Parse(content, True)
        return builder.close()
    except (expat.ExpatError, ValueError, LookupError) as problem:  # the last two: encodings that are none
        raise error(f"{label}: is no XML that can be used: {plain(str(problem), 200)}.") from None


class _Builder(TreeBuilder):
    depth = 0

    def opened(self, tag: str, attributes: dict[str, str]) -> None:
        self.depth += 1
        if self.depth > _DEEPEST:
            raise ValueError(f"elements lie within each other {_DEEPEST} times and more")
        self.start(tag, attributes)

    def closed(self, tag: str) -> None:
        self.depth -= 1
        self.end(tag)


def _refuse(*declared: object) -> None:
    raise ValueError("it declares a document type")
