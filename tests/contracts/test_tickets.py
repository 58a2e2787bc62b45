"""What `ITickets` promises, with a real KDC: tickets that hold, and every kind that does not, each with its reason."""

import base64
import importlib
import os
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lyncpy.backends.kerberos import WAITING_BYTES, KerberosTickets, load_gssapi, verify_ticket
from lyncpy.backends.threads import Threads
from lyncpy.contracts.authenticator import AuthenticationDenied, DenialReason
from lyncpy.contracts.kerberos import SIP_SERVICE, TOKEN_BYTES, AcceptedTicket
from tests.kit.kdc import Kdc, require_kerberos
from tests.kit.kerberos_client import KerberosClient
from tests.kit.threads import ThreadPump

HOST = "fe1.example.test"


@pytest.fixture(scope="module")
def kdc(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kdc]:
    """Give a realm with one user."""
    require_kerberos()
    kdc = Kdc(tmp_path_factory.mktemp("kerberos") / "kdc").start()
    try:
        kdc.add_user("alice", "pw")
        yield kdc
    finally:
        kdc.stop()


class Server:
    """The server's side: a keytab, and what verifies with it."""

    def __init__(self, kdc: Kdc, folder: Path) -> None:
        self.kdc = kdc
        self.keytab = folder / "krb5.keytab"
        self.pump = ThreadPump()
        self.threads = Threads(self.pump, "tickets of a test")
        for service in ("sip", "HTTP"):
            kdc.add_service(f"{service}/{HOST}", self.keytab)
        self.tickets = KerberosTickets(self.keytab, self.threads, WAITING_BYTES)

    def accept(self, token: bytes, service: str = SIP_SERVICE) -> AcceptedTicket | AuthenticationDenied:
        return self.pump.run(self.tickets.accept(token, service, "192.0.2.1"))

    def refused(self, token: bytes, service: str = SIP_SERVICE) -> tuple[DenialReason, str]:
        outcome = self.accept(token, service)
        assert isinstance(outcome, AuthenticationDenied), outcome
        return outcome.reason, outcome.detail


