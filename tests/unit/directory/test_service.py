"""What an operator sees of the directory: commands and reasons."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest
from twisted.internet.task import Clock

from lyncpy.auth.ntlm import nt_hash
from lyncpy.contracts.directory import Group, Moment, Person, Skipped
from lyncpy.contracts.names import Aor
from lyncpy.contracts.workload import CommandCall, CommandFailed, Table
from lyncpy.core.timers import Timers
from lyncpy.workloads.directory.accounts import Accounts
from lyncpy.workloads.directory.address_book import AddressBook
from lyncpy.workloads.directory.groups import Groups
from lyncpy.workloads.directory.meanings import Meanings
from lyncpy.workloads.directory.people import People
from lyncpy.workloads.directory.photos import Photos
from lyncpy.workloads.directory.policies import Policies
from lyncpy.workloads.directory.policy_settings import PoliciesSettings
from lyncpy.workloads.directory.secrets import StoredSecrets
from lyncpy.workloads.directory.service import Directory, DirectoryOrigin, Tables
from lyncpy.workloads.directory.settings import Settings
from lyncpy.workloads.directory.user_changes import UserTools
from tests.kit.directory import Facts, FakeDirectory, FakePhotos, PlainSeals, person
from tests.kit.memory import MemoryStore
from tests.kit.platform import platform_of
from tests.kit.results import result_of

ALICE = person("alice", display_name="Alice Liddell", department="Research", nt_hash=b"\x01" * 16, logins=("al",))
BOB = person("bob", enabled=False, display_name="Bob")


class Desk:
    """A directory workload as the shell sees it."""

    def __init__(
        self,
        *people: Person,
        groups: Sequence[Group] = (),
        policies: Mapping[str, Any] | None = None,
        skipped: Sequence[Skipped] = (),
        **settings: Any,
    ) -> None:
        wall = lambda: 1.7e9  # noqa: E731 - a clock
        self.source = FakeDirectory(*people)
        self.source.skipped = [Skipped("uid=carol,dc=x", "it has no address (mail)", key="c"), *skipped]
        store, bus, table, seals = MemoryStore(wall), Facts(), People(), PlainSeals()
        secrets = StoredSecrets(store, table, bus, seals, table.owners)
        if groups:
            self.source.groups = list(groups)
        known = Groups(table)
        meanings = Meanings(store, table.owners)
        rules = Policies(
            PoliciesSettings.model_validate(policies or {}), table, known, bus, meanings, table.owners, store
        )
        clock = Clock()
        platform = platform_of(clock, timers=Timers(clock, wall), store=store, bus=bus, people=table, groups=known)
        book = AddressBook(table, known, platform.timers)
        users = UserTools(Accounts(store, ("example.com",), platform.timers), nt_hash, 10)
        tables = Tables(table, known, rules, meanings, book, secrets, users)
        photos = Photos(FakePhotos(), table, 30_720, platform.timers)
        options = Settings(**settings)
        origin = DirectoryOrigin(self.source, {}, [options], lambda number: "")
        self.unit = Directory(platform, tables, origin, seals, options, photos)
        result_of(self.unit.open())

    def run(self, name: str, *flags: str, **args: str) -> Table:
        """Run a command."""
        command = next(one for one in self.unit.offer.commands if one.name == name)

        async def asked() -> Table:
            return await command.run(CommandCall(args, dict.fromkeys(flags, "true")))

        return result_of(asked())

    def why(self, address: str) -> list[tuple[str, bool]]:
        """Give findings."""
        conditions = [one for ask in self.unit.offer.conditions for one in ask()]
        return [(one.finding, one.good) for one in (*result_of(self.unit.reasons(Aor(f"sip:{address}"))), *conditions)]


def pairs(table: Table) -> dict[object, object]:
    """Give a table of two columns."""
    return {row[0]: row[1] for row in table.rows}


@pytest.fixture
def scene() -> Desk:
    """Alice, Bob who is disabled, and Carol who was skipped."""
    return Desk(ALICE, BOB)


def test_users_are_found_by_part_of_what_is_known(scene: Desk) -> None:
    """A pattern is part of a name, or has wildcards."""
    assert [row[0] for row in scene.run("users").rows] == ["alice@example.com", "bob@example.com"]
    assert [row[0] for row in scene.run("users", pattern="resea").rows] == ["alice@example.com"]
    assert [row[0] for row in scene.run("users", pattern="b?b*").rows] == ["bob@example.com"]
    assert scene.run("users", pattern="zzz").note == "0 of 2 people"


def test_a_user_is_shown_without_his_secret(scene: Desk) -> None:
    """Whether there is a password is shown, the hash never."""
    rows = pairs(scene.run("user show", user="al"))
    assert rows["address"] == "alice@example.com"
    assert rows["password set"] is True
    assert "\\x01" not in repr(rows)
    assert "0101" not in repr(rows)


def test_an_unknown_user_is_met_with_the_nearest(scene: Desk) -> None:
    """A typing mistake is answered with a suggestion."""
    with pytest.raises(CommandFailed, match=r"did you mean alice@example.com"):
        scene.run("user show", user="alcie@example.com")


def test_a_dry_run_lists_what_would_be_done(scene: Desk) -> None:
    """Each person, and for a change what differs."""
    scene.source.people = [
        person("alice", display_name="Alice Smith", department="Research", logins=("al",)),
        person("dave"),
    ]
    table = scene.run("directory pull", "dry-run")
    assert table.rows[:3] == [
        ("add", "dave@example.com", ""),
        ("change", "alice@example.com", "display name, nt hash"),
        ("remove", "bob@example.com", "Bob"),
    ]
    assert table.note.startswith(
        "dry run, nothing was changed. It would be: 1 added, 1 changed, 0 moved, 1 removed, 0 unchanged, 1 skipped;"
    )
    assert scene.run("directory pull").note.startswith("1 added, 1 changed, 0 moved, 1 removed")


def test_a_pull_that_fails_says_why(scene: Desk) -> None:
    """The directory's own sentence reaches the operator, at the command, in the status and in `why`."""
    scene.source.down = "ldap://x cannot be reached: see whether it runs"
    with pytest.raises(CommandFailed, match=r"nothing was changed: ldap://x cannot be reached"):
        scene.run("directory pull")
    status = pairs(scene.run("directory status"))
    assert status["failure"] == scene.source.down
    assert status["changes"] == "at the interval, because a file does not tell of changes"
    assert status["failing since"] == "2023-11-14T22:13:20Z"
    assert any("cannot be read since 2023-11-14" in finding for finding, _ in scene.why("alice@example.com"))


