"""What becomes of people who stand in several directories, and of those whose directory cannot be read."""

from dataclasses import replace
from typing import Any

import pytest
from twisted.internet.task import Clock

from lyncpy.backends.directories import Directories, JoinedDirectory
from lyncpy.contracts.directory import Group, Pull, Skipped
from lyncpy.contracts.refusal import DirectoryUnavailable
from lyncpy.core.timers import Timers
from lyncpy.workloads.directory.groups import Groups
from lyncpy.workloads.directory.people import People
from lyncpy.workloads.directory.pull import PeopleSource, Pulls
from lyncpy.workloads.directory.records import DirectoryRecords
from lyncpy.workloads.directory.settings import DirectorySource, Settings, places_of
from tests.kit.directory import Facts, FakeDirectory, Inline, PlainSeals, person
from tests.kit.leases import only_node
from tests.kit.logs import overheard
from tests.kit.memory import MemoryStore
from tests.kit.results import result_of

ALICE, BOB, CAROL = person("alice"), person("bob"), person("carol")


class Server:
    """Pulls over a directory without a name and one called branch; `again` is a restart with the same store."""

    def __init__(
        self, first: FakeDirectory, *others: FakeDirectory, store: MemoryStore | None = None, **settings: Any
    ) -> None:
        self.clock = Clock()
        self.timers = Timers(self.clock, lambda: 1.7e9 + self.clock.seconds())
        self.store = store or MemoryStore(self.timers.wall)
        self.people = People()
        self.groups = Groups(self.people)
        several = [JoinedDirectory("", "first", first, keyed_members=True)]
        several += [JoinedDirectory("branch", "second", one, keyed_members=True) for one in others]
        joined = Directories(several, Inline()) if others else first
        both = [DirectorySource(url="first"), DirectorySource(name="branch", url="second")]
        place = places_of(both if others else both[:1])
        kept = DirectoryRecords(self.store, PlainSeals())
        self.pulls = Pulls(
            PeopleSource(joined, place),
            kept,
            self.people,
            self.groups,
            Facts(),
            Settings(**settings),
            self.timers,
            only_node(),
        )

    def opens(self) -> "Server":
        """Start."""
        result_of(self.pulls.open())
        return self

    def known(self) -> dict[str, str]:
        """Give the key of everybody."""
        return {one.aor[4:].partition("@")[0]: one.key for one in self.people.everybody()}


def test_people_of_both_are_known() -> None:
    """Of one address in both, the first directory's counts, and the other entry is told of."""
    other = person("alice", key="key-other", source="branch.toml [alice]")
    server = Server(FakeDirectory(ALICE, BOB), FakeDirectory(other, CAROL)).opens()
    assert server.known() == {"alice": "key-alice", "bob": "key-bob", "carol": "branch/key-carol"}
    (skipped,) = server.pulls.state.skipped
    assert skipped.source == "branch.toml [alice]"
    assert skipped.reason == 'its address "sip:alice@example.com" is already that of uid=alice'


def test_one_that_cannot_be_read_loses_nobody() -> None:
    """Its people and groups stay, the others' changes count; it is logged once, and tried again sooner."""
    first, second = FakeDirectory(ALICE, BOB), FakeDirectory(CAROL)
    first.groups = [Group("a", "A")]
    second.groups = [Group("b", "B")]
    server = Server(first, second, removal_minimum=100).opens()
    second.down = "second cannot be read"
    first.people, first.groups = [ALICE, person("dora")], []
    with overheard() as heard:
        server.clock.advance(300)
        assert server.known() == {"alice": "key-alice", "dora": "key-dora", "carol": "branch/key-carol"}
        assert [group.key for group in server.groups.all_groups()] == ["branch/b"]
        assert server.pulls.unread == ("branch: second cannot be read",)
        pulls = len(second.cookies)
        server.clock.advance(30)
        assert len(second.cookies) == pulls + 1
    warned = [event for event in heard if "no pull of one directory" in event.get("log_format", "")]
    assert len(warned) == 1
    second.down, second.people = "", []
    server.clock.advance(30)
    assert len(server.pulls.unread) == 0
    assert server.known() == {"alice": "key-alice", "dora": "key-dora"}


