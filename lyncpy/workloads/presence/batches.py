"""Whom a client wants to watch, read: batches since 2007, lists of resources before.

Both become actions of the same form. Names are local ones, because clients disagree about
prefixes. Spec: [MS-PRES] 2.2.2 `batchSub`; [MS-SIP] `adhoclist`.
"""

import re
from dataclasses import dataclass
from typing import Final

from lyncpy.contracts.names import Aor, aor_of
from lyncpy.sip.errors import RemoteProtocolError
from lyncpy.sip.markup import Element, attr, child, children, local, outer_xml, read_xml

BATCH_TYPE: Final = "application/msrtc-adrl-categorylist+xml"
LIST_TYPE: Final = "application/adrl+xml"

DEFAULT_CATEGORIES: Final = frozenset({"contactCard", "note", "state", "services", "calendarData"})
"""What a watcher gets who names none."""

CATEGORY: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,63}")

_CATEGORIES_BOUND: Final = 64
"""Categories of one action; Lync knows seventeen."""

_ID_BOUND: Final = 64

CONTEXT_BOUND: Final = 1024
"""Characters of why somebody wants to watch; Lync's own context has two hundred ([MS-PRES] answers 413 to more)."""


@dataclass(frozen=True, slots=True)
class Resource:
    """Somebody whom a client wants to watch, as the client names him."""

    uri: str
    aor: Aor
    context: str | None = None
    """Why the client wants to watch: the XML inside `context`. None: it does not say, as for a contact card that is shown for a moment."""


@dataclass(frozen=True, slots=True)
class Action:
    """One action of a batch: begin or end to watch some people."""

    id: str
    subscribes: bool
    resources: tuple[Resource, ...]
    """Empty, for an end: all whom the action of this id began to watch."""

    categories: frozenset[str]


def read_batch(body: bytes) -> tuple[Action, ...]:
    """Read a `batchSub` document.

    Raises:
        RemoteProtocolError: 400, when it is not one.

    Spec: [MS-PRES] 2.2.2, `batchSub`; [MS-SIP] for the dialog.
    """
    return tuple(_action(one) for one in children(_root(body, "batchSub"), "action"))


def _action(el: Element) -> Action:
    name = attr(el, "name")
    if name not in ("subscribe", "unsubscribe"):
        raise RemoteProtocolError(f'not an action: "{(name or "")[:80]}"')
    listed, asked = child(el, "adhocList"), child(el, "categoryList")
    names = [] if asked is None else [_category(one) for one in children(asked, "category")]
    if len(names) > _CATEGORIES_BOUND:
        raise RemoteProtocolError("too many categories")
    return Action(
        (attr(el, "id") or "")[:_ID_BOUND],
        name == "subscribe",
        () if listed is None else _resources(listed),
        frozenset(names) or DEFAULT_CATEGORIES,
    )


def read_list(body: bytes) -> tuple[Action, ...]:
    """Read an `adhoclist` document of a client from before 2007: `create` and `add` begin, `delete` ends.

    Raises:
        RemoteProtocolError: 400, when it is not one.

    Spec: [MS-SIP] batched subscriptions.
    """
    actions = []
    for one in _root(body, "adhoclist"):
        begins = {"create": True, "add": True, "delete": False}.get(local(one))
        if begins is None:
            raise RemoteProtocolError(f'not an action: "{local(one)[:80]}"')
        # These clients watch their contacts and nobody else.
        resources = tuple(Resource(resource.uri, resource.aor, "") for resource in _resources(one))
        if resources:
            actions.append(Action("", begins, resources, frozenset()))
    return tuple(actions)


def _resources(el: Element) -> tuple[Resource, ...]:
    found = {(attr(one, "uri") or "").strip(): _context(one) for one in children(el, "resource")}
    return tuple(Resource(uri, aor_of(uri), context) for uri, context in found.items() if uri)


def _context(el: Element) -> str | None:
    context = child(el, "context")
    if context is None:
        return None
    inner = next(iter(context), None)
    text = "" if inner is None else outer_xml(inner)
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
