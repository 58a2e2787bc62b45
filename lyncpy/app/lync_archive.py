"""What people had on a Lync or Skype for Business server, read out of its own exports.

Two families of XML are read, at whatever namespace: that of dbimpexp and of `Export-CsUserData -LegacyFormat` (root HomedResources),
and that in the archives of `Export-CsUserData` (root DocItemSet, in the part DocItemSet.xml). The names of contact lists, groups and access
levels in them are known from tools that read and write them; whatever else is there is counted by its name and told, for
nobody has published what it means. Conferences are read where they stand as the columns of the server's database have them.
"""

import base64
import binascii
import codecs
import csv
import io
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from lyncpy.app.people_form import (
    FORM,
    ConferenceData,
    ContactData,
    GroupData,
    LevelData,
    MemberData,
    PeopleDocument,
    PersonData,
)
from lyncpy.contracts.names import aor_of, bare
from lyncpy.sip.errors import RemoteProtocolError
from lyncpy.sip.markup import Element, attr, read_xml

XML_BYTES: Final = 256 << 20
NODES: Final = 2_000_000
"""Of one file: the contact lists of some ten thousand people."""

PARTS: Final = 100
"""Files in an archive; Export-CsUserData writes two."""

TEXT: Final = 65_536
PART: Final = "DocItemSet.xml"

IN_PARTS: Final = "export fewer people at once (Export-CsUserData -UserFilter, dbimpexp /user:)"


class ArchiveUnusable(Exception):
    """A file is none that a Lync server has exported; the sentence says why."""


@dataclass(slots=True)
class LyncArchive:
    """What was found in a file."""

    people: dict[str, PersonData] = field(default_factory=dict)
    unknown: Counter[str] = field(default_factory=Counter)
    """What nobody here knows the meaning of, by its name: how often it is there."""

    unusable: list[str] = field(default_factory=list)
    """What is known, and cannot be used; sentences."""

    def document(self) -> PeopleDocument:
        """Give it in the form of `lyncpy import`."""
        return PeopleDocument(form=FORM, people=tuple(self.people.values()))


def is_archive(data: bytes) -> bool:
    """Tell whether a file may be an export of a Lync server: an archive, XML, or rows of its database."""
    head = data[:4096]
    return (
        head.startswith(b"PK\3\4") or _text(head).lstrip("\ufeff \t\r\n").startswith("<") or b"ExternalConfId" in head
    )


def read_archive(data: bytes) -> LyncArchive:
    """Read an export.

    Raises:
        ArchiveUnusable: It is none, or beyond the bounds.
    """
    if data.startswith(b"PK\3\4"):
        data = _unpacked(data)
    found = LyncArchive()
    text = _text(data).lstrip("\ufeff \t\r\n")
    if not text.startswith("<"):
        _rows(text, found)
        return found
    try:
        root = read_xml(text.encode(), max_bytes=XML_BYTES, max_nodes=NODES)
    except RemoteProtocolError as error:
        hint = f": {IN_PARTS}" if error.status == 413 else ""
        raise ArchiveUnusable(f"its XML cannot be read: {error}{hint}") from None
    if root.local == "HomedResources":
        for one in root:
            if one.local == "HomedResource":
                _take(one, attr(one, "UserAtHost"), found, is_legacy=True)
            else:
                _unknown(one, "HomedResources", found)
    elif root.local == "DocItemSet":
        for one in root:
            _item(one, found)
    else:
        raise ArchiveUnusable(f"its root is {root.local[:80]}, and HomedResources or DocItemSet was expected")
    return found


