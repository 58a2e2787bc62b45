"""Who began to watch whom: asked about once, by every device, until somebody answers."""

from typing import Any

import pytest

from lyncpy.contracts.names import Aor
from lyncpy.contracts.policy import Policy
from lyncpy.contracts.refusal import Refused, StoreUnavailable
from tests.kit.hall import tree
from tests.kit.holdings import held
from tests.kit.presence import CONTACT_CONTEXT, Client, PresenceRoom, batch_body, people

BATCH = "application/msrtc-adrl-categorylist+xml"
SUBSCRIBER = "application/msrtc-presence-setsubscriber+xml"
PENDING = "presence.wpending"

BOB = ("bob@contoso.test", "Bob", "false", "sameEnterprise")
BOB_KNOWN = ("bob@contoso.test", "Bob", "true", "sameEnterprise")


@pytest.fixture
def alice(room: PresenceRoom) -> Client:
    """A device of Alice that listens to its user's own data."""
    client = room.sign_in("alice")
    client.sees_itself()
    return client


def watches(client: Client, *users: str, **how: Any) -> None:
    """Watch people, and let everything happen that follows."""
    assert client.watches(*users, **how).status == 200
    client.room.pass_time()


def rows(document: Any) -> list[tuple[str | None, ...]]:
    """Give the watchers that a document of one's own data names."""
    names = ("user", "displayName", "acknowledged", "type")
    return [tuple(one.get(name) for name in names) for one in document.findall("subscribers/subscriber")]


def asked(client: Client) -> list[tuple[str | None, ...]]:
    """Give about whom a device was asked since it was last looked at."""
    return [row for document in client.hears() for row in rows(document)]


def answers(client: Client, user: str = "bob") -> int:
    """Answer for a watcher; give the status."""
    body = f'<setSubscribers><subscriber user="{user}@contoso.test" acknowledged="true"/></setSubscribers>'
    status = client.device.service(SUBSCRIBER, body.encode()).status
    client.room.pass_time()
    return status


def at_sign_in(room: PresenceRoom, epid: str = "ffffffffffff") -> list[tuple[str | None, ...]]:
    """Give about whom another device of Alice is asked when it signs in."""
    return rows(tree(room.sign_in("alice", epid).sees_itself().body))


def test_a_user_is_asked_about_a_new_watcher(alice: Client, bob: Client) -> None:
    """The question comes once, whatever the watcher does afterwards."""
    watches(bob, "alice")
    assert asked(alice) == [BOB]
    watches(bob, "alice", "carol")
    assert asked(alice) == []


def test_the_watcher_does_not_wait_for_it(room: PresenceRoom, alice: Client, bob: Client) -> None:
    """A store that does not answer delays the question, not the presence of two hundred people."""
    alice.hears()
    room.hall.store.write = _broken  # type: ignore[method-assign, assignment]  # a test's broken disk
    assert bob.watches("alice").status == 200
    del room.hall.store.write  # mended
    room.pass_time()
    assert asked(alice) == []
    room.pass_time(31)
    room.pass_time()
    assert asked(alice) == [BOB]


def _broken(*args: Any) -> Any:  # Any: never gives anything
    raise StoreUnavailable("the disk is full")


def test_a_single_subscription_asks_too(alice: Client, bob: Client) -> None:
    """Whoever watches without a list is no less a watcher."""
    bob.device.subscribe("presence", to="sip:alice@contoso.test")
    bob.room.pass_time()
    assert asked(alice) == [BOB]


def test_who_looks_once_is_no_watcher(alice: Client, bob: Client) -> None:
    """A poll asks nobody anything."""
    watches(bob, "alice", expires=0)
    assert asked(alice) == []


def test_who_was_away_is_asked_at_sign_in(room: PresenceRoom, bob: Client) -> None:
    """And after a restart of the server, until there is an answer; then never again."""
    watches(bob, "alice")
    assert at_sign_in(room, "e1") == [BOB]
    room.hall.restart()
    room.workload = room.opened()
    assert at_sign_in(room, "e2") == [BOB]
    alice = room.sign_in("alice", "e3")
    assert answers(alice) == 200
    assert at_sign_in(room, "e4") == []


