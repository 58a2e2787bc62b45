"""Typed views over header text: pure functions from a value to what it says.

Each takes one value as it came and raises `RemoteProtocolError` when it says nothing. The
message names the header; these functions do not know it.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final, NamedTuple

from lyncpy.sip.errors import RemoteProtocolError
from lyncpy.sip.grammar import (
    BLANKS,
    REMEMBERED_CHARACTERS,
    TOKEN,
    first_of_list,
    parse_params,
    quote,
    quoted_prefix,
    remembered,
    split_list,
    unquote,
)
from lyncpy.sip.uri import parse_host_port

__all__ = [
    "CSeq",
    "NameAddr",
    "Origin",
    "Via",
    "first_of_list",
    "parse_auth",
    "parse_contact_list",
    "parse_cseq",
    "parse_delta_seconds",
    "parse_name_addr",
    "parse_via",
    "quote",
    "split_list",
    "unquote",
    "uri_and_tag",
]

_NO_PARAMS: Final[Mapping[str, str]] = {}
_TAG: Final = re.compile(r";[ \t]*tag[ \t]*=[ \t]*([^;\s]*)", re.IGNORECASE)
_FORGED: Final = re.compile(r";[ \t]*(?:ms-)?received(?:-port|-cid)?[ \t]*(?:=[^;]*)?(?=;|$)", re.IGNORECASE)
_RPORT: Final = re.compile(r"(;[ \t]*rport)[ \t]*+(?:=[ \t]*+)?(?=;|$)", re.IGNORECASE)
_PARAM: Final = re.compile(r'(?<![A-Za-z-])(([A-Za-z-]++)=(?:"([^"\\]*+)"|([A-Za-z0-9]++))(?:, ?|$))')
_METHODS: Final = frozenset(
    {
        "ACK",
        "BENOTIFY",
        "BYE",
        "CANCEL",
        "INFO",
        "INVITE",
        "MESSAGE",
        "NOTIFY",
        "OPTIONS",
        "REGISTER",
        "SERVICE",
        "SUBSCRIBE",
    }
)
"""Those that come often."""

_CSEQ_LIMIT: Final = 2**31
_DELTA_LIMIT: Final = 2**32 - 1


class Via(NamedTuple):
    """One hop that a request took (RFC 3261 §20.42)."""

    protocol: str
    version: str
    transport: str
    """In capitals; clients write "tls" and "TLS"."""

    host: str
    port: int | None
    params: Mapping[str, str] = _NO_PARAMS

    @property
    def branch(self) -> str | None:
        """The transaction's name; None if there is none, as in all in-dialog requests of one client."""
        return self.params.get("branch")


class Origin:
    """Where the messages of one connection come from, as the Via of each is to say it.

    Attributes:
        address: The remote address; "" when it is not known.
        port: The remote port.
        cid: Names the connection.
    """

    __slots__ = ("_last", "_marked", "_marks", "address", "cid", "port")

    def __init__(self, address: str, port: int, cid: str) -> None:
        self.address = address
        self.port = port
        self.cid = cid
        self._marks = f";received={address};ms-received-port={port};ms-received-cid={cid}"
        self._last = self._marked = ""

    def on(self, line: str) -> str:
        """Write it on the first value of a Via line; a client's is mostly the same in all requests of a dialog."""
        if len(line) > REMEMBERED_CHARACTERS:
            return self._mark(line)
        if line != self._last:
            self._last, self._marked = line, self._mark(line)
        return self._marked

    def _mark(self, line: str) -> str:
        low = line.lower()
        if "received" in low or "rport" in low or "," in low or low[-1] in "; \t":
            return self._on_unusual(line)
        return line + self._marks

    def _on_unusual(self, line: str) -> str:
        name, _, values = line.partition(":")
        value, rest = first_of_list(values.strip(BLANKS))
        # One semicolon too many at the end is borne; a Via that is broken stays so, and is refused for it.
        value = value.rstrip(BLANKS).removesuffix(";").rstrip(BLANKS)
        value = _RPORT.sub(rf"\1={self.port}", _FORGED.sub("", value))
        return f"{name}: {value}{self._marks}" + (f", {rest}" if rest else "")


