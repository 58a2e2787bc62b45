"""Facts → deltas: every device of a user is told of every change of their list, in order.

A device whose connection is full is told nothing until it has drained, and the whole list then.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from lyncpy.contracts.facts import ContactsChanged
from lyncpy.contracts.names import Aor, Epid
from lyncpy.contracts.timers import ITimers
from lyncpy.core.feed import Feed, FeedSource
from lyncpy.core.notifier import Notifier, Subscription
from lyncpy.sip.subscription import Document
from lyncpy.workloads.contacts.bodies import CONTACTS_TYPE, without_deleted_groups, write_delta, write_list
from lyncpy.workloads.contacts.lists import Lists
from lyncpy.workloads.contacts.model import ContactList, Delta

EVENT: Final = "vnd-microsoft-roaming-contacts"


@dataclass(slots=True)
class ContactListState:
    """The state of the list at a client: the `data` of its subscription."""

    number: int
    keeps_groups: bool = False
    """Whether it is not told that a group is gone.

    COMPAT pidgin-sipe 1.25: told so, it deletes the group on the server once more by itself,
    frees it twice and dies. It shows the group, empty, until its next sign-in instead.
    """

    correction: Delta | None = None
    """The delta that corrects a change which this device made and shows otherwise; it is sent after that change's delta."""


class _OneChange:
    """A change of a list, for devices that have been told of all before it."""

    def __init__(self, fact: ContactsChanged) -> None:
        self._fact = fact

    def is_current(self) -> bool:
        return True  # whatever came later: it is a change of its own

    def news_for(self, subscription: Subscription, owed: int | None) -> int | None:
        held: ContactListState = subscription.data
        return self._fact.delta_num if self._fact.delta and held.number + 1 == self._fact.delta_num else None

    def audience_of(self, subscription: Subscription, news: int) -> str:
        held: ContactListState = subscription.data
        held.number = news
        return "keeps groups" if held.keeps_groups else "all"

    def write_document(self, audience: Any) -> Document:  # Any: see `Update`
        delta = self._fact.delta
        return Document(CONTACTS_TYPE, delta if audience == "all" else without_deleted_groups(delta))


class _WholeList:
    """A list as it is, for devices that have missed a change."""

    def __init__(self, contacts: ContactList) -> None:
        self._contacts = contacts

    def is_current(self) -> bool:
        return True  # the devices of one user are told in one turn

    def news_for(self, subscription: Subscription, owed: int | None) -> int | None:
        held: ContactListState = subscription.data
        return self._contacts.delta_num if held.number < self._contacts.delta_num else None

    def audience_of(self, subscription: Subscription, news: int) -> str:
        held: ContactListState = subscription.data
        held.number, held.correction = news, None
        return "all"

    def write_document(self, audience: Any) -> Document:  # Any: see `Update`
        return Document(CONTACTS_TYPE, write_list(self._contacts))


class _Source(FeedSource[Aor, ContactsChanged, int]):
    """The source of the feed: lists, and the devices that show them; a device is owed the number of a change."""

    def __init__(self, lists: Lists, notifier: Notifier) -> None:
        self._lists = lists
        self._notifier = notifier

    def subscriptions(self, key: Aor) -> Sequence[Subscription]:
        return self._notifier.subscriptions_of(EVENT, key)

    def update(self, key: Aor, changes: ContactsChanged | None) -> _OneChange | None:
        return None if changes is None else _OneChange(changes)

    async def load(self, key: Aor, changes: ContactsChanged | None) -> _WholeList:
        return _WholeList((await self._lists.read(key)).shown())


class ContactFanout:
    """Tells devices of changes of their users' lists. A subscription's `data` is a `ContactListState`.

    Attributes:
        feed: Tells the devices; it is to hear of connections.
    """

    def __init__(self, lists: Lists, notifier: Notifier, timers: ITimers) -> None:
        self._notifier = notifier
        self.feed: Final[Feed[Aor, ContactsChanged, int]] = Feed(_Source(lists, notifier), notifier, timers)

    def heard(self, fact: ContactsChanged) -> None:
        """Tell a change to the user's devices, also to the one that made it: it follows the server's numbers."""
        self.feed.tell(fact.aor, fact)
        for subscription in self._notifier.subscriptions_of(EVENT, fact.aor):
            held: ContactListState = subscription.data
            if held.number < fact.delta_num:
                # A bus may lose facts, and a connection may be full: the list is told then, whole.
                self.feed.owe(subscription, fact.aor, fact.delta_num)
            elif held.correction is not None and held.correction.number == fact.delta_num:
                correction, held.correction = held.correction, None
                self._notifier.notify(subscription, _for(held, write_delta(correction)))

    def correct(self, aor: Aor, epid: Epid, *amends: Delta) -> None:
        """Tell one device how the list really is, after its change was refused, or made in part only.

        Args:
            aor: The user's address.
            epid: The device.
            amends: Deltas without a new number, in order.
        """
        for subscription in self._notifier.subscriptions_of(EVENT, aor):
            if subscription.epid != epid:
                continue
            held: ContactListState = subscription.data
            for delta in amends:
                if held.number < delta.number:
                    held.correction = delta
                else:
                    self._notifier.notify(subscription, _for(held, write_delta(delta)))


def _for(held: ContactListState, delta: bytes) -> Document:
    return Document(CONTACTS_TYPE, without_deleted_groups(delta) if held.keeps_groups else delta)
