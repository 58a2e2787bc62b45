"""A call that rings: early dialogs and what happens in them, as Lync's audio, video and sharing make them."""

import pytest

from lyncpy.sip.message import Request
from tests.kit.phones import OFFER, Callee, Caller, ringing
from tests.kit.stage import Stage


def _hears(callee: Callee) -> list[str]:
    return [method for method in callee.methods if method != "PRACK"]


def test_a_call_with_early_media(stage: Stage) -> None:
    """INVITE, 183 with 100rel, PRACK, UPDATE both ways, 180, 200, ACK, and the rest of its life until BYE."""
    caller, (callee,) = ringing(stage)
    assert callee.methods == ["PRACK"]
    assert callee.heard[0].headers.get("RAck") == "1 1 INVITE"
    assert caller.sends("UPDATE", body=OFFER).status == 200
    assert callee.sends("UPDATE", body=OFFER).status == 200
    assert callee.sends("INFO").status == 200
    callee.says(180)
    callee.says(200, body=OFFER)
    assert caller.exchange is not None
    assert caller.exchange.status == 200
    assert [one.cseq.number for one in callee.acks] == [1]
    assert caller.sends("UPDATE", body=OFFER).status == 200
    assert callee.sends("INVITE", body=OFFER).status == 200
    assert caller.sends("INVITE", body=OFFER).status == 200
    assert callee.sends("INFO").status == 200
    assert [one.cseq.method for one in (*callee.acks, *caller.acks)] == ["ACK"] * 3
    assert callee.sends("BYE").status == 200
    assert caller.methods == ["UPDATE", "INFO", "INVITE", "INFO", "BYE"]
    assert callee.methods == ["PRACK", "UPDATE", "UPDATE", "INVITE"]
    assert caller.strays == callee.strays == []
    record = stage.sessions("bob")[-1]
    assert (record.media, record.response_code, record.ended_by, record.end_reason) == ("audio", 200, "user2", "bye")
    assert stage.tables()["sessions"] == 0


@pytest.mark.parametrize("status", [101, 180, 181, 182, 183, 199])
def test_every_provisional_answer_is_passed_on(stage: Stage, status: int) -> None:
    """With the way back: the server's Record-Route and the device's Contact."""
    alice, bob = stage.sign_in("alice", "bob")
    caller, callee = Caller(alice), Callee(bob)
    exchange = caller.calls(bob)
    callee.says(status, [("RSeq", "7"), ("Require", "100rel"), ("X-Kept", "as it came")])
    answer = exchange.provisional[-1]
    assert (answer.status, answer.to.tag) == (status, callee.tag)
    assert answer.headers.get_all("Contact") == (f"<{bob.sip.gruu}>",)
    assert len(answer.headers.get_all("Record-Route")) == 1
    assert (answer.headers.get("RSeq"), answer.headers.get("X-Kept")) == ("7", "as it came")


def test_a_fork_has_an_early_dialog_with_each_device(stage: Stage) -> None:
    """Each device has its own, in both directions; the one that is answered lives, and the other ends."""
    caller, (desk, phone) = ringing(stage, devices=2)
    for device in (desk, phone):
        assert caller.sends("UPDATE", body=OFFER, tag=device.tag).status == 200
        assert caller.sends("INFO", tag=device.tag).status == 200
        assert device.sends("UPDATE", body=OFFER).status == 200
        assert _hears(device) == ["UPDATE", "INFO"]
    assert [one.from_.tag for one in caller.heard] == [desk.tag, phone.tag]
    lost = caller.dialogs[desk.tag]
    phone.says(200, body=OFFER)
    assert (desk.cancels, phone.cancels) == (1, 0)
    late = lost.next_request("UPDATE", [caller.contact])
    assert caller.actor.sip.ask(late).status == 481
    assert caller.sends("INFO").status == 200
    assert phone.sends("BYE").status == 200
    assert desk.strays == []
    assert stage.tables()["sessions"] == 0


def test_a_device_that_rang_and_accepts_late_is_sent_away(stage: Stage) -> None:
    """It did not hear the CANCEL: it gets ACK and BYE in its own dialog, and the call goes on with the other."""
    caller, (desk, phone) = ringing(stage, devices=2)
    desk.is_deaf = True
    phone.says(200, body=OFFER)
    desk.says(200, body=OFFER)
    assert (len(desk.acks), desk.methods[-1], desk.strays) == (1, "BYE", [])
    assert caller.sends("INFO").status == 200
    assert phone.methods[-1] == "INFO"


def test_a_call_may_ring_without_early_media_on_one_device(stage: Stage) -> None:
    """183 with media of one device, and the other's 200 without any 1xx before."""
    (alice,) = stage.sign_in("alice")
    desk, phone = (Callee(bob) for bob in stage.sign_in("bob", "bob"))
    caller = Caller(alice)
    exchange = caller.calls(desk.actor)
    desk.says_reliably(183)
    caller.looks()
    phone.says(200, body=OFFER)
    assert exchange.status == 200
    assert desk.cancels == 1
    assert phone.sends("UPDATE", body=OFFER).status == 200
    assert caller.sends("BYE").status == 200


