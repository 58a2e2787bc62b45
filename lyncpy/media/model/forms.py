"""The messages between server and media engine: lines of JSON over a Unix socket. Pure.

A line has `n`, the number of the question that it asks or answers (0: an event), `k`, its kind, and the fields of
the class here that the kind stands for. What a line has beyond that is passed over, and what has a usual value may be left out, so that
server and engine may be of two releases that follow one another. Anything else than such a line ends the connection.
"""

import dataclasses
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

VERSION: Final = 1

LINE_MOST: Final = 65_536
"""Bytes of a line, without its end."""

LEGS_MOST: Final = 64
"""Legs of one call that can be said; an engine says how many it joins."""

CANDIDATES_MOST: Final = 64
CALLS_MOST: Final = 10_000

CLOCKS: Final[Mapping[str, int]] = {"PCMU": 8000, "PCMA": 8000, "G722": 8000, "opus": 48000}
"""Codecs by the names that SDP has for them, and the rate of their RTP clocks (RFC 3551 §6, RFC 7587)."""

DIGITS: Final = "0123456789*#ABCD"
"""What is dialled, by the numbers of its events (RFC 4733 §3.2)."""

_CALL: Final = re.compile(r"[A-Za-z0-9-]{1,64}")
_KEY: Final = re.compile(r"[A-Za-z0-9+/]{40}")
_CANDIDATE: Final = re.compile(
    r"[0-9A-Za-z+/]{1,32} [12] [A-Za-z-]{3,8} \d{1,10} [0-9A-Fa-f.:]{2,45} \d{1,5} typ [a-z]{4,5}[ -~]{0,160}"
)
_ADDRESS: Final = re.compile(r"[0-9A-Fa-f.:]{2,45}")
_ICE_WORD: Final = re.compile(r"[A-Za-z0-9+/=]{1,256}")


class FormError(Exception):
    """What the other side has said is no message; the text says why."""


@dataclass(frozen=True, slots=True)
class Codec:
    """A codec, and the payload type that stands for it on one leg."""

    name: str
    payload: int


@dataclass(frozen=True, slots=True)
class LegWish:
    """What one leg of a call is to be."""

    address: str
    """Of this machine, at which the leg is."""

    lowest: int
    highest: int
    """The ports that it may have."""

    ice: bool = False
    """Whether the other end is found by ICE in the clients' dialect ([MS-ICE2]); else it is where it says."""

    secure: bool = False
    """Whether its packets are SRTP, with AES_CM_128_HMAC_SHA1_80 and the keys that both ends say (RFC 4568)."""

    controlling: bool = False
    """Whether this end decides which pair of candidates is used: who has made the offer does."""


@dataclass(frozen=True, slots=True)
class LocalLeg:
    """What the engine has for a leg, for its other end to know."""

    address: str
    port: int
    """Of RTP; that of RTCP is `control_port`."""

    control_port: int
    user: str = ""
    password: str = field(default="", repr=False)
    candidates: tuple[str, ...] = ()
    """As the values of `a=candidate` have them (RFC 5245 §15.1)."""

    key: str = field(default="", repr=False)
    """Master key and salt of what the engine sends, in base64; empty: it is not encrypted."""


@dataclass(frozen=True, slots=True)
class RemoteLeg:
    """What the other end of a leg has said."""

    codec: Codec
    events: int = -1
    """The payload type of telephone-event; -1: there is none."""

    address: str = ""
    port: int = 0
    control_port: int = 0
    """0: the port behind that of RTP."""

    user: str = ""
    password: str = field(default="", repr=False)
    candidates: tuple[str, ...] = ()
    key: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class LegFigures:
    """What has passed one leg so far."""

    received: int = 0
    sent: int = 0
    lost: int = 0
    """Packets that did not come; their numbers are missing."""

    jitter_ms: float = 0.0
    """As of RFC 3550 §6.4.1."""


@dataclass(frozen=True, slots=True)
class MediaPing:
    """Asks whether the engine lives; answered by `Done`."""


@dataclass(frozen=True, slots=True)
class Allocate:
    """Begin a call; answered by `Allocated`."""

    call: str
    legs: tuple[LegWish, ...]


