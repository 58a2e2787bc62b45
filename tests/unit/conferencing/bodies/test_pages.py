"""The page behind a meeting link, as a browser and as a client read it."""

import base64
import hashlib
import html
import re
from dataclasses import dataclass
from urllib.parse import unquote

import pytest
from lxml import html as lxml_html

from lyncpy.contracts.http import HttpAnswer, HttpAsked, HttpRefused
from lyncpy.contracts.names import Aor
from lyncpy.workloads.conferencing.bodies.pages import Pages
from tests.kit.results import result_of

BASE = "https://meet.contoso.test/m"


@dataclass(frozen=True)
class Meeting:
    """A conference, as far as the page cares."""

    uri: str


def _pages(base: str = BASE, organizer: str = "alice", id_: str = "ABC123") -> Pages:
    aor = Aor(f"sip:{organizer}@contoso.test")
    meeting = Meeting(f"{aor};gruu;opaque=app:conf:focus:id:{id_}")
    table = {(aor, id_.lower()): meeting}
    return Pages(lambda who, which: table.get((who, which.lower())), "contoso.test", base)


def _ask(path: str, pages: Pages | None = None) -> HttpAnswer:
    return result_of((pages or _pages()).answer(HttpAsked("GET", "meet.contoso.test", path)))


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


def test_the_page_is_for_everybody() -> None:
    """Language, title, one heading, a link with words, nothing that only a pointer reaches, no scripts, nothing from elsewhere."""
    page = lxml_html.fromstring(_ask("/m/alice/ABC123").body)
    assert page.get("lang") == "en"
    assert page.findtext(".//title") == page.findtext(".//h1") == "Join the meeting"
    assert len(page.findall(".//h1")) == 1
    (link,) = page.findall(".//a")
    assert link.text == "Join the meeting"
    (frame,) = page.findall(".//iframe")
    assert (frame.get("aria-hidden"), frame.get("tabindex")) == ("true", "-1")
    assert not page.xpath("//script | //img | //link | //*[@style or @onclick]")
    assert not page.xpath("//@src[not(starts-with(., 'conf:'))]")


def test_its_policy_allows_its_own_style_and_nothing_else() -> None:
    """A browser applies the style because its digest stands in the policy."""
    answer = _ask("/m/alice/ABC123")
    style = lxml_html.fromstring(answer.body).findtext(".//style")
    assert style is not None
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = dict(answer.headers)["Content-Security-Policy"]
    assert f"style-src 'sha256-{digest}'" in policy
    assert "default-src 'none'" in policy
    assert "script-src" not in policy
    assert len(answer.body) < 5000


def test_the_page_tells_nothing_of_the_meeting_but_its_address() -> None:
    """Whoever guesses links learns neither subjects nor names, and for all that lead nowhere there is one answer."""
    unknown = [_ask(path) for path in ("/m/alice/WRONG", "/m/nobody/ABC123", "/m/nobody/WRONG")]
    assert unknown[0] == unknown[1] == unknown[2]
    assert unknown[0].status == 404
    assert b"conf:" not in unknown[0].body.split(b"</style>")[1]
    assert unknown[0].cache == "no-store"


@pytest.mark.parametrize(
    "path",
    [
        "/m/",
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
