"""What is said to the database about records, once and for all.

A record lives while it has a value and its time is not over; whether it does is asked in
the same statement that changes it, so that no decision is made on an old answer.
"""

from typing import Final

from sqlalchemy import ColumnElement, Insert, and_, bindparam, case, delete, func, or_, select, update
from sqlalchemy.dialects import sqlite

from lyncpy.backends.sql.dialects import insert_into
from lyncpy.backends.sql.tables import floors, records

LEASES: Final = "lease"
"""Leases are records of this kind: the value is the holder, the version the epoch."""

THIS: Final = and_(records.c.kind == bindparam("of_kind"), records.c.key == bindparam("of_key"))
LIVES: Final = and_(
    records.c.value.is_not(None), or_(records.c.expires.is_(None), records.c.expires > bindparam("now"))
)
DEAD: Final = or_(records.c.value.is_(None), records.c.expires <= bindparam("now"))
AS_EXPECTED: Final = and_(THIS, LIVES, records.c.version == bindparam("expected"))
COLUMNS: Final = (records.c.key, records.c.value, records.c.version, records.c.expires)

READ: Final = select(*COLUMNS).where(THIS, LIVES)

SCAN: Final = (
    select(*COLUMNS)
    .where(records.c.kind == bindparam("of_kind"), records.c.key >= bindparam("start"), LIVES)
    .order_by(records.c.key)
)
SCAN_TO: Final = SCAN.where(records.c.key < bindparam("stop"))

REPLACE: Final = (
    update(records)
    .where(AS_EXPECTED)
    .values(version=records.c.version + 1, value=bindparam("new_value"), expires=bindparam("new_expires"))
)
REMOVE: Final = update(records).where(AS_EXPECTED).values(value=None, expires=None).returning(records.c.version)

DEAD_VERSIONS: Final = select(records.c.kind, func.max(records.c.version)).where(DEAD).group_by(records.c.kind)
FORGET: Final = delete(records).where(DEAD)


def create(dialect: str) -> Insert:
    """Write a record where none lives; give its version, or no row when one lives."""
    statement = _new_row(dialect)
    return statement.on_conflict_do_update(
        index_elements=[records.c.kind, records.c.key],
        set_={
            "version": records.c.version + 1,
            "value": statement.excluded.value,
            "expires": statement.excluded.expires,
        },
        where=DEAD,
    ).returning(records.c.version)


def lease(dialect: str) -> Insert:
    """Acquire or renew a lease; give its epoch, or no row when another process holds it."""
    statement = _new_row(dialect)
    is_holder = records.c.value == statement.excluded.value
    return statement.on_conflict_do_update(
        index_elements=[records.c.kind, records.c.key],
        set_={
            "version": records.c.version + case((is_holder, 0), else_=1),
            "value": statement.excluded.value,
            "expires": statement.excluded.expires,
        },
        where=or_(is_holder, DEAD),
    ).returning(records.c.version)


def raise_floor(dialect: str) -> Insert:
    """Begin the versions of a kind's new keys above `floor`, if they do not already."""
    statement = insert_into(floors, dialect).values(kind=bindparam("of_kind"), version=bindparam("floor"))
    return statement.on_conflict_do_update(
        index_elements=[floors.c.kind],
        set_={"version": statement.excluded.version},
        where=floors.c.version < statement.excluded.version,
    )


def _new_row(dialect: str) -> sqlite.Insert:
    """Begin an INSERT; a key without a row gets the version above the floor of its kind."""
    known = select(floors.c.version).where(floors.c.kind == bindparam("of_kind")).scalar_subquery()
    floor: ColumnElement[int] = func.coalesce(known, 0)
    return insert_into(records, dialect).values(
        kind=bindparam("of_kind"),
        key=bindparam("of_key"),
        version=floor + 1,
        value=bindparam("new_value"),
        expires=bindparam("new_expires"),
    )
