"""Conferences as things of which each has one home: the node that runs its meeting, with its chat."""

from collections import Counter
from collections.abc import Awaitable, Callable, Collection
from dataclasses import replace
from functools import partial
from typing import Final

from twisted.logger import Logger
from zope.interface import implementer

from lyncpy.contracts.facts import NodeLost
from lyncpy.contracts.names import node_of
from lyncpy.contracts.nodes import Duty, Home, IHomed
from lyncpy.contracts.refusal import Refused, StoreUnavailable
from lyncpy.core.deadline import Deadline
from lyncpy.core.platform import Platform, Signaling
from lyncpy.core.spawn import spawn
from lyncpy.workloads.conferencing.conference_table import ConferenceTable
from lyncpy.workloads.conferencing.focus_table import FocusTable
from lyncpy.workloads.conferencing.home_epochs import HomeEpochs
from lyncpy.workloads.conferencing.meeting_notes import MeetingNotes
from lyncpy.workloads.conferencing.model.conference import Conference, read_address
from lyncpy.workloads.conferencing.seats import PREFIX
from lyncpy.workloads.conferencing.successor import Successor

AGAIN_S: Final = 2.0
"""After how long it is tried again to go on with meetings, where the store was away."""


@implementer(IHomed)
class ConferenceHomes:
    """Which conferences are run here, and how this node goes on with one.

    Args:
        platform: Which nodes are alive, and the deadlines.
        signaling: Takes the homes, and has what lost ones have left with this node.
        conferences: The conferences as they are stored.
        foci: The meetings that run here.
        epochs: As which homes.
        successor: Goes on with those who are still connected.
        resume_counts: Reads how many messages were sent in a meeting.
        linger_s: How long a meeting of which nobody asks waits for somebody, before it is gone on with only to be ended.
    """

    app = "app:conf:"
    log = Logger()

    def __init__(
        self,
        platform: Platform,
        signaling: Signaling,
        conferences: ConferenceTable,
        foci: FocusTable,
        epochs: HomeEpochs,
        successor: Successor,
        resume_counts: Callable[[Conference], Awaitable[None]],
        linger_s: float,
    ) -> None:
        self._nodes, timers = platform.nodes, platform.timers
        self._notes = MeetingNotes(platform.bus)
        self._homes = signaling.homes
        self._deposits = signaling.deposits
        self._epochs = epochs
        self._conferences = conferences
        self._foci = foci
        self._successor = successor
        self._resume_counts = resume_counts
        self._linger_s = linger_s
        self._left = Deadline(timers, self._take_left)
        self._orphans = Deadline(timers, self._take_orphans)

    async def open(self) -> None:
        """Go on with all meetings, where there is one node alone; else with each when somebody asks for it.

        Of one that nobody asks for the node with the duty `leavings` writes down that it is over.
        """
        self._foci.open(self._ended)
        self._deposits.on_offer(self._offered)
        if not self._nodes.is_alone:
            self._orphans.set(self._linger_s)
            return
        for conference in self._conferences.active():
            await self._resume_counts(conference)
            self._foci.begin(conference)

    def close(self) -> None:
        """Take nothing more."""
        self._left.clear()
        self._orphans.clear()

    # --- the promise

    def key_of(self, uri: str) -> str:
        """Give the key of the home of a conference. See the promise."""
        address = read_address(uri)
        return "" if address is None else PREFIX + address.key

    async def is_known(self, key: str) -> bool:
        """Tell whether there is such a conference; one that another node has just made is read. See the promise."""
        others, record = self._conferences.others, key.removeprefix(PREFIX)
        if others.kept(record) is None:
            await others.renew(record)
        return others.kept(record) is not None

    async def begin(self, home: Home) -> None:
        """Run the meetings of a conference, and go on with the one that is under way. See the promise."""
        key = home.key.removeprefix(PREFIX)
        await self._conferences.others.renew(key)
        stored = self._conferences.others.kept(key)
        if stored is None:
            return
        # Higher than all before it, though the table of homes may not be the one that those were in.
        mine = replace(home, epoch=max(home.epoch, stored.epoch + 1))
        self._epochs.begin(key, mine)
        if stored.active is None:
            return
        conference = self._conferences.shown(stored)
        await self._resume_counts(conference)
        deposits = await self._deposits.gather(home.key)
        # First: what the home before may still write is refused from here on.
        await self._conferences.remember(key, stored.active, mine)
        focus = self._foci.begin(conference)
        try:
            await self._successor.go_on(focus, deposits, mine.epoch)
        except BaseException:
            self._foci.abandon(focus)
            raise
        count = len(focus.meeting.attendees)
        run_by = stored.run_by if stored.run_by != home.node else ""
        self._notes.note(conference.id, partial(_taken_words, run_by, count))
        self.log.info("{conference} goes on here, with {count} people", conference=focus.uri, count=count)

    def home_ended(self, key: str) -> None:
        """Run its meetings no more. See the promise."""
        self._epochs.home_ended(key.removeprefix(PREFIX))

    def is_running(self, key: str) -> bool:
        """Tell whether a meeting runs here. See the promise."""
        return self._foci.is_running(key.removeprefix(PREFIX))

    # --- handing over

    async def hand_over(self) -> None:
        """Have other nodes go on with all meetings that run here, each where most of its people are connected.

        Raises:
            StoreUnavailable: Not all are handed over; the others are taken over when this node is gone.
        """
        for focus in self._foci.all_running():
            key = PREFIX + focus.meeting.conference.key
            nodes = Counter(node_of(one.flow) for one in focus.attachments())
            del nodes[self._nodes.node]
            self._notes.note(
                focus.meeting.conference.id, lambda: "its meeting is handed over, because this server is drained"
            )
            await self._homes.hand_over(self, key, partial(self._foci.abandon, focus))
            if nodes:
                self._deposits.offer(key, nodes.most_common(1)[0][0])
        self.log.info("meetings are handed over to other servers")

    def _offered(self, key: str) -> None:
        self._homes.forget(key)
        spawn(self._take([key]), self.log, "going on with a meeting that was handed over")

    # --- what nobody asks for

    def node_lost(self, fact: NodeLost) -> None:
        """Remove who was connected to a lost node, and go on with its meetings in which somebody is who is connected here."""
        self._foci.node_lost(fact)
        self._take_left()
        self._orphans.set_first(self._linger_s)

    def _take_left(self) -> None:
        spawn(self._take(self._deposits.homes()), self.log, "going on with the meetings of a lost server")

    def _take_orphans(self) -> None:
        if self._nodes.has_duty(Duty.LEAVINGS):
            alive = {self._nodes.node, *(one.name for one in self._nodes.others())}
            keys = [PREFIX + one.key for one in self._conferences.active() if one.run_by not in alive]
            spawn(self._take(keys), self.log, "ending the meetings of lost servers")

    async def _take(self, keys: Collection[str]) -> None:
        key = ""
        try:
            for key in await self._homes.take_all([key for key in keys if key.startswith(PREFIX)]):
                await self._homes.find(self, key)
        except (StoreUnavailable, Refused) as error:
            self.log.warn("{key} cannot be gone on with: {reason}", key=key or "no meeting", reason=str(error))
            self._left.set_first(AGAIN_S)

    def _ended(self, key: str) -> None:
        self._homes.release_later(self, PREFIX + key)


def _taken_words(run_by: str, count: int) -> str:
    before = f"taken over from {run_by}" if run_by else "taken up again"
    return f"its meeting was {before}, with {count} people who are still connected"
