"""The real server on a real PostgreSQL server, which is killed while people talk."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from lyncpy.backends.sql.upgrades import BEFORE
from lyncpy.sip.message import Request, Response, response_to
from tests.kit import forks, wishes
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


@pytest.mark.libraries
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
                # Whom Bob has blocked is read when he comes: until it is known, he is offline for all.
                assert alice.ask(wishes.page(alice, BOB, "are you there")).status == 200
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


def store_copy(home: Path) -> "subprocess.CompletedProcess[str]":
    """Run `lyncpy store copy` from the settings of a home to those beside them."""
    return forks.run(["store", "copy", str(home / "lyncpy.toml"), str(home / "enterprise.toml")], timeout=60)


def taken_beside_it(server: RunningServer) -> None:
    """Give Carol what Alice has, by `lyncpy export` and `import`, while the server runs: she has it when she signs in."""
    settings, moved = str(server.home / "enterprise.toml"), server.home / "moved.json"
    done = forks.run(["export", "-", "alice@example.test", "--config", settings], timeout=60)
    assert done.returncode == 0, done.stderr
    moved.write_text(done.stdout.replace("alice@example.test", CAROL))
    done = forks.run(["import", str(moved), "--config", settings], timeout=60)
    assert (done.returncode, "of 1 people are taken: 1 contacts" in done.stdout) == (0, True), done.stdout + done.stderr
    assert listed(signed_in(server, "carol")) == {BOB}


def brought_down(server: RunningServer, postgres: Postgres, database: str) -> None:
    """Have the release before find what is there, and this one again: nothing is lost either way."""
    settings, version = str(server.home / "enterprise.toml"), "select version_num from alembic_version"
    newest = postgres.sql(version, database)
    refused = forks.run(["downgrade", settings], timeout=60)
    assert (refused.returncode, "another server works with it" in refused.stderr) == (1, True), refused.stderr
    server.stop()
    done = forks.run(["downgrade", settings], timeout=60)
    assert (done.returncode, f"schema {BEFORE[1]}" in done.stdout) == (0, True), done.stderr
    assert postgres.sql(version, database) == BEFORE[1]
    again = forks.run(["downgrade", settings], timeout=60)
    assert (again.returncode, f"its schema is {BEFORE[1]} already" in again.stderr) == (1, True), again.stderr
    server.start([*server.twistd[:-1], settings])
    assert postgres.sql(version, database) == newest
    assert listed(signed_in(server, "alice")) == {BOB}


def test_a_server_moves_into_the_database(postgres: Postgres, tmp_path: Path) -> None:
    """Refused while the server runs; then contacts and passwords are where they were, and nothing is in the file any more that counts.

    There people's data are taken beside it, and the release before this one can have it.
    """
    with in_postgresql(tmp_path, postgres) as settings, time_limit(180):
        server = RunningServer(tmp_path / "home", **PATIENT).init()
        try:
            server.start()
            alice = signed_in(server, "alice")
            assert alice.ask(wishes.set_contact(alice, BOB)).status == 200
            text = (server.home / "lyncpy.toml").read_text()
            assert "[store]" not in text
            given = "".join(f'{name} = "{value}"\n' for name, value in settings.items())
            (server.home / "enterprise.toml").write_text(f"{text}\n[store]\n{given}")
            refused = store_copy(server.home)
            assert refused.returncode == 1
            assert f"process {server.pid} " in refused.stderr
            server.stop()
            done = store_copy(server.home)
            assert (done.returncode, done.stderr) == (0, "")
            assert re.match(r"ok  \d+ rows are in postgresql://lyncpy@127", done.stdout)
            file = server.home / "lyncpy.db"
            away = file.rename(server.home / "away.db")
            server.start([*server.twistd[:-1], str(server.home / "enterprise.toml")])
            assert listed(signed_in(server, "alice")) == {BOB}
            assert not file.exists()
            away.rename(file)
            again = store_copy(server.home)
            assert again.returncode == 1
            assert re.search(r'the database "postgresql://.*another server works with it', again.stderr)
            taken_beside_it(server)
            brought_down(server, postgres, settings["url"].rpartition("/")[2])
        finally:
            server.close()
