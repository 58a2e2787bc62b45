"""Broken messages, by the thousand, against the real server: each gets the right answer, and the server goes on."""

import random
from collections.abc import Iterator

import pytest

from lyncpy.sip.decoder import Decoder
from lyncpy.sip.encoder import encode
from lyncpy.sip.message import Request, Response, response_to
from tests.kit import wishes
from tests.kit.caller import Caller, Gone, Line, Silence
from tests.kit.hostile import (
    CLIENTS,
    TORTURE,
    Answering,
    assert_calm,
    bent,
    mutated,
    resident_kb,
    time_limit,
)
from tests.kit.server import RunningServer

pytestmark = pytest.mark.interop

# RFC 4475's messages that are answered, by what a stranger hears. Those that can be read are
# asked who they are (or told that there is nobody of that name, for REGISTER).
CHALLENGED = {
    401: (
        "badaspec badbranch baddate baddn bext01 esc01 esc02 escruri intmeth invut longreq lwsdisp mpart01 novelsc sdp01 "
        "semiuri transports unkscm wsinv zeromf"
    ),
    404: "cparam01 cparam02 escnull regaut01 regbadct regescrt unksm2",
    400: "badinv01 insuf lwsruri lwsstart ltgtruri mismatch01 mismatch02 multi01 quotbal scalar02 trws",
    505: "badvers",
}
ANSWERED = {name: status for status, names in CHALLENGED.items() for name in names.split()}
IN_SILENCE = {"bcast", "bigcode", "noreason", "scalarlg", "unreason"}
"""Responses: nobody answers those."""

CLOSED = {"inv2543": [400], "mcl01": [400], "ncl": [400], "dblreq": [404, 401]}
"""After these nobody can tell where the next message begins."""

WAITING = {"clerr"}
"""Its length promises more than there is: the rest may come."""


@pytest.fixture(scope="module")
def server(patient_server: RunningServer) -> Iterator[RunningServer]:
    """Give the shared server, on which Dave and Erin are this file's; its log must be calm."""
    yield patient_server
    assert_calm(patient_server)


@pytest.fixture(autouse=True)
def limit() -> Iterator[None]:
    """End a test that hangs."""
    with time_limit(60):
        yield


def signed_in(server: RunningServer, name: str = "dave") -> Caller:
    """Sign somebody in on a new connection."""
    account = server.accounts[name]
    return Caller(Line(server.tcp_port), account.address, account.password).sign_in()


def stranger(server: RunningServer) -> Caller:
    """Connect, and say nothing yet."""
    account = server.accounts["dave"]
    return Caller(Line(server.tcp_port), account.address, account.password)


def heard_before_next(caller: Caller) -> list[int]:
    """Send a good question and give the statuses of all that comes before its answer."""
    probe = caller.request("OPTIONS", "sip:example.test")
    caller.send(probe)
    statuses: list[int] = []
    while True:
        message = caller.line.hear(5.0)
        assert isinstance(message, Response)
        if message.headers.get("Call-ID") == probe.headers.get("Call-ID"):
            assert message.status == (200 if caller.keys.ready else 401)
            return statuses
        if message.status != 100:
            statuses.append(message.status)


def statuses_until_closed(caller: Caller) -> list[int]:
    """Give the statuses of all that comes until the server hangs up."""
    statuses: list[int] = []
    try:
        while True:
            message = caller.line.hear(5.0)
            statuses.append(message.status if isinstance(message, Response) else 0)
    except Gone:
        return statuses


def for_strangers(name: str) -> list[int]:
    """Give what a stranger hears for a message of the corpus."""
    return [ANSWERED[name]] if name in ANSWERED else []


def for_users(name: str) -> list[int]:
    """Give what a signed-in client hears for one that it did not sign; REGISTER leads to a handshake all the same."""
    return [403 if status == 401 else status for status in for_strangers(name)]


