"""Who asks over HTTP: passwords and tokens, and what a guesser meets."""

import base64
import hashlib
import os
import re
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

import pytest
import spnego
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from zope.interface import implementer

from lyncpy.auth.http_kerberos import TicketHandshakes
from lyncpy.auth.http_ntlm import NtlmHandshakes
from lyncpy.auth.ntlm import nt_hash
from lyncpy.auth.passwords import Passwords
from lyncpy.auth.settings import Settings as AuthSettings
from lyncpy.contracts.authenticator import DenialReason
from lyncpy.contracts.directory import IDirectoryPasswords, Person, SignInObjection
from lyncpy.contracts.http import ANYBODY, HttpAsked, HttpReader, HttpReaderKind, HttpRefused
from lyncpy.contracts.names import Aor
from lyncpy.contracts.owners import IMeanings
from lyncpy.contracts.refusal import DirectoryUnavailable
from lyncpy.core.keyed_lock import KeyedLock
from lyncpy.workloads.web.readers import Readers, ReadersUnusable, Tokens, read_named
from tests.kit.directory import FakePasswords
from tests.kit.gatehouse import TablePeople, TableSecrets, signins_of, timers_of
from tests.kit.logs import overheard
from tests.kit.meters import MemoryMeter
from tests.kit.owners import AddressMeanings
from tests.kit.results import result_of, started
from tests.kit.tickets import PROOF, PaperTickets

ALICE, DAN, ERIN = Aor("sip:alice@example.test"), Aor("sip:dan@example.test"), Aor("sip:erin@example.test")
TOKEN = "b4d9c1" * 8


