"""A line → a command: roles, records, bounds, failures."""

import json

from twisted.internet.defer import Deferred

from lyncpy.contracts.records import AuditRecord
from lyncpy.contracts.workload import OperatorRole
from lyncpy.workloads.admin.shell import AfterAnswer
from tests.kit.memory import MemoryRecords
from tests.kit.results import result_of, started
from tests.kit.shell import WALL, DeafRecords, Parlour, reply_of, rows_of


def test_a_command_is_answered_and_recorded() -> None:
    """Who, from where, what, when and how it ended."""
    parlour = Parlour()
    assert parlour.ask("users bob@example.com").status == 0
    assert list(rows_of(parlour.records)) == [
        AuditRecord(WALL, "ops@desk SHA256:abc", "192.0.2.1", "users bob@example.com", "ok")
    ]


def test_what_changes_something_is_recorded_before_and_after() -> None:
    """A server that dies in the middle leaves a trace of what was begun."""
    parlour = Parlour()
    parlour.ask("forecast set bob")
    assert parlour.audited() == [("forecast set bob", "begun"), ("forecast set bob", "ok")]


def test_the_record_is_kept_before_the_answer_is_shown() -> None:
    """No answer leaves while its record is under way."""

    class Slow(MemoryRecords):
        kept: Deferred[None] = Deferred()

        def audit(self, record: AuditRecord) -> Deferred[None]:
            return self.kept

    records = Slow()
    running = Parlour(records).begin("users")
    assert not running.reply.called
    records.kept.callback(None)
    assert reply_of(running).status == 0


def test_without_a_record_one_may_look_and_not_touch() -> None:
    """A full disk: viewing warns, changing is refused before it begins."""
    parlour = Parlour(DeafRecords())
    looked = parlour.ask("users")
    assert (looked.status, looked.err) == (0, "warning: not recorded: the disk is full\n")
    assert "alice" in looked.out
    changed = parlour.ask("forecast set bob")
    assert (changed.status, changed.err) == (1, "not done, because it cannot be recorded: the disk is full\n")
    assert parlour.weather.done == []


def test_a_record_that_never_comes_back_is_not_waited_for_for_ever() -> None:
    """A store that hangs holds no session."""

    class Hung(MemoryRecords):
        def audit(self, record: AuditRecord) -> Deferred[None]:
            return Deferred()

    parlour = Parlour(Hung(), command_s=5)
    running = parlour.begin("users")
    parlour.clock.advance(6)
    assert "warning: not recorded: it took too long" in reply_of(running).err


def test_a_role_does_what_it_may() -> None:
    """A refusal names both roles, and is recorded."""
    parlour = Parlour()
    reply = parlour.ask("forecast set bob", role=OperatorRole.VIEWER)
    assert (reply.status, reply.err) == (1, "`forecast set` is for the role operator; this key has the role viewer\n")
    assert parlour.audited() == [("forecast set bob", reply.err.strip())]
    assert parlour.ask("forecast set bob", role=OperatorRole.OPERATOR).out == "changed\n"
    assert parlour.ask("python", role=OperatorRole.OPERATOR).status == 1


def test_everybody_may_read_how_a_command_is_used() -> None:
    """`--help` runs nothing."""
    parlour = Parlour()
    reply = parlour.ask("forecast set --help", role=OperatorRole.OPERATOR)
    assert "forecast set USER [--days N] [--dry-run] [--json]" in reply.out
    assert parlour.weather.done == []


def test_secrets_are_not_recorded() -> None:
    """Neither in a line that is understood nor in one that is not."""
    parlour = Parlour()
    parlour.ask("lock bob hunter2")
    parlour.ask("user passwd bob hunter2")
    assert [command for command, _ in parlour.audited()] == ["lock bob ****", "user passwd **** ****"]


def test_a_bug_is_one_sentence() -> None:
    """What is inside goes to the log; the next command works."""
    parlour = Parlour()
    reply = parlour.ask("broken")
    assert (reply.status, reply.out, reply.err) == (1, "", "internal error, see the log\n")
    assert parlour.audited() == [("broken", "internal error, see the log")]
    assert parlour.ask("users").status == 0


