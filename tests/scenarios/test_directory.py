"""What the directory decides while people are signed in: who may, who may not any more, and who they are."""

import re

import pytest

from lyncpy.contracts.directory import Moment, Phone
from lyncpy.contracts.names import Aor
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


def test_one_address_for_everybody_is_not_carried_out(stage: Stage) -> None:
    """A script that went astray signs nobody out but who got the address; `why` says what is wrong with the rest."""
    alice, bob = stage.sign_in("alice", "bob")
    bob.adds("sip:alice@example.com")
    users = [person.key.removeprefix("key-") for person in stage.directory.people]
    everybody = ["mallory", *(user for user in users if user != "mallory")]
    for user in everybody:
        stage.changes(user, aor=Aor("sip:info@example.com"))
    stage.pulls()
    stage.passes(4)
    assert bob.sip.is_connected
    assert bob.pages(alice, "still there?").status == 200
    assert stage.shell("directory held").rows == []
    said = " ".join(str(cell) for row in stage.shell("why bob@example.com").rows for cell in row)
    assert "until one of them is corrected they stay bob@example.com" in said
    for user in everybody:
        stage.changes(user)
    stage.pulls()
    assert stage.shell("directory skipped").rows == []


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


def _found(actor: Actor, text: str) -> list[str]:
    exchange = actor.searches(text)
    assert exchange.status == 200
    return re.findall(r' uri="sip:([a-z]+)@', exchange.answer.body.decode())


def test_people_are_found_as_one_types_them(stage: Stage) -> None:
    """Parts of a name in any order, without accents; digits of a phone, a department, an address; limited, the best first."""
    stage.changes("bob", display_name="Müller-Lüdenscheidt, Bob", phones=(Phone("work", "+49 (0)89 123-4567"),))
    stage.changes("carol", display_name="Carol Bobson", department="Research")
    stage.pulls()
    (alice,) = stage.sign_in("alice")
    assert _found(alice, "ludensch bob") == ["bob"]
    assert _found(alice, "4567") == ["bob"]
    assert _found(alice, "089 12") == ["bob"]
    assert _found(alice, "carol@example") == ["carol"]
    assert _found(alice, "research") == ["carol"]
    assert _found(alice, "bob") == ["bob", "carol"]


def test_the_search_follows_the_directory(stage: Stage) -> None:
    """Who is new, renamed, disabled or gone is so in the next search."""
    (alice,) = stage.sign_in("alice")
    stage.changes("nora", display_name="Nora New")
    stage.changes("bob", display_name="Robert Builder")
    stage.changes("carol", display_name="Carol Known", enabled=False)
    stage.pulls()
    assert _found(alice, "nora") == ["nora"]
    assert (_found(alice, "builder robert"), _found(alice, "carol")) == (["bob"], [])
    stage.directory.people = [one for one in stage.directory.people if one.key != "key-nora"]
    stage.pulls()
    assert _found(alice, "nora") == []


@pytest.mark.parametrize(
    "text", ["a" * 250, "a b " * 60, "*?%_" * 20, "\u202ea&#9;b", "&#x10FFFF;" * 20, "' OR 1=1 --", "(cn=*)", "@" * 200]
)
def test_whatever_is_typed_has_an_answer(stage: Stage, text: str) -> None:
    """Nobody is found by what is no word, and nothing is taken for a wildcard."""
    (alice,) = stage.sign_in("alice")
    assert _found(alice, text) == []


# --- what takes rights away


def _until(stage: Stage, in_s: float) -> Moment:
    return Moment(stage.wall() + in_s, "accountExpires")


@pytest.mark.steady_clock
def test_an_account_ends_at_its_moment_though_nothing_changes(stage: Stage) -> None:
    """No pull is needed: she is told, disconnected, refused with the reason, and `why` names the attribute."""
    stage.changes("bob", until=_until(stage, 1000))
    stage.pulls()
    alice, bob = stage.sign_in("alice", "bob")
    alice.watches(bob)
    stage.passes(690)
    assert bob.sip.is_connected
    stage.passes(15)
    assert _farewell(bob)[0].startswith("4141;")
    assert not bob.sip.is_connected
    assert alice.hears(bob).availability == "offline"
    refused = bob.sip.register()
    assert refused.status == 403
    assert "the account has expired" in (refused.answer.headers.get("ms-diagnostics-public") or "")
    assert alice.pages(bob, "still there?").status == 404
    said = " ".join(str(cell) for row in stage.shell("why bob@example.com").rows for cell in row)
    assert "expired on 2026-07-20T12:16:40Z (accountExpires)" in said


@pytest.mark.steady_clock
def test_an_account_that_has_ended_does_not_sign_in(stage: Stage) -> None:
    """Whatever the password; and one that begins later not yet."""
    stage.changes("bob", until=_until(stage, -5))
    stage.changes("carol", begins=_until(stage, 1000))
    stage.pulls()
    assert stage.actor("bob").sip.register().status == 403
    carol = stage.actor("carol")
    assert carol.sip.register().status == 403
    stage.passes(700)
    assert carol.sip.register().status == 200


