"""Broken bodies from somebody who is signed in: XML bombs, huge documents, garbage for SDP and for NTLM."""

import base64
import random
import struct
from collections.abc import Iterator

import pytest

from lyncpy.sip.encoder import encode
from lyncpy.sip.message import Request, Response
from tests.kit import wishes
from tests.kit.caller import Caller, Line
from tests.kit.hostile import assert_calm, mutated, resident_kb, time_limit
from tests.kit.ntlm_client import challenge_of
from tests.kit.server import RunningServer

pytestmark = pytest.mark.interop


@pytest.fixture(scope="module")
def server(patient_server: RunningServer) -> Iterator[RunningServer]:
    """Give the shared server, on which Frank is this file's; its log must be calm."""
    yield patient_server
    assert_calm(patient_server)


@pytest.fixture(autouse=True)
def limit() -> Iterator[None]:
    """End a test that hangs."""
    with time_limit(60):
        yield


@pytest.fixture
def frank(server: RunningServer) -> Caller:
    """Give Frank, signed in."""
    account = server.accounts["frank"]
    return Caller(Line(server.tcp_port), account.address, account.password).sign_in()


def documents(frank: Caller) -> dict[str, Request]:
    """Give one good request for each document that the server reads."""
    return {
        "publish": wishes.note(frank, "hello"),
        "setContainerMembers": wishes.members(frank, "bob@example.test"),
        "setSubscribers": wishes.subscribers(frank, "sip:bob@example.test"),
        "setDelegates": wishes.delegates(frank, "sip:bob@example.test"),
        "roamingList": wishes.roaming_self(frank),
        "batchSub": wishes.watch(frank, "bob@example.test"),
        "adhoclist": wishes.old_watch(frank, "bob@example.test"),
        "setPresence": wishes.set_presence(frank),
        "getPresence": wishes.get_presence(frank, "bob@example.test"),
        "setACE": wishes.set_right(frank, "bob@example.test"),
        "setContact": wishes.set_contact(frank, "bob@example.test", "Bob"),
        "addGroup": wishes.add_group(frank, "Friends"),
        "modifyGroup": wishes.soap(frank, "modifyGroup", "<m:groupID>2</m:groupID><m:name>F</m:name>"),
        "deleteGroup": wishes.soap(frank, "deleteGroup", "<m:groupID>2</m:groupID>"),
        "deleteContact": wishes.soap(frank, "deleteContact", "<m:URI>sip:bob@example.test</m:URI>"),
        "directorySearch": wishes.search(frank, "bob"),
        "provisioningGroupList": wishes.groups(frank),
        "cccp": wishes.capabilities(frank),
    }


DOCUMENTS = [
    "publish",
    "setContainerMembers",
    "setSubscribers",
    "setDelegates",
    "roamingList",
    "batchSub",
    "adhoclist",
    "setPresence",
    "getPresence",
    "setACE",
    "setContact",
    "addGroup",
    "modifyGroup",
    "deleteGroup",
    "deleteContact",
    "directorySearch",
    "provisioningGroupList",
    "cccp",
]


