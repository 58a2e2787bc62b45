"""Whom users keep as contacts."""

from collections.abc import Awaitable
from typing import Final

from zope.interface import Interface

from lyncpy.contracts.names import Aor

CONTACTS: Final = "contacts"
"""The kind of a contact list's durable record; its key is the owner."""


class IContacts(Interface):
    """Contact lists, read. A change is told as `ContactsChanged`."""

    def contacts_of(owner: Aor) -> Awaitable[frozenset[Aor]]:
        """Give everybody on a user's list, generated groups included. Raises StoreUnavailable."""
