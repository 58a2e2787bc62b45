"""Sign-in: the handshake, what a client asks after it, and everything that keeps somebody out."""

import pytest

from lyncpy.contracts.authenticator import DenialReason
from lyncpy.contracts.directory import SignInObjection
from lyncpy.contracts.names import aor_of
from lyncpy.contracts.refusal import DirectoryUnavailable
from lyncpy.contracts.workload import CommandFailed
from lyncpy.sip.encoder import encode
from lyncpy.workloads.registrar.model import TAKEOVERS
from tests.kit.actors import CONTACTS, PROVISIONING, SELF
from tests.kit.deployment import password_of
from tests.kit.directory import FakeDomain
from tests.kit.sip_client import Exchange
from tests.kit.stage import Stage


@pytest.mark.libraries
def test_three_registers_sign_in(stage: Stage) -> None:
    """A client is challenged twice, proves its password, and is in; the server proves itself too."""
    alice = stage.actor("alice")
    steps = list(alice.sip.registering())
    assert [step.status for step in steps] == [401, 401, 200]
    answer = steps[-1].answer
    assert answer.headers.get("presence-state") == 'register-action="added"'
    assert answer.headers.get("Authentication-Info")
    assert (answer.headers.get("From") or "").startswith('"Alice"')
    assert alice.sip.gruu.startswith("sip:alice@example.com;opaque=user:epid:")


def test_everything_that_a_client_asks_at_sign_in_is_answered(stage: Stage) -> None:
    """Contacts, settings, own data, meetings, chat rooms and the first publication: nothing stalls."""
    asked = stage.actor("alice").signs_in()
    assert {name: exchange.status for name, exchange in asked.items()} == {
        "register": 200,
        CONTACTS: 200,
        PROVISIONING: 200,
        SELF: 200,
        "capabilities": 200,
        "persistent chat": 404,
        "containers": 200,
        "publish": 200,
    }


def test_what_a_client_learns_at_sign_in(stage: Stage) -> None:
    """It has settings, a contact list with its first group, its containers, and sees itself available."""
    (alice,) = stage.sign_in("alice")
    assert "focusFactoryUri" in {child.tag for child in alice.provisions["ServerConfiguration"]}
    assert alice.contacts.groups == {1: "~"}
    assert alice.own.containers[200] == (1, frozenset({"sameEnterprise"}))
    assert alice.own.number() == 3500


@pytest.mark.parametrize("version", [2, 3, 4])
def test_old_clients_sign_messages_as_they_know_it(stage: Stage, version: int) -> None:
    """Signatures of version 2, 3 and 4 hold both ways, for all that a client does."""
    alice = stage.actor("alice", version=version)
    alice.signs_in()
    (bob,) = stage.sign_in("bob")
    talk, _ = alice.talks_to(bob)
    assert talk.says("hello").status == 200
    assert [text.words for text in bob.texts] == ["hello"]


def test_a_login_name_serves_as_well_as_an_address(stage: Stage) -> None:
    """Who is known to the directory as EXAMPLE and an account name may sign in so."""
    stage.changes("alice", logins=("EXAMPLE\\ali",))
    stage.pulls()
    alice = stage.actor("alice", login="EXAMPLE\\ali")
    assert alice.sip.register().status == 200


def test_a_wrong_password_is_refused(stage: Stage) -> None:
    """After its proof the client is challenged anew, which it shows as a failed sign-in; the operator reads why."""
    alice = stage.actor("alice", password="guess")
    assert [step.status for step in alice.sip.registering()] == [401, 401, 401]
    assert stage.entrance.gate.signins.failures(aor_of(alice.aor))[-1].reason == "wrong password"
    assert stage.tables()["endpoints"] == 0


def test_an_unknown_user_is_told_so(stage: Stage) -> None:
    """The client shows words for 404."""
    nobody = stage.actor("nobody")
    refused = nobody.sip.register()
    assert (refused.status, refused.diagnostics) == (404, 4005)


def test_a_disabled_user_is_told_so(stage: Stage) -> None:
    """But only after the password was proven."""
    stage.changes("alice", enabled=False)
    stage.pulls()
    refused = stage.actor("alice").sip.register()
    assert (refused.status, refused.diagnostics) == (403, 4141)
    assert stage.actor("alice", password="guess").sip.register().status == 401


def test_a_wrong_clock_is_told_so(stage: Stage) -> None:
    """A client whose clock is an hour ahead hears what is wrong with it."""
    alice = stage.actor("alice", wall=lambda: stage.wall() + 3600)
    refused = alice.sip.register()
    assert refused.status == 403
    assert "clock" in (refused.answer.headers.get("ms-diagnostics-public") or "")


