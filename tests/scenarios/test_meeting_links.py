"""Meeting links, from the organizer's client by way of the page into the meeting."""

import html
import re
from collections.abc import Iterator
from urllib.parse import unquote, urlsplit

import pytest

from lyncpy.contracts.http import HttpAnswer, HttpAsked
from tests.kit.fakes import awaited
from tests.kit.hall import tree
from tests.kit.meetings import adding, asks_factory, code_of
from tests.kit.renames import comes_as, renames_domain
from tests.kit.results import result_of
from tests.kit.stage import Stage

SITE = "https://meet.example.com"


@pytest.fixture
def stage() -> Iterator[Stage]:
    """A server whose meetings have links."""
    with Stage.opened(conferencing={"meeting_url": SITE}) as stage:
        yield stage


def opened(stage: Stage, link: str) -> HttpAnswer:
    """Open a link with a browser."""
    parts = urlsplit(link)
    asked = HttpAsked("GET", parts.hostname or "", unquote(parts.path))
    answer: HttpAnswer = result_of(awaited(stage.inside.site.serve(asked)))
    return answer


def started_by(answer: HttpAnswer) -> str:
    """Give the address with which the page starts the client."""
    found = re.search(r'href="conf:([^"]+)"', answer.body.decode())
    assert found is not None
    return unquote(html.unescape(found[1]))


def test_a_folder_of_links_is_found_in_any_capitals() -> None:
    """As Lync's own server finds it."""
    with Stage.opened(conferencing={"meeting_url": "https://sip.example.com/meet"}) as stage:
        (alice,) = stage.sign_in("alice")
        asks_factory(alice.sip, adding(policy="anonymous", id_="ABCD1234"))
        pages = [opened(stage, f"https://sip.example.com/{folder}/alice/ABCD1234") for folder in ("meet", "MEET")]
        assert started_by(pages[0]) == started_by(pages[1])


def test_the_bare_address_answers(stage: Stage) -> None:
    """The root of the meetings' name and of the server's own are no riddle."""
    asked = HttpAsked("GET", "sip.example.com", "/")
    answer: HttpAnswer = result_of(awaited(stage.inside.site.serve(asked)))
    assert (answer.status, "Messages and meetings of example.com" in answer.body.decode()) == (200, True)


def test_a_link_leads_into_the_meeting(stage: Stage) -> None:
    """Scheduled by Alice, the link comes with the answer; its page leads Bob and a guest to her meeting."""
    alice, bob = stage.sign_in("alice", "bob")
    answer = asks_factory(alice.sip, adding(policy="anonymous", id_="ABCD1234")).answer
    assert code_of(answer) == "success"
    link = tree(answer.body).findtext(".//join-url")
    assert link == f"{SITE}/alice/ABCD1234"

    page = opened(stage, link)
    assert (page.status, page.content_type) == (200, "text/html; charset=utf-8")
    focus = started_by(page)
    first, second = alice.joins(focus), bob.joins(focus)
    guest = stage.guest("Zoe", "ABCD1234")  # all that a guest's client knows is the link
    guest.joins(focus)
    stage.passes(1)
    assert first.who_chats() == sorted(["alice", "bob", guest.sip.user])
    assert second.documents[0].findtext(".//join-url") == link


def test_the_key_of_a_meeting_is_in_no_link(stage: Stage) -> None:
    """Neither the link nor its page nor what participants see of the meeting helps a guest who has no key."""
    (alice,) = stage.sign_in("alice")
    key = "<msci:conference-key>Secret12</msci:conference-key>"
    answer = asks_factory(alice.sip, adding(policy="anonymous", id_="ABCD1234", extra=key)).answer
    page = opened(stage, f"{SITE}/alice/ABCD1234")
    seat = alice.joins(started_by(page))
    assert b"Secret12" not in answer.body + page.body
    assert all("Secret12" not in document.xpath("string()") for document in seat.documents)
    assert stage.guest("Zoe", "ABCD1234").seat(seat.focus).knocks().status == 401


def test_where_somebody_waits_the_link_is_not_told(stage: Stage) -> None:
    """Who is in the lobby learns of the meeting only that he waits for it."""
    (alice,) = stage.sign_in("alice")
    first = alice.meets()
    seat = stage.guest("Zoe").joins(first.focus, lobby_capable=True)
    stage.passes(1)
    assert seat.documents[0].findtext(".//join-url") is None
    assert first.documents[0].findtext(".//join-url").startswith(SITE)


def test_a_link_to_nothing(stage: Stage) -> None:
    """A link behind which there is no meeting says what to do, and starts nothing."""
    page = opened(stage, f"{SITE}/alice/NOSUCH12")
    assert page.status == 404
    assert b"conf:" not in page.body


@pytest.mark.parametrize("how", ["stopped", "killed"])
def test_links_and_addresses_of_a_former_domain_still_lead_there(stage: Stage, how: str) -> None:
    """The domain of the server and of everybody is another since; calendars and address books have the former one."""
    alice, bob = stage.sign_in("alice", "bob")
    alice.adds(bob.aor)
    assert code_of(asks_factory(alice.sip, adding(policy="anonymous", id_="ABCD1234")).answer) == "success"
    org = renames_domain(stage)
    (stage.stop if how == "stopped" else stage.kill)()
    stage.start()
    page = opened(stage, f"{SITE}/alice/ABCD1234")
    assert page.status == 200
    alice, bob = comes_as(stage, "alice", f"alice@{org}"), comes_as(stage, "bob", f"bob@{org}")
    first, _ = alice.joins(started_by(page)), bob.joins(started_by(page))
    guest = stage.guest("Zoe", "ABCD1234")
    guest.joins(started_by(page))
    stage.passes(1)
    assert first.who_chats() == sorted(["alice", "bob", guest.sip.user])
    assert first.roster[alice.aor].role == "presenter"
    assert set(alice.contacts.people) == {bob.aor}
    assert alice.pages("sip:bob@example.com", "to the former domain").status == 200
    assert "to the former domain" in str(bob.texts)
    assert code_of(asks_factory(alice.sip, adding(policy="anonymous", id_="NEWER123")).answer) == "success"
    assert started_by(opened(stage, f"{SITE}/alice/NEWER123")).startswith(f"sip:alice@{org};")
