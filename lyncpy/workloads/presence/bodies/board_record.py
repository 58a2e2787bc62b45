"""The forms of a board in its two records: JSON of what outlives every process, and of what is bound to endpoints.

What the server publishes is in neither: it is computed anew.
"""

import json
from collections.abc import Mapping, Sequence
from itertools import repeat
from typing import Any, Final, NamedTuple

from lyncpy.contracts.bounded_cache import Remembered
from lyncpy.contracts.names import Aor, Epid, NodeName, Version, aor_of, epid_of, kept_aor
from lyncpy.contracts.owners import IOwners, OwnerId, read_owners
from lyncpy.sip.interned import interned
from lyncpy.sip.markup import read_xml
from lyncpy.workloads.presence.bodies.published_values import READ, REMEMBERED_BYTES, read_value
from lyncpy.workloads.presence.model.absences import Absence, Absences, SignedOutView
from lyncpy.workloads.presence.model.board import Board
from lyncpy.workloads.presence.model.levels import member_of
from lyncpy.workloads.presence.model.naming import BoardNames, DormantName, named
from lyncpy.workloads.presence.model.states import Device, StateDocument
from lyncpy.workloads.presence.model.tables import (
    DEFAULT,
    Container,
    Delegate,
    Delegates,
    Expire,
    Instance,
    InstanceKey,
    MemberKind,
    Subscriber,
)

_UNKNOWN: Final = repeat((-1, False, ()))
"""The row for each blocked member in a record without rows: nothing is known of what remained for them."""

_JSON: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))

_FORM: Final = 2
"""1 knew no delegates; such a record is read as one without any. Absences came later, and what is kept with
them later still: where they are missing, they are long, and nobody knows what remained.
"""

_VOLATILE_FORM: Final = 1


def write_record(board: Board, names: BoardNames | None = None) -> bytes:
    """Write the durable part of a board, and the owners of the addresses on it."""
    names = names or BoardNames()
    # Most are made by the server, and are not asked.
    durable = [one for one in board.instances.values() if one.epid is not None and one.is_durable]
    sleeping = [(number, one.absence) for number, one in enumerate(names.asleep) if one.absence is not None]
    record: dict[str, object] = {
        "form": _FORM,
        "version": board.version,
        "last_active": board.last_active,
        "publications": [_publication(one) for one in durable],
        "containers": {str(id_): _container(one) for id_, one in board.containers.items()},
        "absences": [
            [kind.value, value, one.at, one.last_active, one.listed] for (kind, value), one in board.absences.items()
        ],
        "subscribers": [[one.aor, one.display_name, one.acknowledged, one.context] for one in board.subscribers],
        "delegates": {"version": board.delegates.version, "members": board.delegates.members},
        "owners": dict(names.meant),
    }
    if sleeping:
        record["sleeping"] = [[number, one.at, one.last_active, one.listed] for number, one in sleeping]
    absences = [*board.absences.values(), *(one for _, one in sleeping)]
    if any(one.remains is not None for one in absences):
        record["remains"] = _remains(absences, durable)
    if names.asleep:
        record["asleep"] = [_dormant(one) for one in names.asleep]
    return _JSON.encode(record).encode()


def is_volatile(one: Instance) -> bool:
    """Tell whether all servers know a publication while a device is signed in, and it is not kept beyond that."""
    return one.epid is not None and not one.is_durable


def write_volatile(board: Board, homes: Mapping[Epid, NodeName]) -> bytes:
    """Write what devices publish for as long as they, or others of the user, are signed in, and the nodes that they publish at."""
    instances = [one for one in board.instances.values() if is_volatile(one)]
    record = {
        "form": _VOLATILE_FORM,
        "last_active": board.last_active,
        "publications": [_publication(one) for one in instances],
        "homes": {one.epid: homes[one.epid] for one in instances if one.epid is not None and one.epid in homes},
    }
    return _JSON.encode(record).encode()


class VolatileBoard(NamedTuple):
    """What `write_volatile` wrote."""

    instances: Mapping[InstanceKey, Instance]
    last_active: float | None
    homes: Mapping[Epid, NodeName]
    """The node that each device publishes at."""


def read_volatile(data: bytes | None) -> VolatileBoard:
    """Read what `write_volatile` wrote; None: nothing is there."""
    if data is None:
        return VolatileBoard({}, None, {})
    record: dict[str, Any] = json.loads(data)  # Any: JSON, written by us
    if record["form"] > _VOLATILE_FORM:
        raise ValueError(f"what devices publish was written by a newer server: form {record['form']}")
    instances = {one.key: one for one in map(_instance, record["publications"])}
    homes = {epid_of(epid): NodeName(node) for epid, node in record["homes"].items()}
    return VolatileBoard(instances, record["last_active"], homes)


def _container(container: Container) -> Mapping[str, object]:
    members = sorted([member.kind.value, member.value] for member in container.members)
    return {"version": container.version, "members": members}


def _dormant(name: DormantName) -> Sequence[object]:
    subscriber = name.subscriber
    return (
        name.aor,
        name.owner,
        name.containers,
        subscriber and [subscriber.display_name, subscriber.acknowledged, subscriber.context],
        name.delegate and name.delegate[1:],
    )


