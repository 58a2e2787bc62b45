"""Every kind of message that the server sends, against what is recorded of Microsoft's.

Every device of every play compares what it hears with the recorded messages of that kind
(`tests.kit.shapes`), so a header that is missing anywhere fails the play in which it is. Here all kinds are
heard in one play, and devices that share a name meet.
"""

import pytest

from lyncpy.sip.message import Headers, Response
from tests.kit.actors import DELEGATES_TYPE, SELF
from tests.kit.shapes import lacks, names_of, shapes
from tests.kit.sip_client import SipClient
from tests.kit.stage import Stage

GONE = ("Via", "Server", "ms-diagnostics")


def test_every_recorded_kind_of_message_is_sent(stage: Stage) -> None:
    """A sign-in, presence, contacts, a conference and a forced sign-out: nothing lacks what recorded messages have."""
    alice, bob = stage.sign_in("alice", "bob")
    bob.watches(alice)
    alice.adds(bob.aor)
    alice.publishes(6500)
    stage.passes(1)
    first = alice.meets()
    second = bob.seat(first.focus)
    for seat in (first, second):
        seat.joins()
        seat.watches()
        seat.joins_chat()
    first.says("hello")
    stage.passes(1)
    assert bob.sip.service("application/unheard-of", b"x").status == 415
    stage.command("signout", target="bob@example.com")
    stage.passes(5)
    assert alice.sip.shapes | bob.sip.shapes == set(shapes())


def test_a_message_that_lacks_something_is_found() -> None:
    """The comparison sees a header and a parameter that are not there."""
    via = "SIP/2.0/TLS 10.0.0.1;received=10.0.0.1;ms-received-port=1;ms-received-cid=100"
    fields = [
        ("Via", via),
        ("From", "<sip:a@b>;tag=1"),
        ("To", "<sip:a@b>;tag=2"),
        ("Call-ID", "c"),
        ("CSeq", "1 SERVICE"),
    ]
    fields += [("Server", "RTC/5.0"), ("ms-diagnostics", '61409;reason="x";source="fe1"')]
    whole = Response(409, "Conflict", Headers(fields))
    assert names_of(whole, signed=False) == ("answer", "explained")
    assert not lacks(whole, signed=False)
    assert lacks(whole, signed=True) == {
        ("authentication-info", param)
        for param in ("", "rspauth", "srand", "snum", "opaque", "qop", "targetname", "realm", "version")
    }
    for name in GONE:
        assert (name.lower(), "") in lacks(whole.edited(drop=[name]), signed=False)
    assert lacks(whole.edited(put=[("Via", via.partition(";ms-received-cid")[0])]), signed=False) == {
        ("via", "ms-received-cid")
    }
    assert lacks(whole.edited(put=[("ms-diagnostics", "61409")]), signed=False) == {
        ("ms-diagnostics", "reason"),
        ("ms-diagnostics", "source"),
    }


# --- two devices with one name


def _same_device(stage: Stage) -> tuple[SipClient, SipClient]:
    """Give two clients of Alice on one machine, which derive the same name from it; the first is signed in."""
    (first,) = stage.sign_in("alice")
    second = stage.actor("alice")
    second.sip.epid, second.sip.instance = first.sip.epid, first.sip.instance  # type: ignore[misc]  # two that are one
    return first.sip, second.sip


def test_the_second_client_of_one_machine_tells_the_first_to_leave(stage: Stage) -> None:
    """The first hears why in the dialog of its own REGISTER, is left alone, and the second stays."""
    first, second = _same_device(stage)
    registered = first.registered
    assert second.register().status == 200
    stage.passes(1)
    (notice,) = [one for one in first.heard if one.event == "registration-notify"]
    assert (notice.method, notice.uri) == ("NOTIFY", registered)
    assert notice.call_id == first.registering_call_id
    assert notice.to.tag
    assert notice.body == b"deregistered;event=unregistered"
    assert first.is_connected
    stage.passes(10)
    assert not first.is_connected
    assert second.is_connected
    assert [one for one in second.heard if one.event == "registration-notify"] == []


def test_a_device_that_signs_in_again_hears_of_everything_under_its_new_contact(stage: Stage) -> None:
    """After a new REGISTER over the same connection, notifications of older subscriptions go to the new Contact."""
    (alice,) = stage.sign_in("alice")
    before = alice.sip.registered
    alice.sip.opaque = "newer"
    assert alice.sip.register().status == 200
    assert alice.sip.registered != before
    alice.publishes(6500)
    stage.passes(1)
    heard = [one for one in alice.sip.heard if one.event == SELF]
    assert heard[-1].uri == alice.sip.registered
    assert "ms-opaque=newer" in heard[-1].uri


# --- what a client of Lync asks of itself


@pytest.mark.parametrize(
    "element",
    [
        '<roamingEx xmlns="http://schemas.microsoft.com/2007/09/sip/roaming-self-ex" type="delegates"/>',
        '<roamingEx type="delegates"/>',
        '<roaming type="delegates"/>',
    ],
)
def test_a_client_is_told_who_acts_for_its_user(stage: Stage, element: str) -> None:
    """At once, and when it changes, however it asks."""
    (alice,) = stage.sign_in("alice")
    body = (
        '<roamingList xmlns="http://schemas.microsoft.com/2006/09/sip/roaming-self"><roaming type="categories"/>'
        f"{element}</roamingList>"
    )
    (phone,) = stage.sign_in("alice")
    exchange = phone.sip.subscribe(SELF, body.encode(), "application/vnd-microsoft-roaming-self+xml")
    stage.passes(0.1)
    assert b"<delegates " in exchange.answer.body
    changed = '<setDelegates version="0"><delegate uri="sip:bob@example.com" action="add"/></setDelegates>'
    assert alice.sip.service(DELEGATES_TYPE, changed.encode()).status == 200
    stage.passes(1)
    told = [one.body for one in phone.sip.heard if one.event == SELF and b"<delegates " in one.body]
    assert b"bob@example.com" in told[-1]


def test_compression_is_refused_before_sign_in_and_sign_in_goes_on(stage: Stage) -> None:
    """A client asks for it as soon as it is connected."""
    alice = stage.actor("alice")
    asked = alice.sip.ask(alice.sip.request("NEGOTIATE", "sip:example.com"), signed=False)
    assert asked.status == 488
    assert "WWW-Authenticate" not in asked.answer.headers
    assert alice.sip.register().status == 200
