"""Presence over HTTP: who sees what, at which level, and how cheaply it is asked again."""

import json
from typing import Any

import pytest
from lxml import etree

from lyncpy.contracts.http import ANYBODY, HttpAnswer, HttpAsked, HttpReader, HttpReaderKind, HttpRefused, HttpResource
from lyncpy.contracts.names import aor_of
from lyncpy.workloads.presence.bodies.icons import Icon, draw
from tests.kit.hall import DOMAIN
from tests.kit.presence import PresenceRoom, note, people, publication, state
from tests.kit.results import result_of

EVERYONE = '<member action="add" type="everyone"/>'
ALL = ("anonymous", "signed-in", "named")
BOB = HttpReader(HttpReaderKind.SIGNED_IN, aor_of(f"bob@{DOMAIN}"))
WIKI = HttpReader(HttpReaderKind.NAMED, aor_of(f"wiki@{DOMAIN}"), "wiki")
PARTNER = HttpReader(HttpReaderKind.NAMED, aor_of("portal@partner.test"), "portal")


class Page:
    """A presence room, and a page that asks it."""

    def __init__(self, *kinds: str, **settings: Any) -> None:
        self.room = PresenceRoom(people("alice", "bob"), web_readers=kinds or ALL, **settings)

    @property
    def resources(self) -> tuple[HttpResource, ...]:
        """What is offered."""
        offered: tuple[HttpResource, ...] = self.room.workload.offer.resources
        return offered

    def ask(self, what: str, reader: HttpReader = BOB, *, below: str = "/presence/", **query: str) -> HttpAnswer:
        """Ask for something below /presence/."""

        async def run() -> HttpAnswer:
            return await self.resources[0].answer(HttpAsked("GET", "x", below + what, query, reader=reader))

        return result_of(run())

    def icon(self, reader: HttpReader = BOB, who: str = f"alice@{DOMAIN}") -> str:
        """Give the word of the icon that somebody sees."""
        answer = self.ask(f"{who}.svg", reader)
        return next(icon.value for icon in Icon if draw(icon) == answer.body)

    def facts(self, reader: HttpReader = BOB, who: str = f"alice@{DOMAIN}") -> dict[str, Any]:
        """Give what somebody sees as JSON."""
        facts: dict[str, Any] = json.loads(self.ask(f"{who}.json", reader).body)
        return facts


def test_nothing_is_offered_unless_a_setting_says_so() -> None:
    """Presence is on no page by default."""
    assert PresenceRoom(people("alice")).workload.offer.resources == ()
    (resource,) = Page("named").resources
    assert resource.readers == {HttpReaderKind.NAMED}


@pytest.mark.parametrize(
    ("availability", "machine", "icon"),
    [
        (3500, 3500, "available"),
        (3500, 5000, "available-idle"),
        (6500, 3500, "busy"),
        (6500, 5000, "busy-idle"),
        (9500, 3500, "do-not-disturb"),
        (12500, 3500, "be-right-back"),
        (15500, 3500, "away"),
        (18500, 3500, "offline"),
    ],
)
def test_a_colleague_sees_the_state_as_an_icon(availability: int, machine: int, icon: str) -> None:
    """Each state has its own icon, and JSON has its word."""
    page = Page()
    alice = page.room.sign_in("alice")
    alice.publishes(*alice.states(availability))
    # Idle is what the machine says after the person's own word.
    second = alice.states(availability, version=1, machine=machine)[:2]
    alice.publishes(*second)
    assert page.icon() == icon
    assert page.facts()["availability"] == icon


def test_a_colleague_reads_more_as_json() -> None:
    """Word, number, note and name are there for a page that wants to write them."""
    page = Page()
    alice = page.room.sign_in("alice")
    alice.comes_online(6500)
    alice.publishes(publication("note", 0, 200, note("in the &lt;library&gt;")))
    facts = page.facts()
    assert facts["address"] == f"alice@{DOMAIN}"
    assert (facts["availability"], facts["title"], facts["number"]) == ("busy", "Busy", 6500)
    assert facts["note"] == "in the <library>"
    assert page.ask(f"alice@{DOMAIN}.json").content_type == "application/json"


