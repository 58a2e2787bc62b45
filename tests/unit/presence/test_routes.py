"""Presence over SIP: devices publish and watch, and hear what they may."""

import pytest

from lyncpy.contracts.facts import PersonChanged
from lyncpy.contracts.names import Aor
from lyncpy.contracts.workload import CommandFailed
from tests.kit.hall import tree
from tests.kit.presence import (
    USER_INSTANCE,
    Client,
    PresenceRoom,
    availability,
    batch_body,
    note,
    people,
    publication,
    state,
    views,
)
from tests.kit.results import result_of

BOB = '<member action="add" type="user" value="bob@contoso.test"/>'
BOOTSTRAP = '<member action="add" type="sameEnterprise"/>'
BATCH = "application/msrtc-adrl-categorylist+xml"


@pytest.fixture
def alice(room: PresenceRoom) -> Client:
    """A device of Alice."""
    return room.sign_in("alice")


# --- one's own data


def test_a_new_user_gets_his_data_whole(alice: Client) -> None:
    """Without this, a client publishes nothing: card, state and the usual containers, and a piggybacked body."""
    response = alice.sees_itself()
    assert response.status == 200
    assert response.headers.get("ms-piggyback-cseq") is not None
    assert response.content_type == "application/vnd-microsoft-roaming-self+xml"
    document = tree(response.body)
    assert {one.get("name") for one in document.iterfind("categories/category")} == {
        "contactCard",
        "state",
        "legacyInterop",
        "userProperties",
    }
    assert all(one.get("version") == "0" for one in document.iterfind("containers/container"))


def test_grants_differ_so_that_refreshes_do_not_come_in_a_wave(room: PresenceRoom) -> None:
    """A thousand clients that came together after a restart do not refresh together."""
    granted = {int(room.sign_in("alice", f"e{n}").sees_itself().headers.get("Expires") or 0) for n in range(20)}
    assert len(granted) > 10
    assert min(granted) >= 28800 * 5 // 6 - 1
    assert max(granted) <= 28800 * 7 // 6 + 1


def test_only_ones_own_data(alice: Client) -> None:
    """Nobody reads another's board."""
    response = alice.device.subscribe("vnd-microsoft-roaming-self", to="sip:bob@contoso.test")
    assert response.status == 403


def test_the_first_publication_is_answered_with_all_instances(alice: Client) -> None:
    """The client goes on with the versions of this answer; one that were missing would make it ask without end."""
    alice.sees_itself()
    response = alice.comes_online()
    assert response.status == 200
    document = tree(response.body)
    assert [one.get("version") for one in document.iterfind("categories/category[@name='device']")] == ["1"]
    states = document.findall("categories/category[@name='state']")
    mine = [one for one in states if one.get("instance") not in ("1", str(0x10000000))]
    assert [(one.get("container"), one.get("version")) for one in mine] == [
        ("2", "1"),
        ("3", "1"),
        ("2", "1"),
        ("3", "1"),
    ]
    assert document.find("containers") is None


def test_the_publisher_hears_the_aggregate_state(alice: Client) -> None:
    """A client shows its own state only after it was notified of it."""
    alice.sees_itself()
    alice.comes_online(6500)
    (document,) = alice.hears()
    own = document.find("categories/category[@instance='1'][@container='2']/state")
    assert own.findtext("availability") == "6500"
    assert document.find("categories/category[@name='device']") is None


def test_other_devices_hear_every_category_that_was_touched(room: PresenceRoom, alice: Client) -> None:
    """A second device knows the versions with which it may publish."""
    laptop = room.sign_in("alice", "cccccccccccc")
    laptop.sees_itself()
    alice.comes_online()
    alice.publishes(publication("note", 0, 200, note("hi")))
    first, second = laptop.hears()
    assert {one.get("name") for one in first.iterfind("categories/category")} == {
        "device", "legacyInterop", "services", "state",
    }  # fmt: skip
    assert {one.get("name") for one in second.iterfind("categories/category")} == {"note"}
    assert alice.hears() == []  # it did not subscribe


