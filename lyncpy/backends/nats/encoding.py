"""Bytes of what nodes tell and ask each other, and back.

A message is one JSON object in ASCII, of at most `MESSAGE_BYTES`. Each has `v`, the version of this encoding, and `node`,
who says it. Beside these:

| Subject | Keys | Say |
|---|---|---|
| `PREFIX.fact.KIND.KEY` | `kind`, `n`, `fact` | the kind of the fact, how many of this kind the node has told with this one, and its fields |
| `PREFIX.node.NODE` | `told` | that the node is there, and how many facts of each kind it has told |
| `PREFIX.ask.NODE` | `kind`, `question` | the kind of the question, and its fields |
| `PREFIX.any.KIND` | `kind`, `question` | the same, to one of all who answer such questions (queue group `any`) |
| the reply's | `answer`, or `refused` | the answer, or why there is none |

What one node sends another, on `PREFIX.send.NODE.SENDER`, is no such object but bytes as they are, of at most `SENT_MOST`; what
they say is written in `core/node_channel.py`.

KEY stands for who or what a fact is about (an address, or a connection): 2 and 14 characters of a hash of it with a dot between,
so that a subscriber can ask for one user's facts, or for those of a 1,024th of all, and a broker's lists name nobody; `-`
where it is about many.

Fields have the names that they have in `contracts/facts.py`. Text is text, numbers and truths are as in JSON, bytes are base64, sets
and pairs are arrays, an enumeration is its value. Whoever reads ignores keys that it does not know, and takes the usual value
for a field that has one and is not there: so a field can be added within a version. `delta` of ContactsChanged
is always empty. Another version is refused, and so is what says another kind, another key or another node than its
subject. NODE is of letters, digits, `_` and `-`, 64 at most.
"""

import base64
import binascii
import enum
import hashlib
import json
import re
import types
import typing
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import MISSING, dataclass, fields, is_dataclass, replace
from functools import cache
from typing import Any, Final, NamedTuple

from lyncpy.contracts.bus import Question
from lyncpy.contracts.facts import (
    KINDS,
    AddressesChanged,
    CertificatesRevoked,
    ContactsChanged,
    Fact,
    GroupsChanged,
    key_of,
)
from lyncpy.contracts.names import Epid, NodeName, epid_of

VERSION: Final = 1

MESSAGE_BYTES: Final = 262_144
"""The largest message; a NATS server takes 1 MiB unless it is told otherwise."""

_NODE: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
NUMBER_MOST: Final = 2**63 - 1
ABOUT_MANY: Final = "-"
SHARE_LETTERS: Final = 2


class MessageUnreadable(Exception):
    """What came over the bus is nothing that this version understands; the sentence says why."""


class MessageTooLarge(Exception):
    """Something cannot be told: it has more than MESSAGE_BYTES."""


class ToldFact(NamedTuple):
    """A fact of another node."""

    node: NodeName
    number: int
    fact: Fact


class Sign(NamedTuple):
    """That a node is there, how many facts of each kind it has told, and how many of all it could tell nobody."""

    node: NodeName
    told: Mapping[str, int]
    unsent: int = 0


class Asked(NamedTuple):
    """A question of another node."""

    node: NodeName
    question: Question


class Answered(NamedTuple):
    """What another node says to a question."""

    value: Any  # Any: the question defines it
    refused: str
    """Why there is no answer; "" when there is one."""


# --- facts


_FACTS: Final[Mapping[str, type[Fact]]] = {kind.__name__: kind for kind in KINDS}


def is_node_name(text: str) -> bool:
    """Tell whether a node may have this name: it is a part of subjects, and stands in what operators read."""
    return _NODE.fullmatch(text) is not None


def fact_subject(prefix: str, fact: Fact) -> str:
    """Give the subject that a fact is told on; whoever may publish there alone can tell nothing else."""
    return f"{prefix}.fact.{type(fact).__name__}.{key_token(fact)}"


def node_subject(prefix: str, node: str) -> str:
    """Give the subject of a node's signs of life."""
    return f"{prefix}.node.{node}"


