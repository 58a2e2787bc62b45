"""The load of a meeting: one speaks, all the others hear it, and answer when it has been measured what that cost."""

import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle
from statistics import median
from typing import Final

from twisted.internet.defer import Deferred

from bench.costs import Cost, reference_us
from bench.device import CONVERSATION, Device
from bench.server import Server
from lyncpy.sip.dialog import Dialog
from lyncpy.sip.markup import attr, read_xml
from lyncpy.sip.message import Request

C3P: Final = "application/cccp+xml"
TEXT: Final = "Shall we have lunch at half past twelve? The place at the corner has soup today."

_INFO: Final = "urn:ietf:params:xml:ns:conference-info"
_MSCI: Final = "http://schemas.microsoft.com/rtc/2005/08/confinfoextensions"


@dataclass(frozen=True, slots=True)
class _Round:
    """What one round cost: microseconds of the server for each copy, and for each answer; seconds to the last copy."""

    copy_us: float
    answer_us: float
    last_s: float
    reference_us: float


class Meeting:
    """A conference in which all devices are, and speak in turn."""

    def __init__(self, server: Server, devices: Sequence[Device]) -> None:
        """Take who is to meet; the first is the organizer."""
        self._server = server
        self._devices = devices
        self._dialogs: list[Dialog] = []
        self._left = 0
        self._all_heard: Deferred[None] = Deferred()
        self._reported: Deferred[None] = Deferred()

    async def gather(self) -> None:
        """Create the conference, and have everybody join focus and chat."""
        organizer = self._devices[0]
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
        answer = await organizer.ask(organizer.request("SERVICE", factory, (), body, C3P))
        info = next(el for el in read_xml(answer.body).iter() if str(el.tag).endswith("}conference-info"))
        focus = attr(info, "entity") or ""
        for device in self._devices:
            await self._join(device, focus)

    async def _join(self, device: Device, focus: str) -> None:
        command = (
            f'<addUser><conferenceKeys confEntity="{focus}"/><ci:user xmlns:ci="{_INFO}" entity="{device.uri}">'
            f'<ci:roles><ci:entry>attendee</ci:entry></ci:roles><ci:endpoint entity="{{{device.epid}}}"/></ci:user></addUser>'
        )
        await device.begin(focus, _c3p(device.uri, focus, command), C3P)
        self._dialogs.append(await device.begin(focus.replace(":focus:", ":chat:"), CONVERSATION, "application/sdp"))
        device.told = self._hear
        device.notified = self._hear_report

    async def rounds(self, count: int, messages: int) -> Sequence[Cost]:
        """Let so many messages be said in each round; one round more warms the server up."""
        speakers = cycle(zip(self._devices, self._dialogs, strict=True))
        found = [await self._round(speakers, messages) for _ in range(count + 1)][1:]
        size = len(self._devices)
        return [
            Cost(
                f"conference message, each copy of {size - 1}",
                "µs",
                tuple(one.copy_us for one in found),
                tuple(one.copy_us / one.reference_us for one in found),
            ),
            Cost(
                f"its answer, {size} people",
                "µs",
                tuple(one.answer_us for one in found),
                tuple(one.answer_us / one.reference_us for one in found),
            ),
            Cost(f"from MESSAGE to the last of {size - 1} copies", "ms", tuple(one.last_s * 1e3 for one in found)),
        ]

    async def leave(self) -> None:
        """Have everybody leave the chat."""
        for device, dialog in zip(self._devices, self._dialogs, strict=True):
            device.told = device.notified = _ignore
            await device.within(dialog, "BYE")

    async def _round(self, speakers: "cycle[tuple[Device, Dialog]]", messages: int) -> _Round:
        reference = reference_us()
        copies = messages * (len(self._devices) - 1)
        sending = answering = 0.0
        times: list[float] = []
        for _ in range(messages):
            device, dialog = next(speakers)
            self._left = len(self._devices) - 1
            self._all_heard, self._reported = Deferred(), Deferred()
            for one in self._devices:
                one.held = []
            before, began = self._server.cpu_s(), time.monotonic()
            answer = device.within(dialog, "MESSAGE", TEXT, "text/plain; charset=UTF-8", status=202)
            asked = Deferred.fromCoroutine(answer)
            await self._all_heard
            times.append(time.monotonic() - began)
            await asked
            between = self._server.cpu_s()
            for one in self._devices:
                one.release()
            await self._reported
            sending += between - before
            answering += self._server.cpu_s() - between
        return _Round(sending / copies * 1e6, answering / copies * 1e6, median(times), reference)

    def _hear(self, message: Request) -> None:
        self._left -= 1
        if not self._left:
            self._all_heard.callback(None)

    def _hear_report(self, report: Request) -> None:
        if report.content_type == "application/ms-imdn+xml":
            self._reported.callback(None)


def _c3p(sender: str, to: str, command: str) -> str:
    return (
        '<?xml version="1.0"?><request xmlns="urn:ietf:params:xml:ns:cccp" '
        'xmlns:mscp="http://schemas.microsoft.com/rtc/2005/08/cccpextensions" '
        f'C3PVersion="1" to="{to}" from="{sender}" requestId="1">{command}</request>'
    )


def _ignore(request: Request) -> None:
    pass
