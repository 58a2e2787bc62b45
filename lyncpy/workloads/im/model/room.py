"""The chat of one conference: who has a place in it, and what is on its way to whom; pure.

A message becomes a `ChatMessage`, one for all who are to get it. Each place takes letters in the
order in which they were accepted, so that each sender's order holds for every recipient, and
has bounds of its own: who does not take what he is sent slows nobody down. A letter is
finished when it has an outcome at each place; then its sender is told who did not get it.

Methods give what has to be done now, in order; whoever runs the room does it and tells the
outcomes. How participants are attached is their legs' affair (`ILeg`; `legs.py` for SIP).

Spec: [MS-CONFIM] 3.1.5.
"""

from collections import Counter, deque
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from zope.interface import implementer

from lyncpy.contracts.mcu import DeliveryFailure, FailureKind, ILeg, IMessage, Participant
from lyncpy.contracts.names import Aor, Epid


@dataclass(frozen=True, slots=True)
class RoomBounds:
    """What one place may hold."""

    window: int
    """Messages sent to a leg that it has not answered."""

    waiting: int
    """Messages that wait behind those."""

    waiting_bytes: int
    """What the bodies of those may have together; one message always has room."""

    silences: int
    """Messages one after the other that a leg does not answer; then it is over."""


LEFT: Final = DeliveryFailure(FailureKind.LOST, 480)
"""They went before it was their turn."""

LOST: Final = DeliveryFailure(FailureKind.LOST, 430, '1006;reason="Error routing on client connection"')
"""The connection was gone before it was their turn."""

OVERFULL: Final = DeliveryFailure(FailureKind.SILENT, 408, '6001;reason="Request Timeout";component="ImMcu"')
"""So much waits for them already that this cannot arrive in time."""


class ChatMember:
    """One participant's place, from joining to leaving.

    Attributes:
        participant: Who.
        leg: How he is attached.
        is_here: Whether he has not left.
    """

    __slots__ = ("_is_open", "_size", "_under_way", "is_here", "leg", "participant", "silences", "waiting")

    def __init__(self, participant: Participant, leg: ILeg) -> None:
        self.participant: Final = participant
        self.leg: Final = leg
        self.is_here = True
        self.silences = 0
        self.waiting: deque[ChatMessage] = deque()
        self._is_open = False
        self._size = 0
        self._under_way = 0

    @property
    def keeps_up(self) -> bool:
        """Whether nothing waits for him, and he answers."""
        return self._is_open and not self.waiting and not self.silences

    def enqueue(self, message: "ChatMessage", bounds: RoomBounds) -> "bool | None":
        """Take a letter: True, it goes now; False, it waits; None, there is no room for it."""
        if self._is_open and not self.waiting and self._under_way < bounds.window:
            self._under_way += 1
            return True
        size = len(message.body)
        if self.waiting and (len(self.waiting) >= bounds.waiting or self._size + size > bounds.waiting_bytes):
            return None
        self.waiting.append(message)
        self._size += size
        return False

    def answered(self) -> None:
        """One that was under way is not any more."""
        self._under_way -= 1

    def open(self) -> None:
        """Let letters go from now on."""
        self._is_open = True

    def next(self, bounds: RoomBounds) -> "ChatMessage | None":
        """Give the next letter that may go now."""
        if not self.waiting or not self._is_open or self._under_way >= bounds.window:
            return None
        message = self.waiting.popleft()
        self._size -= len(message.body)
        self._under_way += 1
        return message

    def drain(self) -> "tuple[ChatMessage, ...]":
        """Leave; give the letters that have not gone."""
        left = tuple(self.waiting)
        self.waiting.clear()
        self.is_here = False
        return left


@implementer(IMessage)
@dataclass(slots=True, eq=False)
class ChatMessage:
    """One message on its way to everybody who was there when it came."""

    number: int
    """Message-Id: names it within the conference."""

    sender: ChatMember
    content_type: str
    """As it came, with parameters."""

    body: bytes
    audience: tuple[ChatMember, ...]
    open_ends: int
    """Places without an outcome."""

    failures: list[tuple[ChatMember, DeliveryFailure]] = field(default_factory=list)
    forms: dict[object, object] = field(default_factory=dict)
    """What legs have made of it for all who can show the same."""

    @property
    def author(self) -> Aor:
        """Give who said it."""
        return self.sender.participant.user


class Deliver(NamedTuple):
    """Give a letter to a leg, and tell `Room.settled` what came of it."""

    member: ChatMember
    message: ChatMessage


class Finished(NamedTuple):
    """A letter has an outcome at every place."""

    message: ChatMessage


