"""XML read within bounds and without DTDs, and XML written with the namespaces that it uses.

All XML of the house is read here, and what is kept of it is written again here. Reading is one
pass that stops at the first bound it meets: size, depth, elements, attributes, namespaces.
Nothing costs more than in proportion to the bytes that came, whatever they say. Names are asked
for by their local part, because clients disagree about namespaces and, in places, about case.
"""

import codecs
import re
from collections.abc import ItemsView, Iterable, Iterator, Mapping
from typing import Final
from xml.parsers import expat

from lyncpy.sip.errors import RemoteProtocolError

MAX_BYTES: Final = 262_144
"""As much as a message's body may have; a list of 1,000 people to watch has a fifth of it."""

MAX_DEPTH: Final = 40
"""Levels; the deepest recorded document of a client has 13."""

MAX_NODES: Final = 20_000
"""Elements; 1,000 people to watch, each with the reason why, have 4,000."""

MAX_ATTRIBUTES: Final = 64
"""Attributes of one element, declarations of namespaces among them; clients write up to a dozen."""

MAX_SCOPE: Final = 64
"""Declarations of namespaces that hold at one place; clients have at most ten."""

MAX_NAMESPACE: Final = 256
"""Letters of a namespace's name; the longest of the protocol has some seventy."""

_GROWTH: Final = 4
_GROWTH_BASE: Final = 16_384
"""All that is taken out of a document and written again may together be this many times as long as it,
and a little more: each part gets the namespaces that it uses, which adds some sixty letters to it."""

# Spec: XML 1.0 §2.2, Char. Lone surrogates are bytes that were no UTF-8.
_NOT_XML: Final = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
# Nothing of it is written otherwise, in text or in an attribute.
_PLAIN: Final = re.compile("[ !#-%'-;=?-~]*")
_ENTITIES: Final = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})
# A carriage return that was written as a reference would be read as a line feed (XML 1.0 §2.11).
_TEXT_ENTITIES: Final = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", "\r": "&#13;"})
# Line breaks and tabs in an attribute would be read as blanks (XML 1.0 §3.3.3).
_ATTRIBUTE_ENTITIES: Final = str.maketrans(
    {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "\t": "&#9;", "\n": "&#10;", "\r": "&#13;"}
)
_XML: Final = "http://www.w3.org/XML/1998/namespace"
_XMLNS: Final = "http://www.w3.org/2000/xmlns/"


class _Scope:
    """The namespaces that one element declares, and those around it."""

    __slots__ = ("around", "declared")

    def __init__(self, declared: Mapping[str, str], around: "_Scope | None") -> None:
        self.declared = declared
        self.around = around

    def find(self, prefix: str, outer: "_Scope | None" = None) -> str | None:
        """Give the name that a prefix stands for here; None when nothing within `outer` says so."""
        scope: _Scope | None = self
        while scope is not None and scope is not outer:
            if prefix in scope.declared:
                return scope.declared[prefix]
            scope = scope.around
        return None


def _found(scope: _Scope | None, prefix: str) -> str | None:
    """Give the name that a prefix stands for; Spec: Namespaces in XML 1.0 §3: `xml` is never declared."""
    if prefix == "xml":
        return _XML
    return None if scope is None else scope.find(prefix)


class _Document:
    """What all elements of a document share: its bytes, and how many characters may still be written of them."""

    __slots__ = ("data", "letters")

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.letters = _GROWTH * len(data) + _GROWTH_BASE

    def count_written(self, letters: int) -> None:
        self.letters -= letters
        if self.letters < 0:
            raise RemoteProtocolError("XML that grows beyond measure when its parts are taken out", 413)


