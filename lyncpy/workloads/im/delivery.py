"""The one way by which requests and messages of a user reach another.

An endpoint of the recipient has to be reachable; a message is archived before it is passed on, if
policy demands it; it is passed on, answered or refused; and the call record has the outcome. This
holds for an invitation to a session with the text that may be in it, an invitation to a conference,
a message without a dialog (RFC 3428), and messages within a dialog. They differ in the record
that they leave.

An IM is acknowledged to its sender by the receiver's own 200 and by nothing else: every answer
here is an endpoint's, or a failure.
"""

import uuid
from collections.abc import Callable, Coroutine
from dataclasses import replace
from functools import partial
from typing import Any

from lyncpy.contracts.arrival import Arrival
from lyncpy.contracts.locator import Endpoint
from lyncpy.contracts.refusal import translated
from lyncpy.contracts.timers import ITimers
from lyncpy.core.call_handling import CallHandling
from lyncpy.core.forward import ForkResult, Forward, OnEarly, RingTimes
from lyncpy.sip.message import Request, Response, response_to
from lyncpy.workloads.im import bodies
from lyncpy.workloads.im.archiving import Archiving
from lyncpy.workloads.im.call_records import SessionRecorder
from lyncpy.workloads.im.dialogs import DialogDirection
from lyncpy.workloads.im.model import session as rules
from lyncpy.workloads.im.model.session import EndedBy, EndReason, Session, Side
from lyncpy.workloads.im.parties import Parties
from lyncpy.workloads.im.sessions import Sessions
from lyncpy.workloads.im.settings import Settings