def read_named(aor: Aor, data: bytes, owners: IOwners) -> tuple[Board, BoardNames]:
    """Read a board as `write_record` wrote it, and the owners of the addresses, which are those that were written.

    The aggregate states and the server's publications are missing.
    """
    record: dict[str, Any] = json.loads(data)  # Any: JSON, written by us
    if record["form"] > _FORM:
        raise ValueError(f"the presence of {aor} was stored by a newer server: form {record['form']}")
    # What a machine says of itself ends with it, and was kept once, if its client had asked for that.
    instances = list(map(_instance, record["publications"]))
    delegates = record.get("delegates", {"version": 0, "members": []})
    absences, sleeping = _absences(record, instances)
    board = Board(
        aor,
        Version(record["version"]),
        {one.key: one for one in instances if one.is_durable},
        {
            int(id_): Container(
                one["version"], frozenset(member_of(MemberKind(kind), value) for kind, value in one["members"])
            )
            for id_, one in record["containers"].items()
        },
        tuple(Subscriber(aor_of(who), *rest) for who, *rest in record["subscribers"]),
        record["last_active"],
        Delegates(delegates["version"], tuple(Delegate(aor_of(who), *rights) for who, *rights in delegates["members"])),
        absences,
    )
    return board, _names(board, record, owners, sleeping)


def _publication(one: Instance) -> dict[str, object]:
    return {
        "key": one.key,
        "version": one.version,
        "expire": one.expire.value,
        "value": one.value,
        "published": one.published,
        "epid": one.epid,
        "until": one.until,
    }


def _remains(absences: Sequence[Absence], durable: list[Instance]) -> dict[str, object]:
    """Write what is kept for the blocked, each publication once: it is on the board, or among the others.

    Every set has one row; each absence has the number of its row (-1: none), whether it is a contact's, and its ages.
    """
    numbers = {id(one): number for number, one in enumerate(durable)}
    others: list[object] = []
    rows: dict[int, int] = {}
    sets: list[object] = []
    for kept in (one.remains for one in absences):
        if kept is None or id(kept) in rows:
            continue
        rows[id(kept)] = len(sets)
        for one in kept.instances:
            if id(one) not in numbers:
                numbers[id(one)] = len(durable) + len(others)
                others.append(_publication(one))
        lists = [[id_, sorted([m.kind.value, m.value] for m in members)] for id_, members in kept.lists]
        sets.append([[numbers[id(one)] for one in kept.instances], lists, kept.private])
    of = [[-1 if one.remains is None else rows[id(one.remains)], one.contact, one.ages] for one in absences]
    return {"publications": others, "sets": sets, "of": of}


def _absences(
    record: dict[str, Any],
    instances: list[Instance],  # Any: JSON, written by us
) -> tuple[Absences, Mapping[int, Absence]]:
    """Read what the blocked see: by their entry in the list, and for dormant people by their number among those."""
    kept = record.get("remains", {"publications": [], "sets": [], "of": []})
    all_ = [*instances, *map(_instance, kept["publications"])]
    sets = [
        SignedOutView(
            tuple(all_[number] for number in numbers),
            tuple((id_, frozenset(member_of(MemberKind(kind), value) for kind, value in of)) for id_, of in lists),
            private,
        )
        for numbers, lists, private in kept["sets"]
    ]
    of = iter(kept["of"] or _UNKNOWN)

    def absence(at: float, last_active: float | None, *listed: list[int]) -> Absence:
        number, contact, ages = next(of, (-1, False, ()))
        remains = None if number < 0 else sets[number]
        return Absence(at, last_active, tuple(*listed), remains, contact, tuple(ages))

    here = {member_of(MemberKind(kind), value): absence(*rest) for kind, value, *rest in record.get("absences", [])}
    return here, {number: absence(*rest) for number, *rest in record.get("sleeping", [])}


def _names(
    board: Board,
    record: dict[str, Any],
    owners: IOwners,
    absences: Mapping[int, Absence],  # Any: JSON, written by us
) -> BoardNames:
    texts = {kept_aor(f"sip:{text}"): text for text in named(board)}
    stored: dict[str, str] | None = record.get("owners")
    written = None if stored is None else {f"sip:{text}": owner for text, owner in stored.items()}
    # Where it is who has the address now, as nearly always, that text is used: one for all boards that name them.
    found = {aor: _shared(owners.owner(aor), owner) for aor, owner in read_owners(owners, written, texts).items()}
    asleep = tuple(
        DormantName(
            aor_of(aor),
            OwnerId(owner),
            tuple(containers),
            None if subscriber is None else Subscriber(aor_of(aor), *subscriber),
            None if delegate is None else Delegate(aor_of(aor), *delegate),
            absences.get(number),
        )
        for number, (aor, owner, containers, subscriber, delegate) in enumerate(record.get("asleep", ()))
    )
    return BoardNames({texts[aor]: owner for aor, owner in found.items() if owner}, asleep)


def _shared(present: OwnerId, owner: OwnerId) -> OwnerId:
    return present if present == owner else owner


def _instance(one: dict[str, Any]) -> Instance:  # Any: JSON, written by us
    key = InstanceKey(*one["key"])
    value: str = interned(one["value"])
    return Instance(
        key,
        one["version"],
        Expire(one["expire"]),
        value,
        one["published"],
        None if one["epid"] is None else epid_of(one["epid"]),
        one["until"],
        *(_meaning(key, value) if value and key.category in READ else read_value(key, None)),
    )


def _meaning(key: InstanceKey, text: str) -> tuple[StateDocument | None, Device | None, bool]:
    named = key.category, key.instance, text
    return _remembered[named] if len(text) <= REMEMBERED_BYTES else _read(named)


def _read(named: tuple[str, int, str]) -> tuple[StateDocument | None, Device | None, bool]:
    category, instance, text = named
    return read_value(InstanceKey(category, instance, DEFAULT), read_xml(text.encode()))


# Many people have chosen the same few states, and most of them in two containers.
_remembered: Final = Remembered(_read, 4_194_304)