def _unpacked(data: bytes) -> bytes:
    """Give the XML in an archive, no more of it than is bounded whatever the archive says."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            parts = archive.infolist()
            if len(parts) > PARTS:
                raise ArchiveUnusable(f"the archive has more than {PARTS} parts")
            part = next((one for one in parts if one.filename.rpartition("/")[2].lower() == PART.lower()), None)
            if part is None:
                raise ArchiveUnusable(f"the archive has no {PART}")
            if part.flag_bits & 1:
                raise ArchiveUnusable(f"{PART} is encrypted")
            with archive.open(part) as file:
                unpacked = file.read(XML_BYTES + 1)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, ValueError, OSError) as error:
        raise ArchiveUnusable(f"the archive cannot be unpacked: {str(error)[:100]}") from None
    if len(unpacked) > XML_BYTES:
        raise ArchiveUnusable(f"{PART} is longer than {XML_BYTES >> 20} MiB: {IN_PARTS}")
    return unpacked


def _text(data: bytes) -> str:
    """Decode what dbimpexp writes in UTF-16, and others in UTF-8."""
    if data[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        return data.decode("utf-16", "replace")
    return data.decode("utf-8", "replace")


def _item(item: Element, found: LyncArchive) -> None:
    """Take one DocItem: whose it is stands in its name, urn:KIND:user@domain."""
    name = attr(item, "Name") or ""
    kind, _, owner = name.removeprefix("urn:").partition(":")
    resources = [one for one in item.walk() if one.local == "HomedResource"] if item.local == "DocItem" else []
    if not resources:
        found.unknown[f"{item.local} urn:{kind[:40]}" if kind else item.local] += 1
    for one in resources:
        _take(one, attr(one, "UserAtHost") or owner, found, is_legacy=False)


def _take(resource: Element, owner: str | None, found: LyncArchive, *, is_legacy: bool) -> None:
    if not owner or "@" not in owner or len(owner) > 512:
        found.unusable.append(f"{resource.local}: it does not say whose it is")
        return
    reader = _Resource(_address(owner), found, is_legacy=is_legacy)
    for one in resource:
        reader.take(one)
    before = found.people.get(reader.owner)
    found.people[reader.owner] = reader.person(before)


class _Resource:
    """Reads what one person had.

    Args:
        owner: Their address.
        found: Hears what is not known.
        is_legacy: Whether texts stand as they are, and not in base64.
    """

    def __init__(self, owner: str, found: LyncArchive, *, is_legacy: bool) -> None:
        self.owner = owner
        self._found = found
        self._is_legacy = is_legacy
        self._groups: list[GroupData] = []
        self._contacts: list[ContactData] = []
        self._levels: list[LevelData] = []
        self._conferences: list[ConferenceData] = []

    def take(self, part: Element) -> None:
        """Read one part of a HomedResource."""
        known = {
            "ContactGroups": ("ContactGroup", self._group),
            "Contacts": ("Contact", self._contact),
            "Containers": ("Container", self._level),
            "Conferences": ("Conference", self._conference),
        }
        if part.local not in known:
            _unknown(part, "HomedResource", self._found)
            return
        name, read = known[part.local]
        for one in part:
            if one.local == name:
                read(one)
            else:
                _unknown(one, part.local, self._found)

    def person(self, before: PersonData | None) -> PersonData:
        """Give what was read, behind what was read of the same person before."""
        old = before or PersonData(address=self.owner)
        return PersonData(
            address=self.owner,
            groups=(*old.groups, *self._groups),
            contacts=(*old.contacts, *self._contacts),
            levels=(*old.levels, *self._levels),
            conferences=(*old.conferences, *self._conferences),
        )

    def _group(self, one: Element) -> None:
        number = _number(attr(one, "Number"))
        name = self._value(attr(one, "DisplayName"))
        self._note_rest(one, ("Number", "DisplayName", "ExternalUri"))
        if number is None or not 1 <= number <= 1_000_000 or not name:
            self._unusable(f'the group "{name[:80]}"', "its number or its name is missing")
            return
        self._groups.append(GroupData(id=number, name=name, external=self._value(attr(one, "ExternalUri"))))

    def _contact(self, one: Element) -> None:
        buddy = (attr(one, "Buddy") or "").strip()
        self._note_rest(one, ("Buddy", "DisplayName", "Groups", "SubscribePresence"))
        if not 3 <= len(buddy) <= 512:
            self._unusable("a contact", "it does not say who it is")
            return
        address = f"tel:{buddy}" if buddy.startswith("+") and "@" not in buddy else buddy
        numbers = tuple(n for text in (attr(one, "Groups") or "").split()[:1000] if (n := _number(text)) is not None)
        subscribed = (attr(one, "SubscribePresence") or "1").lower() not in ("0", "false")
        name = self._value(attr(one, "DisplayName"))
        self._contacts.append(ContactData(address=address, name=name, groups=numbers, subscribed=subscribed))

    def _level(self, one: Element) -> None:
        number = _number(attr(one, "ContainerNumber"))
        self._note_rest(one, ("ContainerNumber",), with_children=False)
        members = []
        for member in one:
            who = (attr(member, "Member") or "").strip().lower()
            if member.local != "UserMember":
                _unknown(member, "Container", self._found)
            elif "@" not in who or len(who) > 512:
                self._unusable(f"a member of container {number}", "it does not say who it is")
            else:
                members.append(MemberData(kind="user", value=who))
        if number is None or not 1 <= number <= 65_534:
            self._unusable("a container", "it has no number")
        elif members:
            self._levels.append(LevelData(container=number, members=tuple(members[:10_000])))
            for left in members[10_000:]:
                self._unusable(f"the level {number} of {left.value}", "there are too many")

    def _conference(self, one: Element) -> None:
        row = dict(one.attributes)
        self._note_rest(one, tuple(_CONFERENCE))
        made = _conference(row, self._value)
        if isinstance(made, str):
            self._unusable("a conference", made)
        else:
            self._conferences.append(made)

    def _value(self, text: str | None) -> str:
        """Read a text: of the current family it is UTF-8 in base64, unless it is no base64."""
        if text is None or self._is_legacy:
            return (text or "")[:TEXT]
        try:
            return base64.b64decode(text, validate=True).decode("utf-8")[:TEXT]
        except (binascii.Error, ValueError):
            return text[:TEXT]

    def _note_rest(self, one: Element, known: Sequence[str], *, with_children: bool = True) -> None:
        """Count attributes and children that are not read."""
        for name, value in one.attributes:
            if name not in known and value:
                self._found.unknown[f"{one.local}@{name[:60]}"] += 1
        if with_children:
            for child in one:
                _unknown(child, one.local, self._found)

    def _unusable(self, what: str, why: str) -> None:
        self._found.unusable.append(f"{self.owner}: {what}: {why}")


_CONFERENCE: Final = ("ExternalConfId", "Title", "Description", "ExpiryTime", "Static")
"""The columns that are read of the table Conference."""


def _conference(row: Mapping[str, str], value: Callable[[str | None], str]) -> ConferenceData | str:
    """Make a conference of its columns, or say why not. Its passcode is kept hashed there; who organizes it sets another."""
    id_ = row.get("ExternalConfId", "").strip()
    if not id_ or len(id_) > 256:
        return "it has no ExternalConfId"
    expires: float | None = None
    text = row.get("ExpiryTime", "").strip()
    if text and text.upper() != "NULL":
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            return f'{id_}: ExpiryTime "{text[:40]}" is no time'
        expires = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
        if not 0 <= expires <= 2**40:
            return f'{id_}: ExpiryTime "{text[:40]}" is no time'
    static = row.get("Static", "").strip().lower() in ("1", "true")
    subject, description = (value(row.get(name)) for name in ("Title", "Description"))
    return ConferenceData(id=id_, subject=subject, text=description, expires=expires, static=static)


def _as_it_is(text: str | None) -> str:
    return (text or "")[:TEXT]


def _rows(text: str, found: LyncArchive) -> None:
    """Read rows of the table Conference, with the organizer's address in the column UserAtHost."""
    try:
        rows = csv.DictReader(io.StringIO(text), strict=True)
        names = [name.strip() for name in rows.fieldnames or ()]
        if not {"UserAtHost", "ExternalConfId"} <= set(names):
            raise ArchiveUnusable("it is neither XML nor rows with the columns UserAtHost and ExternalConfId")
        rows.fieldnames = names
        for row in rows:
            _row(
                {name: value for name, value in row.items() if isinstance(name, str) and isinstance(value, str)}, found
            )
    except csv.Error as error:
        raise ArchiveUnusable(f"its rows cannot be read: {error}") from None


