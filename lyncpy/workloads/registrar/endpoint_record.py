"""The record of where a user is signed in, as all processes read it: bytes ↔ endpoints.

One JSON object: `v`, the version of this form, and `endpoints`, each with the keys below. `since` and `until` are seconds
since 1970, by a clock that does not step; within a process they are monotonic, and `offset_s` is what lies between the two.
Keys that are not known are ignored.
"""

import json
from collections.abc import Sequence
from typing import Any, Final

from lyncpy.contracts.locator import Endpoint
from lyncpy.contracts.names import Aor, FlowName, epid_of, instance_of

VERSION: Final = 1

_TEXTS: Final = ("epid", "instance", "gruu", "contact", "flow", "agent", "address")


class RecordUnreadable(Exception):
    """A record is none that this version understands."""


def write_record(endpoints: Sequence[Endpoint], offset_s: float) -> bytes:
    """Write where a user is signed in."""
    rows = [
        {
            "epid": one.epid.written, "instance": one.instance, "gruu": one.gruu, "contact": one.contact, "flow": one.flow,
            "agent": one.user_agent, "address": one.address,
            "since": round(one.since + offset_s, 3), "until": round(one.expires + offset_s, 3),
        }
        for one in endpoints
    ]  # fmt: skip
    return json.dumps({"v": VERSION, "endpoints": rows}, separators=(",", ":")).encode()


def read_record(aor: Aor, data: bytes, offset_s: float) -> tuple[Endpoint, ...]:
    """Read where a user is signed in.

    Raises:
        RecordUnreadable: Another version wrote it, or nobody.
    """
    try:
        told = json.loads(data)
        if told["v"] != VERSION:
            raise RecordUnreadable(f"it has the version {str(told['v'])[:20]}")
        return tuple(_endpoint(aor, row, offset_s) for row in told["endpoints"])
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise RecordUnreadable(str(error)) from None


def _endpoint(aor: Aor, row: Any, offset_s: float) -> Endpoint:  # Any: whatever JSON has
    epid, instance, gruu, contact, flow, agent, address = (str(row[name]) for name in _TEXTS)
    return Endpoint(
        aor=aor,
        epid=epid_of(epid),
        instance=instance_of(instance),
        gruu=gruu,
        contact=contact,
        flow=FlowName(flow),
        user_agent=agent,
        since=float(row["since"]) - offset_s,
        expires=float(row["until"]) - offset_s,
        address=address,
    )
