"""Which text of a directory is an address of this server's people."""

import re
from typing import Final

from lyncpy.contracts.names import Aor, aor_of

LONGEST: Final = 254
"""Characters of an address; mail systems, which most addresses are shared with, take no more."""

_USER: Final = re.compile(r"[a-z0-9](?:[a-z0-9_.!~*'+$&=-]*[a-z0-9_!~*'+$&=-])?")
"""RFC 3261 §25.1 `user`, less what clients cannot have in a sign-in address."""


class BadEntry(Exception):
    """An entry of a directory cannot be used; the text says why, for an operator."""

    def __init__(self, reason: str, *, keeps: bool = False) -> None:
        """Keep the reason; `keeps` when the entry is a person's all the same (see `Skipped`)."""
        super().__init__(reason)
        self.reason = reason
        self.keeps = keeps


def address_of(text: str, domain: str) -> Aor:
    """Read `sip:User@Domain` or `user@domain` as an address of this domain.

    Raises:
        BadEntry: It is none, or belongs to another domain.
    """
    aor = aor_of(text)
    user, _, host = aor[4:].rpartition("@")
    if len(aor) > LONGEST or not _USER.fullmatch(user):
        raise BadEntry(f'the address "{shown(text)}" is not of the form sip:user@domain')
    if host != domain.lower():
        raise BadEntry(f'the address "{shown(text)}" is not in the domain "{domain}" ([sip] domain)')
    return aor


def shown(text: str) -> str:
    """Give text for a sentence: one line, at most 80 characters, nothing that moves a terminal's cursor."""
    clean = "".join(character if character.isprintable() else "?" for character in text)
    return clean if len(clean) <= 80 else clean[:79] + "…"