def test_a_stale_version_is_refused_with_a_fault(room: PresenceRoom, alice: Client) -> None:
    """The client learns which publication was stale; nothing of its request was applied."""
    laptop = room.sign_in("alice", "cccccccccccc")
    laptop.publishes(publication("note", 0, 200, note("first")))
    response = alice.publishes(publication("note", 0, 300, note("x")), publication("note", 0, 200, note("x")))
    assert response.status == 409
    assert response.content_type == "application/msrtc-fault+xml"
    assert dict(tree(response.body).find("details/operation").attrib) == {
        "index": "2",
        "version": "0",
        "curVersion": "1",
    }
    assert laptop.publishes(publication("note", 0, 200, note("second"), version=1)).status == 200


def test_a_client_that_does_not_listen_is_not_refused_twice(room: PresenceRoom, alice: Client) -> None:
    """A real client repeats itself without pause when it is refused; once has to be enough."""
    room.sign_in("alice", "cccccccccccc").publishes(publication("note", 0, 200, note("first")))
    again = publication("note", 0, 200, note("mine"))
    assert [alice.publishes(again).status for _ in range(3)] == [409, 200, 200]


def test_a_client_that_listens_is_held_to_the_version(room: PresenceRoom, alice: Client) -> None:
    """When another device was faster again, the new version counts: nothing is lost."""
    laptop = room.sign_in("alice", "cccccccccccc")
    laptop.publishes(publication("note", 0, 200, note("first")))
    assert alice.publishes(publication("note", 0, 200, note("mine"))).status == 409
    laptop.publishes(publication("note", 0, 200, note("second"), version=1))
    assert alice.publishes(publication("note", 0, 200, note("mine"), version=1)).status == 409


@pytest.mark.parametrize(
    ("text", "status"),
    [
        (publication("contactCard", 0, 200, "<contactCard/>", version=1), 403),
        (publication("lunch", 0, 200, "<lunch/>"), 400),
        (publication("note", 0, 200, note("x" * 70000)), 413),
        ("", 400),
    ],
)
def test_refuses_what_may_not_be_published(alice: Client, text: str, status: int) -> None:
    """The server's own, the unknown, the endless and the empty."""
    assert alice.publishes(text).status == status


def test_a_setting_admits_more_categories() -> None:
    """An operator may let clients publish another category."""
    alice = PresenceRoom(people("alice"), categories=("lunch",)).sign_in("alice")
    assert alice.publishes(publication("lunch", 0, 200, "<lunch/>")).status == 200


def test_nobody_publishes_for_another(room: PresenceRoom, alice: Client) -> None:
    """Neither by the address nor by the document."""
    bob = "sip:bob@contoso.test"
    assert alice.publishes(publication("note", 0, 200, note("x")), to=bob).status == 403
    content = "application/msrtc-category-publish+xml"
    body = f'<publish><publications uri="{bob}">{publication("note", 0, 200)}</publications></publish>'
    assert alice.device.service(content, body.encode()).status == 403


def test_who_is_not_signed_in_publishes_nothing(room: PresenceRoom, alice: Client, bob: Client) -> None:
    """A request that was under way when its endpoint went makes nobody online for ever."""
    room.sign_out(alice)
    assert alice.comes_online().status == 403
    assert availability(views(bob.watches("alice"))["alice"]) == 18500


# --- watching others


def test_two_new_users_see_each_other(alice: Client, bob: Client) -> None:
    """Without any setting up, a colleague who comes online is seen."""
    shown = views(bob.watches("alice", "carol"))
    assert {name: availability(view) for name, view in shown.items()} == {"alice": 18500, "carol": 18500}
    assert shown["alice"].findtext(".//displayName") == "Alice"
    alice.comes_online()
    (document,) = bob.hears()
    assert document.get("uri") == "sip:alice@contoso.test"
    assert availability(document) == 3500
    assert [one.get("name") for one in document] == ["state"]


@pytest.mark.parametrize("number", [3500, 6500, 9500, 12500, 15500, 18500])
def test_every_status_is_seen(alice: Client, bob: Client, number: int) -> None:
    """What is chosen in the menu is what colleagues see."""
    alice.comes_online()
    bob.watches("alice")
    alice.publishes(*alice.states(number, 1))
    last = [3500, *(availability(one) for one in bob.hears())][-1]
    assert last == number


