"""People whom operators add, change, disable and remove in the shell, while others are signed in."""

from typing import Any

import pytest

from lyncpy.contracts.names import Aor
from lyncpy.contracts.workload import OperatorRole
from tests.kit.fakes import awaited
from tests.kit.memory import MemoryStore
from tests.kit.pool import Pool
from tests.kit.results import result_of
from tests.kit.stage import Stage


def refusal(stage: Stage, line: str, said: str | None = None) -> str:
    """Give why a line is refused."""
    reply = stage.ask(line, OperatorRole.OPERATOR, said)
    assert reply.status == 1
    return reply.err


def does(stage: Stage, line: str, said: str | None = None) -> str:
    """Give the answer to an operator's line, which has to succeed."""
    reply = stage.ask(line, OperatorRole.OPERATOR, said)
    assert (reply.status, reply.err) == (0, "")
    return reply.out


def test_somebody_added_in_the_shell_signs_in_and_is_seen(stage: Stage) -> None:
    """At once, with the password that was read from the input; pulls leave them, and so does a restart."""
    does(stage, "user add nora@example.com --name 'Nora Barnacle' --logins nb")
    does(stage, "user passwd nora@example.com", "correct horse\n")
    nora = stage.actor("nora", password="correct horse")
    assert nora.sip.register().status == 200
    (alice,) = stage.sign_in("alice")
    alice.watches(nora)
    nora.publishes(availability=3500)
    assert alice.hears(nora).availability == "available"
    does(stage, "directory pull --full")
    stage.passes(2)
    assert nora.sip.is_connected
    stage.kill()
    stage.start()
    assert "Nora Barnacle" in does(stage, "user show nb")
    assert stage.actor("nora", password="correct horse").sip.register().status == 200
    assert "correct horse" not in does(stage, "audit")


def test_a_password_that_is_made_is_shown_once(stage: Stage) -> None:
    """And nothing of it stands in the audit; a short or long line is refused."""
    made = does(stage, "user add nora@example.com --generate").split()[-1]
    assert stage.actor("nora", password=made).sip.register().status == 200
    assert made not in does(stage, "audit")
    assert "one line of 1 to 256" in refusal(stage, "user passwd nora@example.com", "")
    assert "one line of 1 to 256" in refusal(stage, "user passwd nora@example.com", "a\nb\n")
    assert stage.ask("user passwd nora@example.com").status == 2


def test_a_new_password_ends_what_the_former_opened(stage: Stage) -> None:
    """For people of the directory too, whose own hash counts no more."""
    (bob,) = stage.sign_in("bob")
    does(stage, "user passwd bob@example.com", "another one\n")
    stage.passes(4)
    assert bob.sip.register().status == 401 or not bob.sip.is_connected
    assert stage.actor("bob", password="another one").sip.register().status == 200


def test_who_is_disabled_is_cut_off_whoever_has_them(stage: Stage) -> None:
    """The directory may say what it likes; `why` names the operator, and `user enable` is the way back."""
    alice, bob = stage.sign_in("alice", "bob")
    alice.watches(bob)
    does(stage, "user disable bob@example.com --reason 'a lost laptop'")
    stage.passes(4)
    assert not bob.sip.is_connected
    assert alice.hears(bob).availability == "offline"
    assert bob.sip.register().status == 403
    stage.changes("bob", title="Poet")
    does(stage, "directory pull --full")
    assert stage.actor("bob").sip.register().status == 403
    why = stage.ask("why bob@example.com").out
    assert "a lost laptop" in why
    assert "user enable bob@example.com" in why
    stage.kill()
    stage.start()
    assert stage.actor("bob").sip.register().status == 403
    does(stage, "user enable bob@example.com")
    assert stage.actor("bob").sip.register().status == 200
    assert "Poet" in does(stage, "user show bob@example.com")
    assert "is not disabled" in refusal(stage, "user enable bob@example.com")