class Element:
    """An XML element: its name, attributes, text and children. Iterating gives the children.

    Args:
        name: As it was written, prefix and all.
        local: Without the prefix.
        attributes: Names as they were written and values, in order.
        document: Of which it is a part.
        begins: Where its first tag begins in the document's bytes.
    """

    __slots__ = (
        "_attributes", "_begins", "_children", "_declares", "_document", "_ends", "_name", "_scope", "local", "tail",
        "text",
    )  # fmt: skip

    def __init__(self, name: str, local: str, attributes: dict[str, str], document: _Document, begins: int) -> None:
        self._name = name
        self._attributes = attributes
        self._children: list[Element] = []
        self._declares = False
        self._scope: _Scope | None = None
        self._document = document
        self._begins = begins
        self._ends = begins
        """Where its last tag begins, if it is not the first one as well."""

        self.local = local
        """The name without its prefix."""

        self.text = ""
        """What stands before the first child."""

        self.tail = ""
        """What stands behind this element, before the next one."""

    @property
    def namespace(self) -> str:
        """The namespace that the element belongs to; "" if to none."""
        return self.lookup(self.prefix)

    @property
    def prefix(self) -> str:
        """The prefix of its name; "" if it has none."""
        return self._name[: -len(self.local) - 1]

    def lookup(self, prefix: str) -> str:
        """Give the namespace that a prefix ("": none) stands for here; "" for none."""
        return _found(self._scope, prefix) or ""

    def count_written(self, letters: int) -> None:
        """Count characters that are written of this document.

        Raises:
            RemoteProtocolError: 413, when all that was written of it outgrows it.
        """
        self._document.count_written(letters)

    @property
    def begins(self) -> int:
        """Where its first tag begins in the bytes of its document."""
        return self._begins

    @property
    def attributes(self) -> ItemsView[str, str]:
        """Names as they were written and values, in order; declarations of namespaces are not among them."""
        return self._attributes.items()

    def walk(self) -> Iterator["Element"]:
        """Give this element and all that is in it, in document order."""
        pending = [self]
        while pending:
            element = pending.pop()
            yield element
            pending.extend(reversed(element._children))

    def __iter__(self) -> Iterator["Element"]:
        return iter(self._children)

    def __reversed__(self) -> Iterator["Element"]:
        return reversed(self._children)

    def __len__(self) -> int:
        return len(self._children)

    def __getitem__(self, index: int) -> "Element":
        return self._children[index]


def read_xml(
    data: bytes, *, max_bytes: int = MAX_BYTES, max_depth: int = MAX_DEPTH, max_nodes: int = MAX_NODES
) -> Element:
    """Read a document and give its root; comments and processing instructions are left out.

    The bytes are read as UTF-8 whatever their declaration says, so that what is looked for
    in the bytes cannot hide behind another encoding. What is found well-formed here is so for
    readers that know namespaces, and may be passed on to them (Namespaces in XML 1.0 §7).

    Raises:
        RemoteProtocolError: 413 beyond a bound of size or number; 400 when it is not
            well-formed, too deep, or has a document type.
    """
    if len(data) > max_bytes:
        raise RemoteProtocolError("XML too long", 413)
    # Cheaper than to read up to the bound; the reader below counts exactly.
    if data.count(b"<") > 2 * max_nodes:
        raise RemoteProtocolError("XML with too many elements", 413)
    # The parser would read what looks like UTF-16 as that; XML holds no zero byte otherwise.
    if b"\0" in data or data[:2] in (codecs.BOM_UTF16_BE, codecs.BOM_UTF16_LE):
        raise RemoteProtocolError("XML that is not UTF-8")
    parser = expat.ParserCreate("utf-8")
    builder = _Builder(parser, _Document(data), max_depth, max_nodes)
    parser.buffer_text = True
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.said.append
    parser.StartDoctypeDeclHandler = _refuse_document_type
    is_final = True
    try:
        parser.Parse(data, is_final)
    except expat.ExpatError as error:
        raise RemoteProtocolError(f"XML not well-formed: {str(error)[:80]}") from None
    finally:
        # The builder asks the parser where it is; so neither may keep the other alive.
        parser.StartElementHandler = parser.EndElementHandler = None
    assert builder.root is not None  # or it was not well-formed
    return builder.root


