"""The documents of the search over SIP ([MS-SIP], directorySearch): SOAP read and written."""

from collections.abc import Iterable
from typing import Final

from lyncpy.contracts.directory import Person, SearchCondition
from lyncpy.sip.errors import RemoteProtocolError
from lyncpy.sip.markup import attr, child, children, quote_attr, read_xml, text_of
from lyncpy.sip.soap import ENVELOPE_NS, REQUEST_NS

CONDITIONS_MAXIMUM: Final = 16
"""A client's form has six fields."""

_VALUE_MAXIMUM: Final = 256


def read_search(body: bytes, most: int) -> tuple[tuple[SearchCondition, ...], int]:
    """Read what is searched for, and how many results at most.

    Raises:
        RemoteProtocolError: No search, or one without a condition: nobody asks for everybody.
    """
    content = child(read_xml(body), "Body")
    search = None if content is None else child(content, "directorySearch")
    if content is None or search is None:
        raise RemoteProtocolError("no directorySearch in the SOAP body")
    rows = [row for array in children(content, "Array") for row in children(array, "row")]
    if len(rows) > CONDITIONS_MAXIMUM:
        raise RemoteProtocolError("too many conditions", 413)
    conditions = tuple(SearchCondition(attr(row, "attrib") or "", attr(row, "value") or "") for row in rows)
    if not any(condition.value.strip(" *") for condition in conditions):
        raise RemoteProtocolError("a search needs a condition")
    if any(len(condition.value) > _VALUE_MAXIMUM for condition in conditions):
        raise RemoteProtocolError("a condition is too long", 413)
    return conditions, _asked(text_of(child(search, "maxResults")).strip(), most)


def _asked(text: str, most: int) -> int:
    if not text:
        return most
    if not (text.isascii() and text.isdigit()):
        raise RemoteProtocolError("maxResults is no number")
    return max(1, min(int(text[:9]), most))


def write_found(people: Iterable[Person], *, more: bool) -> bytes:
    """Write the people found. Client: `uri` must be there, with its scheme."""
    rows = "".join(_row(person) for person in people)
    return (
        f'<SOAP-ENV:Envelope xmlns:SOAP-ENV="{ENVELOPE_NS}" xmlns:m="{REQUEST_NS}"><SOAP-ENV:Body>'
        f"<m:directorySearch><m:moreAvailable>{str(more).lower()}</m:moreAvailable></m:directorySearch>"
        f'<m:Array m:id="searchArray">{rows}</m:Array></SOAP-ENV:Body></SOAP-ENV:Envelope>'
    ).encode()


def _row(person: Person) -> str:
    """Write one person of a search result, without the facts that the directory does not know."""
    work = next((phone.number for phone in person.phones if phone.kind == "work"), "")
    values = {
        "uri": person.aor,
        "displayName": person.display_name,
        "title": person.title,
        "office": person.office,
        "phone": work or next((phone.number for phone in person.phones), ""),
        "company": person.company,
        "email": person.mail,
    }
    return f"<m:row {' '.join(f'{name}={quote_attr(value)}' for name, value in values.items() if value)}/>"
