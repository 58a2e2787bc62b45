"""Watchers: whom they may see, who hears of them, and that nobody can tell that he is blocked."""

import re
from collections.abc import Callable

import pytest

from lyncpy.sip.message import Response
from tests.kit.actors import BATCH_TYPE, PRESENCE, SELF, SOAP_TYPE, Actor
from tests.kit.hall import tree
from tests.kit.presence import adrl_body, batch_body
from tests.kit.sip_client import Exchange
from tests.kit.stage import Stage

BOB, CAROL = "bob@example.com", "carol@example.com"
MSRTC = "text/xml+msrtc.pidf"

# --- "Bob added you"


def test_a_user_hears_who_added_him(stage: Stage) -> None:
    """Every device of Alice asks once; when one has an answer, the others take the question back."""
    desk, phone = stage.sign_in("alice", "alice")
    (bob,) = stage.sign_in("bob")
    bob.watches(desk)
    stage.passes(1)
    assert desk.own.subscribers == phone.own.subscribers == [BOB]

    assert desk.answers_for(bob).status == 200
    stage.passes(1)
    assert phone.own.settled == [BOB]
    bob.signs_out()
    bob.signs_in()
    bob.watches(desk)
    stage.passes(1)
    assert desk.own.subscribers == phone.own.subscribers == [BOB]


def test_a_user_who_was_away_is_asked_when_he_comes(stage: Stage) -> None:
    """Also when the server died in between."""
    (bob,) = stage.sign_in("bob")
    bob.watches("sip:alice@example.com")
    stage.passes(1)
    stage.kill()
    stage.start()
    (alice,) = stage.sign_in("alice")
    assert alice.own.subscribers == [BOB]
    alice.answers_for(bob)
    (phone,) = stage.sign_in("alice")
    assert phone.own.subscribers == []


def test_a_contact_is_not_asked_about_and_to_add_somebody_is_an_answer(stage: Stage) -> None:
    """Alice knows Carol; Bob she adds when she is asked."""
    alice, bob, carol = stage.sign_in("alice", "bob", "carol")
    (phone,) = stage.sign_in("alice")
    alice.adds(carol.aor)
    for watcher in (bob, carol):
        watcher.watches(alice)
    stage.passes(1)
    assert alice.own.subscribers == [BOB]
    alice.adds(bob.aor)
    stage.passes(1)
    assert phone.own.settled == [BOB]
    (laptop,) = stage.sign_in("alice")
    assert laptop.own.subscribers == []


def test_a_blocked_watcher_asks_nothing(stage: Stage) -> None:
    """Alice does not hear of Mallory, whatever he subscribes to."""
    alice, mallory = stage.sign_in("alice", "mallory")
    alice.blocks(mallory)
    mallory.watches(alice)
    stage.passes(1)
    assert alice.own.subscribers == []
    (phone,) = stage.sign_in("alice")
    assert phone.own.subscribers == []


def test_a_watcher_of_everybody_is_answered_before_anybody_hears_of_him(stage: Stage) -> None:
    """The 200 does not wait for the questions; all of them come."""
    alice, carol, dave, bob = stage.sign_in("alice", "carol", "dave", "bob")
    stage.disk.broken = True
    exchange = bob.watches(alice, carol, dave)
    assert exchange.status == 200
    stage.disk.broken = False
    stage.passes(61)
    assert [one.own.subscribers for one in (alice, carol, dave)] == [[BOB]] * 3


def test_a_policy_says_how_many_may_wait() -> None:
    """With none, nobody is ever asked."""
    with Stage.opened(policies={"prompted_subscribers": 0}) as stage:
        alice, bob = stage.sign_in("alice", "bob")
        bob.watches(alice)
        stage.passes(1)
        assert alice.own.subscribers == []


# --- delegates