def test_skipped_entries_and_ambiguous_logins_are_listed(scene: Desk) -> None:
    """Everything in the directory that wants mending is in one place."""
    scene.source.people.append(person("dave", logins=("AL",)))
    result_of(scene.unit.pulls.pull())
    rows = scene.run("directory skipped").rows
    assert rows[0] == ("uid=carol,dc=x", "it has no address (mail)")
    assert rows[1][0] == "alice@example.com, dave@example.com"
    assert 'the login "al"' in str(rows[1][1])


def test_who_has_a_password_in_the_directory_lacks_none_here() -> None:
    """`why` says which schemes that is good for."""
    scene = Desk(BOB, url="ldap://x")
    findings = scene.why("bob@example.com")
    assert ("no NT hash is known: NTLM cannot work; TLS-DSK does, with the directory's password", True) in findings


def test_why_knows_the_usual_reasons(scene: Desk) -> None:
    """Known, disabled, without a password, unknown, skipped: each in words."""
    assert scene.why("alice@example.com") == [("known from uid=alice, and enabled", True)]
    assert scene.why("bob@example.com") == [
        ("disabled in the directory (uid=bob)", False),
        ("no password is set: NTLM cannot work", False),
    ]
    unknown = scene.why("carol@example.com")
    assert "nobody is known as carol@example.com (people.toml, last pull 2023-11-14" in unknown[0][0]
    assert unknown[1][0] == "an entry was skipped: uid=carol,dc=x: it has no address (mail)"
    assert "the nearest address is alice@example.com" in scene.why("allice@example.com")[0][0]


def test_why_says_where_ldap_was_searched() -> None:
    """Filter and bases are part of the reason."""
    scene = Desk(ALICE, url="ldap://x", bases="ou=people,dc=x", filters="(uid=*)")
    assert "under ou=people,dc=x, with (uid=*)" in scene.why("mallory@example.com")[0][0]


