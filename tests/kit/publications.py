"""Publications of every kind that clients make, for plays that are made up: strategies, and the XML."""

from collections.abc import Sequence

from hypothesis import strategies as st

from lyncpy.contracts.names import Epid
from lyncpy.workloads.presence.model.tables import InstanceKey
from lyncpy.workloads.presence.model.values import write_time
from tests.kit.presence import USER_INSTANCE, note, state

Wish = tuple[str, int, int, str, str]
"""What kind, a number, a container, an expire type, and which version: the right one, none or a wrong one."""

containers = st.sampled_from([100, 200, 200, 300, 400, 400, 1000, 32000, 32000])
numbers = st.sampled_from([3500, 5000, 6500, 6900, 7500, 9500, 12500, 15500, 18500])
kinds = st.sampled_from(
    ["machine", "machine", "user", "user", "timed", "meeting", "phone", "note", "note", "note", "calendar", "device",
     "reset", "clear", "history", "hours", "own", "forbidden", "card"]
)  # fmt: skip
wishes = st.tuples(
    kinds,
    numbers,
    containers,
    st.sampled_from(["static", "static", "time", "endpoint", "user"]),
    st.sampled_from(["right", "right", "right", "right", "right", "none", "wrong"]),
)
requests = st.lists(wishes, min_size=1, max_size=3)
lively = st.lists(
    st.tuples(
        st.sampled_from(["machine", "phone", "device"]), numbers, containers, st.just("endpoint"), st.just("right")
    ),
    min_size=1,
    max_size=2,
)
"""What ends with its endpoint, so that the store is not asked."""


def publications_of(wish: Wish, epid: Epid, instance: str, now: float) -> list[tuple[InstanceKey, str, str]]:
    """Write a wish as a client of this endpoint does: (key, XML, expire type and what belongs to it)."""
    kind, number, container, expire, _ = wish
    mine = int(epid[:8], 16)
    both = (2, 3)
    lasts = ' expires="20"' if expire == "time" else ""
    ends = f' endTime="{write_time(now + 90)}Z"' if number > 7000 else ""
    meets = f' startTime="{write_time(now + 20)}Z"{ends}'
    match kind:
        case "machine":
            inner = (
                '<device xmlns="http://schemas.microsoft.com/2006/09/sip/commontypes">phone</device>'
                if number > 7000
                else ""
            )
            return _all("state", mine >> 4 | 0x30000000, both, state("machineState", number, inner=inner), "endpoint")
        case "user":
            return _all("state", USER_INSTANCE, both, state("userState", number, manual=True), "static")
        case "timed":
            return _all(
                "state", USER_INSTANCE + 1, both, state("userState", number, manual=True), "time", ' expires="20"'
            )
        case "meeting":
            inner = f"<meetingSubject>secret {number}</meetingSubject><meetingLocation>room</meetingLocation>"
            return _all(
                "state",
                0x40000000 + number % 3,
                both,
                state("calendarState", number, inner=inner, attributes=meets),
                "static",
            )
        case "phone":
            inner = '<activity token="on-the-phone" minAvailability="6500" maxAvailability="8999"/>'
            return _all("state", 0x50000000 + (mine & 0xFFFF), both, state("phoneState", 6500, inner=inner), "endpoint")
        case "note" | "history":
            category = "note" if kind == "note" else "noteHistory"
            return _all(category, 0, (container,), note(f"{container} {number}"), expire, lasts)
        case "calendar" | "hours":
            category = "calendarData" if kind == "calendar" else "workingHours"
            value = f'<{category} xmlns="http://schemas.microsoft.com/2006/09/sip/{category}" n="{number}"/>'
            return _all(category, 0, (container,), value, expire, lasts)
        case "device":
            words = "voice" if number > 7000 else "video"
            value = (
                f'<device xmlns="http://schemas.microsoft.com/2006/09/sip/device" endpointId="{instance}">'
                f'<capabilities><text render="true"/><{words} render="true" publish="x"/></capabilities></device>'
            )
            return _all("device", mine, (2,), value, "endpoint")
        case "reset":
            return _all("state", USER_INSTANCE, both, "", "static", ' expires="0"')
        case "clear":
            return _all("note", 0, (container,), "", expire, ' expires="0"')
        case "own":
            return _all("state", 5, (1000,), state("aggregateState", number), expire, lasts)
        case "card":
            value = f'<contactCard xmlns="http://schemas.microsoft.com/2006/09/sip/contactcard"><x>{number}</x></contactCard>'
            return _all("contactCard", 4, (container,), value, expire, lasts)
        case _:
            return _all("state", 1, (200,), state("aggregateState", number), "static")


def _all(
    category: str, instance: int, where: Sequence[int], value: str, expire: str, extra: str = ""
) -> list[tuple[InstanceKey, str, str]]:
    return [(InstanceKey(category, instance, one), value, f"{expire}{extra}") for one in where]