def _basic(login: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{login}:{password}".encode()).decode()


class SlowSecrets(TableSecrets):
    """Secrets that take as long as the test wants."""

    def __init__(self, table: dict[str, bytes]) -> None:
        super().__init__(table)
        self.waiting: list[Deferred[None]] = []
        self.asked: list[Aor] = []

    async def nt_hash(self, aor: Aor) -> bytes | None:
        """Wait, then give a user's hash."""
        self.asked.append(aor)
        turn: Deferred[None] = Deferred()
        self.waiting.append(turn)
        await turn
        return self.table.get(aor)


class Desk:
    """Who tells readers apart, and people with and without passwords."""

    def __init__(
        self,
        file: Path = Path("/nonexistent"),
        secrets: TableSecrets | None = None,
        meanings: IMeanings | None = None,
        *,
        challenge_time: bool = False,
        tickets: PaperTickets | None = None,
        directory: IDirectoryPasswords | None = None,
        tell_unknown_users: bool = True,
        ntlm: bool = True,
    ) -> None:
        self.clock = Clock()
        self.people = people = TablePeople(
            Person(ALICE, "1", logins=("alice", "EXAMPLE\\alice")), Person(DAN, "2", enabled=False), Person(ERIN, "3")
        )
        self.secrets = secrets or TableSecrets({ALICE: nt_hash("pässword"), DAN: nt_hash("pässword")})
        self.signins = signins_of(
            people, AuthSettings(tell_unknown_users=tell_unknown_users), MemoryMeter(), timers_of(self.clock)
        )
        timers = timers_of(self.clock)
        self.readers = Readers(
            Passwords(people, self.secrets, timers, directory),
            NtlmHandshakes(
                people,
                self.secrets,
                AuthSettings(challenge_time=challenge_time),
                "fe1.example.test",
                "example.test",
                "",
                timers,
                None,
            )
            if ntlm
            else None,
            people,
            self.signins,
            KeyedLock(timers_of(self.clock)),
            Tokens(file),
            meanings or AddressMeanings(),
            TicketHandshakes(tickets, people, timers) if tickets is not None else None,
        )

    def who(self, credentials: str | None, peer: str = "192.0.2.1") -> HttpReader:
        """Ask who this is."""
        return result_of(self.readers.who(_asked(credentials, peer)))

    def ask(self, credentials: str, connection: str = "http/1") -> HttpReader:
        """Ask who this is, over one connection."""
        return result_of(self.readers.who(replace(_asked(credentials), connection=connection)))

    def refusal(self, credentials: str, peer: str = "192.0.2.1") -> HttpRefused:
        """Give the no."""
        with pytest.raises(HttpRefused) as refused:
            self.who(credentials, peer)
        return refused.value


def _asked(credentials: str | None, peer: str = "192.0.2.1") -> HttpAsked:
    headers = {} if credentials is None else {"authorization": credentials}
    return HttpAsked("GET", "x.test", "/", headers=headers, peer=peer)


def _file(folder: Path, text: str, mode: int = 0o600) -> Path:
    file = folder / "web-readers.toml"
    file.write_text(text)
    file.chmod(mode)
    return file


def _table(token: str = TOKEN, name: str = "wiki") -> str:
    digest = hashlib.sha256(token.encode()).hexdigest()
    return f'[{name}]\naddress = "Wiki@Example.test"\nsha256 = "{digest}"\n'


def test_who_shows_nothing_is_anybody() -> None:
    """No credentials, no name."""
    assert Desk().who(None) is ANYBODY


@pytest.mark.parametrize("login", ["alice@example.test", "ALICE@example.test", "EXAMPLE\\alice"])
def test_a_user_signs_in_with_any_of_his_names(login: str) -> None:
    """What works in the client works in the browser, letters beyond ASCII included."""
    reader = Desk().who(_basic(login, "pässword"))
    assert reader == HttpReader(HttpReaderKind.SIGNED_IN, ALICE, password="pässword")
    assert "pässword" not in repr(reader)


@pytest.mark.parametrize(
    "credentials",
    [
        _basic("alice@example.test", "wrong"),
        _basic("alice@example.test", ""),
        _basic("alice@example.test", "pässword" + "x" * 300),
        _basic("nobody@example.test", "pässword"),
        _basic("dan@example.test", "wrong"),
        _basic("erin@example.test", ""),
        _basic("", "pässword"),
        _basic("a" * 300, "x"),
        "Basic",
        "Basic !!!",
        "Basic " + base64.b64encode(b"\xff\xfe:x").decode(),
        "Basic " + base64.b64encode(b"no colon").decode(),
        "Bearer " + TOKEN,
        "Bearer short",
        "Digest username=alice",
        "NTLM TlRMTVNTUAABAAAA",
    ],
)
def test_what_is_wrong_is_refused_alike(credentials: str) -> None:
    """A guesser does not learn whether the name exists, is disabled or has no password."""
    refused = Desk().refusal(credentials)
    assert refused.status == 401
    assert any(name == "WWW-Authenticate" for name, _ in refused.headers)
    if credentials.startswith("Basic ") and "@" in base64.b64decode(credentials[6:] + "==", validate=False).decode(
        "latin-1"
    ):
        assert refused.sentence == "name or password is wrong"


def test_who_knows_the_password_is_told_why_it_is_not_enough() -> None:
    """In the words of SIP, and in a header for Lync's clients; that is no failed guess."""
    desk = Desk()
    for _ in range(10):
        refused = desk.refusal(_basic("dan@example.test", "pässword"))
        assert (refused.status, refused.sentence) == (403, "User disabled")
    assert dict(refused.headers) == {"X-Ms-diagnostics": '28000;"x.test";"User disabled";"wsse:FailedAuthentication"'}


def test_after_too_many_failures_even_the_right_password_waits() -> None:
    """The site is no place to guess passwords: there are as few tries as over SIP, and they count together."""
    desk = Desk()
    for _ in range(AuthSettings().tries_per_user):
        desk.refusal(_basic("alice@example.test", "wrong"))
    refused = desk.refusal(_basic("alice@example.test", "pässword"))
    assert refused.status == 429
    assert dict(refused.headers)["Retry-After"] == "30"
    assert len(desk.signins.failures(ALICE)) == 5
    desk.clock.advance(31)
    assert desk.who(_basic("alice@example.test", "pässword")).aor == ALICE


def test_one_place_that_tries_many_names_learns_nothing_and_shuts_out_nobody() -> None:
    """Nor can one go through the whole directory: names that exist are refused as those that do not."""
    desk = Desk()
    statuses = [desk.refusal(_basic(f"user{n}@example.test", "x")).status for n in range(60)]
    assert statuses == [401] * 60
    assert desk.who(_basic("alice@example.test", "pässword")).aor == ALICE


def test_whose_password_it_is_counts_and_not_who_had_the_login_before() -> None:
    """A pull gives a login to somebody else while its try waits for another; they are let in as themselves."""
    secrets = SlowSecrets({ALICE: nt_hash("pässword"), ERIN: nt_hash("wörd")})
    desk = Desk(secrets=secrets)
    readers: list[HttpReader] = []
    refused: list[Failure] = []
    _ = started(desk.readers.who(_asked(_basic("alice", "wrong")))).addErrback(refused.append)
    _ = started(desk.readers.who(_asked(_basic("alice", "wörd")))).addCallback(readers.append)
    (first,) = secrets.waiting
    desk.people.table[ALICE] = Person(ALICE, "1")
    desk.people.table[ERIN] = Person(ERIN, "3", logins=("alice",))
    first.callback(None)
    assert len(refused) == 1
    secrets.waiting[1].callback(None)
    assert [one.aor for one in readers] == [ERIN]
    assert secrets.asked == [ALICE, ERIN]
    places = desk.signins.tries.places
    assert (places.knows("1", "192.0.2.1"), places.knows("3", "192.0.2.1")) == (False, True)


def test_guesses_at_once_are_no_more_than_guesses_one_by_one() -> None:
    """A hundred connections that all guess before the first has failed get the same few tries."""
    secrets = SlowSecrets({ALICE: nt_hash("pässword")})
    desk = Desk(secrets=secrets)
    refused: list[int] = []

    def note(failure: Failure) -> None:
        assert isinstance(failure.value, HttpRefused)
        refused.append(failure.value.status)

    for n in range(100):
        guess = _asked(_basic("alice@example.test", f"guess{n}"))
        _ = started(desk.readers.who(guess)).addErrback(note)
    while secrets.waiting:
        secrets.waiting.pop().callback(None)
    assert refused.count(401) == AuthSettings().tries_per_user
    assert refused.count(429) == 100 - AuthSettings().tries_per_user


def test_a_program_reads_with_its_token(tmp_path: Path) -> None:
    """The wiki is somebody with an address, whose level people may choose."""
    desk = Desk(_file(tmp_path, _table()))
    assert desk.who(f"Bearer {TOKEN}") == HttpReader(HttpReaderKind.NAMED, Aor("sip:wiki@example.test"), "wiki")
    assert desk.refusal("Bearer " + "0" * 48).status == 401


def test_a_token_that_is_taken_out_is_refused_at_once(tmp_path: Path) -> None:
    """No restart is needed to shut a program out, or to let one in."""
    file = _file(tmp_path, _table())
    desk = Desk(file)
    desk.who(f"Bearer {TOKEN}")
    file.write_text(_table("f" * 48, "tickets"))
    assert desk.refusal(f"Bearer {TOKEN}").status == 401
    assert desk.who("Bearer " + "f" * 48).name == "tickets"
    file.unlink()
    assert desk.refusal("Bearer " + "f" * 48).status == 401


@pytest.mark.parametrize(
    ("text", "mode", "says"),
    [
        (_table(), 0o640, "chmod 600"),
        ("[wiki\n", 0o600, "line 1: a ] is missing"),
        ('[wiki]\naddress = "wiki@example.test"\n', 0o600, "needs address and sha256"),
        ('wiki = "x"\n', 0o600, "needs address and sha256"),
        ('[wiki]\naddress = "wiki@example.test"\nsha256 = "abc"\n', 0o600, "64 hexadecimal digits"),
        (f'[wiki]\naddress = "wiki"\nsha256 = "{"0" * 64}"\n', 0o600, "name@example.com"),
        (f'[wiki]\naddress = "wiki@example.test"\ntoken = "x"\nsha256 = "{"0" * 64}"\n', 0o600, "nothing else"),
    ],
)
def test_a_file_that_cannot_be_used_lets_nobody_in_and_says_why(
    tmp_path: Path, text: str, mode: int, says: str
) -> None:
    """An operator reads in the log, once, what to mend; `lyncpy check` says the same."""
    file = _file(tmp_path, text, mode)
    with pytest.raises(ReadersUnusable, match=re.escape(says)):
        read_named(file)
    with overheard() as events:
        desk = Desk(file)
        assert desk.refusal(f"Bearer {TOKEN}").status == 401
        desk.refusal(f"Bearer {TOKEN}")
    assert sum(says in str(event.get("reason", "")) for event in events) == 1


def test_no_file_is_no_fault() -> None:
    """Most servers have no such programs."""
    assert read_named(Path("/nonexistent")) == ()


def test_a_folder_in_place_of_the_file_is_told(tmp_path: Path) -> None:
    """Whatever is at the path, the server goes on."""
    os.mkdir(tmp_path / "readers", 0o700)
    with pytest.raises(ReadersUnusable):
        read_named(tmp_path / "readers")


def test_no_password_is_ever_in_a_log_line() -> None:
    """What was typed stays out of the log, right or wrong."""
    desk = Desk()
    with overheard() as events:
        desk.refusal(_basic("alice@example.test", "hunter2-wrong"))
        desk.who(_basic("alice@example.test", "pässword"))
    assert events
    assert "hunter2" not in str(events)
    assert "pässword" not in str(events)


@pytest.mark.parametrize(
    ("reason", "sentence"),
    [
        (DenialReason.PASSWORD_EXPIRED, "The password has expired and must be changed"),
        (DenialReason.MUST_CHANGE_PASSWORD, "The password must be changed first"),
        (DenialReason.EXPIRED, "User disabled, the account has expired"),
        (DenialReason.DISABLED, "User disabled"),
        (DenialReason.LOCKED, "The account is locked after too many wrong passwords, try again later"),
        (DenialReason.RESTRICTED, "The account may not sign in at this hour or from this computer"),
    ],
)
def test_what_a_directory_objects_to_is_told(reason: DenialReason, sentence: str) -> None:
    """Each in words of its own; to the operator in those of the directory."""
    desk = Desk(directory=FakePasswords(SignInObjection(reason, "as the directory says")))
    refused = desk.refusal(_basic("erin@example.test", "pässword"))
    assert (refused.status, refused.sentence) == (403, sentence)
    (finding,) = result_of(desk.signins.reasons(ERIN))
    assert f"{reason} (as the directory says)" in finding.finding
    assert finding.remedy


UNPROVEN = pytest.mark.parametrize("reason", [DenialReason.LOCKED, DenialReason.DISABLED, DenialReason.EXPIRED])


@UNPROVEN
def test_what_a_directory_says_of_any_password_is_a_failed_guess(reason: DenialReason) -> None:
    """Whoever has failed too often learns no more."""
    desk = Desk(directory=FakePasswords(SignInObjection(reason, "", unproven=True)))
    statuses = [desk.refusal(_basic("erin@example.test", f"guess {n}")).status for n in range(6)]
    assert statuses == [403] * 5 + [429]


def test_what_needs_the_password_is_no_guess() -> None:
    """Active Directory says that an account is disabled only to who knows its password."""
    desk = Desk(directory=FakePasswords(SignInObjection(DenialReason.DISABLED, "")))
    assert {desk.refusal(_basic("erin@example.test", "pässword")).status for _ in range(9)} == {403}


@UNPROVEN
def test_who_learns_no_names_learns_nothing_of_accounts(reason: DenialReason) -> None:
    """A lock would tell that the name exists."""
    objection = SignInObjection(reason, "", unproven=True)
    desk = Desk(directory=FakePasswords(objection), tell_unknown_users=False)
    assert desk.refusal(_basic("erin@example.test", "guess")).status == 401


def test_a_directory_that_cannot_be_asked_is_no_wrong_password() -> None:
    """It is no failed guess either; the operator reads what is the matter, and a password that is kept here is good."""
    desk = Desk(directory=FakePasswords(DirectoryUnavailable("ldap://dc1 cannot be reached: see whether it runs")))
    for _ in range(10):
        refused = desk.refusal(_basic("erin@example.test", "pässword"))
        assert refused.status == 503
        assert "directory cannot be asked" in refused.sentence
        assert dict(refused.headers) == {"Retry-After": "30"}
    assert "ldap://dc1 cannot be reached" in result_of(desk.signins.reasons(ERIN))[0].finding
    assert desk.who(_basic("alice@example.test", "pässword")).aor == ALICE


def test_a_kept_password_cannot_be_guessed_while_the_directory_is_away() -> None:
    """Whatever the directory would say, it is not the one that is kept here."""
    desk = Desk(directory=FakePasswords(DirectoryUnavailable("ldap://dc1 cannot be reached")))
    told = [desk.refusal(_basic("alice@example.test", "guess")) for _ in range(AuthSettings().tries_per_user + 1)]
    assert all((one.status, "directory cannot be asked" in one.sentence) == (503, True) for one in told[:-1])
    assert "Too many failed sign-ins" in told[-1].sentence
    assert "Too many failed sign-ins" in desk.refusal(_basic("alice@example.test", "pässword")).sentence


def test_the_directory_s_password_lets_somebody_in() -> None:
    """Who has none here."""
    assert Desk(directory=FakePasswords()).who(_basic("erin@example.test", "pässword")).aor == ERIN


@implementer(IDirectoryPasswords)
class Deliberate:
    """A directory that has heard each question, whoever goes, and answers when the test wants."""

    def __init__(self) -> None:
        self.heard: list[str] = []
        self.turn: Deferred[SignInObjection | None] = Deferred()

    async def check(self, person: Person | None, password: str, peer: str) -> SignInObjection | None:
        """Wait for the verdict."""
        self.heard.append(password)
        while True:
            try:
                return await self.turn
            except CancelledError:
                self.turn = Deferred()

    def answer(self, verdict: SignInObjection | Exception | None) -> None:
        """Give the verdict that is waited for."""
        turn, self.turn = self.turn, Deferred()
        if isinstance(verdict, Exception):
            turn.errback(verdict)
        else:
            turn.callback(verdict)


def _hang_up(desk: Desk, password: str) -> list[Failure]:
    """Try, and be gone at once; give what the answer ended with."""
    gone: list[Failure] = []
    asking = started(desk.readers.who(_asked(_basic("erin@example.test", password))))
    _ = asking.addErrback(gone.append)
    asking.cancel()
    return gone


def test_guesses_of_who_hangs_up_count_like_all_others() -> None:
    """The directory has counted them too, and would lock the account in the end."""
    directory = Deliberate()
    desk = Desk(directory=directory)
    for n in range(20):
        gone = _hang_up(desk, f"guess {n}")
        assert gone
        if len(directory.heard) > n:
            assert gone[0].check(CancelledError), "nobody is kept waiting who wants to go"
            assert not _hang_up(desk, "beside it")[0].check(HttpRefused), "it waits, for the name is still tried"
            directory.answer(SignInObjection(DenialReason.WRONG_PASSWORD, ""))
    assert directory.heard == [f"guess {n}" for n in range(AuthSettings().tries_per_user)]
    assert len(desk.signins.failures(ERIN)) == AuthSettings().tries_per_user
    assert desk.refusal(_basic("erin@example.test", "pässword")).status == 429


def test_right_passwords_of_who_hangs_up_are_no_failures() -> None:
    """Nor are they where there is no verdict; a mistake of ours is logged, since nobody hears of it."""
    directory = Deliberate()
    desk = Desk(directory=directory)
    for verdict in (None, DirectoryUnavailable("it is away")) * AuthSettings().tries_per_user:
        _hang_up(desk, "pässword")
        directory.answer(verdict)
    with overheard() as heard:
        _hang_up(desk, "pässword")
        directory.answer(ZeroDivisionError())
    assert len(heard) == 1
    asking = started(desk.readers.who(_asked(_basic("erin@example.test", "pässword"))))
    directory.answer(None)
    found: list[HttpReader] = []
    _ = asking.addCallback(found.append)
    assert [one.aor for one in found] == [ERIN]


def test_who_goes_before_anything_was_asked_has_tried_nothing() -> None:
    """As while secrets are read here."""
    secrets = SlowSecrets({})
    desk = Desk(secrets=secrets, directory=FakePasswords())
    for _ in range(20):
        assert _hang_up(desk, "pässword")[0].check(CancelledError)
    asking = started(desk.readers.who(_asked(_basic("erin@example.test", "pässword"))))
    secrets.waiting[-1].callback(None)
    found: list[HttpReader] = []
    _ = asking.addCallback(found.append)
    assert [one.aor for one in found] == [ERIN]


@implementer(IMeanings)
class Left:
    """Addresses that mean others than when the file was written; None: who has left."""

    def __init__(self, **now: Aor | None) -> None:
        self.now = now
        self.places: list[str] = []

    def present_address(self, place: str, aor: Aor) -> Aor | None:
        """Give whom an address means."""
        self.places.append(place)
        return self.now.get(aor[4:].partition("@")[0], aor)

    def only(self, place: str, aors: Collection[Aor]) -> None:
        """Forget nothing."""


def test_a_token_goes_where_its_person_goes(tmp_path: Path) -> None:
    """Under a new address it reads as that one; who has left or is disabled reads nothing, whoever has the address now."""
    file = tmp_path / "readers.toml"
    digest = hashlib.sha256(TOKEN.encode()).hexdigest()
    file.write_text(f'[wall]\naddress = "alice@example.test"\nsha256 = "{digest}"\n')
    file.chmod(0o600)
    for now, expected in ((ERIN, ERIN), (None, None), (DAN, None)):
        left = Left(alice=now)
        desk = Desk(file, meanings=left)
        desk.readers.note_meanings()
        assert left.places == [f"token {digest[:16]}"]
        if expected is not None:
            assert desk.who(f"Bearer {TOKEN}").aor == expected
        else:
            with pytest.raises(HttpRefused, match="nobody has this token"):
                desk.who(f"Bearer {TOKEN}")


# --- NTLM


def _ntlm(desk: Desk, user: str, password: str, connection: str = "http/1") -> str:
    """Have a challenge made, and give the credentials that answer it."""
    client = spnego.client(
        user,
        password,
        protocol="ntlm",
        hostname="fe1.example.test",
        service="HTTP",
        options=spnego.NegotiateOptions.use_ntlm,
    )
    first = base64.b64encode(client.step() or b"").decode()
    with pytest.raises(HttpRefused) as refused:
        desk.ask(f"NTLM {first}", connection)
    ((name, value),) = refused.value.headers
    assert (refused.value.status, name) == (401, "WWW-Authenticate")
    return "NTLM " + base64.b64encode(client.step(base64.b64decode(value.removeprefix("NTLM "))) or b"").decode()


def test_a_user_proves_their_password_without_sending_it() -> None:
    """The proof is good for one request; a copy of it for none."""
    desk = Desk(challenge_time=True)
    proof = _ntlm(desk, "EXAMPLE\\alice", "pässword")
    assert desk.ask(proof) == HttpReader(HttpReaderKind.SIGNED_IN, ALICE)
    with pytest.raises(HttpRefused) as refused:
        desk.ask(proof)
    assert refused.value.headers == (("WWW-Authenticate", "NTLM"),)


def test_a_handshake_ends_with_its_connection() -> None:
    """A proof that comes behind the end is worth nothing, even under the same name; other connections' are good."""
    desk = Desk(challenge_time=True)
    proofs = {connection: _ntlm(desk, "EXAMPLE\\alice", "pässword", connection) for connection in ("http/1", "http/2")}
    desk.readers.forget("http/1")
    with pytest.raises(HttpRefused) as refused:
        desk.ask(proofs["http/1"], "http/1")
    assert refused.value.status == 401
    assert desk.ask(proofs["http/2"], "http/2").aor == ALICE


def test_tries_by_ntlm_count_with_all_others() -> None:
    """Neither way gives more guesses than the other."""
    desk = Desk(challenge_time=True)
    for turn in range(AuthSettings().tries_per_user):
        wrong = _ntlm(desk, "alice@example.test", "wrong") if turn % 2 else _basic("alice@example.test", "wrong")
        with pytest.raises(HttpRefused) as refused:
            desk.ask(wrong)
        assert refused.value.status == 401
    with pytest.raises(HttpRefused) as refused:
        desk.ask(_ntlm(desk, "alice@example.test", "pässword"))
    assert refused.value.status == 429
    assert [failure.reason for failure in desk.signins.failures(ALICE)] == ["wrong password"] * 5


def test_who_is_offered_what() -> None:
    """Browsers are asked for a password alone; programs that say so may prove it."""
    readers, kinds = Desk().readers, frozenset({HttpReaderKind.SIGNED_IN, HttpReaderKind.ANONYMOUS})
    assert [one.partition(" ")[0] for one in readers.challenges(kinds)] == ["Basic"]
    assert [one.partition(" ")[0] for one in readers.challenges(kinds, handshakes=True)] == ["NTLM", "Basic"]
    assert readers.challenges({HttpReaderKind.ANONYMOUS}, handshakes=True) == ()


def test_where_passwords_are_sent_no_proof_is_offered() -> None:
    """Clients take what they are offered first, and what proves a password needs its hash here."""
    desk, kinds = Desk(ntlm=False), frozenset({HttpReaderKind.SIGNED_IN})
    assert [one.partition(" ")[0] for one in desk.readers.challenges(kinds, handshakes=True)] == ["Basic"]
    token = base64.b64encode(b"NTLMSSP\0" + bytes(24)).decode()
    for scheme in ("NTLM", "Negotiate"):
        refused = desk.refusal(f"{scheme} {token}")
        assert (refused.status, [one.partition(" ")[0] for _, one in refused.headers]) == (401, ["Basic"])
    desk.readers.forget("http/1")
    assert desk.who(_basic("alice@example.test", "pässword")).aor == ALICE
    shown = Desk(ntlm=False, tickets=PaperTickets(own="EXAMPLE.TEST")).refusal(_ticket("zoe@OTHER.TEST|3600"))
    assert [one.partition(" ")[0] for _, one in shown.headers] == ["Basic"]


def _ticket(text: str) -> str:
    return "Negotiate " + base64.b64encode(text.encode()).decode()


def test_a_ticket_says_who_asks_and_the_server_proves_itself() -> None:
    """Without a word about passwords; it has to be for HTTP."""
    tickets = PaperTickets(own="EXAMPLE.TEST")
    desk = Desk(tickets=tickets)
    assert not desk.ask(_ticket("alice@EXAMPLE.TEST|3600")).proof
    reader = desk.ask(_ticket("alice@EXAMPLE.TEST|3600|mutual"))
    assert (reader.kind, reader.aor) == (HttpReaderKind.SIGNED_IN, ALICE)
    assert reader.proof == "Negotiate " + base64.b64encode(PROOF).decode()
    assert tickets.asked == ["HTTP", "HTTP"]


def test_tickets_are_asked_for_where_they_can_be_verified() -> None:
    """Before NTLM, and where handshakes are for nobody neither of them."""
    kinds = [HttpReaderKind.SIGNED_IN]
    basic = 'Basic realm="lyncpy", charset="UTF-8"'
    assert Desk(tickets=PaperTickets()).readers.challenges(kinds, handshakes=True) == ("Negotiate", "NTLM", basic)
    assert Desk().readers.challenges(kinds, handshakes=True) == ("NTLM", basic)
    assert Desk(tickets=PaperTickets()).readers.challenges(kinds) == (basic,)
    with pytest.raises(HttpRefused) as refused:
        Desk().ask(_ticket("alice@EXAMPLE.TEST|3600"))
    assert refused.value.status == 401


@pytest.mark.parametrize(
    ("token", "status", "words"),
    [
        ("bob@EXAMPLE.TEST|3600", 401, "nobody has here"),
        ("dan@EXAMPLE.TEST|3600", 403, "disabled"),
        ("old", 401, "has expired"),
        ("garbage", 401, "the ticket is none"),
        ("skewed", 403, "time skew"),
    ],
)
def test_a_ticket_that_opens_nothing_says_why(token: str, status: int, words: str) -> None:
    """The other schemes are offered then, and not this one again."""
    tickets = PaperTickets(
        {b"old": DenialReason.TICKET_EXPIRED, b"garbage": DenialReason.MALFORMED, b"skewed": DenialReason.CLOCK_SKEW},
        own="EXAMPLE.TEST",
    )
    with pytest.raises(HttpRefused) as refused:
        Desk(tickets=tickets).ask(_ticket(token))
    assert (refused.value.status, words in refused.value.sentence) == (status, True), refused.value.sentence
    if status == 401:
        assert [value.split()[0] for _, value in refused.value.headers] == ["NTLM", "Basic"]


def test_no_base64_is_no_ticket() -> None:
    """It is refused with words, like all that is wrong."""
    with pytest.raises(HttpRefused, match="no base64"):
        Desk(tickets=PaperTickets()).ask("Negotiate ???")


def test_forged_tickets_make_their_connection_wait() -> None:
    """And nobody else at the place: whose they are is not known."""
    tickets = PaperTickets({b"forged": DenialReason.BAD_TICKET}, own="EXAMPLE.TEST")
    desk = Desk(tickets=tickets)
    for _ in range(AuthSettings().tries_per_user):
        with pytest.raises(HttpRefused) as refused:
            desk.ask(_ticket("forged"))
        assert refused.value.status == 401
    asked = len(tickets.asked)
    with pytest.raises(HttpRefused) as refused:
        desk.ask(_ticket("forged"))
    assert refused.value.status == 429
    assert len(tickets.asked) == asked
    assert desk.ask(_ticket("alice@EXAMPLE.TEST|3600"), "http/2").aor == ALICE


def test_where_too_many_tickets_wait_a_client_is_told_when_to_come_again() -> None:
    """Its ticket was not looked at, and is no failed sign-in."""
    tickets = PaperTickets({b"early": DenialReason.TOO_MANY_TICKETS}, own="EXAMPLE.TEST")
    desk = Desk(tickets=tickets)
    for _ in range(AuthSettings().tries_per_user + 1):
        with pytest.raises(HttpRefused) as refused:
            desk.ask(_ticket("early"))
        assert (refused.value.status, refused.value.headers) == (429, (("Retry-After", "5"),))
        assert refused.value.sentence == "Too many tickets are shown at once, try again in 5 seconds"
    assert desk.ask(_ticket("alice@EXAMPLE.TEST|3600")).aor == ALICE
    assert set(tickets.peers) == {"192.0.2.1"}


def test_ntlm_within_negotiate_is_answered_in_the_same_scheme() -> None:
    """Windows sends it where it has no ticket."""
    desk = Desk(tickets=PaperTickets(), challenge_time=True)
    client = spnego.client(
        "EXAMPLE\\alice",
        "pässword",
        protocol="ntlm",
        hostname="fe1.example.test",
        service="HTTP",
        options=spnego.NegotiateOptions.use_ntlm,
    )
    first = base64.b64encode(client.step() or b"").decode()
    with pytest.raises(HttpRefused) as refused:
        desk.ask(f"Negotiate {first}")
    ((_, value),) = refused.value.headers
    scheme, _, challenge = value.partition(" ")
    assert scheme == "Negotiate"
    answer = base64.b64encode(client.step(base64.b64decode(challenge)) or b"").decode()
    assert desk.ask(f"Negotiate {answer}").aor == ALICE
