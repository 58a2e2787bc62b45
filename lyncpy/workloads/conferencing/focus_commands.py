"""The commands that participants send to their focus by INFO, in C3P.

Spec: [MS-CONFBAS] 3.5.
"""

from typing import Final

from lyncpy.contracts.arrival import Arrival
from lyncpy.contracts.names import Aor
from lyncpy.contracts.policy import IPolicies
from lyncpy.contracts.timers import ITimers
from lyncpy.sip.message import Response, response_to
from lyncpy.workloads.conferencing.attachments import SipAttachment
from lyncpy.workloads.conferencing.bodies.c3p import (
    C3P_TYPE,
    NOT_IMPLEMENTED,
    AddUser,
    C3pCommand,
    DeleteConference,
    DeleteUser,
    FocusRequest,
    GetConference,
    ModifyConference,
    SetLobbyAccess,
    SetLock,
    SetRole,
    read_focus_request,
    read_request,
    write_pending,
    write_success,
)
from lyncpy.workloads.conferencing.calls import Calls
from lyncpy.workloads.conferencing.conference_table import ConferenceTable
from lyncpy.workloads.conferencing.focus import Focus
from lyncpy.workloads.conferencing.meeting_notes import MeetingNotes
from lyncpy.workloads.conferencing.model import meeting as rules
from lyncpy.workloads.conferencing.model.admission import FocusAction
from lyncpy.workloads.conferencing.model.attendees import MeetingStep, Rule
from lyncpy.workloads.conferencing.model.conference import C3pReason, ConferenceDenied, ConferenceRequest, read_address
from lyncpy.workloads.conferencing.refusals import C3pRefusals

_NOT_SUPPORTED: Final = ConferenceDenied(C3pReason.NOT_SUPPORTED)


