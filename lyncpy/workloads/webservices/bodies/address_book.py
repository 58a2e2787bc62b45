"""The address book web query: what is searched for, and who was found ([MS-ABS] names the attributes).

Client: a search is either one text, looked for in several attributes, or conditions on single ones that all have to hold.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final
from urllib.parse import quote

from lyncpy.contracts.directory import Group, Person, SearchCondition
from lyncpy.contracts.names import Aor, aor_of, bare
from lyncpy.contracts.photos import PhotoFacts
from lyncpy.sip.markup import Element, child, escape, text_of
from lyncpy.sip.namespaces import INSTANCE_NS
from lyncpy.sip.text import shown
from lyncpy.workloads.webservices.bodies.faults import write_answer
from lyncpy.workloads.webservices.model.refusal import ServiceRefused

RESULTS_MAXIMUM: Final = 100
"""Clients ask for no more, and nobody reads more."""

CONDITIONS_MAXIMUM: Final = 16
TEXT_LONGEST: Final = 256
_NAMES_MAXIMUM: Final = 64

_SERVICE_NS: Final = "DistributionListExpander"
_ARRAYS_NS: Final = "http://schemas.microsoft.com/2003/10/Serialization/Arrays"
_UNIVERSAL: Final = "8"
"""groupType of a group that gets mail and gives no rights ([MS-ADTS] 2.2.12)."""


ENTRY_NAMESPACES: Final = f' xmlns:i="{INSTANCE_NS}" xmlns:a="{_ARRAYS_NS}"'
"""Declarations that entries need around them."""

SEARCH: Final = "SearchAbEntry"

NAME_LONGEST: Final = 80
"""Of an operation's name, what is repeated."""


@dataclass(frozen=True, slots=True)
class AddressBookQuery:
    """What a client searches for: a text, or else conditions."""

    text: str
    conditions: tuple[SearchCondition, ...]
    most: int
    """Results, at most."""

    wanted: frozenset[str]
    """Attributes that it wants to know, in small letters; empty: all."""


def read_address_book_query(operation: Element) -> AddressBookQuery:
    """Read a SearchAbEntry.

    Raises:
        ServiceRefused: It is none, or searches for nothing: nobody asks for everybody.
    """
    if operation.local != SEARCH:
        # By its name in the log somebody may learn what a client asks here that nobody has recorded.
        name = shown(operation.local[:NAME_LONGEST])
        raise _bad(
            "this service searches the address book and says who is in a group; ask with SearchAbEntry, or with a"
            f" groupMailAddress, and not with {name}"
        )
    request = child(operation, "AbEntryRequest")
    if request is None:
        raise _bad("SearchAbEntry has no AbEntryRequest")
    basic, change = child(request, "BasicSearch"), child(request, "ChangeSearch")
    rows = () if change is None else tuple(change)
    if len(rows) > CONDITIONS_MAXIMUM:
        raise _bad(f"more than {CONDITIONS_MAXIMUM} conditions")
    text = "" if basic is None else _text(basic, "Value")
    conditions = tuple(SearchCondition(_text(row, "SearchOn"), _text(row, "Value")) for row in rows)
    typed = [text, *(condition.value for condition in conditions)]
    if any(len(one) > TEXT_LONGEST for one in typed):
        raise _bad(f"a text of more than {TEXT_LONGEST} letters")
    if not any(one.strip(" *") for one in typed):
        raise _bad("a search needs a text or a condition")
    metadata = child(request, "Metadata")
    names = () if metadata is None else _text(metadata, "ReturnList").lower().split(",")[:_NAMES_MAXIMUM]
    most = "" if metadata is None else _text(metadata, "MaxResultNum")
    return AddressBookQuery(text, conditions, _most(most), frozenset(name.strip() for name in names if name.strip()))


def _text(el: Element, name: str) -> str:
    return text_of(child(el, name)).strip()


def _most(text: str) -> int:
    if not text:
        return RESULTS_MAXIMUM
    if not (text.isascii() and text.isdigit()):
        raise _bad("MaxResultNum is no number")
    return max(1, min(int(text[:9]), RESULTS_MAXIMUM))


def _bad(reason: str) -> ServiceRefused:
    return ServiceRefused("s:Client", reason)


def _phones(kind: str) -> Callable[[Person], tuple[str, ...]]:
    return lambda person: tuple(phone.number for phone in person.phones if phone.kind == kind)


