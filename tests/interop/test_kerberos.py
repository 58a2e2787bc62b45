"""People sign in with Kerberos tickets of a real KDC: pidgin-sipe over SIP, curl over HTTPS."""

from collections.abc import Iterator

import pytest

from tests.interop.conftest import Clients
from tests.kit.kdc import Kdc, require_kerberos
from tests.kit.purple_client import ConnectionRefusedByServer
from tests.kit.server import RunningServer

pytestmark = pytest.mark.interop

HOST = "fe1.example.test"


@pytest.fixture(scope="module")
def kdc(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kdc]:
    """Give a realm with alice and bob, and somebody who has no account with the server."""
    require_kerberos()
    kdc = Kdc(tmp_path_factory.mktemp("kerberos") / "kdc").start()
    try:
        for name in ("alice", "bob", "mallory"):
            kdc.add_user(name, f"{name}'s ticket")
        yield kdc
    finally:
        kdc.stop()


@pytest.fixture(scope="module")
def server(kdc: Kdc, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """Give a server with keys for both of its services."""
    folder = tmp_path_factory.mktemp("server")
    keytab = kdc.add_service(f"sip/{HOST}", folder / "krb5.keytab")
    kdc.add_service(f"HTTP/{HOST}", keytab)
    server = RunningServer(folder / "home", auth__keytab=str(keytab), sip__server_name=HOST)
    server.init().start(environment=kdc.environment)
    try:
        yield server
    finally:
        server.stop()


def environment_of(kdc: Kdc, name: str) -> dict[str, str]:
    """Give the variables of a client's process: where the realm is, and a cache of tickets of its own."""
    return {"KRB5_CONFIG": str(kdc.conf), "KRB5CCNAME": f"MEMORY:{name}"}


def test_signs_in_with_a_ticket_and_talks(clients: Clients, kdc: Kdc, server: RunningServer) -> None:
    """The password of the realm is all that the client has; every message is signed with the ticket's key."""
    alice, bob = (
        clients.make(name, password=f"{name}'s ticket", scheme="krb5", environment=environment_of(kdc, name))
        for name in ("alice", "bob")
    )
    alice.login()
    bob.login()

    alice.send_im("bob@example.test", "hello by ticket")

    bob.wait_for("im", who="sip:alice@example.test", text="hello by ticket")
    assert any("Authorization: Kerberos" in message for message in alice.sip("sent"))


def test_another_users_ticket_opens_nothing(clients: Clients, kdc: Kdc, server: RunningServer) -> None:
    """Bob's ticket does not make him Alice; the operator reads whose it was."""
    alice = clients.make(
        "alice", password="bob's ticket", login="bob@EXAMPLE.TEST", scheme="krb5", environment=environment_of(kdc, "x")
    )
    with pytest.raises(ConnectionRefusedByServer):
        alice.login()
    assert "bob@EXAMPLE.TEST" in (said := server.ssh("why alice@example.test"))
    assert "not this user" in said


def test_automatic_choice_goes_on_to_a_password(clients: Clients, kdc: Kdc, server: RunningServer) -> None:
    """A client without a ticket signs in with the password that lyncpy keeps."""
    clients.make("carol", scheme="auto", environment=environment_of(kdc, "carol")).login()
