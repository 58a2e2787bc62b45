"""PostgreSQL, nats-server and three servers on 127.0.0.1, with a network between them that can be cut."""

import atexit
import os
import shutil
import signal
import time
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

from bench.faults.gap import Gap
from bench.people import DOMAIN, make
from lyncpy.backends.sql.server import TERMS
from tests.kit.forks import Forked, run
from tests.kit.nats import NatsServer
from tests.kit.postgres import Postgres
from tests.kit.server import PATIENCE_S, RunningServer, ServerFailed, wait_until

NODES: Final = 3
LEASE_S: Final = 5.0
"""The setting's default: what is measured is what operators get."""

KEPT_ALIVE_S: Final = float(TERMS["tcp_user_timeout"]) / 1000.0
MAKING_S: Final = 120.0
AHEAD: Final = "import time\n\nread = time.time\ntime.time = lambda: read() + {ahead_s}\n"
"""Run by Python before a server: its wall clock is another. A library before the kernel's clocks (libfaketime) holds locks as well:
a server under it stands still for seconds when many sign in."""


class Node:
    """One server, and its ways to the database and the bus."""

    def __init__(self, number: int, server: RunningServer, to_database: Gap, to_bus: Gap) -> None:
        self.number: Final = number
        self.server: Final = server
        self.to_database: Final = to_database
        self.to_bus: Final = to_bus
        self.clock_s = 0.0
        """By how much its clock is ahead."""

        self.begins_anew = True
        """Whether it is started by the command that an operator types, which it can run again by itself; else it is forked."""

    @property
    def port(self) -> int:
        """Of SIP over TLS."""
        return self.server.tls_port

    @property
    def ca(self) -> Path:
        """Of its own authority."""
        return self.server.ca

    def start(self) -> None:
        """Start it."""
        if not self.begins_anew:
            self.server.start()
            return
        environment = None
        if self.clock_s:
            of_python = self.server.home / "clock"
            of_python.mkdir(exist_ok=True)
            (of_python / "sitecustomize.py").write_text(AHEAD.format(ahead_s=self.clock_s))
            environment = {**os.environ, "PYTHONPATH": str(of_python)}
        self.server.start(self.server.twistd, environment)

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        os.kill(self.server.pid, number)


class Cluster:
    """All of it; to be closed."""

    def __init__(self, reactor: Any, folder: Path, people: int) -> None:  # Any: several interfaces at once
        """Make databases, homes and so many people; nothing of ours runs yet."""
        self.postgres: Final = Postgres()
        self.nats: Final = NatsServer()
        self.nodes: Final[list[Node]] = []
        self._reactor = reactor
        # Whoever is interrupted ends without what would be done in the reactor.
        _ = atexit.register(self.close)
        try:
            self.postgres.start()
            self.nats.start()
            self.database: Final = self.postgres.make_database()
            password = self.postgres.password_file(folder)
            for number in range(NODES):
                self._add(folder, number, password, people)
        except BaseException:
            self.close()
            raise

    def _add(self, folder: Path, number: int, password: Path, people: int) -> None:
        to_database, to_bus = Gap(self._reactor, self.postgres.port, KEPT_ALIVE_S), Gap(self._reactor, self.nats.port)
        home = folder / f"node{number}"
        server = RunningServer(
            home,
            **_settings(self.database, to_database.port, to_bus.port, password),
        )
        # Making goes straight to the database: the network between is this process's, which waits here.
        straight = _words(_settings(self.database, self.postgres.port, self.nats.port, password))
        if number == 0:
            making = Forked(make, str(home), str(people), *straight[1::2], out=Path(os.devnull))
            if status := making.wait(MAKING_S):
                raise RuntimeError(f"the people could not be made: status {status}")
            (home / "lyncpy.toml").unlink()
        else:
            home.mkdir(mode=0o700)
            for name in ("store.key", "people.toml"):
                shutil.copy(folder / "node0" / name, home / name)
        done = run(("init", str(home), *server.words), timeout=PATIENCE_S)
        if done.returncode:
            raise RuntimeError(f"a home could not be made: {done.stdout}{done.stderr}")
        self.nodes.append(Node(number, server, to_database, to_bus))

    def rows(self, query: str) -> Sequence[Sequence[str]]:
        """Ask the database."""
        return [line.split("|") for line in self.postgres.sql(query, self.database).splitlines()]

    def await_all(self) -> None:
        """Wait until each knows all others."""
        for node in self.nodes:
            wait_until(partial(_knows_all, node), f"node {node.number} knows all others", MAKING_S)

    def restart_bus(self, away_s: float) -> None:
        """Stop nats-server, and start it again after a while."""
        self.nats.stop()
        time.sleep(away_s)
        self.nats.start()

    def restart_database(self, away_s: float) -> None:
        """Kill PostgreSQL, and start it again after a while."""
        self.postgres.kill()
        time.sleep(away_s)
        self.postgres.start()

    def close(self) -> None:
        """End all, however it is; may be called twice."""
        for node in self.nodes:
            node.server.close()
        self.nats.remove()
        self.postgres.remove()


def _knows_all(node: Node) -> bool:
    """Tell whether a node says that all are there. One that begins anew just now says nothing."""
    try:
        said = node.server.ssh("nodes")
    except ServerFailed:
        return False
    lines = [line.split() for line in said.splitlines() if line.startswith("n")]
    return sum("dead" not in line for line in lines if line[0] != "node") == NODES


def _settings(database: str, postgres: int, nats: int, password: Path) -> Mapping[str, Any]:  # Any: settings
    return {
        "sip__domain": DOMAIN,
        "store__url": f"postgresql://lyncpy@127.0.0.1:{postgres}/{database}",
        "store__password_file": password,
        "bus__url": f"nats://127.0.0.1:{nats}",
        "pool__lease_s": LEASE_S,
        "policies__archive_internal": "true",
        "archive__critical": "true",
        "admin__host": "127.0.0.1",
        "log__level": "info",
        "limits__requests_per_s": 1000.0,
        "limits__requests_burst": 10000.0,
        "limits__unauthenticated_per_address": 1000,
        "sip__connections_per_address": 1000,
        "presence__publications_per_minute": 10000,
        "presence__publications_burst": 10000,
    }


def _words(settings: Mapping[str, Any]) -> Sequence[str]:
    return [word for name, value in settings.items() for word in ("--set", f"{name.replace('__', '.')}={value}")]
