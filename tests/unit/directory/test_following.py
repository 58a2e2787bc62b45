"""What one node has pulled and kept, another reads in the store and shows."""

import json
from collections.abc import Sequence
from dataclasses import replace

import pytest
from twisted.internet.task import Clock

from lyncpy.contracts.directory import Group, Person
from lyncpy.contracts.facts import AddressesChanged, GroupsChanged, NodeLost, PersonChanged, SecretChanged
from lyncpy.contracts.names import Aor, NodeName
from lyncpy.contracts.nodes import Duty
from lyncpy.contracts.owners import OwnerId
from lyncpy.contracts.refusal import DirectoryUnavailable
from lyncpy.core.node_lease import OnlyNode
from lyncpy.core.timers import Timers
from lyncpy.core.versioned import NONE_YET
from lyncpy.workloads.directory.following import FollowedRecords
from lyncpy.workloads.directory.groups import Groups
from lyncpy.workloads.directory.people import People
from lyncpy.workloads.directory.pull import PeopleSource, Pulls
from lyncpy.workloads.directory.records import DIRECTORY, GROUP, MOVES, PERSON, DirectoryRecords
from lyncpy.workloads.directory.settings import Settings, places_of
from tests.kit.directory import Facts, FakeDirectory, PlainSeals, person
from tests.kit.leases import MemoryLeases, NodesOfStore, only_node
from tests.kit.memory import MemoryStore
from tests.kit.results import answer_of, result_of

ALICE, BOB = Aor("sip:alice@example.com"), Aor("sip:bob@example.com")


class Idle(OnlyNode):
    """A node without duties, until a test gives it some."""

    is_mine = False

    def has_duty(self, duty: Duty) -> bool:
        """Tell whose it is."""
        return self.is_mine


class Node:
    """The directory at one node."""

    def __init__(self, store: MemoryStore, directory: FakeDirectory, nodes: OnlyNode) -> None:
        self.clock = Clock()
        self.people, self.facts = People(), Facts()
        self.groups = Groups(self.people)
        self.kept = DirectoryRecords(store, PlainSeals())
        settings = Settings(removal_share=1.0)
        self.pulls = Pulls(
            PeopleSource(directory, places_of([settings])),
            self.kept,
            self.people,
            self.groups,
            self.facts,
            settings,
            Timers(self.clock, lambda: 1_000.0),
            nodes,
        )
        result_of(self.pulls.open())


class Pair:
    """One node that pulls, and one that follows."""

    def __init__(self, *people: Person) -> None:
        self.store = MemoryStore(lambda: 1_000.0)
        self.directory = FakeDirectory(*people)
        self.first = Node(self.store, self.directory, only_node())
        self.idle = Idle(NodeName("n2"), MemoryLeases(NodesOfStore(float)), "there")
        self.second = Node(self.store, self.directory, self.idle)

    def pulls(self, *people: Person) -> None:
        """Have the first pull these people, and the second follow."""
        self.directory.people = list(people)
        result_of(self.first.pulls.pull(force=True))
        self.follows()

    def follows(self) -> None:
        """Have the second read whatever it has not."""
        self.second.facts.clear()
        for kind in (PERSON, GROUP):
            followed = FollowedRecords(kind, self.second.kept, self.second.pulls)
            there = {record.key: record.version for record in answer_of(self.store.scan(kind))}
            for key in [*there, *(key for key in followed.held() if key not in there)]:
                if followed.version_of(key) != there.get(key, 0):
                    result_of(followed.renew(key))

    @property
    def told(self) -> Sequence[object]:
        """Give what the second has told."""
        return self.second.facts.told


def test_who_has_no_duty_asks_no_directory() -> None:
    """Neither at its start, nor when the directory says that there is news."""
    pair = Pair(person("alice"))
    asked = len(pair.directory.cookies)
    assert asked == 1
    assert [one.aor for one in pair.second.people.everybody()] == [ALICE]
    result = result_of(pair.second.pulls.pull_if_mine(counting=False))
    assert (len(pair.directory.cookies), result.complete, result.changes.is_empty) == (asked, False, True)
    result_of(pair.first.pulls.pull_if_mine(counting=False))
    assert len(pair.directory.cookies) == asked + 1


def test_what_the_directory_told_nobody_is_pulled_by_who_has_the_duty_then() -> None:
    """Once: whoever has it already, or has it not, has nothing to make up for."""
    pair = Pair(person("alice"))
    second, lost = pair.second, NodeLost(NodeName("n1"))
    pair.directory.people = [person("alice"), person("bob")]
    result_of(second.pulls.pull_if_mine(counting=False))
    second.pulls.node_lost(lost)
    assert second.people.person(BOB) is None
    pair.idle.is_mine = True
    asked = len(pair.directory.cookies)
    second.pulls.node_lost(lost)
    assert second.people.person(BOB) is not None
    second.pulls.node_lost(lost)
    assert len(pair.directory.cookies) == asked + 1