def test_removals_that_are_held_back_are_named_and_fail_the_command(scene: Desk) -> None:
    """Whoever wonders about a stale directory learns of it, and a script by the status."""
    scene.source.people = []
    table = scene.run("directory pull")
    assert "2 removals are held back: it would remove 2 of 2 people" in table.failed
    assert [row[:2] for row in table.rows][:2] == [
        ("withhold removal", "alice@example.com"),
        ("withhold removal", "bob@example.com"),
    ]
    assert any("removals are held back" in finding for finding, _ in scene.why("alice@example.com"))
    assert any("its removal" in finding or "the removal" in finding for finding, _ in scene.why("bob@example.com"))
    assert ("withheld", "bob@example.com") in scene.run("directory status").rows


TEAM = Group("t", "Team", Aor("sip:team@example.com"), frozenset({"s", BOB.key}), "cn=team,dc=x")
SUB = Group("s", "Sub", Aor(""), frozenset({ALICE.key, "uid=stranger"}), "cn=sub,dc=x")
OTHER_SUB = Group("o", "sub", Aor(""), frozenset(), "cn=sub,dc=y")


@pytest.fixture
def grouped() -> Desk:
    """Groups, and policies for one of them."""
    return Desk(
        ALICE,
        BOB,
        groups=[TEAM, SUB],
        policies={"meeting_size": 20, "quiet": {"members": ["team", "Nobody"], "privacy_mode": True}},
    )


def test_groups_are_listed_and_searched(grouped: Desk) -> None:
    """With how many people are in them, also by others; who is disabled is none."""
    assert grouped.run("groups").rows == [
        ("Sub", "", 1, "cn=sub,dc=x"),
        ("Team", "team@example.com", 1, "cn=team,dc=x"),
    ]
    assert [row[0] for row in grouped.run("groups", pattern="team@*").rows] == ["Team"]
    assert grouped.run("groups", pattern="tea").note == "1 of 2 groups"


def test_a_group_is_shown_with_who_is_in_it(grouped: Desk) -> None:
    """What holds it, what it holds, who is in it, and which names mean nobody."""
    table = grouped.run("group show", group="sub")
    assert ("is in", "Team") in table.rows
    assert ("person", "alice@example.com") in table.rows
    assert ("nobody here", "uid=stranger") in table.rows
    assert ("holds the group", "Sub") in grouped.run("group show", group="TEAM@example.com").rows


def test_a_group_of_which_users_are_not_told_who_is_in_it_says_so() -> None:
    """With its mail address, by which clients ask."""
    scene = Desk(ALICE, groups=[replace(SUB, mail="sub@example.org", is_closed=True)])
    rows = scene.run("group show", group="sub@example.org").rows
    assert ("mail", "sub@example.org") in rows
    assert ("members told", "to operators alone (hideDLMembership)") in rows


def test_an_unclear_group_is_asked_back() -> None:
    """By the DNs of those of the name; an unknown one gets a hint."""
    scene = Desk(ALICE, groups=[SUB, OTHER_SUB])
    with pytest.raises(CommandFailed, match=r"several groups are called .*cn=sub,dc=y, cn=sub,dc=x"):
        scene.run("group show", group="Sub")
    with pytest.raises(CommandFailed, match="see: groups"):
        scene.run("group show", group="x")
    assert scene.run("group show", group="cn=sub,dc=y").rows[0] == ("name", "sub")


def test_a_persons_groups_are_shown(grouped: Desk) -> None:
    """With all that is known of him."""
    shown = grouped.run("user show", user="alice").rows
    assert [value for label, value in shown if label == "group"] == ["Sub", "Team"]
    assert pairs(grouped.run("directory status"))["groups"] == 2


def test_the_manager_and_the_reports_of_a_person_are_shown() -> None:
    """By their addresses; who is not known here as the directory calls them."""
    bob, carol = replace(BOB, manager=ALICE.aor), person("carol", manager="cn=gone,dc=x")
    desk = Desk(ALICE, bob, carol)
    assert ("report", "bob@example.com") in desk.run("user show", user="alice").rows
    assert pairs(desk.run("user show", user="bob"))["manager"] == "alice@example.com"
    assert pairs(desk.run("user show", user="carol"))["manager"] == "cn=gone,dc=x"


