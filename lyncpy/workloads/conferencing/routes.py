"""The SIP routes of conferencing: the factory, the focus, its roster, and the INVITEs to the MCUs.

A participant's dialog with the focus lasts as long as they take part; the media have dialogs
of their own, whose INVITEs come here, because the focus decides who may take part, and whose
further requests the MCU answers itself.
"""

import uuid
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from lyncpy.contracts.arrival import Arrival
from lyncpy.contracts.mcu import ISipAccess
from lyncpy.contracts.refusal import Diagnostics, Refused
from lyncpy.contracts.workload import Route
from lyncpy.core.platform import Platform, Signaling
from lyncpy.sip.message import Response, new_tag, response_to
from lyncpy.workloads.conferencing.attachments import SipAttachment
from lyncpy.workloads.conferencing.bodies.c3p import (
    C3P_TYPE,
    refused,
    write_added,
)
from lyncpy.workloads.conferencing.call_records import ConferenceRecorder, InviteOutcome
from lyncpy.workloads.conferencing.factory import FACTORY, Factory
from lyncpy.workloads.conferencing.focus import Focus
from lyncpy.workloads.conferencing.focus_commands import FocusCommands
from lyncpy.workloads.conferencing.focus_table import NO_CONFERENCE, FocusTable
from lyncpy.workloads.conferencing.joining import Joiners, read_join
from lyncpy.workloads.conferencing.meeting_notes import MeetingNotes
from lyncpy.workloads.conferencing.model import meeting as rules
from lyncpy.workloads.conferencing.model.attendees import Meeting, MeetingStep, Rule
from lyncpy.workloads.conferencing.model.conference import (
    FOCUS,
    ConferenceDenied,
    read_address,
)
from lyncpy.workloads.conferencing.roster_feed import EVENT, TERMS
from lyncpy.workloads.conferencing.seats import ROSTER, Seats

FOCUS_APP: Final = "app:conf:focus:id"

_NOT_A_PARTICIPANT: Final = Diagnostics(3014, "Failed authorization")
_NAME_TAKEN: Final = Diagnostics(1, "A guest of this address is in the meeting by another connection")


