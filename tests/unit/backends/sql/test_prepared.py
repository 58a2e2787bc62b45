"""A statement is written down once: in its database's words, with the values in its order."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import bindparam, create_engine, insert, select, update
from sqlalchemy.dialects import postgresql
from sqlalchemy.engine import Connection
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import NullPool, StaticPool

from lyncpy.backends.sql.link import Link
from lyncpy.backends.sql.prepared import PreparedStatement
from lyncpy.backends.sql.statements import of_durable
from lyncpy.backends.sql.tables import audit, journals, metadata
from lyncpy.contracts.refusal import StoreUnavailable
from tests.kit.calls import calls_of

SAID = of_durable("sqlite")
POSTGRESQL = postgresql.dialect(paramstyle="format")  # type: ignore[no-untyped-call]  # SQLAlchemy's own gap


@pytest.fixture
def database() -> Connection:
    """An empty database in memory, with its tables."""
    engine = create_engine("sqlite://", poolclass=StaticPool)
    metadata.create_all(engine)
    return engine.connect()


def test_values_come_in_the_order_of_their_names(database: Connection) -> None:
    """Whatever order the statement has, in which one may stand twice, and what is in it besides."""
    dialect = database.dialect
    new = PreparedStatement(SAID.create(), dialect, ("of_kind", "of_key", "now", "new_value", "new_expires"))
    replace = PreparedStatement(
        SAID.replace, dialect, ("new_value", "new_expires", "expected", "now", "of_key", "of_kind")
    )
    read = PreparedStatement(SAID.read, dialect, ("now", "of_key", "of_kind"))
    assert new.rows(database, ("board", "alice", 5.0, b"one", None)) == [(1,)]
    assert replace.touched(database, (b"two", 9.0, 1, 5.0, "alice", "board")) == 1
    assert replace.touched(database, (b"two", 9.0, 1, 5.0, "alice", "board")) == 0
    assert read.rows(database, (5.0, "alice", "board")) == [("alice", b"two", 2, 9.0)]


def test_moments_are_what_sqlalchemy_writes(database: Connection) -> None:
    """A column whose values are converted has them converted; people read it with SQL."""
    keep = PreparedStatement(insert(audit), database.dialect, ("at", "author", "source", "command", "outcome"))
    keep.each(database, [(float(number), "a", "", "c", "ok") for number in range(3)])
    assert database.execute(select(audit.c.at)).scalars().all() == [0.0, 1.0, 2.0]
    assert database.exec_driver_sql("select max(at) from audit").scalar() == "1970-01-01 00:00:02.000000"


def test_one_value_is_a_row_of_one(database: Connection) -> None:
    """And what was changed is counted."""
    database.execute(insert(journals), [{"journal": name, "at": 1.0, "entry": b""} for name in "aab"])
    of = PreparedStatement(
        select(journals.c.serial).where(journals.c.journal == bindparam("of")), database.dialect, ("of",)
    )
    move = PreparedStatement(
        update(journals).where(journals.c.journal == bindparam("of")).values(at=2.0), database.dialect, ("of",)
    )
    assert of.rows(database, ("a",)) == [(1,), (2,)]
    assert move.touched(database, ("a",)) == 2


def test_the_same_is_said_to_postgresql() -> None:
    """Its drivers take parameters in order, too."""
    read = PreparedStatement(of_durable("postgresql").read, POSTGRESQL, ("of_kind", "of_key", "now"))
    assert read


def test_a_database_that_fails_is_told_from_a_wrong_statement() -> None:
    """The world's failure is StoreUnavailable, and what follows begins on a new connection; ours is raised as it is."""
    opened: list[sqlite3.Connection] = []

    def connect() -> sqlite3.Connection:
        opened.append(sqlite3.connect(":memory:", isolation_level=None))
        return opened[-1]

    def job(error: Exception) -> None:
        raise error

    link = Link(create_engine("sqlite://", creator=connect, poolclass=NullPool))
    assert link.commit([lambda _: 1, lambda _: 2]) == [1, 2]
    for ours in (ValueError("x"), sqlite3.IntegrityError("x"), sqlite3.ProgrammingError("x")):
        with pytest.raises(type(ours)):
            link.commit([lambda _, error=ours: job(error)])  # type: ignore[misc]
    assert len(opened) == 1
    for world in (sqlite3.OperationalError("disk is full"), OperationalError("", {}, ValueError("disk is full"))):
        with pytest.raises(StoreUnavailable, match=r"^disk is full$"):
            link.look([lambda _, error=world: job(error)])  # type: ignore[misc]
    assert link.look([lambda _: 3]) == [3]
    assert len(opened) == 3
    link.close()
    link.close()


def test_a_job_that_fails_takes_its_transaction_back() -> None:
    """Nothing of the others is kept either: they are done again, each alone."""
    link = Link(create_engine("sqlite://", creator=lambda: sqlite3.connect(":memory:", isolation_level=None)))
    link.commit([lambda connection: connection.exec_driver_sql("create table t (x)").close()])
    with pytest.raises(ZeroDivisionError):
        link.commit(
            [lambda connection: connection.exec_driver_sql("insert into t values (1)").close(), lambda _: 1 // 0]
        )
    with closing(link):
        assert link.look([lambda connection: connection.exec_driver_sql("select count(*) from t").scalar()]) == [0]


def test_a_prepared_write_is_a_transaction_of_few_calls(tmp_path: Path) -> None:
    """Of what the thread does for one record, most is SQLite's: asking SQLAlchemy each time were hundreds of calls."""
    engine = create_engine(
        "sqlite://", creator=lambda: sqlite3.connect(tmp_path / "x", isolation_level=None), poolclass=NullPool
    )
    metadata.create_all(engine)
    link = Link(engine)
    new = PreparedStatement(SAID.create(), engine.dialect, ("of_kind", "of_key", "now", "new_value", "new_expires"))

    def write(key: str) -> None:
        assert link.commit([lambda connection: new.rows(connection, ("board", key, 5.0, b"x", None))]) == [[(1,)]]

    write("alice")
    with closing(link):
        assert calls_of(lambda: write("bob")) <= 30
