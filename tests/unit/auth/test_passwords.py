"""Passwords in plain text against what is kept for SIP."""

import pytest
from twisted.internet.task import Clock

from lyncpy.auth.ntlm import nt_hash
from lyncpy.auth.passwords import PASSWORD_CHARACTERS, Passwords
from lyncpy.contracts.authenticator import AuthenticationDenied
from lyncpy.contracts.directory import Moment, Person
from lyncpy.contracts.names import Aor
from tests.kit.gatehouse import TablePeople, TableSecrets, timers_of
from tests.kit.results import result_of

ALICE, DAN, ERIN = Aor("sip:alice@example.test"), Aor("sip:dan@example.test"), Aor("sip:erin@example.test")


class Counting(TableSecrets):
    """Secrets that count how often they are asked."""

    asked = 0

    async def nt_hash(self, aor: Aor) -> bytes | None:
        """Count, and give a user's hash."""
        self.asked += 1
        return self.table.get(aor)


def _passwords() -> tuple[Passwords, Counting]:
    people = TablePeople(Person(ALICE, "1"), Person(DAN, "2", enabled=False), Person(ERIN, "3"))
    secrets = Counting({ALICE: nt_hash("secret"), DAN: nt_hash("secret")})
    return Passwords(people, secrets, timers_of(Clock())), secrets


@pytest.mark.parametrize(
    ("login", "password", "outcome"),
    [
        ("alice@example.test", "secret", ALICE),
        ("alice@example.test", "Secret", "wrong password"),
        ("alice@example.test", "s" * (PASSWORD_CHARACTERS + 1), "wrong password"),
        ("dan@example.test", "secret", "disabled"),
        # Whether somebody is disabled is said only to who knows his password.
        ("dan@example.test", "wrong", "wrong password"),
        ("erin@example.test", "", "no password set"),
        ("nobody@example.test", "secret", "unknown user"),
    ],
)
def test_a_password_is_right_or_the_operator_reads_why_not(login: str, password: str, outcome: str) -> None:
    """Each outcome has its word, and each costs one look at the store, so that time does not tell who exists."""
    passwords, secrets = _passwords()
    found = result_of(passwords.check(login, password))
    assert (found.reason if isinstance(found, AuthenticationDenied) else found) == outcome
    assert secrets.asked == 1


def test_a_long_password_is_not_right_because_its_beginning_is() -> None:
    """What is cut off is not ignored."""
    long = "x" * PASSWORD_CHARACTERS
    passwords = Passwords(TablePeople(Person(ALICE, "1")), TableSecrets({ALICE: nt_hash(long)}), timers_of(Clock()))
    assert result_of(passwords.check("alice@example.test", long)) == ALICE
    assert isinstance(result_of(passwords.check("alice@example.test", long + "y")), AuthenticationDenied)


def test_whose_time_is_over_is_told_so_only_with_the_right_password() -> None:
    """A browser is refused as a client is."""
    person = Person(ALICE, "1", until=Moment(0.0, "accountExpires"), logins=("alice",))
    passwords = Passwords(TablePeople(person), TableSecrets({ALICE: nt_hash("right")}), timers_of(Clock()))
    right = result_of(passwords.check("alice", "right"))
    assert isinstance(right, AuthenticationDenied)
    assert (right.reason, right.detail) == ("expired", "expired on 1970-01-01 00:00:00 UTC (accountExpires)")
    wrong = result_of(passwords.check("alice", "wrong"))
    assert isinstance(wrong, AuthenticationDenied)
    assert wrong.reason == "wrong password"
