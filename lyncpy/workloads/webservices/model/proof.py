"""Proof that a client has the key of its ticket, or of its certificate: the signature in a request's security header.

Spec: WS-Security 1.0 §8; XML Signature §3.2. Client: it signs the time stamp and nothing else.
"""

import base64
import hmac
from collections.abc import Callable, Container
from hashlib import sha1, sha256
from typing import Final, NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from lyncpy.sip.binary import read_base64
from lyncpy.sip.canonical import canonical
from lyncpy.sip.errors import RemoteProtocolError
from lyncpy.sip.markup import Element, attr, child, children, text_of
from lyncpy.workloads.webservices.model.refusal import untrusted
from lyncpy.workloads.webservices.model.tickets import DSIG_NS, EXCLUSIVE, read_time

SKEW_S: Final = 900.0
"""Seconds by which a client's clock may be wrong, as at sign-in."""

SIGNATURE_CHARACTERS: Final = 2_048
"""Of the longest signature in base64; that of an RSA key of 8192 bits has 1,368."""

_HMACS: Final = {
    f"{DSIG_NS}hmac-sha1": "sha1",
    "http://www.w3.org/2001/04/xmldsig-more#hmac-sha256": "sha256",
}
_RSAS: Final = {
    f"{DSIG_NS}rsa-sha1": hashes.SHA1,
    "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256": hashes.SHA256,
}
_DIGESTS: Final = {
    f"{DSIG_NS}sha1": sha1,
    "http://www.w3.org/2001/04/xmlenc#sha256": sha256,
}


class Possession(NamedTuple):
    """A proof that somebody has the key of their certificate, just now."""

    signature: bytes
    """Tells it from every other one."""

    ends_in: float
    """Seconds until its time stamp is too old."""


class SecurityHeader(NamedTuple):
    """The parts of a `wsse:Security` header."""

    token: Element
    """A ticket, or a certificate."""

    timestamp: Element | None
    signature: Element | None


def read_security(header: Element | None, shown: str = "Assertion") -> SecurityHeader:
    """Find the parts of a request's security header; each may be there once.

    Args:
        shown: The name of the element that says who sends: "Assertion" or "BinarySecurityToken".

    Raises:
        ServiceRefused: There is no such token, or more than one.
    """
    word = _WORDS[shown]
    security = [] if header is None else children(header, "Security")
    if len(security) != 1:
        raise untrusted(f"the request has no {word}")
    parts = {name: children(security[0], name) for name in (shown, "Timestamp", "Signature")}
    if len(parts[shown]) != 1 or any(len(found) > 1 for found in parts.values()):
        raise untrusted(f"the request has no {word}, or more than one")
    return SecurityHeader(parts[shown][0], child(security[0], "Timestamp"), child(security[0], "Signature"))


_NO_PROOF: Final = "this service needs a key, and a proof that the client has it"
_WORDS: Final = {"Assertion": "ticket", "BinarySecurityToken": "certificate"}


def check_proof(header: SecurityHeader, key: bytes, now: float) -> None:
    """Verify that whoever sends a ticket has its key.

    Args:
        key: The ticket's.
        now: Seconds since the epoch.

    Raises:
        ServiceRefused: With a reason.
    """
    if not key:
        raise untrusted(_NO_PROOF)

    def verify(method: str, signed: bytes, value: bytes) -> bool:
        return hmac.compare_digest(hmac.digest(key, signed, _HMACS[method]), value)

    _check_signature(header, verify, _HMACS)
    _ends(header, now)


def check_possession(header: SecurityHeader, key: rsa.RSAPublicKey, now: float) -> Possession:
    """Verify that whoever sends a certificate has its key, and has signed just now.

    Args:
        key: The certificate's.
        now: Seconds since the epoch.

    Raises:
        ServiceRefused: With a reason.
    """

    def verify(method: str, signed: bytes, value: bytes) -> bool:
        try:
            key.verify(value, signed, padding.PKCS1v15(), _RSAS[method]())
        except InvalidSignature:
            return False
        return True

    value = _check_signature(header, verify, _RSAS)
    ends = _ends(header, now)
    assert header.timestamp is not None  # it was signed
    begins = read_time(text_of(child(header.timestamp, "Created")))
    if not now - SKEW_S <= begins <= now + SKEW_S:
        raise untrusted(_NOT_NOW)
    return Possession(value, min(begins + SKEW_S, ends) - now)


def _check_signature(
    header: SecurityHeader, verify: Callable[[str, bytes, bytes], bool], methods: Container[str]
) -> bytes:
    """Check that a header's signature is of its time stamp, and holds; give its value."""
    if header.timestamp is None or header.signature is None:
        raise untrusted(_NO_PROOF)
    info = child(header.signature, "SignedInfo")
    if info is None:
        raise untrusted("the signature says nothing of what it signs")
    # Shorter codes, other transforms and the like are asked for by elements within these; none is followed.
    method = _algorithm(info, "SignatureMethod")
    if method not in methods or _algorithm(info, "CanonicalizationMethod") != EXCLUSIVE:
        raise untrusted("the signature is of a kind that is not offered")
    _check_reference(info, header.timestamp)
    try:
        value = read_base64(text_of(child(header.signature, "SignatureValue")), SIGNATURE_CHARACTERS, "the signature")
    except RemoteProtocolError:
        value = b""
    if not verify(method, canonical(info), value):
        raise untrusted("the signature does not fit the key")
    return value


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


_NOT_NOW: Final = "the request's time stamp is not of now; see to the clock of your computer"


def _ends(header: SecurityHeader, now: float) -> float:
    """Give when a time stamp ends for the clock that is behind most; refuse one that has."""
    # When it was made is not looked at here: with a ticket a real client sends the ticket's times, by this server's
    # clock of then.
    assert header.timestamp is not None  # it was signed
    ends = read_time(text_of(child(header.timestamp, "Expires"))) + SKEW_S
    if now >= ends:
        raise untrusted(_NOT_NOW)
    return ends
