"""C3P: requests read, responses written ([MS-CONFBAS] 2.2.3, [MS-CONFPRO] 2.2)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from lyncpy.sip.errors import RemoteProtocolError
from lyncpy.sip.markup import attr, local, quote_attr, read_xml

C3P_TYPE: Final = "application/cccp+xml"

_C3P_NS: Final = "urn:ietf:params:xml:ns:cccp"
_WORD_MAXIMUM: Final = 64
"""Letters of a command's name; the longest of the protocol has half as many."""


@dataclass(frozen=True, slots=True)
class Command:
    """One C3P request: what is wanted of whom."""

    name: str
    """The command, e.g. "addConference"."""

    request_id: str
    from_: str
    to: str


def read_request(body: bytes) -> Command:
    """Read a C3P request.

    Raises:
        RemoteProtocolError: Not one command in a request.
    """
    root = read_xml(body)
    if local(root) != "request" or len(root) != 1:
        raise RemoteProtocolError("a C3P request holds one command")
    name = local(root[0])
    if len(name) > _WORD_MAXIMUM:
        raise RemoteProtocolError("no C3P command has so long a name")
    return Command(name, attr(root, "requestId") or "", attr(root, "from") or "", attr(root, "to") or "")


def write_capabilities(command: Command, mcu_types: Sequence[str]) -> bytes:
    """Answer which media can be conferenced, to either way of asking.

    Spec: [MS-CONFBAS] 2.2.3.8; the capability version of this revision is 0. Client: it looks at
    `code`, and at the types to decide what it offers.
    """
    types = "".join(f"<mcuType>{kind}</mcuType>" for kind in mcu_types)
    version = ' capability-version="0"' if command.name == "getConferencingCapabilities" else ""
    return _response(command, "success", f"<{command.name}{version}><mcu-types>{types}</mcu-types></{command.name}>")


def write_failure(command: Command, reason: str) -> bytes:
    """Answer that a command failed, and why, in a word of the protocol."""
    return _response(command, "failure", f'<{command.name} reason="{reason}"/>')


def _response(command: Command, code: str, content: str) -> bytes:
    return (
        f'<response xmlns="{_C3P_NS}" C3PVersion="1" requestId={quote_attr(command.request_id)}'
        f' from={quote_attr(command.to)} to={quote_attr(command.from_)} code="{code}">{content}</response>'
    ).encode()
