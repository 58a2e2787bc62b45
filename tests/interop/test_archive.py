"""Real clients talk, the server is killed, an operator searches, and an intruder's SQL is found."""

import json
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing
from email import message_from_bytes
from email.policy import default
from pathlib import Path
from typing import Any

import pytest

from tests.interop.conftest import Clients
from tests.kit import forks
from tests.kit.server import RunningServer

pytestmark = pytest.mark.interop


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """Give a server that archives everybody, in critical mode."""
    home = tmp_path_factory.mktemp("server") / "home"
    with RunningServer(home, policies__archive_internal="true", archive__critical="true").init().serving() as running:
        yield running


def verified(server: RunningServer, *more: str) -> "subprocess.CompletedProcess[str]":
    """Verify as an administrator does, while the server runs."""
    return forks.run(["archive", "verify", "--config", str(server.home / "lyncpy.toml"), *more], timeout=60)


@pytest.mark.libraries
def test_a_talk_is_archived_searched_exported_and_verified(server: RunningServer, clients: Clients) -> None:
    """What clients were told is delivered is found after `kill -9`, by name; what is altered then is named."""
    alice, bob = clients("alice", "bob")
    for text in ("knock knock", "Grüße ☕"):
        alice.send_im(bob.address, text)
        bob.wait_for("im", who=alice.uri, text=text)
    bob.send_im(alice.address, "who is there?")
    alice.wait_for("im", who=bob.uri, text="who is there?")
    alice.settle()
    server.kill()
    server.start()

    rows: list[dict[str, Any]] = json.loads(server.ssh(f"archive search {bob.address} --json"))["rows"]
    assert {row["text"] for row in rows} >= {"knock knock", "Grüße ☕", "who is there?"}
    audited = server.sql("select command, outcome from audit where command like 'archive search%' order by serial")
    assert [row["outcome"] for row in audited] == ["begun", "ok"]
    (exported,) = json.loads(server.ssh(f"archive export {alice.address} --to case-1 --json"))["rows"]
    (file, *_) = sorted(Path(exported["folder"]).iterdir())
    mail: Any = message_from_bytes(file.read_bytes(), policy=default)
    assert "Grüße ☕" in mail.get_body(("plain",)).get_content()

    done = verified(server)
    assert (done.returncode, done.stdout[:4]) == (0, "ok  "), done
    last = json.loads(server.ssh("archive status --json"))["facts"]["last_entry"]
    assert verified(server, "--from", last).returncode == 0

    with closing(sqlite3.connect(server.home / "lyncpy.db", timeout=10)) as base, base:
        base.execute("update archive set body = 'forged' where serial = 2")
    done = verified(server)
    assert done.returncode == 1
    assert "entry 2 was changed" in done.stdout
