"""The disk is full: what was acknowledged is kept, what cannot be kept is refused in words, and then all goes on.

The kernel refuses every write that would make a file of the server larger, as it does when a
disk has no block left; what has its room already can be written. Nobody has to be root for it.
"""

import json
import re
import resource
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import pytest

from lyncpy.sip.message import Request, Response, response_to
from tests.kit import wishes
from tests.kit.caller import Caller, Line
from tests.kit.hostile import PATIENT, Answering, time_limit
from tests.kit.server import RunningServer, wait_until

pytestmark = pytest.mark.interop

BOB = "bob@example.test"
GAP_FILE_BYTES: Final = 8192
"""The room that the gap file has taken: no file grows beyond it, and this one need not."""


@contextmanager
def full_disk(server: RunningServer) -> Iterator[None]:
    """Have no file of the server grow within the block."""
    pid = server.pid
    before = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (GAP_FILE_BYTES, before[1]))
    yield
    with suppress(ProcessLookupError):  # it was killed
        resource.prlimit(pid, resource.RLIMIT_FSIZE, before)


@contextmanager
def serving(home: Path, **settings: object) -> Iterator[RunningServer]:
    """Run a server that archives everybody."""
    running = RunningServer(home, policies__archive_internal="true", **PATIENT, **settings).init()
    try:
        with time_limit(60):
            yield running.start()
    finally:
        running.close()


def signed_in(server: RunningServer, name: str) -> Caller:
    """Sign somebody in."""
    account = server.accounts[name]
    return Caller(Line(server.tcp_port), account.address, account.password).sign_in()


def well(request: Request) -> Response:
    """Refuse a call, and accept all else."""
    return response_to(request, 486 if request.method == "INVITE" else 200, to_tag="b")


def says(alice: Caller, word: str) -> Response:
    """Have Alice write to Bob."""
    return alice.ask(wishes.page(alice, BOB, word), 15.0)


def status(server: RunningServer) -> dict[str, Any]:
    """Give what the shell says of the archive."""
    facts: dict[str, Any] = json.loads(server.ssh("archive status --json"))["facts"]
    return facts


def archived(server: RunningServer) -> tuple[set[str], int]:
    """Give the texts in the archive, and how many messages it says it lacks."""
    rows = server.sql("select kind, body from archive order by serial")
    texts = {bytes(row["body"]).decode() for row in rows if row["kind"] == "message"}
    return texts, sum(int(bytes(row["body"]).split()[0]) for row in rows if row["kind"] == "lost")


def listed(caller: Caller) -> set[str]:
    """Give the contacts that a user has."""
    answer = caller.ask(wishes.contacts(caller))
    assert answer.status == 200
    return set(re.findall(r'<contact [^>]*uri="([^"]+)"', answer.body.decode()))


def test_a_message_that_passes_unarchived_is_counted_before_it_passes(tmp_path: Path) -> None:
    """Not critical: all pass; after `kill -9` on the full disk the next start says how many are missing."""
    with serving(tmp_path / "home") as server:
        alice, bob = signed_in(server, "alice"), signed_in(server, "bob")
        with full_disk(server):
            with Answering(bob, well) as answering:
                for number in range(1, 6):
                    assert says(alice, f"full {number}").status == 200
                    counts = re.findall(rb'"count":(\d+)', (server.home / "archive.gap").read_bytes())
                    assert max(map(int, counts)) == number
            server.kill()
        assert [request.body.decode() for request in answering.heard] == [f"full {n}" for n in range(1, 6)]
        server.start()
        wait_until(lambda: archived(server)[1], "the gap is told")
        assert archived(server) == (set(), 5)


def test_in_critical_mode_a_full_disk_refuses_what_it_cannot_keep(tmp_path: Path) -> None:
    """Messages and contacts: 503 with the reason; records wait; when there is room, all goes on and nothing is lost."""
    with serving(tmp_path / "home", archive__critical="true") as server:
        alice, bob = signed_in(server, "alice"), signed_in(server, "bob")
        with Answering(bob, well) as answering:
            assert says(alice, "before").status == 200
            kept = [f"c{number}@example.test" for number in range(5)]
            assert {alice.ask(wishes.set_contact(alice, one)).status for one in kept} == {200}
            with full_disk(server):
                refused = [says(alice, f"full {number}") for number in range(3)]
                contacts = [alice.ask(wishes.set_contact(alice, f"late{n}@example.test"), 15.0) for n in range(3)]
                calls = [wishes.invite(alice, BOB) for _ in range(5)]
                busy = {alice.ask(call).status for call in calls}
                trouble = status(server)["trouble"]
            assert {answer.status for answer in (*refused, *contacts)} == {503}
            assert busy == {486}
            for answer in refused:
                assert "must be archived" in str(answer.headers.get("ms-diagnostics"))
            for answer in contacts:
                assert "reason=" in str(answer.headers.get("ms-diagnostics"))
                assert answer.headers.get("Retry-After")
            assert trouble.startswith("since")
            assert says(alice, "after").status == 200
            assert alice.ask(wishes.set_contact(alice, "after@example.test")).status == 200
        assert {request.body.decode() for request in answering.heard if request.method == "MESSAGE"} == {
            "before",
            "after",
        }
        ids = {call.call_id for call in calls}
        wait_until(
            lambda: ids <= {row["call_id"] for row in server.sql("select call_id from sessions where ended_at > 0")},
            "the records are written",
        )
        server.kill()
        server.start()
        assert archived(server) == ({"before", "after"}, 0)
        assert listed(signed_in(server, "alice")) == {*kept, "after@example.test"}
