"""Facts → deltas: every device of a user hears of every change of his list, in order.

One whose connection is full hears of none until it has room again, and of the whole list then.
"""

from dataclasses import dataclass
from typing import Final

from twisted.logger import Logger

from lyncpy.contracts.facts import ContactsChanged, FlowClosed, FlowDrained
from lyncpy.contracts.names import Aor, Epid, FlowName
from lyncpy.core.notifier import Notifier, Subscription
from lyncpy.sip.subscription import Document
from lyncpy.workloads.contacts.bodies import CONTACTS_TYPE, without_deleted_groups, write_delta, write_list
from lyncpy.workloads.contacts.lists import Lists
from lyncpy.workloads.contacts.model import Delta

EVENT: Final = "vnd-microsoft-roaming-contacts"


@dataclass(slots=True)
class Held:
    """What a client holds of the list: the `data` of its subscription."""

    number: int
    keeps_groups: bool = False
    """It is not told that a group is gone.

    COMPAT pidgin-sipe 1.25: told so, it deletes the group on the server once more by itself,
    frees it twice and dies. It shows the group, empty, until its next sign-in instead.
    """

    correction: Delta | None = None
    """How things stand with a change that this device made and shows otherwise; sent after the delta of that change."""


class Fanout:
    """Sends deltas. A subscription's `data` is a `Held`."""

    log = Logger()

    def __init__(self, lists: Lists, notifier: Notifier) -> None:
        """Take where the truth is and who sends it."""
        self._lists = lists
        self._notifier = notifier
        self._late: dict[FlowName, dict[Subscription, None]] = {}

    async def heard(self, fact: ContactsChanged) -> None:
        """Tell a change to the user's devices, the one that made it too; it counts on what the server counts."""
        lagging = False
        for subscription in self._notifier.of(EVENT, fact.aor):
            held: Held = subscription.data
            if held.number < fact.delta_num and self._notifier.is_full(subscription):
                self._late.setdefault(subscription.flow, {})[subscription] = None
            elif held.number + 1 == fact.delta_num and fact.delta:
                held.number = fact.delta_num
                self._notifier.notify(subscription, _for(held, fact.delta))
                if held.correction is not None and held.correction.number == fact.delta_num:
                    correction, held.correction = held.correction, None
                    self._notifier.notify(subscription, _for(held, write_delta(correction)))
            elif held.number < fact.delta_num:
                lagging = True
        if lagging:
            await self._catch_up(fact.aor)

    async def drained(self, fact: FlowDrained) -> None:
        """Tell a connection that has room again what it missed."""
        for aor in dict.fromkeys(one.watcher for one in self._late.pop(fact.flow, ())):
            await self._catch_up(aor)

    async def closed(self, fact: FlowClosed) -> None:
        """Owe nothing more to a connection that is gone."""
        self._late.pop(fact.flow, None)

    async def _catch_up(self, aor: Aor) -> None:
        """Send the whole list to devices that missed a change: a bus may lose facts, and a connection may be full."""
        contacts = (await self._lists.read(aor)).shown()
        document = Document(CONTACTS_TYPE, write_list(contacts))
        for subscription in self._notifier.of(EVENT, aor):
            held: Held = subscription.data
            if held.number >= contacts.delta_num:
                continue
            if self._notifier.is_full(subscription):
                self._late.setdefault(subscription.flow, {})[subscription] = None
                continue
            self.log.debug("{aor} on {epid} missed a change of his contacts", aor=aor, epid=subscription.epid)
            held.number, held.correction = contacts.delta_num, None
            self._notifier.notify(subscription, document)

    def correct(self, aor: Aor, epid: Epid, *amends: Delta) -> None:
        """Take one device back to the truth after its change was refused, or made but in part."""
        for subscription in self._notifier.of(EVENT, aor):
            if subscription.epid != epid:
                continue
            held: Held = subscription.data
            for delta in amends:
                if held.number < delta.number:
                    held.correction = delta
                else:
                    self._notifier.notify(subscription, _for(held, write_delta(delta)))


def _for(held: Held, delta: bytes) -> Document:
    return Document(CONTACTS_TYPE, without_deleted_groups(delta) if held.keeps_groups else delta)
