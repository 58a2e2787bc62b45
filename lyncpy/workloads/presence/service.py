"""The workload "presence": builds its parts, listens, and closes."""

from collections.abc import Collection
from contextlib import suppress
from functools import partial
from typing import Final

from twisted.logger import Logger
from zope.interface import implementer

from lyncpy.contracts.bus import IListening, Interest
from lyncpy.contracts.call_rules import ICallRules, PublishedRules
from lyncpy.contracts.contacts import IContacts
from lyncpy.contracts.facts import (
    AccessChanged,
    AddressesChanged,
    BoardChanged,
    ContactsChanged,
    EndpointArrived,
    EndpointGone,
    EndpointGoneReason,
    FlowClosed,
    FlowDrained,
    NodeLost,
    PersonChanged,
    PoliciesChanged,
)
from lyncpy.contracts.meter import IMeter
from lyncpy.contracts.names import Aor, NodeName, domain_of, node_of
from lyncpy.contracts.privacy import IPrivacy
from lyncpy.contracts.refusal import Refused, StoreUnavailable
from lyncpy.contracts.workload import IWorkload, Offer
from lyncpy.core.deadline import Deadlines
from lyncpy.core.platform import Platform, Signaling
from lyncpy.core.spawn import spawn
from lyncpy.workloads.presence.board_table import BoardTable
from lyncpy.workloads.presence.commands import Commands
from lyncpy.workloads.presence.fanout import PresenceFanout
from lyncpy.workloads.presence.model.aggregate import band_of
from lyncpy.workloads.presence.model.audience import audience, call_rules, is_blocked, relation_of, visible, work_hours
from lyncpy.workloads.presence.model.states import Aggregate
from lyncpy.workloads.presence.model.tables import Band
from lyncpy.workloads.presence.model.traffic import Traffic
from lyncpy.workloads.presence.model.values import write_value
from lyncpy.workloads.presence.presentities import Presentities, Views
from lyncpy.workloads.presence.resources import Resources
from lyncpy.workloads.presence.roaming import SELF_EVENT, Roaming
from lyncpy.workloads.presence.routes import Routes
from lyncpy.workloads.presence.settings import Settings
from lyncpy.workloads.presence.soap import Soap
from lyncpy.workloads.presence.subscribers import Subscribers
from lyncpy.workloads.presence.subscriptions import Grants, PresenceSubscriptions
from lyncpy.workloads.presence.watcher_index import WatcherIndex

MOVED_S: Final = 5.0
"""How long a device that has come to another server may take to publish there; what it said before is shown until then."""


