"""When people are pulled, and what becomes of the answer."""

import json
from dataclasses import replace
from typing import Any

import pytest
from twisted.internet.defer import Deferred, fail
from twisted.internet.task import Clock
from twisted.logger import formatEvent

from lyncpy.contracts.directory import Group, Person, Phone, Pull, Skipped, TelephonyMode
from lyncpy.contracts.facts import GroupsChanged
from lyncpy.contracts.names import Aor, Version
from lyncpy.contracts.refusal import DirectoryUnavailable, StoreUnavailable
from lyncpy.core.timers import Timers
from lyncpy.workloads.directory.change_applier import PersonMissing
from lyncpy.workloads.directory.groups import Groups
from lyncpy.workloads.directory.people import People
from lyncpy.workloads.directory.pull import PeopleSource, Pulls
from lyncpy.workloads.directory.records import DirectoryRecords
from lyncpy.workloads.directory.secrets import AddressLeft, StoredSecrets
from lyncpy.workloads.directory.settings import Settings, places_of
from tests.kit.directory import Facts, FakeDirectory, PlainSeals, person
from tests.kit.leases import only_node
from tests.kit.logs import overheard
from tests.kit.memory import MemoryStore
from tests.kit.results import answer_of, result_of, started

ALICE = person("alice", nt_hash=b"\x01" * 16, phones=(Phone("work", "+1"),), logins=("a",), title="Ünïcode")
BOB = person("bob", enabled=False)
CAROL = person("carol")


class Server:
    """A directory workload's pulls over a directory in memory; `again` is a restart with the same store."""

    def __init__(
        self, *people: Person, store: MemoryStore | None = None, clock: Clock | None = None, **settings: Any
    ) -> None:
        self.clock = clock or Clock()
        self.set_by = 0.0
        self.store = store or MemoryStore(self.wall)
        self.directory = FakeDirectory(*people)
        self.people = People()
        self.facts = Facts()
        self.settings = Settings(**settings)
        self.timers = Timers(self.clock, self.wall)
        self.groups = Groups(self.people)
        kept = DirectoryRecords(self.store, PlainSeals())
        self.pulls = Pulls(
            PeopleSource(self.directory, places_of([self.settings])),
            kept,
            self.people,
            self.groups,
            self.facts,
            self.settings,
            self.timers,
            only_node(),
        )

    def wall(self) -> float:
        """Give the time of day."""
        return 1.7e9 + self.set_by + self.clock.seconds()

    def again(self, *people: Person, **settings: Any) -> "Server":
        """Start another time."""
        return Server(*people, store=self.store, clock=self.clock, **settings)


def test_a_start_knows_everybody_and_tells_so() -> None:
    """After the start people are known, and whoever shows them has heard of them."""
    server = Server(ALICE, BOB)
    result_of(server.pulls.open())
    assert server.people.everybody() == (ALICE, BOB)
    assert server.facts.about() == [(ALICE.aor, True), (BOB.aor, True)]


def test_a_first_start_without_a_directory_fails_with_its_sentence() -> None:
    """A server that knows nobody is of no use; the sentence says what to do."""
    server = Server()
    server.directory.down = "ldap://x cannot be reached: see whether it runs"
    with pytest.raises(DirectoryUnavailable, match="see whether it runs"):
        result_of(server.pulls.open())


def test_a_restart_during_an_outage_knows_everybody() -> None:
    """All facts, the hash too, come back from the store; nobody is told of, for nothing changed."""
    first = Server(ALICE, BOB)
    result_of(first.pulls.open())
    second = first.again()
    second.directory.down = "down"
    result_of(second.pulls.open())
    assert second.people.everybody() == (ALICE, BOB)
    assert second.facts.told == []
    assert second.pulls.failure == "down"
    assert second.directory.cookies == ["cookie-1"]


def test_a_restart_does_not_wait_long_for_a_frozen_directory() -> None:
    """People can sign in while the first pull still hangs."""
    first = Server(ALICE)
    result_of(first.pulls.open())
    second = first.again(ALICE)
    second.directory.gate = Deferred()
    opening = started(second.pulls.open())
    assert not opening.called
    second.clock.advance(2)
    assert opening.called
    second.directory.gate.callback(None)
    assert not second.pulls.is_running