def test_who_guesses_must_wait(stage: Stage) -> None:
    """Too many wrong passwords in a place shut a user out there for a while, the right one too; then it lets them in."""
    for _ in range(5):
        guesser = stage.actor("alice", password="guess", address="203.0.113.9")
        assert guesser.sip.register().status == 401
    assert stage.actor("alice").sip.register().status == 200  # elsewhere nobody notices
    refused = stage.actor("alice", address="203.0.113.9").sip.register()
    assert refused.status == 503
    wait_s = int(refused.answer.headers.get("Retry-After") or "0")
    assert 0 < wait_s <= 30

    stage.passes(wait_s)

    assert stage.actor("alice", address="203.0.113.9").sip.register().status == 200


def test_invented_names_shut_nobody_out(stage: Stage) -> None:
    """Sixty names that do not exist, at once, from the address of a whole house; the house comes in."""
    for n in range(60):
        stage.actor(f"x{n}", password="guess", address="192.0.2.1").sip.register()
    for user in ("alice", "bob", "carol"):
        assert stage.actor(user, address="192.0.2.1").sip.register().status == 200


def test_known_places_outlive_the_server(stage: Stage) -> None:
    """After a restart the desk beside a guesser's is not shut out either."""
    desk = stage.actor("alice", address="192.0.2.1")
    desk.signs_in()
    stage.stop()
    stage.start()
    for _ in range(8):
        stage.actor("alice", password="guess", address="192.0.2.1").sip.register()
    assert stage.actor("alice", address="192.0.2.1").sip.register().status == 503
    desk.signs_in()


def test_an_operator_sees_who_waits_and_lets_them_in(stage: Stage) -> None:
    """`why` says what holds and how to end it; `signin locks` lists it; `signin unlock` ends it."""
    for _ in range(5):
        stage.actor("alice", password="guess", address="192.0.2.1").sip.register()
    (row,) = stage.shell("signin locks").rows
    assert (row[0], row[1], row[3]) == ("alice@example.com", "192.0.2.1", 5)
    assert "signin unlock alice@example.com" in repr(stage.shell("why alice@example.com").rows)
    assert stage.shell("signin unlock alice@example.com").rows == [("alice@example.com", 5)]
    assert stage.actor("alice", address="192.0.2.1").sip.register().status == 200
    assert not stage.shell("signin locks").rows


@pytest.mark.parametrize(
    "whom", ["bananas", "alice@", "@example.com", "192.0.2.300", "192.0.2.0/40", "x y@z", "nobody@example.com"]
)
def test_only_somebody_or_some_place_can_be_unlocked(stage: Stage, whom: str) -> None:
    """Anything else is refused, in words that say what could be unlocked."""
    for _ in range(5):
        stage.actor("alice", password="guess", address="192.0.2.1").sip.register()
    with pytest.raises(CommandFailed, match=r"neither a user .*, nor an address .*, nor a network .*: signin locks"):
        stage.shell(f'signin unlock "{whom}"')
    assert [row[:2] for row in stage.shell("signin locks").rows] == [("alice@example.com", "192.0.2.1")]
    assert stage.actor("alice", address="192.0.2.1").sip.register().status == 503


@pytest.mark.parametrize(
    "whom",
    [
        "alice@example.com",
        "sip:Alice@example.com",
        "alice",
        "192.0.2.1",
        "192.0.2.0/24",
        "0.0.0.0/0",
        "::ffff:192.0.2.1",
    ],
)
def test_users_addresses_and_networks_can_be_unlocked(stage: Stage, whom: str) -> None:
    """However the operator names them; what was failed as an address and its account is one failure."""
    for _ in range(5):
        stage.actor("alice", password="guess", address="192.0.2.1").sip.register()
    assert stage.shell(f'signin unlock "{whom}"').rows == [(whom, 5)]
    assert not stage.shell("signin locks").rows
    assert stage.actor("alice", address="192.0.2.1").sip.register().status == 200
    with pytest.raises(CommandFailed, match=f'nothing was failed (as|from) "{whom}"'):
        stage.shell(f'signin unlock "{whom}"')


