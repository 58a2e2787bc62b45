"""Writes what clients receive about presence: a user's own data, views of others, faults, cards.

Hot, therefore plain text without a tree. Everything that came from outside is escaped, or
is XML that was read and written again by `bodies`. Spec: [MS-PRES] 2.2; Client: protocol
notes, "presence" §4 to §6.
"""

import secrets
from collections.abc import Collection, Iterable, Mapping
from typing import Final

from lyncpy.contracts.bounded_cache import Remembered
from lyncpy.contracts.names import Aor, bare, listed
from lyncpy.sip.body import write_multipart
from lyncpy.sip.markup import quote_attr
from lyncpy.sip.namespaces import PRESENCE_NS
from lyncpy.workloads.presence.model.audience import Audience, visible
from lyncpy.workloads.presence.model.board import Board, StaleVersions
from lyncpy.workloads.presence.model.states import Aggregate
from lyncpy.workloads.presence.model.tables import (
    OFFLINE,
    STANDARD_CONTAINERS,
    Container,
    Delegates,
    Expire,
    Instance,
    Relation,
    Subscriber,
)
from lyncpy.workloads.presence.model.values import AGGREGATES, write_time, write_value

ROAMING_SELF: Final = "application/vnd-microsoft-roaming-self+xml"
CATEGORIES_TYPE: Final = "application/msrtc-event-categories+xml"
FAULT_TYPE: Final = "application/msrtc-fault+xml"
_RLMI: Final = "application/rlmi+xml"

_PARTS: Final = "parts.invalid"
"""The right side of the ids of parts; the left is unique by itself. Spec: RFC 2392 §2, RFC 2606 §2."""

_EXPIRE_TYPES: Final = {expire: expire.value for expire in Expire}
"""Quicker to look up than the value of an enumeration."""

_DELEGATES_NS: Final = "http://schemas.microsoft.com/2007/09/sip/delegates"


# --- for a user's own endpoints


def write_categories(board: Board, names: Collection[str]) -> Mapping[str, str]:
    """Write each of these categories as a user's own endpoints read it: whole, or named alone if it is empty.

    Of several publications of one value, as an aggregate state that is seen in several containers, it is written once.
    """
    values: dict[int, str] = {}
    parts: dict[str, list[str]] = {name: [] for name in names}
    at, time = -1.0, ""
    for one in board.ordered:
        category, instance, container = one.key
        if category not in parts:
            continue
        value, published = one.value, one.published
        text = values.get(id(value))
        if text is None:
            text = values[id(value)] = write_value(one)
        if published != at:
            at, time = published, write_time(published)
        parts[category].append(
            f'<category name="{category}" instance="{instance}" publishTime="{time}" container="{container}"'
            f' version="{one.version}" expireType="{_EXPIRE_TYPES[one.expire]}">{text}</category>'
        )
    return {name: "".join(found) or f'<category name="{name}"/>' for name, found in parts.items()}


_NOBODY: Final = Container()


def write_own(
    board: Board,
    *,
    categories: Mapping[str, str] | None = None,
    containers: Collection[int] | None = None,
    subscribers: Iterable[tuple[Subscriber, Relation]] | None = None,
    delegates: bool = False,
) -> bytes:
    """Write `roamingData` for a user's own endpoint.

    Args:
        board: The user's board.
        categories: The categories, as `write_categories` has written them; None: all that are on the board.
        containers: The containers whose lists to write; None: all.
        subscribers: Subscribers, with their relation to the enterprise; None: that part is left out.
        delegates: Whether to write the delegates.

    Every category is whole: a client forgets what it knew of each category that is named,
    and publishes with the versions that it finds here. One that is empty is named alone.

    Client: protocol notes, "presence" §4.1, §5.3.
    """
    parts = [f'<roamingData xmlns="{PRESENCE_NS}/roaming-self">']
    if categories is None or categories:
        written = (
            write_categories(board, {key.category for key in board.instances}) if categories is None else categories
        )
        parts.append(f'<categories xmlns="{PRESENCE_NS}/categories" uri={quote_attr(board.aor)}>')
        parts.extend([written[name] for name in sorted(written)])
        parts.append("</categories>")
    ids = {*STANDARD_CONTAINERS, *board.containers} if containers is None else containers
    if ids:
        parts.append(f'<containers xmlns="{PRESENCE_NS}/containers">')
        parts.extend([_container(id_, board.containers.get(id_, _NOBODY)) for id_ in sorted(ids)])
        parts.append("</containers>")
    if subscribers is not None:
        parts.append(f'<subscribers xmlns="{PRESENCE_NS}/presence-subscribers">')
        parts.extend(_subscriber(one, relation) for one, relation in subscribers)
        parts.append("</subscribers>")
    if delegates:
        parts.append(_delegates(board.delegates))
    parts.append("</roamingData>")
    return "".join(parts).encode()


def _container(id_: int, container: Container) -> str:
    if not container.members:
        return f'<container id="{id_}" version="{container.version}"/>'
    members = "".join(
        f'<member type="{kind.value}"' + (f" value={quote_attr(listed(value))}/>" if value else "/>")
        for kind, value in sorted(container.members, key=lambda member: (member.kind.value, member.value))
    )
    return f'<container id="{id_}" version="{container.version}">{members}</container>'


