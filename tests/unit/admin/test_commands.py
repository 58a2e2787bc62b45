"""The shell's own words."""

import json
from typing import Any

from twisted.logger import capturedLogs

from lyncpy.contracts.workload import OperatorRole
from lyncpy.core import interpreter
from lyncpy.core.timestamps import moment
from lyncpy.workloads.admin.commands import duration
from tests.kit.shell import WALL, Parlour


def rows(parlour: Parlour, line: str) -> list[dict[str, object]]:
    """Ask for JSON, and give the rows."""
    reply = parlour.ask(f"{line} --json")
    assert reply.status == 0, reply.err
    found: list[dict[str, object]] = json.loads(reply.out)["rows"]
    return found


def facts(parlour: Parlour, line: str) -> dict[str, Any]:
    """Ask for JSON, and give the facts."""
    found: dict[str, Any] = json.loads(parlour.ask(f"{line} --json").out)["facts"]
    return found


def test_help_lists_everything_with_its_role() -> None:
    """Each workload's words and the shell's own."""
    listed = {row["command"]: row["role"] for row in rows(Parlour(), "help")}
    assert listed["forecast set"] == "operator"
    assert listed["python"] == "developer"
    assert {"help", "why", "status", "audit", "reload", "shutdown", "exit", "users"} <= set(listed)


def test_help_explains_one_command_or_a_group() -> None:
    """The declaration is the help; the first of several words lists them."""
    parlour = Parlour()
    explained = facts(parlour, "help forecast set")
    assert explained["use"] == "forecast set USER [--days N] [--dry-run] [--json]"
    assert explained["does"] == "Decide what will be."
    assert explained["takes"] == ["USER: an address"]
    assert "--days N: for so many" in explained["flag"]
    assert (explained["role"], explained["row"]) == ("operator", [])
    assert "enabled: truth" in facts(parlour, "help forecast show")["row"]
    assert facts(parlour, "help 'forecast set'") == explained == facts(parlour, "forecast set --help")
    assert [row["command"] for row in rows(parlour, "help forecast")] == ["forecast set", "forecast show"]
    assert parlour.ask("help nonsense").err == 'there is no command "nonsense"; `help` lists all\n'


def test_why_tells_trouble_first_with_a_remedy() -> None:
    """Every workload is asked; one that fails does not hide what the others say."""
    parlour = Parlour()
    found = rows(parlour, "why Bob@example.com")
    assert [(row["state"], row["finding"], row["remedy"]) for row in found] == [
        ("trouble", "wrong password", "set another"),
        ("trouble", "cannot be asked: internal error, see the log", ""),
        ("ok", "sip:bob@example.com is shown as online", ""),
    ]
    assert parlour.ask("why bob@example.com").out.endswith("2 of 3 findings need a look\n")
    assert parlour.ask("why bob").err == '"bob" is not an address; write it as alice@example.com\n'


def test_why_somebody_is_seen_so_is_told_in_order() -> None:
    """A story, for one watcher; the flag asks the same. Of a watcher whom nobody knows it is told, and no success."""
    parlour = Parlour()
    found = json.loads(parlour.ask("why bob@example.com as seen by carol@example.com --json").out)["rows"]
    assert [(row["state"], row["finding"]) for row in found] == [
        ("ok", "sip:carol@example.com is a friend"),
        ("trouble", "sip:bob@example.com is hidden"),
    ]
    assert json.loads(parlour.ask("why bob@example.com --seen-by carol@example.com --json").out)["rows"] == found
    said = parlour.ask("why bob@example.com as seen by carol@example.com").out
    assert said.endswith("1 of 2 findings hide something\n")
    said = parlour.ask("why bob@example.com as seen by alice@example.com").out
    assert said.endswith("nothing hides them from alice@example.com\n")
    assert parlour.ask("why bob@example.com as seen by carol").err.startswith('"carol" is not an address')


def test_status_is_short() -> None:
    """Version, age, and what runs."""
    parlour = Parlour()
    parlour.clock.advance(90061)
    found = facts(parlour, "status")
    assert found["up"] == 90061
    assert "1 day, 1:01:01" in parlour.ask("status").out
    assert found["started"] == moment(WALL)
    assert found["parts"] == "weather, admin"
    assert found["interpreter"] == interpreter.description()
    assert found["shell_connections"] == 0


