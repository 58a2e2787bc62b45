"""Nodes on a bus, of every kind that there is: one that is its own neighbour, and two on a real nats-server, also behind a bad network."""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Final

from lyncpy.backends.bus import MemoryBus
from lyncpy.backends.nats.bus import NatsBus
from lyncpy.backends.nats.encoding import key_token, write_fact
from lyncpy.backends.nats.settings import Settings
from lyncpy.contracts.bus import BusTimeout, Interest, Question
from lyncpy.contracts.facts import Fact, FlowClosed
from lyncpy.contracts.names import FlowName, NodeName
from tests.kit.meters import MemoryMeter
from tests.kit.nats import NatsServer, ReactorLoop, SpoilingProxy, Subscriber

KINDS: Final = ("memory", "nats, one node", "nats, two nodes", "nats, behind a bad network")
SIGN_S = 0.2
HERE, THERE = NodeName("here"), NodeName("there")


@dataclass(frozen=True, slots=True)
class HowMany(Question):
    """How many are there?"""

    answer_type: ClassVar[type[Any]] = int
    of: str


@dataclass
class Pair:
    """Two nodes, or one twice: what is told at `there` is heard at `here`, which asks `there`."""

    loop: ReactorLoop
    here: Any  # Any: IBus, whose promise has no class
    there: Any
    there_name: NodeName
    server: NatsServer | None = None
    subject: str = ""
    proxy: SpoilingProxy | None = None
    """Between `here` and the server."""

    def heard(self, kind: type[Fact] = FlowClosed, *about: Interest) -> list[Any]:  # Any: facts of that kind
        """Begin to write down what is heard at `here`."""
        found: list[Any] = []
        self.here.listen(kind, found.append, *about)
        self.settle()
        return found

    def settle(self) -> None:
        """Wait until whatever was told and subscribed has arrived: the server answers each node after all of it."""
        for bus in (self.there, self.here):
            with suppress(BusTimeout):
                self.loop.wait(bus.ask(NodeName("nobody"), HowMany(""), 10.0))
        for _ in range(5):
            self.loop.reactor.iterate(0)

    def tell(self, *names: str) -> None:
        """Tell facts at `there`."""
        for name in names:
            self.there.tell(FlowClosed(FlowName(name), "lost"))

    def says(self, subscriber: Subscriber, number: int, reason: str = "") -> None:
        """Have somebody who may publish tell a fact of a node that they have invented."""
        fact = FlowClosed(FlowName("1"), reason)
        (data,) = write_fact(NodeName("forger"), number, fact)
        subscriber.publish(f"{self.subject}.fact.FlowClosed.{key_token(fact)}", data)

    def until_heard(self, found: list[Any], count: int) -> list[str]:
        """Wait for so many facts, and whether there are more; give their names."""
        self.loop.until(lambda: len(found) >= count)
        self.settle()
        return [fact.flow for fact in found]


def node(loop: ReactorLoop, name: NodeName, url: str, **settings: Any) -> NatsBus:  # Any: of a setting's kind
    """Open a node; it is closed with the loop."""
    one = NatsBus(name, Settings(url=url, sign_s=SIGN_S, **settings), Path(), loop.reactor, loop.timers, MemoryMeter())
    loop.wait(one.open())
    loop.cleanups.append(lambda: loop.wait(one.close()))
    return one


def pair_of(kind: str, loop: ReactorLoop, server: NatsServer, tmp_path: Path) -> Pair:
    """Make the nodes of one kind; each test has subjects of its own."""
    subject = "".join(one if one.isalnum() else "-" for one in tmp_path.name)[:30]
    if kind == "memory":
        bus = MemoryBus(HERE, loop.reactor)
        return Pair(loop, bus, bus, HERE)
    if kind == "nats, one node":
        one = node(loop, HERE, server.url, subject=subject)
        return Pair(loop, one, one, HERE, server, subject)
    proxy = SpoilingProxy(loop, server) if kind == "nats, behind a bad network" else None
    here = node(loop, HERE, server.url if proxy is None else proxy.url, subject=subject)
    there = node(loop, THERE, server.url, subject=subject)
    if proxy is not None:
        # A bus promises nothing of it; whoever comes between may do it all the same.
        proxy.copies = lambda payload: 2
    return Pair(loop, here, there, THERE, server, subject, proxy)


def the_proxy(pair: Pair) -> SpoilingProxy:
    """Give the proxy, which is there."""
    assert pair.proxy is not None
    return pair.proxy


def reply(give: Callable[[Any], Any]) -> Callable[[Any], Awaitable[Any]]:
    """Make an answerer of a function."""

    async def answer(question: Any) -> Any:
        return give(question)

    return answer
