"""Runs one conference's chat: performs the effects of its room, and tells senders and the archive of outcomes."""

import secrets
from collections import Counter, deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

from lyncpy.contracts.archive import ConversationEvent, EntryKind
from lyncpy.contracts.mcu import DeliveryFailure, FailureKind
from lyncpy.contracts.names import Aor
from lyncpy.contracts.refusal import NO_DIALOG, Refused
from lyncpy.contracts.timers import ITimers
from lyncpy.core.deadline import Deadlines, Runner
from lyncpy.core.slices import PIECE_S
from lyncpy.core.tasks import Future
from lyncpy.workloads.im.archiving import Archiving
from lyncpy.workloads.im.model.room import (
    LEFT,
    ChatEffect,
    ChatMember,
    ChatMessage,
    DeliverToLeg,
    Finished,
    LeftMessage,
    Probe,
    Room,
    RoomBounds,
    Waits,
)
from lyncpy.workloads.im.model.session import ArchivePolicy
from lyncpy.workloads.im.no_leg import NoLeg
from lyncpy.workloads.im.open_messages import OpenMessages
from lyncpy.workloads.im.refusals import MOVED

LEFT_AGAIN_S: Final = 1.0
"""After how long it is left anew who has not got a message, if somebody has meanwhile."""


class _Out:
    """Stands behind all copies of one message in what there is to do: they are on their way when it is reached."""

    __slots__ = ("reached",)

    def __init__(self) -> None:
        self.reached: Future[None] = Future()


