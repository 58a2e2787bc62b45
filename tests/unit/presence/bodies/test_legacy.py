"""Watchers from before 2007: lists, single people, and old words for what is shown."""

from typing import Any

import pytest

from lyncpy.contracts.directory import Person, Phone
from lyncpy.contracts.names import aor_of
from lyncpy.sip.body import read_multipart
from lyncpy.sip.message import Response
from lyncpy.workloads.presence.bodies.legacy import PresenceFormat, form_of, write_pending
from tests.kit.hall import tree
from tests.kit.presence import Client, PresenceRoom, adrl_body, note, people, publication, state

LIST = "application/adrl+xml"
MSRTC, PIDF, XPIDF = "text/xml+msrtc.pidf", "application/pidf+xml", "application/xpidf+xml"
ALICE, CAROL = "sip:alice@contoso.test", "sip:carol@contoso.test"


@pytest.fixture
def alice(room: PresenceRoom) -> Client:
    """A device of Alice, online."""
    client = room.sign_in("alice")
    client.comes_online()
    return client


@pytest.fixture
def bob(room: PresenceRoom) -> Client:
    """A device of Bob with a client of 2005."""
    return room.sign_in("bob", "0ldc0mmun1cat0r")


def asks(client: Client, accept: str, body: bytes = b"", *, to: str = "", tag: str = "", expires: str = "") -> Response:
    """Subscribe as an old client does; `tag` continues its dialog."""
    extra = [
        ("Event", "presence"),
        ("Accept", accept),
        ("Supported", "ms-benotify"),
        ("Proxy-Require", "ms-benotify"),
        ("Supported", "ms-piggyback-first-notify"),
        ("Contact", f"<{client.device.uri}>"),
    ]
    if body:
        extra.append(("Content-Type", LIST))
    if expires:
        extra.append(("Expires", expires))
    target = to or client.device.uri
    value = f"<{target}>;tag={tag}" if tag else f"<{target}>"
    return client.device.ask("SUBSCRIBE", target, value, extra, body, call_id="old")


def lists(client: Client, *, tag: str = "", **actions: list[str]) -> Response:
    """Change the list of whom the client watches."""
    body = adrl_body(client.device.uri, **actions)
    return asks(client, f"application/rlmi+xml,{MSRTC},multipart/related", body, tag=tag)


def presentities(response: Response) -> dict[str, Any]:
    """Give the presence documents of a multipart answer, by address."""
    parts = read_multipart(response.body, response.headers.get("Content-Type") or "")
    found = [tree(part.body) for part in parts if part.content_type == MSRTC]
    return {one.get("uri"): one for one in found}


def words(document: Any) -> tuple[str, str]:
    """Give the two numbers of a presentity."""
    return document.find("availability").get("aggregate"), document.find("activity").get("aggregate")


def test_a_list_is_answered_with_a_part_for_everybody(alice: Client, bob: Client) -> None:
    """In one body: an rlmi list, and a presentity for each, strangers too."""
    response = lists(bob, create=[ALICE, "sip:nobody@contoso.test"])
    assert response.status == 200
    shown = presentities(response)
    assert {uri: words(one) for uri, one in shown.items()} == {
        "alice@contoso.test": ("300", "400"),
        "nobody@contoso.test": ("0", "0"),
    }
    assert shown["alice@contoso.test"].find("displayName").get("displayName") == "Alice"
    rlmi = read_multipart(response.body, response.headers.get("Content-Type") or "")[0]
    assert rlmi.content_type == "application/rlmi+xml"
    assert [one.get("uri") for one in tree(rlmi.body).findall("resource")] == [ALICE, "sip:nobody@contoso.test"]


def test_a_list_grows_and_shrinks(room: PresenceRoom, alice: Client, bob: Client) -> None:
    """Whom a later request does not name, stays; a refresh without a body tells of all."""
    tag = lists(bob, create=[ALICE]).to.tag or ""
    assert set(presentities(lists(bob, tag=tag, add=[CAROL]))) == {"carol@contoso.test"}
    assert set(presentities(asks(bob, MSRTC, tag=tag))) == {"alice@contoso.test", "carol@contoso.test"}
    assert lists(bob, tag=tag, delete=[ALICE]).status == 200
    alice.publishes(*alice.states(6500, 1))
    assert bob.hears() == []
    room.sign_in("carol").comes_online()
    assert [words(one) for one in bob.hears()] == [("300", "400")]


