"""A deployment of several servers beside one alone: a PostgreSQL server, a nats-server, and what each of them spends.

All of it listens on 127.0.0.1, keeps what it has in temporary folders, and is gone afterwards.
"""

import json
import os
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench import machine
from bench.machine import CORES, free_port
from bench.people import make, make_beside
from bench.server import START_S, Server, running, settings_of
from tests.kit.forks import Forked
from tests.kit.nats import NatsServer
from tests.kit.postgres import Postgres

COUNTED: Final = "shared_preload_libraries = 'pg_stat_statements'"
"""Its statements are counted; that is a hundredth of what it uses."""

ROOMY: Final = "max_connections = 100\nshared_buffers = 128MB\nmax_wal_size = 1GB"

_CALLS: Final = (
    "select coalesce(sum(calls), 0), coalesce(sum(calls) filter (where query ~* '^(COMMIT|END)'), 0) "
    "from pg_stat_statements where dbid = (select oid from pg_database where datname = current_database())"
)
_LOG: Final = "select pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0'), pg_database_size(current_database())"


class Processes:
    """A program of several processes, of which some may end: what they all have used.

    Attributes:
        pid: The first of them.
    """

    def __init__(self, pid: int) -> None:
        """Take the first of them."""
        self.pid: Final = pid
        self._used: dict[int, float] = {}

    def cpu_s(self) -> float:
        """Give the seconds of processor time; of one that has ended, as much as was seen."""
        for pid in machine.family(self.pid):
            try:
                self._used[pid] = machine.cpu_s(pid)
            except OSError:
                continue
        return sum(self._used.values())


@dataclass(frozen=True, slots=True)
class Counts:
    """What has gone over the bus and into the database until now."""

    told: int
    """Messages that servers have sent to nats-server."""

    heard: int
    """Those that it has delivered to servers."""

    heard_bytes: int
    statements: int
    commits: int
    """Of more than one statement; one alone is a transaction by itself."""

    log_bytes: int
    """Of PostgreSQL's write-ahead log."""

    database_bytes: int

    def since(self, before: "Counts") -> "Counts":
        """Give what has come since."""
        return Counts(*(getattr(self, name) - getattr(before, name) for name in Counts.__slots__))


class Deployment:
    """Servers on one database and one bus.

    Attributes:
        servers: They.
        database, bus: What PostgreSQL and nats-server have used.
    """

    def __init__(self, servers: Sequence[Server], engines: "Engines", name: str) -> None:
        """Take them, and the name of their database."""
        self.servers: Final = servers
        self.database: Final = Processes(engines.postgres.pid)
        self.bus: Final = Processes(engines.nats.pid)
        self._postgres = engines.postgres
        self._name = name
        self._watch = engines.watch

    def cpu_s(self) -> float:
        """Give the processor time of the servers alone."""
        return sum(server.cpu_s() for server in self.servers)

    def counts(self) -> Counts:
        """Look what was said until now."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self._watch}/varz", timeout=5.0) as answer:
            told = json.load(answer)
        statements, commits = self._postgres.sql(_CALLS, self._name).split("|")
        log, size = self._postgres.sql(_LOG, self._name).split("|")
        return Counts(
            told["in_msgs"], told["out_msgs"], told["out_bytes"], int(statements), int(commits), int(log), int(size)
        )

    def statements(self) -> Mapping[str, int]:
        """Give how often each statement was said until now."""
        rows = self._postgres.sql(
            "select calls, regexp_replace(query, '\\s+', ' ', 'g') from pg_stat_statements "
            "where dbid = (select oid from pg_database where datname = current_database())",
            self._name,
        )
        return {text: int(calls) for calls, _, text in (row.partition("|") for row in rows.splitlines())}


@dataclass(frozen=True, slots=True)
class Engines:
    """A PostgreSQL server and a nats-server, for several deployments one after the other."""

    postgres: Postgres
    nats: NatsServer
    watch: int
    """The port on which nats-server tells of itself."""

    @classmethod
    @contextmanager
    def running(cls) -> "Iterator[Engines]":
        """Have both; they are gone afterwards."""
        with ExitStack() as ending, _on_servers_core():
            postgres, watch = Postgres(), free_port()
            _ = ending.callback(postgres.remove)
            postgres.configure(f"{COUNTED}\n{ROOMY}")
            postgres.start()
            nats = NatsServer(f'http: "127.0.0.1:{watch}"')
            _ = ending.callback(nats.remove)
            nats.start()
            CORES.keep_generator()
            yield cls(postgres, nats, watch)

    @contextmanager
    def deployed(
        self, folder: Path, people: int, *, gather_ms: int, servers: int = 2, profile: Path | None = None
    ) -> Iterator[Deployment]:
        """Run servers with so many people in a database, and on subjects, of their own.

        Args:
            folder: Empty; the homes are made in it.
            people: How many.
            gather_ms: As `[presence] gather_ms`.
            servers: How many.
            profile: Where to write what cProfile saw of the first server's whole run; the number of each other is added.
        """
        postgres, database = self.postgres, self.postgres.make_database()
        _ = postgres.sql("create extension pg_stat_statements", database)
        folder.mkdir(parents=True, exist_ok=True)
        more = [
            f"store.url={postgres.url(database)}",
            f"store.password_file={postgres.password_file(folder)}",
            f"bus.url={self.nats.url}",
            f"bus.subject={database}",
        ]
        ready: list[Server] = []
        with ExitStack() as ending:
            for number in range(servers):
                home, port = folder / f"home{number}", free_port()
                begin, what = (make_beside, str(folder / "home0")) if ready else (make, str(people))
                made = Forked(begin, str(home), what, *settings_of(port, gather_ms), *more, out=Path(os.devnull))
                if status := made.wait(START_S):
                    raise RuntimeError(f"the home of a server could not be made: status {status}")
                words = ["--profile", f"{profile}{number or ''}", "--profiler", "cprofile", "--savestats"]
                ready.append(ending.enter_context(running(Server(home, port, words if profile else ()))))
            yield Deployment(ready, self, database)


@contextmanager
def _on_servers_core() -> Iterator[None]:
    """Have all that is started be on the servers' core; whoever goes on says when it is enough."""
    CORES.keep_server()
    try:
        yield
    finally:
        CORES.keep_generator()
