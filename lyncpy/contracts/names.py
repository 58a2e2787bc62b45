"""Names that mean the same in every process; text with a meaning has a type here.

Here, and nowhere else, text becomes a name, by one rule for each kind. A name is compared with
`==`, never again by its letters.

| Name | Case of its letters | Why |
|---|---|---|
| address | the same | `lyncpy.sip.uri` has the whole rule: RFC 3261 §19.1.4, and Lync for the user part |
| epid | the same, told back as its device wrote it | [MS-SIPREGE] 2.2.1: a device repeats its own letters; two spellings are one device |
| instance | the same | RFC 5626 §4.1 and RFC 4122 §3: URNs of UUIDs are equivalent in either case; written in lower case |
| conference id | the same, told as it was made | [MS-CONFPRO] 2.2.3.1; people read them to each other |
| tag, Call-ID, GRUU token | different | RFC 3261 §8.1.1.4 for Call-IDs; whoever made one gets the same letters back, and clients compare them so |
| number of a contact group | has none | a decimal number; zeros before it say nothing |
| key of a directory entry | the same | entryUUID, ipaUniqueID and objectGUID are UUIDs; a DN, where there is no better, is compared as RFC 4514 says |
"""

import uuid
from collections.abc import Callable
from typing import Final, NewType, cast

from lyncpy.sip.grammar import remembered
from lyncpy.sip.uri import Uri, address_of_record, lowered, normal_host

Aor = NewType("Aor", str)
"""An address-of-record in its normal form: `sip:user@domain`, lower case, no parameters. Made by `aor_of`."""

EPID_LONGEST: Final = 16
"""Characters ([MS-SIPREGE] 2.2.1)."""


class Epid(str):
    """The endpoint identifier a client chose for itself, in lower case. Made by `epid_of`."""

    __slots__ = ("written",)

    written: str
    """As the client writes it: it may know itself by no other spelling."""

    def __new__(cls, text: str) -> "Epid":
        """Make an id that keeps both spellings."""
        epid = super().__new__(cls, text.lower() if text.isascii() else lowered(text))
        epid.written = text
        return epid


Instance = NewType("Instance", str)
"""The UUID of `+sip.instance`: 36 characters, lower case, no `urn:uuid:`. Made by `instance_of`."""

FlowName = NewType("FlowName", str)
"""One client connection: `node/serial`."""

NodeName = NewType("NodeName", str)
"""One server process, new at each start."""


def node_of(flow: FlowName) -> NodeName:
    """Give the node that has a connection."""
    return NodeName(flow.partition("/")[0])


ConferenceId = NewType("ConferenceId", str)
"""The identifier of a conference in its focus URI, as whoever made it spelt it; see `same_conference`."""

Version = NewType("Version", int)
"""The version of a stored record or a publication; 0 means that there is none."""


aor_of: Final = cast("Callable[[str], Aor]", address_of_record)
"""Normalises `user@domain` or `SIP:User@Domain;x=y` to an address-of-record.

The text is not validated: what is no address equals none; a caller that needs validity parses a `Uri`. It is the very
function, since it is asked for each name of a list.
"""


def named_by(uri: Uri) -> Aor:
    """Give the address-of-record that a URI names, which knows its normal form."""
    return Aor(uri.aor)


def bare(aor: str) -> str:
    """Give an address-of-record without its scheme, as list documents write it."""
    return aor[4:] if aor[:4].lower() == "sip:" else aor


def listed(address: str) -> str:
    """Give an address as lists write it from which clients copy: `&` as an escape, which is the same address.

    COMPAT pidgin-sipe 1.25: it copies addresses into XML without escaping them; a plain `&` of one contact would
    make the server refuse the subscription to all.
    """
    return address.replace("&", "%26") if "&" in address else address


def kept_aor(text: str) -> Aor:
    """Read an address back from where it was stored, character for character, for a record whose other parts name it so too."""
    return Aor(text)


def domain_of(text: str) -> str:
    """Normalise a domain or the host of a URI: lower case, no dot at the end."""
    return normal_host(text)


def is_below(name: str, domain: str) -> bool:
    """Tell whether a name is a domain or in it."""
    name, domain = domain_of(name), domain_of(domain)
    return name == domain or name.endswith(f".{domain}")


def epid_of(text: str) -> Epid:
    """Name an endpoint by what its client writes; the text is not judged, but longer than an epid it is cut."""
    return Epid(text[:EPID_LONGEST])


NO_EPID: Final = Epid("")


@remembered
def instance_of(text: str) -> Instance:
    """Read the value of `+sip.instance`, `<urn:uuid:…>` with or without its brackets and its prefix; "" if it is none."""
    bare_text = lowered(text.strip('"<> ')).removeprefix("urn:uuid:")
    try:
        return Instance(bare_text if str(uuid.UUID(bare_text)) == bare_text else "")
    except ValueError:
        return Instance("")


def conference_id_of(text: str) -> ConferenceId:
    """Name a conference; whether an id may look so is for the factory to say."""
    return ConferenceId(text)


def conference_key(id_: str) -> str:
    """Give the key that all spellings of a conference's id share."""
    return lowered(id_)


def same_conference(one: str, other: str) -> bool:
    """Tell whether two spellings are one conference's id."""
    return conference_key(one) == conference_key(other)