def bombs(good: bytes) -> dict[str, bytes]:
    """Give the classic attacks on who reads XML, each made of a good document."""
    start = good.index(b">") + 1
    inside = good[start:]
    laughs = b"".join(b'<!ENTITY l%d "%s">' % (n, b"&l%d;" % (n - 1) * 10) for n in range(1, 10))
    return {
        "billion laughs": b'<!DOCTYPE x [<!ENTITY l0 "ha">' + laughs + b"]>" + good[:start] + b"&l9;" + inside,
        "external entity": b'<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>' + good[:start] + b"&e;" + inside,
        "external DTD": b'<!DOCTYPE x SYSTEM "http://127.0.0.1:1/x.dtd">' + good,
        "parameter entity": b'<!DOCTYPE x [<!ENTITY % p SYSTEM "file:///dev/zero"> %p;]>' + good,
        "UTF-16 hides a DTD": b"\xff\xfe" + '<!DOCTYPE x [<!ENTITY e "x">]><x>&e;</x>'.encode("utf-16-le"),
        "UTF-7": b'<?xml version="1.0" encoding="UTF-7"?>+ADw-x+AD4-',
        "unknown encoding": b'<?xml version="1.0" encoding="nonsense"?>' + good,
        "deep": good[:start] + b"<a>" * 5_000 + b"</a>" * 5_000 + inside,
        "very deep": good[:start] + b"<a>" * 60_000,
        "wide": good[:start] + b"<a/>" * 50_000 + inside,
        "many attributes": good[:start] + b"<a " + b" ".join(b'a%d=""' % n for n in range(20_000)) + b"/>" + inside,
        "many namespaces": good[:start]
        + b"<a "
        + b" ".join(b'xmlns:n%d="u"' % n for n in range(10_000))
        + b"/>"
        + inside,
        "unbound prefix": good[:start] + b"<zz:a/>" + inside,
        "prefix without a name": good[:start] + b"<:a/>" + inside,
        "attribute twice": good[:start] + b'<a b="1" b="2"/>' + inside,
        "empty namespace": good[:start] + b'<p:a xmlns:p=""/>' + inside,
        "reserved namespace": good[:start] + b'<a xmlns:xml="urn:x"/>' + inside,
        "NUL": good[:start] + b"\0" + inside,
        "NUL by reference": good[:start] + b"&#0;" + inside,
        "surrogate by reference": good[:start] + b"&#xD800;" + inside,
        "not UTF-8": good[:start] + b"\xff\xfe" + inside,
        "unknown entity": good[:start] + b"&nbsp;" + inside,
        "cut": good[: len(good) // 2],
        "twice": good + good,
        "empty": b"",
        "blanks": b" \r\n\t ",
        "a byte": b"<",
        "not XML": b"%PDF-1.4 hello",
        "other root": b"<other/>",
        "instructions": b"<?php system('id') ?>" * 100 + good,
        "comments": good[:start] + b"<!-- x -->" * 15_000 + inside,
        "CDATA": good[:start] + b"<![CDATA[" + b"]" * 100_000 + b"]]>" + inside,
        "long text": good[:start] + b"x" * 200_000 + inside,
        "long name": good[:start] + b"<" + b"n" * 100_000 + b"/>" + inside,
        "long attribute": good[:start] + b'<n a="' + b"v" * 150_000 + b'"/>' + inside,
        "over the bound": good[:start] + b"x" * 262_000 + inside,
    }


def status_of(frank: Caller, request: Request) -> int:
    """Send a request and give the status of its answer, which is no bug's."""
    status = frank.ask(request).status
    assert status not in (500, 503, 504), (status, request.body[:500])
    return status


@pytest.mark.parametrize("name", DOCUMENTS)
def test_no_bomb_goes_off(server: RunningServer, frank: Caller, name: str) -> None:
    """Each attack on each document is refused or does nothing, within memory, and the good document still works."""
    good = documents(frank)[name]
    before = resident_kb(server.pid)
    for what, body in bombs(good.body).items():
        request = documents(frank)[name]
        status = status_of(frank, Request(request.method, request.uri, request.headers, body))
        if "entity" in what or "DTD" in what or "laughs" in what:
            assert status == 400, what
    assert resident_kb(server.pid) - before < 40_000
    known = 400 if name == "setSubscribers" else 200  # Bob does not watch him
    assert status_of(frank, documents(frank)[name]) in (known, 404, 409)
    assert frank.is_well()
    assert_calm(server)


EVIL_TEXTS = (
    "", " ", "0", "-1", "99999999999999999999", "9" * 5_000, "1e9", "NaN", "\u0661", "true", "sip:", "sip:@", "@", "bob",
    "sip:bob@example.test;x=y", "SIP:ALICE@EXAMPLE.TEST", "sip:a b@example.test", "sip:bob@example.test, sip:eve@example.test",
    "tel:+1", "x" * 600, "x" * 100_000, "\ufffd", "\u202e", "\U0001f600" * 200, "&amp;", "&lt;note&gt;", "&quot;", "'", "&#13;&#10;",
    "&#13;&#10;Injected: yes", "&#x7f;", "&#x85;", "&#x2028;", "1 1 1 1 1 1", "1 2 3 64 65 9999999", "../../etc/passwd",
    "'; drop table records; --", "{0}", "%s%n", "0001-01-01T00:00:00", "9999-12-31T23:59:59+23:59",
)  # fmt: skip


@pytest.mark.parametrize("name", DOCUMENTS)
def test_no_value_in_a_document_is_taken_on_trust(server: RunningServer, frank: Caller, name: str) -> None:
    """Each attribute and each text of each document says each thing that it should not."""
    good = documents(frank)[name].body.decode()
    places = [(at + 2, good.index('"', at + 2)) for at in range(len(good)) if good.startswith('="', at)]
    places += [(at + 1, good.index("<", at)) for at in range(len(good) - 1) if good[at] == ">" and "<" in good[at:]]
    for start, end in places:
        for text in EVIL_TEXTS:
            request = documents(frank)[name]
            body = (good[:start] + text + good[end:]).encode()
            answer = frank.ask(Request(request.method, request.uri, request.headers, body))
            assert answer.status not in (500, 503, 504), (text[:80], body[:500], answer)
            assert "Injected" not in answer.headers
    assert frank.is_well()
    assert_calm(server)


def test_mutated_documents_break_nothing(server: RunningServer, frank: Caller) -> None:
    """A thousand documents with random damage."""
    seed = random.randrange(2**32)
    print("seed", seed)
    chance = random.Random(seed)
    for _ in range(1500):
        request = documents(frank)[chance.choice(DOCUMENTS)]
        status_of(frank, Request(request.method, request.uri, request.headers, mutated(chance, request.body)[:262_144]))
    assert frank.is_well()
    assert_calm(server)


def test_a_batch_of_ten_thousand_is_refused(server: RunningServer, frank: Caller) -> None:
    """Nobody watches more people than the setting allows; a batch within it is answered whole."""
    many = [f"p{number}@example.test" for number in range(10_000)]
    assert status_of(frank, wishes.watch(frank, *many)) == 413
    assert status_of(frank, wishes.watch(frank, *many[:3_000])) == 413
    assert status_of(frank, wishes.watch(frank, *many[:900])) == 200
    assert frank.is_well()


def test_a_body_beyond_the_bound_is_refused_and_skipped(frank: Caller) -> None:
    """413, and the same connection goes on with what follows the body."""
    request = frank.request("MESSAGE", "sip:bob@example.test", content_type="text/plain", body=b"x" * 1_000_000)
    assert frank.ask(request).status == 413
    assert frank.is_well()


def test_garbage_for_a_session_description_is_passed_by(server: RunningServer, frank: Caller) -> None:
    """What an invitation offers is looked at, and never trusted."""
    seed = random.randrange(2**32)
    print("seed", seed)
    chance = random.Random(seed)
    bodies = [mutated(chance, wishes.SDP) for _ in range(200)]
    bodies += [b"m=" * 50_000, b"m=audio " + b"9" * 50_000, b"\xff" * 10_000, b"v=0\r\nm=\r\nm=x\r\nm= 0", b"\0" * 1000]
    for body in bodies:
        for kind in ("application/sdp", "multipart/mixed;boundary=x", "multipart/alternative"):
            request = frank.request("INVITE", "sip:bob@example.test", content_type=kind, body=body)
            assert status_of(frank, request) == 480
    assert frank.is_well()
    assert_calm(server)


def broken_tokens(caller: Caller, challenge: str) -> list[str]:
    """Give AUTHENTICATE messages in base64, each broken in its own way, for this challenge."""
    value = caller.keys.answer(caller.register(), challenge).headers.get("Authorization") or ""
    caller.keys.restart()
    token = base64.b64decode(value.partition('gssapi-data="')[2].partition('"')[0])
    broken = [token[:length] for length in (0, 1, 8, 12, 20, 63, 71, 72, 80, len(token) - 1)]
    for field in range(6):
        for length, offset in (
            (0xFFFF, 0),
            (0xFFFF, 0xFFFFFFFF),
            (24, 0xFFFFFFF0),
            (1, len(token)),
            (0, 0xFFFFFFFF),
            (0xFFFE, 72),
        ):
            at = 12 + 8 * field
            broken.append(token[:at] + struct.pack("<HHI", length, length, offset) + token[at + 8 :])
    broken += [token[:8] + struct.pack("<I", kind) + token[12:] for kind in (0, 1, 2, 4, 0xFFFFFFFF)]
    broken += [token[:60] + struct.pack("<I", flags) + token[64:] for flags in (0, 0xFFFFFFFF)]
    broken += [b"NTLMSSP\0" + b"\xff" * 200, b"\xff" * 500, token + b"x" * 700_000]
    texts = [base64.b64encode(data).decode() for data in broken]
    return [*texts, "A", "A===", "=" * 50, "!" * 100, "\udcff" * 20, "A" * 1_000, "QUFB\0QUFB", " QUFB "]


def test_broken_tokens_sign_nobody_in(server: RunningServer) -> None:
    """Truncated, with offsets beyond the end, a megabyte long, no base64: a challenge or a refusal, never a bug."""
    account = server.accounts["frank"]
    sample = Caller(Line(server.tcp_port), account.address, "guessed")
    count = len(broken_tokens(sample, first_challenge(sample)))
    for number in range(count):
        with Line(server.tcp_port) as line:
            caller = Caller(line, account.address, "guessed")
            challenge = first_challenge(caller)
            opaque = challenge.partition('opaque="')[2].partition('"')[0]
            token = broken_tokens(caller, challenge)[number]
            value = (
                f'NTLM qop="auth", opaque="{opaque}", realm="SIP Communications Service", '
                f'targetname="sip.example.test", version=4, gssapi-data="{token}"'
            )
            line.send(encode(caller.register().edited(last=[("Authorization", value)])))
            if len(value) > 65_000:
                assert line.is_closed(), "a head without end is not read"
                continue
            answer = line.hear()
            assert isinstance(answer, Response)
            assert answer.status in (400, 401, 403), answer
            assert "Authentication-Info" not in answer.headers
    good = Caller(Line(server.tcp_port), account.address, account.password).sign_in()
    assert good.is_well()
    assert_calm(server)


def first_challenge(caller: Caller) -> str:
    """Go through the first half of a handshake and give the challenge."""
    refused = caller.ask(caller.register())
    started = caller.ask(caller.keys.answer(caller.register(), challenge_of(refused)))
    return challenge_of(started)
