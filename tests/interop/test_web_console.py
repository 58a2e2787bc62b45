"""The web console and the pages for people in a real browser: phone and desktop, light and dark, by keyboard, with axe."""

import http.client
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from tests.interop.conftest import Clients
from tests.kit.browser import CHROMIUM
from tests.kit.certificates import Issued, authority, issue, revocation_list
from tests.kit.chromium import Chromium
from tests.kit.ports import free_ports
from tests.kit.server import RunningServer, wait_until

pytestmark = pytest.mark.interop

PAGES = ("", "people", "conferences", "refusals")
WIDTHS = {"phone": 390, "desktop": 1280}
NOTES = """
window.violations = [];
document.addEventListener('securitypolicyviolation', event => window.violations.push(event.violatedDirective));
const later = window.setTimeout;
window.setTimeout = (call, delay) => later(call, Math.min(delay, 300));
"""
"""What a page's own policy forbids is noted; and what waits for seconds need not here."""

AXE = "(async () => (await axe.run(document, {})).violations.map(one => [one.id, one.nodes.map(node => node.html)]))()"
FOCUSED = """(() => {
    const one = document.activeElement, style = getComputedStyle(one);
    return {name: one.tagName, text: (one.textContent || one.name).trim(), outline: style.outlineStyle, width: parseFloat(style.outlineWidth)};
})()"""


