"""Kerberos on SIP: one token, then signatures by the ticket's key; everything else has a reason of its own."""

import base64
import re

import pytest
from twisted.internet.task import Clock

from lyncpy.auth.authenticator import NtlmAuthenticator
from lyncpy.auth.kerberos import KerberosAuthenticator, MicSigner
from lyncpy.auth.principals import person_of
from lyncpy.auth.settings import Settings as AuthSettings
from lyncpy.contracts.arrival import Arrival
from lyncpy.contracts.authenticator import DenialReason
from lyncpy.contracts.directory import Moment, Person
from lyncpy.contracts.names import Aor, FlowName
from lyncpy.contracts.refusal import Refused
from lyncpy.core.gate import RENEWAL_S
from lyncpy.core.settings import Settings
from lyncpy.sip.headers import parse_auth
from lyncpy.sip.message import Message, Request, Response, response_to
from lyncpy.workloads.directory.people import People
from tests.kit.gatehouse import (
    WALL,
    RecordedFlows,
    TablePeople,
    TableSecrets,
    gate_of,
    request_of,
    signins_of,
    timers_of,
)
from tests.kit.meters import MemoryMeter
from tests.kit.results import result_of
from tests.kit.tickets import PROOF, PaperMics, PaperTickets, TicketClient

ALICE = Aor("sip:alice@contoso.test")
BOB = Aor("sip:bob@contoso.test")
FLOW = FlowName("n/1")
TOKEN = b"alice@CONTOSO.TEST|36000"


class Hall:
    """A gate that offers Kerberos and NTLM, and one connection."""

    def __init__(self, alice: Person | None = None, **auth: object) -> None:
        self.clock = Clock()
        people = TablePeople(alice or Person(ALICE, "1", logins=("alice",)), Person(BOB, "2", logins=("bob",)))
        self.tickets, meter, timers = PaperTickets(), MemoryMeter(), timers_of(self.clock)
        rules = AuthSettings.model_validate(auth)
        self.signins = signins_of(people, rules, meter, timers)
        schemes = [
            KerberosAuthenticator(self.tickets, people, rules, "fe1.contoso.test", timers),
            NtlmAuthenticator(people, TableSecrets({}), rules, "fe1.contoso.test", "contoso.test", timers, None),
        ]
        self.flows = RecordedFlows()
        self.gate = gate_of(schemes, self.signins, self.flows, meter, Settings(), timers)
        self.gate.opened(FLOW, "192.0.2.1", secure=True)

    def admit(self, request: Request) -> Arrival:
        return result_of(self.gate.admit(Arrival(request, FLOW, "192.0.2.1", self.clock.seconds())))

    def refusal(self, request: Request) -> Response:
        with pytest.raises(Refused) as caught:
            self.admit(request)
        return caught.value.response(request)

    def why(self, aor: Aor = ALICE) -> str:
        return "\n".join(f"{one.finding} -> {one.remedy}" for one in result_of(self.signins.reasons(aor)))


def register(number: int = 2) -> Request:
    """A REGISTER of Alice."""
    return request_of(ALICE, "REGISTER", number=number)


def test_each_scheme_is_offered_kerberos_first() -> None:
    """Clients that are joined to the domain take it; the name is that of the service."""
    assert list(Hall().refusal(register(1)).headers.get_all("WWW-Authenticate")) == [
        'Kerberos targetname="sip/fe1.contoso.test", realm="SIP Communications Service", version=4',
        'NTLM targetname="fe1.contoso.test", realm="SIP Communications Service", version=4',
    ]


@pytest.mark.parametrize("version", [2, 3, 4])
def test_one_token_signs_in_and_all_is_signed_from_then_on(version: int) -> None:
    """The client hears the association's name with the first answer, and may use it or not."""
    hall, client = Hall(), TicketClient(TOKEN, version=version)
    arrival = hall.admit(client.show(register()))
    assert (arrival.sender.aor, arrival.sender.scheme) == (ALICE, "Kerberos")
    assert hall.tickets.asked == ["sip"]
    answer = hall.gate.seal(FLOW, response_to(arrival.request, 200))
    assert isinstance(answer, Response)
    said = answer.headers.get("Authentication-Info") or ""
    found = re.match(r'Kerberos rspauth="([0-9A-F]+)", srand="[0-9A-F]{8}", snum="1", opaque="([0-9A-F]{8})"', said)
    assert found, said
    for number, opaque in ((3, ""), (4, ""), (5, found[2])):
        request = client.sign(request_of(ALICE, "MESSAGE", number=number), {"opaque": opaque} if opaque else {})
        assert hall.admit(request).sender.aor == ALICE
    wrong = client.sign(request_of(ALICE, "MESSAGE", number=6), {"opaque": "12345678"})
    assert hall.refusal(wrong).status == 403
    forged = client.sign(request_of(ALICE, "MESSAGE", number=7))
    assert hall.refusal(forged.edited(put=[("Expires", "1")])).status == 403


