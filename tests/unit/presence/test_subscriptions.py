"""Batches, dialogs and grants: what a watching client can ask for, and what it gets."""

from typing import Any

import pytest

from lyncpy.sip.body import read_multipart
from lyncpy.sip.message import Response
from lyncpy.workloads.presence.bodies.batches import BatchAction, BatchResource
from lyncpy.workloads.presence.bodies.legacy import PresenceFormat
from lyncpy.workloads.presence.subscriptions import combined
from tests.kit.hall import tree
from tests.kit.presence import Client, PresenceRoom, availability, batch_body, note, people, publication, views

BATCH = "application/msrtc-adrl-categorylist+xml"
ALICE, CAROL = "sip:alice@contoso.test", "sip:carol@contoso.test"


@pytest.fixture
def alice(room: PresenceRoom) -> Client:
    """A device of Alice, online."""
    client = room.sign_in("alice")
    client.comes_online()
    return client


def asks(
    client: Client, *uris: str, id_: int, categories: tuple[str, ...] = ("state",), ends: bool = False
) -> Response:
    """Ask for people with an action of its own, in the one dialog of the device."""
    action = "unsubscribe" if ends else "subscribe"
    body = batch_body(client.device.uri, uris, action=action, categories=categories, id_=id_)
    response = client.device.subscribe("presence", body, content_type=BATCH)
    assert response.status == 200
    return response


def named(documents: list[Any]) -> list[set[str | None]]:
    """Give which categories documents name."""
    return [{one.get("name") for one in document.findall("category")} for document in documents]


def test_each_action_has_its_own_categories(alice: Client, bob: Client) -> None:
    """States of everybody, and notes of those whose window is open."""
    asks(bob, ALICE, CAROL, id_=1)
    assert named([views(asks(bob, ALICE, id_=2, categories=("note",)))["alice"]]) == [{"note", "state"}]
    alice.publishes(publication("note", 0, 200, note("hi")))
    assert named(bob.hears()) == [{"note"}]


def test_an_action_ends_for_itself(alice: Client, bob: Client) -> None:
    """When the window is closed, the state is watched as before."""
    asks(bob, ALICE, id_=1)
    asks(bob, ALICE, id_=2, categories=("note",))
    asks(bob, id_=2, ends=True)
    alice.publishes(publication("note", 0, 200, note("hi")))
    assert bob.hears() == []
    alice.publishes(*alice.states(6500, 1))
    assert named(bob.hears()) == [{"state"}]
    asks(bob, id_=1, ends=True)
    alice.publishes(*alice.states(3500, 2))
    assert bob.hears() == []


def test_an_action_asked_again_replaces_itself(alice: Client, bob: Client) -> None:
    """A client narrows what it wants."""
    asks(bob, ALICE, id_=1, categories=("state", "note"))
    asks(bob, ALICE, id_=1)
    alice.publishes(publication("note", 0, 200, note("hi")))
    assert bob.hears() == []


def rlmi(response: Response) -> tuple[str | None, str | None, list[str | None]]:
    """Give version, fullState and the addresses of an answer's list."""
    parts = read_multipart(response.body, response.headers.get("Content-Type") or "")
    root = tree(parts[0].body)
    return root.get("version"), root.get("fullState"), [one.get("uri") for one in root.findall("resource")]


def test_the_first_list_is_whole_and_later_ones_are_counted(bob: Client) -> None:
    """A list says which it is, and whether everybody is in it (RFC 4662 §5.2)."""
    first = asks(bob, ALICE, id_=1)
    assert rlmi(first) == ("1", "true", [ALICE])
    assert first.headers.get("Require") == "eventlist"
    assert rlmi(asks(bob, CAROL, id_=2)) == ("2", "false", [CAROL])
    assert rlmi(asks(bob, ALICE, CAROL, id_=3)) == ("3", "true", [ALICE, CAROL])