@pytest.mark.parametrize("known", [False, True], ids=["stranger", "signed-in"])
def test_each_torture_message_gets_its_answer(server: RunningServer, known: bool) -> None:
    """Whole, byte by byte, or two in one packet: it is the same, and the same connection goes on working."""
    expected = for_users if known else for_strangers
    for path in sorted(TORTURE.glob("*.dat")):
        name, data = path.stem, path.read_bytes()
        if name in CLOSED or name in WAITING:
            continue
        caller = signed_in(server) if known else stranger(server)
        with caller.line:
            caller.line.send(data)
            assert heard_before_next(caller) == expected(name), name
            for at in range(len(data)):
                caller.line.send(data[at : at + 1])
            assert heard_before_next(caller) == expected(name), f"{name}, byte by byte"
            caller.line.send(data + b"\r\n\r\n" + data)
            # The second is a repetition: the answer goes again, or there is none yet to go (RFC 3261 §17.2.2).
            assert heard_before_next(caller) in (expected(name), expected(name) * 2), f"{name}, two at once"
            if not known:
                caller.sign_in()
            assert caller.is_well(), name
    assert_calm(server)


@pytest.mark.parametrize("name", CLOSED)
@pytest.mark.parametrize("known", [False, True], ids=["stranger", "signed-in"])
def test_a_connection_ends_when_nobody_can_tell_where_the_next_message_begins(
    server: RunningServer, name: str, known: bool
) -> None:
    """What could be answered is answered; then the server hangs up, and others notice nothing."""
    statuses = [403 if known and status == 401 else status for status in CLOSED[name]]
    data = (TORTURE / f"{name}.dat").read_bytes()
    for pieces in ([data], [data[at : at + 1] for at in range(len(data))]):
        caller = signed_in(server) if known else stranger(server)
        with caller.line:
            try:
                for piece in pieces:
                    caller.line.send(piece)
            except Gone:
                pass  # it may hang up before the last byte was sent
            assert statuses_until_closed(caller)[: len(statuses)] == statuses
    other = signed_in(server, "erin")
    assert other.is_well()
    other.line.close()


def test_a_body_that_is_announced_is_waited_for(server: RunningServer) -> None:
    """What follows belongs to the body until its length is reached; then the connection goes on."""
    data = (TORTURE / "clerr.dat").read_bytes()
    (head, _, body), caller = data.partition(b"\r\n\r\n"), stranger(server)
    assert b"9999" in head
    with caller.line:
        caller.line.send(data)
        with pytest.raises(Silence):
            caller.line.hear(0.2)
        caller.line.send(b"x" * (9999 - len(body)))
        answer = caller.line.hear()
        assert isinstance(answer, Response)
        assert answer.status == 401
        assert heard_before_next(caller) == []


def test_the_corpus_is_whole() -> None:
    """Every message of the RFC has its place in the tables of this module."""
    names = {path.stem for path in TORTURE.glob("*.dat")}
    assert names == {*ANSWERED, *IN_SILENCE, *CLOSED, *WAITING}


def test_torture_that_a_user_signs_reaches_the_workloads_and_harms_nobody(server: RunningServer) -> None:
    """The corpus again, sent as Dave's own: every answer is one of a SIP server that is well."""
    caller = signed_in(server)
    seen: dict[str, int] = {}
    for path in sorted(TORTURE.glob("*.dat")):
        for item in Decoder().feed(path.read_bytes()):
            if not isinstance(item, Request):
                continue
            own = item.edited(put=[("From", f"<{caller.aor}>;tag={path.stem};epid={caller.epid}")])
            for uri in ("sip:erin@example.test", own.uri):
                caller.send(Request(own.method, uri, own.headers, own.body))
                statuses = heard_before_next(caller)
                assert all(400 <= status < 500 or status in (200, 505) for status in statuses), (path.stem, statuses)
                seen[path.stem] = statuses[-1] if statuses else 0
    assert seen["unkscm"] == 416
    assert_calm(server)
    caller.line.close()


