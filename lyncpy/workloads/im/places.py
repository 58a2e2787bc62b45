"""The places in all chats, found by what a request within a dialog says, by seat, and by connection."""

from collections.abc import Sequence
from typing import Final

from lyncpy.contracts.arrival import Arrival
from lyncpy.contracts.mcu import Participant
from lyncpy.contracts.names import Aor, FlowName
from lyncpy.contracts.shares import Shares
from lyncpy.contracts.timers import ITimer
from lyncpy.sip.message import Request
from lyncpy.workloads.im.chat import Chat
from lyncpy.workloads.im.legs import SipLeg
from lyncpy.workloads.im.room import Seat


class Place:
    """A seat in a chat, and the dialog by which it is attached.

    Attributes:
        uri: Of the chat, as this participant spells it.
        ack: Runs until the 200 is acknowledged.
    """

    __slots__ = ("ack", "chat", "leg", "name", "seat", "uri")

    def __init__(self, chat: Chat, participant: Participant, leg: SipLeg, uri: str) -> None:
        self.chat: Final = chat
        self.seat: Final = Seat(participant, leg)
        self.leg: Final = leg
        self.name: Final = (leg.dialog.call_id, leg.dialog.local_tag)
        self.uri: Final = uri
        self.ack: ITimer | None = None

    @property
    def line(self) -> str:
        """Name who speaks in it."""
        return f"{self.name[0]} {self.name[1]}"

    def complete(self) -> None:
        """Note that he has his 200: what was said since he joined goes to him now."""
        if self.ack is not None:
            self.cancel_ack()
            self.chat.open(self.seat)

    def cancel_ack(self) -> None:
        """Wait for the ACK no more."""
        if self.ack is not None:
            self.ack.cancel()
            self.ack = None

    def is_of(self, arrival: Arrival) -> bool:
        """Tell whether a request is from the participant himself."""
        who, sender = self.seat.participant, arrival.sender
        return (who.user, who.epid) == (sender.aor, sender.epid)


class Places:
    """The table, bounded in all and for each user."""

    def __init__(self, total: int, per_user: int) -> None:
        """Begin empty."""
        self._shares = Shares(total, {"user": per_user})
        self._places: dict[tuple[str, str], Place] = {}
        self._by_seat: dict[Seat, Place] = {}
        self._on_flow: dict[FlowName, set[Place]] = {}

    def __len__(self) -> int:
        return len(self._places)

    def is_full(self, user: Aor) -> bool:
        """Tell whether this user may have no place more."""
        return bool(self._shares.excess({"user": user}))

    def all(self) -> Sequence[Place]:
        """Give all of them."""
        return tuple(self._places.values())

    def find(self, request: Request) -> Place | None:
        """Give the place whose dialog a request belongs to."""
        return self._places.get((request.call_id, request.to.tag or ""))

    def of(self, seat: Seat) -> Place:
        """Give the place of a seat that is here."""
        return self._by_seat[seat]

    def on_flow(self, flow: FlowName) -> Sequence[Place]:
        """Give those whose participants use a connection."""
        return tuple(self._on_flow.get(flow, ()))

    def add(self, place: Place) -> None:
        """Take a place in."""
        if place.name not in self._places:
            self._shares.add({"user": place.seat.participant.user})
        self._places[place.name] = place
        self._by_seat[place.seat] = place
        self._on_flow.setdefault(place.leg.flow, set()).add(place)

    def remove(self, place: Place) -> None:
        """Take a place out."""
        del self._places[place.name], self._by_seat[place.seat]
        self._shares.give({"user": place.seat.participant.user})
        self._off(place, place.leg.flow)

    def moved(self, place: Place, before: FlowName) -> None:
        """Note that a participant uses another connection than before."""
        self._off(place, before)
        self._on_flow.setdefault(place.leg.flow, set()).add(place)

    def _off(self, place: Place, flow: FlowName) -> None:
        here = self._on_flow[flow]
        here.discard(place)
        if not here:
            del self._on_flow[flow]