def kind_pattern(prefix: str, kind: type[Fact]) -> str:
    """Give what matches the subjects of all facts of a kind."""
    return f"{prefix}.fact.{kind.__name__}.>"


def share_pattern(prefix: str, kind: type[Fact], share: str) -> str:
    """Give what matches the subjects of those facts of a kind that are about a share of all keys."""
    return f"{prefix}.fact.{kind.__name__}.{share}.*"


def key_subject(prefix: str, kind: type[Fact], key: str) -> str:
    """Give the subject of the facts of a kind that are about one key."""
    return f"{prefix}.fact.{kind.__name__}.{token_of(key)}"


def sent_subject(prefix: str, node: str, sender: str) -> str:
    """Give the subject of what one node sends another."""
    return f"{prefix}.send.{node}.{sender}"


def key_token(fact: Fact) -> str:
    """Give the part of a subject that stands for whom or what a fact is about."""
    key = key_of(fact)
    return ABOUT_MANY if key is None else token_of(key)


def token_of(key: str) -> str:
    """Give the two parts of a subject that stand for a key: which share of all keys it is in, and which of these it is."""
    digest = hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()
    text = base64.b32encode(digest[:10]).decode().lower()
    return f"{text[:SHARE_LETTERS]}.{text[SHARE_LETTERS:]}"


def share_of(key: str) -> str:
    """Give the share of all keys that a key is in, one of 1,024."""
    return token_of(key)[:SHARE_LETTERS]


def write_fact(node: NodeName, number: int, fact: Fact) -> list[bytes]:
    """Write a fact; where it is too large for a message, several that say the same.

    Args:
        number: That of the first of them.

    Raises:
        MessageTooLarge: It cannot be told in parts.
    """
    fact = _for_others(fact)
    try:
        return [_written_fact(node, number, fact)]
    except MessageTooLarge:
        return [_written_fact(node, number + index, part) for index, part in enumerate(_parts(node, fact))]


def _written_fact(node: NodeName, number: int, fact: Fact) -> bytes:
    return _written(node, kind=type(fact).__name__, n=number, fact=_form(type(fact)).written(fact))


def _for_others(fact: Fact) -> Fact:
    """Give what other servers hear of a fact: no document, which would be shown to devices as it comes.

    Who hears that a list has changed, and not how, reads it anew.
    """
    return replace(fact, delta=b"") if isinstance(fact, ContactsChanged) and fact.delta else fact


_IN_PARTS: Final[Mapping[type[Fact], str]] = {
    AddressesChanged: "aors",
    GroupsChanged: "keys",
    CertificatesRevoked: "digests",
}
"""Facts that may be about many: their sets, of which each part is told as a fact of its own."""


def _parts(node: NodeName, fact: Fact) -> Iterator[Fact]:
    """Give facts with parts of a set, each as large as a message holds. Every member is written once to be measured."""
    name = _IN_PARTS.get(type(fact))
    if name is None:
        raise MessageTooLarge(f"{type(fact).__name__} has more than {MESSAGE_BYTES} bytes")
    room = MESSAGE_BYTES - len(_written_fact(node, NUMBER_MOST, _with(fact, name, ())))
    part: list[str] = []
    left = room
    for member in getattr(fact, name):
        size = len(_json(member)) + 1
        if size > room:
            raise MessageTooLarge(f"{type(fact).__name__} has a name of {size} bytes")
        if size > left:
            yield _with(fact, name, part)
            part, left = [], room
        part.append(member)
        left -= size
    yield _with(fact, name, part)


def _with(fact: Fact, name: str, members: Iterable[str]) -> Fact:
    return replace(fact, **{name: frozenset(members)})


def read_fact(data: bytes) -> ToldFact:
    """Read a fact.

    Raises:
        MessageUnreadable: It is none.
    """
    node, told = _envelope(data)
    kind = _FACTS.get(_of(told, "kind", str))
    if kind is None:
        raise MessageUnreadable(f"there is no fact {str(told['kind'])[:40]!r}")
    return ToldFact(node, _number(told.get("n")), _for_others(_form(kind).read(told.get("fact"))))


