"""The table of running meetings, and how they begin and end."""

import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Final

from twisted.logger import Logger
from zope.interface import implementer

from lyncpy.contracts.bus import Interest, SharedInterest
from lyncpy.contracts.facts import EndpointGone, FlowClosed, NodeLost
from lyncpy.contracts.locator import ILocator
from lyncpy.contracts.mcu import IFocusObserver, IMcu, Participant
from lyncpy.contracts.names import Aor, Epid, FlowName, node_of
from lyncpy.contracts.refusal import Diagnostics, Refused, StoreUnavailable
from lyncpy.contracts.shares import TOTAL, Shares
from lyncpy.core.feed import Feed
from lyncpy.core.notifier import Notifier, Subscription
from lyncpy.core.platform import Platform
from lyncpy.core.set_index import remove_member
from lyncpy.core.spawn import spawn
from lyncpy.workloads.conferencing.bodies.conference_info import RosterAudience
from lyncpy.workloads.conferencing.conference_table import ConferenceTable
from lyncpy.workloads.conferencing.focus import Focus, FocusServices, MeetingObserver
from lyncpy.workloads.conferencing.home_epochs import HomeEpochs
from lyncpy.workloads.conferencing.meeting_notes import MeetingNotes
from lyncpy.workloads.conferencing.model import lifetime
from lyncpy.workloads.conferencing.model import meeting as rules
from lyncpy.workloads.conferencing.model.attendees import Arrived, Gone, Meeting, MeetingChange
from lyncpy.workloads.conferencing.model.conference import Conference, read_address
from lyncpy.workloads.conferencing.model.identity import readdress
from lyncpy.workloads.conferencing.roster_feed import RosterFeed, RosterSource
from lyncpy.workloads.conferencing.seats import Seats
from lyncpy.workloads.conferencing.settings import Settings

NO_CONFERENCE: Final = Diagnostics(3003, "The conference-entity supplied in the C3P request is invalid")


