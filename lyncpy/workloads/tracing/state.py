"""Changes of state as a trace tells them: facts of the bus in sentences."""

from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any, Final

from lyncpy.contracts.facts import (
    AccessChanged,
    BoardChanged,
    CertificatesRevoked,
    ConferenceChanged,
    ContactsChanged,
    EndpointArrived,
    EndpointGone,
    Fact,
    PersonChanged,
    SecretChanged,
    StateNoted,
)
from lyncpy.contracts.names import Aor, bare
from lyncpy.contracts.policy import Policy


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


def _conference(fact: ConferenceChanged) -> str:
    what = f"was made or changed, version {fact.version}" if fact.version else "was deleted"
    return f"a conference of {bare(fact.aor)} {what}"


def _noted(fact: StateNoted) -> str:
    return fact.words


def policy_words(aor: Aor, before: Policy, after: Policy) -> str:
    """Say how a user's policy has changed."""
    names = [one.name for one in fields(Policy) if one.name != "name"]
    values = [f"{name} = {new}" for name in names if (new := getattr(after, name)) != getattr(before, name)]
    is_another = f', before "{before.name}"' if after.name != before.name else ""
    return f'the policy of {bare(aor)} has changed: "{after.name}"{is_another}; {", ".join(values) or "all else is as before"}'


WORDS: Final[Mapping[type[Fact], Callable[[Any], str]]] = {  # Any: each its own kind
    EndpointArrived: _arrived,
    EndpointGone: _gone,
    PersonChanged: _person,
    SecretChanged: _secret,
    CertificatesRevoked: _certificates,
    BoardChanged: _board,
    AccessChanged: _access,
    ContactsChanged: _contacts,
    ConferenceChanged: _conference,
    StateNoted: _noted,
}
"""Kind of fact → its sentence. All of them but the last are about an address."""
