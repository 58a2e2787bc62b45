"""The focus: one running meeting, and what follows from whatever happens in it.

The rules are in `meeting`, which is pure. Here its steps are made durable where they have to
be, then applied: dialogs and media legs of those who are gone are ended, the watchers of the
roster told, the call records written. Spec: [MS-CONFBAS] 3.5.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Protocol

from twisted.logger import Logger

from lyncpy.contracts.mcu import IMcu, Participant
from lyncpy.contracts.names import Aor, Epid
from lyncpy.contracts.timers import ITimers
from lyncpy.core.deadline import Deadline
from lyncpy.core.keyed_lock import KeyedLock
from lyncpy.core.spawn import spawn
from lyncpy.workloads.conferencing.attachments import IAttachment
from lyncpy.workloads.conferencing.conference_table import ConferenceTable
from lyncpy.workloads.conferencing.model import meeting as rules
from lyncpy.workloads.conferencing.model.attendees import (
    Admitted,
    Arrived,
    Change,
    Departure,
    Gone,
    Meeting,
    MeetingEnded,
    Step,
)
from lyncpy.workloads.conferencing.model.conference import Active, Conference, ConferenceDenied
from lyncpy.workloads.conferencing.roster_feed import RosterFeed

HOLD: Final = "meeting"
"""The kind of name under which one change of a meeting at a time is decided and kept."""

Rule = Callable[[Meeting], Step | ConferenceDenied]


class MeetingObserver(Protocol):
    """Who hears of everything that happens in a meeting: the call records, the archive."""

    def heard(self, before: Meeting, after: Meeting, change: Change) -> None:
        """Take one change; returns at once."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What every running meeting of this process has around it."""

    conferences: ConferenceTable
    """Where it is kept what has to survive the process."""

    writers: KeyedLock
    """One change of a meeting at a time."""

    mcus: Mapping[str, IMcu]
    """Who moves a medium, by its kind."""

    rosters: Callable[[Callable[[], Meeting]], RosterFeed]
    """Makes the table of who watches a meeting; it is given what gives the meeting as it is."""

    observer: MeetingObserver
    timers: ITimers
    on_end: Callable[["Focus"], None]
    """Hears once that a meeting is over."""