def test_a_command_that_did_not_all_shows_what_it_did_and_fails() -> None:
    """A script learns it from the status, a person from the last line; the record says it too."""
    parlour = Parlour()
    reply = parlour.ask("half")
    assert (reply.status, reply.err) == (1, "that was not done\n")
    assert "this" in reply.out
    assert parlour.audited() == [("half", "that was not done")]


def test_a_command_that_takes_too_long_is_given_up() -> None:
    """After the setting's time, naming it."""
    parlour = Parlour(command_s=30)
    running = parlour.begin("slow")
    parlour.clock.advance(29)
    assert not running.reply.called
    parlour.clock.advance(2)
    assert reply_of(running).err == "given up after 30 s ([admin] command_s)\n"
    assert parlour.audited() == [("slow", "given up after 30 s ([admin] command_s)")]


def test_an_interruption_stops_a_command() -> None:
    """It is recorded as such; interrupting twice, or afterwards, does nothing."""
    parlour = Parlour()
    running = parlour.begin("slow")
    running.interrupt()
    running.interrupt()
    assert reply_of(running).err == "interrupted\n"
    assert len(parlour.shell) == 0


def test_answers_have_a_bound() -> None:
    """Text is cut at a line and says so; half a JSON document is not given at all."""
    parlour = Parlour(output_bytes=65536)
    text = parlour.ask("flood")
    assert (text.status, len(text.out.encode()) <= 65536, text.out.endswith("x\n")) == (1, True, True)
    assert "[admin] output_bytes" in text.err
    document = parlour.ask("flood --json")
    assert (document.status, json.loads(document.out)["error"]["kind"]) == (1, "too long")


def test_errors_are_json_where_json_was_asked_for() -> None:
    """Each with its kind; the sentence is on the error output as ever."""
    parlour = Parlour()
    lines = {
        "nonsense --json": "misused",
        "lock --json": "misused",
        "refuse --json": "failed",
        "broken --json": "internal",
        "half --json": "failed",
        'nonsense "not closed --json': "misused",
        f"nonsense {'a' * 5000} --json": "misused",
    }
    for line, kind in lines.items():
        reply = parlour.ask(line)
        document = json.loads(reply.out)
        assert (document["ok"], document["error"]["kind"], bool(reply.err)) == (False, kind, True), line
    reply = parlour.ask("forecast set bob --json", role=OperatorRole.VIEWER)
    assert json.loads(reply.out)["error"]["kind"] == reply.outcome.value == "forbidden"
    assert json.loads(parlour.ask("half --json").out)["rows"] == [{"done": "this"}]


def test_a_limit_shows_the_first_rows_and_counts_all() -> None:
    """Of any command that has no limit of its own."""
    parlour = Parlour()
    document = json.loads(parlour.ask("users --limit 2 --json").out)
    assert (len(document["rows"]), document["counts"]) == (2, {"rows": 3})
    assert parlour.ask("users --limit 2").out.endswith("3 people; 2 of 3 are shown (--limit)\n")
    assert parlour.ask("users --limit none").status == 2
    assert json.loads(parlour.ask("users --limit 9 --json").out)["counts"] == {"rows": 3}


def test_lines_have_a_bound() -> None:
    """A long line is refused, and its record is cut."""
    parlour = Parlour(line_bytes=256)
    reply = parlour.ask("users " + "é" * 200)
    assert (reply.status, "[admin] line_bytes" in reply.err) == (2, True)
    assert parlour.audited()[0][0].startswith("users é")


def test_some_commands_concern_the_session() -> None:
    """`exit` and `python` say so in their answer; their help does not."""
    parlour = Parlour(python_prompt=True)
    assert parlour.ask("exit").then is AfterAnswer.LEAVE
    assert parlour.ask("python").then is AfterAnswer.PYTHON
    assert parlour.ask("exit --help").then is AfterAnswer.GO_ON
    assert Parlour().ask("python").then is AfterAnswer.GO_ON


def test_closing_waits_for_what_is_under_way() -> None:
    """Until the last command is answered."""
    parlour = Parlour()
    result_of(parlour.shell.idle())
    running = parlour.begin("slow")
    waiting = started(parlour.shell.idle())
    assert not waiting.called
    parlour.weather.slow.callback(None)
    assert reply_of(running).out == "at last\n"
    assert waiting.called
