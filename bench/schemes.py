"""What proving oneself costs the server, by each scheme: the REGISTERs of a sign-in, and what the web services take for a ticket.

The connection and its TLS are there already: they are the same for everybody.
"""

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509 import Certificate
from twisted.internet.defer import gatherResults
from twisted.internet.task import deferLater

from bench.device import Device, Keys, connect
from bench.machine import free_port
from bench.people import DOMAIN, PASSWORD, user
from bench.rounds import WARM_UP, Rounds
from bench.runs import run_all
from bench.server import Server, serving
from bench.sites import SETTLE_S
from bench.table import OURS
from tests.kit.enrollment import HeldTicket, WebClient, key_request
from tests.kit.https_client import HttpsLine
from tests.kit.kdc import Kdc, kerberos_lacks
from tests.kit.kerberos_client import KerberosKeys
from tests.kit.key_pairs import key_of
from tests.kit.ntlm_client import NtlmClient
from tests.kit.tls_dsk_client import TlsDskClient

HOST: Final = "fe1.example.test"
"""The server's name in challenges, and in its Kerberos keys."""

_PROOF_PORT: Final = "CertProvisioningServiceWebTicketProof_SHA1"


@dataclass(frozen=True, slots=True)
class Schemes:
    """How much of everything."""

    rounds: int = 3
    group: int = 20
    """Who sign in, in each round, by each scheme, and leave again."""

    @property
    def people(self) -> int:
        """How many there have to be: each has one certificate."""
        return (self.rounds + WARM_UP) * self.group


@dataclass(frozen=True, slots=True)
class SchemeGround:
    """A server that offers every scheme that can be tried here."""

    server: Server
    site: str
    """The address of its web services."""

    caches: Mapping[int, str]
    """Whose Kerberos tickets are where, by number; empty: Kerberos cannot be tried."""


@contextmanager
def scheme_server(folder: Path, amounts: Schemes, say: Callable[[str], None]) -> Iterator[SchemeGround]:
    """Run a server with its site, and with keys of a Kerberos realm where there can be one."""
    port = free_port()
    settings = ["sip.server_name=localhost", f"auth.target_name={HOST}", "web.https_host=127.0.0.1"]
    settings.append(f"web.https_port={port}")
    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        caches: Mapping[int, str] = {}
        if lack := kerberos_lacks():
            say(f"without Kerberos: {lack}")
        else:
            kdc = Kdc(folder / "kdc")
            stack.callback(kdc.stop)
            say(f"a Kerberos realm starts, with {amounts.people} users")
            caches = _realm(kdc, amounts.people)
            settings.append(f"auth.keytab={kdc.add_service(f'sip/{HOST}', folder / 'krb5.keytab')}")
            os.environ.update({name: kdc.environment[name] for name in ("KRB5_CONFIG", "KRB5RCACHEDIR")})
        server = stack.enter_context(serving(folder / "home", amounts.people, more=settings))
        yield SchemeGround(server, f"https://localhost:{port}", caches)


def _realm(kdc: Kdc, people: int) -> Mapping[int, str]:
    kdc.start()
    kdc.add_users(map(user, range(people)), PASSWORD)
    return {number: kdc.sign_in(user(number), PASSWORD) for number in range(people)}


class SchemeCosts:
    """Has the same people sign in by one scheme after the other."""

    name = OURS

    def __init__(self, rounds: Rounds, ground: SchemeGround, amounts: Schemes) -> None:
        self._rounds = rounds
        self._ground = ground
        self._amounts = amounts
        self._key: rsa.RSAPrivateKey = key_of("a device")
        self._line = HttpsLine(ground.server.ca)

    def cpu_s(self) -> float:
        """Give the processor time until now, in seconds."""
        return self._ground.server.cpu_s()

    async def run(self) -> None:
        """Measure each scheme in each round."""
        amounts = self._amounts
        for number in range(amounts.rounds + WARM_UP):
            self._rounds.say(f"sign-ins by each scheme: round {number} of {amounts.rounds}")
            numbers = range(number * amounts.group, (number + 1) * amounts.group)
            piece_us = await self._rounds.breathe()
            await self._sign_ins("ntlm", numbers, piece_us, self._password)
            if self._ground.caches:
                await self._sign_ins("kerberos", numbers, piece_us, self._ticket)
            certificates = await self._certificates(numbers, piece_us)
            await self._sign_ins("tls-dsk", numbers, piece_us, lambda one: TlsDskClient(certificates[one], self._key))  # noqa: B023 - at once
        self._line.close()
        self._rounds.forget_warm_up(*(row for row in self._rounds.rows if row.operation.startswith("scheme-")))

    def _password(self, number: int) -> Keys:
        return NtlmClient(f"{user(number)}@{DOMAIN}", PASSWORD, wall=time.time)

    def _ticket(self, number: int) -> Keys:
        return KerberosKeys(cache=self._ground.caches[number])

    async def _sign_ins(
        self, scheme: str, numbers: Sequence[int], piece_us: float, keys: Callable[[int], Keys]
    ) -> None:
        reactor = self._rounds.reactor
        devices = [await connect(reactor, self._ground.server, number, keys(number)) for number in numbers]
        await deferLater(reactor, SETTLE_S)
        await self._measured(scheme, piece_us, len(numbers), lambda: run_all(devices, Device.register))
        for device in devices:
            device.leave()
        await gatherResults([device.lost for device in devices])
        await deferLater(reactor, SETTLE_S)

    async def _certificates(self, numbers: Sequence[int], piece_us: float) -> Mapping[int, Certificate]:
        """Get everybody a web ticket, and a certificate for it, over one connection."""
        clients = {one: WebClient(self._line.send, f"{user(one)}@{DOMAIN}", PASSWORD) for one in numbers}
        first = clients[numbers[0]]
        place, issuer = first.port(f"{self._ground.site}/CertProv/CertProvisioningService.svc", _PROOF_PORT)
        tickets, _ = first.port(issuer, "WebTicketServiceWinNegotiate")
        requests = {one: key_request(self._key, f"{user(one)}@{DOMAIN}") for one in numbers}
        held: dict[int, HeldTicket] = {}
        certificates: dict[int, Certificate] = {}

        # It waits for each answer: nobody else asks the server for anything meanwhile.
        async def get_tickets() -> None:
            held.update({one: client.ticket(place, tickets) for one, client in clients.items()})

        async def get_certificates() -> None:
            for one, client in clients.items():
                certificates[one] = client.certificate(client.ask_certificate(place, held[one], requests[one]))

        await self._measured("web-ticket", piece_us, len(numbers), get_tickets)
        await self._measured("certificate", piece_us, len(numbers), get_certificates)
        return certificates

    async def _measured(
        self, what: str, piece_us: float, count: int, work: Callable[[], Any]
    ) -> None:  # Any: a coroutine
        await self._rounds.measure(self._rounds.row(f"scheme-{what}", OURS), self, piece_us, count, work)