def test_idle_is_seen_and_ends(alice: Client, bob: Client) -> None:
    """A client that is idle changes only its machine's state."""
    alice.comes_online()
    bob.watches("alice")
    alice.publishes(*alice.states(3500, 1, machine=15500)[:2])
    alice.publishes(*alice.states(3500, 2)[:2])
    seen = bob.hears()
    assert [availability(one) for one in seen] == [15500, 3500]
    assert [one.find(".//state").get("lastActive") is None for one in seen] == [False, True]


def test_a_note_is_seen_and_cleared(alice: Client, bob: Client) -> None:
    """A cleared note is told as an empty one; silence would leave the old one standing."""
    bob.watches("alice")
    alice.publishes(publication("note", 0, 200, note("in the library")))
    alice.publishes(publication("note", 0, 200, version=1, extra=' expires="0"'))
    first, second = bob.hears()
    assert first.findtext(".//body") == "in the library"
    assert [(one.get("name"), len(one)) for one in second] == [("note", 0)]


def test_what_no_watcher_sees_is_told_to_none(alice: Client, bob: Client) -> None:
    """A new version without new content, or a device's record, wakes nobody up."""
    alice.comes_online()
    bob.watches("alice")
    alice.comes_online(versions=1)
    assert bob.hears() == []


def test_a_burst_becomes_one_notification(room: PresenceRoom, alice: Client, bob: Client) -> None:
    """Three changes in a moment are told as the latest state."""
    alice.comes_online()
    bob.watches("alice")
    content = "application/msrtc-category-publish+xml"
    for version, number in enumerate((6500, 9500, 12500), 1):
        body = f'<publish><publications uri="{alice.device.uri}">{"".join(alice.states(number, version))}</publications></publish>'
        alice.device.service(content, body.encode())
    room.pass_time()
    assert [availability(one) for one in bob.hears()] == [12500]


def test_one_body_for_all_colleagues(room: PresenceRoom, alice: Client) -> None:
    """Whoever watches, each audience's document is written once."""
    for n in range(5):
        room.sign_in("bob", f"b{n}").watches("alice")
    alice.comes_online()
    told = [requests[-1].body for flow, requests in room.hall.outbound.told.items() if "bob" in flow]
    assert len(told) == 5
    assert len({id(body) for body in told}) == 1


def test_a_device_that_vanishes_is_seen_offline(room: PresenceRoom, alice: Client, bob: Client) -> None:
    """A client never says goodbye: the server tells it for them."""
    alice.comes_online()
    bob.watches("alice")
    room.sign_out(alice)
    (document,) = bob.hears()
    assert availability(document) == 18500
    assert document.find(".//state").get("lastActive") is not None


def test_a_second_device_keeps_somebody_online(room: PresenceRoom, alice: Client, bob: Client) -> None:
    """Who closes their laptop is still at their desk."""
    laptop = room.sign_in("alice", "cccccccccccc")
    alice.comes_online()
    laptop.publishes(*laptop.states(3500)[:2])
    bob.watches("alice")
    room.sign_out(laptop)
    assert bob.hears() == []
    room.sign_out(alice)
    assert [availability(one) for one in bob.hears()] == [18500]


def test_whoever_does_not_exist_is_offline_and_costs_nobody_else(bob: Client) -> None:
    """A wrong contact does not take presence away from the right ones."""
    shown = views(bob.watches("alice", "nobody", "sip:x@elsewhere.test", "tel:123"))
    assert availability(shown["nobody"]) == 18500
    assert len(shown) == 4


def test_a_later_batch_adds(alice: Client, bob: Client, room: PresenceRoom) -> None:
    """A contact that is added comes alone; the others stay watched."""
    carol = room.sign_in("carol", "dddddddddddd")
    bob.watches("alice")
    assert set(views(bob.watches("carol"))) == {"carol"}
    alice.comes_online()
    carol.comes_online()
    assert {one.get("uri") for one in bob.hears()} == {"sip:alice@contoso.test", "sip:carol@contoso.test"}


def test_a_refresh_gives_everything_again(bob: Client, alice: Client) -> None:
    """With the same body or with none, the answer has a part for everybody."""
    bob.watches("alice", "carol")
    assert set(views(bob.watches("alice", "carol"))) == {"alice", "carol"}
    assert set(views(bob.device.subscribe("presence"))) == {"alice", "carol"}


