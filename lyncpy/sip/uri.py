"""Uri: what a sip, sips or tel URI says, when two say the same, and the one normal form of an address.

A parsed URI keeps no text: whoever needs the text as it came (signatures, forwarding)
keeps the text. GRUUs and service URIs are SIP URIs with the parameters `gruu` and `opaque`.

The normal form of an address, in which everything that is compared or stored is written:

- `sip:user@host`; a `sips:` URI names the same person. No port, no parameters, no headers.
- Escapes of what may stand in a user part without one are undone (RFC 3261 §19.1.4), also of
  `& = + $`, which separate nothing there (§25.1 `user-unreserved`). All others stay, so that
  `bob%40evil`, `bob%3Apassword` and `bob%00` are nobody's second name; so do those of `, ; ? /`,
  which hasty readers take for the end of the user part: raw ones become escapes.
- Letters of either case are the same, in the host (§19.1.4) and, as Lync has it, in the user
  part too. Only the letters A to Z have a case here: that of others depends on a language.
- What RFC 3261 allows nowhere in an address, like `ü`, is as its escaped UTF-8 bytes. A user
  part with a broken escape (`%zz`) is nobody's: it is left as it is, and equals no other.
- A host may end with a dot, which says nothing (§25.1 `hostname`). IDNs are written as their
  A-labels (`xn--…`), and IPv6 addresses compared as text: neither is a domain of people.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

from lyncpy.sip.errors import RemoteProtocolError
from lyncpy.sip.grammar import remembered
from lyncpy.sip.interned import interned

_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*")
# `_` is in no host name, but in those of many Windows machines.
_HOST: Final = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.\-]*)|\[[0-9A-Fa-f:.]+\]")
_FORBIDDEN: Final = re.compile(r"[\x00-\x20<>\"\x7f]")
_ESCAPED: Final = re.compile(r"%([0-9A-Fa-f]{2})")
_UNRESERVED: Final = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.!~*'()")
_PLAIN_IN_USER: Final = _UNRESERVED | frozenset("&=+$")
"""What the normal form writes plainly: `user` of RFC 3261 §25.1 without `, ; ? /`."""

_PLAIN_USER: Final = re.compile(r"[A-Za-z0-9\-_.!~*'()&=+$]+")
_PLAIN_HOST: Final = re.compile(r"[A-Za-z0-9\-_.]+|\[[A-Za-z0-9.:]+\]")
_NORMAL: Final = re.compile(r"sip:[a-z0-9\-_.!~*'()&=+$]++@(?:[a-z0-9_\-]++\.)*+[a-z0-9_\-]++")
_BROKEN_ESCAPE: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")
_PART_OF_USER: Final = re.compile(r"%([0-9A-Fa-f]{2})|[^:]", re.DOTALL)
_NOT_PLAIN: Final = re.compile(r"[^A-Za-z0-9\-_.:\[\]+*#%]", re.DOTALL)
_NOT_PLAIN_IN_HOST: Final = re.compile(r"[^A-Za-z0-9\-_.+*#%]", re.DOTALL)
_ENDS_HOST: Final = re.compile(r"[;?]")
_PORT: Final = re.compile(r":[0-9]{1,5}$")
_ASCII_LOWER: Final = {ord(c): ord(c) + 32 for c in "ABCDEFGHIJKLMNOPQRSTUVWXYZ"}
_VISUAL: Final = str.maketrans("", "", "-.()")


@dataclass(frozen=True)
class Uri:
    """A sip, sips or tel URI."""

    scheme: str
    """ "sip", "sips" or "tel"."""

    user: str | None
    """As it came, with its escapes and with a password if it has one; of a tel URI the number."""

    host: str
    """As it came; "" in a tel URI."""

    port: int | None = None
    params: Mapping[str, str] = field(default_factory=dict)
    """Lower-case names → values as they came, in order; "" for a flag."""

    headers: str = ""
    """What follows the question mark, as it came."""

    @cached_property
    def aor(self) -> str:
        """The address-of-record in its normal form (see the module): `sip:user@host`, or `tel:` and a number."""
        if self.scheme == "tel":
            return _normal_number(self.user or "")
        if self.user is None:
            return f"sip:{normal_host(self.host)}"
        text = f"sip:{self.user}@{self.host}"
        return text if _NORMAL.fullmatch(text) else f"sip:{_normal_user(self.user)}@{normal_host(self.host)}"

    @cached_property
    def opaque(self) -> str:
        """The `opaque` parameter, no escapes left: which service or endpoint of the address is meant; "" if none."""
        opaque = self.params.get("opaque", "")
        return opaque if "%" not in opaque else _ESCAPED.sub(lambda found: chr(int(found[1], 16)), opaque)

    @property
    def is_gruu(self) -> bool:
        """Whether this names one endpoint or service, from anywhere ([MS-SIPRE] 2.2.1)."""
        return "gruu" in self.params

    def param(self, name: str) -> str | None:
        """Give a parameter's value; "" for a flag, None if there is none."""
        return self.params.get(name.lower())

    def __str__(self) -> str:
        text = [self.scheme, ":"]
        if self.user is not None:
            text.append(self.user)
            if self.host:
                text.append("@")
        text.append(self.host)
        if self.port is not None:
            text.append(f":{self.port}")
        text.extend(f";{name}={value}" if value else f";{name}" for name, value in self.params.items())
        if self.headers:
            text.append("?" + self.headers)
        return "".join(text)

    def __hash__(self) -> int:
        return hash((self.scheme, self.user, self.host, self.port))


