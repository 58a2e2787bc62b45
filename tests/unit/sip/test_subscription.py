"""A notifier's subscription: granted, told, extended, ended; each once."""

from collections.abc import Sequence

import pytest

from lyncpy.sip.errors import RemoteProtocolError
from lyncpy.sip.message import Headers, Request
from lyncpy.sip.subscription import (
    Document,
    Effect,
    Grant,
    SendNotify,
    SubscriptionEnded,
    SubscriptionEndReason,
    SubscriptionMachine,
    SubscriptionState,
    SubscriptionTerms,
    TooBrief,
    granted_s,
)

TERMS = SubscriptionTerms(default_s=28_800, minimum_s=300, maximum_s=43_200)
FIRST = Document("application/msrtc-event-categories+xml", b"<first/>")
SECOND = Document("application/msrtc-event-categories+xml", b"<second/>")
LYNC = ("com.microsoft.autoextend", "ms-benotify", "ms-piggyback-first-notify")


def subscribe(*supported: str, number: int = 1, expires: int | None = None, to_tag: str = "") -> Request:
    """Alice's SUBSCRIBE, as the real client writes it."""
    return Request(
        "SUBSCRIBE",
        "sip:alice@example.com",
        Headers(
            [
                ("From", "<sip:alice@example.com>;tag=a;epid=01"),
                ("To", "<sip:alice@example.com>" + (f";tag={to_tag}" if to_tag else "")),
                ("Call-ID", "c1"),
                ("CSeq", f"{number} SUBSCRIBE"),
                ("Event", "presence;id=7"),
                ("Contact", "<sip:alice@10.0.0.1:4000>"),
                *(("Supported", word) for word in supported),
                *([("Expires", str(expires))] if expires is not None else []),
            ]
        ),
    )


def begun(*supported: str, expires: int | None = None, document: Document | None = FIRST) -> SubscriptionMachine:
    """A subscription that began at 0."""
    request = subscribe(*supported, expires=expires)
    machine = SubscriptionMachine(request, "s", "", ())
    machine.subscribe(request, TERMS, document, 0.0)
    return machine


def granted(effects: Sequence[Effect]) -> Grant:
    """The one answer to the SUBSCRIBE; always the first effect."""
    assert isinstance(effects[0], Grant)
    assert not any(isinstance(effect, Grant) for effect in effects[1:])
    return effects[0]


def sent(effects: Sequence[Effect]) -> Request:
    """The one notification."""
    [found] = [effect for effect in effects if isinstance(effect, SendNotify)]
    return found.request


def test_the_first_notification_rides_in_the_answer() -> None:
    """A Lync client gets the whole state in the 200, under the number it uses up."""
    request = subscribe(*LYNC)
    machine = SubscriptionMachine(request, "s", "", ())
    effects = machine.subscribe(request, TERMS, FIRST, 0.0)
    assert effects == (
        Grant(
            (
                ("Event", "presence;id=7"),
                ("Expires", "28800"),
                ("subscription-state", "active;expires=28800"),
                ("Supported", "ms-benotify"),
                ("Supported", "ms-piggyback-first-notify"),
                ("Supported", "com.microsoft.autoextend"),
                ("ms-piggyback-cseq", "1"),
            ),
            FIRST,
        ),
    )
    assert (machine.state, machine.deadline()) == (SubscriptionState.ACTIVE, 28_800)


def test_later_ones_are_best_effort_notifications_in_the_dialog() -> None:
    """BENOTIFY with the next number, from our tag to the client's, to its contact."""
    machine = begun(*LYNC)
    request = sent(machine.notify(SECOND, 10.0))
    assert (request.method, request.uri, request.body) == ("BENOTIFY", "sip:alice@10.0.0.1:4000", b"<second/>")
    assert list(request.headers) == [
        ("Max-Forwards", "70"),
        ("From", "<sip:alice@example.com>;tag=s"),
        ("To", "<sip:alice@example.com>;tag=a;epid=01"),
        ("Call-ID", "c1"),
        ("CSeq", "2 BENOTIFY"),
        ("Event", "presence;id=7"),
        ("subscription-state", "active;expires=28800"),
        ("Content-Type", "application/msrtc-event-categories+xml"),
    ]