def test_a_delegate_is_told_to_all_devices_and_sees_what_the_team_sees(stage: Stage) -> None:
    """The assistant may break through Do Not Disturb; the version goes on from device to device."""
    desk, phone = stage.sign_in("alice", "alice")
    bob, carol = stage.sign_in("bob", "carol")
    for device in (desk, phone):
        body = b'<roamingList><roaming type="delegates"/><roaming type="categories"/></roamingList>'
        device.sip.subscribe(SELF, body, "application/vnd-microsoft-roaming-self+xml")
    stage.passes(1)
    desk.publishes(9500)
    for watcher in (bob, carol):
        watcher.watches(desk)

    assert desk.names_delegate(bob).status == 200
    stage.passes(1)

    assert desk.own.delegates == phone.own.delegates == (1, frozenset({BOB}))
    assert bob.hears(desk).availability == "busy"
    assert carol.hears(desk).availability == "do not disturb"
    desk.own.delegates = (0, frozenset())
    stale = desk.names_delegate(carol)
    assert (stale.status, stale.diagnostics) == (409, 2141)
    assert phone.names_delegate(carol).status == 200


# --- blocked, by every road


def readable(response: Response, *names: str) -> tuple[int, str, list[tuple[str, str]], bytes]:
    """Give all of an answer that could tell something: without what is new in each message, and who was asked."""

    def plain(text: str) -> str:
        text = re.sub(r";tag=[^;>,]+|;branch=[^;>,]+", "", text)
        for name in names:
            text = text.replace(name, "somebody")
        return text

    hidden = {"via", "call-id", "cseq", "authentication-info", "proxy-authentication-info"}
    lines = [(str(name), plain(value) if name.lower() not in hidden else "") for name, value in response.headers]
    body = re.sub(rb"[0-9a-f]{16}", b"-", response.body)
    for name in names:
        body = body.replace(name.encode(), b"somebody")
    return response.status, response.phrase, lines, body


def answers(exchange: Exchange, *names: str) -> list[tuple[int, str, list[tuple[str, str]], bytes]]:
    """Give all answers so far, as `readable`."""
    return [readable(one, *names) for one in (*exchange.provisional, *exchange.finals)]


def message(actor: Actor, to: str) -> Exchange:
    """Say something without a session."""
    return actor.pages(to, "hello?")


def invitation(actor: Actor, to: str) -> Exchange:
    """Invite."""
    exchange = actor.invites(to).exchange
    assert exchange is not None
    return exchange


def question(actor: Actor, to: str) -> Exchange:
    """Ask what a client can do."""
    return actor.sip.ask(actor.sip.request("OPTIONS", to))


def dialog_that_is_none(actor: Actor, to: str) -> Exchange:
    """Say something in a session that there never was."""
    request = actor.sip.request("INFO", to)
    return actor.sip.ask(request.edited(put=[("To", f"<{to}>;tag=x")]))


@pytest.mark.parametrize("road", [message, invitation, question, dialog_that_is_none])
def test_a_blocked_caller_hears_what_everybody_hears_of_somebody_offline(
    stage: Stage, road: Callable[[Actor, str], Exchange]
) -> None:
    """The same answers, byte for byte and as soon, from Alice, who is online and blocks him, and from Carol, who is away."""
    alice, mallory = stage.sign_in("alice", "mallory")
    alice.blocks(mallory)
    stage.passes(1)

    def takes(to: str) -> tuple[object, float]:
        with mallory.in_one_breath():
            exchange = road(mallory, to)
        began, waited = float(stage.clock.seconds()), 0.0
        while exchange.is_pending and waited < 300:
            stage.passes(0.001)
            waited = float(stage.clock.seconds()) - began
        return answers(exchange, "alice", "carol"), round(waited, 3)

    blocked = takes(alice.aor)
    assert blocked == takes(f"sip:{CAROL}")
    assert alice.texts == []
    assert alice.talks == []


def batch(actor: Actor, to: str, stage: Stage) -> Exchange:
    """Watch, as clients do since 2007."""
    return actor.watches(to)


def alone(actor: Actor, to: str, stage: Stage) -> Exchange:
    """Watch one person in a dialog of its own."""
    exchange = actor.sip.subscribe(PRESENCE, to=to)
    stage.passes(0.1)
    return exchange