class LegEnded(NamedTuple):
    """A leg is to be ended: it takes nothing any more."""

    member: ChatMember
    kind: FailureKind
    """Silent, or lost."""


Effect = Deliver | Finished | LegEnded


class Room:
    """One conference's chat.

    Attributes:
        conference: The focus URI.
        counts: How many messages each user has sent, since the room was made.
        people: The users who are here now; the same object until they, or `has_guests`, are others.
        has_guests: Whether somebody here is not of this enterprise.
    """

    def __init__(self, conference: str, bounds: RoomBounds) -> None:
        """Begin empty."""
        self.conference: Final = conference
        self.counts: Final[Counter[Aor]] = Counter()
        self.people: frozenset[Aor] = frozenset()
        self.has_guests = False
        self._bounds = bounds
        self._seats: dict[tuple[Aor, Epid], ChatMember] = {}
        self._number = 0

    def __len__(self) -> int:
        return len(self._seats)

    def members(self) -> tuple[ChatMember, ...]:
        """Give all places, in the order in which they were taken."""
        return tuple(self._seats.values())

    def members_of(self, user: Aor, epid: Epid | None = None) -> tuple[ChatMember, ...]:
        """Give the places of a user, or of one of his devices."""
        return tuple(member for (who, by), member in self._seats.items() if who == user and epid in (None, by))

    def join(self, member: ChatMember) -> None:
        """Take a place; what was said before is not for it. Nothing goes to it before it is opened.

        The device's earlier place must have been left.
        """
        self._seats[_key(member)] = member
        self._look_round()

    def open(self, member: ChatMember) -> list[Effect]:
        """Let go what waited for a participant whose joining is complete."""
        member.open()
        return self._go_on(member)

    def leave(self, member: ChatMember, why: DeliveryFailure = LEFT) -> list[Effect]:
        """Give up a place; what still waits for it did not arrive. What is under way may still be answered."""
        if not member.is_here:
            return []
        del self._seats[_key(member)]
        self._look_round()
        effects: list[Effect] = []
        for message in member.drain():
            effects += _outcome(message, member, why)
        return effects

    def accept(self, sender: ChatMember, content_type: str, body: bytes) -> ChatMessage:
        """Give a message its number and its audience: all other places, those of the sender's other devices too."""
        self._number += 1
        audience = tuple(member for member in self._seats.values() if member is not sender)
        return ChatMessage(self._number, sender, content_type, body, audience, len(audience))

    def spread(self, message: ChatMessage) -> list[Effect]:
        """Let an accepted letter go to its audience; letters of one sender in the order in which they were accepted."""
        self.counts[message.sender.participant.user] += 1
        if not message.audience:
            return [Finished(message)]
        effects: list[Effect] = []
        bounds = self._bounds
        for member in message.audience:
            if not member.is_here:
                effects += _outcome(message, member, LEFT)
                continue
            goes = member.enqueue(message, bounds)
            if goes:
                effects.append(Deliver(member, message))
            elif goes is None:
                effects += _outcome(message, member, OVERFULL)
        return effects

    def settled(self, member: ChatMember, message: ChatMessage, failure: DeliveryFailure | None) -> list[Effect]:
        """Note what came of a letter at a place, and let the next one go."""
        member.answered()
        effects = _outcome(message, member, failure)
        if not member.is_here:
            return effects
        member.silences = member.silences + 1 if failure is not None and failure.kind is FailureKind.SILENT else 0
        if member.silences >= self._bounds.silences:
            effects.append(LegEnded(member, FailureKind.SILENT))
        elif failure is not None and failure.kind is FailureKind.LOST:
            effects.append(LegEnded(member, FailureKind.LOST))
        else:
            effects += self._go_on(member)
        return effects

    def _go_on(self, member: ChatMember) -> list[Effect]:
        effects: list[Effect] = []
        while (message := member.next(self._bounds)) is not None:
            effects.append(Deliver(member, message))
        return effects

    def _look_round(self) -> None:
        people = frozenset(user for user, _ in self._seats)
        has_guests = any(not member.participant.internal for member in self._seats.values())
        if (people, has_guests) != (self.people, self.has_guests):
            self.people, self.has_guests = people, has_guests


def _key(member: ChatMember) -> tuple[Aor, Epid]:
    return member.participant.user, member.participant.epid


def _outcome(message: ChatMessage, member: ChatMember, failure: DeliveryFailure | None) -> list[Effect]:
    message.open_ends -= 1
    if failure is not None:
        message.failures.append((member, failure))
    return [] if message.open_ends else [Finished(message)]