# Not frozen: that would make each of its fields four times as dear, and each request brings two that are its own.
@dataclass(init=False, slots=True)
class NameAddr:
    """A From, To, Contact, Route …: whom it names, and with what parameters (RFC 3261 §20.10). Nothing changes it."""

    display: str
    """Unquoted; "" if there is none."""

    uri: str
    """The exact text between `<` and `>`, or up to the first `;`: signatures need it as it appeared."""

    params: Mapping[str, str]
    """The header's parameters (not the URI's): lower-case names → values, unquoted."""

    tag: str | None = field(compare=False, repr=False)
    """The dialog tag."""

    epid: str | None = field(compare=False, repr=False)
    """The endpoint identifier ([MS-SIPREGE] 2.2.1)."""

    def __init__(self, display: str, uri: str, params: Mapping[str, str] = _NO_PARAMS) -> None:
        self.display = display
        self.uri = uri
        self.params = params
        # Asked for a dozen times in each message.
        self.tag = params.get("tag")
        self.epid = params.get("epid")

    def get(self, param: str) -> str | None:
        """Give a parameter's value; "" for a flag, None if there is none."""
        return self.params.get(param.lower())


class CSeq(NamedTuple):
    """A request's number and method (RFC 3261 §20.16)."""

    number: int
    method: str

    def __str__(self) -> str:
        return f"{self.number} {self.method}"


def parse_via(text: str) -> Via:
    """Read the first of the values of a Via field: `SIP/2.0/TLS host:port;branch=…`.

    Raises:
        RemoteProtocolError: It has no protocol, version, transport or host.
    """
    # The Vias of most clients have no branch, and those of a connection are all the same.
    return _read_via(text) if "branch" in text else _remembered_via(text)


def _read_via(text: str) -> Via:
    sent, semicolon, rest = first_of_list(text)[0].partition(";")
    return Via(*_sent(sent), _via_params(rest) if semicolon else _NO_PARAMS)


def _via_params(text: str) -> Mapping[str, str]:
    """Read the parameters of a Via: behind a branch, which comes first in nearly all, they are those of the connection."""
    branch, _, more = text.partition(";")
    name, _, value = branch.partition("=")
    if name != "branch" or '"' in text or value != value.strip(BLANKS):
        return parse_params(text)
    return {**_remembered_params(more), "branch": value}


def branch_and_sender(line: str) -> tuple[str, str] | None:
    """Give the branch and the sent-by, as `host:port`, of a whole Via line; None: it is not as nearly all are, see `parse_via`."""
    sent, mark, rest = line.partition(";branch=")
    branch, _, more = rest.partition(";")
    if not mark or not branch.isalnum() or "," in line or '"' in line or ";" in sent:
        return None
    try:
        _remembered_params(more)
        _, _, _, host, port = _sent(sent.partition(":")[2].strip(BLANKS))
    except RemoteProtocolError:
        return None
    return branch, f"{host}:{port or ''}"


_remembered_params: Final = remembered(parse_params)


_remembered_via: Final = remembered(_read_via)


@remembered
def _sent(text: str) -> tuple[str, str, str, str, int | None]:
    """Read what stands before the parameters of a Via: it is the same for all messages of a connection."""
    try:
        protocol, version, place = text.split("/", 2)
        transport, by = place.split(None, 1)
    except ValueError:
        raise RemoteProtocolError(f'not a Via: "{text[:80]}"') from None
    return protocol.strip(BLANKS), version.strip(BLANKS), transport.upper(), *parse_host_port(by.rstrip())


@remembered
def parse_name_addr(text: str) -> NameAddr:
    """Read `"Display" <uri>;params`, `Display <uri>`, `uri;params` or `*`.

    A display name needs no quotes here, whatever it holds: real clients send raw UTF-8.

    Raises:
        RemoteProtocolError: Quotes or brackets that do not close, text after the bracket,
            no URI, a blank in it, a bare URI with the question mark that brackets are for, or
            a second address: of two, two readers could take different ones.
    """
    text = text.strip(BLANKS)
    display = ""
    if text[:1] == '"':
        display, text = quoted_prefix(text)
        text = text.lstrip(BLANKS)
        if text[:1] != "<":
            raise RemoteProtocolError(f'no address after the display name: "{text[:80]}"')
    before, bracket, after = text.partition("<")
    if not bracket:
        uri, semicolon, rest = text.partition(";")
        uri = uri.rstrip(BLANKS)
        if "?" in uri or "," in uri:
            raise RemoteProtocolError(f'an address that needs brackets: "{text[:80]}"')
    else:
        uri, closed, rest = after.partition(">")
        uri, rest = uri.strip(BLANKS), rest.lstrip(BLANKS)
        semicolon = rest[:1]
        if not closed or (semicolon and semicolon != ";"):
            raise RemoteProtocolError(f'not an address: "{text[:80]}"')
        display, rest = display or before.rstrip(BLANKS), rest[1:]
    if not uri or " " in uri or "\t" in uri:
        raise RemoteProtocolError(f'not an address: "{text[:80]}"')
    if "," in rest and first_of_list(rest)[0] != rest.strip(BLANKS):
        raise RemoteProtocolError(f'more than one address: "{text[:80]}"')
    return NameAddr(display, uri, parse_params(rest) if semicolon else _NO_PARAMS)


