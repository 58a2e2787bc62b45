"""A board's form in the store: JSON, in which only what outlives the process is kept.

Publications that are bound to endpoints die with the process, as their endpoints do; what
the server makes is made anew.
"""

import json
from typing import Any, Final

from lyncpy.contracts.names import Aor, Version, aor_of, epid_of
from lyncpy.sip.markup import read_xml
from lyncpy.workloads.presence.board import Board
from lyncpy.workloads.presence.bodies import READ, read_value
from lyncpy.workloads.presence.levels import member_of
from lyncpy.workloads.presence.model import (
    Container,
    Delegate,
    Delegates,
    Expire,
    Instance,
    Key,
    MemberKind,
    Subscriber,
)

_FORM: Final = 2
"""1 knew no delegates; such a record is read as one without any."""


def write_record(board: Board) -> bytes:
    """Write what of a board has to be durable."""
    record = {
        "form": _FORM,
        "version": board.version,
        "last_active": board.last_active,
        "publications": [
            {
                "key": one.key,
                "version": one.version,
                "expire": one.expire.value,
                "value": one.value,
                "published": one.published,
                "epid": one.epid,
                "until": one.until,
            }
            for one in board.instances.values()
            if one.is_durable
        ],
        "containers": {
            str(id_): {"version": one.version, "members": sorted([m.kind.value, m.value] for m in one.members)}
            for id_, one in board.containers.items()
        },
        "subscribers": [[one.aor, one.display_name, one.acknowledged, one.context] for one in board.subscribers],
        "delegates": {"version": board.delegates.version, "members": board.delegates.members},
    }
    return json.dumps(record, ensure_ascii=False, separators=(",", ":")).encode()


def read_record(aor: Aor, data: bytes) -> Board:
    """Read a board as `write_record` wrote it; the aggregate states and the server's publications are missing."""
    record: dict[str, Any] = json.loads(data)  # Any: JSON, written by us
    if record["form"] > _FORM:
        raise ValueError(f"the presence of {aor} was stored by a newer server: form {record['form']}")
    instances = [_instance(one) for one in record["publications"]]
    delegates = record.get("delegates", {"version": 0, "members": []})
    return Board(
        aor,
        Version(record["version"]),
        {one.key: one for one in instances},
        {
            int(id_): Container(
                one["version"], frozenset(member_of(MemberKind(kind), value) for kind, value in one["members"])
            )
            for id_, one in record["containers"].items()
        },
        tuple(Subscriber(aor_of(who), *rest) for who, *rest in record["subscribers"]),
        record["last_active"],
        Delegates(delegates["version"], tuple(Delegate(aor_of(who), *rights) for who, *rights in delegates["members"])),
    )


def _instance(one: dict[str, Any]) -> Instance:  # Any: JSON, written by us
    key = Key(*one["key"])
    value: str = one["value"]
    return Instance(
        key,
        one["version"],
        Expire(one["expire"]),
        value,
        one["published"],
        None if one["epid"] is None else epid_of(one["epid"]),
        one["until"],
        *read_value(key, read_xml(value.encode()) if value and key.category in READ else None),
    )
