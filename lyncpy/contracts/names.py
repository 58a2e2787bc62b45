"""Names that mean the same in every process; text with a meaning has a type here."""

from typing import NewType

Aor = NewType("Aor", str)
"""An address-of-record: `sip:user@domain`, lower case, no parameters."""

Epid = NewType("Epid", str)
"""The endpoint identifier a client chose for itself, at most 16 characters ([MS-SIPREGE] 2.2.1)."""

FlowName = NewType("FlowName", str)
"""One client connection: `node/serial`."""

NodeName = NewType("NodeName", str)
"""One server process, new at each start."""

ConferenceId = NewType("ConferenceId", str)
"""The identifier of a conference in its focus URI."""

Version = NewType("Version", int)
"""The version of a stored record or a publication; 0 means that there is none."""


def aor_of(address: str) -> Aor:
    """Normalise `user@domain` or `SIP:User@Domain;x=y` to an address-of-record.

    The text is not validated beyond this; a caller that needs validity parses a `Uri`.
    """
    text = address.strip()
    if text[:4].lower() == "sip:":
        text = text[4:]
    for mark in (";", "?"):
        text = text.split(mark, 1)[0]
    return Aor("sip:" + text.lower())


def bare(aor: str) -> str:
    """Give an address-of-record without its scheme, as list documents write it."""
    return aor[4:] if aor[:4].lower() == "sip:" else aor
