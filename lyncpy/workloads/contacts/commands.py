"""The commands about contacts in the admin shell."""

from collections.abc import Sequence

from lyncpy.contracts.answers import form
from lyncpy.contracts.directory import IPeople
from lyncpy.contracts.names import Aor, bare
from lyncpy.contracts.workload import Arg, CommandCall, ShellCommand, Table
from lyncpy.core.choices import addresses, person_named
from lyncpy.workloads.contacts.generated_groups import GeneratedGroups
from lyncpy.workloads.contacts.lists import Lists
from lyncpy.workloads.contacts.model import ContactBook, ContactList


class Commands:
    """Shows contact lists."""

    def __init__(self, lists: Lists, generated_groups: GeneratedGroups, people: IPeople) -> None:
        self._lists = lists
        self._generated_groups = generated_groups
        self._people = people

    def words(self) -> tuple[ShellCommand, ...]:
        """Give the commands."""
        user = Arg("user", "an address, as alice@example.com", choices=self._addresses)
        return (
            ShellCommand(
                "contacts show",
                "The contacts and groups that a user keeps.",
                self.show,
                args=(user,),
                form=form("contact name groups subscribed:truth by", counts="groups"),
            ),
        )

    async def show(self, asked: CommandCall) -> Table:
        """List a user's contacts."""
        aor = person_named(self._people, asked.args["user"]).aor
        book = await self._lists.read(aor)
        contacts = book.shown()
        rows = [
            (bare(c.aor), c.name, ", ".join(contacts.groups[g].name for g in c.groups), c.subscribed, _by(book, c.aor))
            for c in contacts.contacts.values()
        ]
        note = _summary(contacts)
        left_out = self._generated_groups.left_out(aor)
        if left_out:
            note += f"; left out, too large or too many ([contacts] generated_members, generated_groups): {', '.join(left_out)}"
        return Table(
            ("contact", "name", "groups", "subscribed", "by"), rows, note=note, counts={"groups": len(contacts.groups)}
        )

    def _addresses(self) -> Sequence[str]:
        return addresses(self._people)


def _by(book: ContactBook, aor: Aor) -> str:
    """Give who has put a contact into the list: the user, the directory, or both."""
    own = book.own.contacts.get(aor)
    halves = (("user", own is not None and bool(own.groups)), ("directory", bool(book.given(aor))))
    return " and ".join(name for name, has in halves if has)


def _summary(contacts: ContactList) -> str:
    groups = ", ".join(f"{group.id} {group.name}" for group in contacts.groups.values())
    return f"contacts: {len(contacts.contacts)}; groups: {groups}; delta number: {contacts.delta_num}"