def write_sign(node: NodeName, told: Mapping[str, int], unsent: int) -> bytes:
    """Write that this node is there."""
    return _written(node, told=dict(told), unsent=unsent)


def read_sign(data: bytes) -> Sign:
    """Read that another node is there; raises MessageUnreadable."""
    node, told = _envelope(data)
    counts: dict[str, Any] = _of(told, "told", dict)
    of_kinds = {name: _number(count) for name, count in counts.items() if name in _FACTS}
    return Sign(node, of_kinds, _whole(told.get("unsent", 0)))


# --- questions


def write_question(node: NodeName, question: Question) -> bytes:
    """Write a question; raises MessageTooLarge."""
    kind = type(question)
    return _written(node, kind=kind.__name__, question=_form(kind).written(question))


def read_question(data: bytes, kinds: Mapping[str, type[Question]]) -> Asked:
    """Read a question of one of these kinds; raises MessageUnreadable."""
    node, told = _envelope(data)
    kind = kinds.get(_of(told, "kind", str))
    if kind is None:
        raise MessageUnreadable(f"nobody answers {str(told['kind'])[:40]!r}")
    return Asked(node, _form(kind).read(told.get("question")))


def write_answer(node: NodeName, question: Question, answer: Any) -> bytes:  # Any: the question defines it
    """Write what is answered; raises MessageTooLarge."""
    return _written(node, answer=_codec(question.answer_type).write(answer))


def write_refusal(node: NodeName, reason: str) -> bytes:
    """Write that there is no answer."""
    return _written(node, refused=reason[:200])


def read_answer(data: bytes, question: Question) -> Answered:
    """Read an answer; raises MessageUnreadable."""
    _, told = _envelope(data)
    if "refused" in told:
        return Answered(None, _of(told, "refused", str)[:200] or "it gives no reason")
    return Answered(_codec(question.answer_type).read(told.get("answer")), "")


# --- values


class _Codec(NamedTuple):
    """How a value becomes something of JSON, and back."""

    write: Callable[[Any], Any]  # Any: by the type that it was made for
    read: Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class _Field:
    name: str
    codec: _Codec
    is_needed: bool


class _Form:
    """How a frozen dataclass becomes a JSON object, and back."""

    def __init__(self, kind: type[Any]) -> None:
        hints = typing.get_type_hints(kind)
        self._kind = kind
        self._fields = tuple(_Field(one.name, _codec(hints[one.name]), one.default is MISSING) for one in fields(kind))

    def written(self, value: Any) -> dict[str, Any]:
        """Make an object of a value."""
        return {one.name: one.codec.write(getattr(value, one.name)) for one in self._fields}

    def read(self, told: object) -> Any:
        """Make a value of an object."""
        if not isinstance(told, dict):
            raise MessageUnreadable(f"{self._kind.__name__} is no object")
        found = {}
        for one in self._fields:
            if one.name in told:
                found[one.name] = one.codec.read(told[one.name])
            elif one.is_needed:
                raise MessageUnreadable(f"{self._kind.__name__} has no {one.name}")
        return self._kind(**found)


_form: Final[Callable[[Any], _Form]] = cache(_Form)


def _make_codec(hint: Any) -> _Codec:
    """Make the codec of a type: of names, numbers, truths, bytes, enumerations, and of sets, tuples and dataclasses of these."""
    hint = getattr(hint, "__supertype__", hint)
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin in (types.UnionType, typing.Union):
        (given,) = (one for one in inner if one is not types.NoneType)
        return _or_nothing(_codec(given))
    if origin is frozenset:
        return _set_of(_codec(inner[0]))
    if origin is tuple:
        return _list_of(_codec(inner[0])) if inner[1:] == (...,) else _pair_of([_codec(one) for one in inner])
    if hint in _SIMPLE:
        return _SIMPLE[hint]
    if issubclass(hint, enum.Enum):
        return _Codec(lambda value: value.value, lambda told: _member(hint, told))
    assert is_dataclass(hint), f"{hint} is not for the bus"
    form = _form(hint)
    return _Codec(form.written, form.read)


_codec: Final[Callable[[Any], _Codec]] = cache(_make_codec)


