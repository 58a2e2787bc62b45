"""The last requests that were refused, for operators: whose they were, what they asked for, and why not."""

from collections import OrderedDict
from dataclasses import dataclass
from itertools import islice
from typing import Final

from lyncpy.contracts.answers import form
from lyncpy.contracts.timers import ITimers
from lyncpy.contracts.workload import CommandCall, CommandReach, Flag, ShellCommand, Table
from lyncpy.core.flags import count_flag
from lyncpy.core.timestamps import moment
from lyncpy.sip.errors import RemoteProtocolError
from lyncpy.sip.message import Response

KEPT: Final = 200
KEPT_OF_ONE: Final = 20
"""What somebody may have of them; who is refused the same thing again has it once."""

_CHARS: Final = 200


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


class LastRefusals:
    """Remembers the last refusals.

    Args:
        timers: The clock.
    """

    def __init__(self, timers: ITimers) -> None:
        self._timers = timers
        self._kept: OrderedDict[tuple[str, str, int, str], Refusal] = OrderedDict()
        """The one of which there was none for longest first."""

    def note(self, request: str, response: Response, reason: str) -> None:
        """Note a refusal.

        Args:
            request: The method.
            response: As it leaves.
            reason: Why, as the client is told.
        """
        key = (_sender(response), request[:40], response.status, reason[:_CHARS])
        known = self._kept.pop(key, None)
        times = 1 if known is None else known.times + 1
        self._kept[key] = Refusal(self._timers.wall(), *key, times=times)
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
                ),
                reach=CommandReach.EVERYWHERE,
                form=form("at:time user request status:number reason times:number"),
            ),
        )

    async def shown(self, asked: CommandCall) -> Table:
        """List them."""
        of, limit = asked.flags.get("of", "").lower(), count_flag(asked.flags, "limit", KEPT)
        fitting = (one for one in reversed(self._kept.values()) if of in one.user.lower())
        rows = [
            (moment(one.at), one.user, one.request, one.status, one.reason, one.times) for one in islice(fitting, limit)
        ]
        return Table(("at", "user", "request", "status", "reason", "times"), rows)


def _sender(response: Response) -> str:
    """Give who asked, as they said."""
    try:
        return response.from_.uri.removeprefix("sip:")[:_CHARS]
    except RemoteProtocolError:
        return ""