def test_an_answer_takes_the_question_back_elsewhere(room: PresenceRoom, alice: Client, bob: Client) -> None:
    """Alice answers at the desk, and the phone stops asking."""
    phone = room.sign_in("alice", "cccccccccccc")
    phone.sees_itself()
    watches(bob, "alice")
    assert asked(phone) == [BOB]
    alice.hears()
    assert answers(alice) == 200
    assert asked(phone) == [BOB_KNOWN]


def test_only_a_watcher_can_be_answered_for(alice: Client, bob: Client) -> None:
    """Everybody else was never asked about; an answer twice is one."""
    watches(bob, "alice")
    assert answers(alice, "carol") == 400
    assert [answers(alice), answers(alice)] == [200, 200]


def test_nobody_answers_for_another(alice: Client, bob: Client) -> None:
    """The request is about its sender."""
    watches(bob, "alice")
    body = b'<setSubscribers><subscriber user="bob@contoso.test" acknowledged="true"/></setSubscribers>'
    assert bob.device.service(SUBSCRIBER, body, to="sip:alice@contoso.test").status == 403


def test_a_contact_needs_no_introduction(room: PresenceRoom, alice: Client, bob: Client) -> None:
    """Alice has Bob on the list already; it is read once, not each time that Bob signs in."""
    room.contacts.have("alice", "bob")
    room.pass_time()
    watches(bob, "alice")
    assert asked(alice) == []
    before = room.contacts.read.count(Aor("sip:alice@contoso.test"))
    bob.device.subscribe("presence", expires=0)
    watches(room.sign_in("bob", "b2"), "alice")
    assert room.contacts.read.count(Aor("sip:alice@contoso.test")) == before


def test_a_contact_who_was_removed_is_asked_about(room: PresenceRoom, alice: Client, bob: Client) -> None:
    """Whoever is not on the list any more is a stranger again."""
    room.contacts.have("alice", "bob")
    watches(bob, "alice")
    room.contacts.have("alice")
    room.pass_time()
    watches(room.sign_in("bob", "b2"), "alice")
    assert asked(alice) == [BOB]


def test_to_add_somebody_answers_the_question(room: PresenceRoom, alice: Client, bob: Client) -> None:
    """Every device stops asking when Bob is on the list."""
    watches(bob, "alice")
    assert asked(alice) == [BOB]
    room.contacts.have("alice", "bob")
    room.pass_time()
    assert asked(alice) == [BOB_KNOWN]
    assert at_sign_in(room) == []


@pytest.mark.parametrize("container", [100, 300, 32000], ids=["external", "workgroup", "blocked"])
def test_who_has_a_level_is_not_asked_about(alice: Client, bob: Client, container: int) -> None:
    """Alice has decided about Bob, and need not be told again that Bob is blocked."""
    alice.allows(container, 0, '<member action="add" type="user" value="bob@contoso.test"/>')
    watches(bob, "alice")
    assert asked(alice) == []


def test_who_is_blocked_with_all_his_domain_asks_nothing(alice: Client, bob: Client) -> None:
    """A blocked watcher reaches nobody, by this road neither."""
    alice.allows(32000, 0, '<member action="add" type="domain" value="contoso.test"/>')
    watches(bob, "alice")
    assert asked(alice) == []


def test_a_policy_bounds_the_questions(room: PresenceRoom, alice: Client) -> None:
    """No more than it allows wait; with an answer there is room for the next."""
    room.policies.have("alice", Policy(prompted_subscribers=1))
    bob, carol = room.sign_in("bob"), room.sign_in("carol")
    watches(bob, "alice")
    watches(carol, "alice")
    assert [one[0] for one in asked(alice)] == ["bob@contoso.test"]
    assert answers(alice) == 200
    watches(room.sign_in("carol", "c2"), "alice")
    assert [one[0] for one in asked(alice) if one[2] == "false"] == ["carol@contoso.test"]


