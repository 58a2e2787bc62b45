"""An operator says something to whoever is signed in, and hears at how many devices it arrived."""

import base64

import pytest

from lyncpy.contracts.directory import Group
from lyncpy.contracts.names import Aor
from lyncpy.contracts.workload import CommandFailed, OperatorRole
from lyncpy.sip.message import response_to
from lyncpy.workloads.im.announcer import ANSWER_S
from lyncpy.workloads.im.announcing import TEXT_BYTES, WITHIN_S
from tests.kit.actors import Actor
from tests.kit.shell import author
from tests.kit.stage import Stage

NOON = "The server restarts at noon – save your work"


def heard(actor: Actor) -> list[tuple[str, str, bool]]:
    """Give who said what to a device, and whether the session is over."""
    return [(one.peer, text.words, one.is_over) for one in actor.talks for text in one.texts]


def test_everybody_who_is_signed_in_gets_it(stage: Stage) -> None:
    """On each of their devices, in a session of the server's own that ends at once."""
    alice, phone, bob = stage.sign_in("alice", "alice", "bob")
    table = stage.shell(f'announce all "{NOON}"')
    assert table.counts == {"people": 2, "devices": 3, "got": 3, "rang": 0, "failed": 0}
    for actor in (alice, phone, bob):
        assert heard(actor) == [("sip:announcement@example.com", NOON, True)]
    invite = bob.talks[0].invite
    assert (invite.headers.get("From") or "").startswith('"Announcement" <')
    told = (invite.headers.get("ms-text-format") or "").partition("ms-body=")[2]
    assert base64.b64decode(told).decode() == NOON


def test_a_client_that_shows_it_with_the_invitation_is_not_told_twice(stage: Stage) -> None:
    """It says so in its answer."""
    (alice,) = stage.sign_in("alice")
    fields = [("Supported", "ms-text-format"), ("Contact", f"<{alice.sip.gruu}>")]
    alice.sip.answers["INVITE"] = lambda request: response_to(request, 200, to_tag="t", headers=fields)
    assert stage.shell('announce all "hi"').counts["got"] == 1
    assert not heard(alice)


def test_a_group_or_one_person_gets_it_alone(stage: Stage) -> None:
    """Members who are not signed in are told nothing, and nobody waits for them."""
    stage.directory.groups = [
        Group("g1", "Team", Aor("sip:team@example.com"), frozenset({"key-alice", "key-carol"}), "cn=team")
    ]
    stage.shell("directory pull")
    alice, bob = stage.sign_in("alice", "bob")
    assert stage.shell('announce Team "for the team"').counts["people"] == 1
    assert stage.shell('announce bob@example.com "for you"').counts["people"] == 1
    assert [words for _, words, _ in heard(alice)] == ["for the team"]
    assert [words for _, words, _ in heard(bob)] == ["for you"]


def test_whoever_does_not_get_it_is_named(stage: Stage) -> None:
    """One lets it ring, one declines; they are no success, and no reason to wait for ever."""
    alice, bob, carol = stage.sign_in("alice", "bob", "carol")
    bob.lets_it_ring()
    carol.declines(480)
    rows: list[tuple[object, ...]] = []
    table = stage.shell_of_all('announce all "hi"', ANSWER_S + 1)
    rows = [(row[0], *row[2:]) for row in table.rows]
    assert rows == [("carol@example.com", "failed", 480), ("bob@example.com", "rang", 408)]
    assert table.note == "1 of 3 people at this server got it, at 1 of 3 devices; 1 showed it, and nobody took it"
    assert bob.talks[0].is_cancelled
    assert heard(alice)


def test_a_reply_to_it_reaches_nobody(stage: Stage) -> None:
    """The address is no person's: who writes to it is told that nobody has it."""
    (alice,) = stage.sign_in("alice")
    stage.shell('announce all "hi"')
    assert alice.pages("sip:announcement@example.com", "who are you?").status == 404


def test_devices_are_told_at_a_pace(stage: Stage) -> None:
    """So many in a second; the rest waits, and who asks sees how far it is."""
    with Stage.opened(im={"announced_per_s": 10.0}) as slow:
        actors = slow.sign_in("alice", "bob", "carol")
        running = slow.unit("admin").shell.run_line('announce all "hi"', author(OperatorRole.OPERATOR), None)
        slow.settle()
        assert sum(map(len, map(heard, actors))) == 1
        slow.passes(1)
        assert sum(map(len, map(heard, actors))) == 3
        assert running.reply.called


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('announce all ""', "nothing to say"),
        (f'announce all "{"x" * (TEXT_BYTES + 1)}"', "bytes, and 1500 fit"),
        ('announce nobody@example.com "hi"', "nobody is known"),
        ('announce bob@example.com "hi"', "has no device that is signed in"),
        ('announce Nowhere "hi"', 'there is no group "Nowhere"'),
    ],
)
def test_what_does_not_fit_is_refused(stage: Stage, line: str, said: str) -> None:
    """With the reason, before anybody is told."""
    (alice,) = stage.sign_in("alice")
    with pytest.raises(CommandFailed, match=said):
        stage.shell(line)
    assert not heard(alice)


def test_more_devices_than_there_is_time_for_are_refused() -> None:
    """And so is the address of somebody who exists."""
    with Stage.opened(im={"announced_per_s": 1.0, "announcer": "alice"}) as stage:
        stage.sign_in("alice")
        with pytest.raises(CommandFailed, match=r"name another one in \[im\] announcer"):
            stage.shell('announce all "hi"')
    assert WITHIN_S < 300, "a command may take no longer ([admin] command_s)"
