"""The HTTPS site, looked at with a real browser and with sockets that mean no good."""

import base64
import hashlib
import http.client
import json
import socket
import ssl
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from lyncpy.workloads.presence.bodies.icons import Icon, draw
from tests.interop.conftest import Clients
from tests.kit.browser import CHROMIUM, Browser, Intranet
from tests.kit.certificates import issue
from tests.kit.hostile import time_limit
from tests.kit.ports import free_ports
from tests.kit.prometheus import ALERTS, RULES, Prometheus, promtool
from tests.kit.server import RunningServer, wait_until
from tests.kit.tls_client import secured

pytestmark = pytest.mark.interop

TOKEN = "0123456789abcdef" * 3
MOST_FROM_HERE = 220


class Site:
    """A server whose site is on, and what a program needs to ask it."""

    def __init__(self, folder: Path, intranet: Intranet) -> None:
        self.intranet = intranet
        (self.port,) = free_ports(1)
        self.server = RunningServer(
            folder / "home",
            web__https_host="127.0.0.1",
            web__https_port=self.port,
            web__origins=f'["{intranet.origin}"]',
            web__request_s=3,
            web__close_s=2,
            web__connections_per_address=MOST_FROM_HERE,
            presence__web_readers='["anonymous", "signed-in", "named"]',
            conferencing__meeting_url=f"{self.origin}/meet",
        ).init()
        self.server.keep_conference("alice@example.test", "ABC123")
        readers = self.server.home / "web-readers.toml"
        digest = hashlib.sha256(TOKEN.encode()).hexdigest()
        readers.touch(0o600)
        readers.write_text(f'[wiki]\naddress = "wiki@example.test"\nsha256 = "{digest}"\n')
        self.context = ssl.create_default_context(cafile=str(self.server.ca))

    @property
    def origin(self) -> str:
        """Give the address of the site."""
        return f"https://127.0.0.1:{self.port}"

    def ask(self, path: str, **headers: str) -> tuple[int, dict[str, str], bytes]:
        """Ask with Python's client, which checks the certificate; `_` in a header's name is a hyphen."""
        line = http.client.HTTPSConnection("localhost", self.port, context=self.context, timeout=20)
        try:
            line.request("GET", path, headers={name.replace("_", "-"): value for name, value in headers.items()})
            answer = line.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read()
        finally:
            line.close()

    def connect(self) -> ssl.SSLSocket:
        """Open a connection with TLS, with nothing sent."""
        raw = socket.create_connection(("127.0.0.1", self.port), timeout=20)
        return secured(self.context, raw, "localhost")

    def basic(self, name: str) -> str:
        """Give the credentials of a demo user."""
        account = self.server.accounts[name]
        return "Basic " + base64.b64encode(f"{account.address}:{account.password}".encode()).decode()

    def counted(self, status: int) -> float:
        """Give how many requests for presence had this answer, as the server's meters say."""
        lines = self.server.ssh("meters lyncpy_web_requests_total").splitlines()
        fitting = [line for line in lines if "/presence/" in line and str(status) in line]
        return sum(float(line.split()[-1]) for line in fitting)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Give a site that runs; it has to end in order after the last test."""
    with Intranet() as intranet:
        made = Site(tmp_path_factory.mktemp("site"), intranet)
        try:
            made.server.start()
            yield made
            made.server.stop()
        finally:
            made.server.close()


@pytest.fixture(scope="module")
def server(site: Site) -> RunningServer:
    """Let clients sign in at this server."""
    return site.server


@pytest.fixture
def browser(site: Site, tmp_path: Path) -> Browser:
    """Give a browser that trusts the site."""
    if not CHROMIUM:
        pytest.skip("chromium is not installed")
    return Browser(tmp_path, site.server.home / "server.pem")


# --- in a browser


def _data(icon: Icon, size: int) -> str:
    return "data:image/svg+xml;base64," + base64.b64encode(draw(icon, size)).decode()


PIXELS = """
const found = {};
for (const background of BACKGROUNDS) {
    found[background] = {};
    for (const image of document.images) {
        await image.decode();
        const canvas = document.createElement('canvas');
        canvas.width = canvas.height = 12;
        const pen = canvas.getContext('2d');
        pen.fillStyle = background;
        pen.fillRect(0, 0, 12, 12);
        const [red, green, blue] = pen.getImageData(0, 0, 1, 1).data;
        pen.drawImage(image, 0, 0, 12, 12);
        const data = pen.getImageData(0, 0, 12, 12).data;
        const grey = [], seen = [];
        for (let at = 0; at < data.length; at += 4) {
            grey.push(Math.round(0.2126 * data[at] + 0.7152 * data[at + 1] + 0.0722 * data[at + 2]));
            seen.push(Math.max(Math.abs(data[at] - red), Math.abs(data[at + 1] - green), Math.abs(data[at + 2] - blue)));
        }
        found[background][image.id] = {grey, seen};
    }
}
return found;
"""
BACKGROUNDS = ("#ffffff", "#1f1f1f", "#dbeafe")
Rasters = dict[str, dict[str, dict[str, list[int]]]]
"""Background → icon → "grey" and "seen" → a number for each pixel."""


@pytest.fixture(scope="module")
def rasters(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Rasters:
    """Give the 12 x 12 pixels of each icon on each background: how light each is, and how far from the background."""
    if not CHROMIUM:
        pytest.skip("chromium is not installed")
    images = "".join(f'<img id="{icon.value}" src="{_data(icon, 12)}" alt="">' for icon in Icon)
    script = PIXELS.replace("BACKGROUNDS", json.dumps(BACKGROUNDS))
    found: Rasters = Browser(tmp_path_factory.mktemp("icons")).run(site.intranet, images, script)
    return found


@pytest.mark.parametrize("background", BACKGROUNDS)
def test_icons_differ_at_twelve_pixels_without_colour(rasters: Rasters, background: str) -> None:
    """On a bad screen, for who sees no colours, on light and dark pages: no two states look alike."""
    grey = {name: one["grey"] for name, one in rasters[background].items()}
    assert set(grey) == {icon.value for icon in Icon}
    for one, other in combinations(grey, 2):
        plain = [abs(a - b) for a, b in zip(grey[one], grey[other], strict=True)]
        # Eight of 144 pixels that differ by a quarter of the scale are a sign that the eye finds.
        assert sum(difference >= 64 for difference in plain) >= 8, (one, other)


def test_busy_and_do_not_disturb_have_other_outlines_at_twelve_pixels(rasters: Rasters) -> None:
    """They have one colour, and a sign of two pixels is soon overlooked: their corners tell them apart."""
    for found in rasters.values():
        busy, dnd = (_outline(found[one.value]["seen"]) for one in (Icon.BUSY, Icon.DO_NOT_DISTURB))
        assert busy < dnd
        assert len(dnd - busy) >= 12


def test_every_icon_has_one_outline_on_light_and_dark(rasters: Rasters) -> None:
    """Somebody unknown is no bare question mark on a white page and a white disc on a dark one."""
    light, dark = rasters["#ffffff"], rasters["#1f1f1f"]
    for icon in Icon:
        shapes = [_outline(found[icon.value]["seen"]) for found in (light, dark)]
        # Of a pixel at the edge it is the background that says whether it stands out.
        assert len(shapes[0] ^ shapes[1]) <= 16, icon
        assert len(shapes[0] & shapes[1]) >= 88, icon


def _outline(seen: list[int]) -> set[int]:
    """Give the pixels of an icon's shape: in each row from the first to the last that stand out from the background."""
    found: set[int] = set()
    for row in range(0, 144, 12):
        shown = [at for at in range(row, row + 12) if seen[at] >= 48]
        found |= set(range(shown[0], shown[-1] + 1)) if shown else set()
    return found