def test_who_is_idle_shows_since_when() -> None:
    """A page may write "away for ten minutes"."""
    page = Page()
    alice = page.room.sign_in("alice")
    alice.comes_online(3500)
    alice.publishes(*alice.states(3500, version=1, machine=5000)[:2])
    assert page.facts()["lastActive"].endswith("Z")
    assert page.facts()["number"] == 5000


def test_anybody_sees_only_what_everyone_may_see() -> None:
    """Anonymous readers see somebody who is offline until the user shows more to everyone."""
    page = Page()
    alice = page.room.sign_in("alice")
    alice.comes_online()
    assert page.icon() == "available"
    assert page.icon(ANYBODY) == "offline"
    assert page.facts(ANYBODY)["number"] == 18500
    alice.allows(100, 0, EVERYONE)
    assert page.icon(ANYBODY) == "available"


def test_a_program_sees_what_its_address_may_see() -> None:
    """The user gives the wiki a level as they give one to a person."""
    page = Page()
    alice = page.room.sign_in("alice")
    alice.comes_online()
    assert page.icon(WIKI) == "available"
    assert page.icon(PARTNER) == "available"
    alice.allows(32000, 0, f'<member action="add" type="user" value="wiki@{DOMAIN}"/>')
    assert page.icon(WIKI) == "offline"
    assert page.icon(BOB) == "available"


def test_who_is_blocked_sees_what_he_would_see_of_somebody_offline() -> None:
    """Not a byte and not a header tells a blocked reader that they are blocked."""
    page = Page()
    alice = page.room.sign_in("alice")
    alice.comes_online(6500)
    alice.publishes(publication("note", 0, 200, note("left")))
    alice.allows(32000, 0, f'<member action="add" type="user" value="bob@{DOMAIN}"/>')
    alice.publishes(publication("note", 0, 200, note("secret"), version=1))
    blocked = page.ask(f"alice@{DOMAIN}.json"), page.ask(f"alice@{DOMAIN}.svg")
    other = Page()
    gone = other.room.sign_in("alice")
    gone.comes_online(6500)
    gone.publishes(publication("note", 0, 200, note("left")))
    other.room.sign_out(gone)
    away = other.ask(f"alice@{DOMAIN}.json"), other.ask(f"alice@{DOMAIN}.svg")
    assert blocked[1] == away[1]
    assert (blocked[0].status, blocked[0].cache, blocked[0].headers) == (away[0].status, away[0].cache, away[0].headers)
    # All but the moment at which Alice went.
    shown = [json.loads(answer.body) for answer in (blocked[0], away[0])]
    assert all(one.pop("lastActive").startswith("20") for one in shown)
    assert shown[0] == shown[1]


def test_an_anonymous_reader_cannot_tell_who_exists() -> None:
    """An address that nobody has looks like that of somebody who shows nothing."""
    page = Page()
    page.room.sign_in("alice").comes_online()
    for form in ("svg", "json"):
        known, unknown = (page.ask(f"{who}@{DOMAIN}.{form}", ANYBODY) for who in ("alice", "nobody"))
        assert known.status == unknown.status == 200
        assert known.body.replace(b"alice", b"nobody") == unknown.body
        assert known.cache == unknown.cache
    assert page.ask(f"alice@{DOMAIN}.svg", ANYBODY) == page.ask(f"nobody@{DOMAIN}.svg", ANYBODY)


def test_who_is_signed_in_is_told_that_nobody_is_there() -> None:
    """They could look into the directory as well; a misspelt address is then found."""
    answer = Page().ask(f"nobody@{DOMAIN}.svg")
    assert answer.status == 404
    assert answer.body == draw(Icon.UNKNOWN)


@pytest.mark.parametrize("reader", [ANYBODY, BOB])
def test_people_of_other_domains_are_unknown(reader: HttpReader) -> None:
    """This server knows nothing of them, and does not pretend to."""
    page = Page()
    assert page.ask("eve@partner.test.svg", reader).status == 404
    assert page.facts(reader, "eve@partner.test")["availability"] == "unknown"


