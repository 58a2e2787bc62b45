"""The life of the directory, and what it finds out for `why`."""

from collections.abc import Sequence

from zope.interface import implementer

from lyncpy.contracts.bus import IBus, IListening
from lyncpy.contracts.directory import IDirectory, ISecrets, Person
from lyncpy.contracts.facts import GroupsChanged, PersonChanged
from lyncpy.contracts.names import Aor, bare
from lyncpy.contracts.store import IStore
from lyncpy.contracts.timers import ITimers
from lyncpy.contracts.workload import IWorkload, Offer, Reason
from lyncpy.workloads.directory.commands import Commands, moment
from lyncpy.workloads.directory.group_commands import GroupCommands
from lyncpy.workloads.directory.groups import Groups
from lyncpy.workloads.directory.kept import Kept
from lyncpy.workloads.directory.model import naming
from lyncpy.workloads.directory.people import People
from lyncpy.workloads.directory.policies import Policies
from lyncpy.workloads.directory.pull import Pulls
from lyncpy.workloads.directory.secrets import Seals
from lyncpy.workloads.directory.settings import Settings


@implementer(IWorkload)
class Directory:
    """The workload: keeps the tables of people and groups like the directory, and answers operators."""

    name = "directory"

    def __init__(
        self,
        directory: IDirectory,
        store: IStore,
        bus: IBus,
        people: People,
        groups: Groups,
        policies: Policies,
        secrets: ISecrets,
        seals: Seals,
        settings: Settings,
        timers: ITimers,
    ) -> None:
        """Introduce them to one another; nothing is read before `open`. The directory is closed with this."""
        self._people = people
        self._policies = policies
        self._bus = bus
        self._listening: tuple[IListening, ...] = ()
        self._secrets = secrets
        self._settings = settings
        self.pulls = Pulls(directory, Kept(store, seals), people, groups, bus, settings, timers)
        self.offer = Offer(
            self.name,
            commands=(
                *Commands(self.pulls, people, groups, secrets, settings, timers).all(),
                *GroupCommands(people, groups, policies, timers).all(),
            ),
            reasons=(self.reasons,),
        )

    async def open(self) -> None:
        """Know everybody, and begin to pull."""
        self._listening = (
            self._bus.listen(GroupsChanged, self._policies.groups_changed),
            self._bus.listen(PersonChanged, self._policies.person_changed),
        )
        await self.pulls.open()

    async def close(self) -> None:
        """Stop pulling."""
        await self.pulls.close()
        for listening in self._listening:
            listening.stop()

    async def reasons(self, aor: Aor) -> Sequence[Reason]:
        """Say what the directory has to do with a person's fate."""
        person = self._people.person(aor)
        found = self._unknown(aor) if person is None else [*self._known(person), *await self._secret(person)]
        return [*found, *self._skipped(aor), *self._state()]

    def _unknown(self, aor: Aor) -> list[Reason]:
        near = self._people.near(aor)
        hint = f"; the nearest address is {near[0]}" if near else ""
        where = f"{self._settings.url}, last pull {moment(self.pulls.state.pulled_at) or 'never'}"
        if self._settings.is_ldap:
            bases = " and ".join(self._settings.bases) or "all that the server holds"
            filters = " or ".join(self._settings.filters) or f"the filter of the preset {self._settings.preset}"
            where += f", under {bases}, with {filters}"
        return [
            Reason(
                "directory",
                f"nobody is known as {bare(aor)} ({where}){hint}",
                good=False,
                remedy="add the person to the directory and run `directory pull`, or correct the address",
            )
        ]

    def _known(self, person: Person) -> list[Reason]:
        if person.enabled:
            return [Reason("directory", f"known from {person.source or person.key}, and enabled", good=True)]
        return [
            Reason(
                "directory",
                f"disabled in the directory ({person.source or person.key})",
                good=False,
                remedy="enable the person there and run `directory pull`",
            )
        ]

    async def _secret(self, person: Person) -> list[Reason]:
        if await self._secrets.nt_hash(person.aor) is not None:
            return []
        return [
            Reason(
                "sign-in",
                "no password is set: NTLM cannot work",
                good=False,
                remedy=f"run `lyncpy user passwd {bare(person.aor)}`, or map nt_hash in [directory] attributes",
            )
        ]

    def _skipped(self, aor: Aor) -> list[Reason]:
        return [
            Reason(
                "directory",
                f"an entry was skipped: {one.source}: {one.reason}",
                good=False,
                remedy="correct the entry and run `directory pull`",
            )
            for one in naming(self.pulls.state.skipped, aor)
        ]

    def _state(self) -> list[Reason]:
        found = []
        if self.pulls.failure:
            found.append(
                Reason(
                    "directory",
                    f"it cannot be read since {moment(self.pulls.failing_since)}; what is known is as old as the last pull",
                    good=False,
                    remedy=self.pulls.failure,
                )
            )
        if self.pulls.refused:
            found.append(
                Reason(
                    "directory",
                    f"the last pull was refused: {self.pulls.refused}",
                    good=False,
                    remedy="correct the directory, or run `directory pull --force` if it is right",
                )
            )
        return found
