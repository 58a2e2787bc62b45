"""Call detail records of conferences: the changes of meetings, as rows.

Spec: the LcsCDR tables Conferences, ConferenceSessionDetails, FocusJoinsAndLeaves,
McuJoinsAndLeaves and ConferenceMessageCount of Lync Server 2013.
"""

import uuid
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from twisted.logger import Logger

from lyncpy.contracts.arrival import Arrival
from lyncpy.contracts.names import Aor, Epid, NodeName
from lyncpy.contracts.records import (
    ConferenceRecord,
    ConferenceRow,
    ConferenceSessionRecord,
    FocusJoinRecord,
    IRecording,
    McuJoinRecord,
    MessageCountRecord,
)
from lyncpy.contracts.timers import ITimers
from lyncpy.core.hourly_quota import HourlyQuota, cut
from lyncpy.sip.message import Response
from lyncpy.workloads.conferencing.model.attendees import (
    Admitted,
    Arrived,
    Departure,
    Gone,
    MediumJoined,
    MediumLeft,
    Meeting,
    MeetingChange,
    MeetingEnded,
    RoleChanged,
    RosterEndpoint,
)
from lyncpy.workloads.conferencing.model.conference import FOCUS

BY_SERVER: Final = frozenset({Departure.EJECTED, Departure.DENIED, Departure.WAITED, Departure.ENDED})

COUNTS_S: Final = 1.0
"""Seconds that the rows of message counts may wait for others."""

Place = tuple[str, Aor, Epid, str]
"""Instance, user, device, and FOCUS or the kind of the medium."""


@dataclass(frozen=True, slots=True)
class InviteOutcome:
    """An INVITE to a focus or an MCU, and its response."""

    arrival: Arrival
    response: Response
    diagnostic_id: int | None
    """Of a refusal; None: it has none, or the INVITE was accepted."""