@pytest.mark.parametrize(
    ("number", "expected"),
    [(3500, ("300", "400")), (6500, ("300", "600")), (9500, ("300", "600")), (12500, ("300", "300")),
     (15500, ("300", "100")), (18500, ("0", "0"))],
)  # fmt: skip
def test_every_state_has_an_old_word(alice: Client, bob: Client, number: int, expected: tuple[str, str]) -> None:
    """Whatever Alice chooses, an old client hears, in the document that it has subscribed to."""
    assert words(tree(asks(bob, MSRTC, to=ALICE).body)) == ("300", "400")
    alice.publishes(*alice.states(number, 1))
    told = bob.device.heard
    assert [one.content_type for one in told] == ([] if number == 3500 else [MSRTC])
    assert number == 3500 or words(tree(told[0].body)) == expected


def test_who_is_on_the_phone_is_in_a_call(alice: Client, bob: Client) -> None:
    """The activity of a call had a number of its own."""
    call = '<activity token="on-the-phone" minAvailability="6500" maxAvailability="8999"/>'
    alice.publishes(publication("state", 0x80000000, 2, state("phoneState", 6500, inner=call), "endpoint"))
    assert words(tree(asks(bob, MSRTC, to=ALICE).body)) == ("300", "500")


def test_a_note_and_a_card_are_shown_as_far_as_they_may_be(alice: Client, bob: Client) -> None:
    """What the audience of an old watcher sees, and nothing besides."""
    alice.publishes(publication("note", 0, 200, note("at &lt;lunch&gt;")), publication("note", 0, 400, note("secret")))
    document = tree(asks(bob, MSRTC, to=ALICE).body)
    assert document.findtext("userInfo/note") == "at <lunch>"
    alice.publishes(publication("note", 0, 200, version=1, extra=' expires="0"'))
    (document,) = bob.hears()
    assert document.find("userInfo") is None


def test_who_is_blocked_sees_offline_in_every_format(alice: Client, bob: Client) -> None:
    """And byte for byte what is shown of Carol, who is away: with the name."""
    alice.allows(32000, 0, '<member action="add" type="user" value="bob@contoso.test"/>')
    for accept in (MSRTC, PIDF, XPIDF):
        shown = asks(bob, accept, to=ALICE, expires="0").body
        away = asks(bob, accept, to="sip:carol@contoso.test", expires="0").body
        assert b"Alice" in shown
        assert shown.replace(b"alice", b"carol").replace(b"Alice", b"Carol") == away


def test_an_old_watcher_who_is_blocked_hears_so_at_once_and_then_nothing(alice: Client, bob: Client) -> None:
    """As a newer one does."""
    asks(bob, MSRTC, to=ALICE)
    alice.allows(32000, 0, '<member action="add" type="user" value="bob@contoso.test"/>')
    assert [words(one) for one in bob.hears()] == [("0", "0")]
    alice.publishes(*alice.states(6500, 1))
    assert bob.hears() == []


@pytest.mark.parametrize(
    ("accept", "form"),
    [
        ([], PresenceFormat.CATEGORIES),
        (["*/*"], PresenceFormat.CATEGORIES),
        ([f"{PIDF}, {MSRTC}"], PresenceFormat.PRESENTITY),
        ([PIDF, "application/msrtc-event-categories+xml;q=0.1"], PresenceFormat.CATEGORIES),
        ([f"{XPIDF}, {PIDF}"], PresenceFormat.PIDF),
        ([XPIDF.upper()], PresenceFormat.XPIDF),
        (["text/plain"], None),
    ],
)
def test_the_best_format_is_chosen_whatever_the_order(accept: list[str], form: PresenceFormat | None) -> None:
    """Categories before presentities before pidf, as the specification orders them."""
    assert form_of(tuple(accept)) is form