def poll(actor: Actor, to: str, stage: Stage) -> Exchange:
    """Ask once."""
    exchange = actor.sip.subscribe(PRESENCE, batch_body(actor.aor, [to]), BATCH_TYPE, expires=0)
    stage.passes(0.1)
    return exchange


def services(actor: Actor, to: str, stage: Stage) -> Exchange:
    """Ask once what somebody can be called on, and for all else that there is."""
    names = ("services", "state", "contactCard", "note", "workingHours", "calendarData", "device")
    exchange = actor.sip.subscribe(PRESENCE, batch_body(actor.aor, [to], categories=names), BATCH_TYPE, expires=0)
    stage.passes(0.1)
    return exchange


@pytest.mark.parametrize("road", [batch, alone, poll, services])
@pytest.mark.parametrize("first", ["watched before", "asked after"])
def test_a_blocked_watcher_sees_somebody_who_signed_out(
    stage: Stage, road: Callable[[Actor, str, Stage], Exchange], first: str
) -> None:
    """Alice blocks him and Carol signs out, at the same moment: the same bytes on every road, with name and card."""
    alice, carol, mallory = stage.sign_in("alice", "carol", "mallory")
    for one in (alice, carol):
        one.publishes(6500)
    stage.passes(1)

    def shown(to: str) -> bytes:
        mallory.sip.subscriptions.pop(PRESENCE, None)
        answer = road(mallory, to, stage).answer
        assert answer.status == 200
        return readable(answer, "alice", "carol", "Alice", "Carol")[3]

    if first == "watched before" and road is not alone:  # a dialog of its own would go on
        assert _timeless(shown(alice.aor)) == _timeless(shown(carol.aor))
    alice.blocks(mallory)
    carol.signs_out()
    stage.passes(5)
    document = shown(alice.aor)
    assert _timeless(document) == _timeless(shown(carol.aor))
    assert b"18500" in document
    assert b"somebody" in document
    assert b"displayName" in document
    alice.publishes(3500, note="secret")
    stage.passes(60)
    assert _timeless(shown(alice.aor)) == _timeless(document)


def _timeless(document: bytes) -> bytes:
    """Leave out the digits of times: the two went within the same second, not in the same breath."""
    return re.sub(rb'(publishTime|lastActive)="[^"]*"', rb'\1=""', document)


@pytest.mark.parametrize("road", [batch, alone, poll])
def test_what_was_left_stays_for_who_is_blocked_and_nothing_else_is_shown(
    stage: Stage, road: Callable[[Actor, str, Stage], Exchange]
) -> None:
    """A note of before is there, as that of somebody who signed out is; what is said later is not, nor after a restart."""
    alice, mallory = stage.sign_in("alice", "mallory")
    alice.publishes(6500, note="left")
    alice.blocks(mallory)
    stage.passes(1)
    alice.publishes(note="secret")
    stage.passes(1)
    for _ in range(2):
        body = road(mallory, alice.aor, stage).answer.body
        assert b"left" in body
        assert b"secret" not in body
        stage.kill()
        stage.start()
        mallory.signs_in()


def test_a_block_is_heard_as_a_sign_out_is(stage: Stage) -> None:
    """The same categories in as many notifications; and nothing, if the user had signed out before."""
    alice, carol, dave, mallory = stage.sign_in("alice", "carol", "dave", "mallory")
    for one in (alice, carol, dave):
        one.publishes(6500)
        mallory.watches(one)
    stage.passes(1)
    dave.signs_out()
    stage.passes(1)

    def heard_of(act: Callable[[], object]) -> list[list[str]]:
        before = len(mallory.sip.heard)
        act()
        stage.passes(1)
        bodies = [request.body.decode() for request in mallory.sip.heard[before:]]
        return [re.findall(r'category name="(\w+)"', body) for body in bodies]

    assert heard_of(lambda: alice.blocks(mallory)) == heard_of(carol.signs_out)
    dave.signs_in()
    assert heard_of(lambda: None) == []


