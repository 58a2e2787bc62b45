"""The web services over real connections: a foreign HTTP client, and a real chat client that signs in with a certificate."""

import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.interop.conftest import PLUGIN
from tests.kit.enrollment import WebClient, key_request
from tests.kit.https_client import HttpsLine
from tests.kit.key_pairs import key_of
from tests.kit.ports import free_ports
from tests.kit.purple_client import PurpleClient
from tests.kit.registrar_front import RegistrarFront
from tests.kit.server import RunningServer

pytestmark = [pytest.mark.interop, pytest.mark.libraries]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """Give a server with a site; it has to end in order after the last test."""
    (port,) = free_ports(1)
    running = RunningServer(
        tmp_path_factory.mktemp("webservices") / "home",
        web__https_host="127.0.0.1",
        web__https_port=port,
        sip__server_name="localhost",
    ).init()
    with running.serving():
        yield running


def _site(server: RunningServer) -> str:
    port = next(word.partition("=")[2] for word in server.words if word.startswith("web.https_port="))
    return f"https://localhost:{port}"


@pytest.fixture
def line(server: RunningServer) -> Iterator[HttpsLine]:
    """Give a connection to the server."""
    line = HttpsLine(server.ca)
    yield line
    line.close()


def test_a_program_gets_a_certificate_over_https(server: RunningServer, line: HttpsLine) -> None:
    """All steps over one connection; the operator sees it, and the log has no password and no ticket."""
    account = server.accounts["alice"]
    client = WebClient(line.send, account.address, account.password)
    service = f"{_site(server)}/CertProv/CertProvisioningService.svc"
    place, issuer = client.port(service, "CertProvisioningServiceWebTicketProof_SHA1")
    tickets, _ = client.port(issuer, "WebTicketServiceWinNegotiate")
    ticket = client.ticket(place, tickets)
    certificate = client.certificate(client.ask_certificate(place, ticket, key_request(key_of("alice"))))
    assert certificate.subject.rfc4514_string() == "CN=alice@example.test"
    shown = server.ssh("user certificates alice@example.test")
    assert f"{certificate.serial_number:040x}"[:16] in shown
    log = server.log()
    assert "alice@example.test got certificate" in log
    assert account.password not in log
    assert ticket.assertion[-80:] not in log


def test_a_wrong_password_and_too_much_are_refused_over_https(server: RunningServer, line: HttpsLine) -> None:
    """In words; the connection is usable after the first and closed after the second."""
    client = WebClient(line.send, server.accounts["bob"].address, "wrong")
    tickets = f"{_site(server)}/WebTicket/WebTicketService.svc"
    assert client.ask_ticket(f"{_site(server)}/CertProv/CertProvisioningService.svc", tickets).status == 401
    assert line.send("POST", tickets, {"authorization": client.basic}, b"x" * 70_000).status == 413


@pytest.fixture
def front(server: RunningServer) -> Iterator[RegistrarFront]:
    """Give the SIP part of a server that offers TLS-DSK and nothing else."""
    front = _front(server, _site(server))
    yield front
    front.close()


def _front(server: RunningServer, site: str, place: tuple[str, int] = ("127.0.0.1", 0)) -> RegistrarFront:
    challenge = (
        'TLS-DSK realm="SIP Communications Service", targetname="localhost", version=4,'
        f' sts-uri="{site}/CertProv/CertProvisioningService.svc"'
    )
    return RegistrarFront(server.home / "server.pem", server.home / "server.key", challenge, place)


def _hello(front: RegistrarFront) -> bool:
    """Wait until a client begins its handshake: a ClientHello in one TLS record, which it sends once it has a certificate."""
    return _heard(front, 'gssapi-data="FgMB')


def _heard(front: RegistrarFront, words: str) -> bool:
    """Wait until a client has said something."""
    until = time.monotonic() + 30
    while words not in front.heard() and time.monotonic() < until:
        time.sleep(0.05)
    return words in front.heard()


def test_a_real_client_gets_its_certificate(server: RunningServer, front: RegistrarFront, tmp_path: Path) -> None:
    """pidgin-sipe with TLS-DSK: metadata, ticket by NTLM, certificate; then it begins the handshake with it."""
    if not PLUGIN.exists():
        pytest.skip("pidgin-sipe is not installed")
    account = server.accounts["carol"]
    carol = PurpleClient(
        account.address,
        account.password,
        server=f"localhost:{front.port}",
        folder=tmp_path / "carol",
        ca=server.ca,
        names={"localhost": "127.0.0.1"},
    )
    try:
        carol.login(wait=False, auth="tls-dsk")
        assert _hello(front), (front.heard()[-2000:], server.tail())
    finally:
        carol.leave()
        carol.close()
    assert "carol@example.test got certificate" in server.log()
    assert "1" in server.ssh("user certificates carol@example.test")