def test_an_unsubscribed_contact_is_heard_of_no_more(alice: Client, bob: Client) -> None:
    """By address or by the id of the action that began it."""
    for uris in (["sip:alice@contoso.test"], []):
        bob.watches("alice", "carol")
        body = batch_body(bob.device.uri, uris, action="unsubscribe")
        assert bob.device.subscribe("presence", body, content_type=BATCH).status == 200
        alice.comes_online()
        room = alice.room
        assert bob.hears() == []
        room.sign_out(alice)
        alice = room.sign_in("alice")


def test_the_end_of_a_dialog_ends_all(room: PresenceRoom, alice: Client, bob: Client) -> None:
    """After signing off, nothing is sent any more, and nothing is kept."""
    bob.watches("alice", "carol")
    assert bob.device.subscribe("presence", expires=0).headers.get("Expires") == "0"
    alice.comes_online()
    assert bob.hears() == []
    assert room.hall.asked("presence watchers", user="alice@contoso.test").rows == []


def test_a_poll_is_answered_and_forgotten(room: PresenceRoom, alice: Client, bob: Client) -> None:
    """Looking once costs nothing afterwards."""
    alice.comes_online()
    response = bob.watches("alice", expires=0)
    assert availability(views(response)["alice"]) == 3500
    assert len(room.hall.notifier) == 0


def test_a_single_subscription_gets_a_single_document(alice: Client, bob: Client) -> None:
    """A client may ask for one person without a list."""
    alice.comes_online()
    response = bob.device.subscribe("presence", to="sip:alice@contoso.test")
    assert response.content_type == "application/msrtc-event-categories+xml"
    assert availability(tree(response.body)) == 3500


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [(b"<batchSub", BATCH, 400), (b"x", "text/plain", 415), (b"<batchSub><action/></batchSub>", BATCH, 400)],
)
def test_refuses_a_batch_that_is_none(bob: Client, body: bytes, content_type: str, status: int) -> None:
    """A broken request is told as such."""
    assert bob.device.subscribe("presence", body, content_type=content_type).status == status


def test_a_watcher_is_bounded() -> None:
    """Neither one device nor all together can watch without end."""
    bob = PresenceRoom(people("alice", "bob"), resources_per_subscription=10).sign_in("bob")
    assert bob.watches(*(f"u{n}" for n in range(11))).status == 413
    room = PresenceRoom(people("bob"), watchings_total=100)
    assert room.sign_in("bob").watches(*(f"u{n}" for n in range(60))).status == 200
    assert room.sign_in("bob", "b2").watches(*(f"u{n}" for n in range(60))).status == 503


def test_a_watcher_who_understands_no_format_is_told_which_there_are(bob: Client) -> None:
    """They may try again with one of them."""
    extra = [("Event", "presence"), ("Accept", "application/x-smoke-signals")]
    response = bob.device.ask("SUBSCRIBE", "sip:alice@contoso.test", "<sip:alice@contoso.test>", extra, b"")
    assert response.status == 406
    assert (response.headers.get("Accept") or "").startswith("application/msrtc-event-categories+xml, ")


def test_a_client_that_ends_its_own_subscription_hears_no_more(room: PresenceRoom, alice: Client) -> None:
    """Signing off ends what a client hears of itself."""
    alice.sees_itself()
    assert alice.device.subscribe("vnd-microsoft-roaming-self", expires=0).status == 200
    alice.comes_online()
    assert alice.hears() == []


def test_a_client_hears_only_the_parts_that_it_asked_for(alice: Client) -> None:
    """Who asked for access levels only is not told of states."""
    body = b'<roamingList><roaming type="containers"/></roamingList>'
    response = alice.device.subscribe("vnd-microsoft-roaming-self", body, content_type="application/x+xml")
    assert [one.tag for one in tree(response.body)] == ["containers"]
    alice.comes_online()
    alice.allows(300, 0, BOB)
    assert [[part.tag for part in one] for one in alice.hears()] == [["containers"]]