def test_a_policy_may_ask_nobody(room: PresenceRoom, alice: Client, bob: Client) -> None:
    """Then the list of contacts is not even read."""
    room.policies.have("alice", Policy(prompted_subscribers=0))
    room.pass_time()
    room.contacts.read.clear()
    watches(bob, "alice")
    assert asked(alice) == []
    assert room.contacts.read == []


def test_who_ends_to_watch_before_he_is_heard_of_is_forgotten(room: PresenceRoom, bob: Client) -> None:
    """Bob added the wrong Alice, and took them off again."""
    watches(bob, "alice")
    body = batch_body(bob.device.uri, ["sip:alice@contoso.test"], action="unsubscribe")
    bob.device.subscribe("presence", body, content_type=BATCH)
    room.pass_time()
    assert at_sign_in(room) == []


def test_who_signs_out_is_not_forgotten(room: PresenceRoom, bob: Client) -> None:
    """The end of a subscription is not a change of mind."""
    watches(bob, "alice")
    bob.device.subscribe("presence", expires=0)
    room.pass_time()
    assert at_sign_in(room) == [BOB]


def test_a_watcher_from_elsewhere_is_named_as_such(room: PresenceRoom, alice: Client) -> None:
    """A client shows partners and users of public services differently."""
    room.workload.subscribers.began(Aor("sip:eve@partner.test"), {Aor("sip:alice@contoso.test"): ""})
    room.pass_time()
    assert asked(alice) == [("eve@partner.test", "", "false", "federated")]


def test_a_client_from_before_2007_is_asked_by_its_own_event(alice: Client, bob: Client, room: PresenceRoom) -> None:
    """Who waits already comes with the answer, who comes later with a notification; an answer is silent."""
    watches(bob, "alice")
    old = room.sign_in("alice", "0ld")
    response = old.device.subscribe(PENDING)
    assert response.content_type == "text/xml+msrtc.wpending"
    found = [dict(one.attrib) for one in tree(response.body).findall("watcher")]
    assert found == [{"uri": "sip:bob@contoso.test", "displayName": "Bob"}]
    watches(room.sign_in("carol"), "alice")
    assert answers(alice) == 200
    assert [[one.get("uri") for one in document] for document in old.hears()] == [["sip:carol@contoso.test"]]
    assert old.device.subscribe(PENDING, expires=0).status == 200
    assert old.device.subscribe(PENDING, to="sip:bob@contoso.test").status == 403


def test_a_crowd_is_noted_in_one_change(room: PresenceRoom, alice: Client) -> None:
    """A hundred colleagues who come together cost Alice's board one write, not a hundred."""
    written: list[str] = []
    write = room.hall.store.write

    def counted(kind: str, key: str, *rest: Any) -> Any:  # Any: as the store's
        written.append(key)
        return write(kind, key, *rest)

    room.hall.store.write = counted  # type: ignore[method-assign, assignment]  # a test's counter
    for n in range(100):
        room.workload.subscribers.began(Aor(f"sip:u{n}@contoso.test"), {Aor("sip:alice@contoso.test"): ""})
    room.pass_time()
    assert written == ["sip:alice@contoso.test"]
    assert len(asked(alice)) == 100


def test_what_waits_is_bounded() -> None:
    """Beyond the bound, a watcher is noted when they sign in next."""
    room = PresenceRoom(people("alice", *(f"u{n}" for n in range(150))), prompts_waiting=100)
    alice = room.sign_in("alice")
    alice.sees_itself()
    for n in range(150):
        room.workload.subscribers.began(Aor(f"sip:u{n}@contoso.test"), {Aor("sip:alice@contoso.test"): ""})
    assert len(room.workload.subscribers) == 100
    room.pass_time()
    assert len(asked(alice)) == 100
    assert len(room.workload.subscribers) == 0


def test_after_the_end_nothing_is_noted(room: PresenceRoom, bob: Client) -> None:
    """A server that stops leaves no timer."""
    bob.watches("carol")
    room.workload.subscribers.close()
    room.pass_time()
    assert len(room.workload.subscribers) == 0


