"""The server ends, in order or not, and starts again: nothing that was acknowledged is lost."""

import os
import re
import shutil
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.interop.conftest import Clients
from tests.interop.test_doors import ctl
from tests.kit.forks import TOP
from tests.kit.ports import free_ports
from tests.kit.server import RunningServer, wait_until

pytestmark = pytest.mark.interop

BOB = "bob@example.test"

NODE = re.compile(r"^n[0-9a-f]{8} ", re.MULTILINE)
DATA = re.compile(r"its data are in (/var/lib/postgresql/lyncpy-[0-9a-f]{12})")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RunningServer]:
    """Give a server of the test's own."""
    with RunningServer(tmp_path / "home").init().serving() as running:
        yield running


@pytest.mark.libraries
def test_killed_and_restarted_it_has_everything_and_clients_come_back(clients: Clients, server: RunningServer) -> None:
    """After `kill -9` the clients come back by themselves, and see each other as before."""
    alice, bob = clients.make("alice").login(returns=True), clients.make("bob").login(returns=True)
    alice.add_buddy(BOB, "Küche", "Robert")
    alice.wait_presence(BOB, status="available")
    bob.set_status("busy", "bin im Garten")
    alice.wait_presence(BOB, status="busy", message=lambda text: "bin im Garten" in (text or ""))
    alice.settle()
    bob.settle()
    alice.clear()

    server.kill()
    alice.wait_for("connection_error", reason="network_error")
    server.start()

    alice.signed_on_again()
    bob.signed_on_again()
    alice.wait_presence(BOB, group="Küche", status="busy", message=lambda text: "bin im Garten" in (text or ""))
    alice.send_im(BOB, "back again")
    bob.wait_for("im", who=alice.uri, text="back again")


def test_killed_it_keeps_notes_and_contacts_for_clients_that_know_nothing(
    clients: Clients, server: RunningServer
) -> None:
    """Contacts, aliases and notes come from the server: fresh clients see them after a `kill -9`."""
    alice, bob = clients("alice", "bob")
    alice.add_buddy(BOB, "Küche", "Robert")
    bob.set_status("available", "seit gestern hier")
    alice.wait_presence(BOB, message=lambda text: "seit gestern hier" in (text or ""))
    alice.alias_buddy(BOB, "Roberto")
    alice.settle()
    bob.settle()

    server.kill()
    alice.kill()
    bob.kill()
    server.start()

    alice, bob = clients("alice", "bob")
    alice.wait_presence(BOB, group="Küche", alias="Roberto", message=lambda text: "seit gestern hier" in (text or ""))


def test_killed_it_closes_the_records_of_open_sessions(clients: Clients, server: RunningServer) -> None:
    """A session that a crash cut off has an end in its record, which says so."""
    alice, bob = clients("alice", "bob")
    alice.send_im(BOB, "before")
    bob.wait_for("im", text="before")
    alice.settle()
    wait_until(lambda: server.sql("select * from sessions where user1_messages = 1"), "a count in the record")

    server.kill()
    server.start()

    (record,) = server.sql("select * from sessions where user2 = ?", bob.uri)
    assert record["ended_at"] is not None
    assert (record["ended_by"], record["end_reason"]) == ("server", "restart")


def test_sigterm_ends_it_in_order_while_people_talk(clients: Clients, server: RunningServer) -> None:
    """SIGTERM ends it with status 0 and without an error in its log, whoever is signed in: as an operator starts it."""
    server.stop()
    server.start(server.twistd)
    alice, bob = clients("alice", "bob")
    alice.send_im(BOB, "until later")
    bob.wait_for("im", text="until later")
    alice.settle()

    server.stop()

    assert not [
        line for line in server.log().splitlines() if "#error" in line or "#critical" in line or "Traceback" in line
    ]
    (record,) = server.sql("select * from sessions where user2 = ?", bob.uri)
    assert (record["user1_messages"], record["ended_by"], record["end_reason"]) == (1, "server", "restart")
    alice.wait_for("connection_error", reason="network_error")


def test_the_first_command_makes_everything_and_the_second_run_keeps_it(tmp_path: Path) -> None:
    """`scripts/run --home DIR` makes a home, serves, ends in order; run again, it serves the same people."""
    running = RunningServer(tmp_path / "home")
    environment = {**os.environ, "LYNCPY_VENV": sys.prefix}
    command = [str(TOP / "scripts" / "run"), "--home", str(running.home), *running.words]
    people = Clients(running, tmp_path / "clients")
    try:
        running.start(command, environment)
        accounts = running.accounts
        assert set(accounts) == {"alice", "bob", "carol", "dave", "erin", "frank"}
        assert (running.home / "demo-accounts.toml").stat().st_mode & 0o777 == 0o600
        assert str(running.tls_port) in running.log()
        # Passwords are for a person at a terminal; a log gets the name of the file.
        assert accounts["alice"].password not in running.log()
        assert "demo-accounts.toml" in running.log()
        (alice,) = people("alice")
        alice.add_buddy(BOB)
        alice.settle()
        people.close()
        running.stop()

        running.start(command, environment)
        assert running.accounts == accounts
        (alice,) = people("alice")
        alice.until(lambda: alice.contacts() == {(BOB, "Friends")}, "the contact of the first run")
        people.close()
        running.stop()
    finally:
        people.close()
        running.close()


def test_one_command_shows_several_servers(tmp_path: Path) -> None:
    """`scripts/run --enterprise` starts PostgreSQL, NATS and two processes that know each other; all of them end together."""
    running = RunningServer(tmp_path / "enterprise")
    database, bus = free_ports(2)
    ports = {"LYNCPY_POSTGRESQL_PORT": str(database), "LYNCPY_NATS_PORT": str(bus)}
    command = [str(TOP / "scripts" / "run"), "--enterprise", "--home", str(running.home), *running.words]
    try:
        running.start(command, {**os.environ, "LYNCPY_VENV": sys.prefix, **ports}, patience_s=120.0)
        wait_until(
            lambda: len(NODE.findall(ctl(running, "nodes").stdout)) == 2, "each of the two has heard of the other"
        )
        assert [is_open(port) for port in (database, bus)] == [True, True]
        running.stop()
        assert [is_open(port) for port in (database, bus)] == [False, False]
    finally:
        running.close()
        for data in DATA.findall(running.log()):
            shutil.rmtree(data, ignore_errors=True)


def is_open(port: int) -> bool:
    """Tell whether a program listens at a port of this machine."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
