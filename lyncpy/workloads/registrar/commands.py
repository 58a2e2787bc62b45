"""The registrar's words in the admin shell."""

from collections.abc import Iterator, Sequence
from heapq import nsmallest
from typing import Final

from lyncpy.contracts.answers import form
from lyncpy.contracts.directory import IPeople
from lyncpy.contracts.flows import IFlows
from lyncpy.contracts.locator import Endpoint
from lyncpy.contracts.names import Aor, aor_of, bare, epid_of
from lyncpy.contracts.policy import Policy
from lyncpy.contracts.timers import ITimers
from lyncpy.contracts.workload import (
    Arg,
    CommandCall,
    CommandFailed,
    CommandReach,
    Flag,
    OperatorRole,
    Reason,
    ShellCommand,
    Table,
)
from lyncpy.core.choices import person_named
from lyncpy.core.flags import count_flag
from lyncpy.sip.text import shown
from lyncpy.workloads.registrar.client_filter import ClientFilter
from lyncpy.workloads.registrar.registrations import Registrations
from lyncpy.workloads.registrar.signout import SignOut, SignOutCauses

LISTED_MOST: Final = 10_000
"""Devices that are chosen from all, and put in order, for one answer."""


class Commands:
    """Shows who is signed in, and signs users out."""

    def __init__(
        self,
        registrations: Registrations,
        signout: SignOut,
        people: IPeople,
        flows: IFlows,
        timers: ITimers,
        clients: ClientFilter,
    ) -> None:
        self._clients = clients
        self._registrations = registrations
        self._bindings = registrations.own
        self._signout = signout
        self._people = people
        self._flows = flows
        self._timers = timers

    def words(self) -> tuple[ShellCommand, ...]:
        """Give the shell commands of the registrar."""
        user = Arg(
            "user", "an address, as alice@example.com; all when left out", required=False, choices=self._signed_in
        )
        target = Arg("target", "a user's address, or an endpoint as ADDRESS/EPID", choices=self._targets)
        return (
            ShellCommand(
                "endpoints",
                "The devices that are signed in.",
                self.endpoints,
                args=(user,),
                flags=(
                    Flag(
                        "find",
                        "only those with this in the address, the client's name or the network address",
                        takes="TEXT",
                    ),
                    Flag("limit", f"at most so many, in the order of the addresses; {LISTED_MOST} at most", takes="N"),
                ),
                reach=CommandReach.EVERYWHERE,
                form=form("user epid address client since_s:number expires_s:number flow instance"),
            ),
            ShellCommand(
                "signout",
                "Sign a user or one of their devices out.",
                self.sign_out,
                args=(target,),
                role=OperatorRole.OPERATOR,
                form=form("user epid address"),
            ),
        )

    async def endpoints(self, asked: CommandCall) -> Table:
        """List endpoints: of one user, or all."""
        user = asked.args.get("user", "")
        found = await self._of(user) if user else self._bindings.all_endpoints()
        if user and not asked.alone:
            # Others are asked too, and each says what is its own.
            own = {one.flow for one in self._bindings.all_endpoints()}
            found = [one for one in found if one.flow in own]
        found, total = self._chosen(found, asked)
        now = self._timers.now()
        rows = [
            (
                bare(e.aor),
                e.epid,
                e.address,
                e.user_agent,
                round(now - e.since),
                round(e.expires - now),
                e.flow,
                e.instance,
            )
            for e in found
        ]
        note = f"{total} signed in" if user and asked.alone else f"{total} signed in at this server"
        return Table(
            ("user", "epid", "address", "client", "since_s", "expires_s", "flow", "instance"),
            rows,
            note=note if len(rows) == total else f"{note}; {len(rows)} of {total} are shown (--limit)",
            counts={"rows": total},
        )

    def _chosen(self, found: Sequence[Endpoint], asked: CommandCall) -> tuple[Sequence[Endpoint], int]:
        """Give those that an operator wants to see, and how many there are of them."""
        text = asked.flags.get("find", "").lower()
        if text:
            found = [one for one in found if text in _searched(one).lower()]
        if "limit" not in asked.flags:
            return found, len(found)
        most = count_flag(asked.flags, "limit", LISTED_MOST)
        return nsmallest(most, found, key=lambda one: (bare(one.aor), one.epid)), len(found)

    async def sign_out(self, asked: CommandCall) -> Table:
        """Sign out every endpoint that the target names."""
        target = asked.args["target"]
        address, _, epid = target.partition("/")
        gone = [e for e in await self._of(address) if not epid or e.epid == epid_of(epid)]
        if not gone:
            raise CommandFailed(f'"{target}" is not signed in')
        for endpoint in gone:
            self._signout.now(endpoint, SignOutCauses.OPERATOR)
        return Table(
            ("user", "epid", "address"),
            [(bare(e.aor), e.epid, e.address) for e in gone],
            note=f"{len(gone)} signed out",
        )

    async def _of(self, user: str) -> Sequence[Endpoint]:
        """Give the endpoints of somebody known; who is signed in still, and is not known any more, has theirs too."""
        found: Sequence[Endpoint] = await self._registrations.endpoints(aor_of(user))
        return found or await self._registrations.endpoints(person_named(self._people, user).aor)

    async def why(self, aor: Aor) -> Sequence[Reason]:
        """Say where a user is signed in, and with which client they were refused."""
        mine = await self._registrations.endpoints(aor)
        if not mine:
            return (
                Reason(
                    "sign-in",
                    "no device is signed in now",
                    good=False,
                    remedy="let the user sign in; failed attempts are listed here too",
                ),
                *self._refused(aor),
            )
        found = [Reason("sign-in", f"signed in {self._from(e)}", good=True) for e in mine]
        now = self._timers.now()
        for e in mine:
            if self._registrations.contest(aor, e.epid).is_on(now):
                found.append(
                    Reason(
                        "sign-in",
                        f"another client that calls its device {e.epid} too is refused as long as that one is there",
                        good=False,
                        remedy=f"use one client for each machine and account, or: signout {bare(aor)}/{e.epid}",
                    )
                )
        if self._bindings.evictions(aor).is_on(now):
            found.append(
                Reason(
                    "sign-in",
                    "a further device is refused as long as all of these are there",
                    good=False,
                    remedy="sign one of them out, or allow more: [registrar] endpoints_per_user",
                )
            )
        return (*found, *self._refused(aor))

    def _refused(self, aor: Aor) -> Iterator[Reason]:
        refused = self._clients.refused(aor)
        if refused is not None:
            section = "policies" if refused.policy == Policy().name else f"policies.{refused.policy}"
            yield Reason(
                "sign-in",
                f'the client "{shown(refused.agent) or "without a name"}" was refused by the rule "{refused.rule.text}"',
                good=False,
                remedy=f"use another client, or change [{section}] clients",
            )

    def _from(self, endpoint: Endpoint) -> str:
        minutes = round((self._timers.now() - endpoint.since) / 60)
        return f"from {endpoint.address} as {endpoint.epid} for {minutes} min with {endpoint.user_agent or 'an unnamed client'}"

    def _signed_in(self) -> Sequence[str]:
        return sorted({bare(e.aor) for e in self._bindings.all_endpoints()})

    def _targets(self) -> Sequence[str]:
        return [*self._signed_in(), *(f"{bare(e.aor)}/{e.epid}" for e in self._bindings.all_endpoints())]


def _searched(endpoint: Endpoint) -> str:
    """Give what an operator may know of a device: words to look through, not names to compare."""
    return f"{bare(endpoint.aor)}\n{endpoint.user_agent}\n{endpoint.address}"
