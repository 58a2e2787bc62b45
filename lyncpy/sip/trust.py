"""What a header field says about people and servers, and whether a user may say it to another. Pure.

One table for requests and responses, in both directions, wherever a message of one user reaches
another. A field that is not named here asserts nothing: it passes as it came.

Considered, and passing: `From` (the gate has compared it with who signed in), `Privacy` (a wish,
RFC 3323), `Reply-To`, `Call-Info`, `Alert-Info`, `Error-Info`, `Date`, `Warning`, `Reason`,
`User-Agent`, `ms-client-diagnostics` (a client's own, [MS-OCER] 2.2.1.3),
`ms-endpoint-location-data` and `ms-subnet` (recorded clients write them about themselves).
"""

import enum
from collections.abc import Callable, Collection, Mapping
from functools import partial
from typing import Final

from lyncpy.sip.errors import RemoteProtocolError
from lyncpy.sip.grammar import KEYS, first_of_list
from lyncpy.sip.headers import parse_name_addr
from lyncpy.sip.layout import Layout
from lyncpy.sip.message import Headers


class Trust(enum.Enum):
    """What becomes of a user's word."""

    REMOVED = "nobody but a server may say it, and this one has nothing to say"
    OURS = "removed, and said anew by this server where it is due"
    CHECKED = "passes when it is true, see `is_backed`"


CHALLENGES: Final = frozenset({401, 407})
"""What a server alone asks for: credentials. A client signs for whoever asks (RFC 3261 §22)."""

TABLE: Final[Mapping[str, Trust]] = {
    # Credentials and challenges belong to one hop: between a client and this server (RFC 3261 §22, RFC 3329).
    "authorization": Trust.REMOVED,
    "proxy-authorization": Trust.REMOVED,
    "www-authenticate": Trust.REMOVED,
    "proxy-authenticate": Trust.REMOVED,
    "authentication-info": Trust.OURS,
    "proxy-authentication-info": Trust.REMOVED,
    "security-client": Trust.REMOVED,
    "security-server": Trust.REMOVED,
    "security-verify": Trust.REMOVED,
    # Who somebody is: RFC 3325, the drafts before it, RFC 4474 and 8224, 3GPP TS 24.229.
    "p-asserted-identity": Trust.OURS,
    "remote-party-id": Trust.REMOVED,
    "rpid-privacy": Trust.REMOVED,
    "identity": Trust.REMOVED,
    "identity-info": Trust.REMOVED,
    "additional-identity": Trust.REMOVED,
    "attestation-info": Trust.REMOVED,
    "origination-id": Trust.REMOVED,
    "cellular-network-info": Trust.REMOVED,
    "on-behalf-of": Trust.REMOVED,
    "relayed-charge": Trust.REMOVED,
    "priv-answer-mode": Trust.REMOVED,  # RFC 5373 §4.5: makes a device answer without its user, for who may
    "ms-sender": Trust.REMOVED,  # ours in the chat of a conference, which writes its messages itself
    "referred-by": Trust.CHECKED,
    # Where a request has been: RFC 4244 and 7044, RFC 5806.
    "history-info": Trust.OURS,
    "diversion": Trust.REMOVED,
    "cc-diversion": Trust.REMOVED,
    # What proxies and registrars tell clients to use on their way: RFC 3327, 3608, 6809, 6794.
    "path": Trust.REMOVED,
    "service-route": Trust.REMOVED,
    "feature-caps": Trust.REMOVED,
    "policy-contact": Trust.REMOVED,  # a server to which the receiver would tell what it is about to do
    # What servers of one operator tell each other: 3GPP TS 24.229 §7.2.
    "restoration-info": Trust.REMOVED,
    "response-source": Trust.REMOVED,
    "service-interact-info": Trust.REMOVED,
    "priority-share": Trust.REMOVED,
    # What a server says of itself, of the sender's network, or of why something failed.
    "server": Trust.OURS,
    "ms-diagnostics": Trust.CHECKED,
    "ms-diagnostics-public": Trust.REMOVED,  # [MS-OCER] 2.2.1.2: a client must not add it
    "ms-forking": Trust.REMOVED,
    "ms-telemetry-id": Trust.REMOVED,
    "ms-keep-alive": Trust.REMOVED,
    "ms-mras-address": Trust.REMOVED,  # a relay to which the receiver would give its credentials
    "ms-split-domain-info": Trust.REMOVED,
    "ms-exchange-command": Trust.REMOVED,
    "ms-mediation-generated": Trust.REMOVED,
    "ms-call-source": Trust.REMOVED,
    "ms-trunking-peer": Trust.REMOVED,
}
"""Lower-case name → what becomes of it."""