def test_another_directory_replaces_everybody_without_ado() -> None:
    """An administrator who goes from the demo people to LDAP wants just that."""
    first = Server(ALICE, BOB, person("x"), person("y"))
    result_of(first.pulls.open())
    second = first.again(CAROL, url="other.toml")
    result_of(second.pulls.open())
    assert second.people.everybody() == (CAROL,)
    assert second.directory.cookies == [""]


def test_another_directory_that_has_nobody_fails_the_start() -> None:
    """It is more likely misconfigured than empty."""
    first = Server(ALICE, BOB)
    result_of(first.pulls.open())
    with pytest.raises(DirectoryUnavailable, match=r'of "other.toml": it has nobody'):
        result_of(first.again(url="other.toml").pulls.open())


def test_pulls_come_at_the_interval_and_sooner_after_a_failure() -> None:
    """A disabled user is found within one interval; an outage is tried again soon."""
    server = Server(ALICE, interval_s=300, retry_s=30)
    result_of(server.pulls.open())
    server.directory.people = [replace(ALICE, enabled=False)]
    server.clock.pump([1] * 302)
    known = server.people.person(ALICE.aor)
    assert known is not None
    assert not known.enabled
    server.directory.down = "down"
    server.clock.pump([1] * 302)
    pulls = len(server.directory.cookies)
    server.clock.pump([1] * 65)
    assert len(server.directory.cookies) == pulls + 2
    assert len(server.people) == 1


def test_a_pull_that_is_overdue_is_known() -> None:
    """From when several should have succeeded, whatever holds them up, until one has."""
    server = Server(ALICE, interval_s=300, retry_s=30)
    result_of(server.pulls.open())
    server.directory.down = "down"
    recovered = server.pulls.recovered_at
    server.clock.pump([300] * 30)
    assert server.pulls.recovered_at == recovered
    assert server.timers.now() > recovered + server.settings.overdue_s
    server.directory.down = ""
    server.clock.advance(31)
    assert server.pulls.recovered_at == server.timers.now()


def test_two_pulls_are_never_made_at_once() -> None:
    """A command waits for the pull under way."""
    server = Server(ALICE)
    result_of(server.pulls.open())
    server.directory.gate = Deferred()
    one, two = started(server.pulls.pull()), started(server.pulls.pull())
    assert server.pulls.is_running
    server.directory.gate.callback(None)
    assert (one.called, two.called, server.directory.most_running) == (True, True, 1)


def test_mass_removal_is_held_back_and_all_else_is_carried_out() -> None:
    """It waits for an operator; a new hire does not, nor does a locked account."""
    people = [person(f"u{n}") for n in range(8)]
    server = Server(*people)
    result_of(server.pulls.open())
    server.facts.clear()
    server.directory.people = [replace(people[0], enabled=False), people[1], CAROL]
    outcome = result_of(server.pulls.pull())
    assert "remove 6 of 8" in outcome.withheld
    assert (server.pulls.refused, server.pulls.withheld) == (outcome.withheld, tuple(people[2:]))
    assert server.facts.about() == [(people[0].aor, True), (CAROL.aor, True)]
    assert len(server.people) == 9
    assert result_of(server.pulls.pull(force=True)).withheld == ""
    assert (len(server.people), server.pulls.refused, server.pulls.withheld) == (3, "", ())


def test_what_is_held_back_is_asked_for_again() -> None:
    """A directory tells a removal only once after a cookie; so the cookie stays what it was."""
    people = [person(f"u{n}") for n in range(8)]
    server = Server(*people)
    result_of(server.pulls.open())
    gone = frozenset(one.key for one in people[2:])
    server.directory.answers = [Pull((), gone, complete=False, cookie="after")] * 2
    result_of(server.pulls.pull())
    result_of(server.pulls.pull(force=True))
    assert server.directory.cookies == ["", "cookie-1", "cookie-1"]
    assert (len(server.people), server.pulls.state.cookie) == (2, "after")


def test_a_dry_run_changes_neither_people_nor_store_nor_cookie() -> None:
    """It can be run at any time."""
    server = Server(ALICE)
    result_of(server.pulls.open())
    state = server.pulls.state
    server.facts.clear()
    server.directory.people = [ALICE, CAROL]
    outcome = result_of(server.pulls.pull(dry_run=True))
    assert outcome.changes.added == (CAROL,)
    assert server.pulls.state == state
    assert server.facts.told == []
    assert len(answer_of(server.store.scan("person"))) == 1


