"""Whom a device was rung for, proven by the route of the dialog.

Who takes a call for somebody else is in a dialog whose own address is that of the one who was called (RFC 3261
§12.1.1), and writes it in From. That they may is known by their Route alone: the Record-Route of the INVITE that they
were sent has the mark of this deployment, and a dialog's requests repeat it. So it holds at every server, and when they
have been started anew.
"""

import hashlib
import hmac
from collections.abc import Callable
from typing import Final

from lyncpy.contracts.names import Aor
from lyncpy.sip.errors import RemoteProtocolError
from lyncpy.sip.headers import parse_name_addr, split_list
from lyncpy.sip.message import Request
from lyncpy.sip.uri import parse_uri

PARAM: Final = "ms-called"
"""Of the URI of a Record-Route."""

_CHARACTERS: Final = 32


class CalledAs:
    """Marks the routes of dialogs, and knows the marks.

    Args:
        stamp: Gives a code of a text that nobody else can make, see `IStamps`.
    """

    def __init__(self, stamp: Callable[[bytes], bytes]) -> None:
        self._stamp = stamp

    def marked(self, route: str, request: Request, device_of: Aor) -> str:
        """Give the URI of a Record-Route for the devices of a user who are sent an INVITE to somebody else."""
        return f"{route};{PARAM}={self._mark(request.call_id, device_of, request.to.uri)}"

    def is_marked(self, request: Request, sender: Aor) -> bool:
        """Tell whether a user was called, in this dialog, by the address that a request has in From."""
        route = request.headers.get("Route") if request.to.tag else None
        if route is None or PARAM not in route:
            return False
        try:
            mark = parse_uri(parse_name_addr(split_list(route)[0]).uri).params.get(PARAM)
        except RemoteProtocolError:
            return False
        right = self._mark(request.call_id, sender, request.from_.uri)
        return mark is not None and hmac.compare_digest(right.encode(), mark.encode("utf-8", "surrogateescape"))

    def _mark(self, call_id: str, device_of: Aor, called: str) -> str:
        text = "\n".join(("called as", call_id, device_of, called)).encode("utf-8", "surrogateescape")
        return hashlib.sha256(self._stamp(text)).hexdigest()[:_CHARACTERS]