def test_hundreds_of_changes_at_once_are_made_in_turn(server: RunningServer) -> None:
    """All in one packet, all about one list: each is answered, and the last word is kept."""
    caller = signed_in(server)
    asked = [wishes.set_contact(caller, "erin@example.test", f"name {number}") for number in range(120)]
    asked += [wishes.contacts(caller) for _ in range(120)]
    caller.line.send(b"".join(encode(caller.keys.sign(request)) for request in asked))
    answers = [caller.answer_to(request) for request in asked]
    assert {answer.status for answer in answers} == {200}
    assert all(b'"name 119"' in answer.body for answer in answers[120:])
    assert_calm(server)
    caller.line.close()


def signed_or_not(caller: Caller, request: Request) -> bytes:
    """Write a request, signed where somebody is signed in."""
    return encode(caller.keys.sign(request) if caller.keys.ready else request)


def prod(caller: Caller, data: bytes) -> bool:
    """Send something and see that no answer is a bug's; give whether the connection can be used on."""
    try:
        caller.line.send(data)
        probe = caller.request("OPTIONS", "sip:example.test")
        caller.send(probe)
        while True:
            message = caller.line.hear(0.15)
            if isinstance(message, Response):
                assert message.status not in (500, 504), (message, data[:2000])
                if message.headers.get("Call-ID") == probe.headers.get("Call-ID"):
                    return True
    except (Gone, Silence):
        return False


@pytest.mark.parametrize("known", [False, True], ids=["stranger", "signed-in"])
def test_thousands_of_mutated_messages_break_nothing(server: RunningServer, known: bool) -> None:
    """Flipped bits, cuts, repeats, NULs, wild numbers: no bug, no growth, and the next client is served."""
    seed = random.randrange(2**32)
    print("seed", seed)
    chance = random.Random(seed)
    samples = [path.read_bytes() for folder in (TORTURE, CLIENTS) for path in sorted(folder.iterdir())]
    caller = signed_in(server) if known else stranger(server)
    samples += [encode(request) for request in wishes.all_of(caller, "erin@example.test")]
    assert prod(caller, b"")
    before = resident_kb(server.pid)
    for number in range(1200):
        good = chance.choice(samples)
        if not prod(caller, mutated(chance, good)) or (not known and number % 20 == 0):
            caller.line.close()
            caller = signed_in(server) if known else stranger(server)
    caller.line.close()
    assert resident_kb(server.pid) - before < 60_000
    other = signed_in(server, "erin")
    assert other.is_well()
    other.line.close()
    assert_calm(server)


def test_thousands_of_signed_requests_with_bent_headers_break_nothing(server: RunningServer) -> None:
    """Whatever a signed header says: a plain refusal, or it works; and what is passed on to Erin can be read by her."""
    seed = random.randrange(2**32)
    print("seed", seed)
    chance = random.Random(seed)
    erin = signed_in(server, "erin")

    def answer(request: Request) -> Response:
        good = response_to(
            request, chance.choice((200, 200, 200, 180, 302, 415, 486, 603)), headers=[("Contact", erin.contact)]
        )
        twisted = Response(good.status, "", bent(chance, Request("X", "sip:x", good.headers)).headers)
        # More than a head may have would end her connection, as it should.
        return twisted if chance.random() < 0.3 and len(encode(twisted)) < 60_000 else good

    caller = signed_in(server)
    before = resident_kb(server.pid)
    with Answering(erin, answer) as answering:
        for _ in range(4000):
            request = bent(chance, chance.choice(wishes.all_of(caller, "erin@example.test")))
            if not prod(caller, signed_or_not(caller, request)):
                caller.line.close()
                caller = signed_in(server)
    assert len(answering.heard) > 20
    assert resident_kb(server.pid) - before < 60_000
    assert caller.is_well()
    for one in (caller, erin):
        one.line.close()
    assert_calm(server)