def _row(row: Mapping[str, str], found: LyncArchive) -> None:
    owner = _address(row.get("UserAtHost", ""))
    made = _conference(row, _as_it_is)
    for name, value in row.items():
        if name not in (*_CONFERENCE, "UserAtHost") and value:
            found.unknown[f"Conference@{name[:60]}"] += 1
    if isinstance(made, str) or "@" not in owner or len(owner) > 512:
        why = made if isinstance(made, str) else "it does not say whose it is"
        found.unusable.append(f"{owner[:80] or 'somebody'}: a conference: {why}")
        return
    before = found.people.get(owner) or PersonData(address=owner)
    found.people[owner] = before.model_copy(update={"conferences": (*before.conferences, made)})


def _address(text: str) -> str:
    """Give an address as others write it; "" stays so."""
    return bare(aor_of(text.strip())) if text.strip() else ""


def _unknown(one: Element, where: str, found: LyncArchive) -> None:
    """Count what nobody here knows."""
    found.unknown[f"{where}/{one.local[:60]}"] += 1


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and text.isascii() and text.isdigit() and len(text) < 9 else None


def names(unknown: Mapping[str, int]) -> Iterator[str]:
    """Say what is not known, the most frequent first."""
    ordered: Iterable[tuple[str, int]] = sorted(unknown.items(), key=lambda one: (-one[1], one[0]))
    for name, count in ordered:
        yield f"{name}: {count} times"
