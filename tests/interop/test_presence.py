"""What people see of each other."""

import re

import pytest

from tests.interop.conftest import Clients
from tests.kit.purple_client import PurpleClient

pytestmark = pytest.mark.interop

STATES = {
    "busy": "busy",
    "dnd": "do-not-disturb",
    "brb": "be-right-back",
    "away": "away",
    "invisible": "offline",
    "available": "available",
}
"""What a user chooses, and what others see of it."""


def watching(clients: Clients, watcher: str, *others: str) -> list[PurpleClient]:
    """Sign in, and have the first watch the second."""
    made = clients(watcher, *others)
    address = made[1].address
    if not [one for one in made[0].blist() if one["who"] == made[1].uri]:
        made[0].add_buddy(address)
    made[0].wait_presence(address, status="available")
    return made


@pytest.mark.libraries
def test_every_state_is_seen(clients: Clients) -> None:
    """Each state that Bob chooses, Alice sees; invisible looks like offline."""
    alice, bob = watching(clients, "alice", "bob")

    for chosen, seen in STATES.items():
        bob.set_status(chosen)
        alice.wait_presence(bob.address, status=seen)


def test_a_note_is_seen_changed_and_cleared(clients: Clients) -> None:
    """Bob's note is seen with any characters in it, keeps his state, and goes when he clears it."""
    alice, bob = watching(clients, "alice", "bob")

    bob.set_status("busy", "Küche ☕ <b>&amp;")
    alice.wait_presence(bob.address, status="busy", message=re.compile(re.escape("Küche ☕ <b>&amp;")))

    bob.set_note("im Garten")
    alice.wait_presence(bob.address, status="busy", message=re.compile("im Garten"))

    bob.set_status("available")
    alice.wait_presence(bob.address, status="available", message="")


def test_a_user_sees_his_own_state_chosen_elsewhere(clients: Clients) -> None:
    """Busy chosen at one machine is shown at the other."""
    here, there = clients("carol", "carol@laptop")

    here.set_status("busy")

    there.wait_for("own_status", status="busy")


def test_two_clients_make_one_state(clients: Clients) -> None:
    """Others see one state of all of Bob's clients, and him online until the last one signs off."""
    alice, here, there = watching(clients, "alice", "bob", "bob@laptop")

    there.set_status("dnd")
    alice.wait_presence(here.address, status="do-not-disturb")

    there.set_status("available")
    alice.wait_presence(here.address, status="available")

    there.logout()
    alice.clear()
    alice.expect_none("presence", seconds=1.0, who=here.uri, online=False)
    assert alice.wait_presence(here.address, status="available")["online"]

    here.logout()
    alice.wait_presence(here.address, online=False)


def test_a_killed_client_is_offline_at_once(clients: Clients) -> None:
    """Nobody waits for a client that died: its connection is gone, and so is its user."""
    erin, frank = watching(clients, "erin", "frank")

    frank.kill()

    erin.wait_presence(frank.address, timeout_s=3.0, online=False)


def test_one_of_two_killed_leaves_the_user_online(clients: Clients) -> None:
    """Bob, busy at a machine that dies, is what his other machine says."""
    alice, here, there = watching(clients, "alice", "bob", "bob@laptop")
    assert here.process.pid != there.process.pid

    there.kill()

    alice.clear()
    alice.expect_none("presence", seconds=1.0, who=here.uri, online=False)
    assert alice.wait_presence(here.address, status="available")["online"]


def test_a_blocked_person_sees_nobody(clients: Clients) -> None:
    """Dave, whom Carol blocks, sees her offline; unblocked, he sees her again."""
    dave, carol = watching(clients, "dave", "carol")
    carol.add_buddy(dave.address)
    carol.wait_presence(dave.address, status="available")

    carol.block(dave.address)
    dave.wait_presence(carol.address, status="offline")
    carol.until(
        lambda: '<container id="32000" version="1">' in carol.log(), "the new version of her list of the blocked"
    )

    carol.unblock(dave.address)
    dave.wait_presence(carol.address, status="available")
