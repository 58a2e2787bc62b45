"""What the directory decides while people are signed in: who may, who may not any more, and who they are."""

from tests.kit.actors import Actor
from tests.kit.stage import Stage


def _farewell(actor: Actor) -> tuple[str, bytes]:
    """Give the diagnostics and the body of the notice that signed a device out."""
    (notice,) = [request for request in actor.sip.heard if request.event == "registration-notify"]
    return notice.headers.get("ms-diagnostics-public") or "", notice.body


def test_somebody_who_was_disabled_is_signed_out_with_the_reason(stage: Stage) -> None:
    """Within one interval: he is told, disconnected, offline to others, and cannot come back."""
    alice, bob = stage.sign_in("alice", "bob")
    alice.watches(bob)
    talk, _ = alice.talks_to(bob)

    stage.changes("bob", enabled=False)
    stage.pulls()
    stage.passes(4)

    diagnostics, body = _farewell(bob)
    assert diagnostics.startswith('4141;reason="User disabled for SIP"')
    assert body == b"deregistered;event=rejected"
    assert not bob.sip.is_connected
    assert talk.is_over
    assert alice.hears(bob).availability == "offline"
    assert bob.sip.register().status == 403
    assert alice.pages(bob, "still there?").status == 404


def test_somebody_who_was_removed_is_signed_out_too(stage: Stage) -> None:
    """And is unknown from then on."""
    alice, bob = stage.sign_in("alice", "bob")
    stage.directory.people = [person for person in stage.directory.people if person.aor != bob.aor]
    stage.pulls()
    stage.passes(4)
    assert not bob.sip.is_connected
    assert bob.sip.register().status == 404
    assert alice.pages(bob, "hello?").status == 404


def test_somebody_who_was_disabled_cannot_do_anything_meanwhile(stage: Stage) -> None:
    """Between the notice and the end of the connection nothing that he sends is taken."""
    alice, bob = stage.sign_in("alice", "bob")
    stage.changes("bob", enabled=False)
    stage.passes(300)
    exchange = bob.pages(alice, "one last word")
    assert exchange.is_pending or exchange.status in (401, 403)
    assert alice.texts == []


def test_somebody_new_can_sign_in(stage: Stage) -> None:
    """After the next pull, without a restart."""
    newcomer = stage.actor("nora")
    assert newcomer.sip.register().status == 404
    stage.changes("nora")
    stage.pulls()
    assert stage.actor("nora").sip.register().status == 200


def test_an_outage_of_the_directory_changes_nothing(stage: Stage) -> None:
    """People stay in, and others still come in."""
    (alice,) = stage.sign_in("alice")
    stage.directory.down = "no route to host"
    stage.pulls()
    assert alice.sip.is_connected
    (bob,) = stage.sign_in("bob")
    assert alice.talks_to(bob)[0].says("did you notice anything?").status == 200
    stage.directory.down = ""
    stage.pulls()
    assert stage.command("users").rows


def test_a_directory_that_lost_half_of_everybody_is_not_believed(stage: Stage) -> None:
    """Nobody is signed out by a mistake in a filter; an operator can say that it was meant."""
    alice, bob = stage.sign_in("alice", "bob")
    stage.directory.people = stage.directory.people[:2]
    stage.pulls()
    assert alice.sip.is_connected
    assert bob.sip.register().status == 200


def test_a_changed_password_ends_what_the_old_one_proved(stage: Stage) -> None:
    """A client with the old password is out within half a minute; with the new one it comes in."""
    (alice,) = stage.sign_in("alice")
    stage.sets_password("alice", "new")
    assert alice.sip.register().status == 401
    stage.passes(31)
    assert not alice.sip.is_connected
    assert stage.actor("alice", password="new").sip.register().status == 200


def test_people_are_found_by_name(stage: Stage) -> None:
    """A client's search is answered from the directory."""
    stage.changes("bob", display_name="Bob Builder", mail="bob@example.com")
    stage.pulls()
    (alice,) = stage.sign_in("alice")
    found = alice.searches("bob b")
    assert found.status == 200
    assert b"Bob Builder" in found.answer.body
    assert b"carol@example.com" not in found.answer.body