def _subscriber(one: Subscriber, relation: Relation) -> str:
    """Write a subscriber; `acknowledged` tells an endpoint to withdraw its question.

    Spec: [MS-PRES] 2.2.2.6.1; the type of an anonymous watcher is `unknown`.
    """
    kind = "unknown" if relation is Relation.ANONYMOUS else relation.value.value
    inner = f"><context>{one.context}</context></subscriber>" if one.context else "/>"
    return (
        f"<subscriber user={quote_attr(listed(bare(one.aor)))} displayName={quote_attr(one.display_name)}"
        f' acknowledged="{"true" if one.acknowledged else "false"}" type="{kind}"{inner}'
    )


def _delegates(delegates: Delegates) -> str:
    """Write the delegates ([MS-PRES] 2.2.2.10.1)."""
    rows = "".join(
        f"<delegate uri={quote_attr(listed(bare(one.aor)))}"
        f' publish="{"true" if one.publish else "false"}" redelegate="{"true" if one.redelegate else "false"}"/>'
        for one in delegates.members
    )
    return f'<delegates xmlns="{_DELEGATES_NS}" version="{delegates.version}">{rows}</delegates>'


def write_fault(stale: StaleVersions) -> bytes:
    """Write the fault of a 409; a real client looks for exactly this code.

    Spec: [MS-PRES], `Client.BadCall.WrongDelta`.
    """
    operations = "".join(
        f'<operation index="{one.index}" version="{one.version}" curVersion="{one.current}"/>' for one in stale.faults
    )
    return (
        f'<Fault xmlns="{PRESENCE_NS}/service-fault"><Faultcode>Client.BadCall.WrongDelta</Faultcode>'
        f"<details>{operations}</details></Fault>"
    ).encode()


# --- for watchers


def write_view(board: Board, seen_by: Audience, categories: Iterable[str]) -> bytes:
    """Write what an audience sees of these categories; the same text for all watchers in it.

    A category that it does not see is named alone, and a state that it does not see is
    offline. Neither container nor version is named: a watcher is not to learn their level.
    """
    parts = [f'<categories xmlns="{PRESENCE_NS}/categories" uri={quote_attr(board.aor)}>']
    for name in sorted(categories):
        found = visible(board, seen_by, name)
        parts.extend([_seen(one) for one in found] or [_OFFLINE if name == "state" else f'<category name="{name}"/>'])
    parts.append("</categories>")
    return "".join(parts).encode()


def write_unknown(uri: str, categories: Iterable[str]) -> bytes:
    """Write that a user who does not exist is offline; without a part about them the client would never refresh."""
    parts = [_OFFLINE if name == "state" else f'<category name="{name}"/>' for name in sorted(categories)]
    return f'<categories xmlns="{PRESENCE_NS}/categories" uri={quote_attr(uri)}>{"".join(parts)}</categories>'.encode()


def write_list(
    owner: Aor, views: Mapping[str, bytes], content_type: str = CATEGORIES_TYPE, *, number: int = 1, whole: bool = True
) -> tuple[str, bytes]:
    """Write the views of several people as one body: an rlmi list and a part for each.

    Args:
        owner: The watcher, whose list it is.
        views: Address as the watcher wrote it → the document about that person.
        content_type: The type of these documents.
        number: The number of this list in its subscription, from 1.
        whole: Whether everybody is in it whom the subscription watches.

    Spec: RFC 4662 §5; [MS-SIP] 3.3.5.1 (the first is number 1, and whole). Client: an instance without `state` crashes it.
    """
    mark, host = secrets.token_hex(8), owner.rpartition("@")[2]
    parts = [_parts[uri, view, content_type] for uri, view in views.items()]
    resources = "".join([row for row, _, _ in parts])
    rlmi = (
        f'<list xmlns="urn:ietf:params:xml:ns:rlmi" uri={quote_attr(owner)}'
        f' version="{number}" fullState="{"true" if whole else "false"}">'
        f"{resources}</list>"
    )
    first = (_head(f"r.{mark}@{host}", _RLMI), rlmi.encode())
    return write_multipart(
        [first, *[(head, view) for _, head, view in parts]],
        subtype="related",
        boundary=f"part-{mark}",
        params={"type": _RLMI, "start": f"r.{mark}@{host}"},
    )


def _part(named: tuple[str, bytes, str]) -> tuple[str, bytes, bytes]:
    """Give the row of the list, the head and the body of a part about somebody."""
    uri, view, content_type = named
    name = f"{secrets.token_hex(16)}@{_PARTS}"
    row = f'<resource uri={quote_attr(uri)}><instance id="0" state="active" cid="{name}"/></resource>'
    return row, _head(name, content_type), view


# As long as nothing on a board changes, all who have them in a list get the same part; of the same content, the same id.
_parts: Final = Remembered(_part, 16_777_216)


def _head(name: str, content_type: str) -> bytes:
    return f"Content-Transfer-Encoding: binary\r\nContent-ID: <{name}>\r\nContent-Type: {content_type}\r\n".encode()


def _seen(one: Instance) -> str:
    return (
        f'<category name="{one.key.category}" instance="{one.key.instance}"'
        f' publishTime="{write_time(one.published)}">{write_value(one)}</category>'
    )


_OFFLINE: Final = (
    f'<category name="state" instance="0" publishTime="{write_time(0)}">{AGGREGATES[Aggregate(OFFLINE)]}</category>'
)
