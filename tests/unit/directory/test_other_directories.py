"""What becomes of people when a directory gets another name or address, comes or goes, while others stay as they are."""

from collections.abc import Mapping
from dataclasses import replace

import pytest
from twisted.internet.task import Clock

from lyncpy.backends.directories import Directories, JoinedDirectory
from lyncpy.contracts.directory import Group, IDirectory, Person
from lyncpy.contracts.names import Aor
from lyncpy.contracts.owners import OwnerId
from lyncpy.contracts.refusal import DirectoryUnavailable
from lyncpy.core.known_networks import KnownNetworks
from lyncpy.core.timers import Timers
from lyncpy.workloads.directory.groups import Groups
from lyncpy.workloads.directory.people import People
from lyncpy.workloads.directory.pull import PeopleSource, Pulls
from lyncpy.workloads.directory.records import DIRECTORY, STATE, DirectoryRecords
from lyncpy.workloads.directory.settings import DirectorySource, Settings, places_of
from tests.kit.directory import Facts, FakeDirectory, Inline, PlainSeals, person
from tests.kit.leases import only_node
from tests.kit.memory import MemoryStore
from tests.kit.results import answer_of, result_of

ALICE, BOB, CAROL = person("alice"), person("bob"), person("carol")
MANY = [person(f"u{number:02}") for number in range(20)]
FEW = [person(f"b{number}") for number in range(4)]


Of = Mapping[str, tuple[str, FakeDirectory]]


class Server:
    """A start with some directories, by name; with a store, it is another start of the same server."""

    def __init__(self, several: Of, store: MemoryStore | None = None) -> None:
        self.timers = Timers(Clock(), lambda: 1.7e9)
        self.store = store or MemoryStore(self.timers.wall)
        self.people, self.facts = People(), Facts()
        self.groups = Groups(self.people)
        joined: IDirectory = Directories(
            [JoinedDirectory(name, url, one, keyed_members=True) for name, (url, one) in several.items()], Inline()
        )
        if list(several) == [""]:
            joined = several[""][1]
        places = places_of([DirectorySource(name=name, url=url) for name, (url, _) in several.items()])
        kept = DirectoryRecords(self.store, PlainSeals())
        self.pulls = Pulls(
            PeopleSource(joined, places),
            kept,
            self.people,
            self.groups,
            self.facts,
            Settings(),
            self.timers,
            only_node(),
        )

    def opens(self) -> "Server":
        """Start."""
        result_of(self.pulls.open())
        return self

    def again(self, several: Of) -> "Server":
        """Give another start."""
        return Server(several, self.store)

    def keys(self) -> set[str]:
        """Give the key of everybody."""
        return {one.key for one in self.people.everybody()}

    def owners(self) -> dict[Aor, OwnerId]:
        """Give whose everything is, by address."""
        return {one.aor: self.people.owners.owner(one.aor) for one in self.people.everybody()}


def anew(*people: Person) -> FakeDirectory:
    """Give a directory that was built anew, with other keys for the same people."""
    return FakeDirectory(*(replace(one, key=f"new-{one.key}") for one in people))


def test_another_address_of_one_leaves_the_others_their_limits() -> None:
    """Who moves their branch to another server does not see the main directory's people removed for what is wrong there."""
    main, branch = FakeDirectory(*MANY), FakeDirectory(*FEW)
    main.groups, branch.groups = [Group(f"g{number}", f"G {number}") for number in range(8)], [Group("h", "H")]
    server = Server({"": ("main", main), "branch": ("old", branch)}).opens()
    owners = server.owners()
    main.people, main.groups = MANY[:3], []
    moved = anew(*FEW[:1])
    again = server.again({"": ("main", main), "branch": ("new", moved)}).opens()
    assert again.keys() == {*(one.key for one in MANY), "branch/new-key-b0"}
    assert {one.key for one in again.pulls.withheld} == {one.key for one in MANY[3:]}
    assert again.pulls.refused.startswith("the directory without a name: it would remove 17 of 20 people")
    assert (len(again.pulls.withheld_groups), again.groups.group("branch/h")) == (8, None)
    assert again.owners() == {aor: owners[aor] for aor in again.owners()}


def test_who_is_under_another_key_in_a_directory_that_stays_is_somebody_else() -> None:
    """Only in the one that is another, an address says who somebody is."""
    main, branch = FakeDirectory(*MANY), FakeDirectory(*FEW)
    server = Server({"": ("main", main), "branch": ("old", branch)}).opens()
    owners = server.owners()
    main.people = [replace(MANY[0], key="new"), *MANY[1:]]
    again = server.again({"": ("main", main), "branch": ("new", anew(*FEW))}).opens()
    assert [aor for aor, owner in again.owners().items() if owner != owners[aor]] == [MANY[0].aor]


