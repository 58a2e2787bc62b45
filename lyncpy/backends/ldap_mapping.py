"""What the attributes of an LDAP entry mean: presets, and how a setting changes them. Pure.

A fact about a person has *sources*, tried in order; the first that has a value gives it.
A source is an attribute's name (`displayName`) or a template (`{givenName} {sn}`,
`sip:{uid}@example.com`). A person is disabled when one of some *conditions* holds:
`attribute` (it is there), `attribute=value` (one of its values is that), `attribute!=value`
(one is another, or it is absent), `attribute&bit`, `attribute~letters` (they are in it), and
`!attribute` (it is absent). When an account begins and ends is in `ldap_times`.

What takes rights away is read by itself and always counts; where it cannot be read, they are
taken away. Any other fact that cannot be read is left out, and the person is there without it.
"""

import re
import uuid
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal, Protocol

from lyncpy.backends.ldap_conditions import DisabledCondition, LeftOut, Raw, condition
from lyncpy.backends.ldap_hashes import read_hash
from lyncpy.backends.ldap_times import TimeAttribute, TimeForm, UnreadableTime, deadline, deadlines
from lyncpy.contracts.addresses import BadDirectoryEntry, address_of, any_address_of
from lyncpy.contracts.directory import Moment, Person, Phone
from lyncpy.contracts.dn import place_of
from lyncpy.contracts.lines import line_of, telephony_of
from lyncpy.contracts.names import Aor, aor_of
from lyncpy.sip.text import one_line, shown

POLICY: Final = "pwdPolicySubentry"
"""What names the password policy of an entry; the server adds it (draft-behera-ldap-password-policy 5.3)."""

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
    since: tuple[str, ...]
    until: tuple[str, ...]
    must_change: tuple[str, ...]
    must_change_unless: tuple[str, ...]
    attributes: Mapping[str, tuple[str, ...]]
    hidden_when: tuple[str, ...] = ("msExchHideFromAddressLists=TRUE",)


_COMMON: Final[Mapping[str, tuple[str, ...]]] = {
    "display_name": ("displayName", "cn"),
    "given_name": ("givenName",),
    "surname": ("sn",),
    "mail": ("mail",),
    "other_mails": ("proxyAddresses", "mailAlternateAddress"),
    "title": ("title",),
    "manager": ("manager",),
    "office": ("physicalDeliveryOfficeName", "roomNumber"),
    "phone_work": ("telephoneNumber",),
    "phone_mobile": ("mobile",),
    "phone_home": ("homePhone",),
    "phone_other": ("otherTelephone", "ipPhone"),
    "line": ("msRTCSIP-Line",),
    "private_line": ("msRTCSIP-PrivateLine",),
    "telephony": ("msRTCSIP-OptionFlags",),
    "nt_hash": ("sambaNTPassword",),
    "password_set": ("pwdLastSet", "pwdChangedTime", "krbLastPwdChange", "pwdUpdateTime", "sambaPwdLastSet"),
}

# DONT_EXPIRE_PASSWORD and SMARTCARD_REQUIRED, with which no password ends, not even by pwdLastSet 0.
# Spec: [MS-ADTS] 3.1.1.4.5.17 (UF_PASSWORD_EXPIRED), 2.2.16.
_UNLESS: Final = ("userAccountControl&65536", "userAccountControl&262144")

