"""The client's side of Kerberos, by the system's GSS-API: tokens, and signatures with the key of a ticket."""

import base64
import importlib
import sys
from secrets import token_hex
from typing import Any, Final, TypeVar

from lyncpy.auth.signing import signed_fields
from lyncpy.sip.headers import parse_auth
from lyncpy.sip.message import Request, Response

M = TypeVar("M", Request, Response)

SPNEGO: Final = "1.3.6.1.5.5.2"


class KerberosClient:
    """One security context of whoever the cache of tickets belongs to (KRB5CCNAME).

    Args:
        service: As `sip@fe1.example.test`.
        spnego: Whether the token is wrapped as browsers do.
        mutual: Whether the server has to prove itself too.
        ordered: Whether it asks that the order of what is signed is looked at.
        cache: The cache of tickets, where it is not the one of the environment.
    """

    def __init__(
        self, service: str, *, spnego: bool = False, mutual: bool = False, ordered: bool = False, cache: str = ""
    ) -> None:
        self._gssapi: Any = importlib.import_module("gssapi")
        self._cache = cache
        self._service, self._spnego, self._mutual, self._ordered = service, spnego, mutual, ordered
        self._context: Any = None

    def token(self) -> bytes:
        """Begin anew, and give the token that shows a ticket."""
        gssapi = self._gssapi
        flags = [gssapi.RequirementFlag.integrity]
        flags += [gssapi.RequirementFlag.mutual_authentication] if self._mutual else []
        if self._ordered:
            flags += [gssapi.RequirementFlag.replay_detection, gssapi.RequirementFlag.out_of_sequence_detection]
        self._context = gssapi.SecurityContext(
            name=gssapi.Name(self._service, gssapi.NameType.hostbased_service),
            creds=gssapi.Credentials(usage="initiate", store={"ccache": self._cache}) if self._cache else None,
            usage="initiate",
            mech=gssapi.OID.from_int_seq(SPNEGO) if self._spnego else gssapi.MechType.kerberos,
            flags=flags,
        )
        token: bytes = self._context.step()
        return token

    def token64(self) -> str:
        """Give a new token as header fields have it."""
        return base64.b64encode(self.token()).decode()

    def finish(self, reply: bytes) -> None:
        """Take the server's proof; raises where it is none."""
        self._context.step(reply)
        assert self._context.complete

    @property
    def is_whole(self) -> bool:
        """Whether it can sign and verify."""
        return self._context is not None and bool(self._context.complete)

    def sign(self, text: bytes) -> bytes:
        """Sign a text as the client."""
        signature: bytes = self._context.get_signature(text)
        return signature

    def holds(self, text: bytes, mic: bytes) -> bool:
        """Tell whether this is the server's signature of a text."""
        try:
            self._context.verify_signature(text, mic)
        except self._gssapi.exceptions.GSSError:
            return False
        return True


class KerberosKeys:
    """One sign-in over SIP with a ticket ([MS-SIPAE] 3.2.5.1), by MIT's own client; `NtlmClient` is the same with a password.

    Args:
        mutual: Whether the server has to prove itself: until then nothing is signed, nor believed.
        cache: See `KerberosClient`.
    """

    scheme: Final = "Kerberos"
    steps: Final = 1
    version = 4

    def __init__(self, *, mutual: bool = False, cache: str = "") -> None:
        self._mutual = mutual
        self._cache = cache
        self._count = 0
        self.restart()

    def restart(self) -> None:
        """Forget the association; the count goes on."""
        self._client: KerberosClient | None = None

    @property
    def ready(self) -> bool:
        """Whether it insists on signatures."""
        return self._client is not None

    def answer(self, request: Request, challenge: str) -> Request:
        """Give the REGISTER that shows a ticket, signed if the key is whole."""
        _, given = parse_auth(challenge)
        realm, target = given["realm"], given["targetname"]
        self._client = client = KerberosClient(target.replace("/", "@", 1), mutual=self._mutual, cache=self._cache)
        self._front = f"<{realm}><{target}>"
        self._head = f'Kerberos qop="auth", realm="{realm}", targetname="{target}"'
        value = f'{self._head}, gssapi-data="{client.token64()}", version={self.version}'
        if client.is_whole:
            value += self._signature(client, signed_fields(request, self.version))
        return request.edited(last=[("Authorization", value)])

    def sign(self, message: M) -> M:
        """Give a request or response with its Authorization."""
        return message.edited(last=[("Authorization", self.seal(signed_fields(message, self.version)))])

    def seal(self, fields: str) -> str:
        """Give the value of Authorization that signs these fields, as `signed_fields` gives them."""
        assert self._client is not None
        return self._head + self._signature(self._client, fields)

    def _signature(self, client: KerberosClient, fields: str) -> str:
        self._count += 1
        rand = token_hex(4)
        mic = client.sign(f"<Kerberos><{rand}><{self._count}>{self._front}{fields}".encode())
        return f', crand="{rand}", cnum="{self._count}", response="{mic.hex()}"'

    def verify(self, message: Request | Response) -> bool:
        """Tell whether the server's signature is there and holds; its proof, where that is due, is taken first."""
        client, value = self._client, message.headers.get("Authentication-Info")
        if client is None or value is None:
            return False
        _, given = parse_auth(value)
        if "gssapi-data" in given:
            client.finish(base64.b64decode(given["gssapi-data"], validate=True))
        return self.holds(given["rspauth"], given["srand"], given["snum"], signed_fields(message, self.version))

    def holds(self, proof: str, rand: str, number: str, fields: str) -> bool:
        """Tell whether the server's signature of these fields holds."""
        client = self._client
        if client is None or not client.is_whole:
            return False
        return client.holds(f"<Kerberos><{rand}><{number}>{self._front}{fields}".encode(), bytes.fromhex(proof))


if __name__ == "__main__":
    sys.stdout.write(KerberosClient(sys.argv[1]).token64())
