"""What an administrator asks with OpenSSH's client while real clients are signed in."""

import json
import re

import pytest

from tests.interop.conftest import Clients
from tests.kit.server import RunningServer, ServerFailed

pytestmark = pytest.mark.interop


@pytest.mark.libraries
def test_he_sees_who_is_there(clients: Clients, server: RunningServer) -> None:
    """Users, endpoints, presence, contacts and sessions show what the clients did."""
    alice, bob = clients("alice", "bob")
    alice.add_buddy(bob.address, "Küche")
    bob.set_status("busy", "im Garten")
    alice.wait_presence(bob.address, status="busy")
    alice.send_im(bob.address, "hello")
    bob.wait_for("im", text="hello")

    assert all(name in server.ssh("users") for name in ("alice@example.test", "frank@example.test"))
    assert re.search(r"alice@example.test.*Sipe/1.25", server.ssh("endpoints"))
    shown = server.ssh("presence show bob@example.test")
    assert "bob@example.test is busy" in shown and "userState 6500 manual" in shown and "note" in shown
    assert "im Garten" not in shown, "what people write is not for administrators"
    assert "Küche" in server.ssh("contacts show alice@example.test")
    assert "bob@example.test" in server.ssh("sessions")


def test_he_reads_out_why_somebody_looks_so(clients: Clients, server: RunningServer) -> None:
    """Why bob is busy for alice, in the words of the question; then bob blocks her, and that is the whole story."""
    alice, bob = clients("alice", "bob")
    alice.add_buddy(bob.address)
    bob.set_status("busy", "im Garten")
    alice.wait_presence(bob.address, status="busy")

    story = server.ssh(f"why {bob.address} as seen by {alice.address}")

    assert "alice is in container 200 (colleagues): same enterprise in 200" in story
    assert "alice sees bob as busy (6500), from container 200 (colleagues)" in story
    assert re.search(r"bob chose busy \(6500\) at .* on device ", story)
    assert re.search(rf"{alice.address} is told of changes on ", story)
    assert "im Garten" not in story
    assert server.ssh(f"why {bob.address} --seen-by {alice.address}") == story
    for word in ("show", "watchers", "watching", "containers", "subscribers"):
        assert server.ssh(f"presence {word} {bob.address}"), word
    assert "known" in server.ssh(f"presence subscribers {bob.address}")

    bob.block(alice.address)
    alice.wait_presence(bob.address, status="offline")

    assert "bob blocks alice: listed as user in 32000" in server.ssh(f"why {bob.address} as seen by {alice.address}")


def test_he_gets_json_for_programs(clients: Clients, server: RunningServer) -> None:
    """Every table is JSON with --json."""
    clients("carol")

    rows = json.loads(server.ssh("endpoints --json"))

    assert "carol@example.test" in json.dumps(rows)


def test_he_signs_somebody_out(clients: Clients, server: RunningServer) -> None:
    """`signout` ends the user's sign-in, and his client says why."""
    (dave,) = clients("dave")

    server.ssh("signout dave@example.test")

    assert dave.wait_for("connection_error")["text"]
    dave.wait_for("signed_off")
    dave.login()


def test_he_says_something_to_all_and_ends_a_conversation(clients: Clients, server: RunningServer) -> None:
    """Real clients show it as any message, and find another session after one that was ended."""
    carol, dave = clients("carol", "dave")

    told = json.loads(server.ssh("announce all 'The server restarts at noon – save your work' --json"))

    for client in (carol, dave):
        client.wait_for("im", who="sip:announcement@example.test", text="The server restarts at noon – save your work")
    assert (told["counts"]["got"], told["counts"]["failed"]) == (2, 0)

    carol.send_im(dave.address, "one")
    dave.wait_for("im", who=carol.uri, text="one")
    assert server.ssh(f"session end {carol.address}").count("BYE") == 2
    carol.settle()
    carol.send_im(dave.address, "two")
    dave.wait_for("im", who=carol.uri, text="two")


def test_he_asks_why(clients: Clients, server: RunningServer) -> None:
    """`why` says that somebody has tried a wrong password."""
    erin = clients.make("erin", password="wrong")
    erin.login(wait=False)
    erin.wait_for("connection_error", reason="authentication_failed")

    assert "password" in server.ssh("why erin@example.test").lower()


def test_a_wrong_word_is_refused_with_a_status(server: RunningServer) -> None:
    """A command that does not exist ends with another status than 0 and says so."""
    with pytest.raises(ServerFailed, match="nonsense"):
        server.ssh("nonsense")
