"""What is written to `ntlm_auth`, and what its answers mean, as Samba writes them and as nobody should."""

import pytest

from lyncpy.backends.ntlm_auth_lines import (
    ANSWER_BYTES,
    AnswerDecoder,
    HelperAnswer,
    HelperGarbled,
    UnclearAnswer,
    is_account_of,
    question,
    verdict_of,
)
from lyncpy.contracts.directory import Person
from lyncpy.contracts.names import Aor
from lyncpy.contracts.ntlm import NtlmResponse

KEY = bytes(range(16))
YES = f"Authenticated: Yes\nUser-Session-Key: {KEY.hex().upper()}\n.\n".encode()
NO = b"Authenticated: No\nAuthentication-Error: The specified account does not exist.\n.\n.\n"


def test_names_from_outside_are_no_lines() -> None:
    """A name with line ends is one value of letters and digits."""
    hostile = "alice\n.\nUsername: admin"
    asked = question(NtlmResponse("A\r\nB", hostile, b"\x01" * 8, b"\xff" * 44)).decode("ascii").split("\n")
    assert asked[0] == "Username:: YWxpY2UKLgpVc2VybmFtZTogYWRtaW4="
    assert asked[1] == "NT-Domain:: QQ0KQg=="
    assert asked[2:] == [
        "LANMAN-Challenge: 0101010101010101",
        f"NT-Response: {'ff' * 44}",
        "Request-User-Session-Key: Yes",
        ".",
        "",
    ]
    assert question(NtlmResponse("", "\ud800", b"", b"")).startswith(b"Username:: Pw==\n")


@pytest.mark.parametrize("step", [1, 7, 1000])
def test_answers_are_read_however_they_are_cut(step: int) -> None:
    """Samba ends a refusal twice: that is no second answer."""
    decoder = AnswerDecoder()
    answers = []
    for whole in (NO, YES, NO, NO, YES):
        pieces = [whole[at : at + step] for at in range(0, len(whole), step)]
        expected = True
        for piece in pieces:
            if answer := decoder.feed(piece, expected=expected):
                answers.append(answer)
                expected = False
    assert [one.authenticated for one in answers] == [False, True, False, False, True]
    assert answers[0].error == "The specified account does not exist."
    assert answers[1].session_key == KEY


def test_a_value_may_be_in_base64() -> None:
    """As the manual page says."""
    answer = AnswerDecoder().feed(b"Authenticated:: WWVz\nUser-Session-Key: 00\n.\n", expected=True)
    assert answer == HelperAnswer(authenticated=True)


@pytest.mark.parametrize(
    "data",
    [
        b"Error: hex decode of 00 failed!\n.\n",
        b"User-Session-Key: 00\n.\n",
        b"Authenticated: Maybe\n.\n",
        b"Authenticated: No\nAuthenticated: Yes\n.\n",
        b"Authenticated:: !!\n.\n",
        b"no colon\n.\n",
        b".\n.\n",
        b"x" * (ANSWER_BYTES + 1),
        b"x" * (ANSWER_BYTES + 1) + b"\n.\n",
        b"".join(b"%d: x\n" % n for n in range(17)) + b".\n",
        YES + YES,
        YES + b"Authenticated: No\n",
    ],
)
def test_what_is_no_answer_is_told_apart(data: bytes) -> None:
    """Too long, twice, without an end, or about something else."""
    with pytest.raises(HelperGarbled):
        AnswerDecoder().feed(data, expected=True)


def test_nobody_expects_an_answer_without_a_question() -> None:
    """Whole or in part."""
    for data in (YES, b"Auth"):
        with pytest.raises(HelperGarbled):
            AnswerDecoder().feed(data, expected=False)