def test_an_invented_name_that_waits_can_be_unlocked_as_it_is_listed() -> None:
    """Where unknown addresses are not told, their failures are counted, listed and forgotten as others are."""
    with Stage.opened(auth={"tell_unknown_users": False}) as stage:
        for _ in range(5):
            stage.actor("zed", password="guess", address="192.0.2.9").sip.register()
        rows = stage.shell("signin locks").rows
        assert {row[1] for row in rows} == {"192.0.2.9"}
        assert not stage.shell(f"signin unlock {rows[0][0]}").failed
        assert len(stage.shell("signin locks").rows) < len(rows)
        assert stage.shell("signin unlock 192.0.0.0/16").rows == [("192.0.0.0/16", 5)]
        assert not stage.shell("signin locks").rows


def test_guessing_does_not_shut_out_who_is_in(stage: Stage) -> None:
    """From where Alice has signed in before, she is let in whatever strangers try elsewhere."""
    (alice,) = stage.sign_in("alice")
    for _ in range(8):
        stage.actor("alice", password="guess").sip.register()
    assert alice.sip.register().status == 200
    alice.is_cut_off()
    assert alice.sip.register().status == 200


def test_a_stranger_may_do_nothing_but_sign_in(stage: Stage) -> None:
    """Who has not signed in gets a challenge for whatever he asks, and reaches nobody."""
    (bob,) = stage.sign_in("bob")
    mallory = stage.actor("mallory")
    before = len(bob.sip.heard)
    mallory.sip.connect()
    request = mallory.sip.request("MESSAGE", bob.aor, [("Content-Type", "text/plain")], b"psst")
    exchange = mallory.sip.begin(request)
    stage.settle()
    assert exchange.is_pending  # a client repeats what got a 401 for ever
    assert len(bob.sip.heard) == before


def test_a_stranger_who_never_signs_in_is_disconnected(stage: Stage) -> None:
    """A connection on which nobody signs in ends after half a minute."""
    mallory = stage.actor("mallory")
    mallory.sip.connect()
    stage.passes(31)
    assert not mallory.sip.is_connected


def test_a_replayed_message_is_refused(stage: Stage) -> None:
    """Bytes that were recorded and sent again do nothing a second time."""
    alice, bob = stage.sign_in("alice", "bob")
    request = alice.sip.request(
        "MESSAGE", bob.aor, [("Via", "SIP/2.0/TLS 10.9.9.9:1"), ("Content-Type", "text/plain")], b"pay 100"
    )
    signed = alice.sip.keys.sign(request)
    alice.sip.connect().send(encode(signed))
    stage.settle()
    # The transaction layer would absorb an exact repetition, so the replay has a Via of its own; none of it is signed.
    replayed = signed.edited(put=[("Via", "SIP/2.0/TLS 10.9.9.9:1;branch=z9hG4bKother")])
    exchange = alice.sip.send_raw(replayed)
    assert exchange.status == 403
    assert [text.words for text in bob.texts] == ["pay 100"]


def test_an_unsigned_message_is_refused(stage: Stage) -> None:
    """Once signed in, nothing unsigned is taken for the user's."""
    alice, bob = stage.sign_in("alice", "bob")
    request = alice.sip.request("MESSAGE", bob.aor, [("Content-Type", "text/plain")], b"psst")
    assert alice.sip.ask(request, signed=False).status == 403
    assert bob.texts == []


def test_a_message_that_was_changed_on_its_way_is_refused(stage: Stage) -> None:
    """The recipient is part of what is signed."""
    alice, bob, carol = stage.sign_in("alice", "bob", "carol")
    signed = alice.sip.keys.sign(alice.sip.request("MESSAGE", bob.aor, [("Content-Type", "text/plain")], b"hi"))
    forged = signed.edited(uri=carol.aor, put=[("To", f"<{carol.aor}>")], first=[("Via", "SIP/2.0/TLS 10.9.9.9:1")])
    assert alice.sip.send_raw(forged).status == 403
    assert carol.texts == []


def test_nobody_speaks_in_the_name_of_another(stage: Stage) -> None:
    """Mallory, signed in as herself, cannot write Alice into From."""
    mallory, bob = stage.sign_in("mallory", "bob")
    request = mallory.sip.request("MESSAGE", bob.aor, [("Content-Type", "text/plain")], b"it is me, Alice")
    forged = request.edited(put=[("From", "<sip:alice@example.com>;tag=1")])
    refused = mallory.sip.ask(forged)
    assert (refused.status, refused.diagnostics) == (403, 4004)
    assert bob.texts == []


