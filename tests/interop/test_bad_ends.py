"""Bad ends and signals: a slow disk, a broken one, one that hangs, SIGTERM, SIGHUP, `kill -9`, and a client that is frozen."""

import os
import re
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lyncpy.sip.message import Request, Response, response_to
from tests.kit import slow_disk, wishes
from tests.kit.caller import Caller, Line
from tests.kit.hostile import PATIENT, Answering, time_limit
from tests.kit.server import RunningServer, ServerFailed, wait_until

pytestmark = pytest.mark.interop

SESSIONS = 400
BOB = "bob@example.test"
SLOW_S = "0.05"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RunningServer]:
    """Give a server on a disk that takes 50 ms for each commit.

    It fails when a file "broken" appears beside it, and takes longer when a file "slower" does.
    """
    running = RunningServer(tmp_path / "home", store__close_s=2.0, im__message_s=5.0, **PATIENT).init()
    environment = {
        "SLOW_DISK_S": SLOW_S,
        "BROKEN_DISK": str(tmp_path / "broken"),
        "SLOWER_DISK": str(tmp_path / "slower"),
    }
    try:
        with time_limit(120):
            yield running.start(environment=environment, forked=slow_disk.twistd)
    finally:
        running.close()


def signed_in(server: RunningServer, name: str) -> Caller:
    """Sign somebody in."""
    account = server.accounts[name]
    return Caller(Line(server.tcp_port), account.address, account.password).sign_in()


def busy(request: Request) -> Response:
    """Refuse a call, and accept all else."""
    return response_to(request, 486 if request.method == "INVITE" else 200, to_tag="b")


def call(server: RunningServer, before: Callable[[], object] = lambda: None) -> set[str]:
    """Have Alice call Bob very often, who is busy each time; give the Call-IDs of the calls that were answered.

    Once both are signed in, `before` is called.
    """
    alice, bob = signed_in(server, "alice"), signed_in(server, "bob")
    before()
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


def test_what_a_disk_that_hangs_does_not_take_is_counted(server: RunningServer, tmp_path: Path) -> None:
    """SIGTERM with a full queue: after `close_s` the log has the number, of records and of writes, and the status is 1."""
    calls = call(server, lambda: (tmp_path / "slower").write_text("60"))
    with pytest.raises(ServerFailed, match="status 1"):
        server.stop()
    (said,) = re.findall(
        r"(\d+) call records are not written, \1 of sessions: the store did not take them", server.log()
    )
    assert int(said) == SESSIONS
    # The commit that hung may come true after all, with the records that were gathered for it: the log has what waited behind.
    behind = map(int, re.findall(r"(\d+) call records wait, the store fails", server.log()))
    assert len(calls - written(server)) in {SESSIONS, *behind}
    assert re.search(r"\d+ writes are not known to be done", server.log())
    assert "Traceback" not in server.log()


def test_two_hundred_hang_ups_disturb_nobody(server: RunningServer) -> None:
    """A burst of SIGHUP is one or two reloads; all messages of that time are answered."""
    alice, bob = signed_in(server, "alice"), signed_in(server, "bob")
    with Answering(bob, busy) as answering:
        for number in range(200):
            os.kill(server.pid, signal.SIGHUP)
            if number % 10 == 0:
                assert alice.ask(wishes.page(alice, BOB, f"{number}")).status == 200
        wait_until(lambda: "a pull of the directory has begun" in server.log(), "a reload")
    assert [request.body for request in answering.heard] == [b"%d" % number for number in range(0, 200, 10)]
    assert server.log().count("a pull of the directory has begun") <= 5
    server.stop()


def test_a_client_that_neither_reads_nor_answers_is_found_out(server: RunningServer) -> None:
    """As one that was stopped: its connection looks as ever. A message that it does not answer is enough."""
    alice = signed_in(server, "alice")
    account = server.accounts["bob"]
    frozen = Caller(Line(server.tls_port, ca=server.ca), account.address, account.password).sign_in()
    assert alice.ask(wishes.page(alice, BOB, "still there?"), 20.0).status in (408, 480, 504)
    wait_until(lambda: "its client does not answer" in server.log(), "that it is taken for gone")
    assert alice.ask(wishes.page(alice, BOB, "and now?")).status in (404, 430, 480)
    assert frozen.line.is_closed()
    server.stop()