def test_a_proof_that_holds_gives_the_session_key_and_no_other() -> None:
    """Zeros are the key of a guest."""
    assert verdict_of(HelperAnswer(authenticated=True, session_key=KEY)) == KEY
    for key in (b"", bytes(16)):
        with pytest.raises(UnclearAnswer):
            verdict_of(HelperAnswer(authenticated=True, session_key=key))


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (
            "When trying to update a password, this return status indicates that the value provided as the current password is not correct.",
            "wrong password",
        ),
        ("The specified account does not exist.", "wrong password"),
        ("The attempted logon is invalid. This is either due to a bad username …", "wrong password"),
        ("The user account has time restrictions and cannot be logged onto at this time.", "not allowed now or here"),
        ("NT_STATUS_INVALID_LOGON_HOURS", "not allowed now or here"),
        ("NT_STATUS_INVALID_WORKSTATION", "not allowed now or here"),
        ("The user account password has expired.", "password expired"),
        ("The referenced account is currently disabled and cannot be logged on to.", "disabled"),
        ("The user account has expired.", "expired"),
        ("The user password must be changed before logging on the first time.", "must change password"),
        ("The user account has been automatically locked because too many invalid logon attempts or …", "locked"),
        ("Smart card logon is required and was not used.", "not allowed now or here"),
        ("NT_STATUS_SMARTCARD_LOGON_REQUIRED", "not allowed now or here"),
        ("Logon failure (0xc00002fa)", "not allowed now or here"),
        ("Logon failure (0xc0000234)", "locked"),
        ("Logon failure (0xC000006D)", "wrong password"),
    ],
)
def test_each_refusal_has_its_reason(error: str, reason: str) -> None:
    """By Samba's sentence, by the name or by the number of the status."""
    verdict = verdict_of(HelperAnswer(authenticated=False, error=error))
    assert not isinstance(verdict, bytes)
    assert verdict.reason == reason


def test_a_failed_logon_names_the_name_in_the_challenge_as_a_cause() -> None:
    """A domain controller says no more of it than that."""
    verdict = verdict_of(HelperAnswer(authenticated=False, error="NT_STATUS_LOGON_FAILURE"))
    assert not isinstance(verdict, bytes)
    assert "lyncpy check" in verdict.words


@pytest.mark.parametrize(
    "error", ["", "Reading winbind reply failed!", "No logon servers are currently available", "x (0xc000005e)\x00"]
)
def test_what_says_nothing_of_the_password_is_unclear(error: str) -> None:
    """Nobody's password is wrong for it."""
    with pytest.raises(UnclearAnswer) as unclear:
        verdict_of(HelperAnswer(authenticated=False, error=error))
    assert "\x00" not in str(unclear.value)


ALICE = Person(Aor("sip:alice@example.com"), "1", logins=("al", "alice@ad.example.com", "OTHER\\alice"))


@pytest.mark.parametrize(
    ("domain", "user", "is_hers"),
    [
        ("", "al", True),
        ("example", "AL", True),
        ("", "Alice@AD.example.com", True),
        ("EXAMPLE", "alice@ad.example.com", True),
        ("OTHER", "alice", True),
        ("OTHER", "al", False),
        ("FE1", "al", False),
        ("", "alice", False),
        ("", "alice@example.com", False),
        ("", "OTHER\\alice", False),
        ("", "", False),
    ],
)
def test_an_account_is_hers_if_the_directory_says_so(domain: str, user: str, *, is_hers: bool) -> None:
    """Another domain's, this computer's own, and one called like her address are other people's accounts."""
    assert is_account_of(ALICE, domain, user, "EXAMPLE") is is_hers


def test_who_has_no_logins_is_called_like_their_address() -> None:
    """As in a file of people; and a login may name our domain."""
    bob = Person(Aor("sip:bob@example.com"), "2")
    assert is_account_of(bob, "EXAMPLE", "bob", "EXAMPLE")
    assert not is_account_of(bob, "OTHER", "bob", "EXAMPLE")
    assert not is_account_of(bob, "", "bob@example.com", "EXAMPLE")
    carol = Person(Aor("sip:carol@example.com"), "3", logins=("EXAMPLE\\cc",))
    assert is_account_of(carol, "", "cc", "EXAMPLE")
    assert not is_account_of(carol, "", "carol", "EXAMPLE")
