"""One conference's chat at work: does what its room decides, and tells senders and archive what came of it."""

import secrets
from collections import Counter, deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

from lyncpy.contracts.archive import Said
from lyncpy.contracts.mcu import DeliveryFailure, FailureKind
from lyncpy.contracts.names import Aor
from lyncpy.contracts.refusal import Diagnostics, Refused
from lyncpy.contracts.timers import ITimers
from lyncpy.workloads.im.archiving import Archiving
from lyncpy.workloads.im.model.room import LEFT, ChatMember, ChatMessage, Deliver, Effect, Finished, Room, RoomBounds
from lyncpy.workloads.im.model.session import ArchivePolicy

NO_DIALOG: Final = Diagnostics(1004, "Route set is no longer valid")


class Chat:
    """A room and what runs it.

    Attributes:
        room: Who is there, and what is on its way.
    """

    def __init__(
        self,
        conference: str,
        bounds: RoomBounds,
        archiving: Archiving,
        timers: ITimers,
        over: Callable[[ChatMember, FailureKind], None],
    ) -> None:
        """Begin empty; `over` is told of a leg that takes nothing any more, and has to end it."""
        self.room: Final = Room(conference, bounds)
        self._archiving = archiving
        self._timers = timers
        self._over = over
        # A conference that is opened again counts its messages from 1, and the archive has one name for each.
        self._opening = secrets.token_hex(4)
        self._filed: dict[ChatMessage, Said] = {}
        self._to_do: deque[Effect] = deque()
        self._is_doing = False
        self._policy: ArchivePolicy | None = None
        self._asked_about: frozenset[Aor] = frozenset()

    def open(self, seat: ChatMember) -> None:
        """Let go what waited for somebody whose joining is complete."""
        self._perform(self.room.open(seat))

    def leave(self, seat: ChatMember, why: DeliveryFailure) -> None:
        """Give up a place; the senders of what waited for it are told so."""
        self._perform(self.room.leave(seat, why))

    async def say(self, seat: ChatMember, content_type: str, body: bytes) -> int:
        """Take a message: when this returns, it is archived, if it is to be, and on its way to all.

        Returns:
            Its Message-Id.

        Raises:
            Refused: 503, it cannot be archived; 481, the speaker has left meanwhile.
        """
        letter = self.room.accept(seat, content_type, body)
        said = self._record(letter) if self._is_archived() else None
        who = seat.participant
        line = f"{self.room.conference} {who.user} {who.epid}"
        await self._archiving.passing(line, said, partial(self._spread, letter, said))
        return letter.number

    def _is_archived(self) -> bool:
        """Tell whether what is said now is to be archived; policy is asked again when it has changed, or who is here."""
        people, policy = self.room.people, self._policy
        # The room gives the same set until somebody comes or goes: nobody has to be looked at for each message.
        if policy is None or people is not self._asked_about or policy.edition != self._archiving.edition:
            policy = self._policy = self._archiving.ask(people, guests=self.room.has_guests)
            self._asked_about = people
        return policy.demands

    async def _spread(self, letter: ChatMessage, said: Said | None) -> None:
        if not letter.sender.is_here:
            raise Refused(481, NO_DIALOG)
        if said is not None:
            self._filed[letter] = said
        self._perform(self.room.spread(letter))

    def types(self, seat: ChatMember, body: bytes) -> None:
        """Show the others that somebody types, but those who are behind with what was said."""
        for other in self.room.seats():
            if other is not seat and other.keeps_up:
                other.leg.types(seat.participant.user, body)

    def _perform(self, effects: Sequence[Effect]) -> None:
        """Do what the room wants. A leg may know the outcome at once: what follows from it is done after."""
        self._to_do.extend(effects)
        if self._is_doing:
            return
        self._is_doing = True
        try:
            while self._to_do:
                self._do(self._to_do.popleft())
        finally:
            self._is_doing = False

    def _do(self, effect: Effect) -> None:
        if isinstance(effect, Deliver):
            seat, letter = effect
            if seat.is_here:
                seat.leg.deliver(letter, partial(self._heard, seat, letter))
            else:
                self._heard(seat, letter, LEFT)
        elif isinstance(effect, Finished):
            # In a later turn: the 202 has to be there before the report.
            self._timers.later(0.0, partial(self._finish, effect.letter))
        elif effect.seat.is_here:
            self._over(effect.seat, effect.kind)

    def _heard(self, seat: ChatMember, letter: ChatMessage, failure: DeliveryFailure | None) -> None:
        self._perform(self.room.settled(seat, letter, failure))

    def _finish(self, letter: ChatMessage) -> None:
        """Tell the sender what became of his message, unless he has left.

        Spec: [MS-CONFIM] 3.1.5: a report without recipients says that everybody has it. Client: it
        keeps each text until its report comes.
        """
        said = self._filed.pop(letter, None)
        if letter.failures:
            self._archiving.undelivered(
                said, tuple(dict.fromkeys(seat.participant.user for seat, _ in letter.failures))
            )
        if letter.sender.is_here:
            letter.sender.leg.report(letter.number, _named(letter))

    def _record(self, letter: ChatMessage) -> Said:
        sender = letter.sender.participant.user
        users = dict.fromkeys(seat.participant.user for seat in letter.audience)
        return Said(
            at=self._timers.wall(),
            conversation=self.room.conference,
            kind="message",
            sender=sender,
            recipients=tuple(user for user in users if user != sender),
            message_id=f"{self._opening}-{letter.number}",
            content_type=letter.content_type,
            body=letter.body,
            conference=True,
        )


def _named(letter: ChatMessage) -> Sequence[tuple[str, DeliveryFailure]]:
    """Name who did not get a letter: a user, or the device where he has several.

    COMPAT pidgin-sipe 1.25: it shows the name of the contact for a user's address, and a device's
    address as it is.
    """
    if not letter.failures:
        return ()
    devices = Counter(seat.participant.user for seat in (letter.sender, *letter.audience))
    return [
        (seat.leg.address if devices[seat.participant.user] > 1 else seat.participant.user, failure)
        for seat, failure in letter.failures
    ]