def test_an_icon_stands_on_a_page_of_another_site(site: Site, browser: Browser, clients: Clients) -> None:
    """A wiki shows Alice's icon in its size, and what a screen reader says; a script reads her state as JSON."""
    clients("alice")
    wait_until(lambda: _seen(site)["availability"] == "available", "Alice is seen as available")
    body = f'<img id="a" src="{site.origin}/presence/alice@example.test.svg?size=12" alt="Alice">'
    found = browser.run(
        site.intranet,
        body,
        f"""
            const image = document.getElementById('a');
            await image.decode();
            const answer = await fetch('{site.origin}/presence/alice@example.test.json',
                {{headers: {{Authorization: 'Bearer {TOKEN}'}}}});
            return {{width: image.naturalWidth, height: image.naturalHeight, facts: await answer.json()}};
            """,
    )
    assert (found["width"], found["height"]) == (12, 12)
    assert found["facts"]["availability"] == "available"


def test_a_page_of_a_stranger_reads_nothing(site: Site, browser: Browser) -> None:
    """Only sites that a setting names may read with scripts; the browser keeps the others out."""
    with Intranet() as stranger:
        script = f"return (await fetch('{site.origin}/presence/alice@example.test.json')).status;"
        found = browser.run(stranger, "", script)
    assert str(found).startswith("error: TypeError")


def test_a_browser_asks_again_with_its_validator(site: Site, browser: Browser) -> None:
    """What has not changed is not sent again."""
    before = site.counted(304)
    length = browser.run(
        site.intranet,
        "",
        f"""
            let text = '';
            for (const turn of [1, 2, 3])
                text = await (await fetch('{site.origin}/presence/bob@example.test.svg', {{cache: 'no-cache'}})).text();
            return text.length;
            """,
    )
    assert length > 100
    assert site.counted(304) == before + 2


