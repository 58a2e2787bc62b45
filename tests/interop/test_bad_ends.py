"""Records are counted after bad ends: a slow disk, a broken one, SIGTERM and `kill -9`."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lyncpy.sip.message import Request, Response, response_to
from tests.kit import slow_disk, wishes
from tests.kit.caller import Caller, Line
from tests.kit.hostile import PATIENT, Answering, time_limit
from tests.kit.server import RunningServer, ServerFailed

pytestmark = pytest.mark.interop

SESSIONS = 400
BOB = "bob@example.test"
SLOW_S = "0.05"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RunningServer]:
    """Give a server on a disk that takes 50 ms for each commit, and fails when a file "broken" appears beside it."""
    running = RunningServer(tmp_path / "home", **PATIENT).init()
    environment = {
        **os.environ,
        "PYTHONPATH": str(Path(next(iter(slow_disk.__path__)))),
        "SLOW_DISK_S": SLOW_S,
        "BROKEN_DISK": str(tmp_path / "broken"),
    }
    try:
        with time_limit(120):
            yield running.start(environment=environment)
    finally:
        running.close()


def signed_in(server: RunningServer, name: str) -> Caller:
    """Sign somebody in."""
    account = server.accounts[name]
    return Caller(Line(server.tcp_port), account.address, account.password).sign_in()


def busy(request: Request) -> Response:
    """Refuse a call, and accept all else."""
    return response_to(request, 486 if request.method == "INVITE" else 200, to_tag="b")


def call(server: RunningServer) -> set[str]:
    """Have Alice call Bob very often, who is busy each time; give the Call-IDs of the calls that were answered."""
    alice, bob = signed_in(server, "alice"), signed_in(server, "bob")
    with Answering(bob, busy):
        calls = [wishes.invite(alice, BOB) for _ in range(SESSIONS)]
        for request in calls:
            alice.send(request)
        statuses = {alice.answer_to(request, 60.0).status for request in calls}
    assert statuses == {486}
    return {request.call_id for request in calls}


def written(server: RunningServer) -> set[str]:
    """Give the Call-IDs of calls whose records have an end."""
    return {row["call_id"] for row in server.sql("select call_id from sessions where ended_at > 0")}


def test_a_slow_disk_and_kill_9_cost_only_the_last_moment(server: RunningServer) -> None:
    """A second after the last of many calls their records are on the disk, however slow it is."""
    calls = call(server)
    time.sleep(1.0)
    server.kill()
    assert written(server) == calls


def test_sigterm_on_a_slow_disk_writes_every_record(server: RunningServer) -> None:
    """An orderly end in the middle of a burst ends with status 0, and lacks nothing."""
    calls = call(server)
    server.stop()
    assert written(server) == calls


def test_what_an_orderly_end_cannot_write_it_says(server: RunningServer, tmp_path: Path) -> None:
    """On a broken disk SIGTERM ends the server with status 1; the log counts what is lost, without a traceback."""
    (tmp_path / "broken").touch()
    calls = call(server)
    with pytest.raises(ServerFailed, match="status 1"):
        server.stop()
    lost = len(calls - written(server))
    assert lost == SESSIONS
    assert f"{lost} call records are not written, {lost} of sessions: the store fails" in server.log()
    assert "Traceback" not in server.log()
