"""Numbers of people beside what the directory says: lines that operators give, and what the dial plan makes of phones."""

from collections.abc import Awaitable, Callable
from dataclasses import replace

from zope.interface import implementer

from lyncpy.contracts.answers import FACTS, form
from lyncpy.contracts.directory import IDirectory, Person, Pull
from lyncpy.contracts.names import bare
from lyncpy.contracts.workload import Arg, CommandCall, CommandFailed, Flag, OperatorRole, ShellCommand, Table
from lyncpy.core.choices import addresses, person_named
from lyncpy.sip.errors import RemoteProtocolError
from lyncpy.sip.telephone import parse_line
from lyncpy.workloads.directory.change_applier import PersonMissing
from lyncpy.workloads.directory.owners import Owners, dialled, lined
from lyncpy.workloads.directory.people import People
from lyncpy.workloads.directory.pull import Pulls

AS_LISTED = "as-listed"


Listed = Callable[[str], str]
"""Gives the tel URI that the dial plan makes of a number which a directory lists, "" where it makes none."""


@implementer(IDirectory)
class NumberedDirectory:
    """A directory whose people have the lines that operators have given them, and phones that can be dialled.

    Args:
        directory: Gives people as they are stored.
        owners: Say who was given which line.
        listed: Reads the numbers of phones.
    """

    def __init__(self, directory: IDirectory, owners: Owners, listed: Listed) -> None:
        self._directory = directory
        self._owners = owners
        self._listed = listed

    async def pull(self, cookie: str, *, counting: bool | None = None) -> Pull:
        """Read it; see the promise."""
        answer: Pull = await self._directory.pull(cookie, counting=counting)
        return replace(answer, people=tuple(map(self._numbered, answer.people)))

    def _numbered(self, person: Person) -> Person:
        return dialled(lined(person, self._owners.keyed(person.key)), self._listed)

    def close(self) -> Awaitable[None]:
        """Close it; see the promise."""
        closed: Awaitable[None] = self._directory.close()
        return closed


class LineCommands:
    """`user line`: gives a person a line, takes it away, or goes back to what the directory says."""

    def __init__(self, pulls: Pulls, people: People) -> None:
        self._pulls = pulls
        self._people = people

    def declared(self) -> tuple[ShellCommand, ...]:
        """Give the commands."""
        return (
            ShellCommand(
                "user line",
                "Give a person a telephone number, in place of the directory's.",
                self.line,
                args=(
                    Arg("user", "an address or a login", choices=lambda: addresses(self._people)),
                    Arg(
                        "number",
                        'as +14255550100 or "tel:+14255550100;ext=100"; none: they have no line',
                        required=False,
                    ),
                ),
                flags=(Flag(AS_LISTED, "what the directory says counts again"),),
                role=OperatorRole.OPERATOR,
                form=form(facts="address line? listed_line? given:truth"),
            ),
        )

    async def line(self, asked: CommandCall) -> Table:
        """Give a line; without one, show it."""
        person = person_named(self._people, asked.args["user"])
        text = asked.args.get("number", "")
        if text or AS_LISTED in asked.flags:
            if text and AS_LISTED in asked.flags:
                raise CommandFailed(f"give a number or --{AS_LISTED}, not both")
            given = self._read(person, text) if text else None
            aor = person.aor
            try:
                await self._pulls.alone(lambda: self._pulls.applier.give_line(aor, given))
            except PersonMissing as error:
                raise CommandFailed(str(error)) from error
            person = self._people.person(person.aor) or person
        owner = self._people.owners.by_id(self._people.owners.owner(person.aor))
        is_given = owner is not None and owner.line is not None
        return Table(
            FACTS,
            [
                ("address", bare(person.aor)),
                ("line", person.line or None),
                ("listed line", (person.listed_line if is_given else person.line) or None),
                ("given", is_given),
            ],
        )

    def _read(self, person: Person, text: str) -> str:
        """Read a number that nobody else has."""
        if text.lower() == "none":
            return ""
        try:
            uri = parse_line(text).uri
        except RemoteProtocolError as error:
            raise CommandFailed(error.reason) from None
        for other in self._people.by_number(uri):
            if other.aor != person.aor:
                raise CommandFailed(
                    f"{uri[4:]} is the number of {bare(other.aor)} already; take it from them first: "
                    f"`user line {bare(other.aor)} none`"
                )
        return uri
