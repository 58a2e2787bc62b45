"""The shell's `announce`."""

from collections import Counter
from collections.abc import Collection, Sequence
from typing import Final

from lyncpy.contracts.answers import form
from lyncpy.contracts.directory import IGroups, IPeople
from lyncpy.contracts.locator import Endpoint, ILocator
from lyncpy.contracts.names import Aor, bare
from lyncpy.contracts.workload import (
    Arg,
    CommandCall,
    CommandFailed,
    CommandReach,
    OperatorRole,
    ShellCommand,
    Table,
)
from lyncpy.core.choices import person_named
from lyncpy.sip.plain import clean
from lyncpy.workloads.im.announcer import Announcer, Heard, Hearing

EVERYBODY: Final = "all"
TEXT_BYTES: Final = 1_500
"""The longest text: once more by four thirds, it is in one line of the invitation."""

WITHIN_S: Final = 240.0
"""Seconds within which all devices of a server have to be told; those for which that is not enough are not begun."""

NAMED_MOST: Final = 100
"""Rows of devices that did not get it."""

COLUMNS: Final = ("user", "epid", "result", "status")


class AnnounceCommand:
    """Says something to whoever is signed in.

    Args:
        announcer: Tells devices.
        locator: Has those of this server.
        people: Who is known.
        groups: Who is in which.
        per_s: Devices that are told in a second.
    """

    def __init__(self, announcer: Announcer, locator: ILocator, people: IPeople, groups: IGroups, per_s: float) -> None:
        self._announcer = announcer
        self._locator = locator
        self._people = people
        self._groups = groups
        self._per_s = per_s
        self._is_busy = False

    def commands(self) -> tuple[ShellCommand, ...]:
        """Give the shell's word."""
        whom = Arg("whom", f"{EVERYBODY}, an address, or a group's name", choices=self._targets)
        text = Arg("text", f"what to say, in quotes; {TEXT_BYTES} bytes at most")
        return (
            ShellCommand(
                "announce",
                "Say something to whoever is signed in, as a message of the server's own: to all, a group or a person.",
                self.announce,
                args=(whom, text),
                role=OperatorRole.OPERATOR,
                reach=CommandReach.WHERE_IT_IS,
                patience_s=WITHIN_S + 30.0,
                form=form("user epid result status:number", counts="people devices got rang failed"),
            ),
        )

    async def announce(self, asked: CommandCall) -> Table:
        """Tell the devices at this server, and say at how many of them it arrived."""
        text = self._text(asked.args["text"])
        endpoints = self._chosen(asked.args["whom"])
        if self._is_busy:
            raise CommandFailed("another announcement is under way; wait until it has ended")
        self._is_busy = True
        try:
            heard = await self._announcer.tell(endpoints, text, asked.tell)
        finally:
            self._is_busy = False
        return _answer(heard)

    def _text(self, words: str) -> str:
        # What is written as \n in one line is a line's end.
        text = "\n".join(clean(line) for line in words.replace("\\n", "\n").splitlines()).strip()
        size = len(text.encode(errors="replace"))
        if not text:
            raise CommandFailed("there is nothing to say; write the text in quotes")
        if size > TEXT_BYTES:
            raise CommandFailed(f"the text has {size} bytes, and {TEXT_BYTES} fit; say less, or send a link")
        return text

    def _chosen(self, whom: str) -> Sequence[Endpoint]:
        """Give the devices of this server that are to be told.

        Raises:
            CommandFailed: There are none, too many, or nobody is called so.
        """
        wanted, who = self._wanted(whom)
        found = [one for one in self._locator.all_endpoints() if wanted is None or one.aor in wanted]
        own = {self._announcer.sender(one.aor) for one in found}
        taken = [aor for aor in own if self._people.person(aor) is not None]
        if taken:
            raise CommandFailed(f"{bare(taken[0])} is somebody's address: name another one in [im] announcer")
        if not found:
            raise CommandFailed(f"{who} is signed in here")
        needed_s = len(found) / self._per_s
        if needed_s > WITHIN_S:
            raise CommandFailed(
                f"{len(found)} devices are signed in here: at {self._per_s:g} in a second that takes {round(needed_s)} s, and"
                f" {round(WITHIN_S)} are allowed; tell groups one after the other, or raise [im] announced_per_s"
            )
        return found

    def _wanted(self, whom: str) -> tuple[Collection[Aor] | None, str]:
        """Give whom an operator means, None for all, and words for that none of them is there."""
        if whom.lower() == EVERYBODY:
            return None, "nobody"
        if "@" in whom:
            aor = person_named(self._people, whom).aor
            return {aor}, f"{bare(aor)} has no device that"
        group = self._groups.named(whom)
        if group is None:
            raise CommandFailed(f'there is no group "{whom[:80]}"; see: groups, or write {EVERYBODY}')
        everybody = len(self._people.everybody())
        return set(self._groups.members(group.key, everybody)), f"nobody of {clean(group.name)}"

    def _targets(self) -> Sequence[str]:
        return [EVERYBODY, *sorted({bare(one.aor) for one in self._locator.all_endpoints()})]


def _answer(heard: Sequence[Heard]) -> Table:
    found = Counter(one.hearing for one in heard)
    got = {one.endpoint.aor for one in heard if one.hearing is Hearing.GOT}
    people = len({one.endpoint.aor for one in heard})
    rest = [one for one in heard if one.hearing is not Hearing.GOT]
    rows = [
        (bare(one.endpoint.aor), one.endpoint.epid, one.hearing.value, one.status)
        for one in sorted(rest, key=lambda one: (one.hearing.value, one.endpoint.aor))
    ]
    counts = {one.value: found[one] for one in Hearing}
    note = f"{len(got)} of {people} people at this server got it, at {found[Hearing.GOT]} of {len(heard)} devices"
    if found[Hearing.RANG]:
        note += f"; {found[Hearing.RANG]} showed it, and nobody took it"
    more = f"; {len(rows) - NAMED_MOST} more devices are not named" if len(rows) > NAMED_MOST else ""
    failed = "" if got or not heard else "nobody got it"
    return Table(COLUMNS, rows[:NAMED_MOST], note + more, failed, {"people": people, "devices": len(heard), **counts})
