"""The chat of one conference: its members, and the messages on their way to each; pure.

A message becomes a `ChatMessage`, one for all who are to get it. Each member is sent messages in the
order in which they were accepted, so that each sender's order holds for every recipient, and
has bounds of its own: a member that does not answer slows nobody else down. A message is
finished when it has an outcome for each recipient; then its sender is told who did not get it.

Methods return the effects to be performed, in order; `chat.py` performs them and calls
`settled` with the outcomes. Members are attached by their legs (`ILeg`; `legs.py` for SIP).

Spec: [MS-CONFIM] 3.1.5.
"""

import enum
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from zope.interface import implementer

from lyncpy.contracts.archive import ConversationEvent
from lyncpy.contracts.mcu import DeliveryFailure, FailureKind, ILeg, IMessage, Participant
from lyncpy.contracts.names import Aor, Epid


@dataclass(frozen=True, slots=True)
class RoomBounds:
    """The bounds of one member."""

    window: int
    """Messages sent to its leg and not answered, at most."""

    waiting: int
    """Messages that wait behind those, at most."""

    waiting_bytes: int
    """Bytes that the bodies of those may have together; one message always has room."""

    silences: int
    """Messages one after the other that a leg does not answer, until it is ended."""

    joining_s: float
    """Seconds after which a member that has not said that it has joined is ended."""


LEFT: Final = DeliveryFailure(FailureKind.LOST, 480)
"""The member left before the message was sent to it."""

LOST: Final = DeliveryFailure(FailureKind.LOST, 430, '1006;reason="Error routing on client connection"')
"""The member's connection was lost before the message was sent to it."""

OVERFULL: Final = DeliveryFailure(FailureKind.SILENT, 408, '6001;reason="Request Timeout";component="ImMcu"')
"""So much waits for the member already that this message cannot arrive in time."""


Device = tuple[Aor, Epid]
"""A user and one of their devices."""


class MemberState(enum.Enum):
    """Where a member of a chat is."""

    JOINING = "joining"
    """Admitted; messages wait until it says that it knows."""

    PRESENT = "present"
    LEAVING = "leaving"
    """Its leg is to be ended, by an effect; no further message is sent to it."""

    TERMINATED = "terminated"


class MemberEvent(enum.Enum):
    """What may happen to a member."""

    JOINED = "it says that it has joined"
    EXPIRED = "it has not said so in time"
    SILENT = "its leg answers nothing any more"
    LOST = "its leg is no more"
    LEFT = "it has left, or was removed"


MEMBER: Final[Mapping[MemberState, Mapping[MemberEvent, MemberState]]] = {
    MemberState.JOINING: {
        MemberEvent.JOINED: MemberState.PRESENT,
        MemberEvent.EXPIRED: MemberState.LEAVING,
        MemberEvent.LEFT: MemberState.TERMINATED,
    },
    MemberState.PRESENT: {
        MemberEvent.SILENT: MemberState.LEAVING,
        MemberEvent.LOST: MemberState.LEAVING,
        MemberEvent.LEFT: MemberState.TERMINATED,
    },
    MemberState.LEAVING: {MemberEvent.LEFT: MemberState.TERMINATED},
    MemberState.TERMINATED: {},
}

# Asked for at each copy of each message: a member of an Enum costs 0.1 µs in Python 3.11, a name does not.
_PRESENT: Final = MemberState.PRESENT
_TERMINATED: Final = MemberState.TERMINATED


