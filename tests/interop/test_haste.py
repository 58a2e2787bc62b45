"""A real client changes three hundred contacts at once."""

import os
import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import pytest

from tests.interop.conftest import Clients
from tests.kit.server import RunningServer, wait_until

pytestmark = pytest.mark.interop

MANY = 300


def refusals(messages: list[str]) -> list[str]:
    """Give the answers that are no success, but for the group chat that is not here, and challenges."""
    first = [message.partition("\n")[0].strip() for message in messages if message.startswith("SIP/2.0 ")]
    return [line for line in first if re.match(r"SIP/2.0 [4-6]", line) and not re.match(r"SIP/2.0 (401|404)", line)]


@contextmanager
def stopped(server: RunningServer) -> Iterator[None]:
    """Let the server stand still inside the block."""
    os.kill(server.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(server.pid, signal.SIGCONT)


@pytest.mark.parametrize("still", [True, False], ids=["no answer meanwhile", "answers meanwhile"])
def test_the_first_contacts_are_three_hundred_at_once(clients: Clients, server: RunningServer, still: bool) -> None:
    """A client whose dialogs are not there yet mixes them up; it is answered all the same, and sees everybody."""
    bob, alice = clients("bob", "carol" if still else "dave")
    people = [f"colleague{number}@example.test" for number in range(MANY)]
    with stopped(server) if still else nullcontext():
        for who in [*people[:150], "bob@example.test", *people[150:]]:
            alice.add_buddy(who, "Other Contacts")
    alice.settle(60.0)
    assert refusals(alice.sip("received")) == []
    alice.wait_presence("bob@example.test", status="available")
    bob.set_status("busy")
    alice.wait_presence("bob@example.test", status="busy")
    assert "Traceback" not in server.log()


def test_three_hundred_contacts_are_added_and_removed_at_once(clients: Clients, server: RunningServer) -> None:
    """None of what the client sends is refused, and each sign-in shows the list as it was left."""
    (alice,) = clients("alice")
    alice.add_buddy("bob@example.test", "Friends")
    alice.settle()
    people = [f"colleague{number}@example.test" for number in range(MANY)]
    with stopped(server):  # no answer comes before all is sent
        for who in people:
            alice.add_buddy(who, "Friends")
    alice.settle(60.0)
    assert refusals(alice.sip("received")) == []
    alice.logout()
    alice.login()
    assert {who for who, group in alice.contacts() if group == "Friends"} == {"bob@example.test", *people}
    alice.settle(60.0)
    with stopped(server):
        alice.remove_group("Friends")
    alice.settle(60.0)
    assert refusals(alice.sip("received")) == []
    alice.logout()
    alice.login()
    wait_until(lambda: not alice.contacts(), "nobody is left")
    assert "Traceback" not in server.log()
