"""Reads what clients send about their own boards: publications, members, subscribers, delegates.

Names are local ones, because clients disagree about prefixes. A publication is kept as the text
that its client wrote; only states are interpreted. The documents for clients are written in
`categories`; whom a client wants to watch is read in `batches`. Spec: [MS-PRES] 2.2; Client:
protocol notes, "presence" §4 to §6.
"""

import re
from collections.abc import Mapping
from typing import Final

from lyncpy.contracts.bounded_cache import Remembered
from lyncpy.contracts.names import Aor, aor_of
from lyncpy.sip.errors import RemoteProtocolError
from lyncpy.sip.interned import interned
from lyncpy.sip.markup import Element, attr, child, children, local, outer_xml, read_xml
from lyncpy.workloads.presence.bodies.published_values import (
    REMEMBERED_BYTES,
    known_value,
    number_of,
    read_value,
    word_of,
)
from lyncpy.workloads.presence.model.levels import MemberChange, member_of
from lyncpy.workloads.presence.model.states import Device, StateDocument
from lyncpy.workloads.presence.model.tables import (
    HIGHEST_CONTAINER,
    HIGHEST_INSTANCE,
    ContainerMember,
    Delegate,
    Expire,
    InstanceKey,
    MemberKind,
    Publication,
)

ROAMING_PARTS: Final = frozenset({"categories", "containers", "subscribers", "delegates"})
"""The parts of its user's own data that an endpoint may ask for."""

_ROAMING_ELEMENTS: Final = frozenset({"roaming", "roamingex"})
"""Name of an element, in lower case → the part that it asks for."""

_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,63}")
_VERSION_MAX: Final = 0x7FFFFFFF
_EXPIRES_MAX: Final = 366 * 86400

_BEGIN: Final = re.compile(
    rb'<publish xmlns="http://schemas\.microsoft\.com/2006/09/sip/rich-presence">[ \t\r\n]*'
    rb'<publications uri="([ !#-%\'-;=?-~]*)">'
)
_PUBLICATION: Final = re.compile(
    rb'[ \t\r\n]*<publication categoryName="([A-Za-z_][A-Za-z0-9_.-]{0,63})" instance="([0-9]{1,10})"'
    rb' container="([0-9]{1,5})" version="([0-9]{1,9})" expireType="(static|user|endpoint)">[ \t\r\n]*(<.*>)[ \t\r\n]*',
    re.DOTALL,
)
_END: Final = re.compile(rb"[ \t\r\n]*</publications>[ \t\r\n]*</publish>[ \t\r\n]*")
"""How a document of the usual form begins, each publication in it up to the end of its value, and how it ends."""

_USUAL_MAX: Final = 32
"""Publications in a document of the usual form."""

_EXPIRE_TYPES: Final[Mapping[str, Expire]] = {one.value: one for one in Expire}
_USUAL_EXPIRE_TYPES: Final = {one.value.encode(): one for one in Expire if one is not Expire.TIME}
_MEMBER_KINDS: Final[Mapping[str, MemberKind | None]] = {one.value: one for one in MemberKind}

# --- what a client publishes


def read_publish(body: bytes) -> tuple[Aor, tuple[Publication, ...]]:
    """Read a `publish` document: the board's owner, and the publications.

    Raises:
        RemoteProtocolError: 400, when it is not one, or names one publication twice.

    Spec: [MS-PRES] 2.2.2, `publish`.
    """
    uri, found = _usual(body) or _of_any_form(body)
    if not found:
        raise RemoteProtocolError("nothing to publish")
    if len({one.key for one in found}) != len(found):
        raise RemoteProtocolError("a publication is there twice")
    return aor_of(uri), tuple(found)


def _usual(body: bytes) -> tuple[str, list[Publication]] | None:
    """Read a document of the usual form by its text; None: it is of another, or says what has to be refused.

    Around the values clients write the same but for numbers, and the values are such as many publish.
    """
    begin = _BEGIN.match(body)
    if begin is None:
        return None
    *parts, end = body[begin.end() :].split(b"</publication>")
    if len(parts) > _USUAL_MAX or _END.fullmatch(end) is None:
        return None
    found = []
    for part in parts:
        match = _PUBLICATION.fullmatch(part)
        if match is None:
            return None
        category, instance, container, version, expire, raw = match.groups()
        key = InstanceKey(interned(category.decode()), int(instance), int(container))
        known = known_value(key, raw) if len(raw) <= REMEMBERED_BYTES else None
        if known is None or key.instance > HIGHEST_INSTANCE or key.container > HIGHEST_CONTAINER:
            return None
        found.append(Publication(key, int(version), _USUAL_EXPIRE_TYPES[expire], known[0], None, *known[1:]))
    return begin[1].decode(), found


def _of_any_form(body: bytes) -> tuple[str, list[Publication]]:
    """Read a document of any form.

    Raises:
        RemoteProtocolError: 400, when it is not one.
    """
    block = child(_root(body, "publish"), "publications")
    if block is None:
        raise RemoteProtocolError("nothing to publish")
    read: _Read = {}
    return attr(block, "uri") or "", [_publication(one, read) for one in children(block, "publication")]


_Read = dict[tuple[str, int, str], tuple[str, StateDocument | None, Device | None, bool]]
"""Category, instance and text of a value → the text, and what it says: clients publish most in two or three containers."""


