"""Telephone numbers: what a tel URI says, or the user part of a SIP URI with `user=phone`, and when two say the same.

A number is *global* when it begins with + and its country's code (E.164), and *local* otherwise: then it means
something only where its `phone-context` says. The normal form has no visual separators, its parameters are in the order
that RFC 3966 §3 asks for, and letters are lower case, but for the A to F that some switches dial. Two numbers are the
same when their normal forms are equal (§5.4); one with an extension is another number than the one without.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from lyncpy.sip.errors import RemoteProtocolError
from lyncpy.sip.uri import Uri, lowered

LONGEST: Final = 256
"""Characters of a number with its parameters; of more, nobody could dial any."""

MOST_DIGITS: Final = 40
"""E.164 has 15; within an office there are numbers with a few more, and prefixes."""

_SEPARATORS: Final = str.maketrans("", "", "-.()")
_BLANKS: Final = dict.fromkeys((0x20, 0xA0, 0x2009, 0x202F))
"""Blank, no-break space, thin space, narrow no-break space."""

_GLOBAL: Final = re.compile(r"\+[0-9]+")
_LOCAL: Final = re.compile(r"[0-9A-F*#]+")
_EXTENSION: Final = re.compile(r"[0-9]+")
_DOMAIN: Final = re.compile(r"[a-z0-9](?:[a-z0-9.\-_+()]*[a-z0-9)])?")
"""A context that is no number; Lync's names of dial plans may have a few more signs than a domain."""

_PARAM: Final = re.compile(r"[a-z0-9\-]+")
_VALUE: Final = re.compile(r"[A-Za-z0-9\-_.!~*'()\[\]/:&+$%]*")
_ESCAPED: Final = re.compile(r"%([2-7][0-9A-Fa-f])")
_DIALLED: Final = re.compile(r"[A-Za-z0-9+*#\-.() /]+")
_LOOKS_GLOBAL: Final = re.compile(r"\+[0-9\-.()]+(?:;.*)?")


@dataclass(frozen=True, slots=True)
class TelephoneNumber:
    """A number in its normal form; equal to every number that is the same one."""

    digits: str
    """Of a global number "+" and digits; of a local one digits, `*`, `#` and A to F."""

    ext: str = ""
    """The extension behind the number; "": none."""

    context: str = ""
    """Where a local number means something: a domain, the name of a dial plan, or the beginning of a global number."""

    params: tuple[tuple[str, str], ...] = ()
    """All other parameters, by name."""

    @property
    def is_global(self) -> bool:
        """Whether it means the same everywhere."""
        return self.digits.startswith("+")

    @property
    def uri(self) -> str:
        """The tel URI."""
        return f"tel:{self}"

    def __str__(self) -> str:
        """Write it as in the user part of a SIP URI: the tel URI without its scheme."""
        named = (("ext", self.ext), ("phone-context", self.context))
        params = [(name, value) for name, value in named if value] + list(self.params)
        return self.digits + "".join(f";{name}={value}" if value else f";{name}" for name, value in params)


def parse_number(text: str) -> TelephoneNumber:
    """Read a number as it stands behind `tel:`, or before the @ of a SIP URI with its escapes undone.

    Raises:
        RemoteProtocolError: 400; it is none.

    Spec: RFC 3966 §3, §5.1.
    """
    if len(text) > LONGEST:
        raise RemoteProtocolError(f'a number of more than {LONGEST} characters: "{text[:80]}"')
    number, _, rest = text.partition(";")
    digits = number.translate(_SEPARATORS).upper()
    params = _params(rest.split(";") if rest else (), text)
    ext, context = params.pop("ext", "").translate(_SEPARATORS), _context(params.pop("phone-context", ""), text)
    is_global = _GLOBAL.fullmatch(digits) is not None
    if not (is_global or _LOCAL.fullmatch(digits)) or len(digits) > MOST_DIGITS:
        raise _no_number(text)
    if ext and (len(ext) > MOST_DIGITS or not _EXTENSION.fullmatch(ext)):
        raise RemoteProtocolError(f'an extension has digits alone: "{text[:80]}"')
    if is_global and context:
        raise RemoteProtocolError(f'a number with + means the same everywhere, and has no phone-context: "{text[:80]}"')
    return TelephoneNumber(digits, ext, context, tuple(sorted(params.items())))


