"""Presence over two real servers on one PostgreSQL database and one nats-server: seen at both, and by nobody once it is over."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lyncpy.sip.message import Request, Response
from tests.interop.test_postgresql_server import signed_in
from tests.interop.test_two_servers import Pool
from tests.kit import wishes
from tests.kit.caller import Caller, Silence
from tests.kit.postgres import Postgres
from tests.kit.server import wait_until

pytestmark = [pytest.mark.interop, pytest.mark.libraries]

ALICE = "alice@example.test"
AVAILABLE, AWAY, OFFLINE = 3500, 15500, 18500


@pytest.fixture
def database() -> Iterator[Postgres]:
    """A PostgreSQL server that the test may end."""
    server = Postgres()
    server.start()
    yield server
    server.remove()


@pytest.fixture
def pool(tmp_path: Path, database: Postgres) -> Iterator[Pool]:
    """One without servers yet."""
    with Pool.opened(tmp_path, 120, database) as pool:
        yield pool


def is_at_machine(caller: Caller, availability: int, version: int = 0) -> None:
    """Publish what a device says of itself, for as long as it is signed in, in both containers."""
    state = (
        '<state xmlns="http://schemas.microsoft.com/2006/09/sip/state" manual="false" '
        'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="machineState">'
        f"<availability>{availability}</availability></state>"
    )
    for container in (2, 3):
        request = wishes.publish(
            caller, "state", state, version, container=container, instance=0x31234567, expire="endpoint"
        )
        assert caller.ask(request).status == 200


class Watcher:
    """Somebody who watches Alice, and what they were told last of her."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller
        self.availability = 0
        answer = caller.ask(wishes.watch(caller, ALICE))
        assert answer.status == 200
        self._take(answer)

    def sees(self, availability: int) -> Callable[[], bool]:
        """Give what listens for a moment, and asks whether they see this."""

        def looked() -> bool:
            try:
                while True:
                    self._take(self._caller.hear(0.2))
            except Silence:
                return self.availability == availability

        return looked

    def _take(self, message: Request | Response) -> None:
        found = re.findall(r"<availability>(\d+)</availability>", message.body.decode())
        if found:
            self.availability = int(found[-1])


def test_presence_is_seen_at_the_other_server_until_its_own_dies(pool: Pool) -> None:
    """Bob sees each change, and that she is gone soon after her server was killed; at the other she is there again."""
    one, two = pool.server().start(), pool.server().start()
    alice, bob = signed_in(one, "alice"), Watcher(signed_in(two, "bob"))
    is_at_machine(alice, AVAILABLE)
    wait_until(bob.sees(AVAILABLE), "Alice is available")
    is_at_machine(alice, AWAY, 1)
    wait_until(bob.sees(AWAY), "Alice is away")

    one.kill()

    wait_until(bob.sees(OFFLINE), "Alice is gone")
    is_at_machine(signed_in(two, "alice"), AVAILABLE)
    wait_until(bob.sees(AVAILABLE), "Alice is back")


def test_presence_outlives_a_database_that_dies(pool: Pool, database: Postgres) -> None:
    """It has lost what devices said; who comes then sees it all the same, and nobody who watches sees Alice go."""
    one, two = pool.server().start(), pool.server().start()
    alice, bob = signed_in(one, "alice"), Watcher(signed_in(two, "bob"))
    is_at_machine(alice, AVAILABLE)
    wait_until(bob.sees(AVAILABLE), "Alice is available")
    database.kill()
    database.start()
    wait_until(lambda: signed_in(two, "carol") is not None, "the database is there again")

    def is_written() -> bool:
        return database.sql("select count(*) from volatile_records where kind = 'board'", pool.database) == "1"

    is_at_machine(alice, AWAY, 1)
    wait_until(is_written, "it is written again")
    wait_until(bob.sees(AWAY), "Bob sees it")
    third = pool.server().start()
    carol = Watcher(signed_in(third, "carol"))
    wait_until(carol.sees(AWAY), "Carol sees it, too")
