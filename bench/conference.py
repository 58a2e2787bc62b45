"""The load of a meeting: one speaks, all the others hear it, and answer when it has been measured what that cost."""

import os
import secrets
import signal
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from itertools import cycle, pairwise
from statistics import mean, median
from typing import Any, Final

from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater

from bench.costs import Cost, reference_us
from bench.device import Device
from bench.server import Server
from bench.sip_client import CONVERSATION
from bench.text import Dialog, Heard
from lyncpy.sip.markup import attr, read_xml

C3P: Final = "application/cccp+xml"
SENDER: Final = "Supported: ms-sender, timer\r\n"
TEXT: Final = b"Shall we have lunch at half past twelve? The place at the corner has soup today."

IN_A_ROW: Final = 10
"""Messages that are said, at most, before the first is answered; fewer than `[im] chat_window`."""

COPIES_IN_A_ROW: Final = 1_000
"""Their copies, at most."""

QUIET_S: Final = 0.02
"""A server whose processor time stands still for so long has nothing left to do."""

_INFO: Final = "urn:ietf:params:xml:ns:conference-info"
_MSCI: Final = "http://schemas.microsoft.com/rtc/2005/08/confinfoextensions"


@dataclass(frozen=True, slots=True)
class _Batch:
    """What a few messages cost the server, in microseconds for each, and the seconds to the last copy of each."""

    sent: float
    """From the MESSAGE to the last copy, the 202 included."""

    answer: float
    """An answer; those of one participant do not count."""

    last_answer: float
    """One of his, and the report that follows from it."""

    last_s: Sequence[float]


@dataclass(frozen=True, slots=True)
class _Round:
    """What one round cost: microseconds, and seconds to the last copy."""

    own_us: float
    """A MESSAGE with its 202 and its report, and nobody who hears it."""

    copy_us: float
    answer_us: float
    apart_us: float
    last_s: float
    reference_us: float


_Give = Callable[[Sequence[Device]], Awaitable[None]]
"""How answers are given."""