def test_the_caller_ends_one_early_dialog(stage: Stage) -> None:
    """BYE to one device ends its ringing; the other one rings on, and is answered."""
    caller, (desk, phone) = ringing(stage, devices=2)
    assert caller.sends("BYE", tag=desk.tag).status == 200
    stage.passes(2)
    assert (desk.methods[-1], phone.cancels) == ("BYE", 0)
    assert caller.exchange is not None
    assert caller.exchange.is_pending
    phone.says(200, body=OFFER)
    assert caller.exchange.status == 200
    assert caller.sends("INFO").status == 200


def test_the_caller_ends_the_only_early_dialog(stage: Stage) -> None:
    """The device answers BYE and INVITE; one that knows no early BYE gets CANCEL."""
    caller, (desk,) = ringing(stage)
    assert caller.sends("BYE").status == 200
    stage.passes(2)
    assert caller.exchange is not None
    assert (caller.exchange.status, desk.cancels) == (487, 0)
    assert stage.sessions("bob")[-1].end_reason == "cancelled"


def test_a_device_that_ignores_an_early_bye_is_cancelled(stage: Stage) -> None:
    """It says 200 to the BYE and rings on, as if nothing had happened."""
    caller, (desk,) = ringing(stage)
    desk.is_deaf = False
    desk.dialogs.clear()  # it knows no early dialog: 481 to the BYE
    assert caller.sends("BYE").status == 481
    stage.passes(2)
    assert caller.exchange is not None
    assert (caller.exchange.status, desk.cancels) == (487, 1)


def test_cancel_ends_a_call_that_rings_in_early_dialogs(stage: Stage) -> None:
    """Every device hears it, and nothing of the call is left."""
    caller, callees = ringing(stage, devices=2)
    assert caller.cancels().status == 200
    assert caller.exchange is not None
    assert caller.exchange.status == 487
    assert [callee.cancels for callee in callees] == [1, 1]
    assert stage.tables()["sessions"] == 0


def test_early_dialogs_do_not_end_the_session_when_one_device_refuses(stage: Stage) -> None:
    """The desk is busy after it rang: what is said to the phone still arrives."""
    caller, (desk, phone) = ringing(stage, devices=2)
    desk.says(486)
    assert caller.sends("UPDATE", body=OFFER, tag=phone.tag).status == 200
    phone.says(200, body=OFFER)
    assert caller.sends("BYE").status == 200


def test_a_device_speaks_before_it_has_said_anything_else(stage: Stage) -> None:
    """No provisional answer, but a request in the dialog that its answer will make; it is passed on, and answered."""
    (alice,) = stage.sign_in("alice")
    desk, phone = (Callee(bob) for bob in stage.sign_in("bob", "bob"))
    caller = Caller(alice)
    caller.calls(desk.actor)
    for device in (desk, phone):
        device.says(180)
        caller.looks()
        assert device.sends("MESSAGE", body=b"one moment").status == 200
    phone.says(200, body=OFFER)
    assert stage.sessions("bob")[-1].user2_messages == 2
    phone.sends("BYE")


# --- what contradicts the route that it names


def _confirmed(stage: Stage) -> tuple[Caller, Callee]:
    caller, (callee,) = ringing(stage)
    callee.says(200, body=OFFER)
    return caller, callee


def _with_uri(caller: Caller, uri: str, method: str = "INFO") -> Request:
    dialog = next(iter(caller.dialogs.values()))
    request = dialog.next_request(method, [caller.contact])
    return request.edited(uri=uri)


@pytest.mark.parametrize("is_early", [True, False])
def test_a_request_is_refused_when_its_route_contradicts_its_dialog(stage: Stage, is_early: bool) -> None:
    """Another user, by their address or their device's, at the end of a dialog with Bob; the dialog itself lives on."""
    caller, (callee,) = ringing(stage)
    if not is_early:
        callee.says(200, body=OFFER)
    (carol,) = stage.sign_in("carol")
    before = len(carol.sip.heard)
    for uri in (carol.aor, carol.sip.gruu, f"{carol.aor};opaque=user:epid:Z29uZQAA;gruu"):
        assert caller.actor.sip.ask(_with_uri(caller, uri)).status == 481
    assert len(carol.sip.heard) == before
    assert caller.sends("INFO").status == 200
    assert stage.tables()["sessions"] == 1


def test_a_request_to_a_device_that_has_signed_out_is_refused(stage: Stage) -> None:
    """By its GRUU, and though its user is signed in elsewhere."""
    caller, callee = _confirmed(stage)
    request = _with_uri(caller, callee.actor.sip.gruu)
    stage.sign_in("bob")
    callee.actor.signs_out()
    assert caller.actor.sip.ask(request).status == 481


