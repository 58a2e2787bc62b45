"""What holds for all bytes of a NATS server, and for all facts."""

import enum
import json
import types
import typing
from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from lyncpy.backends.nats.credentials import Credentials
from lyncpy.backends.nats.encoding import MessageUnreadable, read_fact, read_question, read_sign, write_fact
from lyncpy.backends.nats.frames import Frame, FrameDecoder, NotNats, publish, read_info
from lyncpy.backends.nats.session import Close, NatsSession, SessionTerms
from lyncpy.contracts.facts import KINDS, ContactsChanged, Fact
from lyncpy.contracts.names import Epid, NodeName, epid_of
from lyncpy.contracts.questions import HowIsNode

PIECES = st.sampled_from([
    b"PING\r\n", b"PONG\r\n", b"+OK\r\n", b"-ERR 'x'\r\n", b'INFO {"max_payload":5}\r\n', b"MSG a 1 2\r\nhi\r\n",
    b"MSG a 1 r 2\r\n\r\n\r\n", b"HMSG a 1 12 13\r\nNATS/1.0\r\n\r\nx\r\n", b"MSG a ", b"\r\n", b"PI", b"INFO {}", b"\xff",
])  # fmt: skip
STREAMS = st.lists(st.one_of(PIECES, st.binary(max_size=20)), max_size=12).map(b"".join)


def values(hint: Any) -> st.SearchStrategy[Any]:  # Any: a type, as annotations have it
    """Give anything that an annotation allows; text may have what no UTF-8 has."""
    hint = getattr(hint, "__supertype__", hint)
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin in (types.UnionType, typing.Union):
        return st.one_of([st.none() if one is types.NoneType else values(one) for one in inner])
    if origin is frozenset:
        return st.frozensets(values(inner[0]), max_size=4)
    if origin is tuple:
        return st.tuples(*map(values, inner))
    if hint is Epid:
        return TEXT.map(epid_of)
    if issubclass(hint, enum.Enum):
        return st.sampled_from(hint)
    simple: dict[object, st.SearchStrategy[Any]] = {
        str: TEXT, int: st.integers(-(2**63) + 1, 2**63 - 1), bool: st.booleans(), bytes: st.binary(max_size=50)
    }  # fmt: skip
    return simple[hint]


TEXT = st.text(st.characters(), max_size=20)


@st.composite
def facts(draw: st.DrawFn) -> Fact:
    """Give any fact."""
    kind = draw(st.sampled_from(KINDS))
    return kind(**{name: draw(values(hint)) for name, hint in typing.get_type_hints(kind).items()})


@given(facts(), st.integers(1, 2**63 - 1))
def test_a_fact_comes_back_as_it_was(fact: Fact, number: int) -> None:
    """The letters of an epid too, which its device knows itself by; a document for devices does not come."""
    if isinstance(fact, ContactsChanged):
        fact = replace(fact, delta=b"")
    (data,) = write_fact(NodeName("n1"), number, fact)
    told = read_fact(data)
    assert told == ("n1", number, fact)
    assert data.isascii()
    by, told_by = getattr(fact, "by", None), getattr(told.fact, "by", None)
    assert by is None or (told_by is not None and by.written == told_by.written)


@given(facts(), st.data())
def test_a_spoiled_fact_is_read_or_refused(fact: Fact, data: st.DataObject) -> None:
    """There is one error."""
    (message,) = write_fact(NodeName("n1"), 1, fact)
    at = data.draw(st.integers(0, len(message) - 1))
    spoiled = message[:at] + data.draw(st.binary(max_size=5)) + message[at + data.draw(st.integers(0, 5)) :]
    _read_all(spoiled)


@given(st.recursive(st.one_of(st.none(), st.booleans(), st.integers(), st.text()), lambda x: st.lists(x) | st.dictionaries(
    st.sampled_from(["v", "node", "n", "kind", "fact", "told", "question"]), x), max_leaves=10))  # fmt: skip
def test_any_json_is_read_or_refused(told: object) -> None:
    """As above, of what another program may send."""
    _read_all(json.dumps(told).encode())
    if isinstance(told, dict):
        _read_all(json.dumps({"v": 1, "node": "n", "kind": "BoardChanged", **told}).encode())


def _read_all(data: bytes) -> None:
    for read in (read_fact, read_sign, lambda data: read_question(data, {"HowIsNode": HowIsNode})):
        try:
            read(data)
        except MessageUnreadable as error:
            assert str(error)


@given(STREAMS, st.lists(st.integers(0, 200), max_size=8))
def test_any_cut_gives_the_same_frames(stream: bytes, cuts: list[int]) -> None:
    """However the network cuts it; and nothing is kept that cannot become a frame."""
    whole = list(FrameDecoder().feed(stream))
    decoder = FrameDecoder()
    found: list[Frame] = []
    begin = 0
    for end in (*sorted(min(cut, len(stream)) for cut in cuts), len(stream)):
        found += decoder.feed(stream[begin:end])
        begin = end
    assert found == whole
    assert not any(isinstance(one, NotNats) for one in found[:-1])


@given(STREAMS, st.booleans(), st.booleans())
def test_a_session_takes_any_bytes(stream: bytes, needs_tls: bool, tls_first: bool) -> None:
    """It ends once, and says nothing more."""
    session = NatsSession(SessionTerms("n", Credentials("u", "p"), needs_tls, tls_first))
    session.begin()
    ended = 0
    for start in range(0, len(stream), 7):
        ended += sum(isinstance(effect, Close) for effect in session.received(stream[start : start + 7]))
        if ended:
            assert (session.received(b"PING\r\n"), session.probe(), session.is_ready) == ((), (), False)
    assert ended <= 1


@given(st.binary(max_size=300))
def test_what_is_published_is_one_frame(payload: bytes) -> None:
    """Whatever is in it: a server reads as many bytes as the line says, as we do of its messages."""
    command = publish("a.b", payload, "r")
    message = command.replace(b"PUB a.b r", b"MSG a.b 1 r", 1)
    (found,) = FrameDecoder().feed(message)
    assert getattr(found, "payload", None) == payload
    assert read_info(b"{}").connect_urls == ()