class ChatMember:
    """One participant in the chat with one device, from joining to leaving.

    Attributes:
        participant: The user and the device.
        leg: How it is attached.
        state: Where it is.
        silences: Messages one after the other that it has not answered.
        waiting: Messages that were not sent to it yet, oldest first.
        kept: The numbers of those that its own node keeps meanwhile.
    """

    __slots__ = ("_size", "_under_way", "kept", "leg", "participant", "silences", "state", "waiting")

    def __init__(self, participant: Participant, leg: ILeg) -> None:
        self.participant: Final = participant
        self.leg: Final = leg
        self.state = MemberState.JOINING
        self.silences = 0
        self.waiting: deque[ChatMessage] = deque()
        self.kept: set[int] = set()
        self._size = 0
        self._under_way = 0

    @property
    def is_here(self) -> bool:
        """Whether it has not left."""
        return self.state is not _TERMINATED

    @property
    def keeps_up(self) -> bool:
        """Whether it is present, no message waits for it, and it answers."""
        return self.state is _PRESENT and not self.waiting and not self.silences

    def receive(self, event: MemberEvent) -> bool:
        """Make the move of an event; tell whether there is one in this state."""
        state = MEMBER[self.state].get(event)
        if state is None:
            return False
        self.state = state
        return True

    def enqueue(self, message: "ChatMessage", bounds: RoomBounds) -> "bool | None":
        """Add a message: True, it is to be sent now; False, it waits; None, there is no room for it."""
        if self.state is _PRESENT and not self.waiting and self._under_way < bounds.window:
            self._under_way += 1
            return True
        size = len(message.body)
        if self.waiting and (len(self.waiting) >= bounds.waiting or self._size + size > bounds.waiting_bytes):
            return None
        self.waiting.append(message)
        self._size += size
        return False

    def was_sent(self) -> None:
        """Note that a message was sent to it by a former home."""
        self._under_way += 1

    def answered(self) -> None:
        """Note that one message under way has an outcome."""
        self._under_way -= 1

    def next(self, bounds: RoomBounds) -> "ChatMessage | None":
        """Remove and return the next message that may be sent now; None: there is none."""
        if not self.waiting or self.state is not _PRESENT or self._under_way >= bounds.window:
            return None
        message = self.waiting.popleft()
        self._size -= len(message.body)
        self._under_way += 1
        return message

    def drain(self) -> "tuple[ChatMessage, ...]":
        """Remove and return the messages that were not sent."""
        left = tuple(self.waiting)
        self.waiting.clear()
        return left


@implementer(IMessage)
@dataclass(slots=True, eq=False)
class ChatMessage:
    """One message on its way to all who were members when it was accepted."""

    number: int
    """Its Message-Id, which identifies it within the conference."""

    sender: ChatMember
    content_type: str
    """As it came, with parameters."""

    body: bytes
    audience: tuple[ChatMember, ...]
    open_to: set[ChatMember]
    """Recipients without an outcome."""

    entry: ConversationEvent | None = None
    """What the archive has of it; None: it is not archived."""

    failures: list[tuple[ChatMember, DeliveryFailure]] = field(default_factory=list)
    forms: dict[object, object] = field(default_factory=dict)
    """The forms in which legs have written it, for all who can show the same types."""

    is_left: bool = False
    """Whether its sender's node keeps who has not got it."""

    @property
    def author(self) -> Aor:
        """The user who sent it."""
        return self.sender.participant.user


@dataclass(frozen=True, slots=True)
class LeftMessage:
    """A message that a former home of the conference had accepted, and that has no outcome for some."""

    number: int
    sender: Device
    content_type: str
    body: bytes
    """Both are empty where nobody waits for it."""

    open_to: tuple[Device, ...]
    """For whom it has no outcome."""

    waiting: frozenset[Device]
    """To whom of them it was not sent."""

    failures: tuple[tuple[Device, DeliveryFailure], ...]
    entry: ConversationEvent | None
    """What the archive has of it; None: it is not archived."""

    is_left: bool
    """Whether its sender's node keeps who has not got it."""


class DeliverToLeg(NamedTuple):
    """Pass a message to a member's leg, and call `Room.settled` with the outcome."""

    member: ChatMember
    message: ChatMessage


class Waits(NamedTuple):
    """A message waits for a member that does not keep up."""

    member: ChatMember
    message: ChatMessage


class Probe(NamedTuple):
    """Ask whether a member is there, which shows that it has what was sent to it before; call `Room.settled` with the outcome."""

    member: ChatMember
    messages: tuple[ChatMessage, ...]


class Finished(NamedTuple):
    """Tell the sender: a message has an outcome for every recipient."""

    message: ChatMessage