def test_whom_the_directory_bars_no_operator_lets_in(stage: Stage) -> None:
    """It says where to change that; and who was disabled here as well is not in by the directory alone."""
    stage.changes("bob", enabled=False, barred="locked=yes")
    stage.pulls()
    assert "locked=yes" in refusal(stage, "user enable bob@example.com")
    does(stage, "user disable bob@example.com")
    stage.changes("bob", enabled=True, barred="")
    stage.pulls()
    assert stage.actor("bob").sip.register().status == 403
    does(stage, "user enable bob@example.com")
    assert stage.actor("bob").sip.register().status == 200


def test_who_belongs_to_the_directory_is_changed_there(stage: Stage) -> None:
    """Refused with a sentence that says whose they are, and where to change that."""
    for line in ("user set bob@example.com --title Poet", "user remove bob@example.com"):
        assert "belongs to the directory" in refusal(stage, line)
        assert "directory pull" in refusal(stage, line)
    assert "somebody already, known from uid=bob" in refusal(stage, "user add bob@example.com")


def test_a_person_kept_here_is_changed_and_moved(stage: Stage) -> None:
    """What is theirs goes along to another address; an empty text removes what was known."""
    does(stage, "user add nora@example.com --generate --name Nora --work-phone '+1 425' --mobile-phone '+1 426'")
    does(stage, "user set nora@example.com --title Poet --work-phone= --until 2030-01-01")
    shown = does(stage, "user show nora@example.com")
    assert "Poet" in shown
    assert "+1 425" not in shown
    assert "+1 426" in shown
    assert "2030-01-02T00:00:00Z" in shown
    does(stage, "user set nora@example.com --until 2020-01-01")
    assert "see `user set nora@example.com` --since and --until" in does(stage, "why nora@example.com")
    does(stage, "user set nora@example.com --until=")
    does(stage, "user passwd nora@example.com", "pw\n")
    does(stage, "user set nora@example.com --address norah@example.com")
    assert stage.actor("norah", password="pw").sip.register().status == 200
    assert "the address of somebody already" in refusal(stage, "user set norah@example.com --address bob@example.com")
    assert "must be a day or a time" in refusal(stage, "user set norah@example.com --until soon")
    assert "must be yes or no" in refusal(stage, "user set norah@example.com --hidden perhaps")
    assert "elsewhere.test" in refusal(stage, "user set norah@example.com --address n@elsewhere.test")
    assert "say what is to be changed" in refusal(stage, "user set norah@example.com")
    # The address that they left is free, and whoever gets it is another.
    does(stage, "user add nora@example.com")
    assert "Poet" not in does(stage, "user show nora@example.com")
    does(stage, "directory pull --full")
    assert "Poet" in does(stage, "user show norah@example.com")


def test_who_is_removed_is_held_back_as_of_the_directory(stage: Stage) -> None:
    """They are signed out; somebody added under the address later is another, unless an operator says otherwise."""
    does(stage, "user add nora@example.com")
    does(stage, "user passwd nora@example.com", "pw\n")
    nora = stage.actor("nora", password="pw")
    assert nora.sip.register().status == 200
    nora.adds("alice@example.com")
    does(stage, "user remove nora@example.com")
    stage.passes(4)
    assert not nora.sip.is_connected
    assert nora.sip.register().status == 404
    does(stage, "directory pull --full")
    does(stage, "user add nora@example.com")
    assert stage.actor("nora", password="pw").sip.register().status == 401
    owner = str(stage.shell("directory held").rows[0][4])
    does(stage, f"directory restore {owner} nora@example.com")
    assert stage.actor("nora", password="pw").sip.register().status == 200


