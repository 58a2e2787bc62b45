"""Real clients whose users have addresses in two domains of one server."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.interop.conftest import PLUGIN, Clients
from tests.interop.test_conferences import all_speak, begin, focus_of, id_of, together
from tests.kit.purple_client import PurpleClient
from tests.kit.server import RunningServer

pytestmark = pytest.mark.interop

ORG = "example.org"
PLACE = "127.0.5.63"
"""An address of this machine where nobody else listens on port 443."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """Give a server of two domains; Olga is of the second."""
    running = RunningServer(tmp_path_factory.mktemp("domains") / "home", sip__domains=f'["{ORG}"]').init()
    running.hire(f"olga@{ORG}")
    with running.serving():
        yield running


def test_messages_and_presence_cross_domains(clients: Clients) -> None:
    """Olga and Alice talk, have one another in their lists, and see one another as colleagues do."""
    alice, olga = clients("alice", "olga")
    assert olga.address == f"olga@{ORG}"
    olga.send_im(alice.address, "hello from the other domain")
    alice.wait_for("im", who=olga.uri, text="hello from the other domain")
    alice.send_im(olga.address, "and back")
    olga.wait_for("im", who=alice.uri, text="and back")
    for one, other in ((olga, alice), (alice, olga)):
        one.add_buddy(other.address)
        one.wait_presence(other.address, status="available")
    alice.set_status("do-not-disturb", "in the first domain")
    olga.wait_presence(alice.address, status="do-not-disturb", message="in the first domain")
    assert olga.search(given="alice") == [alice.address]
    assert alice.search(given="olga") == [olga.address]


def test_a_meeting_of_two_domains(clients: Clients, server: RunningServer) -> None:
    """Olga's conference has an address of her own domain; Bob is invited, Carol comes by its id, and all are heard."""
    olga, bob, carol = clients("olga", "bob", "carol")
    begin(olga, bob)
    together(olga, bob)
    assert focus_of(olga).startswith(f"sip:olga@{ORG};gruu;opaque=app:conf:focus:id:")
    carol.join_conference(organizer=olga.address, meeting=id_of(olga))
    together(olga, bob, carol)
    all_speak(olga, bob, carol)
    assert f"olga@{ORG}" in server.ssh("conferences")


@pytest.fixture
def found_server(tmp_path: Path) -> Iterator[RunningServer]:
    """Give a server of two domains at the ports where clients look by themselves."""
    if os.geteuid():
        pytest.skip("port 443 is open to root alone")
    places = {"sip__tls_host": PLACE, "web__https_host": PLACE, "web__https_port": 443}
    running = RunningServer(tmp_path / "found", sip__domains=f'["{ORG}"]', **places).init()
    running.hire(f"olga@{ORG}")
    with running.serving():
        yield running


def test_a_client_finds_its_server_under_its_own_domain(found_server: RunningServer, tmp_path: Path) -> None:
    """pidgin-sipe with an address of the second domain and no server: from its lyncdiscover to its sip name."""
    if not PLUGIN.exists():
        pytest.skip("pidgin-sipe is not installed")
    account = found_server.accounts["olga"]
    names = dict.fromkeys((f"lyncdiscover.{ORG}", f"sip.{ORG}", "sip.example.test"), PLACE)
    olga = PurpleClient(
        account.address,
        account.password,
        server="",
        folder=tmp_path / "olga",
        ca=found_server.ca,
        transport="auto",
        names=names,
    )
    try:
        olga.login()
        log = olga.log()
    finally:
        olga.leave()
        olga.close()
    assert f"sip.{ORG}" in log
    assert f"sip:olga@{ORG} signed in" in found_server.log()
