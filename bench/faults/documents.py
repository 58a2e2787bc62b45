"""What the clients of `person` write and read beyond those of the benchmark: notes, the contact list, what they see of others."""

import re
from collections.abc import Collection, Iterator
from html import unescape
from typing import Final

from bench.words import SOAP_TYPE, contact

NOTE: Final = 0x5A
"""The instance of the note that is written."""

CONTAINER: Final = 200

_OWN_NOTE: Final = re.compile(
    rf'<category name="note" instance="{NOTE}"[^>]* container="{CONTAINER}" version="(\d+)"[^>]*>(.*?)</category>'.encode(),
    re.DOTALL,
)
_TEXT: Final = re.compile(rb"<body[^>]*>([^<]*)</body>")
_CONTACT: Final = re.compile(rb'<contact uri="([^"]*)"')
_OF_PERSON: Final = re.compile(rb'<categories [^>]*uri="([^"]*)"[^>]*>(.*?)</categories>', re.DOTALL)
_STATE: Final = re.compile(rb'<category name="state".*?(?:</category>|/>)', re.DOTALL)
_AVAILABILITY: Final = re.compile(rb"<availability>(\d+)</availability>")


def note(uri: str, text: str | None, version: int) -> str:
    """Write a note to be published that stays, or its removal."""
    value = (
        f'<note xmlns="http://schemas.microsoft.com/2006/09/sip/note"><body type="personal" uri="">{text}</body></note>'
        if text is not None
        else ""
    )
    expires = "" if text is not None else ' expires="0"'
    return (
        '<publish xmlns="http://schemas.microsoft.com/2006/09/sip/rich-presence">'
        f'<publications uri="{uri}"><publication categoryName="note" instance="{NOTE}" container="{CONTAINER}" '
        f'version="{version}" expireType="static"{expires}>{value}</publication></publications></publish>'
    )


def note_of(body: bytes) -> tuple[str | None, int]:
    """Read the note out of what a user's own client is told, and its version; None and 0: there is none."""
    found = _OWN_NOTE.search(body)
    text = _TEXT.search(found[2]) if found else None
    return (unescape(text[1].decode()) if text else None), int(found[1]) if found else 0


def contact_there(address: str) -> tuple[str, str]:
    """Write what adds a contact, and its media type."""
    return contact(f"sip:{address}", "Somebody"), SOAP_TYPE


def contact_gone(address: str) -> tuple[str, str]:
    """Write what removes one, and its media type."""
    body = (
        '<SOAP-ENV:Envelope xmlns:SOAP-ENV="http://schemas.xmlsoap.org/soap/envelope/"><SOAP-ENV:Body>'
        '<m:deleteContact xmlns:m="http://schemas.microsoft.com/winrtc/2002/11/sip">'
        f"<m:URI>sip:{address}</m:URI></m:deleteContact></SOAP-ENV:Body></SOAP-ENV:Envelope>"
    )
    return body, SOAP_TYPE


def contacts_of(body: bytes) -> Collection[str]:
    """Read who is in a list, as addresses."""
    return {one.decode().removeprefix("sip:") for one in _CONTACT.findall(body)}


def states_of(body: bytes) -> Iterator[tuple[str, int]]:
    """Read of whom a notification tells the state, and their availability; 0: it tells none."""
    for uri, told in _OF_PERSON.findall(body):
        if state := _STATE.search(told):
            found = _AVAILABILITY.search(state[0])
            yield uri.decode(), int(found[1]) if found else 0