def test_what_is_wrong_with_the_server_is_told_by_status_and_why() -> None:
    """Whoever looks for another reason reads it as well, once: as the watch has it, not as each room says it."""
    parlour = Parlour()
    assert facts(parlour, "status")["condition"] == []
    parlour.weather.stormy = True
    assert facts(parlour, "status")["condition"] == ["weather: a storm is near; go home"]
    assert [row for row in rows(parlour, "why bob@example.com") if row["remedy"] == "go home"] == [
        {"state": "trouble", "concern": "weather", "finding": "a storm is near", "remedy": "go home"}
    ]


def test_why_says_in_words_what_cannot_be_read_now() -> None:
    """A database with another server's key is nothing that needs a traceback."""
    parlour = Parlour()
    parlour.weather.stormy = True
    with capturedLogs() as events:
        findings = [row["finding"] for row in rows(parlour, "why bob@example.com")]
    assert "not known now: bring back the key that belongs to this database" in findings
    assert not [event for event in events if "log_failure" in event]


def test_audit_lists_what_was_asked() -> None:
    """The newest first, within a time and a number."""
    parlour = Parlour()
    parlour.ask("users")
    parlour.clock.advance(7200)
    parlour.ask("refuse")
    assert [row["command"] for row in rows(parlour, "audit")] == ["refuse", "users"]
    assert [row["outcome"] for row in rows(parlour, "audit --since 1h --limit 50")][
        -1
    ] == "no such thing \\x1b[31m; try another"
    assert parlour.ask("audit --limit 0").status == 1


def test_the_audit_is_searched_by_person_command_and_time() -> None:
    """All that is asked for has to fit; words are those of the command, letters of either case."""
    parlour = Parlour()
    parlour.ask("users")
    parlour.ask("forecast set bob")
    parlour.clock.advance(7200)
    parlour.ask("forecast show")

    def found(flags: str) -> list[object]:
        return [row["command"] for row in rows(parlour, f"audit {flags}")]

    assert found("--command forecast") == ["forecast show", "forecast set bob", "forecast set bob"]
    assert found("--command 'Forecast SET'") == ["forecast set bob", "forecast set bob"]
    assert found("--command forec") == []
    assert found("--command forecast --until 1h") == ["forecast set bob", "forecast set bob"]
    assert found("--by OPS@desk --command users") == found("--by 192.0.2 --command users") == ["users"]
    assert found("--by somebody") == []
    assert found("--by ops --limit 1") == ["audit --by somebody --json"]


def test_counts_of_the_audit_are_read_as_numbers() -> None:
    """Other signs of Unicode that look like some are none."""
    parlour = Parlour()
    assert parlour.ask("audit --limit ³").status == 1


def test_reload_tells_what_was_done() -> None:
    """In the configuration's own sentences, or those of its fault."""
    assert [row["done"] for row in rows(Parlour(), "reload")] == ["the certificate is new"]

    def fail() -> list[str]:
        raise ValueError("lyncpy.toml: [sip] tls_port: is missing\nlyncpy.toml: [sip] domain: is missing")

    reply = Parlour(reload=fail).ask("reload")
    assert (reply.status, reply.err.count("\n")) == (1, 2)
    assert reply.err.startswith("nothing was changed: lyncpy.toml: [sip] tls_port")


def test_shutdown_answers_first() -> None:
    """The answer leaves, then the server ends."""
    parlour = Parlour()
    assert parlour.ask("shutdown", role=OperatorRole.VIEWER).status == 1
    assert parlour.ask("shutdown", role=OperatorRole.OPERATOR).out == "shutting down\n"
    assert parlour.reactor.stops == 0
    parlour.clock.advance(1)
    assert parlour.reactor.stops == 1


def test_spans_are_read_by_people() -> None:
    """Days, hours, minutes, seconds."""
    assert [duration(4.4), duration(90061)] == ["0:00:04", "1 day, 1:01:01"]


def test_what_tells_of_one_thing_has_no_first_rows() -> None:
    """So that nobody takes a flag that does nothing for one that did."""
    parlour = Parlour()
    refused = parlour.ask("status --limit 1")
    assert (refused.status, 'has no flag "--limit"' in refused.err) == (2, True)
    assert "--limit" not in parlour.ask("status --help").out
    assert "--limit" in parlour.ask("audit --help").out
