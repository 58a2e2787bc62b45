"""The write-ahead log of the database: it stays small whatever is read beside the writes."""

import sqlite3
from contextlib import closing
from pathlib import Path

from lyncpy.backends.sql.store import SqlStore
from lyncpy.contracts.names import Version
from tests.kit.cellars import Wall, database_in
from tests.kit.threads import ThreadPump

VALUE = b"x" * 65_536
WRITES = 400
PAGE = 10
BOUND = 12_000_000
"""A thousand pages, where it is taken into the database, and what one transaction may add; what is written is twice that."""


def test_whoever_reads_much_in_pieces_does_not_let_the_log_grow(tmp_path: Path) -> None:
    """An export or a check goes through everything, a read beside each write: none of them holds what it has seen."""
    pump = ThreadPump()
    database = database_in(tmp_path, pump)
    pump.run(database.open())
    store, log = SqlStore(database, Wall()), tmp_path / "lyncpy.db-wal"
    largest, seen = 0, 0
    for number in range(WRITES):
        written = store.write("board", f"{number:04}", VALUE, Version(0))
        seen += len(pump.run(store.scan("board", f"{number // PAGE:03}")))
        pump.run(written)
        largest = max(largest, log.stat().st_size)
    assert seen >= WRITES
    assert largest < BOUND < WRITES * len(VALUE)
    pump.run(database.close())
    assert not log.exists()


def test_after_a_reader_that_held_on_the_log_is_cut(tmp_path: Path) -> None:
    """Another program may hold what it reads: the log grows while it does, and is cut when it has ended."""
    pump = ThreadPump()
    database = database_in(tmp_path, pump)
    pump.run(database.open())
    store, log = SqlStore(database, Wall()), tmp_path / "lyncpy.db-wal"
    pump.run(store.write("board", "a", VALUE, Version(0)))
    with closing(sqlite3.connect(tmp_path / "lyncpy.db", isolation_level=None)) as other:
        other.execute("BEGIN")
        other.execute("SELECT count(*) FROM records").fetchone()
        for number in range(300):
            pump.run(store.write("board", f"{number:04}", VALUE * 4, Version(0)))
        grown = log.stat().st_size
        other.execute("ROLLBACK")
    for number in range(3):
        pump.run(store.write("board", f"later{number}", VALUE, Version(0)))
    assert grown > 300 * 4 * len(VALUE)
    assert log.stat().st_size <= 67_108_864
    pump.run(database.close())