PRESETS: Final[Mapping[str, Preset]] = MappingProxyType(
    {
        "openldap": Preset(
            filters=("(objectClass=inetOrgPerson)",),
            address=("msRTCSIP-PrimaryUserAddress", "mail"),
            # 389 Directory Server has had entryUUID since 2.0, and FreeIPA may show nothing but its own.
            key=("entryUUID", "ipaUniqueID", "nsUniqueId"),
            # Of pwdAccountLockedTime only the value that an administrator sets: a lock that wrong
            # passwords cause would let anybody sign anybody out.
            disabled_when=(
                "msRTCSIP-UserEnabled=FALSE",
                "userAccountControl&2",
                "pwdAccountLockedTime=000001010000Z",
                "pwdAccountLockedTime=00000101000000Z",
                "nsAccountLock=TRUE",
                "sambaAcctFlags~D",
            ),
            since=("pwdStartTime:time",),
            until=(
                "accountExpires:filetime",
                "shadowExpire:days",
                "sambaKickoffTime:seconds",
                "krbPrincipalExpiration:time",
                "pwdEndTime:time",
                "shadowLastChange+shadowMax+shadowInactive:lastday",
            ),
            must_change=(
                "pwdReset=TRUE",
                "pwdLastSet=0",
                "sambaPwdLastSet=0",
                "sambaPwdMustChange:seconds",
                "shadowLastChange=0",
                "shadowLastChange+shadowMax:lastday",
                "pwdChangedTime+pwdMaxAge:age",
                "krbPasswordExpiration:time",
                "passwordExpirationTime:time",
                # 389 Directory Server writes this when an administrator has set the password; of Kerberos it is never.
                "passwordExpirationTime=19700101000000Z",
            ),
            must_change_unless=_UNLESS,
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
            disabled_when=("msRTCSIP-UserEnabled!=TRUE", "userAccountControl&2", "msDS-UserAccountDisabled=TRUE"),
            since=(),
            until=("accountExpires:filetime",),
            # The computed flag says that the password's age has ended it ([MS-ADTS] 3.1.1.4.5.17), the computed time when
            # it will: no entry changes then. AD LDS has a flag of its own for the former.
            must_change=(
                "pwdLastSet=0",
                "msDS-User-Account-Control-Computed&8388608",
                "msDS-UserPasswordExpired=TRUE",
                "msDS-UserPasswordExpiryTimeComputed:filetime",
            ),
            must_change_unless=(*_UNLESS, "msDS-UserDontExpirePassword=TRUE"),
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
class AttributeSource:
    """Where a fact comes from."""

    text: str
    names: tuple[str, ...]
    """Attributes, as written."""

    def values(self, raw: Raw, domain: str, left_out: LeftOut) -> list[str]:
        """Give the values, none when an attribute that it needs is absent or cannot be read.

        A template is filled once for each value of its first attribute.
        """
        if not self.text:
            return _texts(raw, self.names[0], left_out)
        if not self.names:
            return [self.text.replace("{domain}", domain)]
        found = [_texts(raw, name, left_out) for name in self.names]
        if not all(found):
            return []
        given = {name: values[0] for name, values in zip(self.names, found, strict=True)}
        return [self._filled({**given, self.names[0]: first, "domain": domain}) for first in found[0]]

    def _filled(self, given: Mapping[str, str]) -> str:
        return _PLACE.sub(lambda match: given[match[1]], self.text)


_PLACE: Final = re.compile(r"\{([A-Za-z][A-Za-z0-9.;-]*)\}")
_BRACE: Final = re.compile(r"[{}]")
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9.;-]*")


def source(text: str) -> AttributeSource:
    """Parse the text of a source.

    Raises:
        ValueError: With what is wrong with it.
    """
    if _BRACE.search(text):
        names = tuple(dict.fromkeys(name for name in _PLACE.findall(text) if name != "domain"))
        if _BRACE.search(_PLACE.sub("", text)):
            raise ValueError(f'"{shown(text)}" is not a template: write attributes as {{name}}')
        return AttributeSource(text, names)
    if not _NAME.fullmatch(text):
        raise ValueError(f'"{shown(text)}" is neither an attribute\'s name nor a template with {{name}}')
    return AttributeSource("", (text,))


@dataclass(frozen=True, slots=True)
class Mapped:
    """A whole mapping, ready to read entries."""

    domains: tuple[str, ...]
    """In their normal form; addresses that are made of logins are in the first."""

    address: tuple[AttributeSource, ...]
    key: tuple[str, ...]
    disabled_when: tuple[DisabledCondition, ...]
    since: tuple[TimeAttribute, ...]
    until: tuple[TimeAttribute, ...]
    must_change: tuple[DisabledCondition | TimeAttribute, ...]
    must_change_unless: tuple[DisabledCondition, ...]
    attributes: Mapping[str, tuple[AttributeSource, ...]]
    hidden_when: tuple[DisabledCondition, ...]
    contacts: bool
    """Whether entries without an address may be there to be found."""

    def wanted(self) -> tuple[str, ...]:
        """Give the names of all attributes that are read."""
        sources = [*self.address, *(one for several in self.attributes.values() for one in several)]
        names = [name for one in sources for name in one.names]
        for rule in (*self.disabled_when, *self._dates(), *self.must_change_unless, *self.hidden_when):
            names += [rule.name] if isinstance(rule, DisabledCondition) else rule.names
        names += [POLICY] if self.of_policy() else []
        names += ["objectClass"] if self.contacts else []
        return tuple({name.lower(): name for name in (*names, *self.key)}.values())

    def _dates(self) -> Sequence[DisabledCondition | TimeAttribute]:
        return (*self.since, *self.until, *self.must_change)

    def of_policy(self) -> Mapping[str, tuple[str, ...]]:
        """Give the attributes of a password policy by those of an entry to whose time they are added."""
        ages = [rule.names for rule in self._dates() if isinstance(rule, TimeAttribute) and rule.form is TimeForm.AGE]
        return {names[0]: names[1:] for names in ages}

    def key_of(self, raw: Raw, dn: str) -> str:
        """Give the entry's stable key; the DN where the directory has no better one."""
        for name in self.key:
            values = raw.get(name.lower())
            if values:
                return _key(name, values[0])
        return place_of(dn)

    def person(self, raw: Raw, dn: str, left_out: LeftOut = lambda reason: None) -> Person:
        """Make a person of an entry; `left_out` is called with each fact that could not be read.

        Raises:
            BadEntry: It has no address, or one that cannot be used.
        """
        barred, since, until = self._rights(raw, left_out)
        nt_hash, lock = read_hash([name for one in self.attributes["nt_hash"] for name in one.names[:1]], raw, left_out)
        barred = barred or lock
        contact = self._contact(raw)
        try:
            aor = contact or address_of(self._address(raw, left_out), self.domains)
        except BadDirectoryEntry as bad:
            # What takes rights away counts also where nothing else of the entry can be used.
            raise BadDirectoryEntry(bad.reason, barred) from None
        barred = barred or ("it is a contact, without an account here" if contact else "")

        def first(fact: str) -> str:
            return next(iter(self._all(fact, raw, left_out)), "")

        return Person(
            aor=aor,
            key=self.key_of(raw, dn),
            enabled=not barred,
            display_name=first("display_name"),
            given_name=first("given_name"),
            surname=first("surname"),
            mail=first("mail"),
            title=first("title"),
            company=first("company"),
            department=first("department"),
            office=first("office"),
            phones=tuple(
                Phone(kind, number) for kind in _KINDS for number in self._every(f"phone_{kind}", raw, left_out)
            ),
            line=line_of(first("line"), "line", left_out),
            private_line=line_of(first("private_line"), "private line", left_out),
            telephony=telephony_of(first("telephony"), left_out),
            logins=self._every("logins", raw, left_out),
            nt_hash=nt_hash,
            password_set=" ".join(self._every("password_set", raw, left_out)),
            source=dn,
            barred=barred,
            begins=since,
            until=until,
            must_change=self._must_change(raw, left_out),
            other_mails=tuple(map(_mail, filter(_is_mail, self._every("other_mails", raw, left_out)))),
            hidden=self.is_hidden(raw),
            is_contact=bool(contact),
            manager=place_of(first("manager")),
        )

    def is_hidden(self, raw: Raw) -> bool:
        """Tell whether nobody finds the person or group by searching."""
        return any(one.holds(raw) for one in self.hidden_when)

    def _contact(self, raw: Raw) -> Aor | None:
        """Give the address of somebody who is only there to be found: their own of another domain, else their mail; None for others."""
        if not self.contacts:
            return None
        mails = {name for one in self.attributes["mail"] for name in one.names}
        own = any(raw.get(name.lower()) for one in self.address for name in one.names if name not in mails)
        is_contact = any(value.lower() == b"contact" for value in raw.get("objectclass", ()))
        if (own and not is_contact) or (self._is_ours(raw) and (own or not is_contact)):
            return None
        sources = (*self.address, *self.attributes["mail"])
        for text in (text for one in sources for text in one.values(raw, self.domains[0], _ignored)):
            with suppress(BadDirectoryEntry):
                return any_address_of(text)
        return None

    def _is_ours(self, raw: Raw) -> bool:
        with suppress(BadDirectoryEntry):
            return bool(address_of(self._address(raw, _ignored), self.domains))
        return False

    def _rights(self, raw: Raw, left_out: LeftOut) -> tuple[str, Moment | None, Moment | None]:
        """Give what switches the person off, and from when to when they may sign in."""
        barred = next((one.text for one in self.disabled_when if one.holds(raw)), "")
        try:
            since = max((at for one in self.since for at in one.moments(raw)), key=_at, default=None)
            until = min((at for one in self.until for at in one.moments(raw)), key=_at, default=None)
        except UnreadableTime as error:
            # It may have been reached: who wrote it meant to take something away.
            left_out(str(error))
            return barred or str(error), None, None
        return barred, since, until

    def _must_change(self, raw: Raw, left_out: LeftOut) -> Moment | None:
        """Give from when on another password is needed: at once (the epoch) for a condition that holds."""
        if any(rule.holds(raw, doubtful=False) for rule in self.must_change_unless):
            return None
        found: list[Moment] = []
        for rule in self.must_change:
            try:
                if isinstance(rule, TimeAttribute):
                    found += rule.moments(raw)
                elif rule.holds(raw):
                    found.append(Moment(0.0, rule.text))
            except UnreadableTime as error:
                left_out(str(error))
                found.append(Moment(0.0, rule.text))
        return min(found, key=_at, default=None)

    def _address(self, raw: Raw, left_out: LeftOut) -> str:
        """Give the address as text: of several the first in one of our domains."""
        endings = tuple(f"@{domain}" for domain in self.domains)
        for one in self.address:
            texts = one.values(raw, self.domains[0], left_out)
            values = [text for text in texts if not _OTHER_KIND.match(text)]
            if values:
                return next((value for value in values if aor_of(value).endswith(endings)), values[0])
            unreadable = next((name for name in one.names if raw.get(name.lower())), "")
            # Another attribute's address would be another person's.
            if unreadable and not texts and all(raw.get(name.lower()) for name in one.names):
                raise BadDirectoryEntry(f'its address cannot be read: the attribute "{unreadable}" holds no text')
        names = " or ".join(one.text or one.names[0] for one in self.address)
        raise BadDirectoryEntry(f"it has no address ({names})")

    def _all(self, fact: str, raw: Raw, left_out: LeftOut) -> list[str]:
        """Give the values of the first source that has any."""
        found = (one.values(raw, self.domains[0], left_out) for one in self.attributes[fact])
        return next((values for values in found if values), [])

    def _every(self, fact: str, raw: Raw, left_out: LeftOut) -> tuple[str, ...]:
        """Give the values of all sources, each once."""
        values = [value for one in self.attributes[fact] for value in one.values(raw, self.domains[0], left_out)]
        return tuple(dict.fromkeys(values))[:VALUES_MOST]


def _at(moment: Moment) -> float:
    return moment.at


_OTHER_KIND: Final = re.compile(r"(?!sips?:)(?:[a-z]+|x[0-9]+):", re.IGNORECASE)
"""proxyAddresses has addresses of all kinds, each behind its name: `smtp:`, `SMTP:` for the first, `X500:`, `sip:`."""


def _ignored(_reason: str) -> None:
    """Ignore what cannot be read."""


def _is_mail(text: str) -> bool:
    return "@" in text and (":" not in text or text.lower().startswith("smtp:"))


def _mail(text: str) -> str:
    return text.rpartition(":")[2]


_KINDS: Final = ("work", "mobile", "home", "other")


class MappingOptions(Protocol):
    """What the settings say of the mapping; the section [directory] has them, and says what each means.

    What is None, or empty, or a fact that is not named, is as in the preset.
    """

    preset: Literal["openldap", "activedirectory"]
    address: tuple[str, ...]
    attributes: Mapping[str, tuple[str, ...]]
    disabled_when: tuple[str, ...] | None
    since: tuple[str, ...] | None
    until: tuple[str, ...] | None
    must_change: tuple[str, ...] | None
    must_change_unless: tuple[str, ...] | None
    hidden_when: tuple[str, ...] | None
    contact_filters: tuple[str, ...]


def mapped(options: MappingOptions, domains: tuple[str, ...]) -> Mapped:
    """Make a mapping of a preset and the settings that replace parts of it.

    Args:
        options: The preset, and what replaces parts of it.
        domains: Of the addresses, in their normal form; those that are made of logins are in the first.

    Raises:
        ValueError: A source or condition that cannot be read, or an unknown fact.
    """
    known, one = PRESETS[options.preset], options
    unknown = sorted(set(one.attributes) - FIELDS)
    if unknown:
        raise ValueError(f'unknown fact "{shown(unknown[0])}"; known are {", ".join(sorted(FIELDS))}')
    return Mapped(
        domains=domains,
        address=tuple(map(source, tuple(one.address) or known.address)),
        key=known.key,
        disabled_when=tuple(map(condition, _chosen(one.disabled_when, known.disabled_when))),
        since=deadlines(_chosen(one.since, known.since)),
        until=deadlines(_chosen(one.until, known.until)),
        must_change=tuple(
            deadline(text, zero_is_never=False) or condition(text)
            for text in _chosen(one.must_change, known.must_change)
        ),
        must_change_unless=tuple(map(condition, _chosen(one.must_change_unless, known.must_change_unless))),
        attributes={
            fact: tuple(map(source, sources)) for fact, sources in {**known.attributes, **one.attributes}.items()
        },
        hidden_when=tuple(map(condition, _chosen(one.hidden_when, known.hidden_when))),
        contacts=bool(one.contact_filters),
    )


def _chosen(setting: tuple[str, ...] | None, preset: tuple[str, ...]) -> tuple[str, ...]:
    """Give what replaces a part of a preset, which may be nothing at all, or that part."""
    return preset if setting is None else setting


def _texts(raw: Raw, name: str, left_out: LeftOut) -> list[str]:
    """Give an attribute's values as text of one line each, those that are text."""
    texts = []
    for value in raw.get(name.lower(), ())[:VALUES_MOST]:
        try:
            text = one_line(value.decode("utf-8"))
        except UnicodeDecodeError:
            left_out(f'its attribute "{name}" cannot be read: it is not UTF-8 text')
            continue
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
