"""Where strangers' proofs come in: passwords, tickets, certificates and SOAP bodies, each spoiled in any way.

`scripts/fuzz --cases N` tries so many of them, `tests/properties/test_surface.py` a few of each. Looked for are errors
that nobody declares, whatever the server logs as an error, a refusal without words, and a case that costs more than `CASE_S`.
"""

import base64
import gc
import json
import os
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from hashlib import md5
from pathlib import Path
from random import Random
from typing import Final, NamedTuple

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import Certificate
from twisted.internet.task import Clock
from zope.interface import implementer

from lyncpy.auth.authenticator import NtlmAuthenticator
from lyncpy.auth.inner_contexts import InnerContexts
from lyncpy.auth.kerberos import KerberosAuthenticator
from lyncpy.auth.ntlm import nt_hash
from lyncpy.auth.offer import OfferedScheme
from lyncpy.auth.settings import Settings as AuthSettings
from lyncpy.auth.tls_dsk import TlsDskAuthenticator
from lyncpy.backends.kerberos import load_gssapi, verify_ticket
from lyncpy.backends.kerberos_tokens import TokenUnreadable, ticket_label
from lyncpy.contracts.arrival import Arrival
from lyncpy.contracts.authenticator import AuthenticationDenied, Challenge, DenialReason
from lyncpy.contracts.certificates import IClientCertificates, StandingCertificate
from lyncpy.contracts.directory import Group, Person
from lyncpy.contracts.kerberos import AcceptedTicket, ITickets
from lyncpy.contracts.names import Aor, FlowName, aor_of
from lyncpy.sip.message import Request
from lyncpy.workloads.webservices.bodies.address_book import photo_path
from tests.kit.ap_req import ap_req
from tests.kit.certificates import issue
from tests.kit.costs import uncollected
from tests.kit.directory import JPEG
from tests.kit.enrollment import (
    WebAnswer,
    bearer_header,
    certificate_text,
    group_text,
    holder_header,
    key_request,
    request_text,
    search_text,
    security_header,
)
from tests.kit.gatehouse import WALL, TablePeople, TableSecrets, request_of, timers_of
from tests.kit.kdc import Kdc, kerberos_lacks
from tests.kit.kerberos_client import KerberosClient
from tests.kit.key_pairs import SameKey, key_of
from tests.kit.ntlm_client import NtlmClient
from tests.kit.results import result_of
from tests.kit.spoiling import spoiled
from tests.kit.stage import Stage, shown_server
from tests.kit.tls_dsk_client import TlsDskClient
from tests.kit.web import BOOK, CERTIFICATES, PHOTOS, TICKETS, WEB, Web

CORPUS: Final = Path(__file__).parents[1] / "corpus" / "spoiled"

CASE_S: Final = 0.05
"""Seconds of processor time that no case may take."""

A_SURFACE: Final = 5_000
"""Cases after which everything is made anew: tickets get old, and tries are remembered."""

A_WHILE: Final = 250
"""Cases after which time passes, so that who has guessed too often may guess again."""

HOST: Final = "fe1.contoso.test"
ALICE: Final = Aor("sip:alice@contoso.test")
_OPAQUE: Final = b"0PAQUE00"
"""Stands where the name of a handshake under way belongs."""

Put = Callable[[bytes], None]


class Stumbled(AssertionError):
    """The server has logged an error, or refused without a word."""


class Target(NamedTuple):
    """One place where something comes in."""

    specimen: Callable[[], bytes]
    """Give something that is in order there."""

    put: Put
    """Hand something over; raises whatever is wrong with how that is taken."""

    share: int = 10
    """How often it is tried, beside the others."""

    is_good_once: bool = False
    """Whether a specimen is for one handshake alone."""