PLACE = "127.0.5.61"
"""An address of this machine where nobody else listens on port 443."""

ELSEWHERE = "127.0.5.62"


@pytest.fixture
def found_server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[RunningServer]:
    """Give a server at the ports where clients look by themselves; SIP may be at another address."""
    if os.geteuid():
        pytest.skip("ports 80 and 443 are open to root alone")
    more = {"sip__tls_host": PLACE, "web__https_port": 443, **getattr(request, "param", {})}
    with RunningServer(tmp_path / "found", web__https_host=PLACE, **more).init().serving() as running:
        yield running


SENT_ON = {"web__https_port": free_ports(1)[0], "web__http_port": 80}


@pytest.mark.parametrize("found_server", [{}, SENT_ON], ids=["https", "http"], indirect=True)
@pytest.mark.parametrize("name", ["lyncdiscoverinternal", "lyncdiscover"])
def test_a_real_client_finds_its_server(found_server: RunningServer, tmp_path: Path, name: str) -> None:
    """pidgin-sipe with no server configured: an address and a password are all that it is told.

    Without TLS it is sent to the site at whatever port.
    """
    if not PLUGIN.exists():
        pytest.skip("pidgin-sipe is not installed")
    dave = _seeker(found_server, tmp_path, {f"{name}.example.test": PLACE, "sip.example.test": PLACE})
    try:
        dave.login()
    finally:
        dave.leave()
        dave.close()
    log = found_server.log()
    assert "dave@example.test got a ticket for https://sip.example.test" in log
    assert "/Autodiscover/AutodiscoverService.svc" in log
    assert "sip:dave@example.test signed in" in log


@pytest.mark.parametrize("found_server", [{"sip__tls_host": ELSEWHERE}], indirect=True)
def test_a_real_client_gets_ticket_after_ticket_over_one_connection(
    found_server: RunningServer, tmp_path: Path
) -> None:
    """The proof of the password is good for one request, and the client proves it again for the next."""
    if not PLUGIN.exists():
        pytest.skip("pidgin-sipe is not installed")
    front = _front(found_server, "https://sip.example.test", (PLACE, found_server.tls_port))
    dave = _seeker(found_server, tmp_path, {"lyncdiscover.example.test": PLACE, "sip.example.test": PLACE})
    try:
        dave.login(wait=False, auth="tls-dsk")
        assert _hello(front), (front.heard()[-2000:], found_server.tail(), dave.tail())
    finally:
        dave.leave()
        dave.close()
        front.close()
    log = found_server.log()
    for service in ("Autodiscover/AutodiscoverService", "CertProv/CertProvisioningService"):
        assert f"dave@example.test got a ticket for https://sip.example.test/{service}" in log


@pytest.mark.parametrize("service", ["_sipinternaltls._tcp", "_sip._tls"])
def test_where_nothing_is_discovered_a_real_client_goes_by_service_records(
    server: RunningServer, tmp_path: Path, service: str
) -> None:
    """To the server and the port that these say."""
    if not PLUGIN.exists():
        pytest.skip("pidgin-sipe is not installed")
    places = {f"{service}.example.test": f"sip.example.test:{server.tls_port}", "sip.example.test": "127.0.0.1"}
    dave = _seeker(server, tmp_path, places)
    try:
        dave.login()
        assert "lyncdiscoverinternal.example.test" in dave.log()
    finally:
        dave.leave()
        dave.close()


def test_where_there_are_no_records_a_real_client_goes_by_names(server: RunningServer, tmp_path: Path) -> None:
    """At the port of HTTPS, where it speaks SIP; the certificate that `lyncpy init` makes is for that name too."""
    if not PLUGIN.exists():
        pytest.skip("pidgin-sipe is not installed")
    if os.geteuid():
        pytest.skip("port 443 is open to root alone")
    found = _front(server, _site(server), (ELSEWHERE, 443))
    dave = _seeker(server, tmp_path, {"sip.example.test": ELSEWHERE})
    try:
        dave.login(wait=False)
        assert _heard(found, "REGISTER sip:example.test"), dave.tail()
    finally:
        dave.leave()
        dave.close()
        found.close()


def _seeker(server: RunningServer, folder: Path, names: Mapping[str, str]) -> PurpleClient:
    """Make a client that is told no server, and finds what these names lead to."""
    account = server.accounts["dave"]
    return PurpleClient(
        account.address,
        account.password,
        server="",
        folder=folder / "dave",
        ca=server.ca,
        transport="auto",
        names=names,
    )
