"""Numbers of people: dialled, shown, and told to clients."""

import pytest

from tests.kit.phones import OFFER, Callee, Caller
from tests.kit.stage import DOMAIN, Stage

LINE = "tel:+14255550101"


@pytest.fixture
def office(stage: Stage) -> Stage:
    """Bob has a line and a private one; so has Alice a line, with an extension."""
    stage.changes("alice", line="tel:+14255550100;ext=7")
    stage.changes("bob", line=LINE, private_line="tel:+14255550199")
    stage.pulls()
    return stage


@pytest.mark.parametrize(
    "dialled",
    [f"sip:+14255550101@{DOMAIN};user=phone", LINE, "tel:+1-425-555-0101", f"sip:+14255550199@{DOMAIN};user=phone"],
)
def test_a_call_to_a_colleagues_number_rings_their_client(office: Stage, dialled: str) -> None:
    """The caller's client keeps the number that was dialled, each side sees the other's name, and the call lives its life."""
    alice, bob = office.sign_in("alice", "bob")
    caller, callee = Caller(alice), Callee(bob)
    exchange = caller.calls(dialled)
    assert callee.invite is not None
    assert callee.invite.uri == bob.sip.registered
    assert callee.invite.headers.get("To") == f"<{dialled}>"
    private = ";ms-line-type=private" if "0199" in dialled else ""
    assert callee.invite.headers.get("History-Info") == f"<{dialled}>;index=1{private}"
    shown = callee.invite.headers.get("P-Asserted-Identity")
    assert shown == f'"Alice" <{alice.aor}>,<tel:+14255550100;ext=7>'
    callee.says(180)
    callee.says(200, body=OFFER)
    assert exchange.status == 200
    assert exchange.finals[-1].headers.get("P-Asserted-Identity") == f'"Bob" <{bob.aor}>,<{LINE}>'
    assert caller.sends("INFO").status == 200
    assert callee.sends("BYE").status == 200
    record = office.sessions("bob")[-1]
    assert (record.user1, record.user2, record.media) == (alice.aor, bob.aor, "audio")
    assert office.tables()["sessions"] == 0


def test_a_caller_who_gives_up_by_bye_has_called_a_number(office: Stage) -> None:
    """As pidgin-sipe does: BYE without a tag, to the number that it has dialled."""
    alice, bob = office.sign_in("alice", "bob")
    caller, callee = Caller(alice), Callee(bob)
    exchange = caller.calls(f"sip:+14255550101@{DOMAIN};user=phone")
    callee.says(180)
    bye = exchange.request.edited(drop=["Via", "Content-Type"], put=[("CSeq", "2 BYE")], body=b"")
    alice.sip.ask(bye.__class__("BYE", bye.uri, bye.headers))
    assert exchange.status == 487
    assert callee.cancels == 1


def test_a_number_of_two_people_rings_neither_and_is_told(office: Stage) -> None:
    """485 with its diagnostics for the caller; a condition, `directory skipped` and `numbers` for the operator."""
    office.changes("carol", line=LINE)
    office.pulls()
    alice, bob = office.sign_in("alice", "bob")
    callee = Callee(bob)
    exchange = Caller(alice).calls(LINE)
    assert exchange.status == 485
    assert (exchange.finals[-1].headers.get("ms-diagnostics") or "").startswith("4009;")
    assert callee.invite is None
    assert any("+14255550101" in str(row) for row in office.shell("conditions").rows)
    assert any("+14255550101" in str(row) for row in office.shell("directory skipped").rows)
    listed = office.shell("numbers")
    assert [(row[0], row[2], row[5]) for row in listed.rows] == [
        ("+14255550100;ext=7", "alice@example.com", False),
        ("+14255550101", "bob@example.com", True),
        ("+14255550101", "carol@example.com", True),
        ("+14255550199", "bob@example.com", False),
    ]
    assert listed.counts == {"shared": 1}
    assert [row[2] for row in office.shell("numbers carol").rows] == ["carol@example.com"]


def test_a_number_that_nobody_has_is_refused(office: Stage) -> None:
    """404: there is no way out of the house."""
    (alice,) = office.sign_in("alice")
    exchange = Caller(alice).calls(f"sip:+14255550142@{DOMAIN};user=phone")
    assert exchange.status == 404
    assert (exchange.finals[-1].headers.get("ms-diagnostics") or "").startswith("4005;")


def test_a_client_is_told_its_line_and_colleagues_see_it(office: Stage) -> None:
    """A colleague sees the line on the card and never the private one."""
    alice, bob = office.sign_in("alice", "bob")
    alice.watches(bob)
    assert alice.hears(bob).phones == ("+14255550101",)
    own = office.shell("user show bob@example.com").rows
    assert ("line", LINE) in own
    assert ("telephony", "Uc") in own


def test_an_operator_gives_a_line(office: Stage) -> None:
    """It counts in place of the directory's, at once and after pulls and restarts, until the directory's is to count again."""

    def told() -> tuple[object, ...]:
        return tuple(value for _, value in office.shell("user line bob").rows[1:])

    given = "tel:+14255550142"
    office.shell('user line bob@example.com "+1 425 555 0142"')
    assert told() == (given, LINE, True)
    office.changes("bob", line="tel:+14255550102")
    office.pulls()
    assert told() == (given, "tel:+14255550102", True)
    office.stop()
    office.start()
    assert told() == (given, "tel:+14255550102", True)
    alice, bob = office.sign_in("alice", "bob")
    callee = Callee(bob)
    Caller(alice).calls(given)
    assert callee.invite is not None
    office.shell("user line bob none")
    assert told() == (None, "tel:+14255550102", True)
    office.shell("user line bob --as-listed")
    assert told() == ("tel:+14255550102", "tel:+14255550102", False)


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ("user line alice tel:+14255550101", "the number of bob@example.com already; take it from them first"),
        ("user line alice 4711", "is not of the form"),
        ("user line zoe +1", "nobody is known"),
        ("user line alice +1 --as-listed", "not both"),
    ],
)
def test_a_line_that_cannot_be_given_is_refused_in_words(office: Stage, words: str, why: str) -> None:
    """A second owner of a number is told who has it."""
    assert why in office.ask(words).err