def test_who_is_removed_may_come_back() -> None:
    """Removal and return survive restarts, and it is the same person."""
    server = Server(ALICE, BOB)
    result_of(server.pulls.open())
    owner = server.people.owners.owner(BOB.aor)
    server.directory.people = [ALICE]
    result_of(server.pulls.pull())
    second = server.again(ALICE)
    result_of(second.pulls.open())
    assert second.people.everybody() == (ALICE,)
    assert [one.id for one in second.people.owners.held_back()] == [owner]
    second.directory.people = [ALICE, BOB]
    result_of(second.pulls.pull())
    third = second.again()
    third.directory.down = "down"
    result_of(third.pulls.open())
    assert third.people.everybody() == (ALICE, BOB)
    assert third.people.owners.owner(BOB.aor) == owner


def test_an_incremental_answer_that_does_not_suffice_is_followed_by_a_full_one() -> None:
    """In the same pull, so that nobody waits another interval."""
    server = Server(ALICE)
    result_of(server.pulls.open())
    server.directory.people = [ALICE, BOB]
    server.directory.answers = [
        Pull((), frozenset(), complete=False, present=frozenset({ALICE.key, BOB.key}), cookie="c")
    ]
    assert result_of(server.pulls.pull()).complete
    assert server.directory.cookies[-2:] == ["cookie-1", ""]
    assert len(server.people) == 2


def test_everything_is_read_again_once_a_day() -> None:
    """What increments may miss is found."""
    server = Server(ALICE, full_interval_s=86400, interval_s=86400)
    result_of(server.pulls.open())
    result_of(server.pulls.pull())
    assert server.directory.cookies[-1] == "cookie-1"
    server.clock.advance(86401)
    assert server.directory.cookies[-1] == ""


@pytest.mark.parametrize(("by", "cookie"), [(-3600.0, ""), (3600.0, "cookie-1"), (2 * 86400.0, "")])
def test_a_start_reads_everything_when_nobody_knows_how_old_the_last_full_pull_is(by: float, cookie: str) -> None:
    """One that is dated into the future was made before the clock was set back."""
    first = Server(ALICE)
    result_of(first.pulls.open())
    second = first.again(ALICE)
    second.set_by = by
    result_of(second.pulls.open())
    assert second.directory.cookies == [cookie]


class BrokenStore(MemoryStore):
    """Fails to write people when told to."""

    broken = False

    def write(
        self, kind: str, key: str, value: bytes, expected: Version, expires: float | None = None
    ) -> Deferred[Version]:
        """Write, or not."""
        if self.broken and kind == "person":
            return fail(StoreUnavailable("the disk is full"))
        return super().write(kind, key, value, expected, expires)


def test_what_cannot_be_kept_is_not_told() -> None:
    """A full disk leaves people as they were; the next pull does it."""
    store = BrokenStore(lambda: 1.7e9)
    server = Server(ALICE, store=store)
    result_of(server.pulls.open())
    server.facts.clear()
    store.broken = True
    server.directory.people = [ALICE, CAROL]
    with pytest.raises(StoreUnavailable):
        result_of(server.pulls.pull())
    assert (server.people.person(CAROL.aor), server.facts.told) == (None, [])
    assert server.pulls.failure == "the disk is full"
    store.broken = False
    result_of(server.pulls.pull())
    assert server.people.person(CAROL.aor) == CAROL
    assert server.pulls.failure == ""


def test_another_process_may_have_written_the_same() -> None:
    """Two servers over one store both end with the directory's word."""
    one = Server(ALICE)
    two = one.again(ALICE)
    result_of(one.pulls.open())
    result_of(two.pulls.open())
    one.directory.people = two.directory.people = [replace(ALICE, title="Director")]
    result_of(one.pulls.pull())
    result_of(two.pulls.pull())
    assert two.people.everybody() == one.people.everybody()


def test_damaged_records_cost_a_pull_and_no_start() -> None:
    """What cannot be read is read from the directory again."""
    first = Server(ALICE, BOB)
    result_of(first.pulls.open())
    owner = first.people.owners.owner(ALICE.aor)
    for kind, key in (("person", owner), ("directory", "pull")):
        record = answer_of(first.store.read(kind, key))
        assert record is not None
        answer_of(first.store.write(kind, key, b"{", record.version))
    second = first.again(ALICE, BOB)
    result_of(second.pulls.open())
    assert second.people.everybody() == (ALICE, BOB)
    assert second.people.owners.owner(ALICE.aor) == owner
    assert second.directory.cookies == [""]


