"""Who somebody is: the directory's key. An address comes and goes, and what is theirs stays theirs."""

import base64
import json
import re
from collections.abc import Iterator
from dataclasses import replace

import pytest
from twisted.internet.defer import Deferred

from lyncpy.auth.ntlm import nt_hash
from lyncpy.contracts.names import Aor, Version, aor_of
from lyncpy.contracts.owners import OwnerId
from lyncpy.contracts.workload import CommandCall, CommandFailed
from lyncpy.workloads.directory.owners import Owners
from lyncpy.workloads.directory.people import People
from lyncpy.workloads.directory.secrets import StoredSecrets
from tests.kit.actors import Actor
from tests.kit.deployment import password_of
from tests.kit.directory import Facts, PlainSeals
from tests.kit.fakes import awaited
from tests.kit.meetings import asks_factory
from tests.kit.renames import comes_as, hires, removes, removes_key, renames
from tests.kit.results import result_of
from tests.kit.stage import Stage

BOB, ROBERT, CAROL = "sip:bob@example.com", "sip:robert@example.com", "sip:carol@example.com"


@pytest.fixture
def stage() -> Iterator[Stage]:
    """A server that believes every removal."""
    with Stage.opened(directory={"removal_share": 1.0, "held_s": 14_400, "forward_s": 14_400}) as stage:
        yield stage


def come_in(stage: Stage, *users: str) -> tuple[Actor, ...]:
    """Let people sign in who know the password of the directory."""
    return stage.sign_in(*users)


def bobs_life(stage: Stage) -> tuple[Actor, Actor, str]:
    """Let Bob have a password of this server, a contact, somebody blocked and a meeting, and be Alice's friend."""
    alice, bob = stage.sign_in("alice", "bob")
    bob.adds("sip:carol@example.com")
    bob.allows(alice, 400)
    bob.sets_members({32000: '<member action="add" type="user" value="dave@example.com"/>'})
    alice.adds(BOB)
    alice.allows(bob, 400)
    alice.publishes(note="party at eight", container=400)
    focus = bob.meets(subject="Bob's own").focus
    stage.sets_password("bob", "bob's own")
    return alice, bob, focus


def the_time_passes(stage: Stage) -> None:
    """Let somebody be held, and a former address lead on, for long enough.

    Nobody is signed in: what they say to stay so is no part of these stories.
    """
    for actor in stage.actors:
        if actor.sip.is_connected:
            actor.is_cut_off()
    stage.passes(5 * 3600)


def meetings(actor: Actor) -> bytes:
    """Give what somebody's focus factory lists."""
    return asks_factory(actor.sip, "<getConferences/>").answer.body


def test_a_newcomer_with_a_used_address_starts_clean(stage: Stage) -> None:
    """Neither the password nor contacts, levels, blocks or meetings of who had it before are theirs."""
    alice, bob, focus = bobs_life(stage)
    alice.watches(BOB)
    removes(stage, "bob")
    hires(stage, "bob")
    stage.pulls()
    stage.passes(4)

    assert not bob.sip.is_connected
    assert stage.actor("bob", password="bob's own").sip.register().status == 401
    (other,) = come_in(stage, "bob")
    assert other.contacts.people == {}
    assert meetings(other).count(b"<conference-info ") == 0
    stage.passes(7200)  # the meeting that ran is over
    assert other.joins(focus).dialog is None
    (erin,) = come_in(stage, "erin")
    assert not erin.contacts.people
    assert stage.shell("presence containers bob").rows == stage.shell("presence containers erin").rows
    # What Alice said of Bob was not said of whoever comes after him.
    assert BOB not in alice.contacts.people
    other.watches(alice)
    assert other.hears(alice).note == ""
    assert alice.hears(BOB).name == "The Other"


def test_nobody_unblocks_a_newcomer_or_blocks_them(stage: Stage) -> None:
    """A block is of a person too; and it is there again when that person is."""
    alice, bob = stage.sign_in("alice", "bob")
    alice.blocks(bob)
    removes(stage, "bob")
    hires(stage, "bob")
    stage.pulls()
    (other,) = come_in(stage, "bob")
    other.watches(alice)
    assert other.hears(alice).availability == "available"
    stage.directory.people = [one for one in stage.directory.people if one.key != "another"]
    renames(stage, "bob", "robert")
    stage.pulls()
    (robert,) = [stage.actor("robert", password=password_of("bob"))]
    robert.signs_in()
    robert.watches(alice)
    assert robert.hears(alice).availability == "offline"


