"""The words of the web services in the admin shell: who has which certificates."""

from collections.abc import Sequence

from lyncpy.contracts.answers import form
from lyncpy.contracts.bus import IBus
from lyncpy.contracts.directory import IPeople
from lyncpy.contracts.facts import CertificatesRevoked
from lyncpy.contracts.names import Aor, bare
from lyncpy.contracts.owners import IOwners, OwnerId
from lyncpy.contracts.timers import ITimers
from lyncpy.contracts.workload import Arg, CommandCall, CommandFailed, OperatorRole, Reason, ShellCommand, Table
from lyncpy.core.choices import addresses, person_named
from lyncpy.core.timestamps import moment
from lyncpy.workloads.webservices.issued_table import IssuedTable
from lyncpy.workloads.webservices.model.issued import GOOD, Issued, revoked, standing, without
from lyncpy.workloads.webservices.tickets import PasswordMarks


class Commands:
    """`user certificates`, `user revoke`."""

    def __init__(
        self,
        people: IPeople,
        owners: IOwners,
        issued: IssuedTable,
        marks: PasswordMarks,
        bus: IBus,
        timers: ITimers,
    ) -> None:
        self._people = people
        self._bus = bus
        self._owners = owners
        self._issued = issued
        self._marks = marks
        self._timers = timers

    def declared(self) -> tuple[ShellCommand, ...]:
        """Give the shell commands."""
        user = Arg("user", "an address", choices=lambda: addresses(self._people))
        serial = Arg("serial", "a certificate's, as `user certificates` shows it; all when left out", required=False)
        return (
            ShellCommand(
                "user certificates",
                "The certificates with which a user's devices sign in without a password.",
                self.show,
                args=(user,),
                form=form("serial device issued:time until:time state"),
            ),
            ShellCommand(
                "user revoke",
                "Revoke a user's certificates, or one of them, and all web tickets: devices that are signed in with one have to sign in anew, and ask for the password again.",
                self.revoke,
                args=(user, serial),
                role=OperatorRole.OPERATOR,
                form=form("revoked device"),
            ),
        )

    async def show(self, asked: CommandCall) -> Table:
        """List a user's certificates, the oldest first."""
        aor, owner = self._named(asked)
        issued, mark = await self._issued.read(owner), await self._mark(aor)
        now = self._timers.wall()
        rows = [
            (one.serial, one.device, moment(one.issued), moment(one.until), standing(one, mark, now))
            for one in issued.certificates
        ]
        return Table(("serial", "device", "issued", "until", "state"), rows)

    async def revoke(self, asked: CommandCall) -> Table:
        """Revoke one certificate, or all, and what tickets there are."""
        aor, owner = self._named(asked)
        serial = asked.args.get("serial", "").strip().lower()
        before: list[Issued] = []

        def decide(issued: Issued) -> Issued:
            before.append(issued)
            return without(issued, serial) if serial else revoked(issued)

        await self._issued.change(owner, decide)
        gone = [one for one in before[-1].certificates if serial in ("", one.serial)]
        if serial and not gone:
            raise CommandFailed(f'{bare(aor)} has no certificate "{serial[:40]}"; see `user certificates {bare(aor)}`')
        if gone:
            self._bus.tell(CertificatesRevoked(aor, frozenset(one.digest for one in gone)))
        return Table(("revoked", "device"), [(one.serial, one.device) for one in gone])

    async def reasons(self, aor: Aor) -> Sequence[Reason]:
        """Say for `why` which certificates somebody has."""
        issued, mark = await self._issued.read(self._owners.owner(aor)), await self._mark(aor)
        now = self._timers.wall()
        states = [standing(one, mark, now) for one in issued.certificates]
        return [
            Reason(
                "certificates",
                f"{states.count(state)} of their devices' certificates: {state}",
                good=state == GOOD,
                remedy="" if state == GOOD else "none: the client gets another one with the password",
            )
            for state in dict.fromkeys(states)
        ]

    def _named(self, asked: CommandCall) -> tuple[Aor, OwnerId]:
        aor = person_named(self._people, asked.args["user"]).aor
        return aor, self._owners.owner(aor)

    async def _mark(self, aor: Aor) -> str:
        return (await self._marks.mark(aor)).hex()
