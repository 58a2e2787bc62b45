"""What keeps a node that is known dead from writing: a look at its lease, in the same transaction as what is written."""

from typing import Final

from sqlalchemy import ColumnElement, Integer, bindparam, func, literal_column, select

from lyncpy.backends.sql.tables import nodes

FENCED: Final = "fenced"
"""The parameter of `HELD`: the name of the node that writes."""

# Key share: a renewal, which changes no key, waits for no write and lets none wait; who ends the lease locks the row whole,
# and so waits for a transaction that has found it held, until that has ended.
_LEASE: Final = (
    select(nodes.c.name)
    .where(nodes.c.name == bindparam(FENCED), nodes.c.ended.is_(None))
    .with_for_update(read=True, key_share=True)
    .subquery("held")
)

HELD: Final[ColumnElement[int]] = (
    select(literal_column("1", Integer) // func.count()).select_from(_LEASE).scalar_subquery()
)
"""1; fails where the lease is over, and the transaction with it.

It is said before what is written, in one breath with that; or within a statement that is a transaction by itself, and is all that
is said then: each word to the server costs as much as the work that it asks for."""
