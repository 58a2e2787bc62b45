"""What the attributes of an LDAP entry mean: presets, and how a setting changes them. Pure.

A fact about a person has *sources*, tried in order; the first that has a value gives it.
A source is an attribute's name (`displayName`) or a template (`{givenName} {sn}`,
`sip:{uid}@example.com`). A person is disabled when one of some *conditions* holds:
`attribute` (it is there), `attribute=value`, `attribute!=value` (also when it is absent),
`attribute&bit`, and `!attribute` (it is absent).
"""

import re
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from lyncpy.backends.addresses import BadEntry, address_of, shown
from lyncpy.contracts.directory import Person, Phone
from lyncpy.contracts.names import aor_of, domain_of

Raw = Mapping[str, Sequence[bytes]]
"""An entry's attributes: lower-case names, values as they came."""

TEXT_LONGEST: Final = 500
"""Characters that are kept of one value; a client shows far fewer."""

VALUES_MOST: Final = 20
"""Values that are used of one attribute; nobody has more phones or names to sign in with."""


@dataclass(frozen=True, slots=True)
class Preset:
    """How one kind of directory is read when no setting says otherwise."""

    filters: tuple[str, ...]
    address: tuple[str, ...]
    key: tuple[str, ...]
    disabled_when: tuple[str, ...]
    attributes: Mapping[str, tuple[str, ...]]


_COMMON: Final[Mapping[str, tuple[str, ...]]] = {
    "display_name": ("displayName", "cn"),
    "given_name": ("givenName",),
    "surname": ("sn",),
    "mail": ("mail",),
    "title": ("title",),
    "office": ("physicalDeliveryOfficeName", "roomNumber"),
    "phone_work": ("telephoneNumber",),
    "phone_mobile": ("mobile",),
    "phone_home": ("homePhone",),
    "phone_other": ("otherTelephone", "ipPhone"),
    "line": ("msRTCSIP-Line",),
    "nt_hash": ("sambaNTPassword",),
}

PRESETS: Final[Mapping[str, Preset]] = MappingProxyType(
    {
        "openldap": Preset(
            filters=("(objectClass=inetOrgPerson)",),
            address=("msRTCSIP-PrimaryUserAddress", "mail"),
            key=("entryUUID",),
            # Of pwdAccountLockedTime only the value that an administrator sets: a lock that wrong
            # passwords cause would let anybody sign anybody out.
            disabled_when=("msRTCSIP-UserEnabled=FALSE", "userAccountControl&2", "pwdAccountLockedTime=000001010000Z"),
            attributes={
                **_COMMON,
                "company": ("company", "o"),
                "department": ("department", "departmentNumber", "ou"),
                "logins": ("uid", "sAMAccountName", "userPrincipalName"),
            },
        ),
        "activedirectory": Preset(
            filters=("(msRTCSIP-PrimaryUserAddress=*)",),
            address=("msRTCSIP-PrimaryUserAddress",),
            key=("objectGUID", "entryUUID"),
            disabled_when=("msRTCSIP-UserEnabled!=TRUE", "userAccountControl&2"),
            attributes={
                **_COMMON,
                "company": ("company",),
                "department": ("department",),
                "logins": ("sAMAccountName", "userPrincipalName"),
            },
        ),
    }
)


FIELDS: Final = frozenset({*_COMMON, "company", "department", "logins"})
"""What `[directory] attributes` may map."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where a fact comes from."""

    text: str
    names: tuple[str, ...]
    """Attributes, as written."""

    def values(self, raw: Raw, domain: str) -> list[str]:
        """Give the values, none when an attribute that it needs is absent.

        A template is filled once for each value of its first attribute.
        """
        if not self.text:
            return _texts(raw, self.names[0])
        if not self.names:
            return [self.text.replace("{domain}", domain)]
        found = [_texts(raw, name) for name in self.names]
        if not all(found):
            return []
        given = {name: values[0] for name, values in zip(self.names, found, strict=True)}
        return [self._filled({**given, self.names[0]: first, "domain": domain}) for first in found[0]]

    def _filled(self, given: Mapping[str, str]) -> str:
        return _PLACE.sub(lambda match: given[match[1]], self.text)