def test_a_busy_board_delays_only_its_own_questions(room: PresenceRoom, alice: Client, bob: Client) -> None:
    """Too many changes of Carol at once are no reason for Alice to wait."""
    carol = room.sign_in("carol")
    carol.sees_itself()
    change = room.workload.boards.change
    busy = [True]

    async def refused(aor: Aor, *rest: Any) -> Any:  # Any: as of the real one
        if aor == carol.device.who.aor and busy.pop():
            raise Refused(503)
        return await change(aor, *rest)

    room.workload.boards.change = refused  # type: ignore[method-assign, assignment]  # a board that is busy once
    busy.append(False)
    busy.reverse()
    watches(bob, "carol", "alice")
    assert asked(alice) == [BOB]
    assert asked(carol) == []
    room.pass_time(31)
    room.pass_time()
    assert asked(carol) == [BOB]


def test_what_is_remembered_is_bounded() -> None:
    """Beyond the bound, lists are read again."""
    room = PresenceRoom(people("alice", "bob"), watchings_total=100)
    room.contacts.have("alice", "bob", *(f"u{n}" for n in range(150)))
    room.pass_time()
    alice = Aor("sip:alice@contoso.test")
    for n in range(150):
        room.workload.subscribers.began(Aor(f"sip:u{n}@contoso.test"), {alice: ""})
        room.pass_time()
    assert max(held(room.workload.subscribers).values()) <= 100
    room.workload.subscribers.began(Aor("sip:u0@contoso.test"), {alice: ""})
    room.pass_time()
    assert room.contacts.read.count(alice) > 150


def test_nobody_is_asked_about_themselves_or_for_who_is_gone(room: PresenceRoom, alice: Client) -> None:
    """A client watches its own user too; somebody who left the directory has no board to write on."""
    watches(alice, "alice")
    assert asked(alice) == []
    subscribers = room.workload.subscribers
    subscribers.began(alice.device.who.aor, {Aor("sip:ghost@contoso.test"): ""})
    subscribers.ended(alice.device.who.aor, [alice.device.who.aor])
    room.pass_time()
    assert len(subscribers) == 0
    assert room.workload.boards.peek(Aor("sip:ghost@contoso.test")) is None


# --- why somebody watches


def batch(client: Client, context: str | None, id_: int = 1) -> int:
    """Watch Alice in one batch with a context; give the status."""
    body = batch_body(client.device.uri, ["sip:alice@contoso.test"], context=context, id_=id_)
    status = client.device.subscribe("presence", body, content_type=BATCH).status
    client.room.pass_time()
    return status


def test_a_glance_is_no_introduction(alice: Client, bob: Client) -> None:
    """A contact card or a search result is watched without a context, for a moment; Alice is not told."""
    assert batch(bob, None) == 200
    assert asked(alice) == []


def test_who_adds_her_after_a_glance_is_told_of(alice: Client, bob: Client) -> None:
    """The client watches already when the user makes the person a contact."""
    batch(bob, None)
    assert batch(bob, CONTACT_CONTEXT, id_=2) == 200
    assert asked(alice) == [BOB]


def test_an_empty_context_is_one(alice: Client, bob: Client) -> None:
    """SIPE marks whom its user has just added with an empty element."""
    assert batch(bob, "") == 200
    assert asked(alice) == [BOB]


def test_the_context_reaches_her_client(room: PresenceRoom, alice: Client, bob: Client) -> None:
    """As the watcher's client wrote it, also after a restart; a client tells contacts and delegates apart by it."""
    batch(bob, CONTACT_CONTEXT)
    row = next(one for document in alice.hears() for one in document.findall("subscribers/subscriber"))
    assert row.find("context/subscriptionContext/watcher/contactList") is not None
    room.hall.restart()
    room.workload = room.opened()
    body = tree(room.sign_in("alice", "ffffffffffff").sees_itself().body)
    assert body.find("subscribers/subscriber/context/subscriptionContext") is not None


def test_a_context_has_a_bound(alice: Client, bob: Client) -> None:
    """It is kept on the other one's board, so nobody may fill that."""
    assert batch(bob, f"<x>{'x' * 2000}</x>") == 413
    assert asked(alice) == []