def parse_line(text: str) -> TelephoneNumber:
    """Read the number of a person as operators and directories write it: a tel URI, or a global number with blanks.

    Raises:
        RemoteProtocolError: It is none, or means something in some place only.
    """
    dense = text.translate(_BLANKS)
    number = parse_number(dense[4:] if dense[:4].lower() == "tel:" else dense)
    if not number.is_global or number.params:
        raise RemoteProtocolError(f'"{text[:80]}" is not of the form tel:+14255550100 or tel:+14255550100;ext=100')
    return number


@dataclass(frozen=True, slots=True)
class Dialled:
    """What somebody has dialled: perhaps no number yet, but digits, or letters of keys, that a dial plan makes one of."""

    text: str
    """Without parameters, and otherwise as it came."""

    ext: str = ""
    context: str = ""
    """By whose dial plan, in lower case; "" for none."""


def dialled_in(uri: Uri) -> Dialled | None:
    """Give what a URI has somebody dial; None: it names somebody by address, as of `number_in`.

    Raises:
        RemoteProtocolError: 400; nobody could dial that.

    Spec: RFC 3261 §19.1.6; RFC 3966 §5.1.5.
    """
    text = _dialled_text(uri)
    return None if text is None else read_dialled(text)


def read_dialled(text: str) -> Dialled:
    """Read what somebody has dialled, with its parameters; raises as `dialled_in` does."""
    number, _, rest = text.partition(";")
    if len(text) > LONGEST or not _DIALLED.fullmatch(number):
        raise _no_number(text)
    params = _params(rest.split(";") if rest else (), text)
    ext = params.get("ext", "").translate(_SEPARATORS)
    if ext and not _EXTENSION.fullmatch(ext):
        raise _no_number(text)
    return Dialled(number, ext[:MOST_DIGITS], _context(params.get("phone-context", ""), text))


def _dialled_text(uri: Uri) -> str | None:
    user = _unescaped(uri.user or "")
    if uri.scheme == "tel":
        return ";".join([user, *_written(uri.params)])
    return user if lowered(uri.params.get("user", "")) == "phone" or _LOOKS_GLOBAL.fullmatch(user) else None


def _unescaped(text: str) -> str:
    return _ESCAPED.sub(lambda found: chr(int(found[1], 16)), text)


def number_in(uri: Uri) -> TelephoneNumber | None:
    """Give the number that a URI names; None: it names somebody by address.

    A SIP URI names a number when it says `user=phone`, and when its user part is one with +, as clients write them.

    Raises:
        RemoteProtocolError: 400; it says that it is a number, and is none.

    Spec: RFC 3261 §19.1.6.
    """
    text = _dialled_text(uri)
    return None if text is None else parse_number(text)


def _written(params: Mapping[str, str]) -> Iterable[str]:
    return (f"{name}={value}" if value else name for name, value in params.items())


def _params(parts: Iterable[str], text: str) -> dict[str, str]:
    """Read parameters; each stands once (RFC 3966 §3)."""
    params: dict[str, str] = {}
    for part in parts:
        name, _, value = part.partition("=")
        name = name.lower()
        if not _PARAM.fullmatch(name) or not _VALUE.fullmatch(value) or name in params:
            raise _no_number(text)
        params[name] = value if name in ("ext", "phone-context") else lowered(value)
    return params


def _context(value: str, text: str) -> str:
    """Give a context in its normal form: a global number without separators, or a name in lower case."""
    digits = value.translate(_SEPARATORS)
    if not value or _GLOBAL.fullmatch(digits):
        return digits
    name = lowered(value.removesuffix("."))
    if not _DOMAIN.fullmatch(name):
        raise _no_number(text)
    return name


def _no_number(text: str) -> RemoteProtocolError:
    return RemoteProtocolError(f'not a telephone number: "{text[:80]}"')