def test_a_pull_by_hand_that_failed_is_no_failure_for_good() -> None:
    """Where another node pulls: that the directory cannot be read is said until the next time that one would be due."""
    pair = Pair(person("alice"))
    second = pair.second
    pair.directory.down = "it is away"
    with pytest.raises(DirectoryUnavailable):
        result_of(second.pulls.pull())
    assert second.pulls.failure == "it is away"
    second.clock.advance(Settings().interval_s)
    assert second.pulls.failure == ""


def test_new_people_and_changes_are_shown_and_told_here() -> None:
    """Each once; what is the same is told by nobody, and no fact leaves the process."""
    pair = Pair(person("alice"))
    pair.pulls(person("alice", title="Director"), person("bob"))
    assert sorted(fact.aor for fact in pair.told if isinstance(fact, PersonChanged)) == [ALICE, BOB]
    shown = pair.second.people.person(ALICE)
    assert shown is not None and shown.title == "Director"
    pair.follows()
    assert pair.told == []
    result_of(pair.second.pulls.follow(OwnerId(pair.second.people.owners.owner(BOB))))
    assert pair.told == []


def test_a_password_that_was_taken_back_ends_sign_ins_here_too() -> None:
    """The gate hears of it as where the directory was pulled."""
    pair = Pair(person("alice", nt_hash=b"1" * 16))
    pair.pulls(person("alice", nt_hash=b"2" * 16))
    assert SecretChanged(ALICE) in pair.told


def test_who_leaves_is_held_back_and_comes_back() -> None:
    """As at the node that has pulled it."""
    pair = Pair(person("alice"), person("bob"))
    owner = pair.second.people.owners.owner(BOB)
    pair.pulls(person("alice"))
    assert pair.second.people.person(BOB) is None
    assert pair.told == [PersonChanged.gone(BOB), AddressesChanged(frozenset({BOB}))]
    pair.pulls(person("alice"), person("bob"))
    assert pair.second.people.owners.owner(BOB) == owner
    assert AddressesChanged(frozenset({BOB})) in pair.told


def test_who_is_deleted_is_gone() -> None:
    """Whether they were held back or not; and what they had is nobody's."""
    pair = Pair(person("alice"), person("bob"))
    owner = OwnerId(pair.second.people.owners.owner(BOB))
    pair.pulls(person("alice"))
    result_of(pair.first.pulls.delete(owner))
    pair.follows()
    assert pair.told == [AddressesChanged(frozenset({BOB}))]
    assert pair.second.people.owners.by_id(owner) is None
    alice = OwnerId(pair.second.people.owners.owner(ALICE))
    result_of(pair.first.kept.delete(alice))
    pair.follows()
    assert pair.told == [PersonChanged.gone(ALICE), AddressesChanged(frozenset({ALICE}))]
    assert pair.second.people.person(ALICE) is None


def test_another_address_is_followed() -> None:
    """First that one is lost is told, then that another is had."""
    pair = Pair(person("alice"))
    pair.pulls(replace(person("alice"), aor=BOB))
    told = [fact for fact in pair.told if isinstance(fact, PersonChanged)]
    assert [(fact.aor, fact.is_known, fact.moved) for fact in told] == [(ALICE, False, BOB), (BOB, True, None)]
    assert pair.second.people.person(ALICE) is None


def test_groups_are_followed() -> None:
    """Those that are new, have changed, or are gone; the same one is told by nobody."""
    pair = Pair(person("alice"))
    for groups in ([Group("team", "Team")], [Group("team", "The Team")], []):
        pair.directory.groups = list(groups)
        pair.pulls(person("alice"))
        assert list(pair.second.groups.all_groups()) == list(pair.first.groups.all_groups()) == groups
        assert pair.told == [GroupsChanged(frozenset({"team"}))]
    result_of(pair.second.pulls.follow_group("team"))
    assert len(pair.told) == 1


def test_an_exchange_of_addresses_outlives_the_node_that_began_it() -> None:
    """It was lost when one of the two was written: who has the duty next writes the other, before it pulls."""
    pair = Pair(person("alice"), person("bob"))
    owners = pair.first.people.owners
    alice, bob = owners.owner(ALICE), owners.owner(BOB)
    note = {"at": 2_000.0, "moves": {alice: BOB, bob: ALICE}}
    answer_of(pair.store.write(DIRECTORY, MOVES, json.dumps(note).encode(), NONE_YET))
    pair.directory.down = "it is away"
    pair.idle.is_mine = True
    pair.second.pulls.node_lost(NodeLost(NodeName("n1")))
    shown = pair.second.people.owners
    assert (shown.owner(ALICE), shown.owner(BOB)) == (bob, alice)
    assert answer_of(pair.store.read(DIRECTORY, MOVES)) is None
    pair.follows()
    later = Node(pair.store, pair.directory, pair.idle)
    assert (later.people.owners.owner(ALICE), later.people.owners.owner(BOB)) == (bob, alice)


def test_where_pulls_stand_is_read_when_the_duty_comes() -> None:
    """Another node has pulled meanwhile: its cookie is the one to go on with."""
    pair = Pair(person("alice"))
    pair.pulls(person("alice"), person("bob"))
    before, stands = pair.second.pulls.state.cookie, pair.first.pulls.state.cookie
    result_of(pair.second.pulls.pull())
    assert pair.directory.cookies[-1] == stands != before