def test_one_that_has_lost_its_people_is_not_believed_for_them_alone() -> None:
    """A small one among large ones: its share counts, and who has left another is gone all the same."""
    many = [person(f"u{number:02}") for number in range(20)]
    few = [person(f"b{number}") for number in range(3)]
    first, second = FakeDirectory(*many), FakeDirectory(*few)
    first.groups = [Group(f"g{number:02}", f"G {number}") for number in range(20)]
    second.groups = [Group(f"h{number}", f"H {number}") for number in range(3)]
    server = Server(first, second).opens()
    first.people, second.people = many[1:], []
    first.groups, second.groups = first.groups[1:], []
    outcome = result_of(server.pulls.pull())
    assert outcome.withheld == (
        "branch: it would remove 3 of 3 people, more than the share of 0.25 ([directory] removal_share);"
        " branch: it would remove 3 of 3 groups, more than the share of 0.25 ([directory] removal_share)"
    )
    assert {one.key for one in server.pulls.withheld} == {"branch/key-b0", "branch/key-b1", "branch/key-b2"}
    assert {one.key for one in server.pulls.withheld_groups} == {"branch/h0", "branch/h1", "branch/h2"}
    assert (len(server.people), "u00" in server.known(), len(server.groups)) == (22, False, 22)
    result_of(server.pulls.pull(force=True))
    assert (len(server.people), len(server.groups)) == (19, 19)
    first.people = []
    assert result_of(server.pulls.pull()).withheld.startswith("the directory without a name: it would remove 19 of 19")


def test_a_restart_while_one_cannot_be_read_knows_everybody() -> None:
    """From the store; nobody is taken for gone."""
    first, second = FakeDirectory(ALICE), FakeDirectory(CAROL)
    server = Server(first, second).opens()
    second.down = "away"
    again = Server(first, second, store=server.store).opens()
    assert again.known() == {"alice": "key-alice", "carol": "branch/key-carol"}


def test_a_first_pull_needs_all_of_them() -> None:
    """Else who comes first would have the addresses of both."""
    second = FakeDirectory(CAROL)
    second.down = "away"
    with pytest.raises(DirectoryUnavailable, match="needs all of them: branch: away"):
        Server(FakeDirectory(ALICE), second).opens()


def test_a_directory_comes_and_goes() -> None:
    """The people of the one that was there stay who they are; those of the other come, and are gone with it."""
    first, second = FakeDirectory(ALICE, BOB), FakeDirectory(CAROL)
    alone = Server(first).opens()
    owners = {one.aor: alone.people.owners.owner(one.aor) for one in alone.people.everybody()}
    both = Server(first, second, store=alone.store).opens()
    assert both.known() == {"alice": "key-alice", "bob": "key-bob", "carol": "branch/key-carol"}
    assert all(both.people.owners.owner(aor) == owner for aor, owner in owners.items())
    again = Server(first, store=alone.store).opens()
    assert again.known() == {"alice": "key-alice", "bob": "key-bob"}
    assert [one.name or one.aor for one in again.people.owners.held_back()] == ["sip:carol@example.com"]


def test_an_increment_of_one_and_everything_of_the_other() -> None:
    """Who left either is gone; who is not named by the increment stays."""
    first, second = FakeDirectory(ALICE, BOB), FakeDirectory(CAROL, person("dora"))
    server = Server(first, second, removal_minimum=100).opens()
    second.answers = [Pull((), frozenset({"key-dora"}), complete=False, cookie="x")]
    first.people = [ALICE]
    result_of(server.pulls.pull())
    assert server.known() == {"alice": "key-alice", "carol": "branch/key-carol"}


