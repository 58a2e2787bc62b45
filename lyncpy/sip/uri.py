"""Uri: what a sip, sips or tel URI says, and when two say the same.

A parsed URI keeps no text: whoever needs the text as it came (signatures, forwarding)
keeps the text. GRUUs and service URIs are SIP URIs with the parameters `gruu` and `opaque`.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from lyncpy.sip.errors import RemoteProtocolError

_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*")
# `_` is in no host name, but in those of many Windows machines.
_HOST: Final = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.\-]*)|\[[0-9A-Fa-f:.]+\]")
_FORBIDDEN: Final = re.compile(r"[\x00-\x20<>\"\x7f]")
_ESCAPED: Final = re.compile(r"%([0-9A-Fa-f]{2})")
_UNRESERVED: Final = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.!~*'()")
_NEVER_IGNORED: Final = ("user", "ttl", "method", "maddr", "transport")
_VISUAL: Final = str.maketrans("", "", "-.()")


@dataclass(frozen=True, slots=True)
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

    @property
    def aor(self) -> str:
        """The address-of-record: `sip:user@host` in lower case, without port, parameters and needless escapes."""
        if self.scheme == "tel":
            return "tel:" + (self.user or "").translate(_VISUAL).lower()
        host = self.host.lower()
        return f"sip:{_unescaped(self.user).lower()}@{host}" if self.user is not None else f"sip:{host}"

    @property
    def opaque(self) -> str:
        """The `opaque` parameter: which service or endpoint of the address is meant; "" if none."""
        return self.params.get("opaque", "")

    @property
    def is_gruu(self) -> bool:
        """Whether this names one endpoint or service, from anywhere ([MS-SIPRE] 2.2.1)."""
        return "gruu" in self.params

    def param(self, name: str) -> str | None:
        """Give a parameter's value; "" for a flag, None if there is none."""
        return self.params.get(name.lower())

    def same_as(self, other: "Uri") -> bool:
        """Tell whether two URIs are equivalent. Not transitive.

        Spec: RFC 3261 §19.1.4; RFC 3966 §4 for tel.
        """
        if self.scheme == "tel" or other.scheme == "tel":
            return self.aor == other.aor and _lowered(self.params) == _lowered(other.params)
        return (
            self.scheme == other.scheme
            and self.host.lower() == other.host.lower()
            and self.port == other.port
            and (self.user is None) == (other.user is None)
            and _unescaped(self.user) == _unescaped(other.user)
            and _same_params(self.params, other.params)
            and _header_set(self.headers) == _header_set(other.headers)
        )

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
    if user == "" or "@" in place:
        raise RemoteProtocolError(f'not a URI: "{text[:80]}"')
    return Uri(scheme, user, host, port, _parse_uri_params(params) if params else {}, headers)


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


def _unescaped(text: str | None) -> str:
    """Undo the escapes that need not be there; the others get capital digits (RFC 3261 §19.1.4)."""
    if text is None or "%" not in text:
        return text or ""
    return _ESCAPED.sub(_unescape_one, text)


def _unescape_one(found: re.Match[str]) -> str:
    character = chr(int(found[1], 16))
    return character if character in _UNRESERVED else found[0].upper()


def _lowered(params: Mapping[str, str]) -> dict[str, str]:
    return {name: _unescaped(value).lower() for name, value in params.items()}


def _same_params(ours: Mapping[str, str], theirs: Mapping[str, str]) -> bool:
    mine, other = _lowered(ours), _lowered(theirs)
    if any(mine.get(name) != other.get(name) for name in _NEVER_IGNORED):
        return False
    return all(other[name] == value for name, value in mine.items() if name in other)


def _header_set(text: str) -> frozenset[tuple[str, str]]:
    pairs = (part.partition("=") for part in text.split("&") if part)
    return frozenset((_unescaped(name).lower(), _unescaped(value)) for name, _, value in pairs)
