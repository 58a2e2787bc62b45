"""XML read within bounds and without DTDs, and XML written with its namespaces.

Reading is hardened: no document type, so no entities; no network; bounds on size, depth
and number of elements before a tree is trusted. Names are asked for by their local part,
because clients disagree about namespaces and, in places, about case.
"""

import re
from typing import Final

from lxml import etree

from lyncpy.sip.errors import RemoteProtocolError

Element = etree._Element

MAX_BYTES: Final = 262_144
MAX_DEPTH: Final = 40
MAX_NODES: Final = 20_000

# Spec: XML 1.0 §2.2, Char. Lone surrogates are bytes that were no UTF-8.
_NOT_XML: Final = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_ENTITIES: Final = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})
# Line breaks and tabs in an attribute would be read as blanks (XML 1.0 §3.3.3).
_ATTRIBUTE_ENTITIES: Final = str.maketrans(
    {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "\t": "&#9;", "\n": "&#10;", "\r": "&#13;"}
)


def read_xml(
    data: bytes, *, max_bytes: int = MAX_BYTES, max_depth: int = MAX_DEPTH, max_nodes: int = MAX_NODES
) -> Element:
    """Read a document and give its root; comments and processing instructions are left out.

    The bytes are read as UTF-8 whatever their declaration says, so that what is looked for
    in the bytes cannot hide behind another encoding.

    Raises:
        RemoteProtocolError: Not well-formed, with a document type, or beyond a bound.
    """
    if len(data) > max_bytes:
        raise RemoteProtocolError("XML too long", 413)
    tags = data.count(b"<")
    if tags > 2 * max_nodes:
        raise RemoteProtocolError("XML with too many elements", 413)
    if b"<!DOCTYPE" in data:
        raise RemoteProtocolError("XML with a document type")
    parser = etree.XMLParser(
        encoding="utf-8",
        resolve_entities=False,
        load_dtd=False,
        no_network=True,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
    )
    try:
        root = etree.fromstring(data, parser)
    except etree.XMLSyntaxError as error:
        raise RemoteProtocolError(f"XML not well-formed: {str(error)[:80]}") from None
    # An element is at least one tag: fewer tags than levels cannot be too deep.
    if tags > max_depth and _depth(root, max_depth) > max_depth:
        raise RemoteProtocolError("XML too deep")
    return root


def _depth(root: Element, enough: int) -> int:
    """Count the levels, but no further than one beyond `enough`."""
    depth = deepest = 0
    for event, _ in etree.iterwalk(root, events=("start", "end")):
        depth += 1 if event == "start" else -1
        deepest = max(deepest, depth)
        if deepest > enough:
            break
    return deepest


def local(el: Element) -> str:
    """Give an element's name without its namespace."""
    return str(el.tag).rpartition("}")[2]


def children(el: Element, name: str) -> list[Element]:
    """Give the children of this local name, in document order."""
    return [child for child in el if local(child) == name]


def child(el: Element, name: str) -> Element | None:
    """Give the first child of this local name; None if there is none."""
    return next((child for child in el if local(child) == name), None)


def text_of(el: Element | None) -> str:
    """Give all text within an element, blanks and all; "" for no element."""
    return "" if el is None else "".join(map(str, el.itertext()))


def attr(el: Element, name: str) -> str | None:
    """Give an attribute by its local name, in any case; None if there is none."""
    wanted = name.lower()
    for key, value in el.attrib.items():
        if str(key).rpartition("}")[2].lower() == wanted:
            return str(value)
    return None


def outer_xml(el: Element) -> str:
    """Write an element with what is in it, and with the namespaces that are in scope where it stood."""
    return etree.tostring(el, encoding="unicode", with_tail=False)


def escape(text: str) -> str:
    """Write text as the content of an element; characters that XML cannot hold are dropped."""
    return _NOT_XML.sub("", text).translate(_ENTITIES)


def quote_attr(text: str) -> str:
    """Write text as an attribute's value, with the quotes around it."""
    return '"' + _NOT_XML.sub("", text).translate(_ATTRIBUTE_ENTITIES) + '"'
