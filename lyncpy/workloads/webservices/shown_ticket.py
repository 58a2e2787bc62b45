"""The ticket of a request that is no SOAP: it comes in a header ([MS-OCAUTHWS] 2.2)."""

import base64
import binascii
from typing import Final

from lyncpy.contracts.http import HttpAsked
from lyncpy.workloads.webservices.model.refusal import untrusted

TICKET_HEADER: Final = "x-ms-webticket"


def shown_ticket(asked: HttpAsked) -> bytes:
    """Give the ticket of a request that is no SOAP: base64 of the assertion in a header."""
    name, _, value = asked.headers.get(TICKET_HEADER, "").strip().partition("=")
    try:
        ticket = base64.b64decode(value, validate=True) if name.lower() == "opaque" else b""
    except (binascii.Error, ValueError):
        ticket = b""
    if not ticket:
        raise untrusted("this is told to who shows a web ticket")
    return ticket
