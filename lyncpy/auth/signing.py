"""Which text of a message is signed: taken from the header fields exactly as they appear.

Two layouts exist. Version 2 (also: no version) has no To-URI and no asserted identity.
From version 3 on both are there. [MS-SIPAE] is read by some as giving version 3 the To-URI
alone; the one client that can be asked computes the same text for 3 and 4, and its
behaviour is what is kept here.

Nothing is decoded, unquoted or normalised on the way: a value that we parsed and wrote
again could be right and still not be the one that the other side signed.

Spec: [MS-SIPAE] 3.2.4.1 (signature buffer).
"""

from functools import partial

from lyncpy.sip.message import Message, Request


def signed_fields(message: Message, version: int) -> str:
    """Give the fields from Call-ID on, each in `<>`; what is missing is an empty field.

    The fields before them (scheme, random number, message number, realm, target) belong to the
    association and are put in front by it.

    Args:
        version: Of the signature: 2, 3 or 4.
    """
    number, _, method = (message.headers.get("cseq") or "").partition(" ")
    given = method, version
    if message.shared is None:
        before, after = _around_number(message, *given)
    else:
        before, after = message.shared.found("signed", given, partial(_around_number, message, *given))
    return f"{before}{number}{after}"


def _around_number(message: Message, method: str, version: int) -> tuple[str, str]:
    if isinstance(message, Request):
        method, status = message.method, ""
    else:
        method, status = method.strip(), f"<{message.status}>"
    asserted = _asserted(message) if version >= 3 else ("", "")
    return around_number(message.dialog_text, method, version, asserted, message.headers.get("Expires") or "", status)


def around_number(
    dialog_text: tuple[str, str, str, str, str],
    method: str,
    version: int,
    asserted: tuple[str, str] = ("", ""),
    expires: str = "",
    status: str = "",
) -> tuple[str, str]:
    """Give the same fields as they stand before the CSeq number, and behind it.

    Args:
        dialog_text: As `Request.dialog_text`.
        asserted: The sip and the tel URI.
        status: A response's, in its brackets.
    """
    call_id, from_uri, from_tag, to_uri, to_tag = dialog_text
    who = f"><{method}><{from_uri}><{from_tag}>"
    if version < 3:
        return f"<{call_id}><", f"{who}<{to_tag}><{expires}>{status}"
    sip, tel = asserted
    return f"<{call_id}><", f"{who}<{to_uri}><{to_tag}><{sip}><{tel}><{expires}>{status}"


def _asserted(message: Message) -> tuple[str, str]:
    """Give the sip and the tel URI of the asserted (else: the preferred) identity, as text."""
    value = message.headers.get("P-Asserted-Identity") or message.headers.get("P-Preferred-Identity")
    if not value:
        return "", ""
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