def _or_nothing(codec: _Codec) -> _Codec:
    return _Codec(
        lambda value: None if value is None else codec.write(value),
        lambda told: None if told is None else codec.read(told),
    )


def _set_of(codec: _Codec) -> _Codec:
    # Sorted: the same fact has the same bytes.
    return _Codec(
        lambda value: sorted(map(codec.write, value)), lambda told: frozenset(map(codec.read, _checked(told, list)))
    )


def _list_of(codec: _Codec) -> _Codec:
    return _Codec(
        lambda value: list(map(codec.write, value)), lambda told: tuple(map(codec.read, _checked(told, list)))
    )


def _pair_of(codecs: list[_Codec]) -> _Codec:
    def read(told: object) -> tuple[Any, ...]:
        parts = _checked(told, list)
        if len(parts) != len(codecs):
            raise MessageUnreadable(f"{len(parts)} values stand where {len(codecs)} belong")
        return tuple(codec.read(part) for codec, part in zip(codecs, parts, strict=True))

    return _Codec(lambda value: [codec.write(part) for codec, part in zip(codecs, value, strict=True)], read)


def _bytes(told: object) -> bytes:
    try:
        return base64.b64decode(_checked(told, str), validate=True)
    except (binascii.Error, ValueError):
        raise MessageUnreadable("bytes are not base64") from None


def _member(kind: type[enum.Enum], told: object) -> enum.Enum:
    try:
        return kind(told)
    except ValueError:
        raise MessageUnreadable(f"there is no {kind.__name__} {str(told)[:40]!r}") from None


def _checked(told: object, kind: type[Any]) -> Any:  # Any: of that kind
    # A truth is a number for Python, not here.
    if type(told) is not kind:
        raise MessageUnreadable(f"{type(told).__name__} stands where {kind.__name__} belongs")
    return told


def _whole(told: object) -> int:
    number: int = _checked(told, int)
    if abs(number) > NUMBER_MOST:
        raise MessageUnreadable("a number is too large")
    return number


def _number(told: object) -> int:
    number = _whole(told)
    if number < 1:
        raise MessageUnreadable("facts are counted from 1")
    return number


def _same(value: Any) -> Any:
    return value


_SIMPLE: Final[Mapping[Any, _Codec]] = {
    str: _Codec(_same, lambda told: _checked(told, str)),
    int: _Codec(_same, _whole),
    bool: _Codec(_same, lambda told: _checked(told, bool)),
    bytes: _Codec(lambda value: base64.b64encode(value).decode(), _bytes),
    # Its device knows itself by its own spelling.
    Epid: _Codec(lambda value: value.written, lambda told: epid_of(_checked(told, str))),
}


# --- around all of it


_json: Final = json.JSONEncoder(separators=(",", ":")).encode
"""Made once: `json.dumps` makes one for each call that wants no spaces, which costs as much as the rest."""


def _written(node: NodeName, **said: object) -> bytes:
    data = _json({"v": VERSION, "node": node, **said}).encode()
    if len(data) > MESSAGE_BYTES:
        raise MessageTooLarge(f"{len(data)} bytes are more than {MESSAGE_BYTES}")
    return data


def _envelope(data: bytes) -> tuple[NodeName, dict[str, Any]]:
    if len(data) > MESSAGE_BYTES:
        raise MessageUnreadable(f"{len(data)} bytes are more than {MESSAGE_BYTES}")
    try:
        told = json.loads(data)
    except (ValueError, RecursionError):
        raise MessageUnreadable("it is not JSON") from None
    if not isinstance(told, dict):
        raise MessageUnreadable("it is no object")
    if told.get("v") != VERSION or type(told["v"]) is not int:
        raise MessageUnreadable(f"it has the version {str(told.get('v'))[:20]}, and this server knows {VERSION}")
    node = _of(told, "node", str)
    if not is_node_name(node):
        raise MessageUnreadable("it does not say which node it is of")
    return NodeName(node), told


def _of(told: Mapping[str, Any], name: str, kind: type[Any]) -> Any:
    return _checked(told.get(name), kind)