@implementer(IWorkload, IPrivacy, ICallRules)
class Presence:
    """Boards, the access to them, and the notifications of their changes.

    Attributes:
        boards: What each user has published.
        subscribers: Who is yet to be told that somebody watches them.
    """

    name = "presence"
    log = Logger()

    def __init__(
        self,
        platform: Platform,
        signaling: Signaling,
        contacts: IContacts,
        domains: Collection[str],
        settings: Settings,
    ) -> None:
        """Build the parts; boards are read from the store when they are asked for.

        Args:
            platform: The server's store, bus, people and clocks.
            signaling: The server's notifier.
            contacts: Everybody's contact lists.
            domains: The enterprise's own, lower case.
            settings: The section [presence].
        """
        bus, people, policies, timers = platform.bus, platform.people, platform.policies, platform.timers
        locator, notifier = platform.locator, signaling.notifier
        self._bus = bus
        self._people = people
        self._node = platform.node
        self._locator = locator
        public = frozenset(domain_of(domain) for domain in settings.public_domains)
        relation = self._relation = partial(relation_of, domains=domains, public_domains=public)
        quotas, in_memory = settings.quotas(), settings.boards_in_memory
        watchers = WatcherIndex(
            relation,
            total=settings.watchings_total,
            per_user=settings.watchings_per_user,
            per_device=settings.watchings_per_device,
        )
        self.boards = boards = BoardTable(platform, contacts, watchers, quotas, in_memory=in_memory)
        self._moved: Deadlines[EndpointGone] = Deadlines(timers, self._published_late)
        """Devices that are at other servers now, until it is looked whether they have published there."""

        self._shown = watchers.shown, boards.shown, notifier.subscribers.setdefault(SELF_EVENT, Interest())
        views = Views(boards=in_memory, size_bytes=settings.views_bytes)
        presentities = Presentities(people, boards, views, relation)
        roaming = Roaming(boards, notifier, relation, timers)
        grants = Grants(notifier, settings)
        traffic = Traffic(
            per_minute=settings.publications_per_minute, burst=settings.publications_burst, endpoints=in_memory
        )
        self.subscribers = Subscribers(presentities, contacts, policies, settings, timers)
        self._fanout = fanout = PresenceFanout(
            presentities, watchers, roaming, traffic, notifier, settings, timers, platform.meter
        )
        self._feeds = (roaming.feed, fanout.feed)
        routes = Routes(boards, roaming, grants, locator, relation, settings)
        watching = PresenceSubscriptions(
            presentities, watchers, self.subscribers, fanout, grants, platform.owners, settings
        )
        commands = Commands(presentities, watchers, notifier, locator, policies, traffic, timers)
        self.offer = Offer(
            self.name,
            routes=(*routes.rows(), *watching.rows()),
            operations=Soap(presentities, locator, quotas).operations(),
            resources=Resources(boards.read, people, domains, relation, settings.web_readers).rows(),
            commands=commands.words(),
            reasons=(commands.why,),
            views=(commands.why_seen,),
        )
        self._listening: tuple[IListening, ...] = ()
        self._show(platform.meter, watchers, views)

    def _show(self, meter: IMeter, watchers: WatcherIndex, views: Views) -> None:
        """Have operators see how much each table holds."""
        feeds, subscribers = self._feeds, self.subscribers
        meter.gauge("lyncpy_presence_boards_count", "Boards in memory.", self.boards.__len__)
        meter.gauge("lyncpy_presence_watchings_count", "Pairs of a device and whom it watches.", watchers.__len__)
        meter.gauge("lyncpy_presence_views_count", "Documents kept for the next watcher.", views.__len__)
        meter.gauge("lyncpy_presence_views_bytes", "Their size.", lambda: float(views.size))
        meter.gauge(
            "lyncpy_presence_subscribers_count", "Pairs of a new watcher and whom to tell.", subscribers.__len__
        )
        meter.gauge(
            "lyncpy_presence_gathered_count",
            "Changes that are told in a moment.",
            lambda: sum(feed.gathered_count for feed in feeds),
        )
        meter.gauge(
            "lyncpy_presence_owed_count",
            "Changes that wait for connections to drain.",
            lambda: sum(feed.owed_count for feed in feeds),
        )

    async def open(self) -> None:
        """Listen for changes of boards, endpoints, people, contact lists and policies."""
        shown, here = self._shown, self._locator.known_of
        self._listening = (
            self._bus.listen(BoardChanged, self._fanout.board_changed, *shown),
            self._bus.listen(AccessChanged, self.subscribers.access_changed),
            self._bus.listen(EndpointArrived, self._endpoint_arrived, here),
            self._bus.listen(EndpointGone, self._endpoint_gone, here),
            self._bus.listen(EndpointGone, self._fanout.endpoint_gone, here),
            self._bus.listen(NodeLost, self.boards.mending.node_lost),
            *(self._bus.listen(FlowDrained, feed.flow_drained) for feed in self._feeds),
            *(self._bus.listen(FlowClosed, feed.flow_closed) for feed in self._feeds),
            self._bus.listen(PersonChanged, self.boards.person_changed),
            self._bus.listen(AddressesChanged, self._addresses_changed),
            self._bus.listen(ContactsChanged, self.subscribers.contacts_changed, *shown),
            self._bus.listen(ContactsChanged, self._contacts_changed, *shown),
            self._bus.listen(PoliciesChanged, self._policies_changed),
        )

    async def close(self) -> None:
        """Stop listening, and clear all deadlines."""
        for listening in self._listening:
            listening.stop()
        self.subscribers.close()
        self._moved.clear_all()
        for feed in self._feeds:
            feed.close()
        self.boards.close()

    async def is_blocked(self, owner: Aor, other: Aor) -> bool:
        """Tell whether `owner` has blocked `other`."""
        if self._people.person(owner) is None:
            return False
        return is_blocked(audience(await self.boards.read(owner), other, self._relation(other)))

    async def rules_for(self, callee: Aor, caller: Aor) -> PublishedRules:
        """Give what a user has published for calls of another one."""
        if self._people.person(callee) is None:
            return PublishedRules()
        board = await self.boards.read(callee)
        seen_by = audience(board, caller, self._relation(caller))
        documents = {one.key.instance: write_value(one) for one in call_rules(board, seen_by)}
        states = [one.value for one in visible(board, seen_by, "state") if isinstance(one.value, Aggregate)]
        return PublishedRules(
            documents.get(0, ""),
            documents.get(1, ""),
            work_hours(board) if "work_hours" in "".join(documents.values()) else "",
            is_disturbing=any(band_of(one.availability) is Band.DO_NOT_DISTURB for one in states),
            is_blocked=is_blocked(seen_by),
        )

    async def may_act_for(self, delegate: Aor, user: Aor) -> bool:
        """Tell whether somebody is on the user's list of delegates."""
        if self._people.person(user) is None:
            return False
        return any(one.aor == delegate for one in (await self.boards.read(user)).delegates.members)

    async def _endpoint_arrived(self, fact: EndpointArrived) -> None:
        """Read the board of who signs in, so that others reach them while the store is away: `is_blocked` asks it.

        Their devices read it soon in any case; of who signs in at another server nobody asks here.
        """
        is_new = node_of(fact.flow) == self._node and self.boards.peek(fact.aor) is None
        with suppress(Refused, StoreUnavailable):
            if is_new and await self._locator.endpoints(fact.aor):
                await self.boards.read(fact.aor)

    async def _endpoint_gone(self, fact: EndpointGone) -> None:
        """Take off what an endpoint has published; of one that is at another server by now, not before it could publish there."""
        if fact.reason is EndpointGoneReason.REPLACED and await self._where(fact) not in (None, self._node):
            self._moved.set(fact, MOVED_S)
        else:
            await self.boards.endpoint_gone(fact)

    def _published_late(self, fact: EndpointGone) -> None:
        spawn(self._take_off(fact), self.log, "taking off what a device that has moved has not published again")

    async def _take_off(self, fact: EndpointGone) -> None:
        if await self._where(fact) != self._node:  # it may have come back
            await self.boards.endpoint_gone(fact)

    async def _where(self, fact: EndpointGone) -> NodeName | None:
        """Give the server at which a device is signed in that has left a connection; None: at none, or that is not known."""
        with suppress(StoreUnavailable):
            for one in await self._locator.endpoints(fact.aor):
                if one.epid == fact.epid:
                    return node_of(one.flow)
        return None

    async def _contacts_changed(self, fact: ContactsChanged) -> None:
        await self.boards.reprivate(fact.aor)

    async def _addresses_changed(self, fact: AddressesChanged) -> None:
        self.subscribers.addresses_changed()
        await self.boards.readdress(fact.aors)

    async def _policies_changed(self, fact: PoliciesChanged) -> None:
        await self.boards.reprivate_all()