class ConferenceRecorder:
    """Keeps the open rows of running meetings, and has each new state written.

    A user who joins again and again does not fill the disk: beyond an hourly quota no row is begun for them. A row
    that was begun is written to its end.
    """

    log = Logger()

    def __init__(
        self,
        recording: IRecording,
        counts: Callable[[str], Mapping[Aor, int]],
        node: NodeName,
        timers: ITimers,
        *,
        per_hour: int,
    ) -> None:
        """Begin without rows.

        Args:
            recording: Has the rows written.
            counts: Returns how many messages each user has sent in the conference of a focus URI.
            per_hour: Rows that one user, or the guests of one organizer, may begin in an hour.
        """
        self._counts = counts
        self._node = node
        self._timers = timers
        self._recording = recording
        self._per_hour = per_hour
        self._shares = HourlyQuota("conferencing.records_per_user", float(per_hour), timers.now, self._told)
        self._conferences: dict[str, ConferenceRecord] = {}
        self._sessions: dict[Place, ConferenceSessionRecord] = {}
        self._joins: dict[Place, FocusJoinRecord | McuJoinRecord] = {}
        self._counted: dict[str, Mapping[Aor, int]] = {}
        self._earlier: dict[str, Mapping[Aor, int]] = {}
        self._hear: Mapping[
            type[MeetingChange], Callable[[Meeting, Any], None]
        ] = {  # Any: each takes its own kind of change
            Arrived: self._arrived,
            Admitted: self._admitted,
            MediumJoined: lambda meeting, change: self._joined(meeting, change.user, change.endpoint),
            MediumLeft: lambda meeting, change: self._left(meeting, change.user, change.endpoint, Departure.LEFT),
            RoleChanged: self._promoted,
            Gone: self._gone,
            MeetingEnded: self._over,
        }

    def resume(self, instance: str, counts: Mapping[Aor, int]) -> None:
        """Continue the message counts of a meeting that an earlier process began."""
        if counts:
            self._earlier[instance] = counts

    # --- dialogs

    def invite_answered(self, meeting: Meeting, kind: str, outcome: InviteOutcome, *, internal: bool) -> None:
        """Record that a device opened a dialog with the focus or an MCU, or was refused."""
        arrival, response = outcome.arrival, outcome.response
        request, sender, now = arrival.request, arrival.sender, self._timers.wall()
        accepted = response.status < 300
        if not self._may(meeting, sender.aor, internal=internal):
            return
        place = (meeting.instance, sender.aor, sender.epid, kind)
        # A device that dials in again before its former dialog has ended: the row of that is closed as replaced.
        former = self._sessions.get(place)
        record = ConferenceSessionRecord(
            session_id=str(uuid.uuid4()),
            # Of a meeting that nobody came into there is no row to which this could belong.
            instance=meeting.instance if accepted or meeting.begun else "",
            uri=meeting.conference.uri,
            mcu_uri="" if kind == FOCUS else meeting.conference.mcu(kind),
            call_id=request.call_id,
            from_tag=request.from_.tag or "",
            to_tag=response.to.tag or "",
            user=sender.aor,
            user_endpoint="",
            user_client=request.headers.get("User-Agent") or "",
            content_type=request.content_type,
            invited_at=now - (self._timers.now() - arrival.at),
            answered_at=now,
            ended_at=None if accepted else now,
            internal=internal,
            response_code=response.status,
            diagnostic_id=outcome.diagnostic_id,
            replaced_session=former.session_id if accepted and former is not None else "",
            end_reason="" if accepted else "rejected",
            node=self._node,
        )
        if accepted:
            if former is not None:
                self._note(replace(former, ended_at=now, ended_by_server=True, end_reason="replaced"))
            self._sessions[place] = record
            self._relink(place, record.session_id)
        self._note(record)

    def _relink(self, place: Place, session_id: str) -> None:
        """Name the dialog in the row of a join, which was begun before the dialog was answered."""
        join = self._joins.get(place)
        if join is not None:
            self._joins[place] = join = replace(join, session_id=session_id)
            self._note(join)

    # --- what happens in meetings

    def meeting_changed(self, before: Meeting, after: Meeting, change: MeetingChange) -> None:
        """Record one change; see `MeetingObserver`."""
        if after.begun:
            self._begun(after)
        hear = self._hear.get(type(change))
        if hear is not None:
            hear(after, change)

    def _arrived(self, meeting: Meeting, change: Arrived) -> None:
        if not change.waits:
            self._joined(meeting, change.user, change.endpoint)

    def _admitted(self, meeting: Meeting, change: Admitted) -> None:
        for endpoint in meeting.attendees[change.user].endpoints:
            self._joined(meeting, change.user, endpoint)

    def _gone(self, meeting: Meeting, change: Gone) -> None:
        for endpoint in (*change.media, change.endpoint):
            self._left(meeting, change.user, endpoint, change.why)

    def count(self, meeting: Meeting) -> None:
        """Record how many messages each user has sent, where that has changed."""
        earlier = self._earlier.get(meeting.instance, {})
        now = self._counts(meeting.conference.uri)
        former = self._counted.get(meeting.instance, {})
        said = {
            user: messages + earlier.get(user, 0)
            for user, messages in now.items()
            if user in former or self._may(meeting, user, internal=_is_internal(meeting, user))
        }
        if said == former:
            return
        self._counted[meeting.instance] = said
        for user, messages in said.items():
            if former.get(user) != messages:
                self._note(MessageCountRecord(meeting.instance, user, messages, self._timers.wall()), at_once=False)

    def _begun(self, meeting: Meeting) -> None:
        organizer = meeting.conference.organizer
        if meeting.instance in self._conferences or meeting.ended or not self._shares.spend(organizer):
            return
        active = meeting.conference.active
        record = ConferenceRecord(
            meeting.instance,
            meeting.conference.uri,
            organizer,
            self._timers.wall() if active is None else active.since,
            node=self._node,
        )
        self._conferences[meeting.instance] = record
        self._note(record)

    def _joined(self, meeting: Meeting, user: Aor, endpoint: RosterEndpoint) -> None:
        place = (meeting.instance, user, endpoint.epid, endpoint.kind)
        if place in self._joins:  # the same device in a new dialog: it has not been away
            return
        attendee, now = meeting.attendees[user], self._timers.wall()
        if not self._may(meeting, user, internal=attendee.internal):
            return
        session = self._sessions.get(place)
        join_id, session_id = str(uuid.uuid4()), "" if session is None else session.session_id
        join: FocusJoinRecord | McuJoinRecord
        if endpoint.kind == FOCUS:
            join = FocusJoinRecord(
                join_id,
                meeting.instance,
                session_id,
                user,
                str(endpoint.epid),
                "",
                endpoint.client,
                attendee.role.value,
                now,
                internal=attendee.internal,
                node=self._node,
            )
        else:
            join = McuJoinRecord(
                join_id,
                meeting.instance,
                session_id,
                endpoint.kind,
                user,
                str(endpoint.epid),
                endpoint.client,
                now,
                node=self._node,
            )
        self._joins[place] = join
        self._note(join)

    def _left(self, meeting: Meeting, user: Aor, endpoint: RosterEndpoint, why: Departure) -> None:
        place, now = (meeting.instance, user, endpoint.epid, endpoint.kind), self._timers.wall()
        join = self._joins.pop(place, None)
        if join is not None:
            self._note(replace(join, left_at=now))
        session = self._sessions.pop(place, None)
        if session is not None:
            ended = replace(session, ended_at=now, ended_by_server=why in BY_SERVER, end_reason=why.value)
            self._note(ended)
        # Whoever leaves a medium has said all there: the count is written now, not at the next `record_counts_s`.
        if endpoint.kind != FOCUS:
            self.count(meeting)

    def _promoted(self, meeting: Meeting, change: RoleChanged) -> None:
        for endpoint in meeting.attendees[change.user].endpoints:
            place = (meeting.instance, change.user, endpoint.epid, FOCUS)
            join = self._joins.get(place)
            if isinstance(join, FocusJoinRecord):
                self._joins[place] = join = replace(join, role=change.role.value)
                self._note(join)

    def _over(self, meeting: Meeting, change: MeetingEnded) -> None:
        self.count(meeting)
        self._counted.pop(meeting.instance, None)
        self._earlier.pop(meeting.instance, None)
        record = self._conferences.pop(meeting.instance, None)
        if record is not None:
            self._note(replace(record, ended_at=self._timers.wall(), end_reason=change.why.value))

    def _may(self, meeting: Meeting, user: Aor, *, internal: bool) -> bool:
        """Tell whether one more row may be begun; guests have made-up addresses, so all guests of an organizer share a quota."""
        return self._shares.spend(user if internal else ("guests", meeting.conference.organizer))

    def _told(self, owner: Hashable, left_out: int) -> None:
        self.log.warn(
            "{aor} begins more than {count} rows of conferences an hour ([conferencing] records_per_user): further"
            " ones are not written, {left_out} in all",
            aor=f"guests of {owner[1]}" if isinstance(owner, tuple) else owner,
            count=self._per_hour,
            left_out=left_out,
        )

    def _note(self, row: ConferenceRow, *, at_once: bool = True) -> None:
        self._recording.queue_record(cut(row), within_s=0.0 if at_once else COUNTS_S)


def _is_internal(meeting: Meeting, user: Aor) -> bool:
    attendee = meeting.attendees.get(user)
    return attendee is not None and attendee.internal