@remembered
def address_of_record(text: str) -> str:
    """Give the normal form of an address, however somebody wrote it: `user@domain`, `SIP:User@Domain;x=y`.

    Whatever the text, there is an answer: printable ASCII without blanks, quotes and angle
    brackets, whose own normal form it is. That of text that is no address equals no person's.
    """
    if _NORMAL.fullmatch(text):
        return text
    text = text.strip()
    scheme, colon, rest = text.partition(":")
    scheme = lowered(scheme)
    if colon and scheme == "tel":
        return _normal_number(rest.partition(";")[0])
    if not (colon and scheme in ("sip", "sips")):
        rest = text
    user, at, place = rest.partition("@")
    host = normal_host(_PORT.sub("", _ENDS_HOST.split(place if at else rest, maxsplit=1)[0]))
    return f"sip:{_normal_user(user)}@{host}" if at else f"sip:{host}"


@remembered
def normal_host(host: str) -> str:
    """Give the normal form of a host or domain, without a port: lower case, no dot at the end."""
    if host[-1:] == "." and host[-2:-1] not in ("", "."):
        host = host[:-1]
    # A colon that is left outside of brackets would be read as the beginning of a port the next time.
    return host.lower() if _PLAIN_HOST.fullmatch(host) else _NOT_PLAIN_IN_HOST.sub(_escape, lowered(host))


def lowered(text: str) -> str:
    """Give text with the letters A to Z in lower case. `str.lower` makes one of `K` (the Kelvin sign) and `k`."""
    return text.lower() if text.isascii() else text.translate(_ASCII_LOWER)


@remembered
def parse_uri(text: str) -> Uri:
    """Read a sip, sips or tel URI.

    Raises:
        RemoteProtocolError: 416 for another scheme, 400 for anything that is no URI.

    Spec: RFC 3261 §19.1.1, §25.1; RFC 3966 §3.
    """
    scheme, colon, rest = text.partition(":")
    scheme = scheme.lower()
    if not colon or not rest or _FORBIDDEN.search(text):
        raise RemoteProtocolError(f'not a URI: "{text[:80]}"')
    if scheme in ("sip", "sips"):
        return _parse_sip(scheme, rest, text)
    if scheme == "tel":
        number, _, params = rest.partition(";")
        return Uri("tel", number, "", None, _parse_uri_params(params))
    if _SCHEME.fullmatch(scheme):
        raise RemoteProtocolError(f'unsupported URI scheme "{scheme[:80]}"', 416)
    raise RemoteProtocolError(f'not a URI: "{text[:80]}"')