class SoapRequests:
    """A request of each kind to the web services of a stage, with what is proved in it.

    Attributes:
        asked: Texts, each with the place that it is for.
        photo: A path at which there is a photo.
        shown: A ticket for it, in base64.
        basic: The value of Authorization that proves a password.
    """

    def __init__(self, web: Web) -> None:
        self.web = web
        web.stage.directory.groups = [Group("team", "Team", aor_of("team@example.com"), frozenset({"key-bob"}))]
        web.stage.pulls()
        client, ticket = web.client(), web.ticket()
        self._certificate = client.certificate(web.certify())
        self._count = 0
        body = certificate_text(client.address, key_request(key_of("alice")))
        book = client.ticket(f"{BOOK}/WebTicket_Bearer", TICKETS)
        self._ask = request_text(BOOK, f"sip:{client.address}", bytes(32)).decode()
        self.asked: Final = (
            (TICKETS, self._ask),
            (f"{TICKETS}/Cert", self.signed()),
            (f"{CERTIFICATES}/WebTicket_Proof_SHA1", _enveloped(security_header(ticket), body)),
            (f"{BOOK}/WebTicket_Bearer", _enveloped(bearer_header(book), search_text("bo"))),
            (f"{BOOK}/WebTicket_Bearer", _enveloped(bearer_header(book), group_text("mailto:team@example.com"))),
        )
        web.stage.photos.of["uid=bob"] = JPEG
        self.photo = photo_path(aor_of("bob@example.com"), md5(JPEG, usedforsecurity=False).hexdigest())
        self.shown = base64.b64encode(book.assertion.encode()).decode()
        self.basic = client.basic

    def signed(self) -> str:
        """Give a request for a ticket that is signed with a certificate: each time another, for each is good once."""
        self._count += 1
        begins, lasts_s = self.web.stage.wall() - self._count % 600, 1_000.0 + self._count // 600
        holder = holder_header(self._certificate, key_of("alice"), begins, lasts_s=lasts_s)
        return self._ask.replace("<soap:Body>", f"<soap:Header>{holder}</soap:Header><soap:Body>")

    def send(self, place: str, text: str | bytes) -> WebAnswer:
        """Send one."""
        data = text.encode("utf-8", "replace") if isinstance(text, str) else text
        return self.web.send("POST", place, {"authorization": self.basic}, data)


def _enveloped(security: str, body: str) -> str:
    return f"<e><Header>{security}</Header><Body>{body}</Body></e>"


# What comes in over HTTPS.


def _site_targets(stage: Stage, chance: Random) -> Mapping[str, Target]:
    web = Web(stage)
    requests = SoapRequests(web)

    def calm(answer: WebAnswer, *, soap: bool = False) -> None:
        if stage.unexpected:
            said = stage.unexpected[0]
            stage.complaints.clear()
            raise Stumbled(said)
        if soap and answer.status not in (401, 403, 429) and answer.status != 200 and not answer.reason:
            raise Stumbled(f"{answer.status} without a reason")

    def soap(place: str) -> Put:
        return lambda data: calm(requests.send(place, data), soap=True)

    def header(name: str, place: str, prefix: str = "") -> Put:
        def put(data: bytes) -> None:
            value = prefix + data.decode("latin-1")
            calm(web.send("GET" if place.startswith(PHOTOS) else "POST", place, {name: value}, requests_body))

        return put

    def answered(data: bytes) -> None:
        calm(web.send("POST", TICKETS, {"authorization": f"NTLM {negotiate.decode()}"}, requests_body))
        header("authorization", TICKETS)(data)

    def certificate() -> bytes:
        # A ticket gets one key certified: what is changed and still in order uses it up.
        if chance.random() < 0.02:
            body = certificate_text("alice@example.com", key_request(key_of("alice")))
            certified[:] = [_enveloped(security_header(web.ticket()), body).encode()]
        return certified[0]

    requests_body = requests.asked[0][1].encode()
    certified = [requests.asked[2][1].encode()]
    client = NtlmClient("alice@example.com", "wrong", wall=stage.wall)
    negotiate = base64.b64encode(b"NTLMSSP\0\1\0\0\0" + bytes(24))
    names = ("ticket", "ticket for a certificate", "certificate", "address book", "group")
    found = {
        f"SOAP: {name}": Target(text.encode, soap(place))
        for name, (place, text) in zip(names, requests.asked, strict=True)
    }
    for name, specimen in {
        "SOAP: certificate": certificate,
        "SOAP: ticket for a certificate": lambda: requests.signed().encode(),
    }.items():
        found[name] = found[name]._replace(specimen=specimen)
    return {
        **found,
        "HTTPS: web ticket": Target(
            requests.shown.encode, header("x-ms-webticket", f"{PHOTOS}/{requests.photo}", "opaque=")
        ),
        "HTTPS: Basic": Target(requests.basic.encode, header("authorization", TICKETS)),
        "HTTPS: NTLM": Target(lambda: b"NTLM " + negotiate, header("authorization", TICKETS), 5),
        "HTTPS: NTLM, answered": Target(lambda: b"NTLM " + _authenticate(client), answered),
        "HTTPS: Negotiate": Target(lambda: b"Negotiate " + _authenticate(client), header("authorization", TICKETS), 5),
    }