class _Builder:
    """Makes a tree of what the parser tells, and stops it at a bound."""

    def __init__(self, parser: expat.XMLParserType, document: _Document, max_depth: int, max_nodes: int) -> None:
        self._parser = parser
        self.root: Element | None = None
        self.said: list[str] = []  # text since the last tag; joined once, or many short pieces would cost a square
        self._open: list[Element] = []
        self._last: Element | None = None  # closed just now: text that comes is its tail
        self._scope: _Scope | None = None
        self._declared = 0  # how many declarations hold here
        self._document = document
        self._max_depth = max_depth
        self._nodes_left = max_nodes

    def start(self, name: str, attributes: dict[str, str]) -> None:
        """Open an element."""
        if self.said:
            self._flush()
        self._nodes_left -= 1
        if self._nodes_left < 0:
            raise RemoteProtocolError("XML with too many elements", 413)
        if len(self._open) >= self._max_depth:
            raise RemoteProtocolError("XML too deep")
        if len(attributes) > MAX_ATTRIBUTES:
            raise RemoteProtocolError("XML with too many attributes", 413)
        element = Element(name, name, attributes, self._document, self._parser.CurrentByteIndex)
        element._scope = self._scope
        for key in attributes:
            if ":" in key or key == "xmlns":
                self._declare(element)
                break
        if ":" in name:
            element.local = self._expanded(name)[1]
        if self._open:
            self._open[-1]._children.append(element)
        else:
            self.root = element
        self._open.append(element)
        self._last = None

    def end(self, name: str) -> None:
        """Close it."""
        if self.said:
            self._flush()
        element = self._last = self._open.pop()
        element._ends = self._parser.CurrentByteIndex
        if element._declares:
            scope = self._scope
            assert scope is not None
            self._declared -= len(scope.declared)
            self._scope = scope.around

    def _flush(self) -> None:
        text = "".join(self.said)
        self.said.clear()
        if self._last is not None:
            self._last.tail = text
        else:
            self._open[-1].text = text

    def _declare(self, element: Element) -> None:
        """Read the namespace declarations of an element's attributes, and check that each prefix is declared."""
        declared: dict[str, str] = {}
        kept: dict[str, str] = {}
        for name, value in element.attributes:
            if name[:5] == "xmlns" and name[5:6] in ("", ":"):
                declared[name[6:]] = value
            else:
                kept[name] = value
        element._attributes = kept
        if declared:
            self._declared += len(declared)
            if self._declared > MAX_SCOPE:
                raise RemoteProtocolError("XML with too many namespaces", 413)
            for prefix, value in declared.items():
                if len(value) > MAX_NAMESPACE:
                    raise RemoteProtocolError("XML with too long a name of a namespace", 413)
                if not _is_declaration(prefix, value):
                    raise RemoteProtocolError("XML with a namespace that cannot be declared")
            self._scope = _Scope(declared, self._scope)
            element._declares = True
        element._scope = self._scope
        expanded = [self._expanded(name) for name in kept if ":" in name]
        if len(expanded) > 1 and len(set(expanded)) != len(expanded):
            raise RemoteProtocolError("XML with an attribute that is there twice")

    def _expanded(self, name: str) -> tuple[str, str]:
        """Give a prefixed name's namespace and local part; the prefix must be declared, or other readers refuse it."""
        prefix, _, local = name.partition(":")
        namespace = _found(self._scope, prefix) if prefix else None
        if not namespace or not local or ":" in local or not (local[0].isalpha() or local[0] == "_"):
            raise RemoteProtocolError(f'XML with a name that makes no sense: "{name[:80]}"')
        return namespace, local


def _refuse_document_type(*_: object) -> None:
    raise RemoteProtocolError("XML with a document type")


def _is_declaration(prefix: str, value: str) -> bool:
    """Tell whether an attribute declares a namespace (Namespaces in XML 1.0 §2.2, §3)."""
    if prefix == "xml":
        return value == _XML
    return prefix != "xmlns" and ":" not in prefix and value not in (_XML, _XMLNS) and (value != "" or prefix == "")


def local(el: Element) -> str:
    """Give an element's name without its namespace."""
    return el.local


def children(el: Element, name: str) -> list[Element]:
    """Give the children of this local name, in document order."""
    return [child for child in el._children if child.local == name]


def child(el: Element, name: str) -> Element | None:
    """Give the first child of this local name; None if there is none."""
    for child in el._children:
        if child.local == name:
            return child
    return None


def text_of(el: Element | None) -> str:
    """Give all text within an element, blanks and all; "" for no element."""
    if el is None:
        return ""
    return "".join(_texts(el)) if el._children else el.text


def _texts(el: Element) -> Iterator[str]:
    """Give the texts within an element, in order. As deep as a document may be, and no deeper."""
    pending = [(el, iter(el._children))]
    yield el.text
    while pending:
        above, rest = pending[-1]
        inner = next(rest, None)
        if inner is not None:
            yield inner.text
            pending.append((inner, iter(inner._children)))
        else:
            pending.pop()
            if pending:
                yield above.tail


def attr(el: Element, name: str) -> str | None:
    """Give an attribute by its local name, in any case; None if there is none."""
    found = el._attributes.get(name)
    if found is not None:
        return found
    wanted = name.lower()
    for key, value in el._attributes.items():
        if key.rpartition(":")[2].lower() == wanted:
            return value
    return None