def test_nobody_signs_in_as_another_with_his_own_password(stage: Stage) -> None:
    """The password is Mallory's, the address Alice's."""
    mallory = stage.actor("alice", login="mallory@example.com", password="mallory's secret")
    refused = mallory.sip.register()
    assert (refused.status, refused.diagnostics) == (403, 4004)


def test_a_refresh_is_no_second_sign_in(stage: Stage) -> None:
    """The client is told "refreshed", keeps its name and its subscriptions; nobody else notices."""
    alice, bob = stage.sign_in("alice", "bob")
    bob.watches(alice)
    gruu, news = alice.sip.gruu, len(bob.others.told)
    stage.passes(3600)
    exchange: Exchange = alice.sip.register()
    assert exchange.status == 200
    assert exchange.answer.headers.get("presence-state") == 'register-action="refreshed"'
    assert alice.sip.gruu == gruu
    assert len(bob.others.told) == news
    assert stage.tables()["endpoints"] == 2


def test_who_does_not_refresh_lapses(stage: Stage) -> None:
    """After two hours without a refresh the user is offline to others, although the line still stands."""
    alice, bob = stage.sign_in("alice", "bob")
    bob.watches(alice)
    stage.passes(7100)
    bob.sip.register()
    assert bob.hears(alice).availability == "available"
    stage.passes(150)
    assert bob.hears(alice).availability == "offline"


def test_signing_out_leaves_at_once(stage: Stage) -> None:
    """A farewell is answered, and watchers know."""
    alice, bob = stage.sign_in("alice", "bob")
    bob.watches(alice)
    alice.signs_out()
    assert bob.hears(alice).availability == "offline"
    assert stage.tables()["endpoints"] == 1


def test_who_has_signed_out_may_sign_in_again_on_the_same_connection(stage: Stage) -> None:
    """Between the two he publishes nothing, and afterwards all is as before."""
    alice, bob = stage.sign_in("alice", "bob")
    bob.watches(alice)
    alice.sip.register(expires=0)
    assert bob.hears(alice).availability == "offline"
    assert alice.publishes(3500).status == 403
    alice.sip.subscriptions.clear()
    assert alice.signs_in()["publish"].status == 200
    assert bob.hears(alice).availability == "available"


def test_one_device_too_many_signs_out_the_oldest(stage: Stage) -> None:
    """The ninth device is let in; the first is told why it is out, and disconnected."""
    devices = stage.sign_in(*["alice"] * 9)
    oldest = devices[0]
    stage.passes(4)
    (notice,) = [request for request in oldest.sip.heard if request.event == "registration-notify"]
    assert notice.body == b"deregistered;event=unregistered"
    assert not oldest.sip.is_connected
    assert stage.tables()["endpoints"] == 8


def test_a_device_that_comes_back_takes_the_place_of_its_old_self(stage: Stage) -> None:
    """After a lost network the server still has the old connection; the new one replaces it."""
    alice, bob = stage.sign_in("alice", "bob")
    old = alice.sip.connect()
    old.vanish()
    alice.signs_in()
    assert stage.tables()["endpoints"] == 2
    stage.passes(10)
    assert stage.tables()["connections"] == 2
    assert bob.talks_to(alice)[0].says("there you are").status == 200


def test_a_device_that_changes_its_instance_stays(stage: Stage) -> None:
    """It registers as another one, over the connection and with the epid that it had: it is signed in once, and not signed out."""
    (alice,) = stage.sign_in("alice")
    alice.sip.instance = "0f1e2d3c-4b5a-4978-8695-a4b3c2d1e0ff"
    answers = [alice.sip.register().answer.headers.get("presence-state") for _ in range(2)]
    assert answers == [f'register-action="{action}"' for action in ("added", "refreshed")]
    stage.passes(10)
    assert alice.sip.is_connected
    assert len(stage.shell(f"endpoints {alice.aor}").rows) == 1


@pytest.mark.parametrize("hangs_up", [True, False])
def test_two_clients_of_one_device_that_always_come_back(stage: Stage, hangs_up: bool) -> None:
    """They ignore what they are told, and one leaves its connections open; in the end one of them can work in peace."""
    (bob,) = stage.sign_in("bob")
    clients = [stage.actor("alice", epid="01020304aabb") for _ in range(2)]
    answers: list[Exchange] = []
    for _ in range(40):
        for client in clients:
            (there,) = [row[2] for row in stage.command("endpoints", user="alice@example.com").rows] or [""]
            if there == client.sip.address:
                continue
            if hangs_up and client.sip.is_connected:
                client.hangs_up_the_line()
            client.sip.line = None
            answers.append(client.sip.register())
        stage.passes(1)
    assert [answer.status for answer in answers[: 1 + TAKEOVERS]] == [200] * (1 + TAKEOVERS)
    assert {(answer.status, answer.diagnostics) for answer in answers[1 + TAKEOVERS :]} == {(503, 4140)}
    holder = next(client for client in clients if client.sip.is_signed_in)
    assert holder.talks_to(bob)[0].says("at last").status == 200


