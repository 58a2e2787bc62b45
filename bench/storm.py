"""Loads of a very large meeting: all join at once, many speak, some clients hang, all leave.

It is counted, too: the run fails unless everybody hears each message exactly once and in each
sender's order, and each sender is told who did not.
"""

import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, Final

from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater

from bench.conference import create, join_chat, join_focus
from bench.costs import Cost
from bench.device import Device
from bench.runs import run_all
from bench.server import Server, serving
from bench.sip_client import Unexpected
from bench.text import Dialog, Heard
from bench.watching import leave, signed_in
from lyncpy.sip.markup import attr, local, read_xml

AT_ONCE: Final = 100
"""People who join, or leave, at the same time."""

SPEAKERS: Final = 10
HANGING: Final = 10
ANSWER_S: Final = 5
"""`[im] chat_answer_s` where clients hang."""

QUIET_S: Final = 0.5
KIND: Final = "text/plain; charset=UTF-8"


async def storm(reactor: Any, people: int, messages: int) -> Sequence[Cost]:  # Any: several interfaces at once
    """Let very many meet: what joining, speaking and leaving costs the server for each."""
    with (
        tempfile.TemporaryDirectory(prefix="bench-") as home,
        serving(Path(home), people, more=[f"policies.meeting_size={people}"]) as server,
    ):
        hall = _Hall(reactor, server, await signed_in(reactor, server, range(people)))
        await deferLater(reactor, QUIET_S)
        before = server.resident_bytes()
        costs = [*await hall.phase("join", hall.join, people)]
        told = Cost("notifications of the roster while all join, to each", "", (hall.notified / people,))
        memory = Cost("memory of a participant", "KiB", ((server.resident_bytes() - before) / 1024 / people,))
        speakers = hall.places[: min(SPEAKERS, people)]
        said = await hall.phase("messages", lambda: hall.say(speakers, messages), messages * (people - 1))
        hall.check(speakers, messages, deaf=())
        costs += [told, memory, *said, *await hall.phase("leave", hall.leave, people)]
        await leave(hall.devices)
    return [Cost(f"{cost.name}, meeting of {people}", cost.unit, cost.values) for cost in costs]


