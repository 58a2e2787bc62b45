"""Kerberos on SIP ([MS-SIPAE] 3.3.5): one token shows a ticket, and its session key signs from then on.

A client may ask that the server proves itself too (RFC 4120 §3.2.4). Its key is not whole before it has that proof, so it cannot
sign the REGISTER with the token, and the answer to that is the first that it can believe.
"""

import base64
from secrets import token_hex

from lyncpy.auth.association import Association
from lyncpy.auth.offer import AgreedKeys, OfferedScheme, SchemeOffer
from lyncpy.auth.principals import holder_of
from lyncpy.auth.settings import Settings
from lyncpy.contracts.arrival import Arrival
from lyncpy.contracts.authenticator import AuthenticationDenied, Challenge
from lyncpy.contracts.directory import IPeople
from lyncpy.contracts.kerberos import SIP_SERVICE, TOKEN_BYTES, AcceptedTicket, IMics, ITickets
from lyncpy.contracts.timers import ITimers
from lyncpy.sip.binary import read_base64

_SIGNATURE_DIGITS = 512


class MicSigner:
    """Both directions of a ticket's session key: what a client signs is verified, and not made again."""

    __slots__ = ("_mics",)

    def __init__(self, mics: IMics) -> None:
        self._mics = mics

    def hex(self, text: bytes) -> str:
        """Give our signature."""
        return self._mics.sign(text).hex().upper()

    def holds(self, text: bytes, signature: str) -> bool:
        """Tell whether this is the client's signature of a text."""
        if len(signature) > _SIGNATURE_DIGITS:
            return False
        try:
            mic = bytes.fromhex(signature)
        except ValueError:
            return False
        return self._mics.holds(text, mic)


class KerberosAuthenticator(OfferedScheme):
    """Signs in who shows a ticket for `sip/` and this server's name. There are no challenges that wait.

    Args:
        server_name: The name that clients know this server by.
    """

    def __init__(
        self, tickets: ITickets, people: IPeople, settings: Settings, server_name: str, timers: ITimers
    ) -> None:
        target = f"{SIP_SERVICE}/{settings.target_name or server_name}"
        super().__init__(SchemeOffer("Kerberos", target, settings, ""))
        self._tickets = tickets
        self._people = people
        self._settings = settings
        self._timers = timers

    def drop_handshake(self, flow: str) -> None:
        """Do nothing: a handshake has one step."""

    async def _take(self, arrival: Arrival, given: dict[str, str]) -> Challenge | AuthenticationDenied | Association:
        if not given.get("gssapi-data"):
            # A signature of an association that is no more; the client begins anew when told so.
            return self._offer.initial()
        token = read_token(given["gssapi-data"])
        request = arrival.request
        version, identity = self._offer.version(given), self._offer.identity(request)
        accepted = await self._tickets.accept(token, SIP_SERVICE, arrival.peer)
        if isinstance(accepted, AuthenticationDenied):
            return accepted
        person = holder_of(accepted, self._people, self._timers.wall(), identity.aor)
        if isinstance(person, AuthenticationDenied):
            return person
        keys = _keys(accepted, arrival.at, self._settings.lifetime_s)
        return self._offer.associate(request, given, identity, keys, version, arrival.at)


def _keys(accepted: AcceptedTicket, now: float, lifetime_s: float) -> AgreedKeys:
    signer = MicSigner(accepted.mics)
    expires = now + min(accepted.lifetime_s, lifetime_s)
    proof = base64.b64encode(accepted.reply).decode()
    return AgreedKeys(signer, signer, token_hex(4).upper(), expires, is_told=False, proof=proof)


def read_token(text: str) -> bytes:
    """Decode a token.

    Raises:
        RemoteProtocolError: It is no base64, or too long.
    """
    return read_base64(text, TOKEN_BYTES * 4 // 3 + 4, "the token")
