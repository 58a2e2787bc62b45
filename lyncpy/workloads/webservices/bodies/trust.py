"""The request for a web ticket, and the answer to it (WS-Trust 1.3 §4; [MS-OCAUTHWS] 3.2)."""

import base64
from dataclasses import dataclass, field
from typing import Final

from lyncpy.contracts.names import Aor, aor_of
from lyncpy.sip.binary import read_base64
from lyncpy.sip.errors import RemoteProtocolError
from lyncpy.sip.markup import Element, attr, child, children, escape, quote_attr, text_of
from lyncpy.sip.soap import Envelope
from lyncpy.workloads.webservices.bodies.faults import TRUST_NS, write_answer
from lyncpy.workloads.webservices.model.refusal import ServiceRefused
from lyncpy.workloads.webservices.model.tickets import KEY_BYTES, TicketClaims, written_time

_ISSUE: Final = frozenset({f"{TRUST_NS}/Issue", "http://schemas.xmlsoap.org/ws/2005/02/trust/Issue"})
"""Clients write the word of either edition in a request of the newer one."""

_SAML: Final = "http://docs.oasis-open.org/wss/oasis-wss-saml-token-profile-1.1#SAMLV1.1"
_SAML_OLD: Final = "urn:oasis:names:tc:SAML:1.0:assertion"

ENTROPY_BYTES: Final = range(16, 257)
TEXT_LONGEST: Final = 1_024


@dataclass(frozen=True, slots=True)
class TicketRequest:
    """What a client asks for."""

    context: str
    """The client's own name for the request, which the answer repeats."""

    message: str
    """Its wsa:MessageID, to which the answer relates; "" for none."""

    audience: str
    """The address that the ticket is to be used at."""

    claimed: Aor | None
    """Whose address it says that it is for; None: it does not say."""

    entropy: bytes = field(repr=False)
    """The client's part of the ticket's key; empty: it wants none."""


def read_ticket_request(envelope: Envelope) -> TicketRequest:
    """Read a RequestSecurityToken.

    Raises:
        ServiceRefused: It is none, or asks for what is not offered.
    """
    request = envelope.operation
    if request.local != "RequestSecurityToken":
        raise _bad("InvalidRequest", "this service issues tickets; ask with RequestSecurityToken")
    if _text(request, "RequestType") not in _ISSUE:
        raise _bad("InvalidRequest", "tickets are issued here, and nothing else is done with them")
    if _text(request, "TokenType") not in ("", _SAML, _SAML_OLD):
        raise _bad("BadRequest", "only SAML 1.1 tickets are issued")
    if _text(request, "KeySize") not in ("", str(8 * KEY_BYTES)):
        raise _bad("BadRequest", f"only keys of {8 * KEY_BYTES} bits are issued")
    endpoint = child(request, "AppliesTo")
    endpoint = None if endpoint is None else child(endpoint, "EndpointReference")
    audience = "" if endpoint is None else _text(endpoint, "Address")
    if not audience:
        raise _bad("InvalidScope", "the request does not say for which service the ticket is")
    message = None if envelope.header is None else child(envelope.header, "MessageID")
    return TicketRequest(
        context=(attr(request, "Context") or "")[:TEXT_LONGEST],
        message=text_of(message).strip()[:TEXT_LONGEST],
        audience=audience,
        claimed=_claimed(request),
        entropy=_entropy(request),
    )


def _claimed(request: Element) -> Aor | None:
    claims = child(request, "Claims")
    kinds = [] if claims is None else children(claims, "ClaimType")
    for kind in kinds:
        if (attr(kind, "Uri") or "").endswith("/claims/uri"):
            return aor_of(_text(kind, "Value"))
    return None


def _entropy(request: Element) -> bytes:
    entropy = child(request, "Entropy")
    if entropy is None:
        return b""
    try:
        found = read_base64(_text(entropy, "BinarySecret"), 2 * ENTROPY_BYTES[-1], "the entropy")
    except RemoteProtocolError:
        found = b""
    if len(found) not in ENTROPY_BYTES:
        raise _bad("BadRequest", f"the entropy is not {ENTROPY_BYTES[0]} to {ENTROPY_BYTES[-1]} bytes in base64")
    return found


def _text(el: Element, name: str) -> str:
    return text_of(child(el, name)).strip()


def _bad(code: str, reason: str) -> ServiceRefused:
    return ServiceRefused(f"wst:{code}", reason)


def write_ticket_answer(request: TicketRequest, ticket: TicketClaims, assertion: str, entropy: bytes) -> bytes:
    """Write the answer with a ticket.

    The order and the prefixes matter: a real client cuts the assertion, the server's entropy and the
    content of Lifetime out of the text as they stand, each at its first mention. It sends that content back in
    a time stamp of its own and digests the very text, which therefore has to be in its canonical form.

    Args:
        entropy: The server's part of the ticket's key; empty when it has none.
    """
    key = ""
    if entropy:
        secret = base64.b64encode(entropy).decode()
        key = (
            f"<RequestedProofToken><ComputedKey>{TRUST_NS}/CK/PSHA1</ComputedKey></RequestedProofToken>"
            f'<Entropy><BinarySecret Type="{TRUST_NS}/Nonce">{secret}</BinarySecret></Entropy>'
        )
    content = (
        f'<RequestSecurityTokenResponseCollection xmlns="{TRUST_NS}">'
        f"<RequestSecurityTokenResponse Context={quote_attr(request.context)}><TokenType>{_SAML_OLD}</TokenType>"
        f"<RequestedSecurityToken>{assertion}</RequestedSecurityToken>{key}"
        f"<Lifetime><wsu:Created>{written_time(ticket.issued)}</wsu:Created>"
        f"<wsu:Expires>{written_time(ticket.expires)}</wsu:Expires></Lifetime>"
        "</RequestSecurityTokenResponse></RequestSecurityTokenResponseCollection>"
    )
    header = ""
    if request.message:
        header = f"<wsa:Action>{TRUST_NS}/RSTRC/IssueFinal</wsa:Action><wsa:RelatesTo>{escape(request.message)}</wsa:RelatesTo>"
    return write_answer(content, header)
