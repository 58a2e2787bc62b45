"""What can be lost, how, and for how long."""

import signal
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from bench.faults.cluster import Cluster, Node
from bench.faults.gap import Gap

VICTIM: Final = 0
"""The node that is lost: the first to join, which has the duties."""

FROZEN_S: Final = 30.0


@dataclass(frozen=True, slots=True)
class Fault:
    """One of them. Both steps are called in a thread or in the reactor's, as `waits` says."""

    words: str
    begin: Callable[[Cluster], None]
    end: Callable[[Cluster], None]
    lasts_s: float
    loses: bool = True
    """Whether the users of the victim have to come back, at another node."""

    waits: bool = True
    """Whether it takes its time; what tells the proxies does not, and is told in the reactor's thread."""

    begins_anew: bool = True
    """Whether a server may be taken for dead that lives, and begins anew; else all are started in a way that costs less."""

    clocks_s: tuple[float, ...] = ()
    """By how much the clock of each node is ahead."""


def _victim(cluster: Cluster) -> Node:
    return cluster.nodes[VICTIM]


def _nothing(_: Cluster) -> None:
    pass


def _kill(cluster: Cluster) -> None:
    _victim(cluster).server.kill()


def _start(cluster: Cluster) -> None:
    _victim(cluster).start()


def _freeze(cluster: Cluster) -> None:
    _victim(cluster).signal(signal.SIGSTOP)


def _thaw(cluster: Cluster) -> None:
    _victim(cluster).signal(signal.SIGCONT)


Step = Callable[[Cluster], None]


def _cut(*, database: bool, bus: bool) -> tuple[Step, Step]:
    """Give what cuts the victim off, and what connects it again."""

    def gaps(cluster: Cluster) -> Sequence[Gap]:
        node = _victim(cluster)
        return [gap for gap, is_meant in ((node.to_database, database), (node.to_bus, bus)) if is_meant]

    def cut(cluster: Cluster) -> None:
        for gap in gaps(cluster):
            gap.cut()

    def heal(cluster: Cluster) -> None:
        for gap in gaps(cluster):
            gap.heal()

    return cut, heal


FAULTS: Final[Mapping[str, Fault]] = {
    "kill": Fault("kill -9 of one of three", _kill, _start, 20.0, begins_anew=False),
    "freeze": Fault("one of three stands still for 30 s, and returns", _freeze, _thaw, FROZEN_S),
    "database-cut": Fault(
        "one of three does not reach PostgreSQL", *_cut(database=True, bus=False), 30.0, waits=False
    ),
    "bus-cut": Fault(
        "one of three does not reach NATS", *_cut(database=False, bus=True), 30.0, loses=False, waits=False
    ),
    "both-cut": Fault("one of three reaches neither", *_cut(database=True, bus=True), 30.0, waits=False),
    "bus-restart": Fault(
        "NATS is away for 5 s", lambda cluster: cluster.restart_bus(5.0), _nothing, 5.0, loses=False
    ),
    "database-restart": Fault(
        "PostgreSQL is killed, and back after 5 s", lambda cluster: cluster.restart_database(5.0), _nothing, 5.0, loses=False
    ),
    "clocks": Fault(
        "kill -9 of one of three whose clocks differ by a minute", _kill, _start, 20.0, clocks_s=(0.0, 60.0, -60.0)
    ),
}  # fmt: skip
