"""Changes of state as a trace tells them: facts of the bus in sentences."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from lyncpy.contracts.facts import (
    AccessChanged,
    BoardChanged,
    CertificatesRevoked,
    ContactsChanged,
    EndpointArrived,
    EndpointGone,
    Fact,
    PersonChanged,
    SecretChanged,
)
from lyncpy.contracts.names import bare


def _arrived(fact: EndpointArrived) -> str:
    return f"{bare(fact.aor)} signed in, device {fact.epid.written}, connection {fact.flow}"


def _gone(fact: EndpointGone) -> str:
    last = "; it was their last device" if fact.last else ""
    return f"{bare(fact.aor)} is signed in no more, device {fact.epid.written}: {fact.reason.value}{last}"


def _person(fact: PersonChanged) -> str:
    if not fact.is_known:
        moved = f"; who had it is {bare(fact.moved)} now" if fact.moved else ""
        return f"nobody has the address {bare(fact.aor)} any more{moved}"
    return f"what the directory says of {bare(fact.aor)} has changed" + (
        "" if fact.may_stay else "; they are locked out"
    )


def _secret(fact: SecretChanged) -> str:
    return f"the password of {bare(fact.aor)} was set or removed"


def _certificates(fact: CertificatesRevoked) -> str:
    return f"{len(fact.digests)} certificates of {bare(fact.aor)} were revoked"


def _board(fact: BoardChanged) -> str:
    by = f"by device {fact.by.written}" if fact.by is not None else "by the server"
    what = ", ".join(sorted(fact.categories)) or "who sees what"
    return f"presence of {bare(fact.aor)} changed {by}: {what}"


def _access(fact: AccessChanged) -> str:
    return f"who may see what of {bare(fact.aor)} is decided anew"


def _contacts(fact: ContactsChanged) -> str:
    return f"the contact list of {bare(fact.aor)} has changed, number {fact.delta_num}"


WORDS: Final[Mapping[type[Fact], Callable[[Any], str]]] = {  # Any: each its own kind
    EndpointArrived: _arrived,
    EndpointGone: _gone,
    PersonChanged: _person,
    SecretChanged: _secret,
    CertificatesRevoked: _certificates,
    BoardChanged: _board,
    AccessChanged: _access,
    ContactsChanged: _contacts,
}
"""Kind of fact → its sentence. All of them are about an address."""
