"""The real server on a real PostgreSQL server, which is killed while people talk."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from lyncpy.sip.message import Request, Response, response_to
from tests.kit import wishes
from tests.kit.caller import Caller, Line
from tests.kit.cellars import in_postgresql
from tests.kit.hostile import PATIENT, Answering, time_limit
from tests.kit.postgres import Postgres
from tests.kit.server import RunningServer

pytestmark = pytest.mark.interop

BOB, CAROL, DAVE = (f"{name}@example.test" for name in ("bob", "carol", "dave"))


@pytest.fixture
def postgres() -> Iterator[Postgres]:
    """A server of the test's own."""
    server = Postgres()
    server.start()
    yield server
    server.remove()


def signed_in(server: RunningServer, name: str) -> Caller:
    """Sign somebody in."""
    account = server.accounts[name]
    return Caller(Line(server.tcp_port), account.address, account.password).sign_in()


def listed(caller: Caller) -> set[str]:
    """Give the contacts that a user has."""
    answer = caller.ask(wishes.contacts(caller))
    assert answer.status == 200
    return set(re.findall(r'<contact [^>]*uri="([^"]+)"', answer.body.decode()))


def well(request: Request) -> Response:
    """Accept everything."""
    return response_to(request, 200, to_tag="b")


def test_people_go_on_talking_while_the_database_is_away(postgres: Postgres, tmp_path: Path) -> None:
    """Messages pass, a new contact is refused with 503 and Retry-After; then all goes on, also after `kill -9` of lyncpy."""
    with in_postgresql(tmp_path, postgres) as settings, time_limit(60):
        of_store = {f"store__{name}": value for name, value in settings.items()}
        server = RunningServer(tmp_path / "home", **PATIENT, **of_store).init()
        try:
            server.start()
            alice, bob = signed_in(server, "alice"), signed_in(server, "bob")
            assert alice.ask(wishes.set_contact(alice, BOB)).status == 200
            with Answering(bob, well):
                assert alice.ask(wishes.page(alice, BOB, "here"), 15.0).status == 200
                postgres.kill()
                assert alice.ask(wishes.page(alice, BOB, "still here"), 15.0).status == 200
            refused = alice.ask(wishes.set_contact(alice, CAROL))
            assert (refused.status, refused.headers.get("Retry-After")) == (503, "30")
            postgres.start()
            assert alice.ask(wishes.set_contact(alice, DAVE)).status == 200
            server.kill()
            server.start()
            assert listed(signed_in(server, "alice")) == {BOB, DAVE}
            assert not (server.home / "lyncpy.db").exists()
        finally:
            server.close()