def _authenticate(client: NtlmClient) -> bytes:
    """Give an AUTHENTICATE message, in base64; it answers no challenge of ours."""
    challenge = f'NTLM opaque="x", realm="r", targetname="t", version=4, gssapi-data="{base64.b64encode(_challenge()).decode()}"'
    value = client.answer(request_of(ALICE, "REGISTER"), challenge).headers.get("Authorization") or ""
    return value.partition('gssapi-data="')[2].partition('"')[0].encode()


@cache
def _challenge() -> bytes:
    desk = _ntlm()
    asked = (
        'NTLM qop="auth", realm="SIP Communications Service", targetname="fe1.contoso.test", gssapi-data="", version=4'
    )
    outcome = _stepped(desk, asked.encode())
    assert isinstance(outcome, Challenge)
    return base64.b64decode(outcome.value.partition('gssapi-data="')[2].partition('"')[0])


# What comes in over SIP.


@implementer(IClientCertificates)
class _OneCertificate:
    """Alice has it."""

    def __init__(self, certificate: bytes) -> None:
        self._certificate = certificate

    async def judge(self, certificate: bytes, aor: Aor) -> StandingCertificate | AuthenticationDenied:
        """Look at it."""
        if (certificate, aor) != (self._certificate, ALICE):
            return AuthenticationDenied(DenialReason.UNKNOWN_CERTIFICATE, aor=aor)
        return StandingCertificate("digest", WALL + 1e7)


@implementer(ITickets)
class _Tickets:
    """Verifies them at once, where there is a keytab; else what can be read of them is read."""

    def __init__(self, keytab: Path | None) -> None:
        self._keytab = keytab

    async def accept(self, token: bytes, service: str, peer: str) -> AcceptedTicket | AuthenticationDenied:
        """Verify one."""
        if self._keytab is not None:
            return verify_ticket(load_gssapi(), self._keytab, token, service)
        try:
            ticket_label(token)
        except TokenUnreadable as error:
            return AuthenticationDenied(DenialReason.MALFORMED, detail=str(error))
        return AuthenticationDenied(DenialReason.NO_KEYTAB)


def _people() -> TablePeople:
    return TablePeople(Person(ALICE, "1", logins=("alice",)))


def _ntlm() -> NtlmAuthenticator:
    secrets = TableSecrets({ALICE: nt_hash("secret")})
    return NtlmAuthenticator(_people(), secrets, AuthSettings(), HOST, "contoso.test", timers_of(Clock()), None)


def _stepped(scheme: OfferedScheme, value: bytes) -> object:
    """Show credentials to a scheme; whatever it raises is an error."""
    text = value.decode("utf-8", "surrogateescape")
    return result_of(scheme.step(Arrival(request_of(ALICE, "REGISTER"), FlowName("f/1"), "192.0.2.1", 0.0), text))