def test_a_new_name_is_told_to_who_is_blocked_too(stage: Stage) -> None:
    """The directory gives Alice, who blocks, and Carol, who is away, another name: he hears of both, and of nothing else."""
    alice, carol, mallory = stage.sign_in("alice", "carol", "mallory")
    mallory.watches(alice, carol)
    alice.blocks(mallory)
    carol.signs_out()
    stage.passes(1)
    before = len(mallory.sip.heard)
    for user in ("alice", "carol"):
        stage.changes(user, display_name="New Name")
    stage.pulls()
    stage.passes(1)
    alice.publishes(6500, note="secret")
    stage.passes(1)
    bodies = [request.body for request in mallory.sip.heard[before:]]
    told = {
        name: [_timeless(one.replace(name, b"-")) for one in bodies if name in one] for name in (b"alice", b"carol")
    }
    assert told[b"alice"] == told[b"carol"]
    assert len(told[b"alice"]) == 1
    assert b"New Name" in told[b"alice"][0]


@pytest.mark.parametrize("level", [100, 200, 300, 400])
def test_who_is_moved_to_the_blocked_keeps_the_shape_of_their_level(stage: Stage, level: int) -> None:
    """Clients move whom they block; a friend and an external contact hear what they would hear of a sign-out.

    Taken back, they hear what they would hear of somebody who comes again.
    """
    alice, carol, mallory = stage.sign_in("alice", "carol", "mallory")
    for one in (alice, carol):
        one.allows(mallory, level)
    mallory.watches(alice, carol)
    stage.passes(1)

    def heard_of(act: Callable[[], object], name: bytes) -> list[bytes]:
        before = len(mallory.sip.heard)
        act()
        stage.passes(2)
        bodies = [request.body for request in mallory.sip.heard[before:]]
        return [_timeless(one.replace(name, b"-").replace(name.title(), b"-")) for one in bodies]

    def shown(to: str, *names: str) -> bytes:
        mallory.sip.subscriptions.pop(PRESENCE, None)
        return _timeless(readable(poll(mallory, to, stage).answer, *names)[3])

    assert heard_of(lambda: alice.blocks(mallory), b"alice") == heard_of(carol.signs_out, b"carol")
    names = ("alice", "carol", "Alice", "Carol")
    kept = mallory.sip.subscriptions[PRESENCE]
    assert shown(alice.aor, *names) == shown(carol.aor, *names)
    mallory.sip.subscriptions[PRESENCE] = kept
    back = heard_of(lambda: alice.allows(mallory, level), b"alice")
    assert back == heard_of(carol.signs_in, b"carol")[-1:]


def test_a_restart_does_not_tell_blocked_from_offline(stage: Stage) -> None:
    """What is shown of somebody offline is as old as the server's memory of them; so it is of who blocks."""
    alice, carol, mallory = stage.sign_in("alice", "carol", "mallory")
    alice.blocks(mallory)
    carol.signs_out()
    stage.passes(100)

    def since(to: str) -> bytes:
        mallory.sip.subscriptions.pop(PRESENCE, None)
        (found,) = re.findall(rb'name="state"[^>]*publishTime="([^"]*)"', poll(mallory, to, stage).answer.body)
        return bytes(found)

    before = [since(one.aor) for one in (alice, carol)]
    stage.stop()
    stage.start()
    mallory.signs_in()
    alice.signs_in()
    stage.passes(1)
    after = [since(one.aor) for one in (alice, carol)]
    assert [old == new for old, new in zip(before, after, strict=True)] == [False, False]