def test_a_record_of_another_version_is_read_as_far_as_it_is_understood() -> None:
    """A newer server's facts are its own, and a line that one before kept as the directory wrote it is a number all the same."""
    lined = replace(ALICE, line="tel:+14255550100", telephony=TelephonyMode.DUAL)
    first = Server(lined, BOB)
    result_of(first.pulls.open())
    for one, line in ((ALICE, "tel:+1 (425) 555-0100"), (BOB, "4711")):
        record = answer_of(first.store.read("person", first.people.owners.owner(one.aor)))
        assert record is not None
        fields = {**json.loads(record.value), "line": line, "shoe_size": 43}
        answer_of(first.store.write("person", record.key, json.dumps(fields).encode(), record.version))
    second = first.again()
    second.directory.answers = [Pull((), frozenset(), complete=False, cookie="c")]
    result_of(second.pulls.open())
    assert second.people.everybody() == (lined, BOB)


def test_skipped_entries_survive_a_restart() -> None:
    """`directory skipped` still knows them, though an incremental pull does not repeat them."""
    first = Server(ALICE)
    first.directory.skipped = [Skipped("uid=x", "it has no address", key="x")]
    result_of(first.pulls.open())
    second = first.again()
    second.directory.answers = [Pull((), frozenset(), complete=False, cookie="c")]
    result_of(second.pulls.open())
    assert second.pulls.state.skipped == (Skipped("uid=x", "it has no address", key="x"),)


def test_closing_ends_a_pull_under_way_and_the_schedule() -> None:
    """Nothing happens after the end."""
    server = Server(ALICE)
    result_of(server.pulls.open())
    server.directory.gate = Deferred()
    pulling = started(server.pulls.pull())
    failed: list[object] = []
    _ = pulling.addErrback(failed.append)
    result_of(server.pulls.close())
    assert failed
    pulls = len(server.directory.cookies)
    server.clock.pump([10] * 100)
    assert len(server.directory.cookies) == pulls


# --- groups


def regrouped(server: Server) -> list[set[str]]:
    """Give what was told about groups."""
    return [set(fact.keys) for fact in server.facts.told if isinstance(fact, GroupsChanged)]


def names(server: Server) -> list[str]:
    """Give the names of the known groups."""
    return [group.name for group in server.groups.all_groups()]


TEAM = Group("t", "Team", Aor(""), frozenset({ALICE.key}), "cn=team,dc=x")
STAFF = Group(
    "s", "Staff", Aor("sip:staff@example.com"), frozenset({"t"}), "cn=staff,dc=x", mail="s@example.org", is_closed=True
)


def test_groups_are_known_told_and_kept() -> None:
    """After a restart during an outage they are known with who is in them."""
    server = Server(ALICE, BOB)
    server.directory.groups = [TEAM, STAFF]
    result_of(server.pulls.open())
    assert regrouped(server) == [{"t", "s"}]
    second = server.again()
    second.directory.down = "down"
    result_of(second.pulls.open())
    assert second.groups.all_groups() == (STAFF, TEAM)
    assert second.groups.members("s", 5) == [ALICE.aor]


def test_a_changed_group_is_told_with_those_that_hold_it() -> None:
    """Whoever shows the outer one shows other people then; nothing is told when nothing changed."""
    server = Server(ALICE, BOB)
    server.directory.groups = [TEAM, STAFF]
    result_of(server.pulls.open())
    server.facts.clear()
    server.directory.groups = [replace(TEAM, members=frozenset({ALICE.key, CAROL.key})), STAFF]
    outcome = result_of(server.pulls.pull())
    assert [one.key for one in outcome.groups.changed] == ["t"]
    assert outcome.groups.unchanged == 1
    assert regrouped(server) == [{"t", "s"}]
    server.facts.clear()
    assert result_of(server.pulls.pull()).groups.is_empty
    assert regrouped(server) == []


def test_a_removed_group_is_forgotten_by_the_store() -> None:
    """And told while it is still known who held it."""
    server = Server(ALICE)
    server.directory.groups = [TEAM, STAFF]
    result_of(server.pulls.open())
    server.facts.clear()
    server.directory.groups = [STAFF]
    result_of(server.pulls.pull())
    assert regrouped(server) == [{"t", "s"}]
    assert [record.key for record in answer_of(server.store.scan("group"))] == ["s"]