class Meeting:
    """A conference in which all devices are, and speak in turn."""

    def __init__(self, reactor: Any, server: Server, devices: Sequence[Device]) -> None:  # Any: several interfaces
        """Take who is to meet; the first is the organizer."""
        self._reactor = reactor
        self._server = server
        self._devices = devices
        self._dialogs: list[Dialog] = []
        self._alone: list[Dialog] = []
        self._focus = ""
        self._left = self._to_report = 0
        self._speakers = cycle(range(len(devices)))
        self._all_heard: Deferred[None] = Deferred()
        self._reported: Deferred[None] = Deferred()

    async def gather(self) -> None:
        """Create the conference, and have everybody join; and another one in which the organizer is alone."""
        organizer = self._devices[0]
        empty = await create(organizer)
        await join_focus(organizer, empty)
        self._alone = [await join_chat(organizer, empty)]
        self._focus = await create(organizer)
        for device in self._devices:
            await self._join(device)

    async def _join(self, device: Device) -> None:
        await join_focus(device, self._focus)
        self._dialogs.append(await join_chat(device, self._focus))
        device.told = self._hear
        device.notified = self._hear_report

    async def rounds(self, count: int, messages: int) -> Sequence[Cost]:
        """Let so many messages be said in each round; one round more warms the server up."""
        found = [await self._round(self._speakers, messages) for _ in range(count + 1)][1:]
        size = len(self._devices)
        names = {
            "own_us": f"conference message that nobody hears, {size} signed in",
            "copy_us": f"conference message, each copy of {size - 1}",
            "answer_us": f"answer to such a copy, {size - 1} together",
            "apart_us": f"answer to such a copy, {size - 1} one by one",
        }
        return [
            *(
                Cost(
                    name,
                    "µs",
                    tuple(getattr(one, key) for one in found),
                    tuple(getattr(one, key) / one.reference_us for one in found),
                )
                for key, name in names.items()
            ),
            Cost(f"from MESSAGE to the last of {size - 1} copies", "ms", tuple(one.last_s * 1e3 for one in found)),
        ]

    async def talk(self, messages: int) -> None:
        """Let so many messages be said, each when all have heard the last; everybody answers at once."""
        self._to_report, self._reported = messages, Deferred()
        for _ in range(messages):
            self._left, self._all_heard = len(self._devices) - 1, Deferred()
            speaker = next(self._speakers)
            said = Deferred.fromCoroutine(self._say(self._dialogs, speaker))
            await self._all_heard
            await said
        await self._reported

    async def leave(self) -> None:
        """Have everybody leave the chat."""
        for device, dialog in zip(self._devices, self._dialogs, strict=True):
            device.told = device.notified = _ignore
            device.held = None
            await device.send(dialog, "BYE")
        await self._devices[0].send(self._alone[0], "BYE")

    async def _round(self, speakers: "cycle[int]", messages: int) -> _Round:
        reference = reference_us()
        own_us = await self._said_alone(messages)
        size = len(self._devices)
        each = max(1, min(IN_A_ROW, COPIES_IN_A_ROW // size))
        count = max(1, messages // each // 2)
        together = [await self._batch(next(speakers), each, self._answer_together) for _ in range(count)]
        apart = [await self._batch(next(speakers), each, self._answer_apart) for _ in range(count)]
        answer, said = mean(one.answer for one in together), together + apart
        # A message that nobody hears is reported, too; here the report is the last answer's affair.
        report = max(0.0, mean(one.last_answer for one in together) - answer)
        return _Round(
            own_us,
            (mean(one.sent for one in said) - max(0.0, own_us - report)) / (size - 1),
            answer,
            mean(one.answer for one in apart),
            median(s for one in said for s in one.last_s),
            reference,
        )

    async def _said_alone(self, messages: int) -> float:
        before = self._server.cpu_s()
        for _ in range(messages):
            self._to_report, self._reported = 1, Deferred()
            await self._say(self._alone, 0)
            await self._reported
        return (self._server.cpu_s() - before) / messages * 1e6

    async def _batch(self, speaker: int, each: int, give: "_Give") -> _Batch:
        server, others = self._server, [one for n, one in enumerate(self._devices) if n != speaker]
        for one in others:
            one.held = []
        before, times = server.cpu_s(), []
        for _ in range(each):
            self._left, self._all_heard = len(others), Deferred()
            began = time.monotonic()
            asked = Deferred.fromCoroutine(self._say(self._dialogs, speaker))
            await self._all_heard
            times.append(time.monotonic() - began)
            await asked
        spent = [before, await self._quiet()]
        await give(others[:-1])
        spent.append(await self._quiet())
        self._to_report, self._reported = each, Deferred()
        await give(others[-1:])
        await self._reported
        spent.append(await self._quiet())
        sent, answers, last = [(b - a) / each * 1e6 for a, b in pairwise(spent)]
        return _Batch(sent, answers / max(1, len(others) - 1), last, times)

    async def _say(self, dialogs: Sequence[Dialog], speaker: int) -> None:
        await self._devices[speaker].send(dialogs[speaker], "MESSAGE", "", TEXT, "text/plain; charset=UTF-8", want=202)

    async def _answer_together(self, devices: Sequence[Device]) -> None:
        """Have the answers of all in the server's sockets before it reads the first."""
        os.kill(self._server.pid, signal.SIGSTOP)
        try:
            for device in devices:
                device.release()
            await self._turn(QUIET_S)
        finally:
            os.kill(self._server.pid, signal.SIGCONT)

    async def _answer_apart(self, devices: Sequence[Device]) -> None:
        """Wake the server up for each answer."""
        waiting = list(devices)
        while waiting:
            for device in waiting:
                device.release(1)
                await self._turn(0.0)
            waiting = [device for device in waiting if device.held]

    async def _quiet(self) -> float:
        """Wait until the server has done all it had to, and give its processor time."""
        spent = -1.0
        while spent != (spent := self._server.cpu_s()):
            await self._turn(QUIET_S)
        return spent

    async def _turn(self, seconds: float) -> None:
        await deferLater(self._reactor, seconds)

    def _hear(self, message: Heard) -> None:
        self._left -= 1
        if not self._left:
            self._all_heard.callback(None)

    def _hear_report(self, report: Heard) -> None:
        if report.content_type == "application/ms-imdn+xml":
            self._to_report -= 1
            if not self._to_report:
                self._reported.callback(None)


async def create(organizer: Device) -> str:
    """Have a conference created that everybody may join; give its focus."""
    factory = f"{organizer.uri};gruu;opaque=app:conf:focusfactory"
    body = _c3p(
        organizer.uri,
        factory,
        f'<addConference><ci:conference-info xmlns:ci="{_INFO}" xmlns:msci="{_MSCI}" entity="">'
        f"<ci:conference-description><ci:subject/><msci:conference-id>{secrets.token_hex(16).upper()}"
        "</msci:conference-id><msci:admission-policy>openAuthenticated</msci:admission-policy>"
        '</ci:conference-description><msci:conference-view><msci:entity-view entity="chat"/></msci:conference-view>'
        "</ci:conference-info></addConference>",
    )
    answer = await organizer.outside("SERVICE", factory, "", body.encode(), C3P)
    info = next(el for el in read_xml(answer.body).walk() if el.local == "conference-info")
    return attr(info, "entity") or ""


async def join_focus(device: Device, focus: str) -> Dialog:
    """Come into a meeting."""
    command = (
        f'<addUser><conferenceKeys confEntity="{focus}"/><ci:user xmlns:ci="{_INFO}" entity="{device.uri}">'
        f'<ci:roles><ci:entry>attendee</ci:entry></ci:roles><ci:endpoint entity="{{{device.epid}}}"/></ci:user></addUser>'
    )
    return await device.begin(focus, _c3p(device.uri, focus, command).encode(), C3P, SENDER)


async def join_chat(device: Device, focus: str) -> Dialog:
    """Take part in a meeting's chat."""
    return await device.begin(focus.replace(":focus:", ":chat:"), CONVERSATION, "application/sdp", SENDER)


def _c3p(sender: str, to: str, command: str) -> str:
    return (
        '<?xml version="1.0"?><request xmlns="urn:ietf:params:xml:ns:cccp" '
        'xmlns:mscp="http://schemas.microsoft.com/rtc/2005/08/cccpextensions" '
        f'C3PVersion="1" to="{to}" from="{sender}" requestId="1">{command}</request>'
    )


def _ignore(request: Heard) -> None:
    pass