class Site:
    """A server whose console is on, and a browser that trusts it."""

    def __init__(self, folder: Path) -> None:
        self.port, self.operators_port = free_ports(2)
        self.origin = f"https://127.0.0.1:{self.port}"
        # Another name, for which the browser has no cookie: it asks nothing about ports.
        self.operators_origin = f"https://localhost:{self.operators_port}"
        self.server = RunningServer(
            folder / "home",
            web__https_host="127.0.0.1",
            web__https_port=self.port,
            web__url=self.origin,
            web__organisation="Example & Sons",
            # Something to be told on the first page.
            web__icon="nothing.png",
            web__operators_port=self.operators_port,
            web__operators_authority="operators.pem",
            admin__console="true",
            conferencing__meeting_url=f"{self.origin}/meet",
        ).init()
        self.server.keep_conference("alice@example.test", "ABC123")
        self.authority = authority("Operators")
        self.desk, self.gone = (self.issued(name) for name in ("Anna at the desk", "Ben who left"))
        revoked = revocation_list(self.authority, self.gone)
        (self.server.home / "operators.pem").write_bytes(self.authority.pem + revoked)

    def issued(self, name: str, usage: x509.ObjectIdentifier = ExtendedKeyUsageOID.CLIENT_AUTH) -> Issued:
        """Issue an operator's certificate."""
        return issue(name, by=self.authority, usage=usage, today=datetime.now(UTC))

    def ask(self, folder: Path, shown: Issued | None) -> tuple[int, str]:
        """Ask for the console on the port of operators, with a certificate or without; give status and page."""
        context = ssl.create_default_context(cafile=str(self.server.ca))
        if shown is not None:
            (folder / "mine.pem").write_bytes(shown.pem + shown.key_pem())
            context.load_cert_chain(folder / "mine.pem")
        line = http.client.HTTPSConnection("localhost", self.operators_port, context=context, timeout=20)
        try:
            line.request("GET", "/console/")
            answer = line.getresponse()
            return answer.status, answer.read().decode()
        finally:
            line.close()

    def fact(self, line: str, name: str) -> str:
        """Give a fact that a command of the shell tells."""
        rows = [row.split(maxsplit=1) for row in self.server.ssh(line).splitlines()]
        return next(row[1] for row in rows if row[:1] == [name])


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Give a site that runs."""
    made = Site(tmp_path_factory.mktemp("console"))
    with made.server.serving():
        yield made


@pytest.fixture(scope="module")
def server(site: Site) -> RunningServer:
    """Let clients sign in at this server."""
    return site.server


@pytest.fixture(scope="module")
def chromium(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    """Give a browser in which an operator has signed in, by keyboard alone."""
    if not CHROMIUM:
        pytest.skip("chromium is not installed")
    token = site.fact("token create desk", "token")
    trusted, shows = site.server.home / "server.pem", {site.operators_origin: site.desk}
    with Chromium(tmp_path_factory.mktemp("chromium"), trusted, shows=shows) as browser:
        browser.begins_with(NOTES)
        browser.looks(WIDTHS["desktop"])
        browser.opens(f"{site.origin}/console/")
        assert browser.sees("location.pathname") == "/console/sign-in"
        assert _complaints(browser) == []
        _tabs_to(browser, "INPUT")
        browser.types(token)
        browser.presses_and_waits("Enter")
        assert browser.sees("location.pathname") == "/console/"
        yield browser


def _tabs_to(browser: Chromium, name: str, text: str = "") -> None:
    """Press Tab until something of this kind has the focus."""
    for _ in range(30):
        browser.presses("Tab")
        one = browser.sees(FOCUSED)
        if one["name"] == name and text in one["text"]:
            return
    raise AssertionError(f"nobody reaches {name} {text} by keyboard")


def _complaints(browser: Chromium) -> Any:  # Any: JSON
    """Give what axe has against the page, and what its own policy forbade."""
    browser.sees(files("axe_core_python").joinpath("axe.min.js").read_text("utf-8") + ";0")
    return browser.sees(AXE) + browser.sees("window.violations")


def test_a_page_is_for_everybody_at_every_width(
    site: Site, chromium: Chromium, clients: Clients, tmp_path: Path
) -> None:
    """Light and dark: axe finds nothing, nothing has to be moved sideways, and the browser was asked for nothing forbidden."""
    (alice,) = clients("alice")
    alice.send_im("nobody@example.test", "are you there?")
    seen = set()
    for where, width in WIDTHS.items():
        for dark in (False, True):
            chromium.looks(width, dark=dark)
            for page in PAGES if dark or where == "phone" else PAGES[:2]:
                chromium.opens(f"{site.origin}/console/{page}")
                assert _complaints(chromium) == [], (page, where, dark)
                assert chromium.sees("document.documentElement.scrollWidth") <= width, (page, where)
                seen.add(chromium.sees("getComputedStyle(document.body).backgroundColor"))
                chromium.photographs(tmp_path / f"{page or 'overview'}-{where}-{'dark' if dark else 'light'}.png")
    assert len(seen) == 2
    chromium.opens(f"{site.origin}/console/")
    assert "[web] icon" in chromium.sees("document.getElementById('conditions').textContent")
    chromium.opens(f"{site.origin}/console/people?find=ALICE")
    assert "alice@example.test" in chromium.sees("document.querySelector('tbody').textContent")


def test_pages_for_people_are_for_everybody(site: Site, chromium: Chromium, tmp_path: Path) -> None:
    """The front page, that of a meeting, and that of none; what they copy is the link."""
    pages = {"front": "/", "meeting": "/meet/alice/ABC123", "none": "/meet/alice/NONE", "links": "/meet/"}
    for name, path in pages.items():
        for where, width in WIDTHS.items():
            chromium.looks(width, dark=where == "phone")
            chromium.opens(f"{site.origin}{path}")
            assert _complaints(chromium) == [], (name, where)
            assert chromium.sees("document.documentElement.scrollWidth") <= width
            chromium.photographs(tmp_path / f"{name}-{where}.png")
    chromium.allows_copies(site.origin)
    chromium.opens(f"{site.origin}/meet/alice/ABC123")
    for button, copied in (("Copy the link", "/meet/alice/ABC123"), ("Copy the address", "focus:id:ABC123")):
        _tabs_to(chromium, "BUTTON", button)
        chromium.presses("Enter")
        wait_until(
            lambda: chromium.sees("document.querySelector('[role=status]').textContent") == "Copied", "it is told"
        )
        assert chromium.sees("navigator.clipboard.readText()").endswith(copied)
        chromium.sees("document.querySelector('[role=status]').textContent = ''")


def test_everything_is_reached_by_keyboard_and_the_focus_is_seen(site: Site, chromium: Chromium) -> None:
    """In order, from the way past the navigation to the last link; Enter does what a click does."""
    chromium.looks(WIDTHS["desktop"])
    chromium.opens(f"{site.origin}/console/")
    there = chromium.sees("[...document.querySelectorAll('a,button,input')].filter(one => !one.hidden).length")
    reached = []
    for _ in range(there):
        chromium.presses("Tab")
        one = chromium.sees(FOCUSED)
        assert (one["outline"], one["width"] >= 2) == ("solid", True), one
        reached.append(one["text"])
    assert reached[0] == "Skip to the content"
    assert {"Overview", "People", "Conferences", "Refusals", "Sign out", "Pause", "Last day"} <= set(reached)
    chromium.opens(f"{site.origin}/console/")
    _tabs_to(chromium, "A", "People")
    chromium.presses_and_waits("Enter")
    assert chromium.sees("location.pathname") == "/console/people"
    _tabs_to(chromium, "INPUT")
    chromium.types("nobody-at-all")
    chromium.presses_and_waits("Enter")
    assert "Nobody is signed in" in chromium.sees("document.querySelector('main').textContent")


def test_the_page_lives_and_leaves_the_focus_where_it_is(site: Site, chromium: Chromium) -> None:
    """What is new comes by itself; Pause holds it."""
    chromium.opens(f"{site.origin}/console/")
    _tabs_to(chromium, "A", "Last day")
    before = chromium.sees("document.getElementById('at').textContent")
    wait_until(lambda: chromium.sees("document.getElementById('at').textContent") != before, "the page is renewed")
    assert chromium.sees(FOCUSED)["text"] == "Last day"
    _tabs_to(chromium, "BUTTON", "Pause")
    chromium.presses("Enter")
    assert chromium.sees("document.querySelector('[role=status]').textContent") == "Paused"


def test_without_scripts_the_page_is_whole(site: Site, chromium: Chromium) -> None:
    """It has its charts and its state, and no button that would do nothing."""
    chromium.opens(f"{site.origin}/console/")
    # The first sample is taken within ten seconds of the start.
    wait_until(lambda: chromium.sees("document.querySelectorAll('svg .line').length") > 0, "there is something to draw")
    chromium.runs_scripts(runs=False)
    try:
        chromium.opens(f"{site.origin}/console/")
    finally:
        chromium.runs_scripts(runs=True)
    assert chromium.sees("document.querySelectorAll('svg .line').length") > 0
    assert chromium.sees("document.querySelector('[data-pause]').hidden") is True
    assert chromium.sees("document.querySelector('h1').textContent").strip()


def test_a_link_of_the_shell_opens_it_and_sign_out_closes_it(site: Site, chromium: Chromium) -> None:
    """With the button of its page, once."""
    link = site.fact("console link", "link")
    chromium.opens(f"{site.origin}/console/")
    _tabs_to(chromium, "BUTTON", "Sign out")
    chromium.presses_and_waits("Enter")
    assert chromium.sees("location.pathname") == "/console/sign-in"
    chromium.opens(link)
    assert _complaints(chromium) == []
    _tabs_to(chromium, "BUTTON", "Open the console")
    chromium.presses_and_waits("Enter")
    assert chromium.sees("location.pathname") == "/console/"
    chromium.opens(link)
    _tabs_to(chromium, "BUTTON", "Open the console")
    chromium.presses_and_waits("Enter")
    assert "This link was used" in chromium.sees("document.querySelector('[role=alert]').textContent")


def test_a_browser_shows_the_certificate_of_its_operator(site: Site, chromium: Chromium) -> None:
    """A real one, which has signed in nowhere on that port; it is the same console."""
    chromium.opens(f"{site.operators_origin}/console/people")
    assert chromium.sees("location.pathname") == "/console/people"
    page = chromium.sees("document.body.textContent")
    assert "Anna at the desk" in page
    assert "Sign out" not in page
    assert _complaints(chromium) == []


def test_who_has_a_certificate_of_the_operators_needs_no_ticket(site: Site, tmp_path: Path) -> None:
    """On the port that asks for one, and as long as it holds; it says whose it is, and that is written down once."""
    for _ in range(2):
        status, page = site.ask(tmp_path, site.desk)
        assert status == 200
        assert "Anna at the desk" in page
        assert "Sign out" not in page
    assert site.server.ssh("audit --by Anna").count("console sign-in") == 1
    assert site.ask(tmp_path, None)[0] == 303


@pytest.mark.parametrize("which", ["revoked", "of a server", "of others", "ended"])
def test_a_certificate_that_does_not_hold_ends_the_connection(site: Site, tmp_path: Path, which: str) -> None:
    """A browser says so, and the log of the server does not speak of a bug."""
    shown = {
        "revoked": lambda: site.gone,
        "of a server": lambda: site.issued("anna", ExtendedKeyUsageOID.SERVER_AUTH),
        "of others": lambda: issue("anna", usage=ExtendedKeyUsageOID.CLIENT_AUTH, today=datetime.now(UTC)),
        "ended": lambda: issue(
            "anna", by=site.authority, usage=ExtendedKeyUsageOID.CLIENT_AUTH, today=datetime(2021, 1, 1, tzinfo=UTC)
        ),
    }[which]()
    with pytest.raises((ssl.SSLError, ConnectionError)):
        site.ask(tmp_path, shown)
    assert "Traceback" not in site.server.log()