MUTUAL = TOKEN + b"|mutual"


def proof_in(message: Message | None) -> str:
    """Give the token in what signs a message; "" where there is none."""
    assert message is not None
    return parse_auth(message.headers.get("Authentication-Info") or "")[1].get("gssapi-data", "")


def test_the_answer_to_the_ticket_proves_the_server_to_a_client_that_asked() -> None:
    """Once, and whatever the answer is; the client cannot sign before it, and does from then on."""
    hall, client = Hall(), TicketClient(MUTUAL, mutual=True)
    request = hall.admit(client.show(register())).request
    ringing = response_to(request, 100)
    assert hall.gate.seal(FLOW, ringing) is ringing
    assert proof_in(hall.gate.seal(FLOW, response_to(request, 403))) == base64.b64encode(PROOF).decode()
    hall.clock.advance(0)
    assert not proof_in(hall.gate.seal(FLOW, response_to(register(3), 200)))
    assert hall.admit(client.sign(request_of(ALICE, "MESSAGE", number=3))).sender.aor == ALICE


@pytest.mark.parametrize("again", [False, True])
def test_nothing_is_said_before_the_proof_that_a_client_waits_for(*, again: bool) -> None:
    """At its first sign-in and when it renews its keys: it would take it for somebody else's, and hang up."""
    hall, client = Hall(), TicketClient(TOKEN)
    if again:
        hall.admit(client.show(register()))
    client = TicketClient(MUTUAL, mutual=True)
    request = hall.admit(client.show(register(3))).request
    message = request_of(BOB, "MESSAGE")
    assert hall.gate.seal(FLOW, message) is None
    assert proof_in(hall.gate.seal(FLOW, response_to(request, 200)))
    later = request_of(BOB, "MESSAGE", number=2)
    assert hall.gate.seal(FLOW, later) is None
    assert not hall.flows.sent  # the answer is not under way yet
    hall.clock.advance(0)
    assert hall.flows.sent == [(FLOW, message), (FLOW, later)]
    assert not proof_in(hall.gate.seal(FLOW, message))


def test_what_waits_for_a_proof_goes_on_waiting_for_who_begins_anew_at_once() -> None:
    """Its keys are gone again, before anything was sent with them."""
    hall, client = Hall(), TicketClient(MUTUAL, mutual=True)
    request = hall.admit(client.show(register())).request
    message = request_of(BOB, "MESSAGE")
    assert hall.gate.seal(FLOW, message) is None
    hall.gate.seal(FLOW, response_to(request, 200))
    hall.refusal(register(4))
    hall.clock.advance(0)
    assert not hall.flows.sent
    answered = hall.admit(client.show(register(5))).request
    hall.gate.seal(FLOW, response_to(answered, 200))
    hall.clock.advance(0)
    assert hall.flows.sent == [(FLOW, message)]


def test_a_register_whose_signature_does_not_hold_is_refused() -> None:
    """With version 4 the token's own request is signed: who has overheard a token alone cannot use it."""
    request = TicketClient(TOKEN).show(register())
    assert Hall().refusal(request.edited(put=[("Expires", "77")])).status == 401


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        (DenialReason.TICKET_EXPIRED, "expired"),
        (DenialReason.TICKET_REPLAYED, "before"),
        (DenialReason.WRONG_SERVICE, "another service"),
        (DenialReason.WRONG_KEY_VERSION, "does not have"),
        (DenialReason.BAD_TICKET, "decrypted"),
        (DenialReason.NO_KEYTAB, "cannot use its"),
    ],
)
def test_each_refusal_has_its_own_reason(reason: DenialReason, words: str) -> None:
    """The client may go on to another scheme; the operator reads why and what to do."""
    hall = Hall()
    hall.tickets.refused[TOKEN] = reason
    answer = hall.refusal(TicketClient(TOKEN).show(register()))
    assert answer.status == 401
    assert len(answer.headers.get_all("WWW-Authenticate")) == 2
    assert words in (answer.headers.get("ms-diagnostics") or "")
    assert f"{reason} (as the test says) -> " in hall.why()
    assert not hall.why().rstrip().endswith("->")


