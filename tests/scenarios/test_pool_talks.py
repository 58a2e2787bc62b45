"""Talks of two whose server is lost go on, or are refused so that clients begin anew, by whichever server somebody comes back."""

from collections.abc import Iterator
from functools import partial

import pytest

from lyncpy.sip.message import response_to
from tests.kit.actors import Actor
from tests.kit.pool import Pool
from tests.kit.stage import Stage
from tests.kit.talks import Talk

KNOWN_DEAD_S = 10.0
BEFORE_IT_IS_KNOWN_S = 1.0


@pytest.fixture
def pool() -> Iterator[Pool]:
    """Three servers that run."""
    with Pool.opened(3) as pool:
        yield pool


def talk_over(pool: Pool) -> tuple[Actor, Actor, Talk, Talk]:
    """Alice at the first server has called Bob at the second, and both have said something; give them, and what each sees of it."""
    (alice,), (bob,) = pool.servers[0].sign_in("alice"), pool.servers[1].sign_in("bob")
    mine, theirs = alice.talks_to(bob)
    assert mine.says("hello").status == 200
    assert theirs.says("hello yourself").status == 200
    pool.passes(2)  # the counts are written down
    return alice, bob, mine, theirs


def comes_to(server: Stage, lost: Actor, talk: Talk) -> Actor:
    """Have a device come to another server, where it goes on in the dialog that it has."""
    back = server.actor(lost.sip.user, epid=lost.sip.epid)
    back.signs_in()
    back.talks.append(talk)
    talk.client = back.sip
    return back


def test_who_called_goes_on_from_a_third_server(pool: Pool) -> None:
    """In the same dialog, both ways, with one record to the end; what was said before it was known is reported."""
    alice, _, mine, theirs = talk_over(pool)
    pool.servers[0].kill()
    pool.passes(BEFORE_IT_IS_KNOWN_S)
    back = comes_to(pool.servers[2], alice, mine)
    doubtful = mine.says("are you there?")
    pool.passes(KNOWN_DEAD_S)
    # The lost server may have seen it, as far as anybody knows: it is reported, and not said twice.
    assert doubtful.status == 504
    assert mine.says("I am back").status == 200
    assert mine.types().status == 200
    assert theirs.says("welcome").status == 200
    assert [text.body for text in theirs.texts] == [b"hello", b"I am back"]
    assert [text.body for text in back.texts] == [b"welcome"]
    assert mine.sends("INVITE", [("Contact", f"<{back.sip.gruu}>"), ("Content-Type", "application/sdp")]).status == 200
    pool.passes(2)
    assert [server.tables()["sessions"] for server in pool.servers[1:]] == [1, 0]
    assert mine.hangs_up().status == 200
    pool.passes(2)
    assert theirs.ended_by is not None
    (record,) = pool.servers[1].sessions()
    assert (record.ended_by, record.end_reason) == ("user1", "bye")
    assert (record.user1_messages, record.user2_messages) == (2, 2)
    assert [server.tables()["sessions"] for server in pool.servers[1:]] == [0, 0]


def test_who_comes_back_later_begins_anew(pool: Pool) -> None:
    """Bob's device was told that she is lost: what she says in the old dialog is refused with 481, and a new talk reaches him."""
    alice, bob, mine, theirs = talk_over(pool)
    usual = dict(bob.sip.answers)
    pool.servers[0].kill()
    pool.passes(KNOWN_DEAD_S)
    assert theirs.ended_by is not None
    back = comes_to(pool.servers[2], alice, mine)
    # What a client says to what is said in a dialog that it does not have.
    bob.sip.answers.update(dict.fromkeys(("MESSAGE", "INFO"), partial(response_to, status=481)))
    for refused in (mine.says("are you there?"), mine.types()):
        assert refused.status == 481
    bob.sip.answers.update(usual)
    # RFC 3261 §15: for who hangs up it is over in any case.
    assert mine.hangs_up().status == 200
    again, heard = back.talks_to(bob)
    assert again.says("there you are").status == 200
    assert [text.body for text in heard.texts] == [b"there you are"]


def test_both_come_back_elsewhere(pool: Pool) -> None:
    """Both were at the lost server, and come to two others: what one says is answered by the other's, whoever speaks first."""
    (alice,), (bob,) = pool.servers[0].sign_in("alice"), pool.servers[0].sign_in("bob")
    mine, theirs = alice.talks_to(bob)
    assert mine.says("hello").status == 200
    pool.servers[0].kill()
    pool.passes(KNOWN_DEAD_S)
    comes_to(pool.servers[1], alice, mine)
    comes_to(pool.servers[2], bob, theirs)
    assert theirs.says("still there?").status == 200
    assert mine.says("yes").status == 200
    assert theirs.says("good").status == 200
    pool.passes(2)
    assert sum(server.tables()["sessions"] for server in pool.servers[1:]) == 1


def test_who_is_called_is_gone_as_well(pool: Pool) -> None:
    """There is nobody to go on with: 481, with its reason, for everything that is said in the dialog."""
    alice, _, mine, theirs = talk_over(pool)
    pool.servers[0].kill()
    pool.passes(BEFORE_IT_IS_KNOWN_S)
    comes_to(pool.servers[2], alice, mine)
    pool.servers[1].kill()
    pool.passes(2 * KNOWN_DEAD_S)
    refused = mine.says("are you there?")
    assert (refused.status, refused.diagnostics) == (481, 1004)
    assert theirs.texts[-1].body == b"hello"