def test_a_conversation_ends_with_a_block_as_with_a_sign_out(stage: Stage) -> None:
    """Mallory gets the same BYE and the same answers in it, from Alice, who blocks, and Carol, who signs out; byte for byte."""
    alice, carol, mallory = stage.sign_in("alice", "carol", "mallory")
    names = ("alice", "carol", "Alice", "Carol", alice.sip.epid, carol.sip.epid, alice.sip.gruu, carol.sip.gruu)

    def plays(other: Actor, act: Callable[[], object]) -> list[object]:
        talk, theirs = mallory.talks_to(other)
        assert talk.says("before").status == 200
        heard, told = len(mallory.sip.heard), len(other.sip.heard)
        act()
        stage.passes(1)
        ended = [(one.method, one.body) for one in mallory.sip.heard[heard:]]
        assert talk.is_over
        assert theirs.is_over == (other is alice)
        later = [talk.says("after"), *(talk.sends(one, []) for one in ("INFO", "INVITE", "BYE"))]
        stage.passes(60)
        assert all(one.method in ("BYE", "BENOTIFY", "NOTIFY") for one in other.sip.heard[told:])
        return [ended, *(answers(one, *names) for one in later)]

    assert plays(alice, lambda: alice.blocks(mallory)) == plays(carol, carol.signs_out)
    # Alice may write to whom she blocks, and hears the answer; blocking somebody else later ends nothing.
    talk, theirs = alice.talks_to(mallory)
    alice.blocks(carol)
    stage.passes(1)
    assert talk.says("why?").status == theirs.says("because").status == 200


def test_when_somebody_was_active_last_outlives_the_server(stage: Stage) -> None:
    """Of Alice, who blocks, and of Carol, who signed out at the same moment, although nothing else was written then."""
    alice, carol, mallory = stage.sign_in("alice", "carol", "mallory")
    stage.passes(60)
    with alice.in_one_breath():
        alice.blocks(mallory)
        carol.signs_out()
    stage.passes(100)

    def seen() -> list[bytes]:
        mallory.sip.subscriptions.pop(PRESENCE, None)
        body = poll(mallory, alice.aor, stage).answer.body + poll(mallory, carol.aor, stage).answer.body
        return re.findall(rb'lastActive="([^"]*)"', body)

    before = seen()
    assert len(before) == 2
    stage.kill()
    stage.start()
    mallory.signs_in()
    assert seen() == before


def test_who_appears_offline_is_seen_as_somebody_who_signed_out(stage: Stage) -> None:
    """The same documents for both; and nothing that who is hidden does later is seen, their going neither."""
    alice, carol, mallory = stage.sign_in("alice", "carol", "mallory")
    for one in (alice, carol):
        one.publishes(3500)
    mallory.watches(alice, carol)
    stage.passes(1)

    def heard_of(act: Callable[[], object], name: bytes) -> list[bytes]:
        before = len(mallory.sip.heard)
        act()
        stage.passes(5)
        return [_timeless(request.body.replace(name, b"-")) for request in mallory.sip.heard[before:]]

    hidden = heard_of(lambda: alice.publishes(18500, machine=3500), b"alice")
    assert hidden == heard_of(carol.signs_out, b"carol")
    assert hidden
    for machine in (15500, 3500):
        assert heard_of(lambda machine=machine: alice.publishes(18500, machine=machine), b"") == []  # type: ignore[misc]  # mypy on defaults
    assert heard_of(alice.signs_out, b"") == []


def test_a_blocked_person_finds_who_blocks_him_as_before(stage: Stage) -> None:
    """The directory says who there is, and nothing about presence."""
    alice, mallory = stage.sign_in("alice", "mallory")
    before = mallory.searches("Alice").answer
    alice.blocks(mallory)
    stage.passes(1)
    after = mallory.searches("Alice").answer
    assert before.body == after.body
    assert b"vailability" not in after.body
    assert alice.aor.encode() in after.body


def test_a_blocked_client_from_before_2007_sees_offline(stage: Stage) -> None:
    """By a list, and by getPresence, which is not refused: a refusal would say why."""
    alice, mallory = stage.sign_in("alice", "mallory")
    alice.blocks(mallory)
    stage.passes(1)

    def asks(user: str) -> Response:
        body = (
            '<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"'
            ' xmlns:m="http://schemas.microsoft.com/winrtc/2002/11/sip"><s:Body>'
            f'<m:getPresence><m:presentity m:uri="sip:{user}@example.com"/></m:getPresence></s:Body></s:Envelope>'
        )
        return mallory.sip.service(SOAP_TYPE, body.encode()).answer

    names = ("alice", "carol", "Alice", "Carol")
    assert readable(asks("alice"), *names) == readable(asks("carol"), *names)
    assert b"Alice" in asks("alice").body