def test_another_address_is_no_other_block(stage: Stage) -> None:
    """Whoever is blocked sees somebody who went at the same time as before, after their own address has changed."""
    alice, bob = stage.sign_in("alice", "bob")
    alice.blocks(bob)
    stage.passes(100)

    def since(actor: Actor) -> list[str]:
        answer = actor.watches(alice).answer
        return re.findall(r'name="state".*?lastActive="([^"]*)"', answer.body.decode())

    before = since(bob)
    assert before
    renames(stage, "bob", "robert")
    stage.pulls()
    (robert,) = [stage.actor("robert", password=password_of("bob"))]
    robert.signs_in()
    after = since(robert)
    assert after == before


def test_who_comes_back_in_time_has_everything(stage: Stage) -> None:
    """Under another address even; others find them where they were."""
    _, _, focus = bobs_life(stage)
    removes(stage, "bob")
    stage.pulls()
    hires(stage, "bob")
    stage.pulls()
    stage.stop()
    stage.start()
    (alice,) = stage.sign_in("alice")
    assert BOB not in alice.contacts.people
    renames(stage, "bob", "robert")
    stage.pulls()
    (robert,) = [stage.actor("robert", password="bob's own")]
    robert.signs_in()
    assert set(robert.contacts.people) == {"sip:carol@example.com"}
    assert b"Bob's own" in meetings(robert)
    assert alice.contacts.people[ROBERT]
    robert.watches(alice)
    assert robert.hears(alice).note == "party at eight"
    assert robert.joins(focus).roster[robert.aor].role == "presenter"
    assert set(stage.ground.tables.people.owners.keys()) >= {"key-bob", "another"}


def test_after_its_time_it_is_deleted(stage: Stage) -> None:
    """Who comes back later begins anew, and nothing of theirs is left in the store."""
    _, _, _ = bobs_life(stage)
    owner = stage.ground.tables.people.owners.owner(Aor(BOB))
    removes(stage, "bob")
    stage.pulls()
    assert [row[0] for row in stage.shell("directory held").rows] == ["bob@example.com"]
    the_time_passes(stage)
    assert stage.shell("directory held").rows == []
    assert not [key for kind, key in stage.store.kept if owner in key]
    stage.changes("bob")
    stage.pulls()
    (bob,) = come_in(stage, "bob")
    assert bob.contacts.people == {}
    assert meetings(bob).count(b"<conference-info ") == 0


def test_a_marriage_carries_everything_along(stage: Stage) -> None:
    """The same key has another address: password, contacts, levels and meetings are theirs; others follow at once."""
    alice, bob, focus = bobs_life(stage)
    renames(stage, "bob", "robert")
    stage.pulls()
    stage.passes(4)

    assert not bob.sip.is_connected
    assert stage.actor("bob", password="bob's own").sip.register().status == 404
    assert ROBERT in alice.contacts.people
    assert BOB not in alice.contacts.people
    robert = stage.actor("robert", password="bob's own")
    robert.signs_in()
    assert set(robert.contacts.people) == {"sip:carol@example.com"}
    assert b"Bob's own" in meetings(robert)
    assert robert.joins(focus).roster[robert.aor].role == "presenter"
    assert alice.joins(focus).dialog is not None
    robert.watches(alice)
    assert robert.hears(alice).note == "party at eight"
    listed = stage.shell("presence containers alice").rows
    assert "robert@example.com" in str(listed)
    assert "bob@example.com" not in str(listed).replace("robert@example.com", "")


def test_two_who_swap_addresses_swap_nothing_else(stage: Stage) -> None:
    """Each has their own password, contacts and levels under the other address."""
    alice, _, _ = bobs_life(stage)
    renames(stage, "bob", "carol")
    renames(stage, "carol", "bob")
    stage.pulls()
    stage.passes(4)
    assert stage.actor("bob", password="bob's own").sip.register().status == 401
    one, two = stage.actor("carol", password="bob's own"), stage.actor("bob", password=password_of("carol"))
    one.signs_in()
    two.signs_in()
    # Bob had Carol in his list; she is called bob@ now.
    assert set(one.contacts.people) == {BOB}
    assert two.contacts.people == {}
    assert set(alice.contacts.people) == {"sip:carol@example.com"}
    one.watches(alice)
    two.watches(alice)
    assert (one.hears(alice).note, two.hears(alice).note) == ("party at eight", "")


