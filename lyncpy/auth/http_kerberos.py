"""Kerberos over HTTP: a ticket for `HTTP/` and this server's name, in the scheme Negotiate (RFC 4559)."""

import base64

from zope.interface import implementer

from lyncpy.auth.kerberos import read_token
from lyncpy.auth.principals import holder_of
from lyncpy.contracts.authenticator import AuthenticationDenied
from lyncpy.contracts.directory import IPeople
from lyncpy.contracts.http import ITicketHandshakes, TicketProof
from lyncpy.contracts.kerberos import HTTP_SERVICE, ITickets
from lyncpy.contracts.timers import ITimers


@implementer(ITicketHandshakes)
class TicketHandshakes:
    """Verifies what a browser shows, and says whose it is; no keys remain of it."""

    def __init__(self, tickets: ITickets, people: IPeople, timers: ITimers) -> None:
        self._tickets = tickets
        self._people = people
        self._timers = timers

    async def check(self, token: str, peer: str) -> TicketProof | AuthenticationDenied:
        """Give who a token proves to be there."""
        accepted = await self._tickets.accept(read_token(token), HTTP_SERVICE, peer)
        if isinstance(accepted, AuthenticationDenied):
            return accepted
        person = holder_of(accepted, self._people, self._timers.wall())
        if isinstance(person, AuthenticationDenied):
            return person
        return TicketProof(person.aor, accepted.principal, base64.b64encode(accepted.reply).decode())
