"""IM between real clients at two real servers, on one PostgreSQL database and one nats-server."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.interop.conftest import PLUGIN, Clients
from tests.interop.test_two_servers import Pool, nodes_of
from tests.kit.purple_client import PurpleClient
from tests.kit.server import wait_until

pytestmark = [pytest.mark.interop, pytest.mark.libraries]


@pytest.fixture
def pool(tmp_path: Path) -> Iterator[Pool]:
    """One without servers yet."""
    with Pool.opened(tmp_path, 180) as pool:
        yield pool


@pytest.fixture
def people(pool: Pool, tmp_path: Path) -> Iterator[tuple[PurpleClient, PurpleClient]]:
    """Alice at the first server, Bob at the second."""
    if not PLUGIN.exists():
        pytest.skip("pidgin-sipe is not installed")
    one, two = pool.server().start(), pool.server().start()
    here, there = Clients(one, tmp_path / "here"), Clients(two, tmp_path / "there")
    wait_until(lambda: len(nodes_of(one)) == 2, "each knows the other")
    try:
        (alice,), (bob,) = here("alice"), there("bob")
        yield alice, bob
    finally:
        here.close()
        there.close()


def test_people_at_two_servers_talk(pool: Pool, people: tuple[PurpleClient, PurpleClient]) -> None:
    """Messages go both ways in one session, which is begun by either; its record has what both have said."""
    alice, bob = people
    for number in range(5):
        alice.send_im(bob.address, f"question {number}")
        bob.wait_for("im", who=alice.uri, text=f"question {number}")
        bob.send_im(alice.address, f"answer {number}")
        alice.wait_for("im", who=bob.uri, text=f"answer {number}")
    assert (len(bob.sip("received", "INVITE")), len(alice.sip("received", "INVITE"))) == (1, 0)
    alice.close_im(bob.address)
    query = "select user1, user2, user1_messages, user2_messages, ended_by from sessions where ended_at is not null"
    wait_until(lambda: pool.rows(query), "the end in the record")
    assert pool.rows(query) == [[alice.uri, bob.uri, "5", "5", "user1"]]
    bob.send_im(alice.address, "one more thing")
    alice.wait_for("im", who=bob.uri, text="one more thing")


def test_somebody_is_found_where_they_come_back(pool: Pool, people: tuple[PurpleClient, PurpleClient]) -> None:
    """Bob's server is killed: he is offline for Alice, and there again when he has come to hers."""
    alice, bob = people
    alice.send_im(bob.address, "hello")
    bob.wait_for("im", who=alice.uri, text="hello")
    one, two = pool.servers
    two.kill()
    wait_until(lambda: "0 signed in" in one.ssh_whatever(f"endpoints {bob.address}"), "Bob is gone")
    again = Clients(one, one.home.parent / "again")
    try:
        (back,) = again("bob")
        back.send_im(alice.address, "I am back")
        alice.wait_for("im", who=back.uri, text="I am back")
    finally:
        again.close()