def test_a_former_address_leads_on_for_a_time(stage: Stage) -> None:
    """Messages, invitations and subscriptions to it arrive; until somebody else has it, or the time is over."""
    (alice,) = stage.sign_in("alice")
    renames(stage, "bob", "robert")
    stage.pulls()
    robert = stage.actor("robert", password=password_of("bob"))
    robert.signs_in()
    assert alice.pages(BOB, "are you still there?").status == 200
    assert alice.invites(BOB).is_answered
    alice.watches(BOB)
    assert alice.hears(ROBERT).availability == "available"
    assert "now, and messages to it still arrive" in str(stage.shell("why bob@example.com").rows)
    assert "was bob@example.com until" in str(stage.shell("why robert@example.com").rows)

    hires(stage, "bob")
    stage.pulls()
    (other,) = come_in(stage, "bob")
    assert alice.pages(BOB, "and you are?").status == 200
    assert ("and you are?" in str(robert.texts), "and you are?" in str(other.texts)) == (False, True)

    removes(stage, "bob", "another")
    stage.directory.people = [one for one in stage.directory.people if one.key != "another"]
    stage.changes("bob", aor=aor_of(ROBERT))
    stage.pulls()
    the_time_passes(stage)
    (carol,) = come_in(stage, "carol")
    assert carol.pages(BOB, "after its time").status == 404


def test_a_domain_is_renamed(stage: Stage) -> None:
    """Everybody has another address at once, and everything is where it was."""
    _, _, focus = bobs_life(stage)
    stage.directory.people = [
        stage.someone(user, aor=aor_of(f"{user}@example.org"))
        for user in ("alice", "bob", "carol", "dave", "erin", "frank", "mallory")
    ]
    stage.pulls()
    people = stage.ground.tables.people
    assert {one.aor for one in people.everybody()} == {
        f"sip:{user}@example.org" for user in ("alice", "bob", "carol", "dave", "erin", "frank", "mallory")
    }
    conferences = stage.unit("conferencing").conferences
    (meeting,) = conferences.conferences_of(Aor("sip:bob@example.org"))
    assert (meeting.uri, conferences.at(focus)) == (focus, meeting)
    listed = str(stage.shell("contacts show bob@example.org").rows)
    assert "carol@example.org" in listed
    assert "bob@example.org" in str(stage.shell("presence containers alice@example.org").rows)


def test_a_store_of_a_server_that_knew_addresses_alone(stage: Stage) -> None:
    """Who has an address at the first start is whose the things are; of who is gone already, they are nobody's."""
    bobs_life(stage)
    come_in(stage, "carol")[0].adds(BOB)
    removes(stage, "carol")
    stage.pulls()
    stage.stop()
    as_before(stage)
    stage.directory.people = [one for one in stage.directory.people if one.key != "key-frank"]
    stage.start()
    held = {row[0]: row[4] for row in stage.shell("directory held").rows}
    assert held == {"carol@example.com": CAROL, "frank@example.com": "sip:frank@example.com"}
    renames(stage, "bob", "robert")
    hires(stage, "carol")
    stage.pulls()
    stage.pulls()
    robert, alice = stage.actor("robert", password="bob's own"), stage.actor("alice")
    robert.signs_in()
    alice.signs_in()
    assert robert.contacts.people == {}
    assert ROBERT in alice.contacts.people
    assert b"Bob's own" in meetings(robert)
    stage.stop()
    stage.start()
    assert len(stage.shell("directory held").rows) == 2


def test_passwords_of_an_old_server_that_never_began_are_of_who_comes(stage: Stage) -> None:
    """`lyncpy user passwd` was all that was ever run; the address is whose it was meant for, at the first start or later."""
    stage.stop()
    stage.store.kept = {}
    old = {"bob": "bob's own", "carol": "carol's own", "zoe": "zoe's own"}
    for user, password in old.items():
        name = f"sip:{user}@example.com"
        value = f"secret:{name}|".encode() + nt_hash(password)
        result_of(awaited(stage.store.write("secret", name, value, Version(0))))
    # Set once more, by the new server's command, before its first start.
    secrets = StoredSecrets(stage.store, People(), Facts(), PlainSeals(), Owners())
    result_of(awaited(secrets.set_hash(Aor(CAROL), nt_hash("carol's new"))))
    stage.start()
    stage.actor("bob", password="bob's own").signs_in()
    stage.actor("carol", password="carol's new").signs_in()
    assert stage.actor("carol", password="carol's own").sip.register().status == 401
    assert stage.shell("directory held").rows == []
    stage.stop()
    stage.start()
    stage.directory.people.append(stage.someone("zoe"))
    stage.pulls()
    stage.actor("zoe", password="zoe's own").signs_in()
    renames(stage, "bob", "robert")
    hires(stage, "bob")
    stage.pulls()
    stage.actor("robert", password="bob's own").signs_in()
    assert stage.actor("bob", password="bob's own").sip.register().status == 401


