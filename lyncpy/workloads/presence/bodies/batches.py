"""Reads the people whom a client wants to watch: batches since 2007, lists of resources before.

Both become actions of the same form. Names are local ones, because clients disagree about
prefixes. Spec: [MS-PRES] 2.2.2 `batchSub`; [MS-SIP] `adhoclist`.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from lyncpy.contracts.bounded_cache import Remembered
from lyncpy.contracts.names import Aor, aor_of
from lyncpy.sip.errors import RemoteProtocolError
from lyncpy.sip.markup import Element, attr, escape, local, outer_xml, read_xml, text_of

BATCH_TYPE: Final = "application/msrtc-adrl-categorylist+xml"
LIST_TYPE: Final = "application/adrl+xml"

DEFAULT_CATEGORIES: Final = frozenset({"contactCard", "note", "state", "services", "calendarData"})
"""The categories for a watcher who names none."""

CATEGORY: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,63}")

_LIST_BEGINS: Final = b"<adhocList>"
_LIST_ENDS: Final = b"</adhocList>"
_RESOURCE_BEGINS: Final = b'<resource uri="'
_ADDRESSES: Final = re.compile(rb"(?:[!#-%'-;=?-~]++ )*+[!#-%'-;=?-~]++")
"""What is written in an attribute as it is, and is no blank; several, a blank between each and the next."""

_BLANKS: Final = b" \t\r\n"

_CATEGORIES_BOUND: Final = 64
"""Categories of one action; Lync knows seventeen."""

_ID_BOUND: Final = 64

_NEW: Final = tuple.__new__  # a NamedTuple's own is a call of Python's

CONTEXT_BOUND: Final = 1024
"""Characters of a subscription context; Lync's own has two hundred ([MS-PRES] answers 413 to more)."""


class BatchResource(NamedTuple):
    """A person whom a client wants to watch, with the address as the client wrote it. A batch may hold a thousand."""

    uri: str
    aor: Aor
    context: str | None = None
    """The subscription context: the XML inside `context`. None: there is none, as for a contact card that is shown for a moment."""


@dataclass(frozen=True, slots=True)
class BatchAction:
    """One action of a batch: begin or end to watch some people."""

    id: str
    subscribes: bool
    resources: tuple[BatchResource, ...]
    """The people to watch; for an end, none stands for all whom the action with this id began to watch."""

    categories: frozenset[str]

    once: bool = False
    """Whether it only asks: it is answered, and watches nobody."""


_ACTIONS: Final = {"subscribe": (True, False), "unsubscribe": (False, False), "query": (True, True)}
"""Name of an action → `BatchAction.subscribes` and `BatchAction.once`."""


def read_batch(body: bytes, meant: Callable[[str], Aor] = aor_of) -> tuple[BatchAction, ...]:
    """Read a `batchSub` document.

    Args:
        body: The document.
        meant: Gives the person whom an address means, however the client wrote it.

    Raises:
        RemoteProtocolError: 400, when it is not one.

    Spec: [MS-PRES] 2.2.2.4.1, 6.8 (`batchSub`); [MS-SIP] for the dialog. Names count in any case, and
    a list of categories for all actions may stand beside them.
    """
    shortened, alike = _shortened(body)
    root = _root(shortened, "batchSub")
    shared = _categories(root) or DEFAULT_CATEGORIES
    return tuple(_action(one, shared, meant, alike) for one in _named(root, "action"))


def _shortened(body: bytes) -> tuple[bytes, Sequence[str]]:
    """Take out of a document those people of whom it says, letter for letter, what it says of the first.

    So they are in nearly all: a client that signs in names its contacts, and each for the same reason.

    Returns:
        The document with the first of them in its list, and the addresses of the others; as it came, and none, where
        one is written otherwise, or more than one list is there.
    """
    begin, end = body.find(_LIST_BEGINS), body.find(_LIST_ENDS)
    if not 0 <= begin < end or b"<!" in body or b"<?" in body or body.lower().count(b"adhoclist") != 2:
        return body, ()
    begin += len(_LIST_BEGINS)
    blank, *parts = body[begin:end].split(_RESOURCE_BEGINS)
    parts = [part.rstrip(_BLANKS) for part in parts]
    _, _, rest = parts[0].partition(b'"') if parts else (b"", b"", b"")
    # Between the first tag of each and the last there is no other of that name, so that each is one element.
    is_whole = rest == b"/>" or (rest[:1] == b">" and rest.endswith(b"</resource>") and rest.count(b"resource") == 1)
    if blank.strip(_BLANKS) or not is_whole:
        return body, ()
    # All at once: of whom it says something else, that stays behind the address, and is none.
    suffix = b'"' + rest
    uris = b" ".join([part.removesuffix(suffix) for part in parts])
    is_each = len(uris) + len(parts) * (len(suffix) - 1) == sum(map(len, parts)) - 1
    if not is_each or uris.count(b" ") != len(parts) - 1 or _ADDRESSES.fullmatch(uris) is None:
        return body, ()
    return b"%b%b%b%b" % (body[:begin], _RESOURCE_BEGINS, parts[0], body[end:]), uris.decode().split(" ")[1:]


