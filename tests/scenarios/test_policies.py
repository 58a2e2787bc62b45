"""Policies that operators set in the shell: whose they are, what overrules what, and that they count at once."""

from collections.abc import Iterator

import pytest

from lyncpy.contracts.directory import Group
from lyncpy.contracts.names import Aor, aor_of
from lyncpy.contracts.workload import OperatorRole
from tests.kit.actors import GROUPS_WANTED, PROVISIONING, Actor
from tests.kit.hall import tree
from tests.kit.pool import Pool
from tests.kit.stage import Stage

BOB = aor_of("bob@example.com")


def does(stage: Stage, line: str) -> str:
    """Give the answer to an operator's line, which has to succeed."""
    reply = stage.ask(line, OperatorRole.OPERATOR)
    assert (reply.status, reply.err) == (0, "")
    return reply.out


def explained(stage: Stage, user: str, name: str) -> tuple[object, ...]:
    """Give the row of `policy explain` about one value."""
    return next(tuple(row[1:]) for row in stage.shell(f"policy explain {user}").rows if row[0] == name)


def told(actor: Actor, name: str) -> list[str]:
    """Give the values that a device was told later of one property of provisioning."""
    found = []
    for request in actor.sip.heard:
        if request.event == PROVISIONING and request.body:
            found += [one.text for one in tree(request.body).iter() if one.get("name") == name]
    return found


def stays(actor: Actor) -> None:
    """Ask for the settings as a client does that stays to hear of changes."""
    kind = "application/vnd-microsoft-roaming-provisioning-v2+xml"
    exchange = actor.sip.subscribe(PROVISIONING, GROUPS_WANTED, kind, expires=3600)
    actor.passes(0.2)
    assert exchange.status == 200


@pytest.fixture
def office() -> Iterator[Stage]:
    """A server with a group of the directory, and a policy of the settings."""
    policies = {"meeting_size": 100, "board": {"members": ["bob@example.com"], "meeting_size": 50}}
    with Stage.opened(policies=policies) as stage:
        stage.directory.groups = [Group("g1", "Team", Aor(""), frozenset({"key-bob"}), "cn=team")]
        stage.shell("directory pull")
        yield stage


def test_each_value_says_where_it_comes_from(office: Stage) -> None:
    """A person's own before their groups', before the settings' table, before everybody's, before the section."""
    assert explained(office, "bob", "meeting_size")[:2] == (50, "file")
    assert explained(office, "alice", "meeting_size") == (100, "file", "[policies] says so", None)
    assert explained(office, "alice", "privacy_mode") == (False, "default", "nothing else is said", None)
    does(office, "policy set everybody meeting_size 60")
    assert explained(office, "alice", "meeting_size")[:3] == (60, "store", "set for everybody")
    assert explained(office, "bob", "meeting_size")[:2] == (50, "file")
    does(office, "policy set Team meeting_size 40")
    assert explained(office, "bob", "meeting_size")[:3] == (
        40,
        "store",
        'set for the group "Team", which they are in',
    )
    does(office, "policy set bob@example.com meeting_size 30")
    value, source, why, overrules = explained(office, "bob", "meeting_size")
    assert (value, source, why) == (30, "store", "set for bob@example.com")
    assert str(overrules).startswith('40 (set for the group "Team"')
    assert "60 (set for everybody); 100" in str(overrules)
    assert "policy explain bob@example.com" in does(office, "policy show bob")
    assert office.ground.tables.policies.policy_of(BOB).meeting_size == 30
    assert "bob@example.com" in does(office, "policies")
    office.kill()
    office.start()
    assert explained(office, "bob", "meeting_size")[0] == 30
    does(office, "policy set bob meeting_size --remove")
    does(office, "policy set Team all --remove")
    assert explained(office, "bob", "meeting_size")[:2] == (50, "file")


def test_what_cannot_be_set_is_refused_with_a_sentence(office: Stage) -> None:
    """And nothing changes."""
    for line, why in (
        ("policy set nobody@example.com meeting_size 5", "nobody and no group is known"),
        ("policy set bob meeting_size 5000", "less than or equal to 1000"),
        ("policy set bob meeting_size many", "write a whole number"),
        ("policy set bob privacy_mode 1", "write true or false"),
        ("policy set bob clients nonsense", "clients"),
        ("policy set bob size 5", 'there is no "size" in a policy'),
        ("policy set bob all yes", 'there is no "all"'),
        ("policy set bob meeting_size", "give a value"),
        ("policy set bob meeting_size 5 --remove", "give a value"),
        ("policy set bob meeting_size --remove", "nothing of that is set"),
    ):
        reply = office.ask(line, OperatorRole.OPERATOR)
        assert reply.status == 1, line
        assert why in reply.err, (line, reply.err)
    assert office.ask("policy set bob meeting_size 5", OperatorRole.VIEWER).status == 1


def test_who_is_signed_in_gets_what_was_set(office: Stage) -> None:
    """Their client is told the new limits; who is not concerned is told nothing; privacy counts at once."""
    alice, bob = office.sign_in("alice", "bob")
    stays(alice)
    stays(bob)
    alice.watches(bob)
    bob.publishes(availability=3500)
    assert alice.hears(bob).availability == "available"
    does(office, "policy set bob meeting_size 7")
    office.passes(2)
    assert told(bob, "MeetingSize") == ["7"]
    assert told(alice, "MeetingSize") == []
    does(office, "policy set Team privacy_mode yes")
    office.passes(4)
    assert alice.hears(bob).availability == "offline"
    does(office, "policy set bob clients 'block *'")
    assert office.actor("bob").sip.register().status == 403
    does(office, "policy set bob clients --remove")
    assert office.actor("bob").sip.register().status == 200


def test_all_servers_follow_what_is_set_at_one() -> None:
    """Their clients too; and what a person had is deleted with all that was theirs."""
    with Pool.opened() as pool:
        first, second = pool
        (bob,) = second.sign_in("bob")
        stays(bob)
        does(first, "policy set bob meeting_size 7")
        pool.passes(5)
        assert second.ground.tables.policies.policy_of(BOB).meeting_size == 7
        assert told(bob, "MeetingSize") == ["7"]
        does(second, "policy set bob all --remove")
        pool.passes(5)
        assert first.ground.tables.policies.policy_of(BOB).meeting_size == 250
        assert told(bob, "MeetingSize") == ["7", "250"]


def test_members_that_are_nobody_are_a_condition() -> None:
    """Until they are in the directory: a policy that is for nobody does nothing, in silence."""
    members = ["bob@example.com", "nobody@example.com", "Sales"]
    with Stage.opened(policies={"sales": {"members": members, "meeting_size": 50}}) as stage:
        told = [str(row) for row in stage.shell("conditions").rows if "policies" in str(row)]
        assert len(told) == 1
        assert '[policies.sales] members: "nobody@example.com" is nobody' in told[0]
        assert "and 1 more members are nobody" in told[0]
        assert "policy show" in told[0]