def test_a_callee_who_hangs_up_before_the_answer_is_heard(stage: Stage) -> None:
    """Its BYE is passed on, and its answer to the INVITE is the answer all the same, as with real clients."""
    caller, (callee,) = ringing(stage)
    assert callee.sends("BYE").status == 200
    assert caller.methods == ["BYE"]
    callee.dialogs.clear()
    callee.says(200, body=OFFER)
    assert caller.exchange is not None
    assert caller.exchange.status == 200
    assert caller.sends("INFO").status == 200


def test_the_device_at_the_other_end_may_be_named_in_any_way(stage: Stage) -> None:
    """By its GRUU, by its user's address, or by where it is: the dialog says which one is meant."""
    caller, callee = _confirmed(stage)
    its_own = f"{callee.actor.aor};opaque=user:epid:Z29uZQAA;gruu"
    for uri in (callee.actor.sip.gruu, callee.actor.aor, "sip:10.0.0.2:5060;transport=tls", its_own):
        assert caller.actor.sip.ask(_with_uri(caller, uri)).status == 200
    assert callee.methods[-4:] == ["INFO"] * 4


def test_a_stranger_has_no_part_in_an_early_dialog(stage: Stage) -> None:
    """Mallory has overheard Call-ID and tags of what rings; they are of no use, in either direction."""
    caller, (callee,) = ringing(stage)
    (mallory,) = stage.sign_in("mallory")
    for phone in (caller, callee):
        dialog = next(iter(phone.dialogs.values()))
        for method in ("PRACK", "UPDATE", "INFO", "BYE", "MESSAGE"):
            stolen = dialog.next_request("INFO", [], b"").edited(put=[("CSeq", f"77 {method}")])
            stolen = Request(method, stolen.uri, stolen.headers)
            as_mallory = (stolen.headers.get("From") or "").replace(phone.actor.aor, mallory.aor)
            assert mallory.sip.ask(stolen.edited(put=[("From", as_mallory)])).status == 481
    assert caller.strays == callee.strays == []
    callee.says(200, body=OFFER)
    assert caller.exchange is not None
    assert caller.exchange.status == 200


# --- what the server has forgotten


@pytest.mark.parametrize("method", ["INFO", "UPDATE", "INVITE", "MESSAGE"])
@pytest.mark.parametrize("by_callee", [True, False])
def test_a_dialog_outlives_the_server(stage: Stage, method: str, by_callee: bool) -> None:
    """The server is killed and started anew. Both clients still hold their call, and go on in it."""
    caller, callee = _confirmed(stage)
    stage.kill()
    stage.start()
    for phone in (caller, callee):
        phone.actor.signs_in()
    first, other = (callee, caller) if by_callee else (caller, callee)
    assert first.sends(method, body=OFFER).status == 200
    assert other.methods[-1] == method
    assert other.sends("MESSAGE", body=b"still there").status == 200
    assert first.sends("BYE").status == 200
    assert other.methods[-1] == "BYE"
    assert caller.strays == callee.strays == []
    assert stage.tables()["sessions"] == 0
    record = stage.sessions("bob")[-1]
    assert (record.response_code, record.end_reason) == (200, "bye")
    assert record.user1_messages + record.user2_messages >= 1


def test_a_forgotten_dialog_is_no_way_around_a_block(stage: Stage) -> None:
    """Bob has blocked Mallory: she hears what she would hear if his device were not there."""
    bob, mallory = stage.sign_in("bob", "mallory")
    bob.allows(mallory, container=32000)
    before = len(bob.sip.heard)
    answers = []
    for uri in (bob.sip.gruu, f"{bob.aor};opaque=user:epid:Z29uZQAA;gruu"):
        made_up = mallory.sip.request("MESSAGE", uri, [("Content-Type", "text/plain")], b"hi")
        made_up = made_up.edited(put=[("To", f"<{bob.aor}>;tag=made-up")])
        answers.append(mallory.sip.ask(made_up).answer)
    assert [answer.status for answer in answers] == [481, 481]
    assert answers[0].headers.get("ms-diagnostics") == answers[1].headers.get("ms-diagnostics")
    assert [one for one in bob.sip.heard[before:] if one.method == "MESSAGE"] == []


@pytest.mark.parametrize("method", ["NOTIFY", "BENOTIFY", "SUBSCRIBE", "PUBLISH"])
def test_a_forgotten_dialog_is_no_way_to_say_what_a_server_says(stage: Stage, method: str) -> None:
    """With a To tag of one's own invention, too."""
    bob, mallory = stage.sign_in("bob", "mallory")
    before = len(bob.sip.heard)
    request = mallory.sip.request(method, bob.sip.gruu, [("Event", "registration-notify")])
    exchange = mallory.sip.ask(request.edited(put=[("To", f"<{bob.aor}>;tag=made-up")]))
    assert exchange.is_pending or exchange.status in (405, 481, 489)
    assert [one.method for one in bob.sip.heard[before:]] == []
