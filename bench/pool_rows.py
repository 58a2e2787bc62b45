"""What PostgreSQL is asked beside what users do: records that are not in memory, what others wrote, and which nodes there are.

Each costs by the row, in the server's process and in PostgreSQL's; with the number of nodes some of it grows by its square.
"""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from twisted.internet.defer import Deferred, gatherResults

from bench.pool import Engines, Processes
from bench.pool_targets import DATABASE
from bench.rounds import Rounds
from lyncpy.backends.sql.leases import SqlLeases
from lyncpy.backends.sql.store import SqlStore
from lyncpy.contracts.names import NodeName, Version
from tests.kit.cellars import Wall, database_in, in_postgresql
from tests.kit.postgres import Postgres
from tests.kit.threads import ThreadPump

RECORD: Final = "a record read alone"
RECORDS: Final = "each of 40 records read at once"
SWEPT: Final = "each record that others wrote, as a sweep sees it"
RENEWAL: Final = "the renewal of a lease"
NODE: Final = "each further node at it"
NAMES: Final = (RECORD, RECORDS, SWEPT, RENEWAL, NODE)

VALUE_BYTES: Final = 3_000
WRITTEN: Final = 1_000
BATCH: Final = 40
NODES: Final = 500
_MORE_NODES: Final = (
    f"insert into nodes (name, epoch, place, is_connected, until) "
    f"select 'more' || i, 1000 + i, 'a machine', true, 1e12 from generate_series(1, {NODES}) i"
)


class _Asked:
    """One server's store, asked without a server."""

    def __init__(self, pump: ThreadPump, database: Any, postgres: Postgres) -> None:  # Any: a `Database`
        self._pump = pump
        self._engine = Processes(postgres.pid)
        self.store = SqlStore(database, Wall())
        self.leases = SqlLeases(database, lambda: None)

    def run(self, work: Any) -> Any:  # Any: whatever the promise gives
        """Wait for its answer."""

        async def awaited() -> Any:
            return await work

        return self._pump.run(awaited())

    def cost(self, do: Callable[[], Any], times: int) -> tuple[float, float]:
        """Do something so often; give the microseconds of this process for each, and PostgreSQL's."""
        self.run(do())
        own, engine = time.process_time(), self._engine.cpu_s()
        for _ in range(times):
            self.run(do())
        return (time.process_time() - own) / times * 1e6, (self._engine.cpu_s() - engine) / times * 1e6


def ask(rounds: Rounds, engines: Engines, times: int) -> None:
    """Note what each of `NAMES` costs."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder, in_postgresql(Path(folder), engines.postgres) as terms:
        pump = ThreadPump()
        database = database_in(Path(folder), pump, **terms)
        pump.run(database.open())
        try:
            found = _costs(_Asked(pump, database, engines.postgres), engines.postgres, terms["url"], times)
        finally:
            pump.run(database.close())
    for name, (own, engine) in zip(NAMES, found, strict=True):
        rounds.value("pool-row", name, "µs", own)
        rounds.value("pool-row", f"{name}, {DATABASE}", "µs", engine)


def _costs(asked: _Asked, postgres: Postgres, url: str, times: int) -> list[tuple[float, float]]:
    store, leases, node = asked.store, asked.leases, NodeName("n1")
    mark = asked.run(store.written("board", None, 1)).mark
    for first in range(0, WRITTEN, 100):
        asked.run(
            _all([store.write("board", str(n), bytes(VALUE_BYTES), Version(0)) for n in range(first, first + 100)])
        )
    asked.run(leases.join(node, "a machine", 60.0, is_connected=True))
    alone = asked.cost(lambda: store.read("board", "7"), times)
    batch = asked.cost(lambda: _all([store.read("board", str(n)) for n in range(BATCH)]), max(1, times // 10))
    swept = asked.cost(lambda: store.written("board", mark, WRITTEN), max(1, times // 20))
    few = asked.cost(lambda: leases.renew(node, 60.0), times)
    _ = postgres.sql(_MORE_NODES, url.rpartition("/")[2])
    many = asked.cost(lambda: leases.renew(node, 60.0), max(1, times // 10))
    further = (max(0.0, many[0] - few[0]) / NODES, max(0.0, many[1] - few[1]) / NODES)
    return [alone, _each(batch, BATCH), _each(swept, WRITTEN), few, further]


def _all(works: list[Any]) -> "Deferred[list[Any]]":  # Any: as above
    return gatherResults(works)


def _each(cost: tuple[float, float], count: int) -> tuple[float, float]:
    return cost[0] / count, cost[1] / count