_PLACE: Final = re.compile(r"\{([A-Za-z][A-Za-z0-9.;-]*)\}")
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9.;-]*")
_CONDITION: Final = re.compile(r"(!?)([A-Za-z0-9][A-Za-z0-9.;-]*)(?:(=|!=|&)(.*))?")


def source(text: str) -> Source:
    """Read a source.

    Raises:
        ValueError: With what is wrong with it.
    """
    if "{" in text or "}" in text:
        names = tuple(dict.fromkeys(name for name in _PLACE.findall(text) if name != "domain"))
        if "{" in _PLACE.sub("", text) or "}" in _PLACE.sub("", text):
            raise ValueError(f'"{shown(text)}" is not a template: write attributes as {{name}}')
        return Source(text, names)
    if not _NAME.fullmatch(text):
        raise ValueError(f'"{shown(text)}" is neither an attribute\'s name nor a template with {{name}}')
    return Source("", (text,))


@dataclass(frozen=True, slots=True)
class Condition:
    """A circumstance under which a person is disabled."""

    name: str
    sign: str
    """"", "!", "=", "!=" or "&"."""

    value: str = ""

    def holds(self, raw: Raw) -> bool:
        """Tell whether it holds for an entry."""
        values = raw.get(self.name.lower(), ())
        match self.sign:
            case "":
                return bool(values)
            case "!":
                return not values
            case "&":
                return any(_number(value) & int(self.value) for value in values)
            case _:
                same = any(value.decode("utf-8", "replace").lower() == self.value.lower() for value in values)
                return same if self.sign == "=" else not same


def condition(text: str) -> Condition:
    """Read a condition.

    Raises:
        ValueError: With what is wrong with it.
    """
    match = _CONDITION.fullmatch(text.strip())
    if match is None or (match[1] and match[3]) or (match[3] == "&" and not match[4].strip().isdigit()):
        raise ValueError(
            f'"{shown(text)}" is not a condition: write "name", "!name", "name=value", "name!=value" or "name&bit"'
        )
    return Condition(match[2], match[1] or match[3] or "", (match[4] or "").strip())


@dataclass(frozen=True, slots=True)
class Mapped:
    """A whole mapping, ready to read entries."""

    domain: str
    address: tuple[Source, ...]
    key: tuple[str, ...]
    disabled_when: tuple[Condition, ...]
    attributes: Mapping[str, tuple[Source, ...]]

    def wanted(self) -> tuple[str, ...]:
        """Give the names of all attributes that are read."""
        sources = [*self.address, *(one for several in self.attributes.values() for one in several)]
        names = [name for one in sources for name in one.names]
        names += [one.name for one in self.disabled_when]
        return tuple({name.lower(): name for name in (*names, *self.key)}.values())

    def key_of(self, raw: Raw, dn: str) -> str:
        """Give the entry's stable key; the DN where the directory has no better one."""
        for name in self.key:
            values = raw.get(name.lower())
            if values:
                return _key(name, values[0])
        return dn.lower()

    def person(self, raw: Raw, dn: str) -> Person:
        """Read one entry.

        Raises:
            BadEntry: It has no address, one that cannot be used, or an attribute that
                cannot be read.
        """
        aor = address_of(self._address(raw), self.domain)
        return Person(
            aor=aor,
            key=self.key_of(raw, dn),
            enabled=not any(one.holds(raw) for one in self.disabled_when),
            display_name=self._first("display_name", raw),
            given_name=self._first("given_name", raw),
            surname=self._first("surname", raw),
            mail=self._first("mail", raw),
            title=self._first("title", raw),
            company=self._first("company", raw),
            department=self._first("department", raw),
            office=self._first("office", raw),
            phones=tuple(Phone(kind, number) for kind in _KINDS for number in self._all(f"phone_{kind}", raw)),
            line=self._first("line", raw),
            logins=self._all("logins", raw),
            nt_hash=self._nt_hash(raw),
            source=dn,
        )

    def _address(self, raw: Raw) -> str:
        """Give the address as text: of several the first in our domain."""
        ending = "@" + domain_of(self.domain)
        for one in self.address:
            values = one.values(raw, self.domain)
            if values:
                return next((value for value in values if aor_of(value).endswith(ending)), values[0])
        names = " or ".join(one.text or one.names[0] for one in self.address)
        raise BadEntry(f"it has no address ({names})")

    def _first(self, fact: str, raw: Raw) -> str:
        for one in self.attributes[fact]:
            values = one.values(raw, self.domain)
            if values:
                return values[0]
        return ""

    def _all(self, fact: str, raw: Raw) -> tuple[str, ...]:
        values = [value for one in self.attributes[fact] for value in one.values(raw, self.domain)]
        return tuple(dict.fromkeys(values))[:VALUES_MOST]

    def _nt_hash(self, raw: Raw) -> bytes | None:
        for one in self.attributes["nt_hash"]:
            values = raw.get(one.names[0].lower()) if one.names else None
            if values:
                return _hash(one.names[0], values[0])
        return None