def test_a_refresh_without_a_list_keeps_what_was_asked_for(alice: Client) -> None:
    """A client that only wants more time says nothing, and hears what it heard before."""
    body = b'<roamingList><roaming type="containers"/></roamingList>'
    alice.device.subscribe("vnd-microsoft-roaming-self", body, content_type="application/x+xml")
    response = alice.device.subscribe("vnd-microsoft-roaming-self")
    assert [one.tag for one in tree(response.body)] == ["containers"]
    assert response.headers.get("Require") == "eventlist"


def test_a_board_that_left_the_memory_meanwhile_is_still_told_of() -> None:
    """Watchers hear of a change also when memory was short just then."""
    room = PresenceRoom(people("alice", "bob"), boards_in_memory=100)
    alice, bob = room.sign_in("alice"), room.sign_in("bob", "bbbbbbbbbbbb")
    bob.watches("alice")
    body = f'<publish><publications uri="{alice.device.uri}">{publication("note", 0, 200, note("x"))}</publications></publish>'
    alice.device.service("application/msrtc-category-publish+xml", body.encode())
    room.crowd_memory()
    assert room.workload.boards.peek(alice.device.who.aor) is None
    room.pass_time()
    assert [one.findtext(".//body") for one in bob.hears()] == ["x"]


def test_closing_tells_nobody_anything_more(room: PresenceRoom, alice: Client, bob: Client) -> None:
    """A server that goes down does not notify of what it takes along."""
    alice.comes_online()
    bob.watches("alice")
    body = f'<publish><publications uri="{alice.device.uri}">{"".join(alice.states(6500, 1))}</publications></publish>'
    alice.device.service("application/msrtc-category-publish+xml", body.encode())
    result_of(room.workload.close())
    room.pass_time()
    assert bob.hears() == []


# --- access levels


def test_setting_up_the_usual_levels(alice: Client, bob: Client) -> None:
    """A client's first request: its own devices learn the new versions, and no watcher hears anything."""
    alice.sees_itself()
    bob.watches("alice")
    assert alice.allows(200, 0, BOOTSTRAP).status == 200
    (document,) = alice.hears()
    assert document.find("categories") is None
    container = document.find("containers/container")
    assert (container.get("id"), container.get("version")) == ("200", "1")
    assert container.find("member").get("type") == "sameEnterprise"
    assert bob.hears() == []


def test_who_is_blocked_sees_offline_at_once(room: PresenceRoom, alice: Client, bob: Client) -> None:
    """The one who is blocked sees Alice leave; nobody else sees anything."""
    carol = room.sign_in("carol", "dddddddddddd")
    alice.comes_online()
    alice.publishes(publication("note", 0, 200, note("secret")))
    bob.watches("alice")
    carol.watches("alice")
    alice.allows(32000, 0, BOB)
    (document,) = bob.hears()
    assert availability(document) == 18500
    assert {one.get("name"): len(one) for one in document} == {"state": 1}
    assert carol.hears() == []
    alice.publishes(publication("note", 0, 200, note("more"), version=1))
    assert bob.hears() == []
    assert availability(views(bob.watches("alice"))["alice"]) == 18500
    assert result_of(room.workload.is_blocked(Aor(alice.device.uri), Aor(bob.device.uri)))
    assert not result_of(room.workload.is_blocked(Aor("sip:nobody@contoso.test"), Aor(bob.device.uri)))


def test_who_is_let_in_again_sees_at_once_what_looks_different(alice: Client, bob: Client) -> None:
    """As if Alice came; Alice's card they had all the time, and to be told it again would say that they were blocked."""
    alice.allows(32000, 0, BOB)
    alice.comes_online()
    bob.watches("alice")
    alice.allows(32000, 1, BOB.replace("add", "remove"))
    (document,) = bob.hears()
    assert availability(document) == 3500
    assert document.findtext(".//displayName") is None


def test_the_workgroup_sees_do_not_disturb_as_urgent_only(alice: Client, bob: Client) -> None:
    """Whom Alice works with may still call when it is urgent."""
    alice.allows(300, 0, BOB)
    alice.comes_online(9500)
    shown = views(bob.watches("alice"))["alice"]
    assert availability(shown) == 6900
    assert shown.find(".//activity").get("token") == "urgent-interruptions-only"


