"""Goes on with the meetings of a home that is lost, with all who are still connected to living nodes.

Their clients notice nothing: their dialogs go on here, with numbers beyond all that the former home can have used (RFC 3261 §12.2.1.1
has them grow, not count). Who was connected to the lost node itself is gone with it, and may return.
"""

import uuid
from collections.abc import Mapping, Sequence
from typing import Final

from twisted.logger import Logger

from lyncpy.contracts.deposit import Deposit
from lyncpy.contracts.mcu import ISipAccess
from lyncpy.contracts.names import Aor
from lyncpy.contracts.outbound import IOutbound
from lyncpy.contracts.refusal import Refused
from lyncpy.contracts.timers import ITimers
from lyncpy.core.notifier import Notifier
from lyncpy.sip.errors import RemoteProtocolError
from lyncpy.sip.message import response_to
from lyncpy.workloads.conferencing.attachments import SipAttachment
from lyncpy.workloads.conferencing.call_records import ConferenceRecorder, InviteOutcome
from lyncpy.workloads.conferencing.focus import Focus
from lyncpy.workloads.conferencing.focus_table import FocusTable
from lyncpy.workloads.conferencing.joining import Joiners, read_join
from lyncpy.workloads.conferencing.model import meeting as rules
from lyncpy.workloads.conferencing.model.conference import FOCUS, ConferenceDenied
from lyncpy.workloads.conferencing.roster_feed import EVENT, TERMS
from lyncpy.workloads.conferencing.seats import ROSTER, Seat, Seats, read_seat

NUMBERS: Final = 1_000_000
"""More than one home uses in a dialog: of requests, of documents, and of messages."""

EPOCHS: Final = 2_000
"""After how many homes numbers of messages begin again: clients read them as 32 bits."""


class Successor:
    """Makes the dialogs of a former home those of this one.

    Args:
        foci: Know guests by their connections.
        seats: Leave them for the next home.
        media: The access of SIP clients to each medium, by its kind.
        joiners: Say who joins.
        outbound: Sends in the dialogs.
        notifier: Has the subscriptions.
        recorder: Records the dialogs, whose former rows are closed as those of the lost node.
        timers: The clock.
    """

    log = Logger()

    def __init__(
        self,
        foci: FocusTable,
        seats: Seats,
        media: Mapping[str, ISipAccess],
        joiners: Joiners,
        outbound: IOutbound,
        notifier: Notifier,
        recorder: ConferenceRecorder,
        timers: ITimers,
    ) -> None:
        self._foci = foci
        self._seats = seats
        self._media = media
        self._joiners = joiners
        self._outbound = outbound
        self._notifier = notifier
        self._recorder = recorder
        self._timers = timers

    async def go_on(self, focus: Focus, deposits: Sequence[Deposit], epoch: int) -> None:
        """Take up all that was left of a meeting in which nobody is yet: dialogs, then what is on its way in the media.

        Args:
            focus: Of the meeting.
            deposits: What was left.
            epoch: As which home this node goes on with it.
        """
        now, departed = self._timers.now(), tuple(focus.meeting.kept)
        seats = [seat for one in deposits if (seat := read_seat(one, now)) is not None]
        for seat in sorted(seats, key=_turn):
            try:
                await self._take_up(focus, seat, departed)
            except (Refused, RemoteProtocolError) as error:
                self.log.warn(
                    "{aor} cannot stay in {conference}: {reason}",
                    aor=seat.arrival.sender.aor,
                    conference=focus.uri,
                    reason=str(error),
                )
        for access in self._media.values():
            access.mcu.resume(focus.uri, epoch % EPOCHS * NUMBERS, deposits)

    async def _take_up(self, focus: Focus, seat: Seat, departed: Sequence[Aor]) -> None:
        sender = seat.arrival.sender
        if seat.kind == FOCUS:
            await self._join(focus, seat)
        elif (attendee := focus.meeting.attendees.get(sender.aor)) is None or attendee.at(sender.epid) is None:
            return
        elif seat.kind == ROSTER:
            self._watch(focus, seat, departed)
        elif seat.kind in self._media:
            self._join_medium(focus, seat)
        self._leave(focus, seat)

    async def _join(self, focus: Focus, seat: Seat) -> None:
        arrival = seat.arrival
        _, ask = read_join(arrival)
        joiner = await self._joiners.joiner(arrival, ask)
        attachment = SipAttachment(arrival, seat.tag, self._outbound, self._seq(seat))
        step = rules.join(focus.meeting, joiner, self._timers.now(), was_inside=seat.was_inside)
        if isinstance(step, ConferenceDenied):
            attachment.detach(step.text or step.reason.value)
            raise Refused(403)
        focus.note(lambda _: step)
        focus.attach(attachment)
        self._foci.bind(joiner.user, joiner.epid, arrival.flow, guest=joiner.guest)
        self._record(focus, seat, internal=joiner.internal)

    def _join_medium(self, focus: Focus, seat: Seat) -> None:
        sender, kind, now = seat.arrival.sender, seat.kind, self._timers.now()
        attendee = focus.meeting.attendees[sender.aor]
        entity = f"{{{str(uuid.uuid4()).upper()}}}"
        step = rules.medium_joined(focus.meeting, sender.aor, sender.epid, kind, entity, now)
        if isinstance(step, ConferenceDenied):
            raise Refused(403)
        participant = focus.participant(sender, entity)
        self._media[kind].go_on(participant, seat.arrival, seat.tag, self._seq(seat))
        focus.note(lambda _: step)
        self._record(focus, seat, internal=attendee.internal)

    def _watch(self, focus: Focus, seat: Seat, departed: Sequence[Aor]) -> None:
        sender = seat.arrival.sender
        subscription = self._notifier.go_on(
            seat.arrival,
            EVENT,
            TERMS,
            (seat.tag, self._seq(seat)),
            focus.rosters.forget,
            f"<{focus.uri}>;isfocus",
        )
        focus.rosters.go_on(subscription, (seat.turns + 1) * NUMBERS, [user for user in departed if user != sender.aor])

    def _leave(self, focus: Focus, seat: Seat) -> None:
        attendee = focus.meeting.attendees[seat.arrival.sender.aor]
        key = focus.meeting.conference.key
        self._seats.leave(key, seat.kind, seat.arrival, seat.tag, waits=attendee.waits, turns=seat.turns + 1)

    def _record(self, focus: Focus, seat: Seat, *, internal: bool) -> None:
        response = response_to(seat.arrival.request, 200, to_tag=seat.tag)
        outcome = InviteOutcome(seat.arrival, response, None)
        self._recorder.invite_answered(focus.meeting, seat.kind, outcome, internal=internal)

    def _seq(self, seat: Seat) -> int:
        """Give a CSeq number that no home before has used in a dialog."""
        return (seat.turns + 1) * NUMBERS


def _turn(seat: Seat) -> tuple[int, int]:
    """Order dialogs: who is in the meeting first, then the media, then rosters, which show all of that."""
    return (0 if seat.kind == FOCUS else 2 if seat.kind == ROSTER else 1), seat.order