def test_a_level_is_seen_by_whom_it_concerns_and_by_nobody_else(stage: Stage) -> None:
    """Bob becomes a friend and sees it within a moment; Carol and Dave hear nothing at all."""
    alice, bob, carol, dave = stage.sign_in("alice", "bob", "carol", "dave")
    for watcher in (bob, carol, dave):
        watcher.watches(alice)
    alice.publishes(note="party at eight", container=400)
    stage.passes(1)
    heard = [len(one.sip.heard) for one in (carol, dave)]

    with alice.in_one_breath():
        alice.allows(bob, container=400)
    stage.passes(0.1)

    assert bob.others.about(alice.aor).note == "party at eight"
    alice.blocks(carol)
    stage.passes(0.1)
    assert carol.others.about(alice.aor).availability == "offline"
    assert [len(one.sip.heard) for one in (carol, dave)] == [heard[0] + 1, heard[1]]


# --- privacy mode


def test_in_privacy_mode_only_contacts_see_a_user() -> None:
    """By policy for all: Bob, on her list, sees Alice; Carol sees her when she is on it, and no longer than that."""
    with Stage.opened(policies={"privacy_mode": True}) as stage:
        alice, bob, carol = stage.sign_in("alice", "bob", "carol")
        alice.adds(bob.aor)
        for watcher in (bob, carol):
            watcher.watches(alice)
        stage.passes(1)
        assert bob.hears(alice).availability == "available"
        assert carol.hears(alice).availability == "offline"
        assert carol.hears(alice).name == "Alice"

        alice.adds(carol.aor)
        stage.passes(1)
        assert carol.hears(alice).availability == "available"
        alice.removes(carol.aor)
        stage.passes(1)
        assert carol.hears(alice).availability == "offline"


def test_a_policy_of_one_s_own_is_told_to_clients_and_holds() -> None:
    """Alice's client is told to follow the private grammar; Bob's is not."""
    with Stage.opened(policies={"chair": {"members": ["alice@example.com"], "privacy_mode": True}}) as stage:
        alice, bob = stage.sign_in("alice", "bob")
        for actor, expected in ((alice, "true"), (bob, "false")):
            actor.sip.subscribe(
                "vnd-microsoft-provisioning-v2",
                b'<provisioningGroupList><provisioningGroup name="presencePolicyV2"/></provisioningGroupList>',
                "application/vnd-microsoft-roaming-provisioning-v2+xml",
                expires=0,
            )
            stage.passes(0.1)
            said = {one.get("name"): one.text for one in actor.provisions["presencePolicyV2"].iter("property")}
            assert said["EnablePrivacyMode"] == expected
        bob.watches(alice)
        alice.watches(bob)
        assert bob.hears(alice).availability == "offline"
        assert alice.hears(bob).availability == "available"


def test_a_user_may_wish_for_privacy_himself(stage: Stage) -> None:
    """The option in his client hides him from who is not his contact, and shows him again."""
    alice, bob = stage.sign_in("alice", "bob")
    bob.watches(alice)

    def wishes(selection: str) -> None:
        value = (
            '<otherOptions xmlns="http://schemas.microsoft.com/2006/09/sip/options/otherOptions">'
            f"<privacyModeUserSelection>{selection}</privacyModeUserSelection></otherOptions>"
        )
        assert alice.publishes_raw((("otherOptions", 2, 1), "static", value)).status == 200
        stage.passes(1)

    wishes("private")
    assert bob.hears(alice).availability == "offline"
    alice.adds(bob.aor)
    stage.passes(1)
    assert bob.hears(alice).availability == "available"
    alice.removes(bob.aor)
    stage.passes(1)
    assert bob.hears(alice).availability == "offline"
    wishes("public")
    assert bob.hears(alice).availability == "available"


# --- clients from before 2007


