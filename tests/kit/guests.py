"""Guests: devices without an account, who come to a conference by its key, as Lync's anonymous client does.

A guest makes up an address, proves with Digest what they know, and sends the proof with every
request once they have been asked for it. Nothing that they hear is signed.
"""

import secrets
from typing import Any, Final

from lyncpy.auth.digest import DigestCredentials, answer
from lyncpy.sip.headers import parse_auth
from lyncpy.sip.message import Request, Response
from tests.kit.actors import Actor
from tests.kit.sip_client import Exchange, Fields, SipClient

TRIES: Final = 3
"""How often they answer a challenge to one request before they take the 401 for the answer."""


class GuestSip(SipClient):
    """The SIP of a guest.

    Attributes:
        shown: His name, in From.
        challenge: What the server asked last: names → values; empty before it did.
        username: Their name in their proofs.
        count: How often they have answered the challenge.
    """

    shown = ""
    username = "anonymous"

    def __init__(self, *args: Any, **how: Any) -> None:  # Any: see SipClient
        """Take a device that has not been asked for anything."""
        super().__init__(*args, **how)
        self.key: str = how["password"]
        self.gruu = self.aor
        self.challenge: dict[str, str] = {}
        self.count = 0
        self._cnonce = secrets.token_hex(8)
        self._tried: dict[Exchange, int] = {}

    def request(self, method: str, uri: str, fields: Fields = (), body: bytes = b"", *, to: str = "") -> Request:
        """Write a request outside of any dialog, with their name."""
        request = super().request(method, uri, fields, body, to=to)
        return request.edited(put=[("From", f'"{self.shown}" {request.headers.get("From")}')])

    def write(self, message: Request | Response, *, signed: bool = True) -> None:
        """Send a message; a request carries their proof, if they have been asked for one."""
        if signed and isinstance(message, Request) and self.challenge:
            message = self.proven(message)
        super().write(message, signed=False)

    def proven(self, request: Request) -> Request:
        """Give a request with their proof."""
        self.count += 1
        return request.edited(
            drop=["authorization"], last=[("Authorization", self.credentials(request.method, request.uri))]
        )

    def credentials(self, method: str, uri: str) -> str:
        """Write the credentials of one request."""
        given = self.challenge
        mine = DigestCredentials(
            self.username, given["realm"], given["nonce"], uri, "", self._cnonce, f"{self.count:08x}", session=True
        )
        response = answer(mine, self.key, method)
        return (
            f'Digest username="{mine.username}", realm="{mine.realm}", qop=auth, algorithm=MD5-sess, uri="{uri}", '
            f'nonce="{mine.nonce}", nc={mine.nc}, cnonce="{mine.cnonce}", opaque="{given["opaque"]}", '
            f'response="{response}"'
        )

    def _check(self, message: Request | Response) -> None:
        if message.headers.get("Authentication-Info") is not None:
            raise AssertionError("a guest has no association, and this is signed")

    def _response(self, response: Response) -> None:
        exchange = self._exchanges.get((response.call_id, response.cseq.number, response.cseq.method))
        if exchange is None or response.status != 401:
            super()._response(response)
            return
        _, self.challenge = parse_auth(response.headers.get("WWW-Authenticate") or "")
        self.count = 0
        tried = self._tried.get(exchange, 0)
        if tried >= TRIES or (tried and self.challenge.get("stale") != "true"):
            exchange.heard(response)
            return
        self._tried[exchange] = tried + 1
        self.write(exchange.request)


class Guest(Actor):
    """One device of somebody without an account."""

    makes = GuestSip
    sip: GuestSip

    def __init__(self, *args: Any, name: str, **how: Any) -> None:  # Any: see Actor
        """Take who they say they are."""
        super().__init__(*args, **how)
        self.sip.shown = name


def made_up() -> str:
    """Give a name as Lync makes one up."""
    return secrets.token_hex(16)
