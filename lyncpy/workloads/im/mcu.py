"""The IM MCU: the chats of all conferences of this process.

The focus decides who may take part; then `admit` is called with a leg, and its result acts for the
participant. The protocol of the leg is not known here; SIP clients are attached by
`chat_dialogs.py`. One law: a message that was accepted reaches every participant who is
connected exactly once, or its sender is told who did not get it.

Spec: [MS-CONFIM] 3.1.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Final

from twisted.logger import Logger
from zope.interface import implementer

from lyncpy.contracts.deposit import Deposit
from lyncpy.contracts.mcu import DeliveryFailure, FailureKind, IFocusObserver, ILeg, IMcu, IParticipation, Participant
from lyncpy.contracts.names import Aor, Epid
from lyncpy.contracts.refusal import NO_DIALOG, Refused
from lyncpy.contracts.shares import TOTAL, Shares
from lyncpy.contracts.timers import ITimers
from lyncpy.core.deadline import Deadlines
from lyncpy.workloads.im.archiving import Archiving
from lyncpy.workloads.im.chat import Chat
from lyncpy.workloads.im.model.room import LEFT, LOST, ChatMember, MemberState, RoomBounds
from lyncpy.workloads.im.open_messages import OpenMessages, read_left
from lyncpy.workloads.im.refusals import overloaded
from lyncpy.workloads.im.settings import Settings

JOINING_S: Final = 32.0
"""Seconds that a member may take to say that it has joined; for SIP clients, 64*T1 for the ACK (RFC 3261 §13.3.1.4)."""


@implementer(IParticipation)
class Participation:
    """Acts for one participant in a chat."""

    __slots__ = ("_chat", "_end", "_member")

    def __init__(self, chat: Chat, member: ChatMember, end: Callable[[str, DeliveryFailure], None]) -> None:
        """Act for a member of a chat.

        Args:
            end: Ends the membership; called with the reason for the focus, and the failure for the senders of
                messages that wait.
        """
        self._chat = chat
        self._member = member
        self._end = end

    def joined(self) -> None:
        """Deliver what was said since they were admitted. See the promise."""
        if self._member.state is MemberState.JOINING:  # asked at each of their requests
            self._chat.joined(self._member)

    async def say(self, content_type: str, body: bytes) -> int:
        """Send a message to all. See the promise."""
        if not self._member.is_here:
            raise Refused(481, NO_DIALOG)
        return await self._chat.say(self._member, content_type, body)

    def types(self, body: bytes) -> None:
        """Show the others that they are typing."""
        if self._member.is_here:
            self._chat.types(self._member, body)

    def leave(self, reason: str) -> None:
        """End the membership: they left. See the promise."""
        self._end(reason, LEFT)

    def lost(self, reason: str) -> None:
        """End the membership: they cannot be reached. See the promise."""
        self._end(reason, LOST)


@implementer(IMcu)
class Mcu:
    """The chats of all conferences, and their members."""

    kind = "chat"
    log = Logger()

    def __init__(self, archiving: Archiving, settings: Settings, timers: ITimers, open_messages: OpenMessages) -> None:
        self._archiving = archiving
        self._open_messages = open_messages
        self._timers = timers
        self._bounds = RoomBounds(
            settings.chat_window,
            settings.chat_waiting,
            settings.chat_waiting_bytes,
            settings.chat_silences,
            JOINING_S,
        )
        self._observer: IFocusObserver | None = None
        self._chats: dict[str, Chat] = {}
        self._leaving: Deadlines[str] = Deadlines(timers, self._leave_again)
        self._shares = Shares(
            settings.chat_legs_total,
            {"user": settings.chat_legs_per_user},
            {TOTAL: "im.chat_legs_total", "user": "im.chat_legs_per_user"},
        )

    def __len__(self) -> int:
        """Return the number of members, each device counted."""
        return len(self._shares)

    # --- the promise

    def listen(self, observer: IFocusObserver) -> None:
        """Tell this focus from now on which members have left. See the promise."""
        self._observer = observer

    def admit(self, participant: Participant, leg: ILeg) -> IParticipation:
        """Admit somebody whom the focus lets in. See the promise."""
        for former in self._members(participant.conference, participant.user, participant.epid):
            self._end(former, LEFT, None)
        if self._shares.reserve({"user": participant.user}):
            raise overloaded()
        chat = self._chats.get(participant.conference)
        if chat is None:
            chat = Chat(
                participant.conference,
                self._bounds,
                self._archiving,
                self._timers,
                self._end_leg,
                self._open_messages,
                self._leaving,
            )
            self._chats[participant.conference] = chat
        member = ChatMember(participant, leg)
        chat.join(member)
        participation: IParticipation = Participation(chat, member, partial(self._gone, member))
        return participation

    def dismiss(self, conference: str, user: Aor, epid: Epid | None, reason: str) -> None:
        """End the memberships of a user, or of one of their devices. See the promise."""
        for member in self._members(conference, user, epid):
            self._end(member, LEFT, reason)

    def end_conference(self, conference: str, reason: str) -> None:
        """End the chat of a conference for everybody. See the promise."""
        for member in self._members(conference):
            self._end(member, LEFT, reason)
        self._chats.pop(conference, None)
        self._leaving.clear(conference)

    def abandon(self, conference: str) -> None:
        """Forget the chat of a conference with which another node goes on. See the promise."""
        chat = self._chats.pop(conference, None)
        if chat is not None:
            self._abandon(chat)

    def resume(self, conference: str, first: int, left: Sequence[Deposit]) -> None:
        """Deliver or report what the former home of a conference had accepted. See the promise."""
        chat = self._chats.get(conference)
        if chat is not None:
            chat.resume(first, read_left(conference, left))

    def counts(self, conference: str) -> Mapping[Aor, int]:
        """Return how many messages each user has sent. See the promise."""
        chat = self._chats.get(conference)
        return {} if chat is None else dict(chat.room.counts)

    def stop(self) -> None:
        """Forget all chats, for an orderly end of the server.

        Clients get no BYE: they would take it for the end of the conference, where without it
        they return by themselves when the server has started again.
        """
        for chat in self._chats.values():
            self._abandon(chat)
        self._chats.clear()

    def _leave_again(self, conference: str) -> None:
        self._chats[conference].leave_again()

    def _abandon(self, chat: Chat) -> None:
        chat.abandon()
        for member in chat.room.members():
            self._shares.release({"user": member.participant.user})
            member.leg.hang_up(None)

    # --- leaving

    def _members(self, conference: str, user: Aor | None = None, epid: Epid | None = None) -> tuple[ChatMember, ...]:
        chat = self._chats.get(conference)
        if chat is None:
            return ()
        return chat.room.members() if user is None else chat.room.members_of(user, epid)

    def _end_leg(self, member: ChatMember, kind: FailureKind) -> None:
        """End a membership whose leg takes nothing any more; one that only does not answer gets a BYE."""
        if kind is not FailureKind.SILENT:
            self._gone(member, "connection lost", LOST)
        elif self._end(member, LEFT, "no answer"):
            self._tell_left(member, "no answer")

    def _gone(self, member: ChatMember, reason: str, failure: DeliveryFailure) -> None:
        """End a membership without telling its device, and tell the focus."""
        if self._end(member, failure, None):
            self._tell_left(member, reason)

    def _end(self, member: ChatMember, failure: DeliveryFailure, reason: str | None) -> bool:
        """End a membership; the senders of messages that waited for it are told. Tell whether it had not ended before.

        Args:
            failure: Why waiting messages did not arrive.
            reason: The reason that the device is told; None: it is told nothing.
        """
        chat = self._chats.get(member.participant.conference)
        if chat is None or not member.is_here:  # it may have ended while others did
            return False
        self._shares.release({"user": member.participant.user})
        chat.leave(member, failure)
        member.leg.hang_up(reason)
        return True

    def _tell_left(self, member: ChatMember, reason: str) -> None:
        who = member.participant
        self.log.debug(
            "{aor} left the chat of {conference}: {reason}", aor=who.user, conference=who.conference, reason=reason
        )
        if self._observer is not None:
            self._observer.leg_ended(who, reason)