def test_an_old_client_watches_a_list_and_hears_of_changes(stage: Stage) -> None:
    """Communicator 2005 beside Lync: each in its own words, of the same person at the same level."""
    alice, bob, old = stage.sign_in("alice", "bob", "carol")
    told: list[tuple[str, bytes]] = []
    old.sip.documents = lambda event, content_type, body: told.append((content_type, body))
    fields = [
        ("Require", "adhoclist"),
        ("Supported", "eventlist"),
        ("Accept", f"application/rlmi+xml,{MSRTC},multipart/related"),
    ]
    exchange = old.sip.subscribe(
        PRESENCE, adrl_body(old.aor, create=[alice.aor]), "application/adrl+xml", fields=fields
    )
    stage.passes(0.1)
    assert exchange.status == 200
    bob.watches(alice)

    alice.publishes(6500, note="in the library")
    stage.passes(0.1)

    content_type, body = told[-1]
    assert content_type == MSRTC
    document = tree(body)
    assert document.get("uri") == "alice@example.com"
    assert document.find("activity").get("aggregate") == "600"
    assert document.findtext("userInfo/note") == "in the library"
    assert bob.hears(alice).availability == "busy"
    alice.signs_out()
    stage.passes(1)
    assert tree(told[-1][1]).find("availability").get("aggregate") == "0"


def test_an_old_client_is_asked_about_watchers_and_answers(stage: Stage) -> None:
    """By presence.wpending and setACE; who is denied, is blocked for every client."""
    alice, bob = stage.sign_in("alice", "bob")
    told: list[bytes] = []
    alice.sip.documents = lambda event, content_type, body: told.append(body)
    alice.sip.subscribe("presence.wpending")
    bob.watches(alice)
    stage.passes(1)
    assert b'uri="sip:bob@example.com"' in told[-1]
    inner = (("type", "USER"), ("mask", bob.aor), ("rights", "DD"))
    assert alice.changes_contacts("setACE", *inner).status == 200
    stage.passes(1)
    assert bob.hears(alice).availability == "offline"
    (phone,) = stage.sign_in("alice")
    assert phone.own.subscribers == []


# --- nobody is left with what was


def test_who_is_no_user_any_more_leaves_nothing_behind(stage: Stage) -> None:
    """Old watchers see what new ones see: nobody. When he is a user again, both see what he said for good."""
    alice, bob, carol = stage.sign_in("alice", "bob", "carol")
    alice.publishes(note="hello")
    bob.watches(alice)
    assert bob.hears(alice).note == "hello"
    people = list(stage.directory.people)
    stage.directory.people = [one for one in people if one.key != "key-alice"]
    stage.pulls()
    carol.watches(alice)
    assert bob.hears(alice) == carol.hears(alice)
    assert (bob.hears(alice).availability, bob.hears(alice).note, bob.hears(alice).name) == ("offline", "", "")

    stage.directory.people = people
    stage.pulls()
    assert bob.hears(alice) == carol.hears(alice)
    assert (bob.hears(alice).note, bob.hears(alice).name) == ("hello", "Alice")


def test_a_level_that_changes_while_a_watcher_asks_for_less_is_seen(stage: Stage) -> None:
    """Bob's card window closes in the moment in which Alice blocks him; his list still hears of it."""
    alice, bob = stage.sign_in("alice", "bob")
    alice.publishes(note="hello")
    bob.watches(alice)
    fields = [("Require", "adhoclist, categoryList"), ("Supported", "eventlist")]
    bob.sip.subscribe(PRESENCE, batch_body(bob.aor, [alice.aor], id_=99), BATCH_TYPE, fields=fields)
    stage.passes(1)
    ends = batch_body(bob.aor, [alice.aor], id_=99, action="unsubscribe")
    with alice.in_one_breath(), bob.in_one_breath():
        alice.blocks(bob)
        stage.settle()
        bob.sip.subscribe(PRESENCE, ends, BATCH_TYPE, fields=fields)
        stage.settle()
    assert (bob.hears(alice).availability, bob.hears(alice).note) == ("offline", "hello")