_TEXTS: Final[Mapping[str, Callable[[Person], str]]] = {
    "displayName": lambda person: person.display_name,
    "msRTCSIP-PrimaryUserAddress": lambda person: person.aor,
    "givenName": lambda person: person.given_name,
    "sn": lambda person: person.surname,
    "title": lambda person: person.title,
    "mail": lambda person: person.mail,
    "company": lambda person: person.company,
    "department": lambda person: person.department,
    "physicalDeliveryOfficeName": lambda person: person.office,
}
_NUMBERS: Final[Mapping[str, Callable[[Person], tuple[str, ...]]]] = {
    "telephoneNumber": _phones("work"),
    "mobile": _phones("mobile"),
    "homePhone": _phones("home"),
    "otherTelephone": _phones("other"),
}


_PHOTO_NAMES: Final = frozenset({"photorelpath", "photohash", "photosize"})
_PHOTO: Final = re.compile(r"([^/]+)\.([0-9a-f]{32})\.photo", re.IGNORECASE)


def wants_photos(wanted: frozenset[str]) -> bool:
    """Tell whether a client that wants these attributes wants to know of photos."""
    return not wanted or not wanted.isdisjoint(_PHOTO_NAMES)


def photo_path(aor: Aor, digest: str) -> str:
    """Write where a photo is, below the address of photos. It has the digest in it, so it never means another picture."""
    return f"{quote(bare(aor), safe='@')}.{digest}.photo"


def read_photo_path(path: str) -> tuple[Aor, str] | None:
    """Read whose photo is meant, and its digest, of a path without percent-encoding, in letters of either case; None when it is none."""
    match = _PHOTO.fullmatch(path)
    return None if match is None else (aor_of(match[1]), match[2].lower())


_OF_GROUPS: Final = frozenset({"displayname", "mail"})


def words_for_groups(query: AddressBookQuery) -> str:
    """Give the words by which groups are looked for, too; "" for none: the client shows none, or asks for what no group has."""
    if "grouptype" not in query.wanted or any(one.attribute.lower() not in _OF_GROUPS for one in query.conditions):
        return ""
    return query.text or " ".join(one.value for one in query.conditions)


def write_address_book_answer(
    people: Iterable[Person],
    wanted: frozenset[str],
    photos: Mapping[Aor, PhotoFacts] = MappingProxyType({}),
    groups: Iterable[Group] = (),
) -> bytes:
    """Write who and which groups were found, with the attributes that are wanted and known.

    Client: the address has to be there, with its scheme; numbers are a list of texts.
    """
    entries = "".join(_entry(person, wanted, photos.get(person.aor)) for person in people)
    entries += "".join(map(write_group, groups))
    return write_answer(
        f'<SearchAbEntryResponse xmlns="{_SERVICE_NS}"{ENTRY_NAMESPACES}>'
        f"<SearchAbEntryResult><Items>{entries}</Items></SearchAbEntryResult></SearchAbEntryResponse>"
    )


def _entry(person: Person, wanted: frozenset[str], photo: PhotoFacts | None) -> str:
    texts = {name: give(person) for name, give in _TEXTS.items() if not wanted or name.lower() in wanted}
    texts["msRTCSIP-PrimaryUserAddress"] = person.aor
    if photo is not None:
        texts["PhotoRelPath"] = photo_path(person.aor, photo.digest)
        texts["PhotoHash"], texts["PhotoSize"] = photo.digest, str(photo.size)
    numbers = {name: give(person) for name, give in _NUMBERS.items() if not wanted or name.lower() in wanted}
    return write_entry(texts, numbers)


def write_entry(texts: Mapping[str, str], numbers: Mapping[str, tuple[str, ...]]) -> str:
    """Write somebody or something found, by the names of its attributes: texts, and lists of texts; without what is empty."""
    written = [
        f'<Attribute><Name>{name}</Name><Value>{escape(value)}</Value><Values i:nil="true"/></Attribute>'
        for name, value in texts.items()
        if value
    ]
    written += [
        f"<Attribute><Name>{name}</Name><Values>{''.join(map(_number, values))}</Values></Attribute>"
        for name, values in numbers.items()
        if values
    ]
    return f"<AbEntry><Attributes>{''.join(written)}</Attributes></AbEntry>"


def write_group(group: Group) -> str:
    """Write a group; one without an address cannot be asked about, but is there all the same."""
    return write_entry({"displayName": group.name, "mail": group.mail or bare(group.aor), "groupType": _UNIVERSAL}, {})


def _number(text: str) -> str:
    return f"<a:string>{escape(text)}</a:string>"