def test_notifications_of_a_list_say_so(alice: Client, bob: Client) -> None:
    """They require what the subscription offered; those about one person do not."""
    asks(bob, ALICE, id_=1)
    alice.publishes(*alice.states(6500, 1))
    assert [one.headers.get("Require") for one in bob.device.heard] == ["eventlist"]


def test_a_question_is_answered_once(alice: Client, bob: Client) -> None:
    """`query` tells what there is and watches nobody; alone, it is a poll."""
    body = batch_body(bob.device.uri, [ALICE], action="query", categories=("state",))
    response = bob.device.subscribe("presence", body, content_type=BATCH)
    assert (response.status, response.headers.get("Expires")) == (200, "0")
    assert (response.headers.get("subscription-state") or "").startswith("terminated")
    assert named([views(response)["alice"]]) == [{"state"}]
    alice.publishes(*alice.states(6500, 1))
    assert bob.hears() == []


def test_a_question_changes_nothing_of_what_is_watched(alice: Client, bob: Client) -> None:
    """Within a dialog it tells of somebody else, or of more, and what is watched stays as it was."""
    asks(bob, ALICE, id_=1)
    body = batch_body(bob.device.uri, [ALICE, CAROL], action="query", categories=("note",), id_=2)
    response = bob.device.subscribe("presence", body, content_type=BATCH)
    assert {name: named([view]) for name, view in views(response).items()} == {"alice": [{"note"}], "carol": [{"note"}]}
    alice.publishes(publication("note", 0, 200, note("hi")))
    assert bob.hears() == []
    alice.publishes(*alice.states(6500, 1))
    assert named(bob.hears()) == [{"state"}]


def test_actions_without_end_are_bounded() -> None:
    """A client that makes a new name for each refresh does not grow."""
    wishes: Any = {}
    for n in range(100):
        action = BatchAction(str(n), True, (BatchResource(ALICE, ALICE),), frozenset({f"c{n}"}))  # type: ignore[arg-type]  # an address
        wishes, _ = combined(wishes, [action], PresenceFormat.CATEGORIES)
    (wish,) = wishes.values()
    assert wish.categories == {f"c{n}" for n in range(92, 100)}


def test_a_device_may_have_several_dialogs(room: PresenceRoom, alice: Client, bob: Client) -> None:
    """Each is told what it asked for, and ends alone."""
    responses = []
    for call_id, categories in (("first", ("state",)), ("second", ("note",))):
        extra = [
            ("Event", "presence"),
            ("Supported", "ms-benotify"),
            ("Supported", "ms-piggyback-first-notify"),
            ("Contact", f"<{bob.device.uri}>"),
            ("Content-Type", BATCH),
        ]
        body = batch_body(bob.device.uri, [ALICE], categories=categories)
        to = f"<{bob.device.uri}>"
        responses.append(bob.device.ask("SUBSCRIBE", bob.device.uri, to, extra, body, call_id=call_id))
    assert [one.status for one in responses] == [200, 200]
    alice.publishes(*alice.states(6500, 1))
    alice.publishes(publication("note", 0, 200, note("hi")))
    told = [(one.call_id, one.body.count(b"<category ")) for one in bob.device.heard]
    assert told == [("first", 1), ("second", 1)]
    extra = [("Event", "presence"), ("Expires", "0")]
    to = f"<{bob.device.uri}>;tag={responses[0].to.tag}"
    assert bob.device.ask("SUBSCRIBE", bob.device.uri, to, extra, b"", call_id="first").status == 200
    alice.publishes(*alice.states(3500, 2))
    assert len(bob.device.heard) == 2
    assert len(room.hall.asked("presence watchers", user="alice@contoso.test").rows) == 1


def test_the_answer_says_how_long_it_holds(alice: Client, bob: Client) -> None:
    """In all three headers that clients look at."""
    response = bob.watches("alice")
    left = response.headers.get("Expires") or ""
    assert response.headers.get("subscription-state") == f"active;expires={left}"
    assert response.headers.get("ms-piggyback-cseq") == "1"
    over = bob.watches("alice", expires=0)
    assert over.headers.get("subscription-state") == "terminated;expires=0"