@dataclass(frozen=True, slots=True)
class Connect:
    """Say what the other end of a leg is, once for each leg; answered by `Done`."""

    call: str
    leg: int
    remote: RemoteLeg


@dataclass(frozen=True, slots=True)
class Measure:
    """Ask what has passed so far; answered by `Measured`."""

    call: str


@dataclass(frozen=True, slots=True)
class End:
    """End a call; answered by `Measured`, with what has passed."""

    call: str


@dataclass(frozen=True, slots=True)
class Done:
    """Answers what needs no more."""


@dataclass(frozen=True, slots=True)
class Allocated:
    """Answers `Allocate`."""

    legs: tuple[LocalLeg, ...]


@dataclass(frozen=True, slots=True)
class Measured:
    """Answers `Measure` and `End`: each leg, in order."""

    legs: tuple[LegFigures, ...]


@dataclass(frozen=True, slots=True)
class Declined:
    """Answers what cannot be done; the call is as it was before."""

    reason: str


@dataclass(frozen=True, slots=True)
class Ready:
    """The event that comes first: what the engine can do."""

    version: int
    calls_most: int
    codecs: tuple[str, ...]
    """Those that it decodes and encodes; any other passes if both legs have the same."""

    legs_most: int = 2


@dataclass(frozen=True, slots=True)
class Reached:
    """An event: ICE of a leg has found its other end."""

    call: str
    leg: int


@dataclass(frozen=True, slots=True)
class Digit:
    """An event: the other end of a leg has dialled a digit."""

    call: str
    leg: int
    digit: str


@dataclass(frozen=True, slots=True)
class Ended:
    """An event: the engine has ended a call by itself, and knows it no more."""

    call: str
    reason: str


Question = MediaPing | Allocate | Connect | Measure | End
Answer = Done | Allocated | Measured | Declined
Event = Ready | Reached | Digit | Ended
Message = Question | Answer | Event

Read = Callable[[object], Any]  # Any: each gives its own kind of value


def _number(lowest: int, highest: int) -> Read:
    def read(value: object) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not lowest <= value <= highest:
            raise FormError(f"a number from {lowest} to {highest} is expected")
        return value

    return read


def _real(value: object) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value <= 1e9:
        raise FormError("an amount is expected")
    return float(value)


def _truth(value: object) -> bool:
    if not isinstance(value, bool):
        raise FormError("true or false is expected")
    return value


def _text(most: int) -> Read:
    def read(value: object) -> str:
        if not isinstance(value, str) or len(value) > most or not value.isprintable():
            raise FormError(f"a text of at most {most} characters is expected")
        return value

    return read


def _fits(pattern: re.Pattern[str], what: str, *, may_be_empty: bool = False) -> Read:
    def read(value: object) -> str:
        if not isinstance(value, str) or not (pattern.fullmatch(value) or (may_be_empty and not value)):
            raise FormError(f"{what} is expected")
        return value

    return read


def _one_of(values: str | Mapping[str, int]) -> Read:
    def read(value: object) -> str:
        if not isinstance(value, str) or not value or value not in tuple(values):
            raise FormError(f"one of {', '.join(values)} is expected")
        return value

    return read


def _several(read_one: Read, most: int, least: int = 0) -> Read:
    def read(value: object) -> tuple[Any, ...]:  # Any: as above
        if not isinstance(value, list) or not least <= len(value) <= most:
            raise FormError(f"a list of {least} to {most} is expected")
        return tuple(map(read_one, value))

    return read


def _shape(made: type[Any], **reads: Read) -> Read:  # Any: as above
    usual = {one.name for one in dataclasses.fields(made) if one.default is not dataclasses.MISSING}

    def read(value: object) -> Any:  # Any: as above
        if not isinstance(value, dict):
            raise FormError("an object is expected")
        given = {}
        for name, read_one in reads.items():
            if name in value:
                try:
                    given[name] = read_one(value[name])
                except FormError as error:
                    raise FormError(f"{name}: {error}") from None
            elif name not in usual:
                raise FormError(f"{name} is missing")
        return made(**given)

    return read


