"""The life of conferencing."""

from collections.abc import Mapping, Sequence
from typing import Final

from zope.interface import implementer

from lyncpy.contracts.archive import IArchive
from lyncpy.contracts.bus import IListening
from lyncpy.contracts.facts import (
    AddressesChanged,
    ConferenceChanged,
    EndpointGone,
    FlowClosed,
    FlowDrained,
    NodeLost,
)
from lyncpy.contracts.mcu import ISipAccess
from lyncpy.contracts.names import Aor, aor_of
from lyncpy.contracts.owners import resolve
from lyncpy.contracts.privacy import IPrivacy
from lyncpy.contracts.workload import IWorkload, Offer, Provision
from lyncpy.core.deadline import Deadline
from lyncpy.core.leavings import Leavings
from lyncpy.core.platform import Platform, Signaling
from lyncpy.sip.markup import escape
from lyncpy.workloads.conferencing.bodies.pages import MeetingLink
from lyncpy.workloads.conferencing.call_records import ConferenceRecorder
from lyncpy.workloads.conferencing.calls import Calls
from lyncpy.workloads.conferencing.commands import Commands
from lyncpy.workloads.conferencing.conference_homes import ConferenceHomes
from lyncpy.workloads.conferencing.conference_table import KIND, ConferenceTable
from lyncpy.workloads.conferencing.factory import FACTORY, Factory
from lyncpy.workloads.conferencing.focus_commands import FocusCommands
from lyncpy.workloads.conferencing.focus_table import FocusTable
from lyncpy.workloads.conferencing.guests import Guests
from lyncpy.workloads.conferencing.home_epochs import HomeEpochs
from lyncpy.workloads.conferencing.joining import Joiners
from lyncpy.workloads.conferencing.meeting_archiver import MeetingArchiver
from lyncpy.workloads.conferencing.meeting_notes import MeetingNotes
from lyncpy.workloads.conferencing.model.conference import CHAT, Conference
from lyncpy.workloads.conferencing.refusals import C3pRefusals
from lyncpy.workloads.conferencing.routes import Routes
from lyncpy.workloads.conferencing.seats import Seats
from lyncpy.workloads.conferencing.settings import Settings
from lyncpy.workloads.conferencing.successor import Successor

COUNTS: Final = 100_000
"""People whose message counts of one meeting are read when it goes on; more than any meeting has."""

CLOSING: Final = "closing the conference records of lost servers"


