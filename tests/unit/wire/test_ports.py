"""Ports accept as many as others can bear."""

import errno
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from twisted.internet.defer import maybeDeferred
from twisted.internet.error import CannotListenError
from twisted.internet.protocol import Factory, Protocol

from lyncpy.contracts.listening import ListeningPlace
from lyncpy.wire.ports import (
    ACCEPTED_AT_ONCE,
    PASSED_BY_S,
    SLOWLY_S,
    CannotOpen,
    PlainPort,
    listening_socket,
    opened,
    quick_and_watched,
)
from tests.kit.logs import overheard
from tests.kit.ports import free_ports
from tests.kit.pump import Pump


class Door:
    """A port on loopback, and clients that want in."""

    def __init__(self, ends: ExitStack, host: str = "127.0.0.1") -> None:
        """Open it."""
        self.pump = Pump()
        self.has_bug = False
        self.is_busy = False
        self.accepted = 0
        self.protocols: list[Protocol] = []
        self._ends = ends
        factory = Factory.forProtocol(self._accept)
        factory.noisy = False
        self.port = PlainPort(0, factory, lambda: self.is_busy, interface=host, reactor=self.pump)
        self.port.startListening()

    def _accept(self) -> Protocol:
        if self.has_bug:
            raise ZeroDivisionError
        self.accepted += 1
        self.protocols.append(Protocol())
        return self.protocols[-1]

    def close(self) -> None:
        """Close it, and what it has accepted."""
        _ = maybeDeferred(self.port.stopListening)
        for protocol in self.protocols:
            transport: Any = protocol.transport  # Any: a socket's
            transport.abortConnection()
        self.pump.advance(SLOWLY_S)

    def want_in(self, count: int) -> None:
        """Have clients connect: the kernel does it for us."""
        for _ in range(count):
            self._ends.enter_context(socket.create_connection(self.port.socket.getsockname()[:2], timeout=5))

    def turn(self) -> int:
        """Have one turn of the reactor pass; give how many were accepted."""
        before = self.accepted
        self.pump.turn()
        return self.accepted - before


@pytest.fixture
def door() -> Iterator[Door]:
    """An open door; it and its clients are gone after the test."""
    with ExitStack() as ends:
        door = Door(ends)
        yield door
        door.close()


def test_some_of_those_who_wait_are_accepted_in_a_turn(door: Door) -> None:
    """However many there are."""
    door.want_in(50)
    taken = [door.turn() for _ in range(8)]
    assert max(taken) <= ACCEPTED_AT_ONCE
    assert sum(taken) == 50


def test_while_it_is_busy_they_come_in_slowly(door: Door) -> None:
    """One, and the next a while later; the others wait in the kernel, and come in quickly when there is room."""
    door.want_in(40)
    door.is_busy = True
    assert [door.turn() for _ in range(3)] == [1, 0, 0]
    door.pump.advance(SLOWLY_S)
    assert [door.turn() for _ in range(3)] == [1, 0, 0]
    door.is_busy = False
    door.pump.advance(SLOWLY_S)
    assert sum(door.turn() for _ in range(8)) == 38


def test_who_comes_is_left_to_others_while_a_server_leaves(door: Door) -> None:
    """They wait in the kernel, for another process of the machine or until this one stays after all."""
    door.want_in(2)
    door.port.passes_by = lambda: True
    assert [door.turn() for _ in range(3)] == [0, 0, 0]
    assert door.port not in door.pump.readers
    door.pump.advance(PASSED_BY_S)
    assert door.turn() == 0
    door.port.passes_by = lambda: False
    door.pump.advance(PASSED_BY_S)
    assert sum(door.turn() for _ in range(3)) == 2


def test_a_port_that_is_closed_while_it_is_busy_stays_closed(door: Door) -> None:
    """The time at which it would go on passes."""
    door.want_in(1)
    door.is_busy = True
    assert door.turn() == 1
    door.close()
    assert door.port not in door.pump.readers


def test_who_meets_a_bug_is_turned_away_and_the_next_comes_in(door: Door) -> None:
    """It is logged, and no file is left open."""
    door.want_in(1)
    door.has_bug = True
    with overheard() as log:
        assert door.turn() == 0
    assert [event["log_level"].name for event in log] == ["critical"]
    door.has_bug = False
    door.want_in(1)
    assert door.turn() + door.turn() == 1


def test_what_the_kernel_refuses_is_told_by_twisted(door: Door) -> None:
    """And the port listens on."""

    class Full:
        """A socket that has no file left to give."""

        def accept(self) -> None:
            """Fail."""
            raise OSError(errno.ENFILE, "no file left")

    listening: Any = door.port.socket
    door.port.socket = Full()
    with overheard() as log:
        door.port.doRead()
    assert [event["acceptError"] for event in log] == ["ENFILE"]
    door.port.socket = listening
    door.want_in(1)
    assert door.turn() + door.turn() == 1


@pytest.mark.skipif(not socket.has_ipv6, reason="there is no IPv6")
def test_a_client_of_ipv6_has_its_address() -> None:
    """With its scope where it has one."""
    with ExitStack() as ends:
        try:
            door = Door(ends, "::1")
        except CannotListenError:
            pytest.skip("there is no IPv6")
        door.want_in(1)
        assert door.turn() == 1
        (protocol,) = door.protocols
        transport: Any = protocol.transport  # Any: a socket's
        assert transport.getPeer().host == "::1"
        door.close()


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", ""])
def test_who_waits_at_a_port_of_several_is_lost_with_none_of_them(host: str) -> None:
    """Of two that were handed the same socket one closes with people waiting: the other accepts them."""
    (number,) = free_ports(1)
    place = ListeningPlace("sip", "tcp_port", "tcp_host", host, number)
    accepted: list[Protocol] = []

    def accept() -> Protocol:
        accepted.append(Protocol())
        return accepted[-1]

    def door(pump: Pump) -> PlainPort:
        factory = Factory.forProtocol(accept)
        factory.noisy = False

        def make(interface: str) -> PlainPort:
            prepare = quick_and_watched(60)
            return PlainPort(number, factory, lambda: False, interface=interface, reactor=pump, prepare=prepare)

        return opened(place, make, {place.setting: handed.fileno()})

    one, other = Pump(), Pump()
    with ExitStack() as ends, listening_socket(place) as handed:
        first, second = door(one), door(other)
        for _ in range(3):
            ends.enter_context(socket.create_connection((host or "127.0.0.1", number), timeout=5))
        one.turn()
        assert len(accepted) == 1
        _ = maybeDeferred(first.stopListening)
        one.advance(0.0)
        for _ in range(3):
            other.turn()
        assert len(accepted) == 3
        transport: Any = accepted[0].transport  # Any: a socket's
        assert transport.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1
        _ = maybeDeferred(second.stopListening)
        for protocol in accepted:
            transport = protocol.transport
            transport.abortConnection()
        other.advance(0.0)
        one.advance(0.0)
        with pytest.raises(CannotOpen, match=rf"\[sip\] tcp_port: port {number} on .* cannot be opened"):
            listening_socket(place)