class Focus:
    """One running meeting.

    Attributes:
        meeting: As it is now.
        rosters: Who watches it.
        began: Wall-clock seconds.
    """

    log = Logger()

    def __init__(
        self,
        meeting: Meeting,
        began: float,
        surroundings: Surroundings,
    ) -> None:
        self.meeting = meeting
        self.began: Final = began
        self._conferences = surroundings.conferences
        self._writers = surroundings.writers
        self._mcus = surroundings.mcus
        self.rosters: Final = surroundings.rosters(lambda: self.meeting)
        self._observer = surroundings.observer
        self._timers = surroundings.timers
        self._on_end = surroundings.on_end
        self._attached: dict[tuple[Aor, Epid], IAttachment] = {}
        self._kept: Active | None = meeting.conference.active
        self._deadline = Deadline(surroundings.timers, self._due)
        self._wind()

    @property
    def uri(self) -> str:
        """The focus URI."""
        return self.meeting.conference.uri

    @property
    def is_idle(self) -> bool:
        """Tell whether it was opened for somebody who did not get in, and nothing is lost without it."""
        return not self.meeting.attendees and not self.meeting.begun

    # --- changing

    async def change(self, rule: Rule) -> Step | ConferenceDenied:
        """Apply a rule; what has to survive the process is durable before anybody hears of it.

        Raises:
            Refused: 503, too many changes wait.
            StoreUnavailable: Nothing has changed.
        """
        async with self._writers.hold(HOLD, self.meeting.conference.key):
            step = rule(self.meeting)
            if isinstance(step, ConferenceDenied):
                return step
            if await self._keep(step[0]):
                # Somebody may have left or been lost meanwhile.
                step = rule(self.meeting)
                if isinstance(step, ConferenceDenied):
                    return step
            self._apply(step)
            return step

    def note(self, rule: Callable[[Meeting], Step]) -> None:
        """Apply what has happened and cannot be refused; it is kept as soon as may be."""
        self._apply(rule(self.meeting))
        spawn(self._keep_later(), self.log, "keeping a meeting")

    def attach(self, attachment: IAttachment) -> None:
        """Have a device that joined hear of its end; its earlier thread, if any, is dropped without a word."""
        self._attached[attachment.user, attachment.epid] = attachment

    def attachment(self, user: Aor, epid: Epid) -> IAttachment | None:
        """Give how a device is attached."""
        return self._attached.get((user, epid))

    def left(self, participant: Participant, reason: str, kind: str) -> None:
        """Hear from an MCU that a leg is over."""
        attendee = self.meeting.attendees.get(participant.user)
        endpoint = None if attendee is None else attendee.at(participant.epid, kind)
        if endpoint is not None and endpoint.entity == participant.endpoint:
            self.note(lambda meeting: rules.medium_left(meeting, participant.user, participant.epid, kind))

    def reform(self, conference: Conference) -> None:
        """Take over what the organizer changed."""
        self._apply(rules.reform(self.meeting, conference))

    def close(self) -> None:
        """Stop the clock; the meeting goes on in the next process."""
        self._deadline.clear()

    # --- inside

    async def _keep(self, meeting: Meeting) -> bool:
        """Make durable what must survive; tell whether that took time."""
        active = rules.remembered(meeting, self.began)
        if active == self._kept:
            return False
        await self._conferences.remember(meeting.conference.key, active)
        self._kept = active
        return True

    async def _keep_later(self) -> None:
        async with self._writers.hold(HOLD, self.meeting.conference.key):
            await self._keep(self.meeting)

    def _apply(self, step: Step) -> None:
        before, (after, changes) = self.meeting, step
        if after is before and not changes:
            return
        self.meeting = after
        for change in changes:
            self._observer.heard(before, after, change)
            self._follow(change)
        self._wind()
        if after.ended:
            self._over()
        else:
            self.rosters.changed()

    def _follow(self, change: Change) -> None:
        """Do what a change asks for outside of the roster."""
        if isinstance(change, Gone):
            self._release(change)
        elif isinstance(change, Arrived) and change.replaced is not None:
            self.rosters.end_subscriptions(change.user, change.endpoint.epid, "replaced")
        elif isinstance(change, Admitted):
            self.log.debug("{aor} was let in to {conference}", aor=change.user, conference=self.uri)
        elif isinstance(change, MeetingEnded):
            self.log.info("{conference} is over: {reason}", conference=self.uri, reason=change.why.value)

    def _release(self, gone: Gone) -> None:
        """End the threads of a device that is out."""
        user, epid = gone.user, gone.endpoint.epid
        attachment = self._attached.pop((user, epid), None)
        by_himself = gone.why in (Departure.LEFT, Departure.LOST)
        if attachment is not None and not by_himself:
            attachment.detach(gone.why.value)
        for endpoint in gone.media:
            mcu = self._mcus.get(endpoint.kind)
            if mcu is not None:
                mcu.dismiss(self.uri, user, epid, gone.why.value)
        if gone.why is not Departure.LOST:  # whose connection is lost has lost what it watched, too
            self.rosters.end_subscriptions(user, epid, gone.why.value)

    def _over(self) -> None:
        self.close()
        self.rosters.end_all("noresource")
        for mcu in self._mcus.values():
            mcu.end_conference(self.uri, "the meeting has ended")
        self._on_end(self)

    def _wind(self) -> None:
        """Set the clock for the next thing that only time brings about."""
        self.close()
        at = rules.deadline(self.meeting)
        if at is not None and not self.meeting.ended:
            self._deadline.set(max(0.0, at - self._timers.now()))

    def _due(self) -> None:
        now = self._timers.now()
        step = rules.expire(self.meeting, now)
        if step[1]:
            self.note(lambda meeting: step)
        else:
            self._wind()
