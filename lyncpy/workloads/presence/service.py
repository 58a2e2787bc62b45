"""The life of presence."""

from collections.abc import Callable, Collection
from functools import partial

from zope.interface import implementer

from lyncpy.contracts.bus import IBus, IListening
from lyncpy.contracts.contacts import IContacts
from lyncpy.contracts.directory import IPeople
from lyncpy.contracts.facts import (
    AddressesChanged,
    BoardChanged,
    ContactsChanged,
    EndpointGone,
    FlowClosed,
    FlowDrained,
    PersonChanged,
    PoliciesChanged,
)
from lyncpy.contracts.locator import ILocator
from lyncpy.contracts.names import Aor, domain_of
from lyncpy.contracts.owners import IOwners
from lyncpy.contracts.policy import IPolicies
from lyncpy.contracts.privacy import IPrivacy
from lyncpy.contracts.store import IStore
from lyncpy.contracts.timers import ITimers
from lyncpy.contracts.workload import IWorkload, Offer
from lyncpy.core.homes import Homes
from lyncpy.core.notifier import Notifier
from lyncpy.workloads.presence.audience import audience, is_blocked, relation_of
from lyncpy.workloads.presence.boards import Boards
from lyncpy.workloads.presence.commands import Commands
from lyncpy.workloads.presence.fanout import Fanout
from lyncpy.workloads.presence.grants import Grants
from lyncpy.workloads.presence.model import Relation
from lyncpy.workloads.presence.resources import Resources
from lyncpy.workloads.presence.roaming import Roaming
from lyncpy.workloads.presence.routes import Routes
from lyncpy.workloads.presence.settings import Settings
from lyncpy.workloads.presence.soap import Soap
from lyncpy.workloads.presence.subscribers import Subscribers
from lyncpy.workloads.presence.traffic import Traffic
from lyncpy.workloads.presence.watchers import Views, Watchers
from lyncpy.workloads.presence.watching import Watching


@implementer(IWorkload, IPrivacy)
class Presence:
    """Boards, who may see them, and who is told."""

    name = "presence"

    def __init__(
        self,
        store: IStore,
        bus: IBus,
        locator: ILocator,
        people: IPeople,
        contacts: IContacts,
        policies: IPolicies,
        notifier: Notifier,
        homes: Homes,
        domains: Collection[str],
        settings: Settings,
        timers: ITimers,
        owners: IOwners | None = None,
    ) -> None:
        """Build the rooms; boards are read from the store when somebody asks for them.

        `domains` are the enterprise's own, lower case.
        """
        self._bus = bus
        self._people = people
        public = frozenset(domain_of(domain) for domain in settings.public_domains)
        relation = self._relation = partial(relation_of, domains=domains, public_domains=public)
        quotas, in_memory = settings.quotas(), settings.boards_in_memory
        rules = partial(Boards, contacts=contacts, policies=policies, quotas=quotas, owners=owners)
        self._boards = boards = rules(store, bus, people, homes, timers, in_memory=in_memory)
        watchers, views = _tables(relation, settings)
        roaming = Roaming(notifier, relation)
        grants = Grants(notifier, settings)
        traffic = Traffic(
            per_minute=settings.publications_per_minute, burst=settings.publications_burst, endpoints=in_memory
        )
        self._subscribers = Subscribers(boards, contacts, policies, people, relation, settings, timers)
        self._fanout = Fanout(
            boards,
            watchers,
            views,
            roaming,
            traffic,
            notifier,
            people,
            timers,
            gather_s=settings.gather_ms / 1000,
            limited_gather_s=settings.limited_gather_ms / 1000,
        )
        routes = Routes(boards, roaming, grants, locator, settings)
        watch = partial(Watching, boards, watchers, views, self._subscribers, self._fanout, notifier, grants)
        watching = watch(people, relation, settings, owners)
        commands = Commands(boards, watchers, notifier, locator, people, policies, relation, traffic, timers)
        self.soap = Soap(boards, views, locator, people, relation, quotas).answers
        """Operation → who answers it; for who has the route of SOAP."""

        self.offer = Offer(
            self.name,
            routes=(*routes.rows(), *watching.rows()),
            resources=Resources(boards.read, people, domains, relation, settings.web_readers).rows(),
            commands=commands.words(),
            reasons=(commands.why,),
            views=(commands.why_seen,),
        )
        self._listening: tuple[IListening, ...] = ()

    async def open(self) -> None:
        """Hear of changes, of endpoints that go and of people who change."""
        self._listening = (
            self._bus.listen(BoardChanged, self._fanout.board_changed),
            self._bus.listen(BoardChanged, self._subscribers.board_changed),
            self._bus.listen(EndpointGone, self._fanout.endpoint_gone),
            self._bus.listen(FlowDrained, self._fanout.flow_drained),
            self._bus.listen(FlowClosed, self._fanout.flow_closed),
            self._bus.listen(PersonChanged, self._fanout.person_changed),
            self._bus.listen(AddressesChanged, self._addresses_changed),
            self._bus.listen(ContactsChanged, self._subscribers.contacts_changed),
            self._bus.listen(ContactsChanged, self._contacts_changed),
            self._bus.listen(PoliciesChanged, self._policies_changed),
        )

    async def close(self) -> None:
        """Hear no more, and let no deadline come."""
        for listening in self._listening:
            listening.stop()
        self._subscribers.close()
        self._fanout.close()
        self._boards.close()

    async def is_blocked(self, owner: Aor, other: Aor) -> bool:
        """Tell whether `owner` has blocked `other`."""
        if self._people.person(owner) is None:
            return False
        return is_blocked(audience(await self._boards.read(owner), other, self._relation(other)))

    async def _contacts_changed(self, fact: ContactsChanged) -> None:
        await self._boards.reprivate(fact.aor)

    async def _addresses_changed(self, fact: AddressesChanged) -> None:
        self._subscribers.addresses_changed()
        await self._boards.readdress(fact.aors)

    async def _policies_changed(self, fact: PoliciesChanged) -> None:
        await self._boards.reprivate_all()


def _tables(relation: Callable[[Aor], Relation], settings: Settings) -> tuple[Watchers, Views]:
    """Make the tables of watchers and of what is written for them, within their bounds."""
    watchers = Watchers(
        relation,
        total=settings.watchings_total,
        per_user=settings.watchings_per_user,
        per_device=settings.watchings_per_device,
    )
    return watchers, Views(boards=settings.boards_in_memory, size_bytes=settings.views_bytes)