class FocusCommands:
    """Carries out the commands of participants in running meetings."""

    def __init__(
        self,
        conferences: ConferenceTable,
        policies: IPolicies,
        calls: Calls,
        notes: MeetingNotes,
        refusals: C3pRefusals,
        timers: ITimers,
    ) -> None:
        self._conferences = conferences
        self._policies = policies
        self._calls = calls
        self._notes = notes
        self._refusals = refusals
        self._timers = timers

    async def answer(self, arrival: Arrival, focus: Focus, attachment: SipAttachment) -> Response:
        """Carry out a participant's command; its response is the body of the 200.

        A failure is reported in a 200 too, as the protocol has it: the request was understood.

        Spec: [MS-CONFBAS] 3.5. Client: it does not look at the answer, only at the roster.
        """
        command = read_request(arrival.request.body)
        ask = read_focus_request(command)
        if isinstance(ask, AddUser) and ask.dials_out:
            return await self._called(arrival, focus, attachment, command, ask)
        done = ask if isinstance(ask, ConferenceDenied) else await self._done(focus, attachment.user, ask)
        self._note(focus, attachment.user, command, done if isinstance(done, ConferenceDenied) else None)
        headers = [NOT_IMPLEMENTED.header()] if done == _NOT_SUPPORTED else []
        body = (
            self._refusals.written(command, done)
            if isinstance(done, ConferenceDenied)
            else write_success(command, self._content(focus, attachment.user, ask))
        )
        return response_to(arrival.request, 200, headers=headers, content_type=C3P_TYPE, body=body)

    async def _called(
        self, arrival: Arrival, focus: Focus, attachment: SipAttachment, command: C3pCommand, ask: AddUser
    ) -> Response:
        """Have somebody called into the meeting; the final response follows by INFO."""
        if ask.conf_entity and read_address(ask.conf_entity) != read_address(focus.uri):
            denied: ConferenceDenied | None = ConferenceDenied(C3pReason.CONFERENCE_DOES_NOT_EXIST)
        else:
            denied = await self._calls.begin(focus, attachment, arrival, command, ask)
        self._note(focus, attachment.user, command, denied)
        body = write_pending(command) if denied is None else self._refusals.written(command, denied)
        return response_to(arrival.request, 200, content_type=C3P_TYPE, body=body)

    def _note(self, focus: Focus, actor: Aor, command: C3pCommand, denied: ConferenceDenied | None) -> None:
        self._notes.asked(focus.meeting.conference.id, actor, command.name, denied)

    async def _done(self, focus: Focus, actor: Aor, ask: FocusRequest) -> MeetingStep | ConferenceDenied:
        """Carry out one command.

        The conference that the command names is checked first: the dialog in which it came may be another's. Whether
        the sender may do it is decided by each rule, not here. Where a command changes the conference and not the
        meeting alone, it is stored first, and the focus hears of it from the table. What is asked of an MCU, and
        commands that are not implemented, are answered with 3004 ([MS-OCER]).

        Spec: [MS-CONFBAS] 3.5.5; addUser is not here, for its final response follows later (2.2.3.15).
        """
        if ask.conf_entity and read_address(ask.conf_entity) != read_address(focus.uri):
            return ConferenceDenied(C3pReason.CONFERENCE_DOES_NOT_EXIST)
        now = self._timers.now()
        match ask:
            case DeleteUser(user=user):
                return await focus.change(lambda meeting: rules.eject(meeting, actor, user, now))
            case SetRole(user=user, role=role):
                return await focus.change(lambda meeting: rules.set_role(meeting, actor, user, role))
            case SetLock(locked=locked, requested=requested):
                return await self._lock(focus, actor, requested, locked=locked)
            case SetLobbyAccess(users=users, granted=granted):
                return await self._lobby(focus, actor, users, granted=granted)
            case ModifyConference(requested=requested, mcu=""):
                return await self._modify(focus, actor, requested, FocusAction.MODIFY_CONFERENCE)
            case DeleteConference():
                return await focus.change(lambda meeting: rules.end(meeting, actor))
            case GetConference():
                return focus.meeting, ()
        return _NOT_SUPPORTED

    def _content(self, focus: Focus, user: Aor, ask: FocusRequest | ConferenceDenied) -> str:
        if isinstance(ask, GetConference):
            document = focus.rosters.document_for(user)
            return "" if document is None else document.body.decode().partition("?>")[2] or document.body.decode()
        return ""

    async def _lock(
        self, focus: Focus, actor: Aor, requested: ConferenceRequest, *, locked: bool
    ) -> MeetingStep | ConferenceDenied:
        step = await focus.change(lambda meeting: rules.set_lock(meeting, actor, locked=locked))
        if isinstance(step, ConferenceDenied) or requested == ConferenceRequest():
            return step
        return await self._modify(focus, actor, requested, FocusAction.MODIFY_CONFERENCE_LOCK)

    async def _lobby(
        self, focus: Focus, actor: Aor, users: tuple[Aor, ...], *, granted: bool
    ) -> MeetingStep | ConferenceDenied:
        """Admit or deny people in the lobby; the first denial among them is the answer."""
        rule = rules.admit if granted else rules.deny
        denied: ConferenceDenied | None = None
        for user in users:
            one: Rule = lambda meeting, user=user: rule(meeting, actor, user, self._timers.now())  # type: ignore[misc]  # noqa: E731
            step = await focus.change(one)
            if isinstance(step, ConferenceDenied):
                denied = denied or step
        return denied or (focus.meeting, ())

    async def _modify(
        self, focus: Focus, actor: Aor, requested: ConferenceRequest, action: FocusAction
    ) -> MeetingStep | ConferenceDenied:
        if not rules.may(focus.meeting, actor, action):
            return ConferenceDenied(C3pReason.FORBIDDEN)
        conference = focus.meeting.conference
        guests = self._policies.policy_of(conference.organizer).anonymous_participants
        changed = await self._conferences.modify(conference.organizer, conference.id, requested, guests=guests)
        return changed if isinstance(changed, ConferenceDenied) else (focus.meeting, ())