class LegEnded(NamedTuple):
    """End a member's leg, which takes nothing any more."""

    member: ChatMember
    kind: FailureKind
    """SILENT or LOST."""


ChatEffect = DeliverToLeg | Waits | Probe | Finished | LegEnded


class Room:
    """The chat of one conference as a machine: methods return effects, `deadline` is when `expire` has some.

    Attributes:
        conference: The focus URI.
        counts: How many messages each user has sent, since the room was made.
        people: The users who are members now; the same object until they, or `has_guests`, change.
        has_guests: Whether a member is not of this enterprise.
    """

    def __init__(self, conference: str, bounds: RoomBounds) -> None:
        self.conference: Final = conference
        self.counts: Final[Counter[Aor]] = Counter()
        self.people: frozenset[Aor] = frozenset()
        self.has_guests = False
        self._bounds = bounds
        self._members: dict[tuple[Aor, Epid], ChatMember] = {}
        self._joining: dict[ChatMember, float] = {}
        """Members that are JOINING, and until when they may be; the earliest first."""

        self._number = 0

    def __len__(self) -> int:
        return len(self._members)

    def members(self) -> tuple[ChatMember, ...]:
        """Return all members, in the order of joining."""
        return tuple(self._members.values())

    def members_of(self, user: Aor, epid: Epid | None = None) -> tuple[ChatMember, ...]:
        """Return the members of a user, or the one of their device `epid`."""
        return tuple(member for (who, by), member in self._members.items() if who == user and epid in (None, by))

    def join(self, member: ChatMember, now: float) -> None:
        """Add a member; messages accepted from now on are for it, and wait until it has `joined`.

        An earlier member of the same device must have left. `now` never decreases from call to call.
        """
        self._members[_key(member)] = member
        self._joining[member] = now + self._bounds.joining_s
        self._note_people()

    def joined(self, member: ChatMember) -> list[ChatEffect]:
        """Note that a member knows that it has joined: messages that waited are sent. Again, it changes nothing."""
        if not member.receive(MemberEvent.JOINED):
            return []
        del self._joining[member]
        return self._send_waiting(member)

    def deadline(self) -> float | None:
        """Return when `expire` has something to do, in monotonic seconds; None: nobody is joining."""
        return next(iter(self._joining.values()), None)

    def expire(self, now: float) -> list[ChatEffect]:
        """End the legs of members that have not said in time that they joined."""
        effects: list[ChatEffect] = []
        # The earliest first: those whose time has not come are not looked at.
        while self._joining and next(iter(self._joining.values())) <= now:
            member = next(iter(self._joining))
            del self._joining[member]
            effects += self._end_leg(member, MemberEvent.EXPIRED, FailureKind.SILENT)
        return effects

    def leave(self, member: ChatMember, why: DeliveryFailure = LEFT) -> list[ChatEffect]:
        """Remove a member; messages that wait for it have failed. Those under way may still be answered."""
        if not member.receive(MemberEvent.LEFT):
            return []
        del self._members[_key(member)]
        self._joining.pop(member, None)
        self._note_people()
        effects: list[ChatEffect] = []
        for message in member.drain():
            effects += _outcome(message, member, why)
        return effects

    def accept(self, sender: ChatMember, content_type: str, body: bytes) -> ChatMessage:
        """Return a message with its number and its audience: all other members, the sender's other devices too."""
        self._number += 1
        audience = tuple(member for member in self._members.values() if member is not sender)
        return ChatMessage(self._number, sender, content_type, body, audience, set(audience))

    def spread(self, message: ChatMessage) -> list[ChatEffect]:
        """Send an accepted message to its audience; called in the order in which a sender's messages were accepted."""
        self.counts[message.sender.participant.user] += 1
        if not message.audience:
            return [Finished(message)]
        effects: list[ChatEffect] = []
        for member in message.audience:
            effects += self._pass_on(message, member) if member.is_here else _outcome(message, member, LEFT)
        return effects

    def resume(
        self, first: int, left: Sequence[LeftMessage], no_leg: ILeg
    ) -> tuple[Sequence[ChatMessage], list[ChatEffect]]:
        """Go on with what a former home had accepted, when all are members who are still there; give the messages, too.

        Args:
            first: Behind which number those of messages begin.
            left: The messages, in order.
            no_leg: The leg of whoever is not there any more.
        """
        self._number = max(self._number, first)
        effects: list[ChatEffect] = []
        probed: dict[ChatMember, list[ChatMessage]] = {}
        messages = [self._resumed(one, no_leg) for one in left]
        for one, message in zip(left, messages, strict=True):
            if not message.audience:
                effects.append(Finished(message))
            for member in message.audience:
                if not member.is_here:
                    effects += _outcome(message, member, LOST)
                elif _key(member) in one.waiting:
                    member.kept.add(one.number)
                    effects += self._pass_on(message, member)
                else:
                    member.was_sent()
                    probed.setdefault(member, []).append(message)
        return messages, [*(Probe(member, tuple(theirs)) for member, theirs in probed.items()), *effects]

    def settled(self, member: ChatMember, message: ChatMessage, failure: DeliveryFailure | None) -> list[ChatEffect]:
        """Note the outcome of a message at a recipient, and send it the next one; `failure` None: it has arrived."""
        member.answered()
        effects = _outcome(message, member, failure)
        member.silences = member.silences + 1 if failure is not None and failure.kind is FailureKind.SILENT else 0
        if member.silences >= self._bounds.silences:
            effects += self._end_leg(member, MemberEvent.SILENT, FailureKind.SILENT)
        elif failure is not None and failure.kind is FailureKind.LOST:
            effects += self._end_leg(member, MemberEvent.LOST, FailureKind.LOST)
        elif member.waiting:
            effects += self._send_waiting(member)
        return effects

    def _pass_on(self, message: ChatMessage, member: ChatMember) -> list[ChatEffect]:
        """Send a message to a member, now or later."""
        is_sent = member.enqueue(message, self._bounds)
        if is_sent:
            return [DeliverToLeg(member, message)]
        return _outcome(message, member, OVERFULL) if is_sent is None else [Waits(member, message)]

    def _resumed(self, left: LeftMessage, no_leg: ILeg) -> ChatMessage:
        def member_of(device: Device) -> ChatMember:
            found = self._members.get(device)
            return found if found is not None else _absent(self.conference, device, no_leg)

        audience = tuple(map(member_of, left.open_to))
        failures = [(member_of(device), why) for device, why in left.failures]
        sender = member_of(left.sender)
        message = ChatMessage(
            left.number, sender, left.content_type, left.body, audience, set(audience), left.entry, failures
        )
        message.is_left = left.is_left and sender.is_here
        return message

    def _end_leg(self, member: ChatMember, event: MemberEvent, kind: FailureKind) -> list[ChatEffect]:
        return [LegEnded(member, kind)] if member.receive(event) else []

    def _send_waiting(self, member: ChatMember) -> list[ChatEffect]:
        effects: list[ChatEffect] = []
        while (message := member.next(self._bounds)) is not None:
            effects.append(DeliverToLeg(member, message))
        return effects

    def _note_people(self) -> None:
        people = frozenset(user for user, _ in self._members)
        has_guests = any(not member.participant.internal for member in self._members.values())
        if (people, has_guests) != (self.people, self.has_guests):
            self.people, self.has_guests = people, has_guests


def _key(member: ChatMember) -> Device:
    return member.participant.user, member.participant.epid


def _absent(conference: str, device: Device, no_leg: ILeg) -> ChatMember:
    """Give somebody who was a member at a former home, and is no more."""
    member = ChatMember(Participant(conference, *device, ""), no_leg)
    member.state = _TERMINATED
    return member


def _outcome(message: ChatMessage, member: ChatMember, failure: DeliveryFailure | None) -> list[ChatEffect]:
    message.open_to.discard(member)
    if failure is not None:
        message.failures.append((member, failure))
    return [] if message.open_to else [Finished(message)]