def test_a_list_is_imported_line_by_line(stage: Stage) -> None:
    """Who cannot be taken is named with the line and the reason, and keeps nobody else out."""
    people = (
        "address;name;password;enabled;work phone\n"
        "nora@example.com;Nora;correct horse;;+1 425\n"
        "bob@example.com;Bob;;;\n"
        "otto@elsewhere.test;Otto;;;\n"
        "NORA@example.com;Again;;;\n"
        "zoe@example.com;Zoë;;no;\n"
    )
    dry = stage.ask("user import --dry-run", OperatorRole.OPERATOR, people)
    assert dry.status == 1
    assert "dry run" in dry.out
    assert stage.actor("nora").sip.register().status == 404
    reply = stage.ask("user import", OperatorRole.OPERATOR, people)
    assert reply.status == 1
    assert "3 of 5 are refused" in reply.err
    for word in ("line 3", "somebody already", "line 4", "elsewhere.test", "line 5", "has the same address"):
        assert word in reply.out
    assert stage.actor("nora", password="correct horse").sip.register().status == 200
    assert "added so" in does(stage, "user show zoe@example.com")
    again = "[zoe]\naddress = 'zoe@example.com'\ntitle = 'Poet'\npassword = 'pw'\n"
    assert "--update changes them" in stage.ask("user import", OperatorRole.OPERATOR, again).out
    assert "title, password" in does(stage, "user import --update", again)
    assert "unchanged" in does(stage, "user import --update", "address,title\nzoe@example.com,Poet\n")
    assert "there is nobody in it" in refusal(stage, "user import", " ")
    assert "no JSON" in refusal(stage, "user import --format json", "address\n")
    assert "--format is" in refusal(stage, "user import --format xml", "x")


def test_who_is_added_disabled_never_has_a_password_before(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that is killed in between leaves nobody who can sign in."""
    kinds: list[str] = []
    write = MemoryStore.write

    def noted(self: MemoryStore, kind: str, *values: Any) -> Any:  # Any: as the store's own
        kinds.append(kind)
        return write(self, kind, *values)

    monkeypatch.setattr(MemoryStore, "write", noted)
    does(stage, "user import", "address,password,enabled\nzoe@example.com,correct horse,no\n")
    assert kinds.index("account") < kinds.index("disabled") < kinds.index("secret")


@pytest.mark.parametrize("lines", [["user add zoe@example.com"], ["user add a{}@example.com"] * 3])
def test_the_store_takes_no_more_than_it_may(lines: list[str]) -> None:
    """A bound of the settings, which the sentence names."""
    with Stage.opened(directory={"kept_people": len(lines) - 1}) as stage:
        for number, line in enumerate(lines[:-1]):
            does(stage, line.format(number))
        assert "[directory] kept_people" in refusal(stage, lines[-1].format("last"))
        assert "[directory] kept_people" in refusal(stage, "user import", "address\nx@example.com\n")


def test_a_record_that_cannot_be_read_costs_nobody_what_is_theirs(stage: Stage) -> None:
    """Whoever is known stays; the entry is named by `directory skipped`."""
    does(stage, "user add nora@example.com --name Nora")
    (record,) = result_of(awaited(stage.store.scan("account")))
    result_of(awaited(stage.store.write("account", record.key, b"?", record.version)))
    does(stage, "directory pull --full")
    assert "Nora" in does(stage, "user show nora@example.com")
    assert "cannot be read" in does(stage, "directory skipped")


def test_all_servers_know_at_once_who_was_added_or_disabled() -> None:
    """A person added at one signs in at the other; disabled at one, they are cut off at the other."""
    with Pool.opened() as pool:
        first, second = pool
        does(first, "user add nora@example.com")
        does(first, "user passwd nora@example.com", "pw\n")
        pool.passes(3)
        nora = second.actor("nora", password="pw")
        assert nora.sip.register().status == 200
        does(first, "user disable nora@example.com")
        pool.passes(5)
        assert not nora.sip.is_connected
        assert second.actor("nora", password="pw").sip.register().status == 403
        does(second, "user enable nora@example.com")
        does(second, "user set nora@example.com --title Poet")
        pool.passes(3)
        assert first.actor("nora", password="pw").sip.register().status == 200
        assert "Poet" in does(first, "user show nora@example.com")
        does(first, "user remove nora@example.com")
        pool.passes(3)
        assert second.ground.tables.people.person(Aor("sip:nora@example.com")) is None
