"""The last requests that were refused, for operators: whose they were, what they asked for, why not, and what was said.

Of each there are the lines of the request and of its answer, without bodies and without what proves somebody
(`sip/masking.py`); so why somebody is refused can be seen without a trace, which would have to be begun before.
"""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Final

from lyncpy.contracts.answers import form
from lyncpy.contracts.names import Aor, aor_of
from lyncpy.contracts.timers import ITimers
from lyncpy.contracts.workload import CommandCall, CommandReach, Flag, OperatorRole, Reason, ShellCommand, Table
from lyncpy.core.flags import count_flag
from lyncpy.core.timestamps import moment
from lyncpy.sip.encoder import encode
from lyncpy.sip.errors import LocalProtocolError, RemoteProtocolError
from lyncpy.sip.masking import masked
from lyncpy.sip.message import Request, Response
from lyncpy.sip.plain import clean

KEPT: Final = 200
KEPT_OF_ONE: Final = 20
"""What somebody may have of them; who is refused the same thing again has it once."""

SEEN_S: Final = 1.0
"""Seconds within which the lines of the same refusal are not written down anew."""

LINES: Final = 40
LINE_CHARS: Final = 300
"""Of a message."""

TOLD: Final = 3
"""Refusals of one user that `why` tells of."""

RECENT_S: Final = 600.0
"""Seconds in which somebody who was refused may still wonder about it."""

DEVICES: Final = 4
"""Devices that are named of those that were refused the same; anybody may call theirs so, as long as nobody has proved anything."""

_CHARS: Final = 200
_TELLING: Final = frozenset(
    {
        "from", "to", "call-id", "cseq", "user-agent", "event", "require", "proxy-require", "authorization", "contact",
        "ms-diagnostics", "ms-diagnostics-public", "retry-after", "warning", "unsupported", "www-authenticate",
    }
)  # fmt: skip
"""Headers that say why somebody was refused."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A request, or several alike, and why it was refused."""

    at: float
    """When the last one was, in wall-clock seconds."""

    user: str
    """Who asked, as they said; they need not have proved it."""

    request: str
    status: int
    reason: str
    times: int = 1
    devices: tuple[str, ...] = ()
    """The epids of those that were refused last, the latest first."""

    exchange: Sequence[str] = ()
    """The lines of the last request and its answer, an empty one between them."""

    seen: float = 0.0
    """When these were, in monotonic seconds."""

    @property
    def essence(self) -> str:
        """Give what of the exchange tells most, on one line."""
        split = self.exchange.index("") if "" in self.exchange else len(self.exchange)
        asked, told = self.exchange[:split], self.exchange[split + 1 :]
        return f"it said: {_short(asked)}; and heard: {_short(told)}"


class LastRefusals:
    """Remembers the last refusals.

    Args:
        timers: The clock.
    """

    def __init__(self, timers: ITimers) -> None:
        self._timers = timers
        self._kept: OrderedDict[tuple[str, str, int, str], Refusal] = OrderedDict()
        """The one of which there was none for longest first."""

    def note(self, request: Request, response: Response, reason: str) -> None:
        """Note a refusal.

        Args:
            request: As it came.
            response: As it leaves.
            reason: Why, as the client is told.
        """
        key = (_sender(response), request.method[:40], response.status, reason[:_CHARS])
        known, now, at = self._kept.pop(key, None), self._timers.now(), self._timers.wall()
        before, device = () if known is None else known.devices, _device(response)
        devices = (device, *(one for one in before if one != device))[:DEVICES] if device else before
        # Who asks for the same again and again has the lines written down once in a while.
        if known is not None and now - known.seen < SEEN_S:
            self._kept[key] = replace(known, at=at, times=known.times + 1, devices=devices)
            return
        times = 1 if known is None else known.times + 1
        exchange = [*_lines(request), "", *_lines(response)]
        self._kept[key] = Refusal(at, *key, times=times, devices=devices, exchange=exchange, seen=now)
        if known is None:
            self._make_room(key[0])

    def _make_room(self, user: str) -> None:
        own = [key for key in self._kept if key[0] == user]
        if len(own) > KEPT_OF_ONE:
            del self._kept[own[0]]
        elif len(self._kept) > KEPT:
            self._kept.popitem(last=False)

    def __len__(self) -> int:
        """Count them."""
        return len(self._kept)

    async def reasons(self, aor: Aor) -> Sequence[Reason]:
        """Say what a user was refused lately, with what was said, for `why`."""
        own = [one for one in reversed(self._kept.values()) if aor_of(one.user) == aor]
        return [self._reason(one) for one in own[:TOLD]]

    def _reason(self, one: Refusal) -> Reason:
        often = f" {one.times} times, last" if one.times > 1 else ""
        devices = (
            f" of {'devices' if len(one.devices) > 1 else 'device'} {', '.join(one.devices)}" if one.devices else ""
        )
        words = (
            f"{one.request}{devices} was refused{often} at {moment(one.at)}: {one.status}, {one.reason}; {one.essence}"
        )
        is_recent = self._timers.now() - one.seen < RECENT_S
        return Reason("refusal", words, good=not is_recent, remedy="all lines: refusals --lines" if is_recent else "")

    def commands(self) -> tuple[ShellCommand, ...]:
        """Give the shell's word."""
        return (
            ShellCommand(
                "refusals",
                "The last requests that were refused, the newest first: whose, and why.",
                self.shown,
                flags=(
                    Flag("of", "only of who has this in their address", takes="USER"),
                    Flag("limit", f"at most so many; 100 when left out, {KEPT} at most", takes="N"),
                    Flag("lines", "with what was said and answered, line by line", role=OperatorRole.OPERATOR),
                ),
                reach=CommandReach.EVERYWHERE,
                form=form("at:time? user request status:number? reason times:number?"),
            ),
        )

    async def shown(self, asked: CommandCall) -> Table:
        """List them."""
        of, limit = asked.flags.get("of", "").lower(), count_flag(asked.flags, "limit", KEPT)
        fitting = (one for one in reversed(self._kept.values()) if of in one.user.lower())
        rows: list[tuple[object, ...]] = []
        for one in islice(fitting, limit):
            rows.append((moment(one.at), one.user, one.request, one.status, one.reason, one.times))
            if "lines" in asked.flags:
                rows += [(None, one.user, one.request, None, line, None) for line in one.exchange]
        return Table(("at", "user", "request", "status", "reason", "times"), rows)


def _lines(message: Request | Response) -> Sequence[str]:
    """Give the lines of a head, without its secrets."""
    try:
        data = encode(message)
    except LocalProtocolError:
        return ["a message that cannot be written"]
    return [clean(line)[:LINE_CHARS] for line in masked(data).rstrip().split("\r\n")[:LINES]]


def _short(lines: Sequence[str]) -> str:
    """Give the first line, and those that say most."""
    return " | ".join([*lines[:1], *(one for one in lines[1:] if one.partition(":")[0].lower() in _TELLING)])


def _device(response: Response) -> str:
    """Give the epid of the device that asked, as it said; "": it said none."""
    try:
        return clean(response.from_.epid or "")[:40]
    except RemoteProtocolError:
        return ""


def _sender(response: Response) -> str:
    """Give who asked, as they said."""
    try:
        return response.from_.uri.removeprefix("sip:")[:_CHARS]
    except RemoteProtocolError:
        return ""
