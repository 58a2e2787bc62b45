"""The life of contacts."""

from collections.abc import Mapping

from zope.interface import implementer

from lyncpy.contracts.bus import IBus, IListening
from lyncpy.contracts.directory import IPeople
from lyncpy.contracts.facts import ContactsChanged
from lyncpy.contracts.store import IStore
from lyncpy.contracts.workload import IWorkload, Offer
from lyncpy.core.homes import Homes
from lyncpy.core.notifier import Notifier
from lyncpy.workloads.contacts.commands import Commands
from lyncpy.workloads.contacts.fanout import Fanout
from lyncpy.workloads.contacts.lists import Lists
from lyncpy.workloads.contacts.model import Limits
from lyncpy.workloads.contacts.routes import Answer, Routes
from lyncpy.workloads.contacts.settings import Settings


@implementer(IWorkload)
class Contacts:
    """Keeps contact lists and tells every device of a user what changed."""

    name = "contacts"

    def __init__(
        self,
        store: IStore,
        bus: IBus,
        people: IPeople,
        homes: Homes,
        notifier: Notifier,
        settings: Settings,
        soap: Mapping[str, Answer] | None = None,
    ) -> None:
        """Build the rooms; `soap` names who answers SOAP operations that are not about contacts.

        All SOAP in SERVICE has one media type, so one route reads which operation it is.
        """
        limits = Limits(settings.contacts_per_user, settings.groups_per_user, settings.extension_bytes)
        lists = Lists(store, bus, homes, limits)
        self._bus = bus
        self._fanout = Fanout(lists, notifier)
        self._listening: IListening | None = None
        routes = Routes(lists, self._fanout, notifier, settings, soap or {})
        self.offer = Offer(self.name, routes=routes.rows(), commands=Commands(lists, people).words())

    async def open(self) -> None:
        """Hear of changes."""
        self._listening = self._bus.listen(ContactsChanged, self._fanout.heard)

    async def close(self) -> None:
        """Hear no more."""
        if self._listening is not None:
            self._listening.stop()