def test_a_dry_run_shows_groups_too(grouped: Desk) -> None:
    """What would be added, changed and removed."""
    grouped.source.groups = [replace(TEAM, name="Crew"), OTHER_SUB]
    table = grouped.run("directory pull", "dry-run")
    assert [row[:2] for row in table.rows if "group" in str(row[0])] == [
        ("add group", "sub"),
        ("change group", "Crew"),
        ("remove group", "Sub"),
    ]
    assert "groups: 1 added, 1 changed, 1 removed" in table.note


def test_policies_are_listed_in_their_order(grouped: Desk) -> None:
    """With whom they name, and which entries mean nobody."""
    rows = grouped.run("policies").rows
    assert [(row[0], row[1], row[3]) for row in rows] == [("quiet", "team", "Nobody"), ("default", "", None)]
    assert "privacy_mode yes" in str(rows[0][2])
    assert "meeting_size 20" in str(rows[0][2])


def test_a_users_policy_is_shown_with_its_reason(grouped: Desk) -> None:
    """Each field, and by which entry it is his."""
    shown = pairs(grouped.run("policy show", user="alice"))
    assert (shown["policy"], shown["privacy_mode"], shown["meeting_size"]) == ("quiet", True, 20)
    assert shown["why"] == '[policies.quiet] names the group "team", which they are in'
    with pytest.raises(CommandFailed, match="nobody is known"):
        grouped.run("policy show", user="zed")


def test_names_can_be_completed(grouped: Desk) -> None:
    """Groups and users."""
    words = {one.name: one for one in grouped.unit.offer.commands}
    for name, first in (("group show", "Sub"), ("policy show", "alice@example.com")):
        choices = words[name].args[0].choices
        assert choices is not None
        assert choices()[0] == first


def test_a_users_dates_are_shown() -> None:
    """Until when, from when on, and what says so."""
    dated = replace(ALICE, until=Moment(1_800_000_000.0, "accountExpires"), must_change=Moment(0.0, "pwdLastSet=0"))
    rows = pairs(Desk(dated, BOB).run("user show", user="al"))
    assert rows["may sign in until"] == "2027-01-15T08:00:00Z (accountExpires)"
    assert rows["must change password from"] == "now (pwdLastSet=0)"
    assert "may sign in from" not in rows


def test_why_names_what_is_left_out_of_somebody_and_what_switched_them_off() -> None:
    """A person who is there without an attribute is not said to be skipped."""
    left = Skipped(ALICE.source, 'the person is known without this: its attribute "x"', key=ALICE.key, keeps=True)
    locked = replace(BOB, enabled=False, barred="sambaNTPassword is locked")
    scene = Desk(ALICE, locked, skipped=(left,))
    said = [finding for finding, _ in scene.why("alice@example.com")]
    assert f"something is left out: {left.source}: {left.reason}" in said
    assert not any("was skipped" in one for one in said)
    told = [finding for finding, _ in scene.why("bob@example.com")]
    assert told[0] == "disabled in the directory (uid=bob): bob@example.com is switched off: sambaNTPassword is locked"


def test_why_names_some_of_very_many_entries_that_were_skipped() -> None:
    """One address in every entry: an answer of a hundred thousand lines would help nobody. Their own come first."""
    taken = 'its address "sip:alice@example.com" is already that of uid=alice'
    several = [Skipped(f"uid=u{n}", taken, key=f"u{n}") for n in range(100)]
    scene = Desk(ALICE, skipped=[*several, Skipped(ALICE.source, "no office", key=ALICE.key, keeps=True)])
    said = [finding for finding, good in scene.why("alice@example.com") if not good]
    assert said[0].startswith("something is left out: uid=alice")
    assert "81 more entries that were skipped name this address" in said[-1]
    assert len(said) == 21


def test_an_operator_searches_as_users_do() -> None:
    """People and groups, by any words, and how much is searched through."""
    office = Desk(
        person("alice", display_name="Alice Adler"), groups=[Group("1", "Adler Fans", Aor("sip:fans@example.com"))]
    )
    table = office.run("directory search", text="adl")
    assert [row[:3] for row in table.rows] == [
        ("person", "Alice Adler", "alice@example.com"),
        ("group", "Adler Fans", "fans@example.com"),
    ]
    assert "among 1 people and 1 groups" in table.note