def test_pidf_is_what_other_systems_read(alice: Client, bob: Client) -> None:
    """Open with an activity, or closed; with a name."""
    alice.publishes(*alice.states(6500, 1))
    document = tree(asks(bob, PIDF, to=ALICE).body)
    assert document.get("entity") == ALICE
    assert document.findtext("tuple/status/basic") == "open"
    assert document.findtext("tuple/status/activities/activity") == "busy"
    assert document.findtext("display-name") == "Alice"
    alice.room.sign_out(alice)
    (document,) = bob.hears()
    assert document.findtext("tuple/status/basic") == "closed"
    assert document.find(".//activity") is None


def test_xpidf_is_what_the_first_messengers_read(alice: Client, bob: Client) -> None:
    """With the words that Windows Messenger shows."""
    alice.publishes(*alice.states(12500, 1))
    document = tree(asks(bob, XPIDF, to=ALICE).body)
    assert document.find("atom/address/msnsubstatus").get("substatus") == "berightback"
    assert document.find("display").get("name") == "Alice"


def test_new_watchers_are_told_in_their_own_form(room: PresenceRoom, alice: Client, bob: Client) -> None:
    """An old and a new client watch one person, each in its language."""
    carol = room.sign_in("carol", "dddddddddddd")
    carol.watches("alice")
    asks(bob, MSRTC, to=ALICE)
    alice.publishes(*alice.states(6500, 1))
    assert [one.content_type for one in carol.device.heard] == ["application/msrtc-event-categories+xml"]
    assert [one.content_type for one in bob.device.heard] == [MSRTC]


def test_a_list_in_another_format_is_possible(alice: Client, bob: Client) -> None:
    """Whoever accepts only pidf gets a list of pidf documents."""
    body = adrl_body(bob.device.uri, create=[ALICE])
    response = asks(bob, f"application/rlmi+xml, multipart/related, {PIDF}", body)
    parts = read_multipart(response.body, response.headers.get("Content-Type") or "")
    assert [part.content_type for part in parts] == ["application/rlmi+xml", PIDF]


@pytest.mark.parametrize("body", [b"<adhoclist", b"<adhoclist><explode/></adhoclist>", b"<batchSub/>"])
def test_a_list_that_is_none_is_refused(bob: Client, body: bytes) -> None:
    """With 400, as every broken request."""
    assert asks(bob, MSRTC, body).status == 400


def test_who_waits_is_written_with_a_name() -> None:
    """A client shows it in its question; without a name it shows the address."""
    document = tree(write_pending([("sip:bob@contoso.test", 'B "<&>'), ("sip:eve@x.test", "")]))  # type: ignore[list-item]  # addresses
    assert [dict(one.attrib) for one in document] == [
        {"uri": "sip:bob@contoso.test", "displayName": 'B "<&>'},
        {"uri": "sip:eve@x.test", "displayName": "eve@x.test"},
    ]


def test_a_card_shows_mail_and_phone_as_far_as_the_level_allows() -> None:
    """A colleague sees the phone at work; who has no more than a name, nothing of it."""
    person = Person(
        aor_of("alice@contoso.test"), "alice", display_name="Alice", mail="a@x.test", phones=(Phone("work", "+1 555"),)
    )
    room = PresenceRoom([person, *people("bob")])
    document = tree(asks(room.sign_in("bob"), MSRTC, to=ALICE).body)
    assert document.find("email").get("email") == "a@x.test"
    assert document.find("phoneNumber").get("number") == "+1 555"


def test_a_state_that_a_client_made_for_its_own_level_has_old_words_too(alice: Client, bob: Client) -> None:
    """An application may keep a level of its own, with an aggregate of its own."""
    call = '<activity token="on-the-phone" minAvailability="6500" maxAvailability="8999"/>'
    alice.publishes(publication("state", 0, 1000, state("aggregateState", 6500, inner=call)))
    alice.allows(1000, 0, '<member action="add" type="user" value="bob@contoso.test"/>')
    assert words(tree(asks(bob, MSRTC, to=ALICE).body)) == ("300", "500")