def _sip_targets(keytab: Path | None, ticket: Callable[[], bytes], chance: Random) -> Mapping[str, Target]:
    timers, ntlm = timers_of(Clock()), _ntlm()
    device = _device()
    certificates = _OneCertificate(device[0].public_bytes(Encoding.DER))
    contexts = InnerContexts(shown_server, SameKey(), HOST, timers)
    result_of(contexts.open())  # as a server does before anybody comes
    tls_dsk = TlsDskAuthenticator(_people(), certificates, contexts, AuthSettings(), HOST, "https://x/", timers)
    kerberos = KerberosAuthenticator(_Tickets(keytab), _people(), AuthSettings(), HOST, timers)
    terms = f'realm="SIP Communications Service", targetname="{HOST}", version=4'
    flights: list[bytes] = []

    def answered(data: bytes) -> None:
        outcome = _stepped(ntlm, f'NTLM qop="auth", gssapi-data="", {terms}'.encode())
        assert isinstance(outcome, Challenge)
        opaque = outcome.value.partition('opaque="')[2].partition('"')[0].encode()
        _stepped(ntlm, data.replace(_OPAQUE, opaque))

    def hello() -> bytes:
        return _value(TlsDskClient(*device).answer(request_of(ALICE, "REGISTER"), f"TLS-DSK {terms}"))

    def proof() -> bytes:
        client = TlsDskClient(*device)
        outcome = _stepped(tls_dsk, _value(client.answer(request_of(ALICE, "REGISTER"), f"TLS-DSK {terms}")))
        assert isinstance(outcome, Challenge)
        opaque = outcome.value.partition('opaque="')[2].partition('"')[0].encode()
        # A client's proof takes longer than whatever the server does with it: most are of a handshake before.
        if not flights or chance.random() < 0.1:
            whole = _value(client.answer(request_of(ALICE, "REGISTER"), outcome.value))
            flights[:] = [whole.replace(opaque, _OPAQUE)]
        return flights[0].replace(_OPAQUE, opaque)

    def token() -> bytes:
        return b'Kerberos qop="auth", gssapi-data="%b", %b' % (base64.b64encode(ticket()), _KERBEROS)

    client = NtlmClient("alice@contoso.test", "secret", wall=lambda: WALL)
    return {
        "SIP: NTLM": Target(
            lambda: (
                b'NTLM qop="auth", opaque="%b", gssapi-data="%b", %b, crand="00000001", cnum="1", response="%b"'
                % (_OPAQUE, _authenticate(client), terms.encode(), b"0" * 32)
            ),
            answered,
        ),
        "SIP: TLS-DSK, first": Target(hello, lambda data: _nothing(_stepped(tls_dsk, data)), 6),
        "SIP: TLS-DSK, second": Target(proof, lambda data: _nothing(_stepped(tls_dsk, data)), 4, is_good_once=True),
        "SIP: Kerberos": Target(token, lambda data: _nothing(_stepped(kerberos, data))),
    }


_KERBEROS: Final = f'realm="SIP Communications Service", targetname="sip/{HOST}", version=4'.encode()


def _nothing(outcome: object) -> None:
    """Whatever came of it is an answer."""


def _value(request: Request) -> bytes:
    return (request.headers.get("Authorization") or "").encode()


@cache
def _device() -> tuple[Certificate, RSAPrivateKey]:
    """Give a certificate of Alice's, and its key."""
    today = datetime.fromtimestamp(WALL, UTC)
    return issue("alice", today=today, key=key_of("alice")).certificate, key_of("alice")


# All of it.


@dataclass(frozen=True, slots=True)
class Realm:
    """A keytab, and what shows tickets for it."""

    keytab: Path | None
    token: Callable[[], bytes]


NO_REALM: Final = Realm(None, lambda: ap_req("sip", HOST))
"""Where there is no KDC: tokens are read, and there is no key for them."""


@contextmanager
def realm(folder: Path) -> Iterator[Realm]:
    """Run a KDC, if there can be one."""
    if kerberos_lacks():
        yield NO_REALM
        return
    kdc = Kdc(folder / "kdc").start()
    try:
        kdc.add_user("alice", "pw")
        keytab = kdc.add_service(f"sip/{HOST}", folder / "krb5.keytab")
        os.environ.update({name: kdc.environment[name] for name in ("KRB5_CONFIG", "KRB5RCACHEDIR")})
        client = KerberosClient(f"sip@{HOST}", cache=kdc.sign_in("alice", "pw"))
        yield Realm(keytab, client.token)
    finally:
        kdc.stop()