FAMILIES: Final[Mapping[str, Trust]] = {
    # RFC 3427 §4.1, RFC 5727 §4: private headers of operators, which vouch for each other.
    "p-": Trust.REMOVED,
    "ms-asserted-": Trust.REMOVED,
    "ms-authenticated-": Trust.REMOVED,
    "ms-verified-": Trust.REMOVED,
    "ms-edge-": Trust.REMOVED,  # [MS-SIPRE] 2.2.15: a client must not add it
    "ms-entrust": Trust.REMOVED,
    "ms-on-behalf": Trust.REMOVED,
    "ms-trust": Trust.REMOVED,
    "ms-source-": Trust.REMOVED,
    "ms-federation": Trust.REMOVED,
    "ms-user-": Trust.REMOVED,  # ms-user-data, ms-user-logon-data ([MS-SIPRE] 2.2.16)
    "ms-received-": Trust.REMOVED,
    "ms-internal-": Trust.REMOVED,
    "ms-routing-": Trust.REMOVED,
    "ms-route-": Trust.REMOVED,
    "ms-application-": Trust.REMOVED,
    "ms-identity": Trust.REMOVED,
    "ms-pstn-": Trust.REMOVED,
    "ms-gateway": Trust.REMOVED,
}
"""Beginnings of lower-case names, for what is not in `TABLE`."""

FIRST_OF_CLIENTS: Final = 24_000
"""Error ids from here on belong to clients and their applications; those below are servers' ([MS-OCER] 6)."""

_BEGINNINGS: Final = tuple(FAMILIES)


def trust_of(name: str) -> Trust | None:
    """Say what becomes of a field of this name; None: it asserts nothing, and passes."""
    key = name.lower()
    found = TABLE.get(key)
    if found is None and key.startswith(_BEGINNINGS):
        found = next(trust for beginning, trust in FAMILIES.items() if key.startswith(beginning))
    return found


_HARMLESS: Final = frozenset(key for key in KEYS.values() if trust_of(key) is None)
"""Usual names that assert nothing: of nearly every message, that is all of them but the signature."""


def asserting(layout: Layout) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Name the fields of a layout that never pass, and those that do when they are true."""
    return layout.found("asserting", partial(_asserting, layout))


def unbacked(headers: Headers, may_refer: Callable[[str], bool]) -> Collection[str]:
    """Name the fields of one user's message that must not reach another.

    Args:
        may_refer: Whether its sender may name this address as the one who referred them.

    Returns:
        Names in lower case; of nearly every message, no more than where its signature stands.
    """
    removed, checked = asserting(headers.layout)
    return (*removed, *[key for key in checked if not is_backed(key, headers, may_refer)])


def _asserting(layout: Layout) -> tuple[tuple[str, ...], tuple[str, ...]]:
    found = [(key, trust) for key in layout.places if key not in _HARMLESS and (trust := trust_of(key)) is not None]
    return (
        tuple(key for key, trust in found if trust is not Trust.CHECKED),
        tuple(key for key, trust in found if trust is Trust.CHECKED),
    )


def is_backed(key: str, headers: Headers, may_refer: Callable[[str], bool]) -> bool:
    """Tell whether what is `CHECKED` is true: each of its values, since two readers may take different ones."""
    check = _is_of_client if key == "ms-diagnostics" else _is_referrer
    return all(check(value, may_refer) for value in headers.get_all(key))


def _is_of_client(value: str, may_refer: Callable[[str], bool]) -> bool:
    """Tell whether diagnostics are a client's own: an id of a server's would speak in this server's name."""
    number = first_of_list(value)[0].split(";", 1)[0].split(".", 1)[0].strip()
    return number.isascii() and number.isdigit() and len(number) <= 10 and int(number) >= FIRST_OF_CLIENTS


def _is_referrer(value: str, may_refer: Callable[[str], bool]) -> bool:
    """Tell whether the one who referred is who the sender may name, without a server's seal.

    Spec: RFC 3892 §2.1; [MS-SIPAE] 2.2.5, 3.2.4.4: the seal (`ms-identity`) is written by servers alone.
    """
    try:
        referrer = parse_name_addr(value)
    except RemoteProtocolError:
        return False
    return not any(name.startswith("ms-identity") for name in referrer.params) and may_refer(referrer.uri)
