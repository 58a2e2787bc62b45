"""What the store's work costs on PostgreSQL, beside SQLite: `python -m bench.store`, on a server of its own that is gone afterwards.

In this process, without clients: the store's queue, its thread, the database. The processor time of PostgreSQL's own processes is
counted apart. Its disk is not waited for (`fsync` off): how long a commit takes is the disk's, what it costs is not.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import astuple, dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any, Final

from twisted.internet.defer import Deferred, gatherResults

from lyncpy.backends.sql.database import Database
from lyncpy.backends.sql.ledger import SqlLedger
from lyncpy.backends.sql.store import SqlStore
from lyncpy.contracts.archive import ChainPosition, LedgerLine
from lyncpy.contracts.names import Version
from tests.kit.cellars import NOON, Wall, database_in, in_postgresql
from tests.kit.postgres import Postgres
from tests.kit.threads import ThreadPump

TOGETHER: Final = 50
"""Who share a commit."""

BOARD_BYTES: Final = 3_000
CONTACTS_BYTES: Final = 6_000
"""A board with a note and its access levels, and a list of 40."""


@dataclass(frozen=True, slots=True)
class Spent:
    """Microseconds for one operation: of this process, of the database's, and by the clock."""

    own: float
    servers: float
    clock: float


class Household:
    """One open database, and whatever is done with it again and again."""

    def __init__(self, database: Database, pump: ThreadPump) -> None:
        """Take it, and a pump that waits for its threads."""
        self._pump = pump
        self._store, self._ledger = SqlStore(database, Wall()), SqlLedger(database)
        self._versions: dict[tuple[str, str], Version] = {}
        self._end = ChainPosition(0, b"n" * 32, b"end")
        pump.run(self._ledger.begin_chain(ChainPosition(0, b"n" * 32, b"start"), self._end))

    def written(self, kind: str, size: int, together: int) -> None:
        """Replace records, that many at once."""
        self._pump.run(gatherResults([self._replaced(kind, str(n), size) for n in range(together)]))

    def read(self, together: int) -> None:
        """Read boards, that many at once."""
        self._pump.run(gatherResults([self._store.read("board", str(n)) for n in range(together)]))

    def archived(self, together: int) -> None:
        """Archive messages, that many in one write."""
        first = self._end.serial + 1
        lines = [
            LedgerLine(first + n, NOON, "message", "talk", "{}" * 100, bytes(300), bytes(32)) for n in range(together)
        ]
        end = ChainPosition(first + together - 1, bytes(32), b"end")
        self._pump.run(self._ledger.append(lines, [("alice", "talk"), ("bob", "talk")], end, self._end))
        self._end = end

    def _replaced(self, kind: str, key: str, size: int) -> Deferred[Version]:
        expected = self._versions.get((kind, key), Version(0))
        self._versions[kind, key] = Version(expected + 1)
        return self._store.write(kind, key, bytes(size), expected)


OPERATIONS: Final[Sequence[tuple[str, Callable[[Household, int], None]]]] = (
    ("durable publication", lambda house, together: house.written("board", BOARD_BYTES, together)),
    ("contact added", lambda house, together: house.written("contacts", CONTACTS_BYTES, together)),
    ("archive entry", Household.archived),
    ("a board read", Household.read),
)


@contextmanager
def households() -> Iterator[dict[str, tuple[Household, Callable[[], float]]]]:
    """Open one of each kind; each with what gives the processor time of its server."""
    with ExitStack() as ending:
        home, pump = Path(ending.enter_context(tempfile.TemporaryDirectory())), ThreadPump()
        server = Postgres()
        _ = ending.callback(server.remove)
        server.start()
        terms: dict[str, dict[str, Any]] = {  # Any: as settings are
            "SQLite": {},
            "PostgreSQL": ending.enter_context(in_postgresql(home, server)),
        }
        found = {}
        for name, settings in terms.items():
            database = database_in(home, pump, **settings)
            pump.run(database.open())
            _ = ending.callback(_close, pump, database)
            found[name] = Household(database, pump), server.used_s if settings else lambda: 0.0
        yield found


def _close(pump: ThreadPump, database: Database) -> None:
    pump.run(database.close())


def measured(rounds: int, times: int) -> list[tuple[str, dict[str, Spent]]]:
    """Do everything so often in each round, on both in turn; give the median of what it cost."""
    table: list[tuple[str, dict[str, Spent]]] = []
    with households() as houses:
        for what, do in OPERATIONS:
            for together in (1, TOGETHER):
                spent: dict[str, list[Spent]] = {name: [] for name in houses}
                for _ in range(rounds):
                    for name, (house, servers_s) in houses.items():
                        once = partial(do, house, together)
                        spent[name].append(_spent(once, max(1, times // together), together, servers_s))
                title = what if together == 1 else f"{what}, {together} in a commit"
                table.append((title, {name: _middle(several) for name, several in spent.items()}))
    return table


def _spent(do: Callable[[], None], times: int, together: int, servers_s: Callable[[], float]) -> Spent:
    do()
    before = time.process_time(), servers_s(), time.perf_counter()
    for _ in range(times):
        do()
    after = time.process_time(), servers_s(), time.perf_counter()
    return Spent(*((late - early) / (times * together) * 1e6 for early, late in zip(before, after, strict=True)))


def _middle(several: Sequence[Spent]) -> Spent:
    return Spent(*(median(column) for column in zip(*(astuple(one) for one in several), strict=True)))


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(prog="python -m bench.store", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="%(default)s")
    parser.add_argument("--times", type=int, default=1_000, help="each operation, in each round (%(default)s)")
    options = parser.parse_args(argv)
    sys.stdout.write(
        f"{'µs for each':34} {'SQLite':>8} {'PostgreSQL':>11} {'ratio':>6} {'its own':>8} {'by the clock':>20}\n"
    )
    for what, spent in measured(options.rounds, options.times):
        sqlite, postgresql = spent["SQLite"], spent["PostgreSQL"]
        ratio = postgresql.own / sqlite.own
        clock = f"{sqlite.clock:.0f} : {postgresql.clock:.0f}"
        sys.stdout.write(
            f"{what:34} {sqlite.own:8.1f} {postgresql.own:11.1f} {ratio:6.1f} {postgresql.servers:8.1f} {clock:>20}\n"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
