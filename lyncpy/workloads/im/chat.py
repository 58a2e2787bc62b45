"""Runs one conference's chat: performs the effects of its room, and tells senders and the archive of outcomes."""

import secrets
from collections import Counter, deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

from lyncpy.contracts.archive import ConversationEvent, EntryKind
from lyncpy.contracts.mcu import DeliveryFailure, FailureKind
from lyncpy.contracts.names import Aor
from lyncpy.contracts.refusal import Refused
from lyncpy.contracts.timers import ITimers
from lyncpy.core.deadline import Runner
from lyncpy.core.slices import PIECE_S
from lyncpy.workloads.im.archiving import Archiving
from lyncpy.workloads.im.model.room import (
    LEFT,
    ChatEffect,
    ChatMember,
    ChatMessage,
    DeliverToLeg,
    Finished,
    Room,
    RoomBounds,
)
from lyncpy.workloads.im.model.session import ArchivePolicy
from lyncpy.workloads.im.refusals import NO_DIALOG


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
    ) -> None:
        """Begin without members.

        Args:
            conference: The focus URI.
            bounds: Of each member.
            end_leg: Ends the leg of a member that takes nothing any more.
        """
        self.room: Final = Room(conference, bounds)
        super().__init__(self.room, timers)
        self._archiving = archiving
        self._end_leg = end_leg
        # A conference that is opened again counts its messages from 1, and the archive has one name for each.
        self._opening = secrets.token_hex(4)
        self._to_do: deque[ChatEffect] = deque()
        self._is_doing = False
        self._policy: ArchivePolicy | None = None
        self._asked_about: frozenset[Aor] = frozenset()

    def join(self, member: ChatMember) -> None:
        """Add a member, which has `RoomBounds.joining_s` to say that it has joined."""
        self.room.join(member, self._timers.now())
        self.watch()

    def joined(self, member: ChatMember) -> None:
        """Note that a member has joined: messages that waited for it are sent."""
        self.perform(self.room.joined(member))

    def leave(self, member: ChatMember, why: DeliveryFailure) -> None:
        """Remove a member; the senders of messages that waited for it are told."""
        self.perform(self.room.leave(member, why))

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
        if not message.sender.is_here:
            raise Refused(481, NO_DIALOG)
        self._perform(self.room.spread(message))

    def types(self, member: ChatMember, body: bytes) -> None:
        """Show the others that somebody is typing, but not those for whom messages wait."""
        for other in self.room.members():
            if other is not member and other.keeps_up:
                other.leg.types(member.participant.user, body)

    def _perform(self, effects: Sequence[ChatEffect]) -> None:
        """Perform effects. A leg may know the outcome at once: the effects of that come after those before them."""
        self._to_do.extend(effects)
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

    def _do(self, effect: ChatEffect) -> None:
        if isinstance(effect, DeliverToLeg):
            member, message = effect
            if member.is_here:
                member.leg.deliver(message, partial(self._heard, member, message))
            else:
                self._heard(member, message, LEFT)
        elif isinstance(effect, Finished):
            # In a later turn: the 202 has to be there before the report.
            self._timers.later(0.0, partial(self._finish, effect.message))
        elif effect.member.is_here:
            self._end_leg(effect.member, effect.kind)

    def _heard(self, member: ChatMember, message: ChatMessage, failure: DeliveryFailure | None) -> None:
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
