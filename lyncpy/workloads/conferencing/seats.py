"""What this node, as the home of a conference, leaves of each device with the device's own node: the next home goes on with that.

That is the request that made a dialog, and our tag of it. What a meeting has to remember is in the conference's record; who
is still there to be gone on with, only the node can say that has the connection.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import count
from typing import Any, Final

from lyncpy.contracts.arrival import Arrival, Identity
from lyncpy.contracts.deposit import Deposit
from lyncpy.contracts.names import Aor, Epid, aor_of, epid_of
from lyncpy.core.deposits import Deposits
from lyncpy.core.notifier import Subscription
from lyncpy.core.remote_flows import MessageReader
from lyncpy.sip.encoder import encode
from lyncpy.sip.message import Request
from lyncpy.workloads.conferencing.model.attendees import Admitted, Gone, MediumLeft, Meeting, MeetingChange
from lyncpy.workloads.conferencing.model.conference import FOCUS

ROSTER: Final = "roster"
"""Of the dialogs of a device, the subscription; the others go by the kinds of their endpoints."""

PREFIX: Final = "conference "
"""What the keys of homes of conferences begin with; behind it stands the key of the record."""


@dataclass(frozen=True, slots=True)
class Seat:
    """One dialog of a device in a conference, as a former home has left it."""

    kind: str
    """FOCUS, ROSTER, or the kind of a medium."""

    arrival: Arrival
    """The request that made it."""

    tag: str
    """Our tag."""

    order: int
    """Which was made first."""

    turns: int
    """How often the dialog was gone on with by another home."""

    was_inside: bool
    """Whether they were in the meeting, and not in its lobby."""


class Seats:
    """What is left with others. See `MeetingObserver`.

    Args:
        deposits: Leaves it with them.
        is_alone: Whether there are no others.
    """

    def __init__(self, deposits: Deposits, *, is_alone: bool) -> None:
        self._deposits = deposits
        self._is_alone = is_alone
        self._left: dict[str, dict[str, Deposit]] = {}
        self._order = count(1)

    def leave(self, key: str, kind: str, arrival: Arrival, tag: str, *, waits: bool, turns: int) -> None:
        """Leave a dialog that a device has begun with a conference.

        Args:
            key: Of the conference's record.
            kind: Which of the device's dialogs.
            arrival: The request that made it.
            tag: Our tag.
            waits: Whether they are in the lobby.
            turns: How often it was gone on with.
        """
        if self._is_alone:
            return
        sender = arrival.sender
        said: dict[str, object] = {
            "kind": kind, "tag": tag, "order": next(self._order), "turns": turns, "inside": not waits,
            "aor": sender.aor, "epid": sender.epid.written, "scheme": sender.scheme, "guest": sender.guest, "peer": arrival.peer,
        }  # fmt: skip
        name = _name(kind, sender.aor, sender.epid)
        self._leave(key, Deposit(PREFIX + key, name, arrival.flow, sender.aor, said, encode(arrival.request)))

    def unsubscribed(self, key: str, subscription: Subscription) -> None:
        """Note that a device watches the roster no more, or does so in another dialog."""
        name = _name(ROSTER, subscription.watcher, subscription.epid)
        found = self._left.get(key, {}).get(name)
        if found is not None and found.said["tag"] == subscription.machine.dialog.local_tag:
            self._withdraw(key, name)

    def meeting_changed(self, before: Meeting, after: Meeting, change: MeetingChange) -> None:
        """Note who has left, and who was let in."""
        key = after.conference.key
        match change:
            case Gone(user, endpoint, media):
                for kind in (*(end.kind for end in media), ROSTER, FOCUS):
                    self._withdraw(key, _name(kind, user, endpoint.epid))
            case MediumLeft(user, endpoint):
                self._withdraw(key, _name(endpoint.kind, user, endpoint.epid))
            case Admitted(user):
                for device in after.attendees[user].devices:
                    found = self._left.get(key, {}).get(_name(FOCUS, user, device.epid))
                    if found is not None:
                        self._leave(key, replace(found, said={**found.said, "inside": True}))

    def abandon(self, key: str) -> None:
        """Know no more of a conference with which another node goes on; what was left stays there."""
        self._left.pop(key, None)

    def _withdraw(self, key: str, name: str) -> None:
        theirs = self._left.get(key, {})
        found = theirs.pop(name, None)
        if found is not None:
            self._deposits.withdraw(found.key, found.name, found.flow)
            if not theirs:
                del self._left[key]

    def _leave(self, key: str, deposit: Deposit) -> None:
        self._left.setdefault(key, {})[deposit.name] = deposit
        self._deposits.leave(deposit)


def read_seat(deposit: Deposit, now: float) -> Seat | None:
    """Read what a former home has left; None: it is nothing that this version understands."""
    said, request = deposit.said, MessageReader()(deposit.data)
    texts = [said.get(name) for name in ("kind", "tag", "aor", "epid", "scheme", "peer")]
    numbers = [said.get(name) for name in ("order", "turns")]
    if not isinstance(request, Request) or not all(isinstance(one, str) for one in texts):
        return None
    if not all(type(one) is int for one in numbers):
        return None
    kind, tag, aor, epid, scheme, peer = map(str, texts)
    who = Identity(aor_of(aor), epid_of(epid), scheme, guest=said.get("guest") is True)
    arrival = Arrival(request, deposit.flow, peer, now, who)
    return Seat(kind, arrival, tag, *_numbers(said), was_inside=said.get("inside") is True)


def _numbers(said: Mapping[str, Any]) -> tuple[int, int]:
    return said["order"], said["turns"]


def _name(kind: str, user: Aor, epid: Epid) -> str:
    return f"{kind} {user} {epid}"
