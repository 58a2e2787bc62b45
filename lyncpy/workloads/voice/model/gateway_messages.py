"""What passes between a client and a gateway, and what either is told instead. Pure.

The server is one end of both dialogs: of a client's headers a gateway sees what a call needs, and of a gateway's a client. Bodies pass
as they are. A gateway is beyond the border of trust: whose call it is, it is told as the route says, and nothing else.

Spec: RFC 3261 §8.1.1; RFC 3262; RFC 3325 §7; RFC 4028.
"""

from dataclasses import dataclass
from typing import Final

from lyncpy.contracts.names import Aor
from lyncpy.sip.dialog import MAX_FORWARDS
from lyncpy.sip.grammar import split_list
from lyncpy.sip.message import Headers, Request, Response

ALLOWED: Final = "INVITE, ACK, CANCEL, BYE, OPTIONS, PRACK, UPDATE, INFO"
"""What is passed on in a call."""

_AS_IT_IS: Final = ("Session-Expires", "Min-SE", "RSeq", "RAck", "Reason", "Content-Disposition", "Content-Type")
_IN_PART: Final = ("Supported", "Require")
_OPTIONS: Final = frozenset({"100rel", "timer"})
"""Extensions of which both ends speak for themselves."""

_RELIABLE: Final = "100rel"

ANONYMOUS_AOR: Final = Aor("sip:anonymous@anonymous.invalid")
ANONYMOUS: Final = f'"Anonymous" <{ANONYMOUS_AOR}>'
"""Who wants not to be known (RFC 3261 §8.1.1.3)."""


@dataclass(frozen=True, slots=True)
class OutwardInvite:
    """What an INVITE to a gateway says beside the client's own."""

    uri: str
    """The callee, at the gateway."""

    caller: str
    """The number that the callee is shown; "": none."""

    host: str
    """This server, as the gateway knows it."""

    contact: str
    call_id: str
    tag: str


def passed(message: Request | Response, *, reliable: bool = True) -> list[tuple[str, str]]:
    """Give the fields that pass from one side to the other.

    Args:
        message: What one side has said.
        reliable: Whether provisional answers may want PRACK.
    """
    options = _OPTIONS if reliable else _OPTIONS - {_RELIABLE}
    fields = [(name, value) for name in _AS_IT_IS for value in message.headers.get_all(name)]
    for name in _IN_PART:
        words = [one.strip() for value in message.headers.get_all(name) for one in split_list(value)]
        kept = [one for one in words if one.lower() in options]
        if kept:
            fields.append((name, ", ".join(kept)))
    return fields


def outward(invite: Request, given: OutwardInvite) -> Request:
    """Write the INVITE to a gateway for that of a client.

    Its CSeq number is the client's, so that PRACK can say of which INVITE it is (RFC 3262 §7.2).
    """
    own = f"<sip:{given.caller}@{given.host};user=phone>"
    fields = [
        ("Max-Forwards", MAX_FORWARDS if invite.max_forwards is None else str(invite.max_forwards - 1)),
        ("From", f"{own if given.caller else ANONYMOUS};tag={given.tag}"),
        ("To", f"<{given.uri}>"),
        ("Call-ID", given.call_id),
        ("CSeq", f"{invite.cseq.number} INVITE"),
        ("Contact", f"<{given.contact}>"),
        ("Allow", ALLOWED),
        *identity(given.caller, given.host),
        *passed(invite),
    ]
    return Request("INVITE", given.uri, Headers(fields), invite.body)


def identity(caller: str, host: str) -> list[tuple[str, str]]:
    """Assert who calls, to a gateway that is trusted with it; of a hidden caller nothing leaves the house (RFC 3325 §7, RFC 3323)."""
    if not caller:
        return [("Privacy", "id")]
    return [("P-Asserted-Identity", f"<sip:{caller}@{host};user=phone>")]