@remembered
def uri_and_tag(text: str) -> tuple[str, str]:
    """Split a From or To value into its URI and its tag as they stand there, nothing unquoted: for signatures."""
    _, opened, rest = text.partition("<")
    if opened:
        uri, _, rest = rest.partition(">")
    else:
        uri, _, rest = text.partition(";")
        uri, rest = uri.strip(), ";" + rest
    found = _TAG.search(rest)
    return uri, found.group(1) if found else ""


def parse_contact_list(text: str) -> tuple[NameAddr, ...]:
    """Read a list of addresses: Contact, Route, Record-Route, P-Asserted-Identity.

    `*` is an address whose `uri` is "*".
    """
    return tuple(parse_name_addr(element) for element in split_list(text))


def parse_cseq(text: str) -> CSeq:
    """Read `number METHOD`.

    Raises:
        RemoteProtocolError: No number below 2**31, or no method.
    """
    digits, _, method = text.partition(" ")
    if method in _METHODS and len(digits) < 10 and digits.isascii() and digits.isdigit():  # as nearly all write it
        return CSeq(int(digits), method)
    words = text.split()
    if len(words) != 2 or not TOKEN.fullmatch(words[1]):
        raise RemoteProtocolError(f'not a CSeq: "{text[:80]}"')
    number = _number(words[0])
    if number is None or number >= _CSEQ_LIMIT:
        raise RemoteProtocolError(f'not a sequence number: "{words[0][:80]}"')
    return CSeq(number, words[1])


def parse_delta_seconds(text: str) -> int:
    """Read a number of seconds; more than 32 bits hold (136 years) is as much as they hold.

    Raises:
        RemoteProtocolError: Not a number.
    """
    number = _number(text.strip(BLANKS))
    if number is None:
        raise RemoteProtocolError(f'not a number of seconds: "{text[:80]}"')
    return min(number, _DELTA_LIMIT)


@lru_cache(
    maxsize=1
)  # who proves themselves is read by whoever chooses the scheme, by the scheme and by the association
def parse_auth(text: str) -> tuple[str, dict[str, str]]:
    """Read a challenge or credentials: `Scheme name="value", name=value`.

    Returns:
        The scheme as it came, and lower-case names → values, unquoted; shared, and not to be changed.

    Raises:
        RemoteProtocolError: No scheme, a quote that is not closed, or a name that comes
            twice: which of the two is signed must not be a matter of taste.
    """
    scheme, _, rest = text.strip(BLANKS).partition(" ")
    if not TOKEN.fullmatch(scheme):
        raise RemoteProtocolError("no authentication scheme")
    params = _usual_params(rest)
    if params is not None:
        return scheme, params
    params = {}
    for element in split_list(rest):
        name, _, value = element.partition("=")
        name = name.strip(BLANKS).lower()
        if name in params:
            raise RemoteProtocolError(f'authentication parameter "{name[:80]}" comes twice')
        params[name] = unquote(value.strip(BLANKS))
    return scheme, params


def _usual_params(text: str) -> dict[str, str] | None:
    """Read parameters that are written as nearly all are; None: they are not, or a name comes twice."""
    found = _PARAM.findall(text)
    # Nothing may stand between two of them.
    if sum([len(whole) for whole, _, _, _ in found]) != len(text):
        return None
    params = {name.lower(): quoted or bare for _, name, quoted, bare in found}
    return params if len(params) == len(found) else None


def _number(text: str) -> int | None:
    """Read an unsigned decimal number; None if it is none. Leading zeros count for nothing."""
    if not (text.isascii() and text.isdigit()):
        return None
    if len(text) > 20:
        text = text.lstrip("0") or "0"
    return int(text) if len(text) <= 20 else 10**20
