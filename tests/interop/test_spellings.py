"""People whose addresses Pidgin writes with escapes: found, seen, written to, met."""

from collections.abc import Iterator

import pytest

from tests.interop.conftest import Clients
from tests.kit.server import RunningServer

pytestmark = pytest.mark.interop

PLUS, AMPERSAND = "anne+test", "r&d"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """Give a server that knows such people."""
    running = RunningServer(tmp_path_factory.mktemp("server") / "home").init()
    try:
        running.hire(PLUS, AMPERSAND)
        yield running.start()
        running.stop()
    finally:
        running.close()


def test_somebody_with_an_odd_address_is_a_contact_like_others(clients: Clients) -> None:
    """Seen, written to in both directions, and there once at the next sign-in."""
    alice, anne = clients("alice", PLUS)
    alice.add_buddy(anne.address)
    alice.wait_presence(anne.address, status="available")
    anne.set_status("busy")
    alice.wait_presence(anne.address, status="busy")
    alice.send_im(anne.address, "hello")
    anne.wait_for("im", who=alice.uri, text="hello")
    anne.send_im(alice.address, "and back")
    alice.wait_for("im", who=anne.uri, text="and back")
    alice.logout()
    (again,) = clients("alice")
    again.wait_presence(anne.address, status="busy")
    assert [one["who"] for one in again.blist()] == [anne.uri]


def test_an_ampersand_takes_nobody_elses_presence_away(clients: Clients) -> None:
    """Pidgin copies addresses into XML as they stand in its list; it cannot publish as such a person itself."""
    carol, bob = clients("carol", "bob")
    carol.add_buddy(f"{AMPERSAND}@{bob.address.partition('@')[2]}")
    carol.settle()  # the client loses what is added into a group that is not made yet
    carol.add_buddy(bob.address)
    carol.wait_presence(bob.address, status="available")
    bob.set_status("busy")
    carol.wait_presence(bob.address, status="busy")
    carol.logout()
    (again,) = clients("carol")
    again.wait_presence(bob.address, status="busy")
    again.expect_none("notice", seconds=1)