def test_what_changes_from_one_notification_to_the_next_is_written_anew() -> None:
    """The number, the time that is left, the kind of document and our contact are right each time."""
    request = subscribe("ms-benotify")
    machine = SubscriptionMachine(request, "s", "<sip:server>", ())
    machine.subscribe(request, TERMS, None, 0.0)
    said = [
        sent(machine.notify(document, at)).headers
        for document, at in ((FIRST, 1.0), (FIRST, 1.0), (Document("text/plain", b"x"), 1.0), (FIRST, 3.0))
    ]
    assert [headers.get("CSeq") for headers in said] == [f"{number} BENOTIFY" for number in (1, 2, 3, 4)]
    assert [headers.get("Content-Type") for headers in said] == [
        FIRST.content_type,
        FIRST.content_type,
        "text/plain",
        FIRST.content_type,
    ]
    assert [headers.get("subscription-state") for headers in said] == [
        f"active;expires={left}" for left in (28799, 28799, 28799, 28797)
    ]
    assert {headers.get_all("Contact") for headers in said} == {("<sip:server>",)}


def test_a_standard_client_gets_an_empty_answer_and_a_notify() -> None:
    """Whoever offers no extension is served by RFC 6665 alone."""
    request = subscribe(expires=600)
    machine = SubscriptionMachine(request, "s", "", ())
    effects = machine.subscribe(request, TERMS, FIRST, 0.0)
    assert granted(effects) == Grant(
        (("Event", "presence;id=7"), ("Expires", "600"), ("subscription-state", "active;expires=600"))
    )
    notification = sent(effects)
    assert (notification.headers.get("CSeq"), notification.body) == ("1 NOTIFY", b"<first/>")


def test_nothing_to_say_is_nothing_said() -> None:
    """Without a document the answer is empty and no number is used up."""
    request = subscribe(*LYNC)
    machine = SubscriptionMachine(request, "s", "", ())
    [grant] = machine.subscribe(request, TERMS, None, 0.0)
    assert isinstance(grant, Grant)
    assert grant.body is None
    assert "ms-piggyback-cseq" not in dict(grant.headers)
    assert sent(machine.notify(FIRST, 1.0)).cseq.number == 1


def test_autoextend_restarts_the_time_at_each_notification() -> None:
    """A client that hears something need not refresh."""
    machine = begun(*LYNC, expires=600)
    machine.notify(SECOND, 500.0)
    assert (machine.deadline(), machine.remaining_s(500.0)) == (1100.0, 600)
    assert machine.expire(600.0) == ()


def test_without_autoextend_the_time_runs_on() -> None:
    """A notification says how much is left."""
    machine = begun("ms-benotify", expires=600)
    notification = sent(machine.notify(SECOND, 500.5))
    assert notification.headers.get("subscription-state") == "active;expires=100"
    assert machine.deadline() == 600.0


def test_time_ends_it_and_the_client_is_told() -> None:
    """At its end, not before, the last notification says that it is over."""
    machine = begun(*LYNC, expires=600)
    assert machine.expire(599.9) == ()
    effects = machine.expire(600.0)
    assert sent(effects).headers.get("subscription-state") == "terminated;reason=timeout;expires=0"
    assert effects[-1] == SubscriptionEnded(SubscriptionEndReason.EXPIRED)
    assert (machine.deadline(), machine.remaining_s(600.0)) == (None, 0)


def test_a_refresh_prolongs_it_and_tells_all_again() -> None:
    """The refresh is answered like the first SUBSCRIBE, with the next number of the dialog."""
    machine = begun(*LYNC, expires=600)
    effects = machine.subscribe(subscribe(*LYNC, number=2, expires=600, to_tag="s"), TERMS, SECOND, 400.0)
    grant = granted(effects)
    assert (dict(grant.headers)["ms-piggyback-cseq"], grant.body) == ("2", SECOND)
    assert machine.deadline() == 1000.0