_port: Final = _number(0, 65_535)
_open_port: Final = _number(1, 65_535)
_count: Final = _number(0, 2**53)
_call: Final = _fits(_CALL, "the name of a call")
_leg: Final = _number(0, LEGS_MOST - 1)
_key: Final = _fits(_KEY, "a key", may_be_empty=True)
_ice_word: Final = _fits(_ICE_WORD, "a word of ICE", may_be_empty=True)
_candidates: Final = _several(_fits(_CANDIDATE, "a candidate"), CANDIDATES_MOST)
_codec: Final = _shape(Codec, name=_one_of(CLOCKS), payload=_number(0, 127))
_wish: Final = _shape(
    LegWish,
    address=_fits(_ADDRESS, "an address"),
    lowest=_open_port,
    highest=_open_port,
    ice=_truth,
    secure=_truth,
    controlling=_truth,
)
_remote: Final = _shape(
    RemoteLeg,
    codec=_codec,
    events=_number(-1, 127),
    address=_fits(_ADDRESS, "an address", may_be_empty=True),
    port=_port,
    control_port=_port,
    user=_ice_word,
    password=_ice_word,
    candidates=_candidates,
    key=_key,
)
_local: Final = _shape(
    LocalLeg,
    address=_fits(_ADDRESS, "an address"),
    port=_open_port,
    control_port=_open_port,
    user=_ice_word,
    password=_ice_word,
    candidates=_candidates,
    key=_key,
)
_figures: Final = _shape(LegFigures, received=_count, sent=_count, lost=_count, jitter_ms=_real)

_KINDS: Final[Mapping[type[Message], tuple[str, Read]]] = {
    MediaPing: ("ping", _shape(MediaPing)),
    Allocate: ("allocate", _shape(Allocate, call=_call, legs=_several(_wish, LEGS_MOST, 2))),
    Connect: ("connect", _shape(Connect, call=_call, leg=_leg, remote=_remote)),
    Measure: ("measure", _shape(Measure, call=_call)),
    End: ("end", _shape(End, call=_call)),
    Done: ("done", _shape(Done)),
    Allocated: ("allocated", _shape(Allocated, legs=_several(_local, LEGS_MOST, 2))),
    Measured: ("measured", _shape(Measured, legs=_several(_figures, LEGS_MOST))),
    Declined: ("declined", _shape(Declined, reason=_text(500))),
    Ready: (
        "ready",
        _shape(
            Ready,
            version=_number(1, 1_000),
            calls_most=_number(1, CALLS_MOST),
            codecs=_several(_text(32), 32),
            legs_most=_number(2, LEGS_MOST),
        ),
    ),
    Reached: ("reached", _shape(Reached, call=_call, leg=_leg)),
    Digit: ("digit", _shape(Digit, call=_call, leg=_leg, digit=_one_of(DIGITS))),
    Ended: ("ended", _shape(Ended, call=_call, reason=_text(500))),
}
_READERS: Final = dict(_KINDS.values())
_number_of_question: Final = _number(0, 2**53)


def write(number: int, message: Message) -> bytes:
    """Write a message as a line, with its end.

    Args:
        number: Of the question; 0 for an event.
        message: What is said.
    """
    line = {"n": number, "k": _KINDS[type(message)][0], **dataclasses.asdict(message)}
    return json.dumps(line, separators=(",", ":")).encode("ascii") + b"\n"


def read(line: bytes) -> tuple[int, Message]:
    """Read a line, without its end; give the number of the question, 0 for an event, and what is said.

    Raises:
        FormError: It is no message.
    """
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        raise FormError("it is no JSON") from None
    if not isinstance(value, dict):
        raise FormError("an object is expected")
    kind = value.get("k")
    reader = _READERS.get(kind) if isinstance(kind, str) else None
    if reader is None:
        raise FormError("there is no such kind of message")
    number = _number_of_question(value.get("n", 0))
    message: Message = reader(value)
    return number, message


class Lines:
    """Takes lines out of what comes over a connection; keeps as much as one line may have."""

    __slots__ = ("_rest",)

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[bytes]:
        """Take what has come; give the lines that are whole now, without their ends.

        Raises:
            FormError: A line is too long.
        """
        *whole, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > LINE_MOST or any(len(one) > LINE_MOST for one in whole):
            raise FormError(f"a line has more than {LINE_MOST} bytes")
        return whole
