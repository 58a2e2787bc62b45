"""Bytes within text."""

import base64

from lyncpy.sip.errors import RemoteProtocolError


def read_base64(text: str, most: int, what: str) -> bytes:
    """Decode base64 (RFC 4648 §4), with white space anywhere in it, as XML may have it.

    Args:
        most: Characters that are looked at; of a longer text none is.
        what: It is, in the sentence that refuses it.

    Raises:
        RemoteProtocolError: It is too long, or no base64.
    """
    if len(text) > most:
        raise RemoteProtocolError(f"{what} is too long")
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except ValueError:
        raise RemoteProtocolError(f"{what} is no base64") from None