COLOURS = """
const image = document.images[0];
await image.decode();
const canvas = document.createElement('canvas');
canvas.width = image.naturalWidth;
canvas.height = image.naturalHeight;
const pen = canvas.getContext('2d');
pen.drawImage(image, 0, 0);
const data = pen.getImageData(0, 0, canvas.width, canvas.height).data;
const found = {};
for (let at = 0; at < data.length; at += 4) {
    const colour = [data[at], data[at + 1], data[at + 2]].map(one => one.toString(16).padStart(2, '0')).join('');
    found[colour] = (found[colour] || 0) + 1;
}
return found;
"""


def _colours(site: Site, browser: Browser, path: str) -> dict[str, int]:
    """Open a page and count the pixels of each colour."""
    picture = base64.b64encode(browser.photograph(site.origin + path).read_bytes()).decode()
    found: dict[str, int] = browser.run(site.intranet, f'<img src="data:image/png;base64,{picture}">', COLOURS)
    return found


def test_a_meeting_link_shows_a_button(site: Site, browser: Browser) -> None:
    """A browser shows the page with its style, though nothing else is allowed on it, and no button where there is no meeting."""
    page = _colours(site, browser, "/meet/alice/ABC123")
    assert page["ffffff"] > 300_000
    nothing = _colours(site, browser, "/meet/alice/NONE")
    # The organisation's icon has this colour too.
    assert page["1a5fb4"] > nothing["1a5fb4"] + 3000
    assert nothing["1b1b1b"] > 300