def test_who_comes_with_too_many_is_told_when_to_come_again_and_it_is_no_guess() -> None:
    """Their ticket was not looked at; once it is, it lets them in."""
    hall = Hall(tries_per_user=1)
    hall.tickets.refused[TOKEN] = DenialReason.TOO_MANY_TICKETS
    for number in range(2, 5):
        answer = hall.refusal(TicketClient(TOKEN).show(register(number)))
        assert (answer.status, answer.headers.get("Retry-After")) == (503, "5")
        assert "Too many tickets" in (answer.headers.get("ms-diagnostics") or "")
    assert "too many tickets at once (as the test says) -> " in hall.why()
    assert set(hall.tickets.peers) == {"192.0.2.1"}
    del hall.tickets.refused[TOKEN]
    assert hall.admit(TicketClient(TOKEN).show(register(5))).sender.aor == ALICE


def test_a_wrong_clock_is_told_to_the_user() -> None:
    """A client shows these words."""
    hall = Hall()
    hall.tickets.refused[TOKEN] = DenialReason.CLOCK_SKEW
    answer = hall.refusal(TicketClient(TOKEN).show(register()))
    assert answer.status == 403
    assert "clock" in (answer.headers.get("ms-diagnostics-public") or "")


def test_a_principal_without_a_person_is_told() -> None:
    """Their name is for the operator."""
    hall = Hall()
    answer = hall.refusal(TicketClient(b"carol@CONTOSO.TEST|36000").show(register()))
    assert answer.status == 401
    assert "nobody has here" in (answer.headers.get("ms-diagnostics") or "")
    assert "as 'carol@CONTOSO.TEST': unknown principal -> " in hall.why()


def test_another_users_ticket_is_refused() -> None:
    """The address in From has to be the ticket's."""
    hall = Hall()
    assert hall.refusal(TicketClient(b"bob@CONTOSO.TEST|36000").show(register())).status == 403
    assert "as 'bob@CONTOSO.TEST': not this user" in hall.why()


def test_an_account_that_has_ended_is_refused_whatever_the_kdc_says() -> None:
    """The directory has the last word."""
    hall = Hall(Person(ALICE, "1", logins=("alice",), until=Moment(WALL - 1, "shadowExpire")))
    assert hall.refusal(TicketClient(TOKEN).show(register())).status == 403


@pytest.mark.parametrize("token", ["=", "?" * 8, "A" * 65_000])
def test_what_is_no_token_is_refused(token: str) -> None:
    """It is not even given to who would verify it."""
    hall = Hall()
    request = TicketClient(TOKEN).show(register(), **{"gssapi-data": token})
    assert hall.refusal(request).status == 401
    assert not hall.tickets.asked


def test_an_empty_token_and_a_signature_of_before_get_the_challenge() -> None:
    """A client that has keys of another server, or of this one before its restart, begins anew."""
    hall, client = Hall(), TicketClient(TOKEN)
    for request in (
        client.show(register(), **{"gssapi-data": ""}),
        client.sign(register()),
        client.show(register(), targetname="sip/fe2.contoso.test"),
    ):
        answer = hall.refusal(request)
        assert answer.headers.get_all("WWW-Authenticate")[0].startswith("Kerberos targetname=")
        assert not hall.tickets.asked


def test_bad_tickets_make_one_wait_like_bad_passwords() -> None:
    """They are tried no faster than passwords are."""
    hall = Hall(tries_per_user=2)
    hall.tickets.refused[TOKEN] = DenialReason.BAD_TICKET
    statuses = [hall.refusal(TicketClient(TOKEN).show(register(number))).status for number in range(2, 6)]
    assert statuses[-1] == 503
    asked = len(hall.tickets.asked)
    hall.refusal(TicketClient(TOKEN).show(register(9)))
    assert len(hall.tickets.asked) == asked