@pytest.fixture
def server(kdc: Kdc, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """Give a server with new keys."""
    for name in ("KRB5_CONFIG", "KRB5RCACHEDIR"):
        monkeypatch.setenv(name, kdc.environment[name])
    server = Server(kdc, tmp_path)
    yield server
    server.pump.run(server.threads.stop())


@pytest.fixture
def client(kdc: Kdc, server: Server, monkeypatch: pytest.MonkeyPatch) -> KerberosClient:
    """After the server: new keys make older tickets useless."""
    monkeypatch.setenv("KRB5CCNAME", kdc.sign_in("alice", "pw"))
    return KerberosClient(f"sip@{HOST}")


def test_a_ticket_says_who_it_is(server: Server, client: KerberosClient) -> None:
    """And for how long."""
    accepted = server.accept(client.token())

    assert isinstance(accepted, AcceptedTicket)
    assert (accepted.principal, accepted.own_realm, accepted.reply) == ("alice@EXAMPLE.TEST", True, b"")
    assert 9 * 3600 < accepted.lifetime_s <= 10 * 3600


def test_a_ticket_that_is_nearly_over_holds_a_little(server: Server, client: KerberosClient) -> None:
    """Its holder is not signed in and out again within the same second."""
    server.kdc.admin(f"modprinc -maxlife 60s sip/{HOST}")
    try:
        accepted = server.accept(KerberosClient(f"sip@{HOST}").token())
    finally:
        server.kdc.admin(f"modprinc -maxlife 10h sip/{HOST}")
    assert isinstance(accepted, AcceptedTicket)
    assert accepted.lifetime_s == 120


def test_signatures_hold_both_ways_in_any_order(server: Server, client: KerberosClient) -> None:
    """A client's responses and requests overtake each other."""
    accepted = server.accept(client.token())
    assert isinstance(accepted, AcceptedTicket)
    first, second = client.sign(b"first"), client.sign(b"second")

    assert accepted.mics.holds(b"second", second)
    assert accepted.mics.holds(b"first", first)
    assert not accepted.mics.holds(b"first", second)
    assert not accepted.mics.holds(b"first", b"")
    assert client.holds(b"ours", accepted.mics.sign(b"ours"))
    # What the client signed is not taken for ours, nor the other way round.
    assert not accepted.mics.holds(b"ours", accepted.mics.sign(b"ours"))


def test_signatures_of_a_client_that_wants_their_order_hold_in_any(server: Server, client: KerberosClient) -> None:
    """The system says of each that it comes early, late or twice, and that it holds."""
    strict = KerberosClient(f"sip@{HOST}", ordered=True)
    accepted = server.accept(strict.token())
    assert isinstance(accepted, AcceptedTicket)
    texts = [b"%d" % number for number in range(300)]
    mics = [strict.sign(text) for text in texts]

    for number in (1, 0, 5, 5, 299, 2):
        assert accepted.mics.holds(texts[number], mics[number])
    assert not accepted.mics.holds(texts[3], mics[4])
    assert not accepted.mics.holds(texts[0], mics[5])


def test_a_ticket_within_spnego_proves_the_server_too(server: Server, client: KerberosClient) -> None:
    """As browsers send it."""
    browser = KerberosClient(f"HTTP@{HOST}", spnego=True, mutual=True)
    accepted = server.accept(browser.token(), "HTTP")

    assert isinstance(accepted, AcceptedTicket)
    assert accepted.principal == "alice@EXAMPLE.TEST"
    browser.finish(accepted.reply)


class WatchedLibrary:
    """The library, telling which mechanisms are accepted; it says that another one was agreed on, if told to."""

    def __init__(self, agreed: str = "") -> None:
        self._agreed = agreed
        self.accepted: set[str] = set()

    def __getattr__(self, name: str) -> Any:  # Any: of the extra
        return getattr(importlib.import_module("gssapi"), name)

    def Credentials(self, **terms: Any) -> Any:
        credentials = importlib.import_module("gssapi").Credentials(**terms)
        self.accepted = {one.dotted_form for one in credentials.mechs}
        return credentials

    def SecurityContext(self, **terms: Any) -> Any:
        library: Any = importlib.import_module("gssapi")
        agreed = {"mech": library.OID.from_int_seq(self._agreed)} if self._agreed else {}
        return type("Context", (library.SecurityContext,), agreed)(**terms)


@pytest.mark.parametrize("spnego", [False, True])
def test_kerberos_is_the_only_way_in(server: Server, client: KerberosClient, *, spnego: bool) -> None:
    """Whatever other mechanisms the system has; also where what they say looks like a ticket."""
    library = WatchedLibrary()
    shown = KerberosClient(f"sip@{HOST}", spnego=spnego)
    assert isinstance(verify_ticket(library, server.keytab, shown.token(), SIP_SERVICE), AcceptedTicket)
    assert library.accepted == {"1.2.840.113554.1.2.2", "1.3.6.1.5.5.2"}
    outcome = verify_ticket(WatchedLibrary("1.3.6.1.5.2.5"), server.keytab, shown.token(), SIP_SERVICE)
    assert isinstance(outcome, AuthenticationDenied)
    assert outcome.reason is DenialReason.MALFORMED


def test_a_name_in_other_letters_hides_no_key(server: Server, client: KerberosClient, tmp_path: Path) -> None:
    """The keytab has SIP/ of before in front of the sip/ that the ticket is for."""
    keytab = server.kdc.add_service(f"SIP/{HOST}", tmp_path / "both.keytab")
    server.kdc.admin(f"ktadd -norandkey -k {keytab} sip/{HOST}")
    assert isinstance(verify_ticket(load_gssapi(), keytab, client.token(), SIP_SERVICE), AcceptedTicket)


def test_any_spelling_whose_key_fits_opens_a_ticket(server: Server, client: KerberosClient, tmp_path: Path) -> None:
    """A KDC that does not look at letters' case gives a ticket for a spelling that the keytab does not have."""
    keytab = tmp_path / "spelled.keytab"
    for service in ("SIP", "Sip"):
        server.kdc.add_service(f"{service}/{HOST}", keytab)
    for service in ("SIP", "Sip"):
        shown = KerberosClient(f"{service}@{HOST}").token().replace(b"\x1b\x03" + service.encode(), b"\x1b\x03sip")
        assert isinstance(verify_ticket(load_gssapi(), keytab, shown, SIP_SERVICE), AcceptedTicket)


def test_a_token_is_good_once_even_for_another_process(server: Server, client: KerberosClient) -> None:
    """The system's replay cache is on disk."""
    token = client.token()
    assert isinstance(server.accept(token), AcceptedTicket)

    assert server.refused(token)[0] is DenialReason.TICKET_REPLAYED
    again = KerberosTickets(server.keytab, server.threads, WAITING_BYTES)
    outcome = server.pump.run(again.accept(token, SIP_SERVICE, "192.0.2.1"))
    assert isinstance(outcome, AuthenticationDenied)
    assert outcome.reason is DenialReason.TICKET_REPLAYED


def test_a_ticket_for_another_service_is_refused(server: Server, client: KerberosClient) -> None:
    """Though the keytab has its key."""
    reason, detail = server.refused(KerberosClient(f"HTTP@{HOST}").token())
    assert reason is DenialReason.WRONG_SERVICE
    assert "HTTP/fe1.example.test@EXAMPLE.TEST" in detail
    assert server.refused(client.token(), "HTTP")[0] is DenialReason.WRONG_SERVICE


def test_a_ticket_for_another_host_is_refused(server: Server, client: KerberosClient, tmp_path: Path) -> None:
    """The operator reads which one, and which names this server has."""
    server.kdc.add_service("sip/fe2.example.test", tmp_path / "other.keytab")
    reason, detail = server.refused(KerberosClient("sip@fe2.example.test").token())
    assert reason is DenialReason.WRONG_SERVICE
    assert "sip/fe1.example.test@EXAMPLE.TEST" in detail


def test_a_ticket_with_newer_keys_than_the_keytab_is_refused(
    server: Server, client: KerberosClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The operator reads both versions."""
    server.kdc.write_keys(f"sip/{HOST}", tmp_path / "not-brought.keytab")
    monkeypatch.setenv("KRB5CCNAME", server.kdc.sign_in("alice", "pw"))
    reason, detail = server.refused(KerberosClient(f"sip@{HOST}").token())
    assert reason is DenialReason.WRONG_KEY_VERSION
    assert "the keytab has" in detail
    assert "aes256-cts-hmac-sha1-96" in detail


def test_new_keys_count_at_once(server: Server, client: KerberosClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tickets for the old ones hold until they end."""
    old = client.token()
    server.kdc.write_keys(f"sip/{HOST}", server.keytab)
    monkeypatch.setenv("KRB5CCNAME", server.kdc.sign_in("alice", "pw"))
    assert isinstance(server.accept(KerberosClient(f"sip@{HOST}").token()), AcceptedTicket)
    assert isinstance(server.accept(old), AcceptedTicket)


def test_a_forged_ticket_is_refused(server: Server, client: KerberosClient) -> None:
    """One bit is enough."""
    token = bytearray(client.token())
    token[-5] ^= 1
    assert server.refused(bytes(token))[0] is DenialReason.BAD_TICKET


@pytest.mark.parametrize("cut", [0, 1, 2, 12, 20, 60, 300, 600, -1])
def test_a_cut_token_is_refused(server: Server, client: KerberosClient, cut: int) -> None:
    """Wherever it is cut."""
    assert server.refused(client.token()[:cut])[0] is DenialReason.MALFORMED


@pytest.mark.parametrize("token", [b"\x60" * 100, b"NTLMSSP\0" + b"\0" * 40, b"\0" * (TOKEN_BYTES + 1), b"\x6e\x80"])
def test_what_is_no_token_is_refused(server: Server, token: bytes) -> None:
    """NTLM among it, and what is too long."""
    assert server.refused(token)[0] is DenialReason.MALFORMED


def test_a_keytab_that_others_can_read_opens_nothing(server: Server, client: KerberosClient) -> None:
    """Its keys are passwords."""
    server.keytab.chmod(0o644)
    reason, detail = server.refused(client.token())
    assert reason is DenialReason.NO_KEYTAB
    assert "chmod 600" in detail
    server.keytab.unlink()
    assert "is missing" in server.refused(client.token())[1]


def test_an_expired_ticket_is_refused(server: Server, client: KerberosClient) -> None:
    """Without the five minutes for which the library lets a ticket live on."""
    conf = Path(os.environ["KRB5_CONFIG"])
    before = conf.read_text("utf-8")
    conf.write_text(before.replace("[libdefaults]\n", "[libdefaults]\n clockskew = 1\n"))
    try:
        server.kdc.admin(f"modprinc -maxlife 2s sip/{HOST}")
        token = KerberosClient(f"sip@{HOST}").token()
        time.sleep(4)
        assert server.refused(token)[0] is DenialReason.TICKET_EXPIRED
    finally:
        conf.write_text(before)
        server.kdc.admin(f"modprinc -maxlife 10h sip/{HOST}")


def test_a_client_with_another_clock_is_refused(
    server: Server, client: KerberosClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its ticket was given while the clock was right."""
    faketime = shutil.which("faketime")
    if faketime is None:
        pytest.skip("apt-get install faketime, as scripts/test does")
    client.token()
    words = (faketime, "-f", "+20m", sys.executable, "-m", "tests.kit.kerberos_client", f"sip@{HOST}")
    token = base64.b64decode(server.kdc.run(*words))
    reason, detail = server.refused(token)
    assert reason is DenialReason.CLOCK_SKEW
    assert "clocks" in detail
