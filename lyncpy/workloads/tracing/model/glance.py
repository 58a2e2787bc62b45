"""What a message says of itself: enough to know whom it concerns and how it is drawn. Garbage says nothing, and is no error."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from lyncpy.contracts.names import Aor, aor_of, conference_key
from lyncpy.sip.errors import RemoteProtocolError
from lyncpy.sip.headers import parse_name_addr

_HEAD_BYTES: Final = 65_536
"""Of a message, that are looked at."""

_CONFERENCE: Final = "opaque=app:conf:"


@dataclass(frozen=True, slots=True)
class Glance:
    """One message in short."""

    start: str
    """Its first line."""

    call_id: str
    cseq: str
    people: frozenset[Aor]
    """Those of From, To, P-Asserted-Identity and Referred-By."""

    sender: Aor
    """That of From; "" where it cannot be read."""

    conferences: frozenset[str]
    """Keys of the conferences that the Request-URI, From and To name."""

    client: str
    """What it says its program is."""

    reason: str
    """Of ms-diagnostics: why it was refused; "": it was not, or nobody says."""

    @property
    def is_request(self) -> bool:
        """Whether it is no answer."""
        return not self.start.startswith("SIP/")

    @property
    def label(self) -> str:
        """The method of a request, the status of an answer."""
        words = self.start.split(" ", 2)
        return words[0] if self.is_request or len(words) < 2 else words[1]

    @property
    def line(self) -> str:
        """What a person reads of it."""
        if self.is_request:
            return f"{self.start.removesuffix(' SIP/2.0')}, CSeq {self.cseq}"
        said = f": {self.reason}" if self.reason else ""
        return f"{self.start.partition(' ')[2]} to {self.cseq}{said}"


def glance(message: bytes) -> Glance:
    """Look at a message, whole or not."""
    head = message[:_HEAD_BYTES].partition(b"\r\n\r\n")[0].decode("utf-8", "backslashreplace")
    start, *lines = head.split("\r\n")
    fields: dict[str, str] = {}
    for line in lines:
        name, _, value = line.partition(":")
        fields.setdefault(name.strip().lower(), value.strip())
    uris = {name: _uri(fields.get(name, "")) for name in ("from", "to", "p-asserted-identity", "referred-by")}
    called = start.split(" ")[1] if start.count(" ") > 1 and not start.startswith("SIP/") else ""
    return Glance(
        start=start[:500],
        call_id=fields.get("call-id", ""),
        cseq=fields.get("cseq", ""),
        people=frozenset(aor_of(uri) for uri in uris.values() if uri),
        sender=aor_of(uris["from"]) if uris["from"] else Aor(""),
        conferences=frozenset(_conferences(called, uris["from"], uris["to"])),
        client=fields.get("user-agent", fields.get("server", ""))[:120],
        reason=_reason(fields.get("ms-diagnostics", fields.get("ms-diagnostics-public", ""))),
    )


def conference_in(uri: str) -> str:
    """Give the key of the conference that a URI names; "" if it names none."""
    opaque = uri.partition(_CONFERENCE)[2].partition(";")[0].partition("?")[0]
    return conference_key(opaque.partition(":id:")[2])


def _uri(value: str) -> str:
    try:
        return parse_name_addr(value).uri
    except RemoteProtocolError:
        return ""


def _conferences(*uris: str) -> Iterator[str]:
    for uri in uris:
        key = conference_in(uri)
        if key:
            yield key


def _reason(diagnostics: str) -> str:
    number = diagnostics.partition(";")[0].strip()
    reason = diagnostics.partition('reason="')[2].partition('"')[0]
    return " ".join(word for word in (number, reason) if word)[:300]
