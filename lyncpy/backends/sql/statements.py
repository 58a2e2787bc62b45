"""What is said to the database about records, once and for all.

A record lives while it has a value and its time is not over; whether it does is asked in
the same statement that changes it, so that no decision is made on an old answer.
"""

from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    CompoundSelect,
    Insert,
    Integer,
    Select,
    Table,
    Text,
    Update,
    and_,
    bindparam,
    case,
    cast,
    delete,
    func,
    literal_column,
    or_,
    select,
    tuple_,
    union_all,
    update,
)
from sqlalchemy.dialects import sqlite

from lyncpy.backends.sql.dialects import ceiling, following, insert_into, next_change
from lyncpy.backends.sql.fence import HELD
from lyncpy.backends.sql.tables import floors, records, volatile_floors, volatile_records

ANY_KIND: Final = ""
"""The floor of kinds that have none of their own."""


class RecordStatements:
    """What is said about the records of one table.

    Args:
        table: Theirs.
        floors: Above which versions new keys of a kind begin.
        dialect: The database's.
    """

    def __init__(self, table: Table, floors: Table, dialect: str) -> None:
        self.table: Final = table
        self._floors = floors
        self._dialect = dialect
        column = table.c
        this = and_(column.kind == bindparam("of_kind"), column.key == bindparam("of_key"))
        lives = and_(column.value.is_not(None), or_(column.expires.is_(None), column.expires > bindparam("now")))
        self._lives = and_(this, lives)
        as_expected = self.is_at("expected")
        self._change = next_change(table, dialect)
        self._dead: ColumnElement[bool] = or_(column.value.is_(None), column.expires <= bindparam("now"))
        # Of what was removed it is when.
        over = column.expires <= bindparam("now")
        found = select(column.key, column.value, column.version, column.expires)
        self.read: Final = found.where(this, lives)
        self.scan: Final = found.where(
            column.kind == bindparam("of_kind"), column.key >= bindparam("start"), lives
        ).order_by(column.key)
        self.scan_to: Final = self.scan.where(column.key < bindparam("stop"))
        self.replace: Final = self.replaced("new_value", "expected").values(expires=bindparam("new_expires"))
        self.replace_fenced: Final = self.replace.where(HELD == 1)
        self.remove: Final = (
            update(table)
            .where(as_expected)
            .values(value=None, expires=bindparam("now"), change=self._change)
            .returning(column.version)
        )
        self.remove_fenced: Final = self.remove.where(HELD == 1)
        newest = table.alias()
        # The last change of a kind stays, for the next is counted from it.
        last = select(func.max(newest.c.change)).where(newest.c.kind == column.kind).scalar_subquery()
        forgotten = (
            select(column.kind, column.key)
            .where(over, or_(column.change < last, column.change == 0))
            .limit(bindparam("most"))
        )
        self.forget: Final = (
            delete(table).where(tuple_(column.kind, column.key).in_(forgotten)).returning(column.kind, column.version)
        )
        self.ceiling: Final = select(ceiling(table, dialect), following(table, dialect))
        self.written: Final = (
            select(column.key, case((self._dead, 0), else_=column.version), column.change)
            .where(
                column.kind == bindparam("of_kind"),
                column.change >= bindparam("from_change"),
                column.change < bindparam("to_change"),
                or_(column.change > bindparam("from_change"), column.key > bindparam("from_key")),
            )
            .order_by(column.change, column.key)
            .limit(bindparam("most"))
        )

    def is_at(self, version: str) -> ColumnElement[bool]:
        """Tell whether the record lives, and has the version of a parameter."""
        return and_(self._lives, self.table.c.version == bindparam(version))

    def replaced(self, value: str, expected: str) -> Update:
        """Write a record that has the version that is expected; both parameters have these names."""
        values = {"version": self.table.c.version + 1, "value": bindparam(value), "change": self._change}
        return update(self.table).where(self.is_at(expected)).values(values)

    def create(self, *, fenced: bool = False) -> Insert:
        """Write a record where none lives; give its version, or no row when one lives."""
        column, statement = self.table.c, self._new_row(fenced=fenced)
        return statement.on_conflict_do_update(
            index_elements=[column.kind, column.key],
            set_={
                "version": column.version + 1,
                "value": statement.excluded.value,
                "expires": statement.excluded.expires,
                "change": statement.excluded.change,
            },
            where=self._dead,
        ).returning(column.version)

    def raise_floor(self) -> Insert:
        """Begin the versions of a kind's new keys above `floor`, if they do not already."""
        floors = self._floors
        statement = insert_into(floors, self._dialect).values(kind=bindparam("of_kind"), version=bindparam("floor"))
        return statement.on_conflict_do_update(
            index_elements=[floors.c.kind],
            set_={"version": statement.excluded.version},
            where=floors.c.version < statement.excluded.version,
        )

    def _new_row(self, *, fenced: bool) -> sqlite.Insert:
        """Begin an INSERT; a key without a row gets the version above the floor of its kind."""
        # With the floor of all kinds, which is the lower one where a kind has its own.
        known = select(func.max(self._floors.c.version)).where(
            self._floors.c.kind.in_((bindparam("of_kind"), ANY_KIND))
        )
        floor: ColumnElement[int] = func.coalesce(known.scalar_subquery(), 0)
        # A row that is inserted has no condition in which the lease could be looked at.
        first = HELD if fenced else literal_column("1", Integer)
        return insert_into(self.table, self._dialect).values(
            kind=bindparam("of_kind"),
            key=bindparam("of_key"),
            version=floor + first,
            value=bindparam("new_value"),
            expires=bindparam("new_expires"),
            change=self._change,
        )


def of_durable(dialect: str) -> RecordStatements:
    """Give what is said about durable records."""
    return RecordStatements(records, floors, dialect)


def of_volatile(dialect: str) -> RecordStatements:
    """Give what is said about volatile records."""
    return RecordStatements(volatile_records, volatile_floors, dialect)


def both_read(durable: RecordStatements, volatile: RecordStatements) -> CompoundSelect[Any]:
    """Read the durable record of a kind and key, and the volatile one; what stands last in a row is 1 where it is volatile."""
    parts = enumerate((durable, volatile))
    return union_all(*(said.read.add_columns(literal_column(str(number), Integer)) for number, said in parts))


def both_replaced(durable: RecordStatements, volatile: RecordStatements, *, fenced: bool) -> Select[tuple[int]]:
    """Write a durable record and the volatile one of the same kind and key, both or none; give 1, or 0 where one is another.

    Where the volatile one is changed by somebody else meanwhile, it fails as `ledger.ANOTHER_END` says, for by then the other
    is written.
    """
    is_there = select(volatile.table.c.key).where(volatile.is_at("volatile_expected")).exists()
    first = durable.replaced("new_value", "expected").values(expires=None).where(is_there)
    if fenced:
        first = first.where(HELD == 1)
    one = first.returning(durable.table.c.version).cte("durably")
    then = volatile.replaced("volatile_value", "volatile_expected").values(expires=None)
    other = then.where(select(one.c.version).exists()).returning(volatile.table.c.version).cte("volatilely")
    count, other_count = (select(func.count()).select_from(part).scalar_subquery() for part in (one, other))
    verdict = case((count == other_count, cast(count, Text)), else_="the volatile record is another")
    return select(cast(verdict, Integer))
