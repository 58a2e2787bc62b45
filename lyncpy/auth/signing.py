"""Which text of a message is signed: taken from the header fields exactly as they appear.

Two layouts exist. Version 2 (also: no version) has no To-URI and no asserted identity.
From version 3 on both are there. [MS-SIPAE] is read by some as giving version 3 the To-URI
alone; the one client that can be asked computes the same text for 3 and 4, and its
behaviour is what is kept here.

Nothing is decoded, unquoted or normalised on the way: a value that we parsed and wrote
again could be right and still not be the one that the other side signed.

Spec: [MS-SIPAE] 3.2.4.1 (signature buffer).
"""

from lyncpy.sip.message import Message, Request


def signed_fields(message: Message, version: int) -> str:
    """Give the fields from Call-ID on, each in `<>`; what is missing is an empty field.

    The fields before them (scheme, random number, message number, realm, target) belong to the
    association and are put in front by it.

    Args:
        version: Of the signature: 2, 3 or 4.
    """
    get = message.headers.get
    number, _, method = (get("CSeq") or "").partition(" ")
    if isinstance(message, Request):
        method = message.method
        status = ""
    else:
        method = method.strip()
        status = f"<{message.status}>"
    call_id, from_uri, from_tag, to_uri, to_tag = message.dialog_text
    expires = get("Expires") or ""
    start = f"<{call_id}><{number}><{method}><{from_uri}><{from_tag}>"
    if version < 3:
        return f"{start}<{to_tag}><{expires}>{status}"
    sip, tel = _asserted(message)
    return f"{start}<{to_uri}><{to_tag}><{sip}><{tel}><{expires}>{status}"


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
