"""The word of the address book in the admin shell."""

from lyncpy.contracts.answers import form
from lyncpy.contracts.names import bare
from lyncpy.contracts.workload import Arg, CommandCall, ShellCommand, Table
from lyncpy.workloads.directory.address_book import AddressBook
from lyncpy.workloads.directory.routes import RESULTS_MAXIMUM


class SearchCommands:
    """`directory search`."""

    def __init__(self, address_book: AddressBook) -> None:
        self._address_book = address_book

    def declared(self) -> tuple[ShellCommand, ...]:
        """Give the shell commands of the address book."""
        text = Arg(
            "text",
            'words, an address or a phone number, as a user types them; in quotes if there are several: "ann smi"',
        )
        return (
            ShellCommand(
                "directory search",
                help="The people whom users find by a text, in the order in which clients show them, and the groups.",
                run=self.search,
                args=(text,),
                form=form("what name address title department"),
            ),
        )

    async def search(self, asked: CommandCall) -> Table:
        """Search as users do."""
        book, text = self._address_book, asked.args["text"]
        people = await book.find_people(text, RESULTS_MAXIMUM)
        groups = await book.find_groups(text, RESULTS_MAXIMUM)
        rows: list[tuple[object, ...]] = [
            ("person", one.display_name, bare(one.aor), one.title, one.department) for one in people.people
        ]
        rows += [("group", one.name, bare(one.aor), "", "") for one in groups.groups]
        more = "there are more; " if people.more or groups.more else ""
        used = sum(each.bytes_used() for each in (book.people, book.groups)) / 2**20
        note = f"{more}looked for among {len(book.people)} people and {len(book.groups)} groups, in {used:.1f} MiB of words"
        return Table(("what", "name", "address", "title", "department"), rows, note=note)