class Surface:
    """All targets, before servers of their own."""

    def __init__(self, chance: Random, where: Realm = NO_REALM) -> None:
        self._chance = chance
        self._made: dict[str, bytes] = {}
        self.stage = Stage(
            web=WEB,
            auth={"tries_per_user": 1_000, "tries_per_address": 100_000},
            webservices={"certificates_per_hour": 10_000},
        )
        self.targets: Final = {
            **_site_targets(self.stage, chance),
            **_sip_targets(where.keytab, where.token, chance),
        }

    def close(self) -> None:
        """End it."""
        self.stage.close()

    def spoiled(self, name: str) -> bytes:
        """Give something for a target that is not in order."""
        return spoiled(self._chance, self._specimen(name), self._near(name))

    def _specimen(self, name: str) -> bytes:
        """Give one that was given before, most times: making it takes longer than most servers' looks at it."""
        target = self.targets[name]
        if target.is_good_once or name not in self._made or self._chance.random() < 0.1:
            self._made[name] = target.specimen()
        return self._made[name]

    def _near(self, name: str) -> Sequence[bytes]:
        """Now and then give something for another target of the same kind, of which a part may come into this one."""
        if self._chance.random() > 0.05:
            return ()
        kind = name.partition(":")[0]
        return [self._made[one] for one in self._made if one.startswith(kind)]

    def put(self, name: str, data: bytes) -> float:
        """Hand something over; give the seconds of processor time that this took."""
        target = self.targets[name]
        begun = time.process_time()
        target.put(data)
        return time.process_time() - begun


class Spoiled(NamedTuple):
    """One case."""

    target: str
    data: bytes


@dataclass(slots=True)
class Told:
    """What came of many cases."""

    tries: int = 0
    errors: list[tuple[str, Spoiled]] = field(default_factory=list)
    dear: list[tuple[float, Spoiled]] = field(default_factory=list)
    """Those that cost more than `CASE_S`. They are not tried again: a handshake that is over costs nothing."""

    dearest: dict[str, float] = field(default_factory=dict)
    """By target: the most seconds of any case."""

    spent_s: float = 0.0
    """Processor time of all cases together."""


def one_case(surface: Surface, name: str, told: Told) -> None:
    """Try one case, and note what came of it."""
    case = Spoiled(name, surface.spoiled(name))
    told.tries += 1
    try:
        cost = surface.put(*case)
        told.spent_s += cost
        told.dearest[name] = max(cost, told.dearest.get(name, 0.0))
        if cost > CASE_S:
            told.dear.append((cost, case))
    except Exception as error:  # what nobody declares is what is looked for
        told.errors.append((repr(error)[:2_000], case))


def many_cases(chance: Random, count: int, where: Realm, say: Callable[[str], None]) -> Told:
    """Try so many cases, of all targets."""
    told = Told()
    with uncollected():
        while told.tries < count:
            surface, known = Surface(chance, where), (len(told.errors), len(told.dear))
            names = [name for name, target in surface.targets.items() for _ in range(target.share)]
            for number in range(min(A_SURFACE, count - told.tries)):
                one_case(surface, chance.choice(names), told)
                if number % A_WHILE == 0:
                    surface.stage.passes(1_000)
            surface.close()
            gc.collect()
            for error, case in told.errors[known[0] :]:
                say(f"ERROR {case.target}: {error}: {case.data[:300]!r}")
            for cost, case in told.dear[known[1] :]:
                say(f"DEAR {case.target}: {cost * 1e3:.0f} ms: {case.data[:300]!r}")
            say(
                f"{told.tries} cases, {len(told.errors)} errors, {len(told.dear)} above {CASE_S * 1e3:.0f} ms; {told.spent_s:.0f} s in them"
            )
    return told


def kept(corpus: Path = CORPUS) -> Iterator[tuple[str, Spoiled]]:
    """Give the cases of the corpus, by the names of their files."""
    for path in sorted(corpus.glob("*.json")):
        found = json.loads(path.read_text())
        yield path.stem, Spoiled(found["target"], base64.b64decode(found["data"]))


def keep(cases: Iterable[Spoiled], corpus: Path = CORPUS) -> None:
    """Put cases into the corpus, each under what it is for."""
    corpus.mkdir(exist_ok=True)
    for case in cases:
        stem = re.sub(r"[^a-z0-9]+", "-", case.target.lower())
        number = next(n for n in range(1, 1_000) if not (corpus / f"{stem}-{n}.json").exists())
        found = {"target": case.target, "data": base64.b64encode(case.data).decode()}
        (corpus / f"{stem}-{number}.json").write_text(json.dumps(found, indent=1) + "\n")
