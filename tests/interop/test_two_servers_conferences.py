"""A conference of real clients at two real servers: it goes over both, and goes on at the other one when its home is killed."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.interop.conftest import PLUGIN, Clients
from tests.interop.test_conferences import all_speak, begin, together
from tests.interop.test_two_servers import Pool, nodes_of
from tests.kit.purple_client import PurpleClient
from tests.kit.server import wait_until

pytestmark = [pytest.mark.interop, pytest.mark.libraries]


@pytest.fixture
def pool(tmp_path: Path) -> Iterator[Pool]:
    """One without servers yet."""
    with Pool.opened(tmp_path, 240) as pool:
        yield pool


@pytest.fixture
def people(pool: Pool, tmp_path: Path) -> Iterator[tuple[PurpleClient, ...]]:
    """Alice at the first server, Bob and Carol at the second."""
    if not PLUGIN.exists():
        pytest.skip("pidgin-sipe is not installed")
    one, two = pool.server().start(), pool.server().start()
    here, there = Clients(one, tmp_path / "here"), Clients(two, tmp_path / "there")
    wait_until(lambda: len(nodes_of(one)) == 2, "each knows the other")
    try:
        yield (*here("alice"), *there("bob", "carol"))
    finally:
        here.close()
        there.close()


def test_a_conference_outlives_its_home(pool: Pool, people: tuple[PurpleClient, ...]) -> None:
    """Alice makes it at the first server; Bob and Carol at the second one chat on when that is killed, and Alice comes back there."""
    alice, bob, carol = people
    begin(alice, bob, carol)
    together(alice, bob, carol)
    all_speak(alice, bob, carol)
    one, two = pool.servers
    home = (
        "select node from homes where key like 'conference %' and node in (select name from nodes where ended is null)"
    )
    ((first,),) = pool.rows(home)
    joined = [len(client.sip("sent", "INVITE")) for client in (bob, carol)]

    one.kill()

    wait_until(lambda: pool.rows(home) not in ([], [[first]]), "the other goes on with it")
    together(bob, carol)
    all_speak(bob, carol, word="still here")
    # In the dialogs of before: they have noticed nothing but that Alice is gone.
    assert [len(client.sip("sent", "INVITE")) for client in (bob, carol)] == joined
    again = Clients(two, two.home.parent / "again")
    try:
        (back,) = again("alice")
        bob.invite(back.address)
        together(back, bob, carol)
        all_speak(back, bob, carol, word="together")
    finally:
        again.close()
    assert "failed" not in two.log()
