"""Which text of a directory is an address of this server's people."""

import re
from typing import Final

from lyncpy.contracts.names import Aor, aor_of
from lyncpy.sip.text import shown

LONGEST: Final = 254
"""Characters of an address; mail systems, which most addresses are shared with, take no more."""

_USER: Final = re.compile(r"[a-z0-9\-_.!~*'()&=+$]+")
"""RFC 3261 §25.1 `user`, less what needs an escape in the normal form: clients cannot have that in a sign-in address."""

_ESCAPE: Final = re.compile(r"%[0-9a-f]{2}")


class BadDirectoryEntry(Exception):
    """An entry of a directory that cannot be used.

    Args:
        reason: Why, as a sentence for an operator.
        barred: What switches the person off all the same, as of `Person`; "": nothing does.
    """

    def __init__(self, reason: str, barred: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.barred = barred


def address_of(text: str, domains: tuple[str, ...]) -> Aor:
    """Read `sip:User@Domain` or `user@domain` as an address of one of these domains, which are in their normal form.

    Every user part that RFC 3261 allows is taken, but for the characters that need an escape,
    and `, ; ? /`, behind which clients take an address to end.

    Raises:
        BadDirectoryEntry: It is none, or belongs to another domain.
    """
    aor = any_address_of(text)
    if aor[4:].rpartition("@")[2] not in domains:
        several = f'in none of the domains "{", ".join(domains)}" ([sip] domain, domains)'
        where = several if len(domains) > 1 else f'not in the domain "{domains[0]}" ([sip] domain)'
        raise BadDirectoryEntry(f'the address "{shown(text)}" is {where}')
    return aor


def any_address_of(text: str) -> Aor:
    """Read an address of any domain, as `address_of` does.

    Raises:
        BadDirectoryEntry: It is none.
    """
    aor = aor_of(text)
    user, _, host = aor[4:].rpartition("@")
    if len(aor) > LONGEST or not aor.startswith("sip:") or not user or "%" in host:
        raise BadDirectoryEntry(f'the address "{shown(text)}" is not of the form sip:user@domain')
    if not _USER.fullmatch(user):
        raise BadDirectoryEntry(f'the address "{shown(text)}" is not of the form sip:user@domain: {_objection(user)}')
    return aor


def _objection(user: str) -> str:
    """Say what clients cannot have in the user part of an address, here in its normal form."""
    escapes = "".join(_ESCAPE.findall(user))
    if not escapes or "%" in _ESCAPE.sub("", user):
        return "a % stands only before two hexadecimal digits, and a : nowhere"
    characters = bytes.fromhex(escapes.replace("%", "")).decode("utf-8", "replace")
    found = " ".join(
        dict.fromkeys(one if one.isprintable() and one != " " else f"U+{ord(one):04X}" for one in characters)
    )
    return f"before the @ stand only letters A to Z, digits and - _ . ! ~ * ' ( ) & = + $, not {found}"