@implementer(IWorkload)
class Conferencing:
    """Conferences: made by the factory, run by foci, their media moved by MCUs.

    Attributes:
        foci: The running meetings; MCUs tell it who has left.
        conferences: All conferences that are stored.
        guests: Which of them guests may join; the gate asks.
    """

    name = "conferencing"

    def __init__(
        self,
        platform: Platform,
        signaling: Signaling,
        media: Sequence[ISipAccess],
        privacy: IPrivacy,
        archive: IArchive,
        domains: tuple[str, ...],
        settings: Settings,
    ) -> None:
        """Build the parts, and connect them.

        Args:
            media: The access of SIP clients to each medium, with its MCU.
            privacy: Tells whether a user has blocked another.
            archive: Keeps who joined and left.
            domains: Those of the organizers.
            settings: The section [conferencing].
        """
        timers = platform.timers
        self._bus, self._records, self._nodes = platform.bus, platform.records, platform.nodes
        self._timers, self._counts_s, self._locator = timers, settings.record_counts_s, platform.locator
        self._leavings = Leavings(platform.nodes, timers, self._close_left_open, CLOSING)
        self._counting = Deadline(timers, self._tick)
        accesses = {access.mcu.kind: access for access in media}
        kinds = {kind: access.mcu for kind, access in accesses.items()}
        self._chat = kinds.get(CHAT)
        self.conferences = ConferenceTable(
            platform.store,
            platform.writers,
            timers,
            settings.terms(tuple(kinds)),
            total=settings.conferences,
            purge_every_s=settings.purge_every_s,
            owners=platform.owners,
            tell=platform.bus.tell,
        )
        platform.sweep.cover(platform.store, KIND, self.conferences.others, ConferenceChanged)
        self._recorder = ConferenceRecorder(
            platform.recording, self._counts, platform.node, timers, per_hour=settings.records_per_user
        )
        self._notes, self._refusals = MeetingNotes(platform.bus), C3pRefusals(platform.meter)
        self._calls = Calls(platform, signaling, privacy, self._notes, self._refusals)
        platform.meter.gauge("lyncpy_conferencing_meetings_count", "Meetings that run here.", lambda: len(self.foci))
        platform.meter.gauge("lyncpy_conferencing_calls_count", "Calls into meetings.", self._calls.__len__)
        listeners = (self._recorder, self._calls, MeetingArchiver(archive, timers))
        seats = Seats(signaling.deposits, is_alone=platform.nodes.is_alone)
        epochs = HomeEpochs(platform.nodes)
        self.foci = FocusTable(
            platform, signaling.notifier, self.conferences, kinds, listeners, seats, epochs, settings
        )
        for mcu in kinds.values():
            mcu.listen(self.foci)
        self._deposits = signaling.deposits
        find, welcome = self.conferences.at, settings.guests
        self.guests = Guests(find, self._look, self._is_inside, tuple(kinds), domains, welcome=welcome)
        routes = Routes(
            platform,
            signaling,
            self._factory(platform, tuple(kinds), settings),
            self.foci,
            FocusCommands(self.conferences, platform.policies, self._calls, self._notes, self._refusals, timers),
            accesses,
            self._recorder,
            seats,
        )
        self._homes = self._homed(platform, signaling, seats, epochs, accesses, settings)
        self._people, self._owners = platform.people, platform.owners
        self.offer = self._offering(routes, settings)

    _listening: tuple[IListening, ...] = ()

    def _factory(self, platform: Platform, kinds: tuple[str, ...], settings: Settings) -> Factory:
        guests, meeting_url = settings.guests, settings.meeting_url
        return Factory(
            self.conferences,
            platform.policies,
            kinds,
            self._notes,
            self._refusals,
            guests=guests,
            meeting_url=meeting_url,
        )

    def _homed(
        self,
        platform: Platform,
        signaling: Signaling,
        seats: Seats,
        epochs: HomeEpochs,
        accesses: Mapping[str, ISipAccess],
        settings: Settings,
    ) -> ConferenceHomes:
        successor = Successor(
            self.foci,
            seats,
            accesses,
            Joiners(platform.people, platform.locator, platform.owners),
            signaling.outbound,
            signaling.notifier,
            self._recorder,
            platform.timers,
        )
        return ConferenceHomes(
            platform, signaling, self.conferences, self.foci, epochs, successor, self._resume_counts, settings.linger_s
        )

    def _offering(self, routes: Routes, settings: Settings) -> Offer:
        commands = Commands(self.foci, self.conferences, self._chat, settings.meeting_url, self._nodes, self._timers)
        return Offer(
            self.name,
            routes=routes.rows(),
            homed=(self._homes,),
            commands=commands.words(),
            provisions=(Provision("ServerConfiguration", _factory_uri),) if settings.announced else (),
        )

    async def link(self, place: Aor, id_: str) -> MeetingLink | None:
        """Give what the page behind a link tells of a conference; None where it names none.

        Args:
            place: Where the link begins: its organizer's name, in the first domain.
            id_: Of the conference; one that another server has just made is read.
        """
        find = self.conferences.linked
        found = find(place, id_) if self._nodes.is_alone else await self.conferences.others.learn(place, id_, find)
        if found is None:
            return None
        organizer = resolve(self._owners, found.organizer, found.owner)
        person = self._people.person(organizer) if organizer is not None else None
        return MeetingLink(found.uri, person.display_name if person is not None else "")

    async def open(self) -> None:
        """Read the conferences, close the records that dead nodes left open, and go on with the meetings that are this node's."""
        # First: a node that is lost before this has left what is found then, one that is lost later is heard of.
        self._leavings.open()
        self._listening = (self._bus.listen(NodeLost, self._leavings.node_lost),)
        await self._close_left_open()
        await self.conferences.open()
        await self._homes.open()
        self._listening += (
            self._bus.listen(NodeLost, self._homes.node_lost),
            self._bus.listen(EndpointGone, self.foci.endpoint_gone, self.foci.people),
            self._bus.listen(FlowClosed, self.foci.flow_closed),
            self._bus.listen(FlowClosed, self.foci.feed.flow_closed),
            self._bus.listen(FlowDrained, self.foci.feed.flow_drained),
            self._bus.listen(AddressesChanged, self._addresses_changed),
            self._bus.listen(
                ConferenceChanged, self.conferences.others.heard, self._locator.known_of, self.foci.places
            ),
        )
        self._count_later()

    async def hand_over(self) -> None:
        """Have other servers go on with the meetings that run here: this one is about to end."""
        await self._homes.hand_over()

    async def close(self) -> None:
        """Stop all timers, and write what waits; meetings go on in the next process."""
        for listening in self._listening:
            listening.stop()
        self._leavings.close()
        self._homes.close()
        self._counting.clear()
        self._count()
        self.foci.close()
        await self.conferences.close()

    def _is_inside(self, guest: Aor) -> bool:
        """Tell whether a guest who is connected here is in any meeting, also in one that another node runs."""
        return self.foci.is_inside(guest) or self._deposits.has_any_of(guest)

    def _look(self, key: str) -> bool:
        """Have a conference read for a guest; alone, a server knows all of them."""
        return not self._nodes.is_alone and self.conferences.others.is_asked_for(key)

    async def _close_left_open(self) -> None:
        await self._records.close_open_conferences(self._timers.wall())

    async def _addresses_changed(self, fact: AddressesChanged) -> None:
        self.foci.addresses_changed(fact.aors)
        await self.conferences.addresses_changed(fact.aors)

    async def _resume_counts(self, conference: Conference) -> None:
        if conference.active is not None:
            instance = conference.active.instance
            counts = await self._records.message_counts(instance=instance, limit=COUNTS)
            self._recorder.resume(instance, {aor_of(one.user): one.messages for one in counts})

    def _counts(self, uri: str) -> Mapping[Aor, int]:
        return {} if self._chat is None else self._chat.counts(uri)

    def _count(self) -> None:
        for focus in self.foci.all_running():
            self._recorder.count(focus.meeting)

    def _count_later(self) -> None:
        self._counting.set(self._counts_s)

    def _tick(self) -> None:
        self._count()
        self._count_later()


def _factory_uri(aor: Aor) -> str:
    """Write the provisioning element with the URI of a user's focus factory. Spec: [MS-CONFBAS] 2.2.1."""
    return f"<focusFactoryUri>{escape(f'{aor};gruu;opaque={FACTORY}')}</focusFactoryUri>"