def _publication(el: Element, read: _Read) -> Publication:
    category = _name(el, "categoryName")
    key = InstanceKey(
        category, number_of(el, "instance", HIGHEST_INSTANCE), number_of(el, "container", HIGHEST_CONTAINER)
    )
    expires = attr(el, "expires")
    value = next(iter(el), None)
    expires_s = None if expires is None else number_of(el, "expires", _EXPIRES_MAX)
    expire = word_of(el, "expireType", _EXPIRE_TYPES, Expire.ENDPOINT)
    if expires_s == 0:
        return Publication(key, number_of(el, "version", _VERSION_MAX, 0), expire, expires_s=0)
    if expire is Expire.TIME and expires_s is None:
        raise RemoteProtocolError("a publication bound in time has no expires")
    text = "" if value is None else outer_xml(value)
    said = read.get((key.category, key.instance, text))
    if said is None:
        # Many users' devices say the very same, for as long as they are signed in.
        said = read[key.category, key.instance, text] = (interned(text), *read_value(key, value))
    text, state, device, private = said
    return Publication(
        key, number_of(el, "version", _VERSION_MAX, 0), expire, text, expires_s, state, device, private=private
    )


def read_set_members(body: bytes) -> tuple[MemberChange, ...]:
    """Read a `setContainerMembers` document.

    Raises:
        RemoteProtocolError: 400, when it is not one, or names one container twice.
    """
    found = tuple(_member_change(one) for one in children(_root(body, "setContainerMembers"), "container"))
    if len({one.container for one in found}) != len(found):
        raise RemoteProtocolError("a container is there twice")
    return found


def _member_change(el: Element) -> MemberChange:
    sides: dict[str, set[ContainerMember]] = {"add": set(), "remove": set()}
    for one in children(el, "member"):
        side = sides.get(attr(one, "action") or "")
        kind = word_of(one, "type", _MEMBER_KINDS, None)
        if side is None or kind is None:
            raise RemoteProtocolError("not a change of members")
        value = (attr(one, "value") or "").strip()
        if (value != "") != (kind in (MemberKind.USER, MemberKind.DOMAIN)):
            raise RemoteProtocolError("a member without value, or with one too many")
        side.add(member_of(kind, value))
    return MemberChange(
        number_of(el, "id", HIGHEST_CONTAINER),
        number_of(el, "version", _VERSION_MAX, 0),
        frozenset(sides["add"]),
        frozenset(sides["remove"]),
    )


def read_set_subscriber(body: bytes) -> Aor:
    """Read a `setSubscribers` document: the address of the watcher whom the user knows from now on.

    Raises:
        RemoteProtocolError: 400, when it is not one, or does not name exactly one subscriber as known.

    Spec: [MS-PRES] 2.2.2.6.2.
    """
    found = children(_root(body, "setSubscribers"), "subscriber")
    user = (attr(found[0], "user") or "").strip() if len(found) == 1 else ""
    if not user or attr(found[0], "acknowledged") != "true":
        raise RemoteProtocolError("not one subscriber to acknowledge")
    return aor_of(user)


def read_set_delegates(body: bytes) -> tuple[int, tuple[Delegate, ...], tuple[Aor, ...]]:
    """Read a `setDelegates` document: the version that the client saw last, the delegates to add, those to remove.

    Raises:
        RemoteProtocolError: 400, when it is not one, or names somebody twice.

    Spec: [MS-PRES] 2.2.2.10.2. Operations are `allow` or `deny`; a right that is not named is denied.
    """
    root = _root(body, "setDelegates")
    add, remove = [], []
    for one in root:
        uri, action = (attr(one, "uri") or "").strip(), attr(one, "action") or "add"
        if not uri or action not in ("add", "remove"):
            raise RemoteProtocolError("not a change of delegates")
        if action == "remove":
            remove.append(aor_of(uri))
        else:
            rights = (_is_allowed(one, name) for name in ("publishOperation", "redelegateOperation"))
            add.append(Delegate(aor_of(uri), *rights))
    named = [*remove, *(one.aor for one in add)]
    if not named or len(set(named)) != len(named):
        raise RemoteProtocolError("nobody to add or remove, or somebody twice")
    return number_of(root, "version", _VERSION_MAX, 0), tuple(add), tuple(remove)


def _is_allowed(el: Element, name: str) -> bool:
    operation = child(el, name)
    return operation is not None and attr(operation, "authorization") == "allow"


def read_roaming_list(body: bytes) -> frozenset[str]:
    """Read which parts of the user's own data a client asks for; without a body, all.

    Parts that came later than the first clients (delegates) are asked for by an element with a name and
    a namespace of its own. Unknown parts are passed over: there is nothing to tell of them.

    Raises:
        RemoteProtocolError: 400, when it is not such a list.

    Spec: [MS-PRES] 2.2.2.5, 4.4.1 (`roaming`, `roamingEx`).
    """
    if not body.strip():
        return ROAMING_PARTS
    return _known_roaming_lists[body] if len(body) <= REMEMBERED_BYTES else _read_roaming_list(body)


def _read_roaming_list(body: bytes) -> frozenset[str]:
    root = _root(body, "roamingList")
    asked = {(attr(one, "type") or "").strip().lower() for one in root if local(one).lower() in _ROAMING_ELEMENTS}
    return ROAMING_PARTS & asked


# All devices of one kind of client ask in the same words.
_known_roaming_lists: Final = Remembered(_read_roaming_list, 131_072)


def _root(body: bytes, name: str) -> Element:
    root = read_xml(body)
    if local(root) != name:
        raise RemoteProtocolError(f'not a document of this kind: "{local(root)[:80]}"')
    return root


def _name(el: Element, attribute: str) -> str:
    name = attr(el, attribute) or ""
    if not _NAME.fullmatch(name):
        raise RemoteProtocolError(f'not a category: "{name[:80]}"')
    return name