async def hanging(reactor: Any, people: int, messages: int) -> Sequence[Cost]:  # Any: as above
    """Let a few clients stop reading in the middle of a meeting: the others must not feel it."""
    deaf_count = min(HANGING, people // 3)
    with (
        tempfile.TemporaryDirectory(prefix="bench-") as home,
        serving(
            Path(home), people, more=[f"policies.meeting_size={people}", f"im.chat_answer_s={ANSWER_S}.0"]
        ) as server,
    ):
        hall = _Hall(reactor, server, await signed_in(reactor, server, range(people)))
        await hall.join()
        speakers = hall.places[: min(SPEAKERS, people - deaf_count)]
        await hall.say(speakers, messages)
        hall.check(speakers, messages, deaf=())
        healthy = hall.delays
        deaf = hall.devices[-deaf_count:]
        for device in deaf:
            device.line.pause()
        began = time.monotonic()
        await hall.say(speakers, messages, deaf=deaf)
        reported_s = time.monotonic() - began
        hall.check(speakers, messages, deaf)
        slowed = hall.delays
        for device in deaf:
            device.line.resume()
        await leave(hall.devices)
    return [
        Cost(f"from MESSAGE to the last copy, {people} people", "ms", tuple(s * 1e3 for s in healthy)),
        Cost(f"the same while {deaf_count} of them hang, others", "ms", tuple(s * 1e3 for s in slowed)),
        Cost(f"until all are told that {deaf_count} did not get it", "s", (reported_s,)),
    ]


class _Place:
    """One participant: his dialogs, and what he heard of whom."""

    def __init__(self, device: Device) -> None:
        self.device = device
        self.focus: Dialog | None = None
        self.chat: Dialog | None = None
        self.heard: dict[str, list[int]] = {}
        self.reports: list[frozenset[str]] = []


class _Hall:
    """The meeting, and everybody in it."""

    def __init__(self, reactor: Any, server: Server, devices: Sequence[Device]) -> None:  # Any: as above
        self.devices = devices
        self.places = [_Place(device) for device in devices]
        self.notified = 0
        self.delays: list[float] = []
        self._reactor = reactor
        self._server = server
        self._uri = ""
        self._heard: Counter[tuple[str, int]] = Counter()
        self._waiting: dict[tuple[str, int], Deferred[None]] = {}
        self._reported: dict[Device, Deferred[None]] = {}
        self._wanted = self._each = 0
        for place in self.places:
            self._listen(place)

    async def phase(self, name: str, work: Callable[[], Awaitable[None]], count: int) -> Sequence[Cost]:
        """Do something: the seconds it takes, and what it costs the server for each, in microseconds."""
        before, began = self._server.cpu_s(), time.monotonic()
        await work()
        took = time.monotonic() - began
        await deferLater(self._reactor, QUIET_S)
        spent = self._server.cpu_s() - before
        return [Cost(f"{name}, all", "s", (took,)), Cost(f"{name}, each", "µs", (spent / count * 1e6,))]

    async def join(self) -> None:
        """Have everybody come into the meeting, watch its roster and take part in its chat."""
        self._uri = await create(self.devices[0])
        await run_all(self.places, self._join, AT_ONCE)

    async def _join(self, place: _Place) -> None:
        device = place.device
        place.focus = await join_focus(device, self._uri)
        await device.outside("SUBSCRIBE", self._uri, _WATCHING)
        place.chat = await join_chat(device, self._uri)

    async def leave(self) -> None:
        """Have everybody leave chat and meeting."""
        await run_all(self.places, self._leave, AT_ONCE)

    async def _leave(self, place: _Place) -> None:
        assert place.chat is not None, "he has joined"
        assert place.focus is not None, "he has joined"
        await place.device.send(place.chat, "BYE")
        await place.device.send(place.focus, "BYE")

    async def say(self, speakers: Sequence[_Place], messages: int, deaf: Sequence[Device] = ()) -> None:
        """Let speakers say so many messages together, each his next one when all have heard the last; then wait for the reports."""
        self.delays = []
        self._heard.clear()
        each = -(-messages // len(speakers))
        self._wanted = len(self.devices) - 1 - len(deaf)
        for place in self.places:
            place.heard, place.reports = {}, []
        self._reported = {place.device: Deferred() for place in speakers}
        self._each = each

        async def talk(place: _Place) -> None:
            assert place.chat is not None, "he has joined"
            for number in range(each):
                key = place.device.uri, number
                heard = self._waiting[key] = Deferred()
                began = time.monotonic()
                await place.device.send(place.chat, "MESSAGE", "", str(number).encode(), KIND, want=202)
                await heard
                self.delays.append(time.monotonic() - began)

        await run_all(speakers, talk, len(speakers))
        for reported in self._reported.values():
            await reported

    def check(self, speakers: Sequence[_Place], messages: int, deaf: Sequence[Device]) -> None:
        """See that nothing was lost, doubled or out of order, and that each report names who did not get the message.

        Raises:
            Unexpected: It is not so.
        """
        each = list(range(-(-messages // len(speakers))))
        for place in self.places:
            if place.device in deaf:
                continue
            for speaker in speakers:
                heard = place.heard.get(speaker.device.uri, [])
                if speaker is not place and heard != each:
                    raise Unexpected(f"{place.device.uri} heard {heard} of {speaker.device.uri}")
        missed = frozenset(device.uri for device in deaf)
        for speaker in speakers:
            if speaker.reports != [missed] * len(each):
                raise Unexpected(f"{speaker.device.uri} was told {speaker.reports}")

    def _listen(self, place: _Place) -> None:
        def hear(message: Heard) -> None:
            sender = message.get("Ms-Sender").strip("<>")
            number = int(message.body)
            place.heard.setdefault(sender, []).append(number)
            key = sender, number
            self._heard[key] += 1
            # Who hung hears it all later, when nobody waits any more.
            if self._heard[key] == self._wanted and (waiting := self._waiting.pop(key, None)) is not None:
                waiting.callback(None)

        def notice(request: Heard) -> None:
            if request.content_type == "application/conference-info+xml":
                self.notified += 1
            elif request.content_type == "application/ms-imdn+xml":
                place.reports.append(_missed(request.body))
                if len(place.reports) == self._each:
                    self._reported[place.device].callback(None)

        place.device.told, place.device.notified = hear, notice


_WATCHING: Final = (
    "Event: conference\r\nAccept: application/conference-info+xml\r\nSupported: com.microsoft.autoextend\r\n"
    "Supported: ms-benotify\r\nProxy-Require: ms-benotify\r\nSupported: ms-piggyback-first-notify\r\n"
)


def _missed(body: bytes) -> frozenset[str]:
    """Say whom a report names."""
    document = read_xml(body)
    return frozenset((attr(one, "uri") or "").strip("<>") for one in document.walk() if local(one) == "recipient")
