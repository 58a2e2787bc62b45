"""Proof that a client has the key of its ticket: the signature in a request's security header.

Spec: WS-Security 1.0 §8; XML Signature §3.2. Client: it signs the time stamp and nothing else.
"""

import base64
import hmac
from hashlib import sha1, sha256
from typing import Final, NamedTuple

from lyncpy.sip.canonical import canonical
from lyncpy.sip.markup import Element, attr, child, children, text_of
from lyncpy.workloads.webservices.model.refusal import untrusted
from lyncpy.workloads.webservices.model.tickets import DSIG_NS, EXCLUSIVE, read_time

SKEW_S: Final = 900.0
"""Seconds by which a client's clock may be wrong, as at sign-in."""

_HMACS: Final = {
    f"{DSIG_NS}hmac-sha1": "sha1",
    "http://www.w3.org/2001/04/xmldsig-more#hmac-sha256": "sha256",
}
_DIGESTS: Final = {
    f"{DSIG_NS}sha1": sha1,
    "http://www.w3.org/2001/04/xmlenc#sha256": sha256,
}


class SecurityHeader(NamedTuple):
    """The parts of a `wsse:Security` header."""

    assertion: Element
    timestamp: Element | None
    signature: Element | None


def read_security(header: Element | None) -> SecurityHeader:
    """Find the parts of a request's security header; each may be there once.

    Raises:
        ServiceRefused: There is no ticket, or more than one.
    """
    security = [] if header is None else children(header, "Security")
    if len(security) != 1:
        raise untrusted("the request has no ticket")
    parts = {name: children(security[0], name) for name in ("Assertion", "Timestamp", "Signature")}
    if len(parts["Assertion"]) != 1 or any(len(found) > 1 for found in parts.values()):
        raise untrusted("the request has no ticket, or more than one")
    return SecurityHeader(parts["Assertion"][0], child(security[0], "Timestamp"), child(security[0], "Signature"))


def check_proof(header: SecurityHeader, key: bytes, now: float) -> None:
    """Verify that whoever sends a ticket has its key.

    Args:
        key: The ticket's.
        now: Seconds since the epoch.

    Raises:
        ServiceRefused: With a reason.
    """
    if not key or header.timestamp is None or header.signature is None:
        raise untrusted("this service needs a ticket with a key, and a proof that the client has it")
    info = child(header.signature, "SignedInfo")
    if info is None:
        raise untrusted("the signature says nothing of what it signs")
    # Shorter codes, other transforms and the like are asked for by elements within these; none is followed.
    hmac_name = _HMACS.get(_algorithm(info, "SignatureMethod"))
    if hmac_name is None or _algorithm(info, "CanonicalizationMethod") != EXCLUSIVE:
        raise untrusted("the signature is of a kind that is not offered")
    _check_reference(info, header.timestamp)
    expected = base64.b64encode(hmac.digest(key, canonical(info), hmac_name))
    given = "".join(text_of(child(header.signature, "SignatureValue")).split())
    if not hmac.compare_digest(expected, given.encode()):
        raise untrusted("the signature does not fit the ticket's key")
    _check_time(header.timestamp, now)


def _check_reference(info: Element, timestamp: Element) -> None:
    """Check that the one thing which is signed is the time stamp."""
    references = children(info, "Reference")
    id_ = attr(timestamp, "Id")
    if len(references) != 1 or not id_ or attr(references[0], "URI") != f"#{id_}":
        raise untrusted("the signature is not of the request's time stamp")
    digest = _DIGESTS.get(_algorithm(references[0], "DigestMethod"))
    transforms = child(references[0], "Transforms")
    kinds = [attr(one, "Algorithm") for one in (transforms if transforms is not None else ())]
    if digest is None or kinds != [EXCLUSIVE]:
        raise untrusted("the signature is of a kind that is not offered")
    given = "".join(text_of(child(references[0], "DigestValue")).split())
    found = base64.b64encode(digest(canonical(timestamp), usedforsecurity=False).digest())
    if not hmac.compare_digest(found, given.encode()):
        raise untrusted("the time stamp was changed")


def _algorithm(el: Element, name: str) -> str:
    """Give the algorithm that a child names; "" for none, and for one with conditions."""
    found = child(el, name)
    return "" if found is None or len(found) else attr(found, "Algorithm") or ""


def _check_time(timestamp: Element, now: float) -> None:
    # When it was made is not looked at: a real client sends the ticket's times, by this server's clock of then.
    if now >= read_time(text_of(child(timestamp, "Expires"))) + SKEW_S:
        raise untrusted("the request's time stamp is not of now; see to the clock of your computer")
