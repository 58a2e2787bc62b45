"""The focus: runs one meeting, and carries out what follows from its changes.

The rules are in `model/meeting.py`, which is pure. Here their steps are made durable where they have to
be, then applied: dialogs and media legs of those who left are ended, the watchers of the
roster notified, the call records written. Spec: [MS-CONFBAS] 3.5.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, Protocol

from twisted.logger import Logger

from lyncpy.contracts.arrival import Identity
from lyncpy.contracts.mcu import IMcu, Participant
from lyncpy.contracts.names import Aor, Epid, FlowName
from lyncpy.contracts.nodes import Home
from lyncpy.contracts.refusal import Diagnostics, Refused
from lyncpy.contracts.timers import ITimers
from lyncpy.core.deadline import Runner
from lyncpy.core.keyed_lock import KeyedLock
from lyncpy.core.spawn import spawn
from lyncpy.workloads.conferencing.attachments import IAttachment
from lyncpy.workloads.conferencing.conference_table import MOVED, ConferenceTable
from lyncpy.workloads.conferencing.model import meeting as rules
from lyncpy.workloads.conferencing.model.attendees import (
    Admitted,
    Arrived,
    Departure,
    Gone,
    Meeting,
    MeetingChange,
    MeetingEnded,
    MeetingStep,
    RosterEndpoint,
    Rule,
)
from lyncpy.workloads.conferencing.model.conference import Active, Conference, ConferenceDenied
from lyncpy.workloads.conferencing.model.lifetime import MeetingMachine, Transition, remembered
from lyncpy.workloads.conferencing.roster_feed import RosterFeed
from lyncpy.workloads.conferencing.seats import PREFIX

HOLD: Final = "meeting"
"""The kind of the lock under which one change of a meeting at a time is decided and stored."""


class _Moved(Refused):
    """503: another node has gone on with the meeting; what was asked is not done."""

    def __init__(self) -> None:
        super().__init__(503, Diagnostics(1, MOVED.text), headers=[("Retry-After", "2")])


class MeetingObserver(Protocol):
    """Hears of every change in meetings: the call records, the archive."""

    def meeting_changed(self, before: Meeting, after: Meeting, change: MeetingChange) -> None:
        """Note one change, between the meeting before its step and after; returns at once."""


@dataclass(frozen=True, slots=True)
class FocusServices:
    """What all foci of this process use."""

    conferences: ConferenceTable
    """Stores what has to survive the process."""

    writers: KeyedLock
    """Lets in one change of a meeting at a time."""

    mcus: Mapping[str, IMcu]
    """The MCUs, by the kind of their medium."""

    rosters: Callable[[Callable[[], Meeting]], RosterFeed]
    """Makes the feed of a meeting's roster; its argument returns the meeting as it is."""

    observer: MeetingObserver
    timers: ITimers
    on_end: Callable[["Focus"], None]
    """Called once when a meeting has ended."""

    home_of: Callable[[str], Home | None]
    """Gives as which home this node runs the conference of a key; None: there is one node alone."""

    on_moved: Callable[["Focus"], None]
    """Called when another node has gone on with a meeting: this one's has to be forgotten, and nobody told that it ends."""


