"""Boards as they are stored, and the least that a table of boards stands on."""

from dataclasses import replace

from zope.interface import implementer

from lyncpy.contracts.contacts import IContacts
from lyncpy.contracts.names import Aor
from lyncpy.workloads.presence.bodies.board_record import read_named
from lyncpy.workloads.presence.model.board import Board
from lyncpy.workloads.presence.model.quotas import Quotas
from lyncpy.workloads.presence.model.tables import Relation
from lyncpy.workloads.presence.settings import Settings
from tests.kit.owners import AddressOwners


@implementer(IContacts)
class NoContacts:
    """Where nobody keeps contacts."""

    async def contacts_of(self, owner: Aor) -> frozenset[Aor]:
        """Give nobody."""
        return frozenset()


def read_record(aor: Aor, data: bytes) -> Board:
    """Read a board as `write_record` wrote it, without the people whom it names."""
    return read_named(aor, data, AddressOwners())[0]


def usual_quotas(**bounds: int) -> Quotas:
    """Give the quotas of a server whose settings are the defaults, with these bounds in place of theirs."""
    return replace(Settings().quotas(), **bounds)


def colleague(_: Aor) -> Relation:
    """Give the relation of everybody to the enterprise: all are colleagues."""
    return Relation.SAME_ENTERPRISE