class Delivery:
    """Delivers requests: archives them, passes them on and records the outcome."""

    def __init__(
        self,
        forward: Forward,
        parties: Parties,
        calls: CallHandling,
        archiving: Archiving,
        sessions: Sessions,
        recorder: SessionRecorder,
        settings: Settings,
        timers: ITimers,
    ) -> None:
        """Set how long requests may take.

        Args:
            parties: Looks up endpoints, and begins records.
            calls: Has calls ring by the rules of who is called.
            sessions: The records of dialogs under way.
            recorder: Has records written of requests that leave no dialog.
        """
        self._forward = forward
        self._parties = parties
        self._calls = calls
        self._archiving = archiving
        self._sessions = sessions
        self._recorder = recorder
        self._timers = timers
        self._invite = RingTimes(settings.invite_silent_s, settings.ringing_s)
        self._message = RingTimes(settings.message_s, settings.message_s)

    # --- without a dialog

    async def invite(self, arrival: Arrival, on_early: Callable[[Session], OnEarly]) -> ForkResult:
        """Pass an invitation to a session on; the record is written whatever the outcome.

        Args:
            on_early: Returns what is called for each early dialog of this session.

        Raises:
            Refused: 404, 480: see `Parties.reachable`; 482, 503: see `Sessions.add_session`; 503, the text in
                it is to be archived and cannot be.
        """
        session = await self._parties.begin_record(arrival)
        self._sessions.add_session(session)
        arrival.provisional(response_to(arrival.request, 100))
        record = partial(self._record_session, session)
        return await self._deliver(arrival, session, session.caller, self._invite, record, on_early=on_early(session))

    def outward(self, arrival: Arrival) -> Coroutine[Any, Any, Response] | None:
        """Call a telephone out of the house, which makes no session here; None: the invitation is not for one."""
        return self._calls.outward(arrival)

    async def invite_to_conference(self, arrival: Arrival) -> ForkResult:
        """Pass an invitation to a conference on; it makes no session. Raises as `page` does."""
        session = await self._parties.begin_record(arrival)
        record = partial(self._record_invitation, session)
        return await self._deliver(arrival, session, session.caller, self._invite, record)

    async def page(self, arrival: Arrival) -> ForkResult:
        """Pass a message without a session on (RFC 3428); its record is a session of one message.

        Raises:
            Refused: 404, 480: see `Parties.reachable`; 503, it is to be archived and cannot be.
        """
        session = await self._parties.begin_record(arrival)
        record = partial(self._record_page, session)
        return await self._deliver(arrival, session, session.caller, self._message, record)

    async def question(self, arrival: Arrival) -> ForkResult:
        """Pass OPTIONS on; it is neither archived nor recorded."""
        return await self._forward.fork(arrival, await self._parties.reachable(arrival), self._message)

    # --- within a dialog

    def message(
        self, arrival: Arrival, direction: DialogDirection, device: Endpoint
    ) -> Coroutine[Any, Any, ForkResult]:
        """Pass a message on to the device at the other end, and count it in the record of its session.

        Before anybody has accepted, too. COMPAT pidgin-sipe 1.25: with a second device signed in it
        accepts ten seconds late, takes the dialog for established meanwhile, and ends it when what
        its user writes is refused.

        Raises:
            Refused: 503, it is to be archived and cannot be.
        """
        count = partial(self._count, direction.session, direction.side.tag)
        return self._deliver(arrival, direction.session, direction.side, self._message, count, device)

    async def reinvite(self, arrival: Arrival, direction: DialogDirection, device: Endpoint) -> ForkResult:
        """Pass a re-INVITE on. A text in it is archived and not counted. Raises as `message` does."""
        arrival.provisional(response_to(arrival.request, 100))
        return await self._deliver(arrival, direction.session, direction.side, self._invite, _unrecorded, device)

    # --- the way

    async def _deliver(
        self,
        arrival: Arrival,
        session: Session,
        side: Side,
        patience: RingTimes,
        record: Callable[[ForkResult], None],
        device: Endpoint | None = None,
        on_early: OnEarly | None = None,
    ) -> ForkResult:
        """Deliver a request to the other side of a session.

        Args:
            side: The side that sends.
            patience: Seconds that endpoints may take.
            record: Records the outcome. An outcome without an endpoint was made here.
            device: The device at the other end of the dialog; None: all that can be reached.
            on_early: Called for each early dialog.

        Raises:
            Refused: As it is recorded: nobody can be reached, or the message cannot be archived.
        """
        request = arrival.request
        try:
            send: Callable[[], Coroutine[Any, Any, ForkResult]]
            if device is None and rules.is_call(session, request):
                self._parties.check_known(session.callee.aor)
                send = partial(self._calls.ring, arrival, session.callee.aor, on_early)
            elif device is None:
                devices = await self._parties.reachable(arrival)
                send = partial(self._forward.fork, arrival, devices, patience, on_early)
            else:
                call_id = session.record.call_id  # the Call-ID by which the device knows the dialog
                send = partial(self._forward.pass_on, arrival, device, patience.ringing_s, call_id=call_id)
            said = self._archiving.entry_for(session, side, request) if self._is_archived(session) else None
            outcome = await self._archiving.archive_and_send(_speaker(request), said, send)
        except Exception as error:  # whatever it was, the sender is refused, and a session that was begun has ended
            record(ForkResult(translated(error).response(request), None))
            raise
        # It stands in the archive since before it was passed on: that it did not arrive is noted beside it.
        if said is not None and not _is_taken(request, outcome.response):
            self._archiving.undelivered(said)
        record(outcome)
        return outcome

    def _is_archived(self, session: Session) -> bool:
        """Tell whether messages of a session are to be archived; policy is asked once, and after each change of it."""
        policy = session.policy
        if policy is None or policy.edition != self._archiving.edition:
            policy = self._archiving.ask((session.caller.aor, session.callee.aor))
            current = self._sessions.current(session)
            if current is not None:
                self._sessions.update_unrecorded(replace(current, policy=policy))
        return policy.demands

    # --- the records

    def _answered(self, session: Session, outcome: ForkResult) -> Session:
        """Return a session as its outcome makes it: accepted by a device, or refused, with the reason."""
        response, device, now = outcome.response, outcome.endpoint, self._timers.wall()
        if device is not None and is_good(outcome):
            return rules.accepted(session, response, device, now, self._timers.now())
        return rules.refused(session, response, now, by_server=device is None)

    def _record_session(self, session: Session, outcome: ForkResult) -> None:
        # The callee may have sent messages meanwhile, before it accepted; they are in the table's state.
        invited = self._sessions.current(session) or session
        session = self._answered(invited, outcome)
        if session.callee.aor != invited.callee.aor:
            self._recorder.note(rules.taken(invited, str(uuid.uuid4()), self._timers.wall()))
        if session.answered:
            self._sessions.update(session)
        else:
            self._sessions.end_session(session)

    def _record_invitation(self, session: Session, outcome: ForkResult) -> None:
        session = self._answered(session, outcome)
        if session.answered:
            session = rules.ended(session, EndedBy.CALLEE, EndReason.CONFERENCE_INVITATION, self._timers.wall())
        self._recorder.note(rules.recorded(session))

    def _record_page(self, session: Session, outcome: ForkResult) -> None:
        session = self._answered(session, outcome)
        rules.count(session, session.caller.tag, self._timers.now(), delivered=session.answered)
        if session.answered:
            session = rules.ended(session, EndedBy.CALLER, EndReason.SINGLE_MESSAGE, self._timers.wall())
            self._recorder.note(rules.recorded(session))
        else:
            self._recorder.refused_message(rules.recorded(session))

    def _count(self, session: Session, speaker_tag: str, outcome: ForkResult) -> None:
        self._sessions.count(session, speaker_tag, delivered=is_good(outcome))


def is_good(outcome: ForkResult) -> bool:
    """Tell whether a request was accepted."""
    return 200 <= outcome.response.status < 300


def _unrecorded(outcome: ForkResult) -> None:
    """Leave the record as it is."""


def _is_taken(request: Request, response: Response) -> bool:
    """Tell whether the text of a request has arrived with it.

    For the text in an invitation to a session the answer says so; else the client repeats it as a MESSAGE.
    """
    if not 200 <= response.status < 300:
        return False
    begins_session = request.method == "INVITE" and not request.to.tag and request.content_type != bodies.INVITATION
    return not begins_session or bodies.takes_first_text(response.headers.get_all("Supported"))


def _speaker(request: Request) -> str:
    """Name the sender within a dialog: the archive's queue of their messages."""
    return f"{request.call_id} {request.from_.tag}"
