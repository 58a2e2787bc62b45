"""The operator's words about failed sign-ins: who has to wait, and to let them try again."""

from collections.abc import Callable, Sequence
from ipaddress import IPv4Network, IPv6Network, ip_network
from math import ceil
from typing import Final

from lyncpy.contracts.answers import form
from lyncpy.contracts.directory import IPeople
from lyncpy.contracts.names import Aor, aor_of, bare
from lyncpy.contracts.networks import network_of
from lyncpy.contracts.timers import ITimers
from lyncpy.contracts.workload import (
    Arg,
    CommandCall,
    CommandFailed,
    CommandReach,
    OperatorRole,
    ShellCommand,
    Table,
)
from lyncpy.core.signins import where
from lyncpy.core.tries import SignInTries, account_of
from lyncpy.sip.errors import RemoteProtocolError
from lyncpy.sip.uri import parse_address

ROWS: Final = 200

Network = IPv4Network | IPv6Network


class Lockouts:
    """`signin locks`, `signin unlock`."""

    def __init__(self, tries: SignInTries, people: IPeople, timers: ITimers) -> None:
        self._tries = tries
        self._people = people
        self._timers = timers

    def commands(self) -> tuple[ShellCommand, ...]:
        """Give the shell commands of sign-in throttling."""
        whom = Arg(
            "whom",
            "a user, as alice@example.com, a network address or a network, as 192.0.2.0/24",
            choices=self._choices,
        )
        return (
            ShellCommand(
                "signin locks",
                "Who has to wait after too many failed sign-ins, and for how long.",
                self.locks,
                reach=CommandReach.EVERYWHERE,
                form=form("user from seconds:number failures:number"),
            ),
            ShellCommand(
                "signin unlock",
                "Forget the failed sign-ins of a user, wherever they were made, or those made from an address or a network.",
                self.unlock,
                args=(whom,),
                role=OperatorRole.OPERATOR,
                reach=CommandReach.WHERE_IT_IS,
                form=form("whom failures_forgotten:number"),
            ),
            ShellCommand(
                "user unlock",
                "Forget the failed sign-ins of a user, wherever they were made: they need not wait any more.",
                self.unlock,
                args=(Arg("whom", "an address or a login", choices=self._waiting),),
                role=OperatorRole.OPERATOR,
                reach=CommandReach.WHERE_IT_IS,
                form=form("whom failures_forgotten:number"),
            ),
        )

    def _waiting(self) -> Sequence[str]:
        return [*dict.fromkeys(bare(pair.name) for pair, _, _ in self._tries.throttled(self._timers.now()))]

    def _choices(self) -> Sequence[str]:
        return [*self._waiting(), *(place for place, _, _ in self._tries.crowded(self._timers.now()))]

    async def locks(self, asked: CommandCall) -> Table:
        """Show who waits, the longest first, and then the places from which much was failed."""
        now = self._timers.now()
        held = sorted(self._tries.throttled(now), key=lambda one: -one.wait_s)
        crowded = sorted(self._tries.crowded(now), key=lambda one: -one.ends_s)
        rows = [(bare(pair.name), where(pair), ceil(wait_s), failures) for pair, wait_s, failures in held[:ROWS]]
        # Nobody waits there who has not failed yet: they have one try for free, not several.
        rows += [("", place, ceil(ends_s), failures) for place, ends_s, failures in crowded[: ROWS - len(rows)]]
        more = len(held) + len(crowded) - len(rows)
        notes = []
        if not held:
            notes.append("nobody has to wait")
        if more:
            notes.append(f"{more} more are not shown")
        if crowded:
            notes.append("a place without a user: whoever is new there has one try at a time")
        return Table(("user", "from", "seconds", "failures"), rows, "; ".join(notes))

    async def unlock(self, asked: CommandCall) -> Table:
        """Let a user or a place try again at once; any other word is refused."""
        whom = asked.args["whom"].strip()
        network, aor = _network_of(whom), self._user(whom)
        if network is not None:
            count = self._tries.unlock_places(_within(network))
        elif aor is not None:
            count = self._tries.unlock_user(aor)
        else:
            count = 0
        if not count and network is None and (aor is None or self._people.person(aor) is None):
            raise CommandFailed(
                f'"{whom[:80]}" is neither a user (alice@example.com), nor an address (192.0.2.1), nor a network '
                "(192.0.2.0/24), and nobody of that name waits; see who does: signin locks"
            )
        if not count:
            place = "from" if network else "as"
            raise CommandFailed(f'nothing was failed {place} "{whom[:80]}"; see who waits: signin locks')
        return Table(("whom", "failures_forgotten"), [(whom, count)])

    def _user(self, whom: str) -> Aor | None:
        """Give the address that an address or a login name means, known or not; None for any other text."""
        person = self._people.by_login("", whom)
        if person is not None:
            return person.aor
        if "@" not in whom:
            # As `signin locks` shows the account of somebody unknown.
            return aor_of(account_of(whom)) if whom else None
        try:
            parse_address(whom)
        except RemoteProtocolError:
            return None
        return aor_of(whom)


def _network_of(text: str) -> Network | None:
    """Read an address or a network; of an IPv6 address its /64, as it is counted."""
    try:
        return ip_network(network_of(text.partition("%")[0]), strict=False)
    except ValueError:
        return None


def _within(network: Network) -> Callable[[str], bool]:
    """Return a function that tells whether a place lies in a network, or contains it."""
    known: dict[str, bool] = {}

    def concerned(place: str) -> bool:
        if place not in known:
            found = _network_of(place)
            known[place] = found is not None and found.version == network.version and found.overlaps(network)
        return known[place]

    return concerned
