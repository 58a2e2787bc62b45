"""The documents of provisioning ([MS-SIPREGE] 2.2.2): the groups asked for, and the answer."""

from collections.abc import Iterable, Sequence
from typing import Final

from lyncpy.contracts.bounded_cache import Remembered
from lyncpy.contracts.names import Aor
from lyncpy.contracts.workload import Provision
from lyncpy.sip.errors import RemoteProtocolError
from lyncpy.sip.markup import attr, children, quote_attr, read_xml

GROUPS_TYPE: Final = "application/vnd-microsoft-roaming-provisioning-v2+xml"
OLD_TYPE: Final = "application/vnd-microsoft-roaming-provisioning+xml"

_ANSWER_NS: Final = "http://schemas.microsoft.com/2006/09/sip/provisiongrouplist-notification"

GROUPS_MAXIMUM: Final = 64
"""Names in one question; Lync asks for fewer than twenty."""

REMEMBERED_BYTES: Final = 2_048
"""A longer question is read anew each time."""


def read_groups(body: bytes) -> tuple[str, ...] | None:
    """Read which groups are asked for, each once, in order; None for no body: all of them.

    Client: the elements are in one of two namespaces, so that none is looked at.

    Raises:
        RemoteProtocolError: No XML, or far too many names.
    """
    if not body.strip():
        return None
    return _known_groups[body] if len(body) <= REMEMBERED_BYTES else _read_groups(body)


def _read_groups(body: bytes) -> tuple[str, ...]:
    elements = children(read_xml(body), "provisioningGroup")
    if len(elements) > GROUPS_MAXIMUM:
        raise RemoteProtocolError("too many provisioning groups in one question", 413)
    return tuple(dict.fromkeys(name for name in (attr(element, "name") for element in elements) if name))


# All devices of one kind of client ask in the same words.
_known_groups: Final = Remembered(_read_groups, 1_048_576)


def write_groups(asked: Sequence[str] | None, provisions: Iterable[Provision], aor: Aor) -> bytes:
    """Write the requested groups that exist; several provisions of one group are joined."""
    known: dict[str, list[Provision]] = {}
    for provision in provisions:
        known.setdefault(provision.group, []).append(provision)
    groups = [
        f"<provisionGroup name={quote_attr(name)}>{''.join([one.write(aor) for one in known[name]])}</provisionGroup>"
        for name in (known if asked is None else asked)
        if name in known
    ]
    return f'<provisionGroupList xmlns="{_ANSWER_NS}">{"".join(groups)}</provisionGroupList>'.encode()


def write_old(aor: Aor) -> bytes:
    """Write the document of LCS 2005 for a user without telephony."""
    return f"<provision><user uri={quote_attr(aor)}/></provision>".encode()
