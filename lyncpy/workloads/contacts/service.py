"""The workload "contacts": builds its parts, listens, and closes."""

from zope.interface import implementer

from lyncpy.contracts.bus import IListening
from lyncpy.contracts.contacts import IContacts
from lyncpy.contracts.facts import (
    AddressesChanged,
    ContactsChanged,
    FlowClosed,
    FlowDrained,
    GroupsChanged,
    PersonChanged,
)
from lyncpy.contracts.names import Aor
from lyncpy.contracts.workload import IWorkload, Offer
from lyncpy.core.platform import Platform, Signaling
from lyncpy.workloads.contacts.commands import Commands
from lyncpy.workloads.contacts.fanout import ContactFanout
from lyncpy.workloads.contacts.generated_groups import GeneratedGroups
from lyncpy.workloads.contacts.list_refresh import ListRefresh
from lyncpy.workloads.contacts.lists import KIND, Lists
from lyncpy.workloads.contacts.routes import Routes
from lyncpy.workloads.contacts.settings import Settings


@implementer(IWorkload, IContacts)
class Contacts:
    """Keeps contact lists and tells every device of a user what changed."""

    name = "contacts"

    def __init__(self, platform: Platform, signaling: Signaling, settings: Settings) -> None:
        limits = settings.limits()
        self._generated_groups = GeneratedGroups(platform.people, platform.groups, settings)
        self._lists = lists = Lists(
            platform.store, platform.bus, platform.writers, limits, self._generated_groups, platform.owners
        )
        platform.sweep.cover(platform.store, KIND, lists, ContactsChanged)
        platform.meter.gauge("lyncpy_contacts_lists_count", "Contact lists that are followed.", lists.__len__)
        self._bus = platform.bus
        self._fanout = ContactFanout(lists, signaling.notifier, platform.timers)
        self._live = ListRefresh(lists, self._generated_groups, platform.timers)
        self._listening: tuple[IListening, ...] = ()
        routes = Routes(lists, self._fanout, signaling.notifier, settings)
        self.offer = Offer(
            self.name,
            routes=routes.rows(),
            operations=routes.operations(),
            commands=Commands(lists, self._generated_groups, platform.people).words(),
        )

    async def open(self) -> None:
        """Load the generated groups, and listen for changes."""
        self._generated_groups.load()
        self._listening = (
            self._bus.listen(ContactsChanged, self._contacts_changed, self._lists.shown),
            self._bus.listen(FlowDrained, self._fanout.feed.flow_drained),
            self._bus.listen(FlowClosed, self._fanout.feed.flow_closed),
            self._bus.listen(PersonChanged, self._live.person_changed),
            self._bus.listen(AddressesChanged, self._live.addresses_changed),
            self._bus.listen(GroupsChanged, self._live.groups_changed),
        )

    async def close(self) -> None:
        """Stop listening, and clear all deadlines."""
        for listening in self._listening:
            listening.stop()
        self._live.close()
        self._fanout.feed.close()

    def _contacts_changed(self, fact: ContactsChanged) -> None:
        self._lists.heard(fact)
        self._fanout.heard(fact)

    async def contacts_of(self, owner: Aor) -> frozenset[Aor]:
        """Give the addresses of all contacts of a user, of either half."""
        return (await self._lists.read(owner)).everybody()