@pytest.mark.parametrize(("asked", "most"), [(1200, 1200), (1260, 1260), (7200, 7200), (10**6, 43200)])
def test_what_is_asked_for_is_granted_within_bounds(bob: Client, asked: int, most: int) -> None:
    """More than the maximum becomes that; a sixth less is possible, but never less than the minimum."""
    for _ in range(20):
        granted = int(bob.watches("alice", expires=asked).headers.get("Expires") or 0)
        assert max(1200, most - most // 6) <= granted <= most


def test_too_short_a_time_is_refused_with_the_minimum(bob: Client) -> None:
    """A client learns for how long it may ask."""
    response = bob.watches("alice", expires=60)
    assert (response.status, response.headers.get("Min-Expires")) == (423, "1200")


def test_clients_that_ask_for_the_same_time_do_not_refresh_together(room: PresenceRoom) -> None:
    """Whatever they ask for, their refreshes are spread."""
    granted = {room.sign_in("bob", f"e{n}").watches("alice", expires=28800).headers.get("Expires") for n in range(20)}
    assert len(granted) > 10


def test_a_wave_of_sign_ins_becomes_no_wave_of_refreshes(room: PresenceRoom) -> None:
    """Three hundred clients that came within a second refresh over more than two hours, in no clusters."""
    granted = sorted(int(room.sign_in("bob", f"e{n}").watches("alice").headers.get("Expires") or 0) for n in range(300))
    assert granted[-1] - granted[0] > 7200
    by_quarter = [sum(start <= one < start + 2400 for one in granted) for start in range(24000, 33600, 2400)]
    assert min(by_quarter) > 300 / 4 / 2


def test_a_batch_is_bounded_before_boards_are_read(room: PresenceRoom) -> None:
    """A list of strangers without end costs no reading."""
    bounded = PresenceRoom(people("bob", *(f"u{n}" for n in range(11))), resources_per_subscription=10)
    bob = bounded.sign_in("bob")
    response = bob.watches(*(f"u{n}" for n in range(11)))
    assert response.status == 413
    assert (response.headers.get("ms-diagnostics") or "").startswith("2012;")
    assert len(bounded.workload.boards) == 0
    assert bob.watches(*(f"u{n}" for n in range(6))).status == 200
    assert bob.watches(*(f"u{n}" for n in range(5, 11))).status == 413
    assert bob.device.subscribe("presence").status == 200  # what was watched before still is


def test_a_change_of_level_is_seen_by_whom_it_concerns_and_by_nobody_else(
    room: PresenceRoom, alice: Client, bob: Client
) -> None:
    """Bob joins the team; Carol, whose level stays the same, hears nothing."""
    carol = room.sign_in("carol", "dddddddddddd")
    alice.publishes(publication("note", 0, 300, note("for the team")))
    for client in (bob, carol):
        client.watches("alice")
    alice.allows(300, 0, '<member action="add" type="user" value="bob@contoso.test"/>')
    (document,) = bob.hears()
    assert document.findtext(".//note/body") == "for the team"
    assert availability(document) == 3500
    assert carol.hears() == []


PUBLIC = '<member action="add" type="publicCloud"/>'
PARTNERS = '<member action="add" type="federated"/>'


@pytest.mark.parametrize(
    ("watcher", "sees"),
    [
        ("bob@contoso.test", ""),
        ("eve@partner.test", "partners"),
        ("eve@PUBLIC.test", "public"),
        ("eve@sub.public.test", "partners"),
    ],
)
def test_a_foreign_watcher_is_a_partner_or_a_public_user(watcher: str, sees: str) -> None:
    """Which of the two, the settings say; a domain below a public one is another."""
    room = PresenceRoom(people("alice", "bob"), public_domains=["public.test"])
    alice = room.sign_in("alice")
    alice.publishes(publication("note", 0, 1001, note("public")), publication("note", 0, 1002, note("partners")))
    alice.allows(1001, 0, PUBLIC)
    alice.allows(1002, 0, PARTNERS)
    eve = room.sign_in("eve")
    eve.device.who = eve.device.who.__class__(("sip:" + watcher).lower(), eve.device.who.epid, "NTLM")  # type: ignore[arg-type]  # an address
    shown = views(eve.watches("alice"))["alice"]
    assert (shown.findtext(".//note/body") or "") == sees


def test_to_end_what_never_began_changes_nothing(alice: Client, bob: Client) -> None:
    """Neither a stranger, nor an action that nobody knows, takes anything away."""
    asks(bob, ALICE, id_=1)
    asks(bob, "sip:nobody@contoso.test", id_=1, ends=True)
    asks(bob, id_=7, ends=True)
    alice.publishes(*alice.states(6500, 1))
    assert named(bob.hears()) == [{"state"}]


# --- shares


def test_a_greedy_device_fills_its_own_share_alone() -> None:
    """One device watches invented people without end: it is refused, its user's other devices and others are not."""
    room = PresenceRoom(people("alice", "bob"), watchings_per_device=60, watchings_per_user=100, watchings_total=1000)
    greedy, second, carol = room.sign_in("bob", "b1"), room.sign_in("bob", "b2"), room.sign_in("alice", "a1")

    def watches(client: Client, first: int, count: int) -> int:
        uris = [f"sip:invented{number}@contoso.test" for number in range(first, first + count)]
        body = batch_body(client.device.uri, uris, id_=first)
        client.device.dialogs.pop("presence", None)  # a dialog of its own each time
        return client.device.subscribe("presence", body, content_type=BATCH).status

    assert [watches(greedy, first, 20) for first in (0, 20, 40, 60)] == [200, 200, 200, 413]
    assert [watches(second, first, 20) for first in (0, 20, 40)] == [200, 200, 413]
    assert watches(carol, 0, 20) == 200


def test_an_answer_about_many_is_bounded_and_the_rest_follows() -> None:
    """Whose presence does not fit into one answer is told of at once behind it, whole."""
    names = [f"user{number}" for number in range(40)]
    room = PresenceRoom(people("bob", *names), answer_bytes=65_536)
    for name in names:
        client = room.sign_in(name, f"e{int(name[4:]):011}")
        client.comes_online()
        client.publishes(publication("note", 0, 200, note(name * 1000)))
    bob = room.sign_in("bob", "bbbbbbbbbbbb")
    uris = [f"sip:{name}@contoso.test" for name in names]
    response = bob.device.subscribe(
        "presence", batch_body(bob.device.uri, uris, categories=("note", "state")), content_type=BATCH
    )
    assert len(response.body) < 120_000
    seen = {name: availability(view) for name, view in views(response).items()}
    assert set(seen) == set(names)
    assert 5 < sum(number == 3500 for number in seen.values()) < 20
    room.hall.clock.advance(0.1)
    for document in bob.hears():
        seen[document.get("uri").partition(":")[2].partition("@")[0]] = availability(document)
    assert set(seen.values()) == {3500}


def test_documents_that_are_kept_are_bounded() -> None:
    """A watcher who asks for ever other sets of categories makes nothing grow."""
    room = PresenceRoom(people("alice", "bob"))
    room.sign_in("alice").comes_online()
    bob = room.sign_in("bob", "bbbbbbbbbbbb")
    for number in range(100):
        bob.device.subscribe(
            "presence", batch_body(bob.device.uri, [ALICE], categories=("state", f"x{number}")), content_type=BATCH
        )
    assert room.meter.gauges["lyncpy_presence_views_count"]() == 32
    assert 32 * 100 < room.meter.gauges["lyncpy_presence_views_bytes"]() < 32 * 2000