def test_what_is_typed_twice_or_too_late_is_answered_with_a_sentence(stage: Stage) -> None:
    """A pull brings somebody back, or takes who was to get it all, between an operator's word and the deed."""
    removes(stage, "bob", "carol")
    hires(stage, "robert")
    hires(stage, "carol", "carol's successor")
    said = str(stage.shell("directory pull --dry-run").rows)
    assert "another person than uid=carol, who had the address (if not: `directory restore carol@example.com#" in said
    removes_key(stage, "carol's successor")
    stage.pulls()
    held = {str(row[0]).partition("@")[0]: row[4] for row in stage.shell("directory held").rows}
    pulls = stage.unit("directory").pulls

    def types(line: str) -> list[str]:
        """Type a line while a pull is under way; give what it said."""
        said: list[str] = []

        async def typed() -> None:
            use = stage.unit("admin").words().parse(line)
            try:
                said.append(str((await use.command.run(CommandCall(use.args, use.flags))).rows))
            except CommandFailed as failed:
                said.append(str(failed))

        for _ in range(2):
            _ = Deferred.fromCoroutine(typed())
        return said

    stage.directory.gate = Deferred()
    pulling = Deferred.fromCoroutine(pulls.pull())
    purged = types(f"directory purge {held['bob']}")
    lost = types(f"directory restore {held['carol']} robert@example.com")
    hires(stage, "bob", "key-bob")
    removes_key(stage, "another")
    stage.directory.gate.callback(None)
    stage.settle()
    assert pulling.called
    assert ["is in the directory again as bob@example.com" in said for said in purged] == [True, True]
    assert ["nobody has the address robert@example.com any more" in said for said in lost] == [True, True]
    done = types(f"directory purge {held['carol']}")
    assert ["nobody is held back under this name" in said for said in done] == [False, True]


def as_before(stage: Stage) -> None:
    """Have the store as a server left it that stored everything under addresses and forgot who was removed."""
    owners = {one.id: one for one in stage.ground.tables.people.owners.everybody()}
    records = {}
    for (kind, key), record in stage.store.kept.items():
        owner = owners.get(OwnerId(key))
        if (kind, key) == ("directory", "owners") or (kind == "person" and owner is not None and owner.is_held):
            continue
        value, name = record.value, key if owner is None else owner.aor
        if kind in ("person", "contacts", "board", "conference"):
            fields = json.loads(value)
            for new in ("since", "former", "owners", "owner", "meant", "asleep", "home"):
                fields.pop(new, None)
            if kind == "person":
                hash_ = base64.b64decode(fields["nt_hash"]).rpartition(b"|")[2]
                fields["nt_hash"] = base64.b64encode(f"person:{name}|".encode() + hash_).decode()
            value = json.dumps(fields).encode()
        if kind == "secret":
            value = f"secret:{name}|".encode() + value.rpartition(b"|")[2]
        records[kind, name] = replace(record, key=name, value=value)
    stage.store.kept = records


def test_a_policy_is_of_who_had_the_address_when_it_was_written() -> None:
    """It follows a new address, and is not what a newcomer finds."""
    policies = {"board": {"members": [BOB], "meeting_size": 7}}
    with Stage.opened(directory={"removal_share": 1.0}, policies=policies) as stage:
        of = stage.ground.tables.policies.policy_of
        assert of(Aor(BOB)).meeting_size == 7
        renames(stage, "bob", "robert")
        hires(stage, "bob")
        stage.pulls()
        assert (of(Aor(ROBERT)).meeting_size, of(Aor(BOB)).meeting_size == 7) == (7, False)
        stage.stop()
        stage.start()
        of = stage.ground.tables.policies.policy_of
        assert (of(Aor(ROBERT)).meeting_size, of(Aor(BOB)).meeting_size == 7) == (7, False)


def test_records_are_found_of_who_took_part(stage: Stage) -> None:
    """A talk and a meeting of Bob's, who is Robert now, while somebody else is Bob."""
    alice, bob = stage.sign_in("alice", "bob")
    alice.talks_to(bob)[0].hangs_up()
    focus = bob.meets().focus
    alice.joins(focus)
    stage.passes(60)
    renames(stage, "bob", "robert")
    hires(stage, "bob")
    stage.pulls()
    (other,) = come_in(stage, "bob")
    alice.talks_to(other)[0].hangs_up()
    robert = comes_as(stage, "bob", "robert")
    talk, _ = alice.talks_to(robert)
    stage.passes(60)
    assert [row[2] for row in stage.shell("cdr robert@example.com").rows] == ["session", "conference", "session"]
    assert [row[2] for row in stage.shell("cdr bob@example.com").rows] == ["session"]
    assert len(stage.shell("cdr bob@example.com --as-written").rows) == 3
    assert [len(stage.shell(f"sessions {user}@example.com --past 10").rows) for user in ("robert", "bob")] == [2, 1]
    assert [len(stage.shell(f"sessions {user}@example.com").rows) for user in ("robert", "bob")] == [1, 0]
    assert [len(stage.shell(f"conferences --all --of {user}@example.com").rows) for user in ("robert", "bob")] == [1, 0]
    talk.hangs_up()
