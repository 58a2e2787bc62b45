"""The page behind a meeting link, as a browser and as a client read it."""

import html
import re
from urllib.parse import unquote

import pytest
from lxml import html as lxml_html

from lyncpy.contracts.http import HttpAnswer, HttpAsked, HttpRefused
from lyncpy.contracts.names import Aor
from lyncpy.core.languages import LANGUAGES
from lyncpy.core.pages import PageLayout, digest_of
from lyncpy.workloads.conferencing.bodies.pages import MeetingLink, MeetingPages
from tests.kit.results import result_of

BASE = "https://meet.contoso.test/m"


def _pages(
    base: str = BASE, organizer: str = "alice", id_: str = "ABC123", name: str = "Alice <Example>"
) -> MeetingPages:
    aor = Aor(f"sip:{organizer}@contoso.test")
    meeting = MeetingLink(f"{aor};gruu;opaque=app:conf:focus:id:{id_}", name)
    table = {(aor, id_.lower()): meeting}
    look = PageLayout("Contoso & Sons")

    async def find(who: Aor, which: str) -> MeetingLink | None:
        return table.get((who, which.lower()))

    return MeetingPages(find, "contoso.test", base, look, _front)


async def _front(asked: HttpAsked) -> HttpAnswer:
    return HttpAnswer(200, body=b"the front page")


def _ask(path: str, pages: MeetingPages | None = None, language: str = "") -> HttpAnswer:
    asked = HttpAsked("GET", "meet.contoso.test", path, headers={"accept-language": language})
    return result_of((pages or _pages()).answer(asked))


@pytest.mark.parametrize(
    ("base", "host", "path"),
    [
        ("https://meet.contoso.test", "meet.contoso.test", "/"),
        ("https://Meet.contoso.test:8443/", "meet.contoso.test", "/"),
        ("https://sip.contoso.test/meet", "", "/meet/"),
    ],
)
def test_pages_are_where_links_point(base: str, host: str, path: str) -> None:
    """A name of its own, or a folder of another one."""
    (resource,) = _pages(base).rows()
    assert (resource.host, resource.path) == (host, path)


def test_without_links_there_are_no_pages() -> None:
    """Nobody is told of a site that is not there."""
    assert _pages("").rows() == ()


@pytest.mark.parametrize("path", ["/m/alice/ABC123", "/m/Alice/abc123", "/m/alice/ABC123/"])
def test_a_client_finds_the_conference_on_the_page(path: str) -> None:
    """A client that reads the page itself takes the first link to a conference, undoes its escapes, and joins."""
    answer = _ask(path)
    assert answer.status == 200
    found = re.search(r'href="(conf[^"]*)"', answer.body.decode())
    assert found is not None
    assert unquote(html.unescape(found[1])) == "conf:sip:alice@contoso.test;gruu;opaque=app:conf:focus:id:ABC123"


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_page_is_for_everybody(language: str) -> None:
    """Language, title, one heading, whose meeting, a link with words, nothing that only a pointer reaches, nothing from elsewhere."""
    answer = _ask("/m/alice/ABC123", language=language)
    page = lxml_html.fromstring(answer.body.decode())
    assert page.get("lang") == dict(answer.headers)["Content-Language"] == language
    title = page.findtext(".//title") or ""
    assert title == page.findtext(".//h1")
    assert "Alice <Example>" in title
    assert page.xpath("string(//header)") == "Contoso & Sons"
    assert len(page.findall(".//h1")) == 1
    assert len(page.findall(".//h2")) == 3
    (link,) = page.findall(".//a")
    assert (link.text or "").strip()
    # A button that does nothing without a script is not shown without one.
    buttons = page.findall(".//button")
    assert buttons[0].get("data-copy") == ""
    assert "opaque=app:conf:focus:id:ABC123" in (buttons[1].get("data-copy") or "")
    assert all(one.get("hidden") is not None and one.get("data-copied") for one in buttons)
    (frame,) = page.findall(".//iframe")
    assert (frame.get("aria-hidden"), frame.get("tabindex")) == ("true", "-1")
    assert not page.xpath("//*[@style or @onclick] | //script[@src]")
    loaded = [*page.iterfind(".//link"), *page.iterfind(".//img")]
    assert {one.get("src") or one.get("href") for one in loaded} == {"/icon"}


def test_its_policy_allows_its_own_style_and_script_and_nothing_else() -> None:
    """A browser applies them because their digests stand in the policy."""
    answer = _ask("/m/alice/ABC123")
    page = lxml_html.fromstring(answer.body)
    policy = dict(answer.headers)["Content-Security-Policy"]
    assert f"style-src {digest_of(page.findtext('.//style') or '')};" in policy
    assert f"script-src {digest_of(page.findtext('.//script') or '')};" in policy
    assert policy.startswith("default-src 'none'")
    assert "script-src" not in dict(_ask("/m/alice/WRONG").headers)["Content-Security-Policy"]
    assert len(answer.body) < 8000


def test_of_whom_no_name_is_known_the_page_is_there_all_the_same() -> None:
    """An organizer may have left."""
    page = lxml_html.fromstring(_ask("/m/alice/ABC123", _pages(name="")).body)
    assert page.findtext(".//h1") == "Join the meeting"


def test_where_links_begin_stands_what_links_are() -> None:
    """Whoever shortens a link is not told that there is nothing; at the root of a name they read what this server is."""
    answer = _ask("/m/", language="fr")
    assert answer.status == 200
    assert "Ouvrez le lien complet" in answer.body.decode()
    assert _ask("/", _pages("https://meet.contoso.test")).body == b"the front page"


def test_a_wrong_link_tells_nothing() -> None:
    """Whoever guesses links learns neither subjects nor names, and for all that lead nowhere there is one answer."""
    unknown = [_ask(path) for path in ("/m/alice/WRONG", "/m/nobody/ABC123", "/m/nobody/WRONG")]
    assert unknown[0] == unknown[1] == unknown[2]
    assert unknown[0].status == 404
    assert b"conf:" not in unknown[0].body.split(b"</style>")[1]
    assert unknown[0].cache == "no-store"


@pytest.mark.parametrize(
    "path",
    [
        "/m/alice",
        "/m/alice/",
        "/m/a/b/c",
        "/m/alice/<b>",
        '/m/al"ice/ABC',
        "/m/alice@x/ABC",
        "/m//ABC",
        f"/m/{'a' * 65}/ABC",
    ],
)
def test_what_is_no_link_is_not_found(path: str) -> None:
    """Nonsense is refused before anything is looked for."""
    with pytest.raises(HttpRefused) as refused:
        _ask(path)
    assert refused.value.status == 404


def test_a_name_with_odd_letters_is_written_safely() -> None:
    """What stands in an address never becomes part of the page."""
    organizer = "o'neil&sons"
    answer = _ask(f"/m/{organizer}/X1", _pages(organizer=organizer, id_="X1"))
    found = re.search(r'href="(conf[^"]*)"', answer.body.decode())
    assert found is not None
    assert "&amp;" in found[1]
    assert unquote(html.unescape(found[1])) == f"conf:sip:{organizer}@contoso.test;gruu;opaque=app:conf:focus:id:X1"