def test_a_refresh_out_of_order_changes_nothing() -> None:
    """An old SUBSCRIBE gets 500 and the subscription goes on."""
    machine = begun(*LYNC)
    machine.subscribe(subscribe(*LYNC, number=5, to_tag="s"), TERMS, None, 1.0)
    with pytest.raises(RemoteProtocolError) as caught:
        machine.subscribe(subscribe(*LYNC, number=4, expires=0, to_tag="s"), TERMS, None, 2.0)
    assert (caught.value.status, machine.state) == (500, SubscriptionState.ACTIVE)


def test_expires_zero_ends_it() -> None:
    """The client that leaves is answered and forgotten; its last SUBSCRIBE need not name its extensions."""
    machine = begun(*LYNC)
    effects = machine.subscribe(subscribe(number=2, expires=0, to_tag="s"), TERMS, FIRST, 5.0)
    grant = granted(effects)
    assert dict(grant.headers)["subscription-state"] == "terminated;expires=0"
    assert (dict(grant.headers)["Expires"], grant.body) == ("0", FIRST)
    assert effects[1:] == (SubscriptionEnded(SubscriptionEndReason.UNSUBSCRIBED),)
    with pytest.raises(RemoteProtocolError) as caught:
        machine.subscribe(subscribe(number=3, to_tag="s"), TERMS, None, 6.0)
    assert caught.value.status == 481


@pytest.mark.parametrize(("expires", "terms"), [(0, TERMS), (None, SubscriptionTerms(600, 300, 900, once=True))])
def test_a_poll_is_answered_and_forgotten(expires: int | None, terms: SubscriptionTerms) -> None:
    """Expires 0, or a notifier that never keeps anything: one snapshot."""
    request = subscribe(*LYNC, expires=expires)
    machine = SubscriptionMachine(request, "s", "", ())
    effects = machine.subscribe(request, terms, FIRST, 0.0)
    assert granted(effects).body == FIRST
    assert effects[-1] == SubscriptionEnded(SubscriptionEndReason.POLLED)
    assert machine.deadline() is None


def test_a_poll_of_a_standard_client_is_notified() -> None:
    """RFC 6665 §4.4.3: the snapshot comes as a NOTIFY that is also the last."""
    request = subscribe(expires=0)
    effects = SubscriptionMachine(request, "s", "", ()).subscribe(request, TERMS, FIRST, 0.0)
    assert sent(effects).headers.get("subscription-state") == "terminated;expires=0"
    assert [type(effect) for effect in effects] == [Grant, SendNotify, SubscriptionEnded]


def test_the_notifier_may_end_it() -> None:
    """The client is told that it may subscribe anew; afterwards nothing is said."""
    machine = begun(*LYNC)
    effects = machine.terminate()
    last = sent(effects)
    assert last.headers.get("subscription-state") == "terminated;reason=deactivated;expires=0"
    assert last.body == b""
    assert effects[-1] == SubscriptionEnded(SubscriptionEndReason.DEACTIVATED)
    assert machine.notify(SECOND, 1.0) == ()
    assert machine.terminate() == ()


def test_a_lost_connection_ends_it_in_silence() -> None:
    """Nobody is there to be told."""
    assert begun(*LYNC).lost() == (SubscriptionEnded(SubscriptionEndReason.CONNECTION_LOST),)


@pytest.mark.parametrize(("status", "ends"), [(200, False), (500, False), (408, True), (430, True), (481, True)])
def test_a_refused_notify_ends_it_when_the_client_has_forgotten_it(status: int, ends: bool) -> None:
    """481 says that nobody listens there; a passing failure does not."""
    machine = begun()
    assert machine.answered(status) == ((SubscriptionEnded(SubscriptionEndReason.REFUSED),) if ends else ())


@pytest.mark.parametrize(
    ("asked", "seconds"), [(None, 28_800), (0, 0), (300, 300), (3600, 3600), (43_200, 43_200), (99_999, 43_200)]
)
def test_what_is_granted_is_never_longer_than_what_was_asked(asked: int | None, seconds: int) -> None:
    """The notifier chooses when nothing is asked, and caps what is."""
    assert granted_s(asked, TERMS) == seconds


def test_too_brief_a_time_is_refused_with_the_minimum() -> None:
    """423 tells the client what would be long enough."""
    with pytest.raises(TooBrief) as caught:
        granted_s(299, TERMS)
    assert (caught.value.status, caught.value.minimum_s) == (423, 300)
