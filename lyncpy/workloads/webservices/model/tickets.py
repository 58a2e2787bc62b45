"""Web tickets: SAML assertions that this server signs, and that nobody else has to understand.

A ticket says who proved their password when, for which service, and until when it holds. It is signed with a key
of this server's own (HMAC-SHA256), and what only this server may read of it is sealed inside: the
key that the client proves to have with each request, the owner, and a mark of the password that was proved. So the
server keeps no table of tickets, and a restart voids none.

Spec: [MS-OCAUTHWS] 3.2; SAML 1.1 §2.3, §2.4; XML Signature §4.
"""

import base64
import hmac
import json
import secrets
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from lyncpy.contracts.names import Aor, kept_aor
from lyncpy.contracts.owners import OwnerId
from lyncpy.sip.canonical import canonical
from lyncpy.sip.markup import Element, attr, child, children, escape, quote_attr, read_xml, text_of
from lyncpy.workloads.webservices.model.refusal import untrusted

SAML_NS: Final = "urn:oasis:names:tc:SAML:1.0:assertion"
DSIG_NS: Final = "http://www.w3.org/2000/09/xmldsig#"
EXCLUSIVE: Final = "http://www.w3.org/2001/10/xml-exc-c14n#"

KEY_BYTES: Final = 32
"""Of a ticket's proof key; clients ask for 256 bits."""

_NONCE_BYTES: Final = 12
_SEALED_NS: Final = "urn:lyncpy:web-ticket"


@dataclass(frozen=True, slots=True)
class TicketKeys:
    """The server's own keys, 32 bytes each."""

    signing: bytes = field(repr=False)
    sealing: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class TicketClaims:
    """What a web ticket says. Times are whole seconds since the epoch."""

    id: str
    aor: Aor
    owner: OwnerId
    audience: str
    """The address of the service that it is for."""

    issued: int
    expires: int
    round: int
    """Of its owner's record, see `Issued`."""

    mark: bytes = field(repr=False)
    """Stands for the password that was proved: another password has another mark."""

    key: bytes = field(default=b"", repr=False)
    """What the client has to prove to have with each request; empty: whoever bears the ticket may use it."""


def new_ticket_id() -> str:
    """Give a name that no ticket had before."""
    return f"SamlSecurityToken-{secrets.token_hex(16)}"


def derived_key(client: bytes, server: bytes) -> bytes:
    """Derive the key of a ticket from what either side brought (P_SHA-1).

    Spec: WS-Trust 1.3 §4.4.4 (CK/PSHA1); RFC 2246 §5.
    """
    found, state = b"", server
    while len(found) < KEY_BYTES:
        state = hmac.digest(client, state, "sha1")
        found += hmac.digest(client, state + server, "sha1")
    return found[:KEY_BYTES]