@pytest.mark.parametrize("is_down", [False, True], ids=["increment", "unread"])
def test_what_has_become_of_no_use_in_one_that_is_read_whole(is_down: bool) -> None:
    """Is gone, as where that directory is alone, or is barred where that is not believed; whatever the other says."""
    first, second = FakeDirectory(ALICE, BOB), FakeDirectory(CAROL)
    first.groups, second.groups = [Group("a", "A")], []
    server = Server(first, second).opens()
    first.people, first.groups = [ALICE], []
    first.skipped = [
        Skipped("uid=bob", "no address", key=BOB.key, barred="locked=TRUE"),
        Skipped("cn=a", "too many members", key="a"),
    ]
    second.down = "away" if is_down else ""
    second.answers = [Pull((), frozenset(), complete=False, groups=(), cookie="x")]
    again = Server(first, second, store=server.store, removal_minimum=1, removal_share=0.1)
    again.opens()
    assert [one.barred for one in again.people.everybody() if not one.enabled] == ["locked=TRUE"]
    assert [one.key for one in again.pulls.withheld_groups] == ["a"]
    second.answers = [Pull((), frozenset(), complete=False, groups=(), cookie="x")]
    result_of(again.pulls.pull(force=True))
    assert again.known() == {"alice": "key-alice", "carol": "branch/key-carol"}
    assert again.groups.all_groups() == ()


def test_one_that_a_pull_out_of_turn_could_not_read_is_tried_again_soon() -> None:
    """As after a pull at the interval; and no other pull in between puts it off."""
    first, second = FakeDirectory(ALICE), FakeDirectory(CAROL)
    server = Server(first, second, retry_s=30).opens()
    second.down = "away"
    result_of(server.pulls.pull(counting=False))
    server.clock.advance(20)
    result_of(server.pulls.pull(counting=False))
    server.clock.advance(10)
    assert second.counting == [None, False, False, None]
    second.down = ""
    server.clock.advance(30)
    assert (len(second.counting), server.pulls.unread) == (5, ())


def test_what_is_held_back_stays_told_while_nobody_counts() -> None:
    """A pull that a notice asks for counts nobody, nor does one that cannot read that directory: it is logged once, and forcing counts."""
    many = [person(f"u{number:02}") for number in range(20)]
    few = [person(f"b{number}") for number in range(3)]
    first, second = FakeDirectory(*many), FakeDirectory(*few)
    first.groups, second.groups = [], [Group(f"h{number}", f"H {number}") for number in range(3)]
    server = Server(first, second).opens()
    second.people, second.groups = [], []
    uncounted = Pull((), frozenset(), complete=False, groups=(), cookie="x")
    with overheard() as heard:
        result_of(server.pulls.pull())
        reason, names = server.pulls.refused, [one.key for one in server.pulls.withheld]
        assert len(names) == 3 and reason.count("branch: it would remove 3 of 3") == 2
        first.answers, second.answers = [uncounted], [uncounted]
        result_of(server.pulls.pull(counting=False))
        assert (server.pulls.refused, [one.key for one in server.pulls.withheld]) == (reason, names)
        second.down = "away"
        result_of(server.pulls.pull(counting=False))
        assert (server.pulls.refused, len(server.pulls.withheld_groups)) == (reason, 3)
        second.down = ""
        result_of(server.pulls.pull())
    assert len([event for event in heard if "removals are held back" in event.get("log_format", "")]) == 1
    back = replace(few[0], key="key-b0", title="Back")
    second.answers = [Pull((back,), frozenset({"key-b1"}), complete=False, groups=(Group("h0", "New"),), cookie="x")]
    result_of(server.pulls.pull(counting=False))
    assert [one.key for one in server.pulls.withheld] == ["branch/key-b2"]
    assert [one.key for one in server.pulls.withheld_groups] == ["branch/h1", "branch/h2"]
    result_of(server.pulls.pull(force=True))
    assert (server.pulls.refused, server.pulls.withheld, server.pulls.withheld_groups) == ("", (), ())
    assert second.counting[-1] is True