@implementer(IFocusObserver)
class FocusTable:
    """The foci of all meetings that run in this process; bounded."""

    log = Logger()

    def __init__(
        self,
        platform: Platform,
        notifier: Notifier,
        conferences: ConferenceTable,
        mcus: Mapping[str, IMcu],
        observers: Sequence[MeetingObserver],
        seats: Seats,
        epochs: HomeEpochs,
        settings: Settings,
    ) -> None:
        """Begin without a meeting; `open` resumes those of an earlier process.

        Args:
            notifier: Sends rosters to their watchers.
            conferences: The conferences as they are stored.
            mcus: The MCUs, by the kind of their medium.
            observers: Hear of every change in a meeting.
            seats: What is left of devices with their own nodes.
            epochs: As which homes conferences are run here.
        """
        self._platform = platform
        self._notifier = notifier
        self.feed: Final[Feed[RosterFeed, None, RosterAudience]] = Feed(RosterSource(), notifier, platform.timers)
        """Notifies the watchers of rosters; it has to hear of connections that close or drain."""

        self._conferences = conferences
        self._mcus = mcus
        self._notes = MeetingNotes(platform.bus)
        self._observers = (*observers, seats, self._notes)
        self._seats = seats
        self._settings = settings
        self._timers = platform.timers
        self.owners = platform.owners
        self._gather_s = settings.gather_ms / 1000
        self._shares = Shares(
            settings.meetings,
            {"organizer": settings.meetings_per_organizer},
            {TOTAL: "conferencing.meetings", "organizer": "conferencing.meetings_per_organizer"},
        )
        self._surroundings = FocusServices(
            conferences,
            platform.writers,
            mcus,
            self._rosters,
            self,
            platform.timers,
            self._ended,
            epochs.epoch_of,
            self.abandon,
        )
        self.people: Final = Interest()
        """Who is in a meeting or in a lobby: of their devices it is to be heard when they are gone."""

        self.places: Final = SharedInterest()
        """The addresses in the links of those conferences: of their changes it is to be heard."""

        self._foci: dict[str, Focus] = {}
        self._meetings_of: dict[Aor, set[str]] = {}
        """The keys of the meetings that a user is in, or in whose lobby."""

        self._flow_of_guest: dict[Aor, FlowName] = {}
        self._guest_of_flow: dict[FlowName, tuple[Aor, Epid]] = {}
        """Guests by the connection that they came by: they do not sign in, so they leave when it closes."""

        self._from_elsewhere: dict[FlowName, tuple[Aor, Epid]] = {}
        """Those with an account, by their connections at other nodes: that they have signed out may be told and not heard."""

        self._on_end: Callable[[str], None] = _nothing

    def __len__(self) -> int:
        return len(self._foci)

    def open(self, on_end: Callable[[str], None]) -> None:
        """Begin to hear of conferences that change.

        Args:
            on_end: Called with the key of each conference whose meeting runs here no more.
        """
        self._on_end = on_end
        self._conferences.listen(self._conference_changed)

    def is_running(self, key: str) -> bool:
        """Tell whether a meeting of a conference runs here."""
        return key in self._foci

    def node_lost(self, fact: NodeLost) -> None:
        """Remove all who were connected to a node that is lost."""
        for focus in tuple(self._foci.values()):
            for one in focus.attachments():
                if node_of(one.flow) == fact.node:
                    self._lose(one.user, one.epid)

    def abandon(self, focus: Focus) -> None:
        """Forget a meeting with which another node goes on; nobody is told anything."""
        key = focus.meeting.conference.key
        if self._foci.get(key) is not focus:
            return
        focus.stop()
        self._notes.note(
            focus.meeting.conference.id, lambda: "its meeting runs here no more, another server goes on with it"
        )
        self._seats.abandon(key)
        focus.rosters.abandon()
        for mcu in self._mcus.values():
            mcu.abandon(focus.uri)
        for attendee in focus.meeting.attendees.values():
            self._not_in(attendee.user, key)
        self._ended(focus)

    def close(self) -> None:
        """Stop all timers; the meetings go on in the next process."""
        self.feed.close()
        for focus in self._foci.values():
            focus.stop()

    def all_running(self) -> Sequence[Focus]:
        """Return the foci of the running meetings, oldest first."""
        return tuple(self._foci.values())

    def running(self, uri: str) -> Focus | None:
        """Find the focus of the running meeting that a focus or MCU URI names; None: none runs."""
        address = read_address(uri)
        return None if address is None else self._foci.get(address.key)

    def require(self, uri: str) -> Focus:
        """Return the focus of the running meeting that a URI names.

        Raises:
            Refused: 404, none runs.
        """
        focus = self.running(uri)
        if focus is None:
            raise Refused(404, NO_CONFERENCE)
        return focus

    def enter(self, uri: str) -> Focus:
        """Return the focus of the meeting that a URI names; the meeting is opened if it does not run.

        Raises:
            Refused: 404, no such conference; 503, too many run.
        """
        running = self.running(uri)
        if running is not None:
            return running
        conference = self._conferences.at(uri)
        if conference is None:
            raise Refused(404, NO_CONFERENCE)
        if self._shares.excess(_share(conference)):
            raise Refused(503, Diagnostics(1, "Too many meetings at once"), headers=[("Retry-After", "60")])
        # Meetings that another process left were resumed by `open`: an `active` that is still there
        # is of a meeting that has just ended, whose end is being written.
        return self.begin(replace(conference, active=None))

    def forget_unused(self, focus: Focus) -> None:
        """Forget a meeting to which nobody was admitted."""
        if focus.is_idle:
            self._ended(focus)
            focus.stop()

    def leg_ended(self, participant: Participant, reason: str) -> None:
        """Note that a participant has left a medium; see `IFocusObserver`."""
        focus = self.running(participant.conference)
        if focus is not None:
            for kind in self._mcus:
                focus.leg_ended(participant, reason, kind)

    def endpoint_gone(self, fact: EndpointGone) -> None:
        """Remove a device that signed out or was lost from every meeting; not one that has come back by another connection."""
        user, epid = fact.aor, fact.epid
        theirs = [self._foci[key].attachment(user, epid) for key in self._meetings_of.get(user, ())]
        if all(one is None or one.flow == fact.flow for one in theirs):
            self._lose(user, epid)
        else:
            looking = _look_after(self._platform.locator, user, epid, self._lose)
            spawn(looking, self.log, "looking whether somebody has signed in again")

    def flow_closed(self, fact: FlowClosed) -> None:
        """Remove a guest whose connection has closed from every meeting; look whether others are signed in still."""
        guest = self._guest_of_flow.get(fact.flow)
        if guest is not None:
            self._lose(*guest)
        device = self._from_elsewhere.pop(fact.flow, None)
        if device is not None:
            looking = _look_after(self._platform.locator, *device, self._lose)
            spawn(looking, self.log, "looking whether somebody is signed in elsewhere")

    def addresses_changed(self, aors: frozenset[Aor]) -> None:
        """Replace the addresses that have changed by present ones, in every meeting that knows one of them."""
        now = self._timers.now()
        for focus in tuple(self._foci.values()):
            if not aors.isdisjoint(focus.meeting.attendees) or not aors.isdisjoint(focus.meeting.meant):
                focus.note(lambda meeting: readdress(meeting, self.owners, now))

    def bind(self, user: Aor, epid: Epid, flow: FlowName, *, guest: bool) -> None:
        """Have a guest who has just joined leave when their connection closes; all others are signed in."""
        if user not in self._meetings_of:
            return
        if not guest:
            if node_of(flow) != self._platform.node:
                self._from_elsewhere[flow] = user, epid
        else:
            self._guest_of_flow.pop(self._flow_of_guest.get(user, flow), None)
            self._flow_of_guest[user], self._guest_of_flow[flow] = flow, (user, epid)

    def is_inside(self, user: Aor) -> bool:
        """Tell whether somebody is in any meeting or lobby."""
        return user in self._meetings_of

    def _lose(self, user: Aor, epid: Epid) -> None:
        now = self._timers.now()
        for key in tuple(self._meetings_of.get(user, ())):
            self._foci[key].note(lambda meeting: rules.leave(meeting, user, epid, now, lost=True))

    def meeting_changed(self, before: Meeting, after: Meeting, change: MeetingChange) -> None:
        """Note which meetings users are in, and pass a change on to all observers; see `MeetingObserver`."""
        match change:
            case Arrived(user, first=True):
                self._meetings_of.setdefault(user, set()).add(after.conference.key)
                self.people.add(user)
            case Gone(user, last=True):
                self._not_in(user, after.conference.key)
        for observer in self._observers:
            observer.meeting_changed(before, after, change)

    def begin(self, conference: Conference) -> Focus:
        """Begin a meeting, or go on with the one that ran when its process died: its participants may return."""
        organizer = self._platform.people.person(conference.organizer)
        name = "" if organizer is None else organizer.display_name
        meeting_policy = self._settings.meeting_policy(self._platform.policies.policy_of(conference.organizer))
        meeting = lifetime.begin(conference, str(uuid.uuid4()), meeting_policy, self._timers.now(), name)
        began = conference.active.since if conference.active is not None else self._timers.wall()
        focus = Focus(meeting, began, self._surroundings)
        if conference.key not in self._foci:
            self._shares.add(_share(conference))
            self.places.add(conference.place)
        self._foci[conference.key] = focus
        what = "begins" if conference.active is None else "goes on"
        self._notes.note(conference.id, lambda: f"its meeting {what} at this server")
        return focus

    # --- inside

    def _not_in(self, user: Aor, key: str) -> None:
        remove_member(self._meetings_of, user, key)
        if user not in self._meetings_of:
            self.people.discard(user)
            self._guest_of_flow.pop(self._flow_of_guest.pop(user, FlowName("")), None)

    def _rosters(self, meeting: Callable[[], Meeting]) -> RosterFeed:
        def forgotten(subscription: Subscription) -> None:
            self._seats.unsubscribed(meeting().conference.key, subscription)

        return RosterFeed(meeting, self.feed, self._notifier, self._gather_s, forgotten)

    def _ended(self, focus: Focus) -> None:
        key = focus.meeting.conference.key
        if self._foci.get(key) is focus:
            del self._foci[key]
            self._shares.release(_share(focus.meeting.conference))
            self.places.discard(focus.meeting.conference.place)
            self._on_end(key)

    def _conference_changed(self, before: Conference, after: Conference | None) -> None:
        """Apply to a running meeting that its conference was modified or deleted."""
        focus = self._foci.get(before.key)
        if focus is None:
            return
        if after is None:
            focus.note(rules.deleted)
        else:
            focus.reform(after)


async def _look_after(locator: ILocator, user: Aor, epid: Epid, lose: Callable[[Aor, Epid], None]) -> None:
    """Remove a device whose connection at another node is gone, unless it is signed in by another one."""
    with suppress(StoreUnavailable):  # then it is not known; that it is gone is told as well
        if not any(one.epid == epid for one in await locator.endpoints(user)):
            lose(user, epid)


def _nothing(key: str) -> None:
    """Nobody is told."""


def _share(conference: Conference) -> dict[str, str]:
    """Return as whose meeting it counts: the same when it ends, whatever address the organizer has then."""
    return {"organizer": conference.owner or conference.organizer}