def outer_xml(el: Element) -> str:
    """Write an element with what is in it, and with those namespaces from around it that are used in it.

    A prefix counts as used also where a value begins with it, as in `xsi:type="s:userState"`. An element that takes
    nothing from around it, as most that clients publish, stays as it was written.

    Raises:
        RemoteProtocolError: 413, before it is written, when all that was written of the
            document outgrows it.
    """
    return _as_written(el) or _Writer(el).text()


def _as_written(el: Element) -> str:
    """Give an element as it stands in its document; "" when it cannot be taken out of it as it is."""
    document, scope, begins = el._document, el._scope, el._begins
    around = scope.around if el._declares and scope is not None else scope
    while around is not None:
        # Whatever is declared around it is declared anew by the element itself: so nothing from outside can be meant.
        if scope is None or not el._declares or not around.declared.keys() <= scope.declared.keys():
            return ""
        around = around.around
    if not el.text and not el._children:
        return ""  # it may be one tag, at whose end the parser is already
    text = document.data[begins : document.data.index(b">", el._ends) + 1]
    if b"<!" in text or b"<?" in text:
        return ""
    document.count_written(len(text))
    return text.decode()


class _Writer:
    """Writes one element; every character is counted before it is kept."""

    def __init__(self, root: Element) -> None:
        self._root = root
        self._outer = root._scope.around if root._declares and root._scope is not None else root._scope
        self._document = root._document
        self._parts: list[str] = []
        self._known: set[tuple[int, str]] = set()  # prefixes looked up already, by the scope they stand in
        self._needed: dict[str, str] = {}

    def text(self) -> str:
        """Write it."""
        self._element(self._root)
        for prefix, name in self._needed.items():
            self._document.count_written(len(prefix) + len(name) + 9)
        needed = "".join(map(_declaration, self._needed.items()))
        # The name of the root stands first, and what it needs behind it.
        return f"{self._parts[0]}{needed}{''.join(self._parts[1:])}"

    def _put(self, *parts: str) -> None:
        self._document.count_written(sum(map(len, parts)))
        self._parts += parts

    def _element(self, el: Element) -> None:
        self._put("<" + el._name)
        self._use(el, el._name[: -len(el.local) - 1])
        if el._declares and el._scope is not None:
            self._put(*map(_declaration, el._scope.declared.items()))
        for name, value in el.attributes:
            prefix, colon, _ = name.partition(":")
            if colon:
                self._use(el, prefix)
            self._use_in(el, value)
            self._put(f' {name}="{value.translate(_ATTRIBUTE_ENTITIES)}"')
        if not el.text and not el._children:
            self._put("/>")
            return
        self._use_in(el, el.text)
        self._put(">", el.text.translate(_TEXT_ENTITIES))
        for inner in el._children:
            self._element(inner)
            self._put(inner.tail.translate(_TEXT_ENTITIES))
        self._put(f"</{el._name}>")

    def _use_in(self, el: Element, value: str) -> None:
        prefix, colon, _ = value.partition(":")
        if colon and prefix and len(prefix) < MAX_NAMESPACE:
            self._use(el, prefix.strip())

    def _use(self, el: Element, prefix: str) -> None:
        """Note that a prefix is used; one that is declared around the root has to be declared at it."""
        scope = el._scope
        if scope is None or self._outer is None or (id(scope), prefix) in self._known:
            return
        self._known.add((id(scope), prefix))
        if scope.find(prefix, self._outer) is None:
            name = self._outer.find(prefix)
            if name:
                self._needed[prefix] = name


def _declaration(declared: tuple[str, str]) -> str:
    prefix, name = declared
    return f" xmlns{':' if prefix else ''}{prefix}={quote_attr(name)}"


def escape(text: str) -> str:
    """Write text as the content of an element; characters that XML cannot hold are dropped."""
    return text if _PLAIN.fullmatch(text) else _NOT_XML.sub("", text).translate(_ENTITIES)


def quote_attr(text: str) -> str:
    """Write text as an attribute's value, with the quotes around it."""
    return f'"{text if _PLAIN.fullmatch(text) else _NOT_XML.sub("", text).translate(_ATTRIBUTE_ENTITIES)}"'


def quote_attrs(texts: Iterable[str]) -> list[str]:
    """Write many texts, each as `quote_attr` does."""
    texts = list(texts)
    # Nearly always there is nothing to escape in any of them.
    if _PLAIN.fullmatch("".join(texts)):
        return [f'"{text}"' for text in texts]
    return [quote_attr(text) for text in texts]
