"""The operator's words about failed sign-ins: who has to wait, and to let them try again."""

from collections.abc import Sequence
from math import ceil
from typing import Final

from lyncpy.contracts.directory import IPeople
from lyncpy.contracts.names import aor_of, bare
from lyncpy.contracts.timers import ITimers
from lyncpy.contracts.workload import Arg, Asked, Command, Role, Table
from lyncpy.core.signins import where
from lyncpy.core.tries import Pair, Tries

ROWS: Final = 200


class Locks:
    """`signin locks`, `signin unlock`."""

    def __init__(self, tries: Tries, people: IPeople, timers: ITimers) -> None:
        self._tries = tries
        self._people = people
        self._timers = timers

    def commands(self) -> tuple[Command, ...]:
        """Give them."""
        whom = Arg("whom", "a user, as alice@example.com, or a network address", choices=self._choices)
        return (
            Command("signin locks", "Who has to wait after too many failed sign-ins, and for how long.", self.locks),
            Command(
                "signin unlock",
                "Forget the failed sign-ins of a user, wherever they were made, or those made from an address.",
                self.unlock,
                args=(whom,),
                role=Role.OPERATOR,
            ),
        )

    def _choices(self) -> Sequence[str]:
        return [self._words(name)[0] or self._words(name)[1] for name, _, _ in self._tries.held(self._timers.now())]

    @staticmethod
    def _words(name: object) -> tuple[str, str]:
        """Give user and place of what is held; the user is "" where it is the place itself."""
        return (bare(name.aor), where(name)) if isinstance(name, Pair) else ("", str(name))

    async def locks(self, asked: Asked) -> Table:
        """Show who waits, the longest first."""
        held = sorted(self._tries.held(self._timers.now()), key=lambda one: -one.wait_s)
        rows = [(*self._words(name), ceil(wait_s), failures) for name, wait_s, failures in held[:ROWS]]
        note = "" if held else "nobody has to wait"
        if len(held) > ROWS:
            note = f"{len(held) - ROWS} more have to wait"
        return Table(("user", "from", "seconds", "failures"), rows, note)

    async def unlock(self, asked: Asked) -> Table:
        """Let somebody try again at once."""
        whom = asked.args["whom"]
        if "@" in whom:
            count = self._tries.unlock_user(aor_of(whom))
        else:
            count = self._tries.unlock_place(whom)
        return Table(("whom", "failures forgotten"), [(whom, count)])
