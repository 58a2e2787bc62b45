"""Transactions between servers: what is sent when, over datagrams and over streams."""

import pytest

from lyncpy.sip.peer_transaction import PeerClient, PeerServer, PeerState
from lyncpy.sip.transaction import TransactionEffect as Effect


def client(*, invites: bool = True, reliable: bool = False) -> PeerClient:
    """A request sent at 100, which has 32 seconds, and may ring for 60."""
    return PeerClient(100.0, invites=invites, reliable=reliable, answer_s=32.0, ringing_s=60.0)


def server(*, invites: bool = True, reliable: bool = False) -> PeerServer:
    """A request that has come."""
    return PeerServer(invites=invites, reliable=reliable)


def lived(machine: PeerClient | PeerServer, until: float = 10_000.0) -> list[tuple[float, Effect]]:
    """Let time pass; give what was done when."""
    done: list[tuple[float, Effect]] = []
    while (at := machine.deadline()) is not None and at <= until:
        done += [(at, effect) for effect in machine.expire(at)]
    return done


def resent(done: list[tuple[float, Effect]]) -> list[float]:
    """Give when something was sent again."""
    return [at for at, effect in done if effect is Effect.RESEND]


def test_an_invite_that_nobody_hears_is_sent_again_at_doubled_distances() -> None:
    """Timer A, until timer B."""
    done = lived(client())
    assert resent(done) == [100.5, 101.5, 103.5, 107.5, 115.5, 131.5]
    assert done[-2:] == [(132.0, Effect.TIMEOUT), (132.0, Effect.END)]


def test_any_other_request_is_sent_again_at_four_seconds_at_most() -> None:
    """Timer E; once something was heard, every four seconds; timer F ends it."""
    done = lived(client(invites=False))
    assert resent(done)[:5] == [100.5, 101.5, 103.5, 107.5, 111.5]
    assert done[-2:] == [(132.0, Effect.TIMEOUT), (132.0, Effect.END)]
    asked = client(invites=False)
    assert asked.receive(100, 100.1) == (Effect.TELL,)
    assert resent(lived(asked))[:3] == [100.5, 104.5, 108.5]


@pytest.mark.parametrize("invites", [True, False])
def test_on_a_stream_nothing_is_sent_twice(invites: bool) -> None:
    """It may only be overdue."""
    asked = client(invites=invites, reliable=True)
    assert asked.receive(180, 101.0) == (Effect.TELL,)
    assert resent(lived(asked)) == []
    assert asked.state is PeerState.ENDED


def test_what_rings_is_not_sent_again_and_is_cancelled_when_it_rings_for_too_long() -> None:
    """Timer C: the user is told, whoever rings gets CANCEL, and a late acceptance is known as one."""
    asked = client()
    assert asked.receive(180, 101.0) == (Effect.TELL,)
    assert asked.receive(183, 102.0) == (Effect.TELL,)
    assert lived(asked, 161.0) == [(161.0, Effect.TIMEOUT), (161.0, Effect.CANCEL)]
    assert asked.receive(180, 161.5) == ()
    assert asked.receive(200, 162.0) == (Effect.TELL_LATE,)
    late = client()
    _ = late.receive(180, 101.0), lived(late, 161.0)
    assert late.receive(487, 162.0) == (Effect.ACKNOWLEDGE,)
    never = client()
    _ = never.receive(180, 101.0), lived(never, 161.0)
    assert lived(never) == [(193.0, Effect.END)]


def test_a_refusal_is_acknowledged_each_time_that_it_comes() -> None:
    """Timer D; on a stream it comes once."""
    asked = client()
    assert asked.receive(486, 101.0) == (Effect.ACKNOWLEDGE, Effect.TELL)
    assert asked.receive(486, 101.5) == (Effect.ACKNOWLEDGE,)
    assert asked.receive(180, 101.5) == ()
    assert lived(asked) == [(133.0, Effect.END)]
    stream = client(reliable=True)
    assert stream.receive(486, 101.0) == (Effect.ACKNOWLEDGE, Effect.TELL, Effect.END)
    assert stream.receive(486, 101.5) == ()


