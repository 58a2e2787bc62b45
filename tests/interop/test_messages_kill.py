"""Messages that were answered are in the archive, and calls in the records, after `kill -9`: the whole server.

Alice writes to Bob as fast as she is answered, and calls him in between; the server dies in the
middle, again and again, on the same home. The archive is critical: what got a 200 is written.
"""

import random
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from lyncpy.sip.message import Request, Response, response_to
from tests.kit import wishes
from tests.kit.caller import Caller, Gone, Line, Silence
from tests.kit.hostile import PATIENT, Answering, assert_calm, time_limit
from tests.kit.server import RunningServer
from tests.kit.soak import TIMES, many

pytestmark = pytest.mark.interop

ROUNDS = many(4)
BOB = "bob@example.test"
MOMENT_S = 0.5
"""A record that was noted so long before the end is on the disk; it takes some milliseconds."""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RunningServer]:
    """Give a server that is killed and started again."""
    settings = {"policies__archive_internal": "true", "archive__critical": "true", "im__records_per_user": 1_000_000}
    running = RunningServer(tmp_path / "home", **settings, **PATIENT).init()
    try:
        with time_limit(300 * TIMES):
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


class Talk:
    """What Alice was answered, over all rounds."""

    def __init__(self) -> None:
        self.texts: set[str] = set()
        self.calls: dict[str, float] = {}
        """Call-ID → when it was answered."""
        self._count = 0

    def go_on(self, alice: Caller) -> None:
        """Write and call until the connection dies."""
        try:
            while True:
                self._count += 1
                text, call = f"text {self._count}", wishes.invite(alice, BOB)
                assert alice.ask(wishes.page(alice, BOB, text)).status == 200
                self.texts.add(text)
                assert alice.ask(call).status == 486
                self.calls[call.call_id] = time.monotonic()
        except (Gone, Silence):
            return


def test_what_was_answered_is_archived_and_recorded(server: RunningServer) -> None:
    """No text is lost, none is there twice, the chain is whole; of the records only those of the last moment may lack."""
    seed = random.randrange(2**32)
    print("seed", seed)
    chance, talk = random.Random(seed), Talk()
    for number in range(ROUNDS):
        alice, bob = signed_in(server, "alice"), signed_in(server, "bob")
        talking = threading.Thread(target=talk.go_on, args=(alice,))
        killed = 0.0
        # Whoever answers may have been told to stop before it saw that the server was gone.
        with suppress(Gone), Answering(bob, well):
            talking.start()
            time.sleep(chance.uniform(0.3, 1.5))
            killed = time.monotonic()
            server.kill()
            talking.join(20)
        server.start()
        rows = [bytes(row["body"]).decode() for row in server.sql("select body from archive where kind = 'message'")]
        assert len(rows) == len(set(rows))
        assert talk.texts <= set(rows), f"round {number}: {len(talk.texts - set(rows))} of {len(talk.texts)} are lost"
        recorded = {row["call_id"] for row in server.sql("select call_id from sessions where ended_at > 0")}
        lost = {call for call in talk.calls if call not in recorded}
        print(f"round {number}: {len(talk.texts)} texts, {len(talk.calls)} calls, {len(lost)} records lost")
        assert all(talk.calls[call] > killed - MOMENT_S for call in lost)
        talk.calls = {call: at for call, at in talk.calls.items() if call in recorded}
    assert len(talk.texts) > ROUNDS
    assert "nothing was removed or altered" in server.ssh("archive verify")
    assert_calm(server)
    server.stop()