def _action(el: Element, shared: frozenset[str], meant: Callable[[str], Aor], alike: Sequence[str]) -> BatchAction:
    name = (attr(el, "name") or "").strip()
    kind = _ACTIONS.get(name.lower())
    if kind is None:
        raise RemoteProtocolError(f'not an action: "{name[:80]}"')
    # Somebody who is named twice is meant once, with the last of what is said about them.
    found: dict[str, BatchResource] = {}
    for block in _named(el, "adhoclist"):
        context = None
        for one in _resources(block, meant):
            found[one.uri], context = one, one.context
        for uri in alike:  # who stood there like the one that it has
            found[uri] = _NEW(BatchResource, (uri, meant(uri), context))
    for one in _resources(el, meant):
        found[one.uri] = one
    return BatchAction(
        (attr(el, "id") or "")[:_ID_BOUND], kind[0], tuple(found.values()), _categories(el) or shared, once=kind[1]
    )


def _categories(el: Element) -> frozenset[str]:
    names = [_category(one) for block in _named(el, "categorylist") for one in _named(block, "category")]
    if len(names) > _CATEGORIES_BOUND:
        raise RemoteProtocolError("too many categories")
    return _alike[frozenset(names)]


# All clients of one kind ask for the same, for each device and each contact.
_alike: Final = Remembered[frozenset[str], frozenset[str]](lambda names: names, 262_144)


def _named(el: Element, name: str) -> list[Element]:
    """Give the children with this name (in lower case), in whatever case they have it."""
    return [one for one in el if one.local.lower() == name]


def read_list(body: bytes, meant: Callable[[str], Aor] = aor_of) -> tuple[BatchAction, ...]:
    """Read an `adhoclist` document of a client from before 2007: `create` and `add` begin, `delete` ends.

    Args:
        body: The document.
        meant: As for `read_batch`.

    Raises:
        RemoteProtocolError: 400, when it is not one.

    Spec: [MS-SIP] batched subscriptions.
    """
    actions = []
    for one in _root(body, "adhoclist"):
        begins = {"create": True, "add": True, "delete": False}.get(local(one).lower())
        if begins is None:
            raise RemoteProtocolError(f'not an action: "{local(one)[:80]}"')
        # These clients watch their contacts and nobody else.
        resources = tuple(BatchResource(resource.uri, resource.aor, "") for resource in _resources(one, meant))
        if resources:
            actions.append(BatchAction("", begins, resources, frozenset()))
    return tuple(actions)


def _resources(el: Element, meant: Callable[[str], Aor]) -> Iterator[BatchResource]:
    """Give the people whom an element names."""
    for one in _named(el, "resource"):
        uri, context = (attr(one, "uri") or "").strip(), _context(one)
        if uri:
            yield BatchResource(uri, meant(uri), context)


def _context(el: Element) -> str | None:
    """Read the reason for which a client watches: the XML or the text in `context`; None: it gives none."""
    context, words = next(iter(_named(el, "context")), None), attr(el, "context")
    if context is None and words is None:
        return None
    inner = None if context is None else next(iter(context), None)
    text = outer_xml(inner) if inner is not None else escape((words or text_of(context)).strip())
    if len(text) > CONTEXT_BOUND:
        raise RemoteProtocolError("the context of a subscription is too long", 413)
    return text


def _category(el: Element) -> str:
    name = attr(el, "name") or ""
    if not CATEGORY.fullmatch(name):
        raise RemoteProtocolError(f'not a category: "{name[:80]}"')
    return name


def _root(body: bytes, name: str) -> Element:
    root = read_xml(body)
    if local(root).lower() != name.lower():
        raise RemoteProtocolError(f'not a document of this kind: "{local(root)[:80]}"')
    return root
