"""Loads of people who watch: a crowd, a burst, a client that does not read, many subscriptions.

The devices here have signed in and no more: what they watch is what the load is about.
"""

import tempfile
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path
from statistics import mean
from typing import Any, Final

from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater

from bench import words
from bench.costs import Cost
from bench.device import Device, connect
from bench.server import Server, serving
from bench.text import Heard

GATHER_MS: Final = 50
"""As it is by default."""

BURST: Final = 20
"""Publications without a pause in between."""

PER_DEVICE: Final = 500
"""Subscriptions of one connection."""

WARM_UP: Final = 1

QUIET_S: Final = 0.5
"""How long nothing comes before it counts as all that comes."""

Measure = Callable[[int, Callable[[], Awaitable[object]]], Awaitable[tuple[float, float]]]
"""Operations and work → microseconds of the server for each, and the machine's reference."""


async def crowd(devices: Sequence[Device], measure: Measure, rounds: int) -> Cost:
    """Publish to everybody but the first, who publishes."""
    publisher, watchers = devices[0], devices[1:]
    for watcher in watchers:
        await watcher.subscribe("presence", words.watch(watcher.uri, [publisher.uri]))
    await _settled(publisher)
    heard = _Ear(watchers)
    found = []
    for number in range(rounds + WARM_UP):
        found.append(await measure(len(watchers), partial(_publish, publisher, heard, number)))
    name = f"notification to {len(watchers)} watchers, publication included"
    return Cost(name, "µs", tuple(v for v, _ in found[WARM_UP:]), tuple(v / r for v, r in found[WARM_UP:]))


async def burst(reactor: Any, watchers: int, rounds: int) -> Sequence[Cost]:  # Any: several interfaces at once
    """Publish without a pause to a server that gathers, and count what each watcher is told."""
    with (
        tempfile.TemporaryDirectory(prefix="bench-") as home,
        serving(Path(home), watchers + 1, gather_ms=GATHER_MS) as server,
    ):
        devices = await signed_in(reactor, server, range(watchers + 1))
        publisher = devices[0]
        for watcher in devices[1:]:
            await watcher.subscribe("presence", words.watch(watcher.uri, [publisher.uri]))
        await _settled(publisher)
        heard = _Ear(devices[1:])
        told, spent = [], []
        for _ in range(rounds + WARM_UP):
            await deferLater(reactor, QUIET_S)
            heard.count = 0
            before = server.cpu_s()
            for number in range(BURST):
                await publisher.publish((6500, 3500)[number % 2])
            await deferLater(reactor, QUIET_S)
            spent.append((server.cpu_s() - before) * 1e6)
            told.append(heard.count / watchers)
        await leave(devices)
    return [
        Cost(f"burst of {BURST} publications to {watchers} watchers", "µs", tuple(spent[WARM_UP:])),
        Cost("notifications of a burst, to each watcher", "", tuple(told[WARM_UP:])),
    ]


async def stalled(reactor: Any, server: Server, devices: Sequence[Device], missed: int) -> Cost:  # Any: as above
    """Let the last watch all others and not read while they publish; then it reads, and knows the latest of each.

    Raises:
        AssertionError: It does not, or was dropped.
    """
    reader, publishers = devices[-1], devices[:-1]
    latest: dict[str, int] = {}

    def hear(notification: Heard) -> None:
        uri, availability = words.told(notification.body)
        latest[uri] = availability

    reader.notified = hear
    for publisher in publishers:
        await _settled(publisher)
    await reader.subscribe("presence", words.watch(reader.uri, [one.uri for one in publishers]))
    reader.line.pause()
    before = server.resident_bytes()
    most = 0
    shown = {}
    for number in range(missed):
        publisher = publishers[number % len(publishers)]
        shown[publisher.uri] = (3500, 6500, 9500)[number // len(publishers) % 3]
        await publisher.publish(shown[publisher.uri])
        most = max(most, server.resident_bytes() - before)
    reader.line.resume()
    await deferLater(reactor, 2 * QUIET_S)
    assert not reader.lost.called, "the server dropped a client that did not read"
    wrong = {uri for uri, availability in shown.items() if latest.get(uri) != availability}
    assert not wrong, f"a client that reads again has not heard the latest of {len(wrong)}"
    return Cost(f"growth while a client reads none of {missed} publications", "KiB", (most / 1024,))


async def subscriptions(reactor: Any, count: int, rounds: int) -> Sequence[Cost]:  # Any: as above
    """Subscribe again and again to one person, then tell all of them something: what is kept for each."""
    connections = max(1, count // PER_DEVICE)
    each = max(1, min(count, PER_DEVICE) // rounds)
    with (
        tempfile.TemporaryDirectory(prefix="bench-") as home,
        serving(Path(home), connections + 1) as server,
    ):
        devices = await signed_in(reactor, server, range(connections + 1))
        costs = await _subscriptions(reactor, server, devices, each, rounds)
        await leave(devices)
    return costs


async def _subscriptions(
    reactor: Any,  # Any: as above
    server: Server,
    devices: Sequence[Device],
    each: int,
    rounds: int,
) -> Sequence[Cost]:
    publisher, watchers = devices[0], devices[1:]
    await _settled(publisher)
    growth = []
    for _ in range(rounds):
        before = server.resident_bytes()
        for watcher in watchers:
            for _ in range(each):
                await watcher.subscribe("presence", words.watch(watcher.uri, [publisher.uri]))
        await deferLater(reactor, QUIET_S)
        growth.append((server.resident_bytes() - before) / 1024 / each / len(watchers))
    before = server.resident_bytes()
    await publisher.publish(9500)
    await deferLater(reactor, 2 * QUIET_S)
    later = (server.resident_bytes() - before) / 1024 / (each * rounds * len(watchers))
    return [
        Cost("memory of a subscription", "KiB", tuple(growth)),
        Cost("memory of a subscription that was told", "KiB", (mean(growth) + later,)),
    ]


async def signed_in(reactor: Any, server: Server, numbers: range) -> list[Device]:  # Any: as above
    """Give devices that have signed in and asked for nothing."""
    devices = []
    for number in numbers:
        device = await connect(reactor, server, number)
        await device.register()
        devices.append(device)
    return devices


async def leave(devices: Sequence[Device]) -> None:
    """Have them close their connections."""
    for device in devices:
        device.leave()
    for device in devices:
        await device.lost


class _Ear:
    """Counts what devices are told."""

    def __init__(self, devices: Sequence[Device]) -> None:
        self.count = 0
        self.size = len(devices)
        self._wanted = 0
        self._told: Deferred[None] = Deferred()
        for device in devices:
            device.notified = self._hear

    def expect(self) -> "Deferred[None]":
        """Fire when every device has been told once more."""
        self.count, self._wanted, self._told = 0, self.size, Deferred()
        return self._told

    def _hear(self, _: Heard) -> None:
        self.count += 1
        if self.count == self._wanted:
            self._told.callback(None)


async def _publish(publisher: Device, heard: _Ear, number: int) -> None:
    told = heard.expect()
    await publisher.publish((6500, 3500)[number % 2])
    await told


async def _settled(publisher: Device) -> None:
    """Have it published once, as a client does when it has signed in."""
    if not publisher.has_published:
        await publisher.publish(3500)
