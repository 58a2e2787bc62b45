"""People sign in with pidgin-sipe; when they cannot, it tells them why in words."""

import time
from pathlib import Path

import pytest

from tests.interop.conftest import Clients
from tests.kit.certificates import authority
from tests.kit.purple_client import ConnectionRefusedByServer, PurpleClient
from tests.kit.server import RunningServer, wait_until

pytestmark = pytest.mark.interop


@pytest.mark.libraries
def test_signs_in_over_tls_with_the_certificate_checked(clients: Clients, server: RunningServer) -> None:
    """A client that trusts the server's authority signs in without a question."""
    (alice,) = clients("alice")

    assert not [event for event in alice.events if event["event"] == "request"]
    assert "sip:alice@example.test signed in" in server.log()


def test_refuses_a_server_whose_authority_is_not_trusted(clients: Clients, tmp_path: Path) -> None:
    """A client that trusts another authority does not connect."""
    other = tmp_path / "other.pem"
    other.write_bytes(authority("Somebody Else").pem)
    alice = clients.make("alice", ca=other)

    with pytest.raises(ConnectionRefusedByServer) as refused:
        alice.login()

    assert refused.value.reason == "network_error"
    assert "certificate" in alice.wait_for("request", kind="certificate")["primary"].lower()
    assert not alice.sip("sent")


def test_checks_the_name_in_the_certificate(clients: Clients, server: RunningServer) -> None:
    """The certificate is good for the names that clients of the domain look up, and for no other."""
    names = {"sip.example.test": "127.0.0.1", "mail.example.test": "127.0.0.1"}
    right = clients.make("alice", server=f"sip.example.test:{server.tls_port}", names=names)
    wrong = clients.make("bob", server=f"mail.example.test:{server.tls_port}", names=names)

    right.login()
    with pytest.raises(ConnectionRefusedByServer):
        wrong.login()


def test_signs_in_over_tcp_on_this_machine(clients: Clients, server: RunningServer) -> None:
    """TCP is open on loopback, and speaks the same."""
    alice = clients.make("alice", server=server.tcp_address, transport="tcp", ca=None)

    alice.login()

    assert alice.sip("received", "SIP/2.0 200 OK")


@pytest.mark.parametrize("login", ["alice", "alice@example.test", r"EXAMPLE\alice"])
def test_takes_the_login_names_that_people_type(clients: Clients, login: str) -> None:
    """The login name may be given in the ways that Windows knows."""
    clients.make("alice", login=login).login()


def test_refuses_a_wrong_password_in_words(clients: Clients, server: RunningServer) -> None:
    """The client says that authentication failed; the operator reads why; the right password works at once after."""
    alice = clients.make("alice", password="not it")

    with pytest.raises(ConnectionRefusedByServer) as refused:
        alice.login()

    assert refused.value.reason == "authentication_failed"
    assert "Authentication failed" in refused.value.text
    assert "wrong password" in server.log()
    alice.wait_for("signed_off")
    alice.login(password=server.accounts["alice"].password)


def test_refuses_an_unknown_user_in_words(clients: Clients, server: RunningServer, tmp_path: Path) -> None:
    """The client says that there is no such address."""
    nobody = PurpleClient(
        "nobody@example.test", "secret", server=server.address, ca=server.ca, folder=tmp_path / "nobody"
    )
    clients.all.append(nobody)

    with pytest.raises(ConnectionRefusedByServer) as refused:
        nobody.login()

    assert refused.value.reason == "invalid_username"
    assert "does not exist" in refused.value.text


def test_takes_a_new_password_while_it_runs(clients: Clients, server: RunningServer) -> None:
    """`lyncpy user passwd` counts from then on, for sign-ins and without a restart."""
    server.set_password("frank@example.test", "brand new")
    frank = clients.make("frank")

    with pytest.raises(ConnectionRefusedByServer):
        frank.login()
    frank.wait_for("signed_off")

    frank.login(password="brand new")


def test_disabled_users_are_signed_out_and_kept_out(clients: Clients, server: RunningServer) -> None:
    """Disabled in the directory, a user is out after the next pull, and is told why then and later."""
    (erin,) = clients("erin")
    people = server.home / "people.toml"
    before = people.read_text("utf-8")

    people.write_text(before.replace("[erin]\n", "[erin]\nenabled = false\n"), "utf-8")
    server.ssh("directory pull")

    out = erin.wait_for("connection_error")
    assert (out["reason"], "disabled" in out["text"].lower()) == ("invalid_username", True), out
    erin.wait_for("signed_off")
    with pytest.raises(ConnectionRefusedByServer) as refused:
        erin.login()
    assert "disabled" in refused.value.text.lower()

    people.write_text(before, "utf-8")
    server.ssh("directory pull")
    erin.wait_for("signed_off")
    erin.login()


def test_two_clients_on_one_machine_do_not_throw_each_other_out_for_ever(
    clients: Clients, server: RunningServer
) -> None:
    """They derive the same name for their device: the later stays, the earlier is told why and does not come back."""
    first, second = clients.make("dave"), clients.make("dave")
    signed_in = "sip:dave@example.test signed in from"
    before = server.log().count(signed_in)
    first.login(returns=True)
    second.login(returns=True)

    out = first.wait_for("connection_error")
    assert (out["reason"], "another connection" in out["text"]) == ("invalid_username", True), out
    first.wait_for("signed_off")

    # Longer than a client waits before it connects again, and than a connection is left to one that was told.
    time.sleep(8)
    assert not [event for event in second.events if event["event"] in ("connection_error", "signed_off")]
    assert server.log().count(signed_in) == before + 2


def test_ten_clients_sign_in_at_once(clients: Clients, server: RunningServer) -> None:
    """Ten clients that start together, some of the same person, are all let in within seconds."""
    made = clients(
        "alice",
        "bob",
        "carol",
        "dave",
        "erin",
        "alice@laptop",
        "bob@laptop",
        "carol@laptop",
        "dave@laptop",
        "erin@laptop",
    )

    assert len({client.uri for client in made}) == 5
    wait_until(lambda: "sip:erin@example.test signed in" in server.log(), "all are signed in")
    assert not [event for client in made for event in client.events if event["event"] in ("fault", "connection_error")]