class Chat(Runner):
    """Runs a room.

    Attributes:
        room: The members, and the messages on their way; a machine.
    """

    def __init__(
        self,
        conference: str,
        bounds: RoomBounds,
        archiving: Archiving,
        timers: ITimers,
        end_leg: Callable[[ChatMember, FailureKind], None],
        open_messages: OpenMessages,
        leaving: Deadlines[str],
    ) -> None:
        """Begin without members.

        Args:
            conference: The focus URI.
            bounds: Of each member.
            end_leg: Ends the leg of a member that takes nothing any more.
            open_messages: Leaves with others what the next home has to know.
            leaving: When that is done anew, by conference: calls `leave_again`.
        """
        self.room: Final = Room(conference, bounds)
        super().__init__(self.room, timers)
        self._archiving = archiving
        self._end_leg = end_leg
        # A conference that is opened again counts its messages from 1, and the archive has one name for each.
        self._opening = secrets.token_hex(4)
        self._to_do: deque[ChatEffect | _Out] = deque()
        self._is_doing = False
        self._policy: ArchivePolicy | None = None
        self._asked_about: frozenset[Aor] = frozenset()
        self._open_messages = open_messages
        self._left: dict[ChatMessage, int] = {}
        """Of messages whose senders are elsewhere: how many had not got them when that was left there; 0: it was not."""

        self._conference = conference
        self._leaving = leaving
        self._is_abandoned = False

    def join(self, member: ChatMember) -> None:
        """Add a member, which has `RoomBounds.joining_s` to say that it has joined."""
        self.room.join(member, self._timers.now())
        self.watch()

    def joined(self, member: ChatMember) -> None:
        """Note that a member has joined: messages that waited for it are sent."""
        self.perform(self.room.joined(member))

    def leave(self, member: ChatMember, why: DeliveryFailure) -> None:
        """Remove a member; the senders of messages that waited for it are told."""
        self._open_messages.gone(member)
        self.perform(self.room.leave(member, why))

    def resume(self, first: int, left: Sequence[LeftMessage]) -> None:
        """Go on with what the former home had accepted, when all are members who are still there. See `Room.resume`."""
        messages, effects = self.room.resume(first, left, NoLeg())
        for message in messages:
            if message.is_left:
                self._left[message] = 0
                self._leaving.set_first(self._conference, LEFT_AGAIN_S)
        self._perform(effects)

    def abandon(self) -> None:
        """Do nothing more: another node goes on with all that is left."""
        self._is_abandoned = True
        to_do = tuple(self._to_do)
        self._to_do.clear()
        for effect in to_do:
            if isinstance(effect, _Out):
                effect.reached.set_result(None)
        self._leaving.clear(self._conference)
        self.stop()

    def perform(self, effects: Sequence[ChatEffect]) -> None:
        """Perform effects that may have moved the room's deadline; see `Runner`."""
        self._perform(effects)
        self.watch()

    async def say(self, member: ChatMember, content_type: str, body: bytes) -> int:
        """Send a message to all others: when this returns, it is archived, if it is to be, and on its way.

        Returns:
            Its Message-Id.

        Raises:
            Refused: 503, it cannot be archived; 481, the sender has left meanwhile.
        """
        message = self.room.accept(member, content_type, body)
        if self._is_archived():
            message.entry = self._record(message)
        who = member.participant
        queue = f"{self.room.conference} {who.user} {who.epid}"
        await self._archiving.archive_and_send(queue, message.entry, partial(self._spread, message))
        return message.number

    def _is_archived(self) -> bool:
        """Tell whether messages are to be archived now; policy is asked again when it, or the members, have changed."""
        people, policy = self.room.people, self._policy
        # The room has the same set until somebody joins or leaves: no member has to be looked at for each message.
        if policy is None or people is not self._asked_about or policy.edition != self._archiving.edition:
            policy = self._policy = self._archiving.ask(people, guests=self.room.has_guests)
            self._asked_about = people
        return policy.demands

    async def _spread(self, message: ChatMessage) -> None:
        self._unless_abandoned()
        if not message.sender.is_here:
            raise Refused(481, NO_DIALOG)
        out = _Out()
        self._perform(self.room.spread(message), out)
        # Of hundreds of copies some leave in later turns; what the sender is told has to be true if this node is lost then.
        if not out.reached.is_set:
            await out.reached
            self._unless_abandoned()
        if message.open_to and self._open_messages.concerns(message):
            self._left[message] = 0
            if self._open_messages.is_in_doubt(message):
                self._leave(message)
            self._leaving.set_first(self._conference, LEFT_AGAIN_S)

    def _unless_abandoned(self) -> None:
        if self._is_abandoned:
            raise Refused(503, MOVED, headers=[("Retry-After", "2")])

    def _leave(self, message: ChatMessage) -> None:
        self._left[message] = len(message.open_to)
        message.is_left = self._open_messages.said(message) or message.is_left

    def leave_again(self) -> None:
        """Leave anew who has not got the messages that some have got meanwhile."""
        for message, count in self._left.items():
            if len(message.open_to) != count:
                self._leave(message)
        if self._left:
            self._leaving.set(self._conference, LEFT_AGAIN_S)

    def types(self, member: ChatMember, body: bytes) -> None:
        """Show the others that somebody is typing, but not those for whom messages wait."""
        for other in self.room.members():
            if other is not member and other.keeps_up:
                other.leg.types(member.participant.user, body)

    def _perform(self, effects: Sequence[ChatEffect], out: _Out | None = None) -> None:
        """Perform effects. A leg may know the outcome at once: the effects of that come after those before them.

        Args:
            out: Reached when all of them are performed.
        """
        self._to_do.extend(effects)
        if out is not None:
            self._to_do.append(out)
        if not self._is_doing:
            self._do_some()

    def _do_some(self) -> None:
        """Perform what there is to do for about a millisecond, and the rest in later turns: a copy for each of hundreds."""
        until = self._timers.now() + PIECE_S
        self._is_doing = True
        try:
            while self._to_do:
                self._do(self._to_do.popleft())
                if self._timers.now() >= until:
                    break
        finally:
            self._is_doing = bool(self._to_do)
            if self._is_doing:
                self._timers.soon(self._do_some)

    def _do(self, effect: ChatEffect | _Out) -> None:
        if isinstance(effect, DeliverToLeg):
            member, message = effect
            if member.is_here:
                member.leg.deliver(message, partial(self._heard, member, message))
                if member.kept:
                    self._open_messages.sent(member, message)
            else:
                self._heard(member, message, LEFT)
        elif isinstance(effect, _Out):
            effect.reached.set_result(None)
        elif isinstance(effect, Waits):
            self._open_messages.waits(*effect)
        elif isinstance(effect, Probe):
            effect.member.leg.probe(partial(self._probed, *effect))
        elif isinstance(effect, Finished):
            # In a later turn: the 202 has to be there before the report.
            self._timers.later(0.0, partial(self._finish, effect.message))
        elif effect.member.is_here:
            self._end_leg(effect.member, effect.kind)

    def _probed(self, member: ChatMember, messages: Sequence[ChatMessage], failure: DeliveryFailure | None) -> None:
        for message in messages:
            self._heard(member, message, failure)

    def _heard(self, member: ChatMember, message: ChatMessage, failure: DeliveryFailure | None) -> None:
        if self._is_abandoned:
            return
        effects = self.room.settled(member, message, failure)
        if effects:  # of nearly all answers nothing follows
            self._perform(effects)

    def _finish(self, message: ChatMessage) -> None:
        """Report to the sender who did not get a message, unless the sender has left.

        Spec: [MS-CONFIM] 3.1.5: a report without recipients says that everybody has it. Client: it
        keeps each text until its report comes.
        """
        if message.failures:
            users = dict.fromkeys(member.participant.user for member, _ in message.failures)
            self._archiving.undelivered(message.entry, tuple(users))
        if message.sender.is_here:
            message.sender.leg.report(message.number, _named(message))
        self._left.pop(message, None)
        if message.is_left:
            self._open_messages.over(message)

    def _record(self, message: ChatMessage) -> ConversationEvent:
        sender = message.sender.participant.user
        users = dict.fromkeys(member.participant.user for member in message.audience)
        return ConversationEvent(
            at=self._timers.wall(),
            conversation=self.room.conference,
            kind=EntryKind.MESSAGE,
            sender=sender,
            recipients=tuple(user for user in users if user != sender),
            message_id=f"{self._opening}-{message.number}",
            content_type=message.content_type,
            body=message.body,
            conference=True,
        )


def _named(message: ChatMessage) -> Sequence[tuple[str, DeliveryFailure]]:
    """Name the recipients who did not get a message: the user, or the device where they have several.

    COMPAT pidgin-sipe 1.25: it shows the name of the contact for a user's address, and a device's
    address as it is.
    """
    if not message.failures:
        return ()
    devices = Counter(member.participant.user for member in (message.sender, *message.audience))
    return [
        (member.leg.address if devices[member.participant.user] > 1 else member.participant.user, failure)
        for member, failure in message.failures
    ]
