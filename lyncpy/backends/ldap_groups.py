"""What the attributes of an LDAP group mean. Pure, but for the pages of members that are asked for where one is missing.

A group names its members by DN (`member`, `uniqueMember`) or by login (`memberUid`). Which
of them are people or groups is not decided here: an answer that has only changes does not
know everybody.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from lyncpy.backends.ldap_conditions import Raw
from lyncpy.backends.ldap_mapping import Mapped
from lyncpy.contracts.addresses import LONGEST, BadDirectoryEntry, address_of
from lyncpy.contracts.directory import Group
from lyncpy.contracts.dn import place_of
from lyncpy.contracts.names import Aor, aor_of
from lyncpy.sip.text import one_line

FILTERS: Final = {
    "openldap": ("(objectClass=groupOfNames)", "(objectClass=groupOfUniqueNames)", "(objectClass=posixGroup)"),
    "activedirectory": ("(objectClass=group)",),
}

CLOSED: Final = "hideDLMembership"
"""Of a group whose members its directory tells administrators alone (Exchange's schema of Active Directory)."""

ATTRIBUTES: Final = (
    "displayName", "cn", "msRTCSIP-PrimaryUserAddress", "mail", "member", "uniqueMember", "memberUid", CLOSED,
)  # fmt: skip

NAME_LONGEST: Final = 200
"""Characters that are kept of a group's name; a client shows far fewer."""

_RANGE: Final = re.compile(r"member;range=([0-9]{1,9})-([0-9]{1,9}|\*)")
_BITS: Final = re.compile(r"#'[01]*'B$")
"""What `uniqueMember` may have after the DN (RFC 4517 §3.3.21)."""

MorePages = Callable[[str, str], Raw]
"""Reads an attribute of an entry, by DN and name."""


@dataclass(frozen=True, slots=True)
class GroupMapping:
    """How groups are read; keys are as those of people."""

    people: Mapped
    members_max: int

    def wanted(self) -> tuple[str, ...]:
        """Give the names of all attributes that are read."""
        return (*ATTRIBUTES, *self.people.key, *(one.name for one in self.people.hidden_when))

    def group(self, raw: Raw, dn: str, more: MorePages) -> Group:
        """Make a group of an entry.

        Args:
            raw: Its attributes.
            dn: Where it stands.
            more: Asks the server for the members that did not fit into its answer.

        Raises:
            BadEntry: It has no name, or more members than are allowed.
        """
        name = next(iter(_texts(raw, ("displayname", "cn"))), "")[:NAME_LONGEST]
        if not name:
            raise BadDirectoryEntry("the group has no name (displayName or cn)")
        members: set[str] = set()
        # Counted as they come: a server that repeats itself must come to an end too.
        for count, member in enumerate(self._members(raw, dn, more), 1):
            members.add(member)
            if count > self.members_max:
                raise BadDirectoryEntry(
                    f"the group has more than {self.members_max} members ([directory] group_members_max)"
                )
        aor = self._address(raw)
        mail = next((mail for mail in _texts(raw, ("mail",)) if "@" in mail and len(mail) <= LONGEST), "")
        return Group(
            self.people.key_of(raw, dn),
            name,
            aor,
            frozenset(members),
            dn,
            self.people.is_hidden(raw),
            "" if aor_of(mail) == aor else mail,
            _texts(raw, (CLOSED.lower(),))[:1] == ["TRUE"],
        )

    def _address(self, raw: Raw) -> Aor:
        """Give the first address in one of our domains; a group needs none, so that any other is as good as none."""
        for text in _texts(raw, ("msrtcsip-primaryuseraddress", "mail")):
            with suppress(BadDirectoryEntry):
                return address_of(text, self.people.domains)
        return Aor("")

    def _members(self, raw: Raw, dn: str, more: MorePages) -> Iterator[str]:
        for value in raw.get("uniquemember", ()):
            yield place_of(_BITS.sub("", _text(value)))
        for value in raw.get("memberuid", ()):
            yield f"uid:{_text(value).strip().lower()}"
        for value in self._paged(raw, dn, more):
            yield place_of(_text(value))

    def _paged(self, raw: Raw, dn: str, more: MorePages) -> Iterator[bytes]:
        """Give all values of `member`.

        Spec: [MS-ADTS] 3.1.1.3.1.3.3: Active Directory gives at most 1,500 values at once and
        says which by `member;range=0-1499`; the last piece ends with `*`.
        """
        yield from raw.get("member", ())
        following = _following(raw)
        yield from _piece(raw)
        while following is not None:
            piece = more(dn, f"member;range={following}-*")
            values = _piece(piece)
            if not values:
                return
            yield from values
            following = _following(piece)


def _piece(raw: Raw) -> Sequence[bytes]:
    return next((values for name, values in raw.items() if _RANGE.fullmatch(name)), ())


def _following(raw: Raw) -> int | None:
    """Give the number of the first value that is still missing."""
    for name in raw:
        match = _RANGE.fullmatch(name)
        if match is not None and match[2] != "*":
            return int(match[2]) + 1
    return None


def _texts(raw: Raw, names: Iterable[str]) -> list[str]:
    texts = (one_line(_text(value)) for name in names for value in raw.get(name, ()))
    return [text for text in texts if text]


def _text(value: bytes) -> str:
    return value.decode("utf-8", "replace")
