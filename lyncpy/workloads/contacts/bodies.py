"""The documents of the contact list: reads SOAP requests, writes lists and deltas ([MS-SIP] 2.2.4).

The full list names contacts without `sip:`, a delta with it.
"""

import re
from collections.abc import Callable, Collection, Mapping
from typing import Final

from lyncpy.contracts.names import Aor, aor_of, listed
from lyncpy.sip.errors import RemoteProtocolError
from lyncpy.sip.markup import Element, child, escape, local, outer_xml, quote_attr, quote_attrs, text_of
from lyncpy.sip.soap import REQUEST_NS, write_envelope
from lyncpy.sip.uri import parse_address
from lyncpy.workloads.contacts.model import (
    AddGroup,
    Change,
    Contact,
    ContactGroup,
    ContactList,
    DeleteContact,
    DeleteGroup,
    Delta,
    ModifyGroup,
    SetContact,
)

CONTACTS_TYPE: Final = "application/vnd-microsoft-roaming-contacts+xml"
ACL_TYPE: Final = "application/vnd-microsoft-roaming-acls+xml"
EMPTY_ACL: Final = b'<ACLlist deltaNum="1"><userACL/></ACLlist>'
"""Nobody is refused by the list of rights that clients before 2007 kept; containers took its place."""

_LIST_NS: Final = "http://schemas.microsoft.com/2002/09/sip/contactlist"

_DELETED_GROUP: Final = re.compile(rb'<deletedGroup id="[0-9]+"/>')

TEXT_MAXIMUM: Final = 512
"""Letters of a name or an address; Lync's own columns end near here, and a list of a thousand stays sendable."""


def read_change(operation: Element) -> Change:
    """Read a change of the contact list.

    Args:
        operation: An element with one of the names in `OPERATIONS`.

    Raises:
        RemoteProtocolError: A part is missing or cannot be read.

    Spec: [MS-SIP] 2.2.4.2.
    """
    read = _CHANGES.get(local(operation))
    if read is None:
        raise RemoteProtocolError("no operation of the contact list")
    return read(operation)


_CHANGES: Final[Mapping[str, Callable[[Element], Change]]] = {
    "setContact": lambda operation: SetContact(
        aor=_address(operation),
        name=_alias(operation),
        groups=_ids(_text(operation, "groups")),
        subscribed=_text(operation, "subscribed").lower() not in ("false", "0"),
        external_uri=_text(operation, "externalURI"),
        extension=_extension(operation),
        is_trimmed=_is_trimmed(operation, "displayName"),
    ),
    "deleteContact": lambda operation: DeleteContact(_address(operation)),
    "addGroup": lambda operation: AddGroup(
        _name(operation), _text(operation, "externalURI"), _is_trimmed(operation, "name")
    ),
    "modifyGroup": lambda operation: ModifyGroup(
        _group_id(operation), _name(operation), _text(operation, "externalURI"), _is_trimmed(operation, "name")
    ),
    "deleteGroup": lambda operation: DeleteGroup(_group_id(operation)),
}

OPERATIONS: Final = tuple(_CHANGES)
"""The operations that `read_change` reads."""


def write_answer(delta: Delta) -> bytes:
    """Write the answer to addGroup: the group's id, without which the client forgets whom it was adding.

    Every other change is answered without a body. Client: the element has the request's name, not
    the name with "Response".
    """
    inner = "".join(f"<m:groupID>{group.id}</m:groupID>" for group in delta.added_groups)
    return write_envelope(f'<m:addGroup xmlns:m="{REQUEST_NS}">{inner}</m:addGroup>')


def write_list(contacts: ContactList) -> bytes:
    """Write the whole list ([MS-SIP] 2.2.4.1)."""
    groups = "".join(_group("group", group) for group in contacts.groups.values())
    people = "".join(_contacts("contact", contacts.contacts.values(), "sip:"))
    text = f'<contactList deltaNum="{contacts.delta_num}" xmlns="{_LIST_NS}">{groups}{people}</contactList>'
    return text.encode()