@pytest.mark.steady_clock
def test_a_longer_time_lets_somebody_in_again(stage: Stage) -> None:
    """With the pull that finds it."""
    stage.changes("bob", until=_until(stage, -5))
    stage.pulls()
    bob = stage.actor("bob")
    assert bob.sip.register().status == 403
    stage.changes("bob", until=_until(stage, 86400))
    stage.pulls()
    assert bob.sip.register().status == 200


@pytest.mark.steady_clock
def test_dates_outlive_a_restart(stage: Stage) -> None:
    """They are kept with the person: an outage of the directory gives nobody more time."""
    stage.changes("bob", until=_until(stage, 1000))
    stage.pulls()
    stage.stop()
    stage.directory.down = "down"
    stage.passes(1000)
    stage.start()
    assert stage.actor("bob").sip.register().status == 403
    assert stage.actor("alice").sip.register().status == 200


@pytest.mark.steady_clock
def test_who_must_change_the_password_is_signed_out_at_that_moment(stage: Stage) -> None:
    """Though no entry changes; they are a colleague all the same, and back when it is changed."""
    (bob,) = stage.sign_in("bob")
    stage.changes("bob", must_change=_until(stage, 1000))
    stage.pulls()
    stage.passes(690)
    assert bob.sip.is_connected
    stage.passes(15)
    assert not bob.sip.is_connected
    refused = stage.actor("bob").sip.register()
    assert refused.status == 403
    assert "must be changed" in (refused.answer.headers.get("ms-diagnostics-public") or "")
    said = " ".join(str(cell) for row in stage.shell("why bob@example.com").rows for cell in row)
    assert "must change the password first" in said and "was signed out" in said
    assert ("enabled", True) in stage.shell("user show bob@example.com").rows
    stage.changes("bob")
    stage.pulls()
    assert stage.actor("bob").sip.register().status == 200


def test_who_must_change_the_password_now_is_signed_out_by_the_pull() -> None:
    """A demand of an administrator is a moment that has come."""
    with Stage.opened() as stage:
        (bob,) = stage.sign_in("bob")
        stage.changes("bob", must_change=Moment(0.0, "pwdReset=TRUE"))
        stage.pulls()
        stage.passes(5)
        assert not bob.sip.is_connected


def test_who_must_change_the_password_may_stay_if_a_setting_says_so() -> None:
    """A conversation goes on; a new sign-in is refused with the reason, until it is changed."""
    with Stage.opened(directory={"must_change_signs_out": False}) as stage:
        _stays(stage)


def _stays(stage: Stage) -> None:
    alice, bob = stage.sign_in("alice", "bob")
    talk, _ = alice.talks_to(bob)
    stage.changes("bob", must_change=Moment(0.0, "pwdReset=TRUE"))
    stage.pulls()
    assert talk.says("still here").status == 200
    other = stage.actor("bob")
    refused = other.sip.register()
    assert refused.status == 403
    assert "must be changed" in (refused.answer.headers.get("ms-diagnostics-public") or "")
    said = " ".join(str(cell) for row in stage.shell("why bob@example.com").rows for cell in row)
    assert "must change the password first (pwdReset=TRUE)" in said
    stage.changes("bob")
    stage.pulls()
    assert other.sip.register().status == 200


def test_a_password_that_the_directory_took_back_ends_what_it_opened(stage: Stage) -> None:
    """Its hash cannot be read any more: it is no old right that is kept alive."""
    (bob,) = stage.sign_in("bob")
    stage.changes("bob", nt_hash=None)
    stage.pulls()
    stage.passes(301)
    assert not bob.sip.is_connected
    assert bob.sip.register().status != 200


def test_a_password_that_is_changed_in_the_directory_ends_what_the_old_one_opened(stage: Stage) -> None:
    """By its hash or by when it was set, with the next pull; that it becomes known when it was set ends nothing."""
    alice, bob = stage.sign_in("alice", "bob")
    stage.changes("alice", password_set="20261130120000Z")
    stage.pulls()
    stage.passes(301)
    assert alice.sip.is_connected
    stage.changes("alice", password_set="20261130120001Z")
    stage.changes("bob", nt_hash=bytes(16))
    stage.pulls()
    stage.passes(301)
    assert not alice.sip.is_connected
    assert not bob.sip.is_connected
    assert stage.actor("alice").sip.register().status == 200
    assert stage.actor("bob").sip.register().status != 200


def test_contacts_are_found_and_cannot_be_reached_and_who_is_hidden_is_not_found(stage: Stage) -> None:
    """A contact of another domain, or one of ours without an account; whoever is hidden is there all the same."""
    stage.changes("zoe", aor=Aor("sip:zoe@fabrikam.test"), enabled=False, is_contact=True, display_name="Zoe Zander")
    stage.changes("bob", hidden=True, display_name="Bob Builder")
    stage.changes("carol", enabled=False, is_contact=True, barred="it is a contact", display_name="Carol Zander")
    stage.pulls()
    alice, bob = stage.sign_in("alice", "bob")
    assert _found(alice, "zander") == ["carol", "zoe"]
    assert _found(alice, "builder") == []
    assert alice.talks_to(bob)[0].says("nobody finds you").status == 200
    assert stage.actor("carol").sip.register().status == 403
    assert alice.pages("sip:carol@example.com", "hello?").status == 404
    stage.stop()
    stage.start()
    (alice,) = stage.sign_in("alice")
    assert _found(alice, "zander") == ["carol", "zoe"]
