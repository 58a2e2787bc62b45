"""The life of contacts."""

from collections.abc import Mapping

from zope.interface import implementer

from lyncpy.contracts.bus import IBus, IListening
from lyncpy.contracts.contacts import IContacts
from lyncpy.contracts.directory import IGroups, IPeople
from lyncpy.contracts.facts import (
    AddressesChanged,
    ContactsChanged,
    FlowClosed,
    FlowDrained,
    GroupsChanged,
    PersonChanged,
)
from lyncpy.contracts.names import Aor
from lyncpy.contracts.owners import IOwners
from lyncpy.contracts.store import IStore
from lyncpy.contracts.timers import ITimers
from lyncpy.contracts.workload import IWorkload, Offer
from lyncpy.core.homes import Homes
from lyncpy.core.notifier import Notifier
from lyncpy.workloads.contacts.commands import Commands
from lyncpy.workloads.contacts.fanout import Fanout
from lyncpy.workloads.contacts.lists import Lists
from lyncpy.workloads.contacts.live import Live
from lyncpy.workloads.contacts.model import Limits
from lyncpy.workloads.contacts.routes import Answer, Routes
from lyncpy.workloads.contacts.settings import Settings
from lyncpy.workloads.contacts.shelves import Shelves


@implementer(IWorkload, IContacts)
class Contacts:
    """Keeps contact lists and tells every device of a user what changed."""

    name = "contacts"

    def __init__(
        self,
        store: IStore,
        bus: IBus,
        people: IPeople,
        groups: IGroups,
        homes: Homes,
        notifier: Notifier,
        settings: Settings,
        timers: ITimers,
        soap: Mapping[str, Answer] | None = None,
        owners: IOwners | None = None,
    ) -> None:
        """Build the rooms; `soap` names who answers SOAP operations that are not about contacts.

        All SOAP in SERVICE has one media type, so one route reads which operation it is.
        """
        limits = Limits(
            settings.contacts_per_user, settings.groups_per_user, settings.extension_bytes, settings.list_bytes
        )
        self._shelves = Shelves(people, groups, settings)
        self._lists = lists = Lists(store, bus, homes, limits, self._shelves, owners)
        self._bus = bus
        self._fanout = Fanout(lists, notifier)
        self._live = Live(lists, self._shelves, timers)
        self._listening: tuple[IListening, ...] = ()
        routes = Routes(lists, self._fanout, notifier, settings, soap or {})
        self.offer = Offer(self.name, routes=routes.rows(), commands=Commands(lists, self._shelves, people).words())

    async def open(self) -> None:
        """Know what the directory puts into lists, and hear of changes."""
        self._shelves.load()
        self._listening = (
            self._bus.listen(ContactsChanged, self._fanout.heard),
            self._bus.listen(FlowDrained, self._fanout.drained),
            self._bus.listen(FlowClosed, self._fanout.closed),
            self._bus.listen(PersonChanged, self._live.person_changed),
            self._bus.listen(AddressesChanged, self._live.addresses_changed),
            self._bus.listen(GroupsChanged, self._live.groups_changed),
        )

    async def close(self) -> None:
        """Hear no more."""
        for listening in self._listening:
            listening.stop()
        self._live.close()

    async def of(self, owner: Aor) -> frozenset[Aor]:
        """Give everybody on a user's list, whoever put him there."""
        return (await self._lists.read(owner)).everybody()