def write_delta(delta: Delta) -> bytes:
    """Write a delta, in the order that [MS-SIP] 3.7 gives and every client works through."""
    parts = [
        *(_group("addedGroup", group) for group in delta.added_groups),
        *(_group("modifiedGroup", group) for group in delta.modified_groups),
        *_contacts("addedContact", delta.added_contacts),
        *_contacts("modifiedContact", delta.modified_contacts),
        *(f'<deletedGroup id="{group}"/>' for group in delta.deleted_groups),
        *(f"<deletedContact uri={quote_attr(listed(aor))}/>" for aor in delta.deleted_contacts),
    ]
    head = f'<contactDelta deltaNum="{delta.number}" prevDeltaNum="{delta.previous}" xmlns="{_LIST_NS}">'
    return f"{head}{''.join(parts)}</contactDelta>".encode()


def without_deleted_groups(delta: bytes) -> bytes:
    """Remove the deleted groups from what `write_delta` wrote; the delta's numbers stay."""
    return _DELETED_GROUP.sub(b"", delta)


def _group(element: str, group: ContactGroup) -> str:
    return f'<{element} id="{group.id}" name={quote_attr(group.name)} externalURI={quote_attr(group.external_uri)}/>'


def _contacts(element: str, contacts: Collection[Contact], dropped: str = "") -> list[str]:
    """Write contacts as elements of this name; of their addresses, this scheme is dropped."""
    addresses = [one.aor.removeprefix(dropped) for one in contacts]
    if "&" in "".join(addresses):
        addresses = [listed(address) for address in addresses]
    uris = quote_attrs(addresses)
    names = quote_attrs([one.name for one in contacts])
    externals = quote_attrs([one.external_uri for one in contacts])
    # Most are in the same few groups.
    groups = {ids: " ".join(map(str, ids)) for ids in {one.groups for one in contacts}}
    return [
        f'<{element} uri={uri} name={name} groups="{groups[one.groups]}" subscribed="{"true" if one.subscribed else "false"}"'
        f" externalURI={external}{_extended(element, one.extension) if one.extension else '/>'}"
        for one, uri, name, external in zip(contacts, uris, names, externals, strict=True)
    ]


def _extended(element: str, extension: str) -> str:
    return f"><contactExtension>{extension}</contactExtension></{element}>"


def _text(operation: Element, name: str) -> str:
    text = text_of(child(operation, name)).strip()
    if len(text) > TEXT_MAXIMUM:
        raise RemoteProtocolError(f"{name} is longer than {TEXT_MAXIMUM} letters", 413)
    return text


def _is_trimmed(operation: Element, name: str) -> bool:
    text = text_of(child(operation, name))
    return text != text.strip()


def _address(operation: Element) -> Aor:
    """Read the address that a change is about: a SIP address with a user and a host."""
    text = _text(operation, "URI") or _text(operation, "uri")
    return aor_of(parse_address(text).aor)


def _alias(operation: Element) -> str:
    """Read the name that the user gave. Client: it sends the address when the user gave none."""
    name = _text(operation, "displayName")
    return "" if aor_of(name) == _address(operation) else name


def _name(operation: Element) -> str:
    """Read a group's name, which may not be empty: an empty one crashes a client."""
    name = _text(operation, "name")
    if not name:
        raise RemoteProtocolError("a group needs a name")
    return name


def _group_id(operation: Element) -> int:
    ids = _ids(_text(operation, "groupID"))
    if len(ids) != 1:
        raise RemoteProtocolError("exactly one groupID is needed")
    return ids[0]


def _ids(text: str) -> tuple[int, ...]:
    words = text.split()
    if not all(word.isascii() and word.isdigit() for word in words):
        raise RemoteProtocolError(f'group ids are numbers, not "{text[:80]}"')
    return tuple(map(int, words))


def _extension(operation: Element) -> str | None:
    """Give the content of contactExtension as text that can stand in another document."""
    extension = child(operation, "contactExtension")
    if extension is None:
        return None
    parts = [escape(extension.text or "")]
    for part in extension:
        parts += (outer_xml(part), escape(part.tail or ""))
    return "".join(parts).strip()