class Routes:
    """Answers requests to the focus factory and to the focus of every conference."""

    def __init__(
        self,
        platform: Platform,
        signaling: Signaling,
        factory: Factory,
        foci: FocusTable,
        commands: FocusCommands,
        media: Mapping[str, ISipAccess],
        recorder: ConferenceRecorder,
        seats: Seats,
    ) -> None:
        """Begin without requests under way.

        Args:
            factory: Carries out the commands of SERVICE.
            foci: The running meetings.
            commands: Carries out the commands of participants.
            media: The access of SIP clients to each medium, by its kind.
            recorder: Records dialogs, and who was refused.
            seats: Leaves with the nodes of devices what another home of the conference needs.
        """
        self._factory = factory
        self._foci = foci
        self._commands = commands
        self._media = media
        self._seats = seats
        self._notes = MeetingNotes(platform.bus)
        self._homes = signaling.homes
        self._joiners = Joiners(platform.people, platform.locator, platform.owners)
        self._notifier = signaling.notifier
        self._outbound = signaling.outbound
        self._recorder = recorder
        self._timers = platform.timers

    def rows(self) -> tuple[Route, ...]:
        """Return the table of routes."""
        return (
            Route("SERVICE", self._factory.answer, content=C3P_TYPE, app=FACTORY),
            Route("INVITE", self.join, app=FOCUS_APP),
            Route("ACK", self.acknowledge, app=FOCUS_APP),
            Route("UPDATE", self.refresh, app=FOCUS_APP),
            Route("INFO", self.command, content=C3P_TYPE, app=FOCUS_APP),
            Route("BYE", self.leave, app=FOCUS_APP),
            Route("SUBSCRIBE", self.watch, event=EVENT, app=FOCUS_APP),
            *(Route("INVITE", self.join_medium, app=f"app:conf:{kind}:id") for kind in self._media),
        )

    # --- joining and leaving

    async def join(self, arrival: Arrival) -> Response:
        """Admit a device to a conference, or to its lobby.

        Raises:
            Refused: 404, there is no such conference; 403 (3014, or as the rules deny it); 400
                (3007), the addUser is none or is about somebody else; 415, it is no C3P.

        Spec: [MS-CONFBAS] 3.5.5. Client: it shows the reason of a refusal; it asks for the
        role of an attendee also where it is the organizer's.
        """
        request = arrival.request
        if request.to.tag:
            return await self.refresh(arrival)
        command, ask = read_join(arrival)
        focus = self._foci.enter(request.uri)
        if read_address(ask.conf_entity) != read_address(focus.uri):
            self._foci.forget_unused(focus)
            raise Refused(400, NO_CONFERENCE)
        joiner = await self._joiners.joiner(arrival, ask)

        def rule(meeting: Meeting) -> MeetingStep | ConferenceDenied:
            _check_name(focus, arrival)
            return rules.join(meeting, joiner, self._timers.now())

        step = await self._changed(focus, rule)
        if isinstance(step, ConferenceDenied):
            no = refused(step)
            self._notes.asked(focus.meeting.conference.id, joiner.user, "a place in it", step)
            self._record(focus.meeting, FOCUS, arrival, no.response(request), no, internal=joiner.internal)
            self._foci.forget_unused(focus)
            raise no
        tag = new_tag()
        attachment = SipAttachment(arrival, tag, self._outbound, 0)
        focus.attach(attachment)
        self._foci.bind(joiner.user, joiner.epid, arrival.flow, guest=joiner.guest)
        attendee = focus.meeting.attendees[joiner.user]
        self._leave(focus, FOCUS, arrival, tag)
        response = response_to(
            request,
            200,
            to_tag=tag,
            headers=[
                ("Contact", f"<{focus.uri}>;isfocus"),
                ("Allow", "INVITE, BYE, ACK, CANCEL, INFO, UPDATE"),
                *self._homes.headers,
            ],
            content_type=C3P_TYPE,
            body=write_added(command, ask, attendee.role),
        )
        self._record(focus.meeting, FOCUS, arrival, response, None, internal=joiner.internal)
        # A client that sent CANCEL while this was decided has left again.
        arrival.on_cancel(lambda: self._gone(focus, attachment))
        return response

    async def acknowledge(self, arrival: Arrival) -> None:
        """Do nothing about an ACK: the participant joined with the 200."""

    async def refresh(self, arrival: Arrival) -> Response:
        """Answer a re-INVITE or UPDATE in a participant's dialog: nothing of it changes (RFC 4028 §9)."""
        focus, _ = self._within(arrival)
        return response_to(arrival.request, 200, headers=[("Contact", f"<{focus.uri}>;isfocus")])

    async def leave(self, arrival: Arrival) -> Response:
        """Remove a device that sends BYE to the focus."""
        focus, attachment = self._within(arrival)
        self._gone(focus, attachment)
        return response_to(arrival.request, 200)

    def _gone(self, focus: Focus, attachment: SipAttachment) -> None:
        if focus.attachment(attachment.user, attachment.epid) is attachment:
            now = self._timers.now()
            focus.note(lambda meeting: rules.leave(meeting, attachment.user, attachment.epid, now))

    def _within(self, arrival: Arrival) -> tuple[Focus, SipAttachment]:
        """Find the focus and the dialog that a request belongs to; only its own participant may send in it.

        Raises:
            Refused: 481, the sender's device is not in this meeting.
            RemoteProtocolError: 481 and 500; see `Dialog.receive`.
        """
        focus = self._foci.running(arrival.request.uri)
        sender = arrival.sender
        attachment = None if focus is None else focus.attachment(sender.aor, sender.epid)
        request = arrival.request
        if focus is None or not isinstance(attachment, SipAttachment):
            raise Refused(481, _NOT_A_PARTICIPANT)
        attachment.receive(request)
        return focus, attachment

    # --- the media

    async def join_medium(self, arrival: Arrival) -> Response:
        """Admit a participant to a medium.

        Raises:
            Refused: 404, no such meeting runs; 403, the sender is not inside it; and as the MCU refuses.

        Spec: [MS-CONFIM] 3.1; [MS-CONFBAS] 3.5.
        """
        address = read_address(arrival.request.uri)
        focus = self._foci.require(arrival.request.uri)
        kind = "" if address is None else address.kind
        access, sender = self._media[kind], arrival.sender
        if arrival.request.to.tag:  # within a dialog: the medium knows it
            return await access.refresh(arrival)
        entity = f"{{{str(uuid.uuid4()).upper()}}}"

        def rule(meeting: Meeting) -> MeetingStep | ConferenceDenied:
            return rules.medium_joined(meeting, sender.aor, sender.epid, kind, entity, self._timers.now())

        _check_name(focus, arrival)
        # Asked twice: before the MCU makes a leg, and after, for it may have waited. The MCU alone knows no roster.
        may = rule(focus.meeting)
        if isinstance(may, ConferenceDenied):
            no = refused(may)
            self._notes.asked(focus.meeting.conference.id, sender.aor, f"a place in its {kind}", may)
            self._record(focus.meeting, kind, arrival, no.response(arrival.request), no, internal=not sender.guest)
            raise no
        attendee = focus.meeting.attendees[sender.aor]
        participant = focus.participant(sender, entity)
        response = await access.admit(participant, arrival)
        step = rule(focus.meeting)
        if isinstance(step, ConferenceDenied):  # they have left while the MCU answered
            access.mcu.dismiss(focus.uri, sender.aor, sender.epid, "not in the meeting")
            self._notes.asked(focus.meeting.conference.id, sender.aor, f"a place in its {kind}", step)
            raise refused(step)
        focus.note(lambda meeting: step)
        self._record(focus.meeting, kind, arrival, response, None, internal=attendee.internal)
        self._leave(focus, kind, arrival, response.to.tag or "")
        return self._routed(response)

    # --- the roster

    async def watch(self, arrival: Arrival) -> Response:
        """Answer SUBSCRIBE with the roster, and notify the participant of every change from here on.

        Raises:
            Refused: 404, no such meeting runs; 403, the sender's device is not in it.

        Spec: RFC 4575; [MS-CONFBAS] 3.4. Client: it unsubscribes in a new dialog.
        """
        request, sender = arrival.request, arrival.sender
        focus = self._foci.running(request.uri)
        if request.expires == 0:
            # Within the subscription's own dialog the notifier ends it.
            if focus is not None and not request.to.tag:
                focus.rosters.end_subscriptions(sender.aor, sender.epid, "unsubscribed")
            _, response = self._notifier.accept(arrival, EVENT, replace(TERMS, once=True), None)
            return response
        if focus is None:
            raise Refused(404, NO_CONFERENCE)
        attendee = focus.meeting.attendees.get(sender.aor)
        if attendee is None or attendee.at(sender.epid) is None:
            raise Refused(403, _NOT_A_PARTICIPANT)
        _check_name(focus, arrival)
        return self._accept(arrival, focus)

    def _accept(self, arrival: Arrival, focus: Focus) -> Response:
        known = self._notifier.continued(arrival)
        version = 1 if known is None else focus.rosters.next_version(known)
        document = focus.rosters.document_for(arrival.sender.aor, version)
        subscription, response = self._notifier.accept(
            arrival, EVENT, TERMS, document, on_end=focus.rosters.forget, contact=f"<{focus.uri}>;isfocus"
        )
        if subscription is None:
            return response
        focus.rosters.watch(subscription, version)
        if known is not None:
            return response
        self._leave(focus, ROSTER, arrival, subscription.machine.dialog.local_tag)
        return self._routed(response)

    async def command(self, arrival: Arrival) -> Response:
        """Carry out a participant's command to the focus; see `FocusCommands`."""
        focus, attachment = self._within(arrival)
        return await self._commands.answer(arrival, focus, attachment)

    # --- inside

    async def _changed(self, focus: Focus, rule: Rule) -> MeetingStep | ConferenceDenied:
        try:
            return await focus.change(rule)
        except Exception:
            self._foci.forget_unused(focus)
            raise

    def _leave(self, focus: Focus, kind: str, arrival: Arrival, tag: str) -> None:
        """Leave with the node of a device what another home needs for the dialog that a request has made."""
        meeting = focus.meeting
        attendee = meeting.attendees[arrival.sender.aor]
        self._seats.leave(meeting.conference.key, kind, arrival, tag, waits=attendee.waits, turns=0)

    def _routed(self, response: Response) -> Response:
        """Have a dialog's further requests come to this node, whichever the client is connected to."""
        return response.edited(last=self._homes.headers) if self._homes.headers else response

    def _record(
        self, meeting: Meeting, kind: str, arrival: Arrival, response: Response, no: Refused | None, *, internal: bool
    ) -> None:
        number = None if no is None or no.diagnostics is None else no.diagnostics.error_id
        self._recorder.invite_answered(meeting, kind, InviteOutcome(arrival, response, number), internal=internal)


def _check_name(focus: Focus, arrival: Arrival) -> None:
    """Refuse a guest under whose address somebody is in the meeting already, by a connection to another server.

    Each server sees to it that no two of its own connections have one name. Who has lost their server is let in as soon as it is
    known to be lost, some seconds later.

    Raises:
        Refused: 503; whether the other one is still there is not known yet.
    """
    if arrival.sender.guest and focus.is_held_elsewhere(arrival.sender.aor, arrival.flow):
        raise Refused(503, _NAME_TAKEN, headers=[("Retry-After", "5")])
