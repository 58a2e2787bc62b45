"""What Microsoft's servers write in their messages, as recorded, and what a message of ours lacks of it.

Each file of `tests/corpus/server` is one message, its values replaced by others. Of it count the names of its headers and
of their parameters, and those of the Request-URI; neither their order nor what else a message has. A file is
named for what it is the shape of: a method and an event, a status and what it answers, or a kind of messages.
"""

from collections.abc import Iterator, Set
from functools import cache, lru_cache
from pathlib import Path
from typing import Final

from lyncpy.sip.decoder import Decoder
from lyncpy.sip.headers import parse_auth, parse_name_addr, parse_via
from lyncpy.sip.message import Request, Response
from lyncpy.sip.uri import parse_uri

CORPUS: Final = Path(__file__).parents[1] / "corpus" / "server"

Message = Request | Response
Traits = frozenset[tuple[str, str]]
"""Pairs of a header and one of its parameters; "" for the header itself."""

_ADDRESSES: Final = frozenset({"from", "to", "contact"})
_SIGNATURE: Final = "authentication-info"
_OF_OLD: Final = frozenset({"application/pidf+xml", "application/xpidf+xml", "text/xml+msrtc.pidf"})


@cache
def shapes() -> dict[str, Traits]:
    """Give the traits of every recorded message, by name."""
    return {path.stem: _traits(_read(path)) for path in sorted(CORPUS.glob("*.sip"))}


def names_of(message: Message, *, signed: bool) -> tuple[str, ...]:
    """Give which recorded messages this one has to be like."""
    if isinstance(message, Request):
        return tuple(name for name in _of_request(message) if name in shapes())
    return tuple(name for name in _of_response(message, signed=signed) if name in shapes())


def lacks(message: Message, *, signed: bool) -> Set[tuple[str, str]]:
    """Give what recorded messages of its kind have and this one has not.

    Args:
        message: As a client got it.
        signed: Whether the client and the server have keys by which messages are signed.
    """
    own = _traits(message)
    wanted = {trait for name in names_of(message, signed=signed) for trait in shapes()[name]}
    if not signed:
        wanted = {trait for trait in wanted if trait[0] != _SIGNATURE}
    return wanted - own


def _of_request(request: Request) -> Iterator[str]:
    yield "request"
    # The last notification of a dialog says no more than that; a watcher from before 2007 knows no lists.
    if request.event and request.body and request.content_type not in _OF_OLD:
        yield f"{request.method}-{request.event}"
    if request.method == "MESSAGE" and "Ms-Sender" in request.headers:
        yield "MESSAGE-conference"


def _of_response(response: Response, *, signed: bool) -> Iterator[str]:
    method = response.cseq.method
    is_ours = "User-Agent" not in response.headers  # or it was passed on from another client
    if is_ours:
        yield "answer"
    if signed and response.status >= 200 and not (method == "REGISTER" and response.status != 200):
        yield "signed"
    if (
        is_ours
        and response.status >= 300
        and response.status != 401
        and "ms-diagnostics-public" not in response.headers
    ):
        yield "explained"
    if not (method == "REGISTER" and response.expires == 0):  # whoever signs out is told next to nothing
        yield f"{response.status}-{method}"
    if response.event and response.body:  # a dialog that ends is answered without a document
        listed = "-list" if response.content_type.startswith("multipart/") else ""
        yield f"{response.status}-{method}-{response.event}{listed}"


def _traits(message: Message) -> Traits:
    found: set[tuple[str, str]] = set()
    for name, value in message.headers:
        key = name.lower()
        found.add((key, ""))
        found.update(_of_header(key, value))
    if isinstance(message, Request):
        found |= {("request-uri", param) for param in parse_uri(message.uri).params}
    elif message.status < 200:
        found |= {("to", "tag")}  # which only a final answer has to have
    return frozenset(found)


@lru_cache(4_096)  # the addresses of a dialog stand in each of its messages
def _of_header(key: str, value: str) -> tuple[tuple[str, str], ...]:
    return tuple((key, param) for param in _params(key, value))


def _params(key: str, value: str) -> Iterator[str]:
    if key == "via":
        # Branches are the client's own affair, and some of its requests have none.
        yield from (param for param in parse_via(value).params if param not in ("branch", "rport"))
    elif key in _ADDRESSES and value != "*":
        address = parse_name_addr(value)
        yield from (param for param in address.params if param != "epid")
        if key == "contact":
            yield from parse_uri(address.uri).params
    elif key == _SIGNATURE or key == "www-authenticate":
        yield from parse_auth(value)[1]
    elif key.startswith("ms-diagnostics") or key in ("subscription-state", "presence-state", "ms-keep-alive"):
        yield from (part.partition("=")[0].strip().lower() for part in value.split(";")[1:])


def _read(path: Path) -> Message:
    (item,) = Decoder().feed(path.read_bytes())
    if not isinstance(item, Request | Response):
        raise AssertionError(f"{path.name} is no message")
    return item
