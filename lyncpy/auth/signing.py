"""Which text of a message is signed: taken from the header fields exactly as they appear.

Two layouts exist. Version 2 (also: no version) has no To-URI and no asserted identity.
From version 3 on both are there. [MS-SIPAE] is read by some as giving version 3 the To-URI
alone; the one client that can be asked computes the same text for 3 and 4, and its
behaviour is what is kept here.

Nothing is decoded, unquoted or normalised on the way: a value that we parsed and wrote
again could be right and still not be the one that the other side signed.

Spec: [MS-SIPAE] 3.2.4.1 (signature buffer).
"""

import hmac
from functools import partial

from lyncpy.sip.grammar import BLANKS
from lyncpy.sip.message import Message, Request


def signed_fields(message: Message, version: int) -> str:
    """Give the fields from Call-ID on, each in `<>`; what is missing is an empty field.

    The fields before them (scheme, random number, message number, realm, target) belong to the
    association and are put in front by it.

    Args:
        version: Of the signature: 2, 3 or 4.
    """
    headers = message.headers
    place = headers.layout.places.get("cseq")
    value = headers.lines[place].partition(":")[2].strip(BLANKS) if place is not None else ""
    number, _, method = value.partition(" ")
    if message.shared is None:
        before, after = _around_number(message, method, version)
    else:
        find = partial(_around_number, message, method, version)
        before, after = message.shared.found("signed", (method, version), find)
    return f"{before}{number}{after}"


def _around_number(message: Message, method: str, version: int) -> tuple[str, str]:
    get, places = message.headers.get, message.headers.layout.places
    if isinstance(message, Request):
        method, status = message.method, 0
    else:
        method, status = method.strip(), message.status
    # Most messages have neither.
    asserted = ""
    if "p-asserted-identity" in places or "p-preferred-identity" in places:
        asserted = get("P-Asserted-Identity") or get("P-Preferred-Identity") or ""
    expires = get("Expires") or "" if "expires" in places else ""
    return around_number(version, message.dialog_text, method, status, asserted, expires)


def around_number(
    version: int, dialog_text: tuple[str, str, str, str, str], method: str, status: int, asserted: str, expires: str
) -> tuple[str, str]:
    """Give what is signed of a message as it stands before the CSeq number, and behind it.

    Args:
        version: Of the signature.
        dialog_text: As `Request.dialog_text`.
        status: Of a response; 0 for a request.
        asserted: The asserted (else: the preferred) identity, as it stands there.
        expires: The value of Expires; "" if there is none.
    """
    call_id, from_uri, from_tag, to_uri, to_tag = dialog_text
    who = f"><{method}><{from_uri}><{from_tag}>"
    said = f"<{expires}><{status}>" if status else f"<{expires}>"
    if version < 3:
        return f"<{call_id}><", f"{who}<{to_tag}>{said}"
    sip, tel = _asserted(asserted) if asserted else ("", "")
    return f"<{call_id}><", f"{who}<{to_uri}><{to_tag}><{sip}><{tel}>{said}"


def _asserted(value: str) -> tuple[str, str]:
    """Give the sip and the tel URI of an identity, as text."""
    if value[:4].lower() == "tel:":
        return "", value
    sip = tel = ""
    for part in value.split(","):
        _, opened, rest = part.partition("<")
        uri = rest.partition(">")[0] if opened else ""
        kind = uri[:4].lower()
        if kind == "sip:" and not sip:
            sip = uri
        elif kind == "tel:" and not tel:
            tel = uri
    return sip, tel


def same_digits(expected: str, given: str) -> bool:
    """Tell whether a signature is the one that was expected, in a time that tells nothing; it may hold any characters."""
    return hmac.compare_digest(expected.encode(), given.upper().encode("utf-8", "surrogateescape"))