class Focus(Runner):
    """Runs one meeting.

    Attributes:
        rosters: The watchers of its roster.
        began: When it began, in wall-clock seconds.
    """

    log = Logger()

    def __init__(
        self,
        meeting: Meeting,
        began: float,
        surroundings: FocusServices,
    ) -> None:
        self._machine: MeetingMachine
        super().__init__(MeetingMachine(meeting), surroundings.timers)
        self.began: Final = began
        self._conferences = surroundings.conferences
        self._writers = surroundings.writers
        self._mcus = surroundings.mcus
        self.rosters: Final = surroundings.rosters(lambda: self.meeting)
        self._observer = surroundings.observer
        self._on_end = surroundings.on_end
        self._home_of = surroundings.home_of
        self._on_moved = surroundings.on_moved
        self._attached: dict[tuple[Aor, Epid], IAttachment] = {}
        self._kept: Active | None = meeting.conference.active
        self.watch()

    @property
    def meeting(self) -> Meeting:
        """The meeting as it is now."""
        return self._machine.meeting

    @property
    def uri(self) -> str:
        """The focus URI."""
        return self.meeting.conference.uri

    @property
    def is_idle(self) -> bool:
        """Tell whether the meeting was opened for somebody who was not admitted, and may be forgotten."""
        return not self.meeting.attendees and not self.meeting.begun

    # --- changing

    async def change(self, rule: Rule) -> MeetingStep | ConferenceDenied:
        """Apply a rule; what has to survive the process is durable before anybody is told.

        The rule may be applied twice: to the meeting as it is, and again once that was stored.

        Raises:
            Refused: 503, too many changes wait, or another node has gone on with the meeting.
            StoreUnavailable: Nothing has changed.
        """
        async with self._writers.hold(HOLD, self.meeting.conference.key):
            step = rule(self.meeting)
            if isinstance(step, ConferenceDenied):
                return step
            # Stored first, then applied: after a crash nobody has seen a lock or a role that is forgotten.
            if await self._keep(step[0]):
                # Somebody may have left or been lost while it was written.
                step = rule(self.meeting)
                if isinstance(step, ConferenceDenied):
                    return step
            self._carry_out(self._machine.receive(step))
            return step

    def note(self, rule: Callable[[Meeting], MeetingStep]) -> None:
        """Apply a rule for what has already happened and cannot be denied; it is stored afterwards."""
        self.perform(self._machine.receive(rule(self.meeting)))

    def perform(self, effects: Transition) -> None:
        """Carry out a transition that has happened; it is stored afterwards. See `Runner`."""
        self._carry_out(effects)
        spawn(self._keep_later(), self.log, "keeping a meeting")

    def attach(self, attachment: IAttachment) -> None:
        """Attach a device that joined; its earlier attachment, if any, is dropped without being told."""
        self._attached[attachment.user, attachment.epid] = attachment

    def attachment(self, user: Aor, epid: Epid) -> IAttachment | None:
        """Find the attachment of a device; None: it has none."""
        return self._attached.get((user, epid))

    def is_held_elsewhere(self, user: Aor, flow: FlowName) -> bool:
        """Tell whether somebody of this address is here, and by no connection but another one.

        The name of a guest belongs to one connection; whoever has another one may be anybody who knows the key.
        """
        theirs = (one.flow for one in self._attached.values() if one.user == user)
        return user in self.meeting.attendees and flow not in theirs

    def attachments(self) -> Sequence[IAttachment]:
        """Return the attachments of all devices."""
        return tuple(self._attached.values())

    def participant(self, who: Identity, endpoint: str) -> Participant:
        """Describe somebody who is in the meeting to an MCU, as the device that they are there with."""
        attendee = self.meeting.attendees[who.aor]
        home = PREFIX + self.meeting.conference.key
        return Participant(
            self.uri, who.aor, who.epid, endpoint, attendee.display_name, internal=attendee.internal, home=home
        )

    def leg_ended(self, participant: Participant, reason: str, kind: str) -> None:
        """Note that a participant has left a medium, as its MCU tells."""
        attendee = self.meeting.attendees.get(participant.user)
        endpoint = None if attendee is None else attendee.at(participant.epid, kind)
        if endpoint is not None and endpoint.entity == participant.endpoint:
            self.note(lambda meeting: rules.medium_left(meeting, participant.user, participant.epid, kind))

    def reform(self, conference: Conference) -> None:
        """Replace the conference by what the organizer modified."""
        self._carry_out(self._machine.receive(rules.reform(self.meeting, conference)))

    # --- inside

    async def _keep(self, meeting: Meeting) -> bool:
        """Store what must survive; tell whether there was something new to store."""
        active = remembered(meeting, self.began)
        if active == self._kept:
            return False
        key = meeting.conference.key
        if await self._conferences.remember(key, active, self._home_of(key)) is MOVED:
            self._on_moved(self)
            raise _Moved
        self._kept = active
        return True

    async def _keep_later(self) -> None:
        async with self._writers.hold(HOLD, self.meeting.conference.key):
            with suppress(_Moved):
                await self._keep(self.meeting)

    def _carry_out(self, transition: Transition) -> None:
        before, after, changes = transition
        if after is before and not changes:
            return
        for change in changes:
            self._observer.meeting_changed(before, after, change)
            self._follow(change)
        self.watch()
        if after.ended:
            self._over()
        else:
            self.rosters.changed()

    def _follow(self, change: MeetingChange) -> None:
        """Carry out what follows from a change outside of the roster."""
        match change:
            case Gone():
                self._release(change)
            case Arrived(user, endpoint, replaced=RosterEndpoint()):
                self.rosters.end_subscriptions(user, endpoint.epid, "replaced")
            case Admitted(user):
                self.log.debug("{aor} was let in to {conference}", aor=user, conference=self.uri)
            case MeetingEnded(why):
                self.log.info("{conference} is over: {reason}", conference=self.uri, reason=why.value)

    def _release(self, gone: Gone) -> None:
        """End the attachment, the media legs and the subscriptions of a device that left."""
        user, epid = gone.user, gone.endpoint.epid
        attachment = self._attached.pop((user, epid), None)
        of_their_own = gone.why in (Departure.LEFT, Departure.LOST)
        if attachment is not None and not of_their_own:
            attachment.detach(gone.why.value)
        for endpoint in gone.media:
            mcu = self._mcus.get(endpoint.kind)
            if mcu is not None:
                mcu.dismiss(self.uri, user, epid, gone.why.value)
        if gone.why is not Departure.LOST:  # subscriptions end with their connection, too
            self.rosters.end_subscriptions(user, epid, gone.why.value)

    def _over(self) -> None:
        self.rosters.end_all("noresource")
        for mcu in self._mcus.values():
            mcu.end_conference(self.uri, "the meeting has ended")
        self._on_end(self)