def test_groups_that_vanish_together_are_not_believed() -> None:
    """A filter that fits no group any more takes no rights away, until an operator says so."""
    server = Server(ALICE)
    server.directory.groups = [TEAM, STAFF]
    result_of(server.pulls.open())
    server.directory.groups = []
    assert result_of(server.pulls.pull()).withheld.startswith("it would remove 2 of 2 groups")
    assert names(server) == ["Staff", "Team"]
    result_of(server.pulls.pull(force=True))
    assert names(server) == []


def test_groups_that_are_not_asked_for_any_more_are_forgotten() -> None:
    """That is what the setting says; nobody has to force it."""
    server = Server(ALICE)
    server.directory.groups = [TEAM, STAFF]
    result_of(server.pulls.open())
    server.directory.groups = None
    assert result_of(server.pulls.pull()).refused == ""
    assert names(server) == []


def test_an_incremental_answer_changes_the_groups_that_it_names() -> None:
    """The others stay; one that is not counted any more goes; one that cannot be read stays as it was."""
    server = Server(ALICE, removal_minimum=100)
    server.directory.groups = [TEAM, STAFF, replace(TEAM, key="x", name="X")]
    result_of(server.pulls.open())
    server.directory.answers = [
        Pull(
            (),
            frozenset(),
            complete=False,
            present=frozenset({ALICE.key}),
            groups=(replace(STAFF, name="All"),),
            groups_present=frozenset({"s"}),
            skipped=(Skipped("cn=x", "damaged", key="x", keeps=True),),
            cookie="c",
        )
    ]
    outcome = result_of(server.pulls.pull())
    assert not outcome.complete
    assert names(server) == ["All", "X"]
    server.directory.answers = [Pull((), frozenset(), complete=False, groups=(), cookie="c")]
    result_of(server.pulls.pull())
    assert names(server) == ["All", "X"]


@pytest.mark.parametrize(
    "answer",
    [
        {"groups_present": frozenset({"t", "moved in"})},
        {"sources": {ALICE.key: "uid=alice,ou=elsewhere"}},
        {"people": (replace(ALICE, source="uid=alice,ou=elsewhere"),)},
        {"sources": {TEAM.key: "cn=crew,dc=x"}},
        {"groups": (replace(TEAM, source="cn=crew,dc=x"),)},
    ],
)
def test_what_an_increment_cannot_tell_of_groups_is_read_whole(answer: dict[str, Any]) -> None:
    """A group that was moved in, or an entry that was moved or renamed: what groups call it is old then."""
    server = Server(ALICE)
    server.directory.groups = [TEAM]
    result_of(server.pulls.open())
    usual: dict[str, Any] = {"people": (), "gone": frozenset(), "complete": False, "groups": (), "cookie": "c"}
    server.directory.answers = [Pull(**{**usual, **answer})]
    assert result_of(server.pulls.pull()).complete


def test_somebody_may_be_moved_where_there_are_no_groups() -> None:
    """It costs no reading of everything."""
    server = Server(ALICE)
    server.directory.groups = []
    result_of(server.pulls.open())
    moved = replace(ALICE, source="uid=alice,ou=elsewhere")
    server.directory.answers = [Pull((moved,), frozenset(), complete=False, groups=(), cookie="c")]
    assert not result_of(server.pulls.pull()).complete


def test_a_group_that_was_skipped_is_told_until_it_can_be_used() -> None:
    """It does not cost a full reading each time, and its reason goes when it is mended."""
    server = Server(ALICE)
    server.directory.groups = [TEAM]
    server.directory.skipped = [Skipped("cn=big", "too many members", key="big")]
    result_of(server.pulls.open())
    counted: dict[str, Any] = {
        "complete": False,
        "present": frozenset({ALICE.key}),
        "groups_present": frozenset({"t", "big"}),
    }
    server.directory.answers = [Pull((), frozenset(), groups=(), cookie="c", **counted)]
    assert not result_of(server.pulls.pull()).complete
    assert [one.key for one in server.pulls.state.skipped] == ["big"]
    big = Group("big", "Big")
    server.directory.answers = [Pull((), frozenset(), groups=(big,), cookie="c", **counted)]
    result_of(server.pulls.pull())
    assert server.pulls.state.skipped == ()
    assert names(server) == ["Big", "Team"]


def test_a_damaged_record_of_a_group_costs_no_start() -> None:
    """It is read from the directory again."""
    first = Server(ALICE)
    first.directory.groups = [TEAM]
    result_of(first.pulls.open())
    record = answer_of(first.store.read("group", "t"))
    assert record is not None
    answer_of(first.store.write("group", "t", b"{", record.version))
    second = first.again(ALICE)
    second.directory.groups = [TEAM]
    result_of(second.pulls.open())
    assert names(second) == ["Team"]