def test_a_client_that_is_too_old_is_refused_with_a_link() -> None:
    """By everybody's policy, and by another for some; the user is told where a better one is, the operator why."""
    policies = {
        "clients": ["block OC < 15.0.5000 https://example.com/new"],
        "pilots": {"members": ["bob@example.com"], "clients": ["allow OC https://example.com/next"]},
    }
    with Stage.opened(policies=policies) as stage:
        alice = stage.actor("alice")
        refused = alice.sip.register()
        assert refused.status == 403
        assert refused.answer.headers.get("Warning") == '313 lcs.microsoft.com "https://example.com/new"'
        assert (refused.answer.headers.get("ms-diagnostics-public") or "").startswith("17003;")
        said = " ".join(str(cell) for row in stage.shell("why alice@example.com").rows for cell in row)
        assert 'was refused by the rule "block OC < 15.0.5000 https://example.com/new"' in said
        assert "change [policies] clients" in said
        told = stage.actor("bob").sip.register()
        assert told.status == 200
        assert told.answer.headers.get("Warning") == '313 lcs.microsoft.com "https://example.com/next"'
        assert stage.actor("carol", agent="UCCAPI/16.0 OC/16.0.4522 (Skype for Business)").sip.register().status == 200
        assert stage.actor("carol", agent="Purple/2.14 Sipe/1.25").sip.register().status == 200
        assert ("clients", "allow OC https://example.com/next") in stage.shell("policy show bob@example.com").rows


def test_a_kept_password_cannot_be_guessed_while_the_domain_is_away(stage: Stage) -> None:
    """Nobody knows whether a guess is the domain's password; that it is not the one kept here counts."""
    stage.stop()
    stage.ntlm = FakeDomain(DirectoryUnavailable("[auth] ntlm_auth: it ended"))
    stage.start()

    def told(password: str) -> str:
        guesser = stage.actor("alice", password=password, address="203.0.113.9")
        answer = list(guesser.sip.registering())[-1].answer
        return f"{answer.status} {answer.headers.get('ms-diagnostics') or ''}"

    tries = [told("guess") for _ in range(6)]
    assert all(one.startswith("503") and "directory cannot be asked" in one for one in tries[:5])
    assert "Too many failed sign-ins" in tries[5]
    assert "Too many failed sign-ins" in told(password_of("alice"))
    assert stage.actor("alice").sip.register().status == 200
    assert "not the password kept here" in str(stage.shell("why alice@example.com").rows)


def test_a_password_that_only_the_windows_domain_knows(stage: Stage) -> None:
    """NTLM lets them in by it; what is wrong is told in words, guesses are slowed down, and an outage is none."""
    domain = FakeDomain(SignInObjection(DenialReason.WRONG_PASSWORD, ""), zoe=password_of("zoe"))
    stage.stop()
    stage.ntlm = domain
    stage.changes("zoe", nt_hash=None, password_set="1")
    stage.start()
    stage.pulls()
    (zoe,) = stage.sign_in("zoe")
    zoe.signs_out()
    domain.right.clear()
    domain.says = SignInObjection(DenialReason.DISABLED, "the directory has switched the account off")
    refused = list(stage.actor("zoe").sip.registering())[-1].answer
    assert (refused.status, "User disabled" in str(refused.headers.get("ms-diagnostics-public"))) == (403, True)
    domain.says = DirectoryUnavailable("[auth] ntlm_auth: it ended")
    for _ in range(20):
        away = list(stage.actor("zoe").sip.registering())[-1].answer
        assert (away.status, away.headers.get("Retry-After")) == (503, "30")
        assert "directory cannot be asked" in (away.headers.get("ms-diagnostics") or "")
    assert "it ended" in str(stage.shell("why zoe@example.com").rows)
    domain.says = SignInObjection(DenialReason.WRONG_PASSWORD, "")
    answers = [stage.actor("zoe", address="203.0.113.9").sip.register() for _ in range(6)]
    assert [one.status for one in answers] == [401] * 5 + [503]
    assert "Too many failed sign-ins" in (answers[-1].answer.headers.get("ms-diagnostics") or "")