def test_keys_end_with_the_ticket_and_are_asked_for_anew_before() -> None:
    """A REGISTER within the last two minutes gets a challenge; messages go on until the end."""
    hall, client = Hall(), TicketClient(b"alice@CONTOSO.TEST|1000")
    assert hall.admit(client.show(register())).proven_until == 1000.0
    hall.clock.advance(1000 - RENEWAL_S - 1)
    assert hall.admit(client.sign(register(3))).proven_until == 1000.0
    hall.clock.advance(2)
    answer = hall.refusal(client.sign(register(4)))
    assert answer.status == 401
    assert hall.admit(client.sign(request_of(ALICE, "MESSAGE", number=5))).sender.aor == ALICE
    again = TicketClient(b"alice@CONTOSO.TEST|36000")
    assert hall.admit(again.show(register(6))).proven_until == hall.clock.seconds() + 28_800.0
    old = TicketClient(b"alice@CONTOSO.TEST|100")
    short = Hall()
    short.admit(old.show(register()))
    short.clock.advance(101)
    assert short.refusal(old.sign(request_of(ALICE, "MESSAGE", number=3))).status == 403


def test_a_signature_of_any_letters_is_a_signature_or_none() -> None:
    """Digits of either case; whatever else is none."""
    mics = PaperMics(b"a", b"a")
    signer = MicSigner(mics)
    digits = signer.hex(b"text")
    assert signer.holds(b"text", digits.lower())
    for wrong in ("", "0", "zz", "Ä" * 8, digits[:-2], "00" * 300, "\udcff"):
        assert not signer.holds(b"text", wrong)


@pytest.mark.parametrize("name", ["support", "SUPPORT", "sip:support", " support", "support@contoso.test"])
def test_nobodys_address_is_the_account_of_somebody_else(name: str) -> None:
    """The KDC knows an account `support`; who has that address only is Bob, whose account is called otherwise."""
    people = People()
    people.put_person(Person(Aor("sip:support@contoso.test"), "1", logins=("bob",)))
    for realm in ("CONTOSO.TEST", "EXAMPLE.TEST"):
        assert person_of(f"{name}@{realm}", people, own_realm=True) is None
    assert person_of("bob@CONTOSO.TEST", people, own_realm=True) is not None


@pytest.mark.parametrize("name", ["sip:carol", " carol", "carol;x=y"])
def test_a_principal_is_nobodys_that_only_reads_like_an_address(name: str) -> None:
    """What is left out where people type their names stands in tickets for another account."""
    people = People()
    people.put_person(Person(Aor("sip:carol@contoso.test"), "1"))
    for own in (True, False):
        assert person_of(f"{name}@CONTOSO.TEST", people, own_realm=own) is None


def test_whose_a_principal_is() -> None:
    """The account's name counts in the server's own realm; of a realm that is trusted the whole principal does."""
    people = People()
    people.put_person(Person(ALICE, "1", logins=("asmith", "alice.smith@corp.test")))
    people.put_person(Person(BOB, "2", logins=("alice",)))
    people.put_person(Person(Aor("sip:carol@contoso.test"), "3"))
    people.put_person(Person(Aor("sip:dave@partner.test"), "4"))

    def who(principal: str, *, own: bool = True) -> str:
        found = person_of(principal, people, own_realm=own)
        return found.key if found else ""

    assert who("asmith@CONTOSO.TEST") == "1"
    assert who("alice.smith@CORP.TEST") == "1"
    # In Active Directory the ticket has sAMAccountName: Bob's is alice, whoever has the address.
    assert who("alice@CONTOSO.TEST") == "2"
    assert who("carol@CONTOSO.TEST") == "3"
    assert who("asmith@OTHER.TEST", own=False) == ""
    assert who("dave@PARTNER.TEST", own=False) == "4"
    # Who has no login is called like their address, in whichever realm; a login of somebody else goes before.
    assert who("carol@EXAMPLE.TEST") == "3"
    assert who("Dave@PARTNER.TEST") == "4"
    people.put_person(Person(Aor("sip:eve@contoso.test"), "5", logins=("carol@example.test",)))
    assert who("carol@EXAMPLE.TEST") == "5"
    # What somebody has typed who did not let the KDC put the account's name for it: a login, and no address.
    assert who("alice.smith\\@corp.test@CONTOSO.TEST") == "1"
    assert who("carol\\@contoso.test@CONTOSO.TEST") == ""
    assert who("alice.smith\\@corp.test@OTHER.TEST", own=False) == ""
    for none in (
        "",
        "@CONTOSO.TEST",
        "alice",
        "alice/admin@CONTOSO.TEST",
        "host/fe1@CONTOSO.TEST",
        "a\\@b@CONTOSO.TEST",
    ):
        assert who(none) == ""
