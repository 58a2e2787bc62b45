"""What server and media engine say to one another: lines that are read as they were written, and nothing else."""

import json
from typing import Any

import pytest

from lyncpy.media.model.forms import (
    LINE_MOST,
    Allocate,
    Allocated,
    Codec,
    Connect,
    Declined,
    Digit,
    Done,
    End,
    Ended,
    FormError,
    LegFigures,
    LegWish,
    Lines,
    LocalLeg,
    Measure,
    Measured,
    MediaPing,
    Message,
    Reached,
    Ready,
    RemoteLeg,
    read,
    write,
)

CANDIDATE = "1 1 UDP 2028995583 192.0.2.1 45027 typ host"
KEY = "A" * 40
LOCAL = LocalLeg("192.0.2.1", 45027, 45740, "UNkN", "TXSq+/", (CANDIDATE,), KEY)
REMOTE = RemoteLeg(Codec("opus", 96), 101, "", 0, 0, "abcd", "secret", (CANDIDATE,), KEY)
MESSAGES: tuple[Message, ...] = (
    MediaPing(), Allocate("c1", (LegWish("192.0.2.1", 1, 2, ice=True, secure=True, controlling=True), LegWish("::1", 1, 2))),
    Connect("c1", 1, REMOTE), Measure("c1"), End("c1"), Done(), Allocated((LOCAL, LocalLeg("::1", 1, 2))),
    Measured((LegFigures(1, 2, 3, 4.5), LegFigures())), Declined("no"), Ready(1, 5, ("PCMA",), 3), Reached("c1", 0),
    Digit("c1", 1, "#"), Ended("c1", "it is over"),
)  # fmt: skip


@pytest.mark.parametrize("message", MESSAGES, ids=lambda one: type(one).__name__)
def test_what_is_written_is_read_again(message: Message) -> None:
    """Each kind of message, with its number."""
    line = write(7, message)
    assert line.endswith(b"\n") and line.count(b"\n") == 1
    assert read(line[:-1]) == (7, message)


def test_what_has_a_usual_value_may_be_left_out_and_what_is_more_is_passed_over() -> None:
    """A server and an engine of two releases understand one another."""
    line = b'{"k":"ready","version":1,"calls_most":5,"codecs":[],"colour":"red"}'
    assert read(line) == (0, Ready(1, 5, ()))


def _spoiled(**fields: Any) -> bytes:  # Any: what JSON has
    return json.dumps({**json.loads(write(1, Allocate("c1", (LegWish("::1", 1, 2),) * 2))), **fields}).encode()


def _remote(**fields: Any) -> bytes:  # Any: what JSON has
    line = json.loads(write(1, Connect("c1", 0, REMOTE)))
    return json.dumps({**line, "remote": {**line["remote"], **fields}}).encode()


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (b"", "JSON"),
        (b"\xff", "JSON"),
        (b"[" * 60_000, "JSON"),
        (b"[]", "object"),
        (b"{}", "kind"),
        (b'{"k":[]}', "kind"),
        (b'{"k":"sing"}', "kind"),
        (b'{"k":"ping","n":-1}', "number"),
        (b'{"k":"ping","n":true}', "number"),
        (b'{"k":"ping","n":1.5}', "number"),
        (b'{"k":"measure"}', "call is missing"),
        (b'{"k":"measure","call":"a b"}', "call: the name of a call"),
        (b'{"k":"measured","legs":[{"jitter_ms":-1}]}', "amount"),
        (b'{"k":"measured","legs":[{"jitter_ms":true}]}', "amount"),
        (b'{"k":"measured","legs":[{"jitter_ms":NaN}]}', "amount"),
        (b'{"k":"declined","reason":"\\n"}', "text"),
        (b'{"k":"declined","reason":5}', "text"),
        (b'{"k":"digit","call":"c","leg":0,"digit":""}', "one of"),
        (b'{"k":"digit","call":"c","leg":0,"digit":"12"}', "one of"),
        (b'{"k":"digit","call":"c","leg":0,"digit":3}', "one of"),
        (_spoiled(legs=[]), "a list of 2"),
        (_spoiled(legs={}), "a list of 2"),
        (_spoiled(legs=[1, 2]), "object"),
        (_spoiled(legs=[{"address": "::1", "lowest": 1, "highest": 2, "ice": 1}] * 2), "ice: true or false"),
        (_spoiled(legs=[{"address": "example.com", "lowest": 1, "highest": 2}] * 2), "address"),
        (_remote(codec={"name": "mp3", "payload": 1}), "codec: name: one of"),
        (_remote(candidates=["1 1 UDP 1 host 1 typ host"]), "a candidate"),
        (_remote(candidates=[CANDIDATE + "\r\na=x"]), "a candidate"),
        (_remote(key="short"), "a key"),
        (_remote(user="a b"), "a word of ICE"),
    ],
)
def test_anything_else_is_refused_in_words(line: bytes, why: str) -> None:
    """A line that is no message says what is wrong with it, and is never half of one."""
    with pytest.raises(FormError, match=why):
        read(line)


def test_keys_and_passwords_are_not_shown() -> None:
    """What is logged of a leg has no secrets."""
    assert "AAAA" not in f"{LOCAL} {REMOTE}" and "secret" not in str(REMOTE) and "TXSq" not in str(LOCAL)


def test_lines_come_in_any_pieces() -> None:
    """A line is given when it is whole."""
    lines = Lines()
    assert lines.feed(b"a") == []
    assert lines.feed(b"b\nc\nd") == [b"ab", b"c"]
    assert lines.feed(b"\n") == [b"d"]


@pytest.mark.parametrize("end", [b"", b"\n"])
def test_a_line_without_end_is_refused(end: bytes) -> None:
    """As much is kept as one line may have."""
    lines = Lines()
    assert lines.feed(b"a" * LINE_MOST) == []
    with pytest.raises(FormError, match="65536"):
        lines.feed(b"a" + end)