def test_an_acceptance_that_comes_again_is_told_as_such() -> None:
    """Its ACK was lost, or another branch has accepted: whoever has the dialogs knows."""
    asked = client()
    assert asked.receive(200, 101.0) == (Effect.TELL,)
    assert asked.receive(200, 101.5) == (Effect.TELL_LATE,)
    assert asked.receive(486, 101.5) == ()
    assert lived(asked) == [(133.0, Effect.END)]
    other = client(invites=False)
    assert other.receive(200, 101.0) == (Effect.TELL,)
    assert other.receive(200, 101.5) == ()
    assert lived(other) == [(106.0, Effect.END)]


def test_a_call_is_cancelled_as_soon_as_something_was_heard() -> None:
    """RFC 3261 §9.1; a 487 ends it, or patience."""
    asked = client()
    assert asked.cancel(100.1) == ()
    assert resent(lived(asked, 100.6)) == [100.5]
    assert asked.receive(100, 101.0) == (Effect.CANCEL,)
    assert asked.receive(180, 101.2) == ()
    assert asked.cancel(101.3) == ()
    assert asked.receive(487, 101.5) == (Effect.ACKNOWLEDGE, Effect.TELL)
    rings = client()
    _ = rings.receive(180, 101.0)
    assert rings.cancel(102.0) == (Effect.CANCEL,)
    assert lived(rings) == [(134.0, Effect.TIMEOUT), (134.0, Effect.END)]
    assert rings.cancel(140.0) == ()
    assert client(invites=False).cancel(101.0) == ()


def test_time_that_has_not_come_does_nothing() -> None:
    """Whoever looks too early, or at what has ended."""
    asked = client(reliable=True)
    assert asked.expire(100.2) == ()
    assert client().expire(100.2) == ()
    _ = lived(asked)
    assert asked.deadline() is None
    assert asked.expire(900.0) == ()


def test_a_refusal_of_ours_is_sent_until_it_is_acknowledged() -> None:
    """Timer G, at most timer H; then timer I."""
    asked = server()
    assert asked.repeat() == ()
    assert asked.respond(180, 100.0) == (Effect.SEND,)
    assert asked.repeat() == (Effect.RESEND,)
    assert asked.respond(486, 101.0) == (Effect.SEND,)
    assert asked.respond(200, 101.0) == ()
    assert resent(lived(asked, 107.0)) == [101.5, 102.5, 104.5]
    assert asked.repeat() == (Effect.RESEND,)
    assert asked.acknowledge(107.5) == ()
    assert asked.repeat() == ()
    assert lived(asked) == [(112.5, Effect.END)]
    silent = server()
    _ = silent.respond(486, 101.0)
    assert lived(silent)[-1] == (133.0, Effect.END)
    stream = server(reliable=True)
    assert stream.respond(486, 101.0) == (Effect.SEND,)
    assert stream.acknowledge(101.1) == (Effect.END,)


@pytest.mark.parametrize("reliable", [True, False])
def test_an_acceptance_of_ours_is_sent_until_it_is_acknowledged(reliable: bool) -> None:
    """Over streams, too; whose call nobody acknowledges is told so."""
    asked = server(reliable=reliable)
    assert asked.respond(200, 100.0) == (Effect.SEND,)
    assert resent(lived(asked, 104.0)) == [100.5, 101.5, 103.5]
    assert asked.repeat() == ()
    assert asked.acknowledge(104.0) == ()
    assert lived(asked) == [(132.0, Effect.END)]
    silent = server(reliable=reliable)
    _ = silent.respond(200, 100.0)
    assert lived(silent)[-2:] == [(132.0, Effect.TIMEOUT), (132.0, Effect.END)]


def test_any_other_answer_of_ours_is_sent_when_the_request_comes_again() -> None:
    """Timer J; on a stream it does not."""
    asked = server(invites=False)
    assert asked.respond(200, 100.0) == (Effect.SEND,)
    assert asked.repeat() == (Effect.RESEND,)
    assert asked.acknowledge(100.0) == ()
    assert lived(asked) == [(132.0, Effect.END)]
    assert server(invites=False, reliable=True).respond(200, 100.0) == (Effect.SEND, Effect.END)
