"""Contact groups that the directory makes, in a real client that knows nothing of them."""

import re
from collections.abc import Iterator

import pytest

from tests.interop.conftest import Clients
from tests.kit.purple_client import PurpleClient
from tests.kit.server import RunningServer

pytestmark = pytest.mark.interop

ALICE, BOB, CAROL, DAVE, ERIN = (f"{name}@example.test" for name in ("alice", "bob", "carol", "dave", "erin"))

GROUPS = """
[[group]]
name = "Choir"
members = [{members}]
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """Give a server that makes groups of departments and of every group of the directory."""
    settings = {"contacts__department_group": "true", "contacts__directory_groups": "*"}
    with RunningServer(tmp_path_factory.mktemp("server") / "home", **settings).init().serving() as running:
        yield running


class Office:
    """The people file of the server, and what is done to it."""

    def __init__(self, server: RunningServer) -> None:
        self._server = server
        self._file = server.home / "people.toml"
        self.first = self._file.read_text("utf-8")

    def moves(self, name: str, department: str, *, pulls: bool = True) -> None:
        """Give somebody another department."""
        text = self._file.read_text("utf-8")
        head, table, rest = text.partition(f"[{name}]")
        before, key, after = rest.partition("department = ")
        self.write(f'{head}{table}{before}{key}"{department}"\n{after.partition(chr(10))[2]}', pulls=pulls)

    def sings(self, *names: str) -> None:
        """Say who is in the choir; nobody: there is none."""
        text = self._file.read_text("utf-8").partition("\n[[group]]")[0]
        members = ", ".join(f'"{name}"' for name in names)
        self.write(text + (GROUPS.format(members=members) if names else ""))

    def write(self, text: str, *, pulls: bool = True) -> None:
        """Write the file and have it read."""
        self._file.write_text(text, "utf-8")
        if pulls:
            self._server.ssh("directory pull --force")


@pytest.fixture
def people_file(server: RunningServer) -> Iterator[Office]:
    """Give the people file; it is put back after the test."""
    found = Office(server)
    yield found
    found.write(found.first)


def shows(client: PurpleClient, *contacts: tuple[str, str]) -> None:
    """Wait until a client shows just these contacts."""
    client.until(lambda: client.contacts() == set(contacts), f"{contacts}, not {client.contacts()}")


def test_the_department_is_a_group_and_its_people_are_seen(clients: Clients) -> None:
    """Alice and Bob, of Research, have one another without having done anything; Carol is alone in hers."""
    alice, bob, carol = clients("alice", "bob", "carol")
    shows(alice, (BOB, "Research"))
    shows(bob, (ALICE, "Research"))
    shows(carol)
    alice.wait_presence(BOB, status="available", alias="Bob Brandt")


def test_lists_follow_the_directory_while_people_look(clients: Clients, people_file: Office) -> None:
    """Bob moves to Finance: he is gone from Alice's list and in Carol's; his own group has another name and other people."""
    alice, bob, carol = clients("alice", "bob", "carol")
    shows(alice, (BOB, "Research"))
    people_file.moves("bob", "Finance")
    shows(alice)
    shows(carol, (BOB, "Finance"))
    shows(bob, (CAROL, "Finance"))
    carol.wait_presence(BOB, status="available")
    people_file.moves("bob", "Research")
    shows(alice, (BOB, "Research"))
    shows(carol)


def test_a_group_of_the_directory_comes_and_goes(clients: Clients, people_file: Office) -> None:
    """Its members see it and who else is in it; when there is none any more, nobody is left in it."""
    alice, dave = clients("alice", "dave")
    people_file.sings("alice", "dave", "erin")
    shows(alice, (BOB, "Research"), (DAVE, "Choir"), (ERIN, "Choir"))
    shows(dave, (ALICE, "Choir"), (ERIN, "Choir"))
    people_file.sings("alice", "dave")
    shows(dave, (ALICE, "Choir"))
    people_file.sings()
    shows(alice, (BOB, "Research"))
    shows(dave)
    people_file.sings("dave", "erin")
    shows(dave, (ERIN, "Choir"))


def test_what_the_user_does_to_it_is_undone(clients: Clients) -> None:
    """She removes Bob, renames the group, removes the group: each time it is as before, and the client lives."""
    alice, _ = clients("alice", "bob")
    shows(alice, (BOB, "Research"))

    alice.remove_buddy(BOB, "Research")
    alice.wait_for("buddy_removed")
    shows(alice, (BOB, "Research"))
    alice.settle()

    alice.rename_group("Research", "Mine")
    alice.until(lambda: "Research" in alice.groups() and "Mine" not in alice.groups(), "the name that it has")
    alice.settle()

    alice.remove_group("Research")
    alice.wait_for("group_removed", group="Research")
    shows(alice, (BOB, "Research"))
    alice.wait_presence(BOB, status="available")
    alice.settle()

    alice.move_buddy(BOB, "Research", "Friends")
    shows(alice, (BOB, "Research"), (BOB, "Friends"))
    alice.wait_presence(BOB, status="available")
    alice.settle()
    alice.remove_buddy(BOB, "Friends")
    shows(alice, (BOB, "Research"))


def test_a_contact_of_both_halves_keeps_the_users_name(clients: Clients, people_file: Office) -> None:
    """Alice calls Bob Bobby, and he stays so when he leaves the department; what is hers stays hers."""
    (alice,) = clients("alice")
    shows(alice, (BOB, "Research"))
    alice.add_buddy(BOB, "Friends")
    shows(alice, (BOB, "Research"), (BOB, "Friends"))
    alice.settle()
    alice.alias_buddy(BOB, "Bobby")
    alice.settle()
    people_file.moves("bob", "Finance")
    shows(alice, (BOB, "Friends"))
    alice.wait_presence(BOB, alias="Bobby")
    people_file.moves("bob", "Research")
    shows(alice, (BOB, "Research"), (BOB, "Friends"))
    alice.remove_buddy(BOB, "Friends")
    shows(alice, (BOB, "Research"))


def test_what_changed_while_the_server_was_down_is_there_after(
    server: RunningServer, clients: Clients, people_file: Office
) -> None:
    """The list of a sign-in is the directory's of that moment, and its number is never one that was before."""
    (alice,) = clients("alice")
    shows(alice, (BOB, "Research"))
    before = _numbers(alice)
    alice.close()
    server.kill()
    people_file.moves("carol", "Research", pulls=False)
    server.start()
    (alice,) = clients("alice")
    shows(alice, (BOB, "Research"), (CAROL, "Research"))
    assert min(_numbers(alice)) > max(before)


def test_sixty_four_groups_are_really_there(server: RunningServer, clients: Clients) -> None:
    """With "Other Contacts"; one more is refused, and the client lives."""
    (frank,) = clients("frank")
    names = [f"Group {number}" for number in range(1, 64)]
    for name in names:
        frank.add_buddy(BOB, name)
        frank.settle()
    assert {(BOB, name) for name in names} == frank.contacts()
    frank.close()
    (frank,) = clients("frank")
    shows(frank, *((BOB, name) for name in names))
    shown = server.ssh("contacts show frank@example.test")
    assert "64 Group 63" in shown


def _numbers(client: PurpleClient) -> list[int]:
    return [int(number) for number in re.findall(r'<contact(?:List|Delta) deltaNum="(\d+)"', client.log())]