_KINDS: Final = ("work", "mobile", "home", "other")


def mapped(
    preset: str,
    domain: str,
    address: Iterable[str],
    attributes: Mapping[str, Iterable[str]],
    disabled_when: Iterable[str] | None,
) -> Mapped:
    """Put together a preset and what settings say otherwise.

    Raises:
        ValueError: A source or condition that cannot be read, or an unknown fact.
    """
    known = PRESETS[preset]
    unknown = sorted(set(attributes) - FIELDS)
    if unknown:
        raise ValueError(f'unknown fact "{shown(unknown[0])}"; known are {", ".join(sorted(FIELDS))}')
    chosen = {**known.attributes, **attributes}
    return Mapped(
        domain=domain,
        address=tuple(map(source, tuple(address) or known.address)),
        key=known.key,
        disabled_when=tuple(map(condition, known.disabled_when if disabled_when is None else disabled_when)),
        attributes={fact: tuple(map(source, sources)) for fact, sources in chosen.items()},
    )


def _texts(raw: Raw, name: str) -> list[str]:
    """Give an attribute's values as text of one line each."""
    texts = []
    for value in raw.get(name.lower(), ())[:VALUES_MOST]:
        try:
            text = value.decode("utf-8")
        except UnicodeDecodeError:
            raise BadEntry(f'its attribute "{name}" cannot be read: it is not UTF-8 text', keeps=True) from None
        text = " ".join(text.split())
        if not text.isprintable():
            text = "".join(character for character in text if character.isprintable())
        if text:
            texts.append(text[:TEXT_LONGEST])
    return texts


def _key(name: str, value: bytes) -> str:
    """Give a key as text. Spec: [MS-DTYP] 2.3.4.2: a GUID's first three fields are little-endian."""
    if name.lower() == "objectguid" and len(value) == 16:
        return str(uuid.UUID(bytes_le=value))
    try:
        return value.decode("ascii").lower()
    except UnicodeDecodeError:
        return value.hex()


def _hash(name: str, value: bytes) -> bytes | None:
    """Read an NT hash: 16 bytes, or 32 hexadecimal digits. Never quotes it."""
    if len(value) == 16:
        return value
    # Samba writes this where an account has no password.
    if value.upper().startswith(b"NO PASSWORD") or not value.strip():
        return None
    try:
        digits = bytes.fromhex(value.decode("ascii"))
    except ValueError:
        digits = b""
    if len(digits) != 16:
        raise BadEntry(f'its attribute "{name}" cannot be read: it is not 32 hexadecimal digits', keeps=True)
    return digits


def _number(value: bytes) -> int:
    """Read a bit mask; what is no number has no bits. A negative one is two's complement, as AD writes them."""
    try:
        return int(value)
    except ValueError:
        return 0