def test_the_first_pull_of_another_directory_needs_none_of_those_that_stay() -> None:
    """Whose people stay as they are until they can be read; the one that is new has to be read."""
    main, branch = FakeDirectory(*MANY), FakeDirectory(*FEW)
    server = Server({"": ("main", main), "branch": ("old", branch)}).opens()
    main.down = branch.down = "away"
    with pytest.raises(DirectoryUnavailable, match="needs all of them: branch: away"):
        server.again({"": ("main", FakeDirectory(*MANY)), "branch": ("new", branch)}).opens()
    again = server.again({"": ("main", main), "branch": ("new", anew(*FEW))}).opens()
    assert again.keys() == {*(one.key for one in MANY), *(f"branch/new-{one.key}" for one in FEW)}
    assert again.pulls.unread == ("main: away",)


def test_another_address_at_which_nobody_is_fails_the_start_for_that_directory() -> None:
    """More likely its bases are wrong; the sentence names it."""
    main, branch = FakeDirectory(*MANY), FakeDirectory(*FEW)
    server = Server({"": ("main", main), "branch": ("old", branch)}).opens()
    with pytest.raises(DirectoryUnavailable, match="branch: it has nobody who could be used: correct bases"):
        server.again({"": ("main", main), "branch": ("new", FakeDirectory())}).opens()
    assert server.again({"": ("main", main), "branch": ("old", branch)}).opens().keys() == server.keys()


def test_people_of_one_that_is_gone_are_removed_and_nobody_elses() -> None:
    """However many they are, and whatever else has vanished."""
    main, branch = FakeDirectory(*MANY), FakeDirectory(*FEW)
    server = Server({"": ("main", main), "branch": ("old", branch)}).opens()
    main.people = []
    again = server.again({"": ("main", main), "other": ("third", FakeDirectory(ALICE))}).opens()
    assert again.keys() == {*(one.key for one in MANY), "other/key-alice"}


@pytest.mark.parametrize(("was", "name"), [("branch", "north"), ("", "main"), ("branch", "")])
def test_under_another_name_a_directory_has_the_same_people(was: str, name: str) -> None:
    """Those too who wait to come back, and their groups; also before it can be read."""
    other = {"other": ("second", FakeDirectory(*FEW))}
    one = FakeDirectory(ALICE, BOB, CAROL)
    one.groups = [
        Group("g", "G", members=frozenset({"key-alice", "uid:bob"})),
        Group("h", "H", members=frozenset({"g"})),
    ]
    server = Server({was: ("first", one)} | other).opens()
    owners = server.owners()
    known = KnownNetworks(server.store, server.timers, lambda place: None)
    for one_of_them in server.people.everybody():
        known.learn(one_of_them.key, "192.0.2.1", "epid")
    result_of(known.close())
    one.people = [ALICE, BOB]
    result_of(server.pulls.pull())
    one.down = "away"
    again = server.again({name: ("first", one)} | other).opens()
    before = f"{name}/" if name else ""
    assert {f"{before}key-alice", f"{before}key-bob"} < again.keys()
    assert [again.groups.members(f"{before}{key}", 9) for key in "gh"] == [[ALICE.aor]] * 2
    places = KnownNetworks(again.store, again.timers, lambda place: None)
    result_of(places.open())
    assert all(places.knows(key, "192.0.2.1", "epid") for key in (f"{before}key-alice", f"{before}key-carol"))
    assert not places.knows(f"{was}/key-alice" if was else "key-alice", "192.0.2.1")
    one.down, one.people = "", [ALICE, BOB, CAROL]
    result_of(again.pulls.pull())
    assert again.owners() == owners
    assert again.pulls.withheld_groups == () and len(again.groups) == 2


def test_the_directories_of_an_older_server_are_the_same() -> None:
    """It kept them in one text."""
    main, branch = FakeDirectory(*MANY), FakeDirectory(*FEW)
    server = Server({"": ("main", main), "branch": ("old", branch)}).opens()
    record = answer_of(server.store.read(DIRECTORY, STATE))
    assert record is not None
    value = record.value.replace(b'"urls":{"":"main","branch":"old"}', b'"url":"main, branch=old"')
    assert value != record.value
    answer_of(server.store.write(DIRECTORY, STATE, value, record.version))
    again = server.again({"": ("main", main), "branch": ("old", branch)}).opens()
    assert again.pulls.state.urls == {"": "main", "branch": "old"}
    assert main.cookies[-1] == "cookie-1"