@remembered
def device_key(text: str) -> str:
    """Give the one spelling of a URI that names a device of a user, or the user; "" for any other URI.

    Two GRUUs name the same device when these are equal, however their parameters are ordered
    and their addresses are written. What comes after the question mark does not count.

    Spec: RFC 5627 §3.1; [MS-SIPRE] 2.2.2.
    """
    low = text.lower()
    if not low.startswith("sip:") or (";" in low and "opaque=user:epid:" not in low):
        return ""
    try:
        uri = parse_uri(text)
    except RemoteProtocolError:
        return ""
    if uri.user is None or uri.port is not None:
        return ""
    token = uri.opaque[len("user:epid:") :]
    return f"{uri.aor};opaque=user:epid:{token};gruu" if token else uri.aor


def _parse_sip(scheme: str, rest: str, text: str) -> Uri:
    user: str | None
    user, at, place = rest.partition("@")
    if not at:
        user, place = None, rest
    place, _, headers = place.partition("?")
    place, _, params = place.partition(";")
    host, port = parse_host_port(place)
    if user == "" or "@" in place or (user is not None and "%" in user and _BROKEN_ESCAPE.search(user)):
        raise RemoteProtocolError(f'not a URI: "{text[:80]}"')
    # There are few schemes and domains, and URIs of each device are kept.
    return Uri(interned(scheme), user, interned(host), port, _parse_uri_params(params) if params else {}, headers)


def parse_address(text: str) -> Uri:
    """Read the address of a person, with its scheme or without one: `user@domain` is as `sip:user@domain`.

    Raises:
        RemoteProtocolError: 400 for anything else.
    """
    text = text.strip()
    uri = parse_uri(text if lowered(text[:5]).startswith(("sip:", "sips:")) else f"sip:{text}")
    if not uri.user or not uri.host:
        raise RemoteProtocolError(f'not the address of a person: "{text[:80]}"')
    return uri


def parse_host_port(text: str) -> tuple[str, int | None]:
    """Read `host` or `host:port`, the host being a name, an IPv4 address or a bracketed IPv6 address.

    Raises:
        RemoteProtocolError: No such thing, or a port that does not exist.
    """
    host, port_text = text, ""
    colon = text.rfind(":")
    if colon > text.rfind("]"):
        host, port_text = text[:colon].rstrip(), text[colon + 1 :].lstrip()
        if not port_text:
            raise RemoteProtocolError(f'missing port in "{text[:80]}"')
    if len(host) > 255 or not _HOST.fullmatch(host):
        raise RemoteProtocolError(f'not a host: "{text[:80]}"')
    if not port_text:
        return host, None
    if len(port_text) > 5 or not (port_text.isascii() and port_text.isdigit()) or int(port_text) > 65535:
        raise RemoteProtocolError(f'not a port in "{text[:80]}"')
    return host, int(port_text)


def _parse_uri_params(text: str) -> dict[str, str]:
    params: dict[str, str] = {}
    for part in text.split(";"):
        name, _, value = part.partition("=")
        if name:
            params.setdefault(name.lower(), value)
    return params


def _normal_number(text: str) -> str:
    """Give a tel URI of a number without its visual separators (RFC 3966 §5)."""
    return "tel:" + _NOT_PLAIN.sub(_escape, lowered(text).translate(_VISUAL))


def _normal_user(user: str) -> str:
    """Give the normal form of a user part; a colon stays: what follows it is a password."""
    if _PLAIN_USER.fullmatch(user):
        return user.lower()
    if "%" in user and _BROKEN_ESCAPE.search(user):
        return _NOT_PLAIN.sub(_escape, lowered(user))
    return _PART_OF_USER.sub(_normal_part, user)


def _normal_part(found: re.Match[str]) -> str:
    if found[1] is None:
        return found[0].lower() if found[0] in _PLAIN_IN_USER else _escape(found)
    character = chr(int(found[1], 16))
    return character.lower() if character in _PLAIN_IN_USER else found[0].lower()


def _escape(found: re.Match[str]) -> str:
    """Write a character as escapes, their digits in lower case as all of the normal form."""
    return "".join(f"%{byte:02x}" for byte in found[0].encode("utf-8", "surrogatepass"))