def test_a_stale_change_of_levels_is_refused(alice: Client) -> None:
    """Two devices do not overwrite each other's changes."""
    alice.allows(300, 0, BOB)
    carol = BOB.replace("bob", "carol")
    assert alice.allows(300, 0, carol).status == 409
    assert alice.allows(300, 1, carol).status == 200
    assert alice.allows(0, 0, carol).status == 403


def test_only_known_subscribers_are_acknowledged(alice: Client) -> None:
    """Nobody who does not watch can be acknowledged."""
    body = b'<setSubscribers><subscriber user="dave@contoso.test" acknowledged="true"/></setSubscribers>'
    assert alice.device.service("application/msrtc-presence-setsubscriber+xml", body).status == 400


# --- the directory, a restart, the shell


def test_a_change_in_the_directory_is_seen(room: PresenceRoom, bob: Client) -> None:
    """A new colleague among the contacts gets a name when the directory has them."""
    bob.watches("dave")
    room.hall.people.people = [*room.hall.people.people, *people("dave")]
    dave = room.hall.people.person(Aor("sip:dave@contoso.test"))
    assert dave is not None
    room.hall.bus.tell(PersonChanged.from_person(dave))
    room.pass_time()
    (document,) = bob.hears()
    assert document.findtext(".//displayName") == "Dave"


def test_after_a_restart_clients_come_back_as_they_were(room: PresenceRoom, alice: Client, bob: Client) -> None:
    """Notes, levels and the chosen status are kept; who was online is so again when their client is back."""
    alice.comes_online(6500)
    alice.publishes(publication("note", 0, 200, note("here")))
    result_of(room.workload.close())
    again = PresenceRoom(people("alice", "bob"))
    again.hall.store = room.hall.store
    again.hall.restart()
    again.opened()
    shown = views(again.sign_in("bob").watches("alice"))["alice"]
    assert (availability(shown), shown.findtext(".//body")) == (18500, "here")
    client = again.sign_in("alice")
    own = tree(client.sees_itself().body)
    assert own.find(f"categories/category[@instance='{USER_INSTANCE}'][@container='2']").get("version") == "1"
    number = 0xABB2CB12 >> 4 | 0x30000000
    client.publishes(publication("state", number, 2, state("machineState", 3500), "endpoint"))
    assert availability(views(client.watches("alice"))["alice"]) == 6500


def test_an_operator_sees_why_somebody_is_shown_so(room: PresenceRoom, alice: Client, bob: Client) -> None:
    """The shell names the state and everything that makes it up."""
    alice.comes_online(6500)
    alice.allows(300, 0, BOB)
    bob.watches("alice")
    show = room.hall.asked("presence show", user="alice@contoso.test")
    assert show.note == "alice@contoso.test is busy (6500)"
    contents = [row[-1] for row in show.rows]
    assert "userState 6500 manual" in contents
    assert "aggregateState busy (6500)" in contents
    watchers = room.hall.asked("presence watchers", user="alice@contoso.test")
    assert [row[:3] for row in watchers.rows] == [("bob@contoso.test", "bbbbbbbbbbbb", "workgroup")]
    watching = room.hall.asked("presence watching", user="bob@contoso.test")
    assert [row[:3:2] for row in watching.rows] == [("alice@contoso.test", "busy (6500)")]
    with pytest.raises(CommandFailed, match="nobody is known"):
        room.hall.asked("presence show", user="zed@contoso.test")


def test_why_explains(room: PresenceRoom, alice: Client) -> None:
    """Who is signed in and yet offline is explained, and what to do is said."""
    why = room.hall.offers[0].reasons[0]

    async def findings() -> list[tuple[bool, str]]:
        return [(one.good, one.finding) for one in await why(Aor(alice.device.uri))]

    good, bad, *_ = result_of(findings())
    assert (good[1], bad[0]) == ("is offline (18500)", False)
    alice.comes_online(6500)
    said = [finding for good, finding in result_of(findings()) if good]
    assert said[0] == "is busy (6500)"
    assert said[1].startswith("device abb2cb12b77f (Test): somebody is at it (6500) since 2023-11-14")
    assert said[2].startswith("alice chose busy (6500) at 2023-11-14")
    alice.allows(32000, 0, BOOTSTRAP)
    assert "blocks all colleagues" in [finding for _, finding in result_of(findings())]
