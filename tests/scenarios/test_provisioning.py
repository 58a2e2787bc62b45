"""What a client is told at sign-in is true: every address answers, and meetings have what is promised of them."""

from collections.abc import Iterator

import pytest

from tests.kit.hall import tree
from tests.kit.meetings import adding, asks_factory, code_of
from tests.kit.stage import Stage
from tests.kit.web import PHOTOS, WEB, Web


@pytest.fixture
def stage() -> Iterator[Stage]:
    """Give a server with a site."""
    with Stage.opened(web=WEB) as stage:
        yield stage


def test_every_address_that_a_client_is_told_answers(stage: Stage) -> None:
    """Over HTTPS by the site, and over SIP by the user's own factory; no other is told."""
    (alice,) = stage.sign_in("alice")
    server = alice.provisions["ServerConfiguration"]
    texts = [element.text for group in alice.provisions.values() for element in group.iter() if element.text]
    addresses = {text for text in texts if text.startswith(("http:", "https:"))}
    assert addresses
    web = Web(stage)
    # A client of a web service begins with its metadata, below the address that it is told; photos are files, for which
    # it needs a ticket.
    assert {web.send("GET", f"{address}/mex", {}, b"").status for address in addresses - {PHOTOS}} == {200}
    assert web.send("GET", f"{PHOTOS}/file", {}, b"").status == 401
    assert web.send("GET", f"{min(addresses)}/nothing", {}, b"").status == 404
    told = {element.text for element in server if (element.text or "").startswith("sip:")}
    assert told == {f"{alice.aor};gruu;opaque=app:conf:focusfactory"}
    assert code_of(asks_factory(alice.sip, "<getNewConferenceId/>").answer) == "success"


def test_meetings_are_promised_what_their_mcus_carry(stage: Stage) -> None:
    """The policy and the factory say the same; calls of two, which need no MCU, stay promised."""
    (alice,) = stage.sign_in("alice")
    policy = {each.get("name"): each.text for each in alice.provisions["meetingPolicy"].iter("property")}
    capable = tree(asks_factory(alice.sip, "<getConferencingCapabilities/>").answer.body)
    kinds = {kind.text for kind in capable.iter("mcuType")}
    assert kinds == {"chat"}
    assert {policy[name] for name in ("AllowIPAudio", "AllowIPVideo", "EnableDataCollaboration")} == {"false"}
    assert {policy[name] for name in ("EnableP2PVideo", "EnableP2PFileTransfer")} == {"true"}
    assert policy["EnableAppDesktopSharing"] == "Desktop"


def test_a_client_that_asks_for_all_media_meets_in_the_chat(stage: Stage) -> None:
    """As clients do that ask for the chat and for sound, whatever they were told."""
    alice, bob = stage.sign_in("alice", "bob")
    several = '<msci:entity-view entity="audio-video"/><msci:entity-view entity="chat"/>'
    command = adding().replace('<msci:entity-view entity="chat"/>', several)
    answer = asks_factory(alice.sip, command).answer
    assert code_of(answer) == "success"
    assert answer.headers.get("Warning") == '399 lyncpy "mcuTypeNotAvailable: audio-video"'
    focus = tree(answer.body).find(".//conference-info").get("entity")
    one, other = alice.joins(focus), bob.joins(focus)
    one.says("hello")
    stage.settle()
    assert [text for _, text in other.texts] == ["hello"]