def test_a_password_that_was_set_before_its_person_came_is_theirs() -> None:
    """An operator prepares an account; the first who gets the address has the password, and nobody after them."""
    server = Server(ALICE)
    result_of(server.pulls.open())
    owners = server.people.owners
    secrets = StoredSecrets(server.store, server.people, server.facts, PlainSeals(), owners)
    result_of(secrets.set_hash(CAROL.aor, b"\x07" * 16))
    assert answer_of(secrets.kept()) == (CAROL.aor,)
    assert result_of(secrets.nt_hash(CAROL.aor)) is None
    server.directory.people = [ALICE, CAROL]
    result_of(server.pulls.pull())
    assert result_of(secrets.nt_hash(CAROL.aor)) == b"\x07" * 16
    server.directory.people = [ALICE]
    result_of(server.pulls.pull(force=True))
    with pytest.raises(AddressLeft, match=r"nobody has the address carol@example\.com any more"):
        result_of(secrets.set_hash(CAROL.aor, b"\x08" * 16))
    server.directory.people = [ALICE, replace(CAROL, key="another")]
    result_of(server.pulls.pull())
    assert result_of(secrets.nt_hash(CAROL.aor)) is None


def test_an_operator_gives_what_waits_to_a_person_under_a_new_key() -> None:
    """The entry was made anew; what they had since they came under the new key makes room."""
    server = Server(ALICE, BOB)
    result_of(server.pulls.open())
    owners = server.people.owners
    secrets = StoredSecrets(server.store, server.people, server.facts, PlainSeals(), owners)
    result_of(secrets.set_hash(BOB.aor, b"\x01" * 16))
    owner = owners.owner(BOB.aor)
    server.directory.people = [ALICE, replace(BOB, key="anew")]
    result_of(server.pulls.pull())
    assert result_of(secrets.nt_hash(BOB.aor)) is None
    result_of(server.pulls.alone(lambda: server.pulls.applier.give(owner, BOB.aor)))
    assert (owners.owner(BOB.aor), owners.held_back()) == (owner, [])
    assert result_of(secrets.nt_hash(BOB.aor)) == b"\x01" * 16
    second = server.again(ALICE, replace(BOB, key="anew"))
    result_of(second.pulls.open())
    assert second.people.owners.owner(BOB.aor) == owner
    with pytest.raises(PersonMissing, match="is in the directory again as bob@"):
        result_of(second.pulls.delete(owner))


def test_an_operator_hears_who_is_taken_for_another_person() -> None:
    """A table of the people file was given another name: the log says what that means, and what to do."""
    before, after = replace(BOB, source="table [bob]"), replace(BOB, key="robert", source="table [robert]")
    server = Server(ALICE, before)
    result_of(server.pulls.open())
    owner = server.people.owners.owner(BOB.aor)
    server.directory.people = [ALICE, after]
    with overheard() as events:
        result_of(server.pulls.pull())
    said = [formatEvent(one) or "" for one in events]
    assert any(
        "bob@example.com was table [bob] and is table [robert] now" in one
        and f"`directory restore {owner} bob@example.com`" in one
        for one in said
    )
    server.directory.people = [ALICE, before]
    with overheard() as events:
        result_of(server.pulls.pull())
    assert any(
        "bob@example.com was table [robert] and is table [bob] now" in (formatEvent(one) or "") for one in events
    )


def test_a_directory_that_was_built_anew_has_the_same_people() -> None:
    """Without a word, all would be held back; with the operator's word everybody keeps what is theirs."""
    people = [person(f"u{n}") for n in range(8)]
    server = Server(*people)
    result_of(server.pulls.open())
    owners = {one.aor: server.people.owners.owner(one.aor) for one in people}
    server.directory.people = [replace(one, key=f"new-{one.key}") for one in people]
    assert "remove 8 of 8" in result_of(server.pulls.pull()).withheld
    assert {one.key for one in server.people.everybody()} == {one.key for one in people}
    assert result_of(server.pulls.pull(same_people=True)).withheld == ""
    assert {one.aor: server.people.owners.owner(one.aor) for one in server.people.everybody()} == owners
    assert {one.key for one in server.people.everybody()} == {f"new-{one.key}" for one in people}