@pytest.mark.parametrize("who", ["alice", f"ALICE@{DOMAIN.upper()}", f"sip:alice@{DOMAIN}"])
def test_an_address_may_be_written_in_any_usual_way(who: str) -> None:
    """Our own domain goes without saying; letters of either case."""
    page = Page()
    page.room.sign_in("alice").comes_online()
    assert page.icon(who=who) == "available"


def test_capitals_in_the_path_are_of_no_consequence() -> None:
    """The site leads them here, as all that Lync's clients may write."""
    page = Page()
    page.room.sign_in("alice").comes_online()
    assert page.ask("alice.svg", below="/Presence/").body == draw(Icon.AVAILABLE)


@pytest.mark.parametrize(
    "what",
    [
        "",
        "alice",
        "alice.png",
        ".svg",
        "a b@x.svg",
        "a/b.svg",
        f"{'a' * 65}@x.svg",
        "a@b@c.svg",
        'a">@x.svg',
        "a@.x/.svg",
    ],
)
def test_what_is_no_address_is_not_found(what: str) -> None:
    """Nonsense is refused before anybody is looked for."""
    with pytest.raises(HttpRefused) as refused:
        Page().ask(what)
    assert refused.value.status == 404


@pytest.mark.parametrize("size", ["11", "65", "0", "-1", "1e1", "", "999999999", "१६", "16px"])
def test_a_size_that_cannot_be_drawn_is_refused(size: str) -> None:
    """Between 12 and 64 pixels; nothing else is drawn, so that nobody fills our memory with sizes."""
    with pytest.raises(HttpRefused) as refused:
        Page().ask("alice.svg", size=size)
    assert refused.value.status == 400


@pytest.mark.parametrize("size", ["12", "64"])
def test_an_icon_has_the_size_that_was_asked_for(size: str) -> None:
    """A page need not scale."""
    assert etree.fromstring(Page().ask("alice.svg", size=size).body).get("width") == size


def test_a_validator_changes_exactly_when_what_is_shown_changes() -> None:
    """A browser that asks again is sent nothing as long as nothing has changed for it."""
    page = Page()
    alice = page.room.sign_in("alice")
    before = page.ask("alice.svg").etag, page.ask("alice.json").etag
    alice.comes_online()
    online = page.ask("alice.svg").etag, page.ask("alice.json").etag
    assert len({*before, *online}) == 4
    alice.publishes(publication("note", 0, 400, note("for friends")))
    assert (page.ask("alice.svg").etag, page.ask("alice.json").etag) == online
    alice.publishes(publication("note", 0, 200, note("for all")))
    assert page.ask("alice.svg").etag == online[0]
    assert page.ask("alice.json").etag != online[1]
    assert page.ask("alice.svg", size="12").etag != online[0]


def test_only_what_anybody_sees_may_be_kept_by_a_cache_for_all() -> None:
    """A proxy never shows one user what another one sees."""
    page = Page()
    assert page.ask("alice.svg", ANYBODY).cache.startswith("public, ")
    assert page.ask("alice.svg", BOB).cache.startswith("private, ")
    assert page.ask("alice.json", WIKI).cache.startswith("private, ")


def test_a_note_that_cannot_be_read_is_left_out() -> None:
    """One odd client does not break a page."""
    page = Page()
    alice = page.room.sign_in("alice")
    alice.publishes(publication("note", 0, 200, '<note xmlns="http://schemas.microsoft.com/2006/09/sip/note"/>'))
    assert "note" not in page.facts()


def test_a_state_that_a_client_aggregated_itself_is_shown() -> None:
    """Old clients publish their own aggregate; it counts where the server makes none."""
    page = Page()
    alice = page.room.sign_in("alice")
    alice.publishes(publication("state", 5, 0, state("aggregateState", 6500)))
    assert page.icon(ANYBODY) == "busy"