def written_time(seconds: float) -> str:
    """Write a time as SAML and WS-Security do."""
    return datetime.fromtimestamp(int(seconds), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def read_time(text: str) -> float:
    """Read such a time, with or without fractions; give seconds since the epoch.

    Raises:
        ServiceRefused: It is none.
    """
    try:
        moment = datetime.fromisoformat(text.strip().replace("Z", "+00:00"))
    except ValueError:
        raise untrusted(f'"{text[:40]}" is no time') from None
    if moment.tzinfo is None:
        raise untrusted(f'"{text[:40]}" is no time of UTC')
    return moment.timestamp()


def write_ticket(ticket: TicketClaims, issuer: str, keys: TicketKeys) -> str:
    """Write a ticket: an assertion that declares every prefix which it uses, and is signed."""
    issued, expires = written_time(ticket.issued), written_time(ticket.expires)
    method = "holder-of-key" if ticket.key else "bearer"
    head = (
        f'<saml:Assertion xmlns:saml="{SAML_NS}" AssertionID={quote_attr(ticket.id)} IssueInstant="{issued}"'
        f' Issuer={quote_attr(issuer)} MajorVersion="1" MinorVersion="1">'
        f'<saml:Conditions NotBefore="{issued}" NotOnOrAfter="{expires}"><saml:AudienceRestrictionCondition>'
        f"<saml:Audience>{escape(ticket.audience)}</saml:Audience></saml:AudienceRestrictionCondition></saml:Conditions>"
        f'<saml:Advice><sealed xmlns="{_SEALED_NS}">{_sealed(ticket, keys)}</sealed></saml:Advice>'
        f'<saml:AuthenticationStatement AuthenticationInstant="{issued}"'
        ' AuthenticationMethod="urn:oasis:names:tc:SAML:1.0:am:password"><saml:Subject>'
        f'<saml:NameIdentifier Format="http://schemas.xmlsoap.org/ws/2005/05/identity/claims/uri">{escape(ticket.aor)}'
        "</saml:NameIdentifier><saml:SubjectConfirmation><saml:ConfirmationMethod>"
        f"urn:oasis:names:tc:SAML:1.0:cm:{method}</saml:ConfirmationMethod></saml:SubjectConfirmation></saml:Subject>"
        "</saml:AuthenticationStatement>"
    )
    end = "</saml:Assertion>"
    info = _signed_info(ticket.id, canonical(read_xml((head + end).encode())))
    value = base64.b64encode(hmac.digest(keys.signing, info, "sha256")).decode()
    signature = f'<ds:Signature xmlns:ds="{DSIG_NS}">{info.decode()}<ds:SignatureValue>{value}</ds:SignatureValue></ds:Signature>'
    return head + signature + end


def _signed_info(id_: str, signed: bytes) -> bytes:
    """Give what is signed about an assertion, in its canonical form."""
    digest = base64.b64encode(sha256(signed).digest()).decode()
    return (
        f'<ds:SignedInfo xmlns:ds="{DSIG_NS}">'
        f'<ds:CanonicalizationMethod Algorithm="{EXCLUSIVE}"></ds:CanonicalizationMethod>'
        '<ds:SignatureMethod Algorithm="http://www.w3.org/2001/04/xmldsig-more#hmac-sha256"></ds:SignatureMethod>'
        f'<ds:Reference URI="#{id_}"><ds:Transforms>'
        f'<ds:Transform Algorithm="{DSIG_NS}enveloped-signature"></ds:Transform>'
        f'<ds:Transform Algorithm="{EXCLUSIVE}"></ds:Transform></ds:Transforms>'
        '<ds:DigestMethod Algorithm="http://www.w3.org/2001/04/xmlenc#sha256"></ds:DigestMethod>'
        f"<ds:DigestValue>{digest}</ds:DigestValue></ds:Reference></ds:SignedInfo>"
    ).encode()


def _sealed(ticket: TicketClaims, keys: TicketKeys) -> str:
    kept = {"owner": ticket.owner, "round": ticket.round, "mark": ticket.mark.hex(), "key": ticket.key.hex()}
    nonce = secrets.token_bytes(_NONCE_BYTES)
    text = AESGCM(keys.sealing).encrypt(nonce, json.dumps(kept).encode(), ticket.id.encode())
    return base64.b64encode(nonce + text).decode()


def read_ticket(assertion: Element, keys: TicketKeys) -> TicketClaims:
    """Read a ticket of ours. What it says is believed only because nobody else can have signed it.

    Raises:
        ServiceRefused: It is none of ours, or was changed.
    """
    id_ = attr(assertion, "AssertionID") or ""
    signatures = children(assertion, "Signature")
    if len(signatures) != 1 or assertion.local != "Assertion":
        raise untrusted("this is no ticket of this server")
    # What we would have written about this assertion must have been signed: so no algorithm that a client
    # names is ever followed, and nothing is read but what is signed.
    info = _signed_info(id_, canonical(assertion, signatures[0]))
    expected = base64.b64encode(hmac.digest(keys.signing, info, "sha256"))
    given = "".join(text_of(child(signatures[0], "SignatureValue")).split())
    if not hmac.compare_digest(expected, given.encode()):
        raise untrusted("this is no ticket of this server, or it was changed")
    conditions = _within(assertion, "Conditions")
    restriction = _within(conditions, "AudienceRestrictionCondition")
    subject = _within(_within(assertion, "AuthenticationStatement"), "Subject")
    kept = _unsealed(text_of(_within(_within(assertion, "Advice"), "sealed")), id_, keys)
    return TicketClaims(
        id=id_,
        aor=kept_aor(text_of(_within(subject, "NameIdentifier"))),
        owner=OwnerId(kept["owner"]),
        audience=text_of(_within(restriction, "Audience")),
        issued=int(read_time(attr(conditions, "NotBefore") or "")),
        expires=int(read_time(attr(conditions, "NotOnOrAfter") or "")),
        round=kept["round"],
        mark=bytes.fromhex(kept["mark"]),
        key=bytes.fromhex(kept["key"]),
    )


def _within(el: Element, name: str) -> Element:
    found = child(el, name)
    assert found is not None  # we have written and signed it
    return found


def _unsealed(text: str, id_: str, keys: TicketKeys) -> dict[str, Any]:  # Any: what JSON has
    data = base64.b64decode(text)
    try:
        plain = AESGCM(keys.sealing).decrypt(data[:_NONCE_BYTES], data[_NONCE_BYTES:], id_.encode())
    except InvalidTag:
        raise untrusted("this ticket was sealed with another key") from None
    kept: dict[str, Any] = json.loads(plain)  # Any: as above
    return kept


def check_time(ticket: TicketClaims, now: float) -> None:
    """Refuse a ticket after its time. That it was issued before now needs no look: nobody else can have.

    Raises:
        ServiceRefused: With a reason.
    """
    if now >= ticket.expires:
        raise untrusted("the ticket has expired")


def check_audience(ticket: TicketClaims, audience: str) -> None:
    """Refuse a ticket for another service.

    Raises:
        ServiceRefused: With a reason.
    """
    if ticket.audience != audience:
        raise untrusted("the ticket is for another service")