def test_a_meeting_link_leads_clients_to_the_focus(site: Site) -> None:
    """A client that reads the page over HTTP finds the address of the conference on it."""
    status, headers, body = site.ask("/meet/alice/abc123")
    assert (status, headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert b'href="conf:sip:alice@example.test;gruu;opaque=app:conf:focus:id:ABC123"' in body
    assert b"<h1>Meeting of Alice " in body
    assert "<h1>Besprechung von Alice " in site.ask("/meet/alice/abc123", Accept_Language="de, en;q=0.5")[2].decode()
    assert site.ask("/meet/alice/other")[0] == 404


def _seen(site: Site) -> dict[str, Any]:
    facts: dict[str, Any] = json.loads(
        site.ask("/presence/alice@example.test.json", Authorization=site.basic("bob"))[2]
    )
    return facts


# --- with credentials


def test_each_reader_sees_his_own_level(site: Site, clients: Clients) -> None:
    """A colleague sees that Alice is there; anybody sees somebody who is offline."""
    clients("alice")
    wait_until(lambda: _seen(site)["availability"] == "available", "Alice is seen as available")
    status, headers, body = site.ask("/presence/alice@example.test.json")
    assert (status, json.loads(body)["availability"]) == (200, "offline")
    assert headers["Cache-Control"].startswith("public")
    status, headers, body = site.ask("/presence/alice@example.test.json", Authorization=f"Bearer {TOKEN}")
    assert (status, json.loads(body)["availability"]) == (200, "available")
    assert headers["Cache-Control"].startswith("private")


def test_a_wrong_password_is_refused_and_written_down_without_it(site: Site) -> None:
    """The log says who failed from where, and not what was typed."""
    wrong = "Basic " + base64.b64encode(b"carol@example.test:swordfish-1").decode()
    status, headers, _ = site.ask("/presence/alice.svg", Authorization=wrong)
    assert status == 401
    assert headers["WWW-Authenticate"].startswith("Basic ")
    log = site.server.log()
    assert "carol@example.test could not sign in from 127.0.0.1" in log
    assert "swordfish" not in log
    assert wrong[6:] not in log


# --- with bad intent


HOSTILE = [
    (b"hello\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\n\r\n", 400),
    (b"GET /" + b"a" * 70_000, 414),
    (b"GET / HTTP/1.1\r\nHost: x\r\nA: " + b"a" * 70_000, 431),
    (b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 200, 431),
    (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\n" + b"a" * 200_000, 413),
    (b"GET /presence/..%2f..%2fetc%2fpasswd HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 404),
    (b"GET /presence/%00.svg HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    (b"DELETE /presence/a.svg HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 405),
]


@pytest.mark.parametrize(("text", "status"), HOSTILE)
def test_bad_requests_get_a_whole_plain_answer(site: Site, text: bytes, status: int) -> None:
    """Whoever sends nonsense reads why, over a connection that is closed in order."""
    with site.connect() as line:
        line.sendall(text)
        answer = _all_of(line)
    assert answer.startswith(f"HTTP/1.1 {status} ".encode())
    assert b"Traceback" not in answer
    assert b"\r\n\r\n%d " % status in answer


def test_a_request_that_drips_is_ended_in_its_time(site: Site) -> None:
    """Slowloris: many half requests hold no places for longer than one request may take."""
    with ExitStack() as lines:
        opened = [lines.enter_context(site.connect()) for _ in range(50)]
        for line in opened:
            line.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n")
        with time_limit(60):
            answers = [_all_of(line) for line in opened]
    assert all(answer.startswith(b"HTTP/1.1 408 ") for answer in answers)


def test_a_handshake_that_never_ends_is_ended(site: Site) -> None:
    """A connection without TLS holds its place no longer than a request may take."""
    with socket.create_connection(("127.0.0.1", site.port), timeout=20) as raw:
        raw.sendall(b"\x16\x03\x01")
        assert raw.recv(100) == b""


def test_two_hundred_browsers_at_once(site: Site) -> None:
    """All are answered; for a connection beyond the bound the oldest idle one makes room."""
    with ExitStack() as lines, ThreadPoolExecutor(8) as threads:
        opened = [lines.enter_context(line) for line in threads.map(lambda _: site.connect(), range(200))]
        for line in opened:
            line.sendall(b"GET /presence/alice.svg HTTP/1.1\r\nHost: x\r\n\r\n")
        heads = [line.recv(20) for line in opened]
        more = [socket.create_connection(("127.0.0.1", site.port), timeout=20) for _ in range(MOST_FROM_HERE - 199)]
        for raw in more:
            lines.callback(raw.close)
        assert heads == [b"HTTP/1.1 200 OK\r\nDat"] * 200
        assert any(map(_is_ended, opened)), "no idle one made room"
    wait_until(lambda: site.ask("/presence/alice.svg")[0] == 200, "places are free again")


@pytest.mark.libraries
def test_a_renewed_certificate_is_used_at_once(site: Site) -> None:
    """A reload takes up the new certificate for the site as for SIP, without a restart; a better one is taken up by itself."""
    files = [site.server.home / name for name in ("server.pem", "server.key")]
    before = [file.read_bytes() for file in files]
    renewed = issue("localhost", "127.0.0.1", "sip.example.test", today=datetime.now(UTC))
    try:
        for file, content in zip(files, (renewed.pem, renewed.key_pem()), strict=True):
            file.write_bytes(content)
        site.server.ssh("reload")
        assert _shown(site) == renewed.pem.decode().strip()
    finally:
        for file, content in zip(files, before, strict=True):
            file.write_bytes(content)
    wait_until(lambda: _shown(site) in before[0].decode(), "the new files are taken up")
    assert site.ask("/presence/alice.svg")[0] == 200


def _shown(site: Site) -> str:
    """Give the certificate that a new connection sees."""
    return ssl.get_server_certificate(("127.0.0.1", site.port), timeout=20).strip()


def _is_closed(raw: socket.socket) -> bool:
    try:
        return raw.recv(1) == b""
    except ConnectionResetError:
        return True


def _all_of(line: ssl.SSLSocket) -> bytes:
    """Read until the server says goodbye."""
    answer = b""
    while piece := line.recv(65_536):
        answer += piece
    return answer


def _is_ended(line: ssl.SSLSocket) -> bool:
    """Tell whether the server has cut a connection, whatever it had sent before."""
    line.settimeout(0.05)
    try:
        while line.recv(65_536):
            pass
    except TimeoutError:
        return False
    except OSError:
        return True
    return True


def test_prometheus_reads_every_meter_and_takes_the_alerts(site: Site, tmp_path: Path) -> None:
    """With the token of a program, over HTTPS, and without one complaint; what it draws quantiles of is there."""
    assert "SUCCESS" in promtool("check", "rules", str(RULES))
    assert "SUCCESS" in promtool("test", "rules", str(ALERTS))
    assert site.ask("/metrics")[0] == 401
    with Prometheus(tmp_path, f"127.0.0.1:{site.port}", TOKEN, site.server.ca) as prometheus:
        wait_until(lambda: [value for _, value in prometheus.query('up{job="lyncpy"}')] == [1.0], "it reads the server")
        wait_until(lambda: bool(prometheus.query("lyncpy_core_flows_count")), "it has the meters")
        assert prometheus.errors() == []
        (people,) = prometheus.query("lyncpy_registrar_people_count")
        assert people[1] >= 0
        assert prometheus.query('lyncpy_core_answer_seconds_bucket{method="MESSAGE",le="+Inf"}')
        assert prometheus.query("process_resident_memory_bytes")[0][1] > 1e6
        assert prometheus.query('ALERTS{alertname="LyncpyDown"}') == []


def test_a_load_balancer_needs_no_token(site: Site) -> None:
    """It is told yes or no, nothing else."""
    assert [site.ask(path)[::2] for path in ("/healthz", "/readyz")] == [(200, b"alive\n"), (200, b"ready\n")]
