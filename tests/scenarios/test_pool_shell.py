"""One shell over all servers: whichever an operator is at, each command says what it saw where, and does what it does where it has to be done."""

import json
from collections.abc import Iterator

import pytest

from lyncpy.contracts.workload import CommandFailed, CommandReach, OperatorRole, Table
from lyncpy.workloads.admin.everywhere import LOOK_S
from lyncpy.workloads.admin.shell import LiveView
from tests.kit.forms import objections
from tests.kit.pool import Pool
from tests.kit.shell import author, reply_of


@pytest.fixture
def pool() -> Iterator[Pool]:
    """Two servers: Alice is at the first, Bob at the second."""
    with Pool.opened() as pool:
        first, second = pool
        first.sign_in("alice")
        second.sign_in("bob")
        yield pool


def column(table: Table, name: str) -> list[object]:
    """Give a column."""
    at = table.columns.index(name)
    return [row[at] for row in table.rows]


def test_who_is_signed_in_anywhere_is_shown_with_where(pool: Pool) -> None:
    """At whichever server it is asked; of one user, too, and each device once."""
    first, second = pool
    for server in pool:
        table = server.shell_of_all("endpoints")
        assert sorted(zip(column(table, "node"), column(table, "user"), strict=True)) == sorted(
            [(first.node, "alice@example.com"), (second.node, "bob@example.com")]
        )
        table = server.shell_of_all("endpoints bob@example.com")
        assert column(table, "node") == [second.node]
        assert f"{second.node}: 1 signed in at this server" in table.note


def test_what_all_say_alike_is_said_once(pool: Pool) -> None:
    """Of `all`; what one says differently stands with its name."""
    first, second = pool
    table = first.shell_of_all("status")
    rows = {(row[0], row[1]) for row in table.rows}
    assert ("all", "version") in rows
    assert (first.node, "version") not in rows
    (row,) = [row for row in second.shell_of_all("archive status").rows if row[1] == "works"]
    assert row == ("all", "works", True)


def test_a_connection_is_closed_where_it_is(pool: Pool) -> None:
    """One that is nowhere is refused, as by one server."""
    first, second = pool
    flow = next(row[1] for row in first.shell_of_all("flows").rows if row[0] == second.node)
    table = first.shell_of_all(f"flow close {flow}")
    assert (table.rows, table.failed) == ([(second.node, flow)], "")
    assert second.tables()["connections"] == 0
    with pytest.raises(CommandFailed, match="there is no connection"):
        first.shell_of_all(f"flow close {flow}")


def test_a_reload_is_done_by_each(pool: Pool) -> None:
    """And what each has to say of it is shown."""
    table = pool.servers[0].shell_of_all("reload")
    assert table.note == "reloaded"


def test_one_that_does_not_answer_is_said(pool: Pool) -> None:
    """The others' answers are shown all the same, and the command is no success."""
    first, second = pool
    pool.hub.loses = lambda sender, receiver, said: receiver == second.node
    table = first.shell_of_all("endpoints", LOOK_S + 1)
    assert column(table, "user") == ["alice@example.com"]
    assert table.failed.startswith(f"{second.node}: it has not answered: ")
    assert "nobody@example.com" in first.shell_of_all("endpoints nobody@example.com", LOOK_S + 1).failed


def test_what_is_not_done_anywhere_says_who_was_silent(pool: Pool) -> None:
    """It may be there."""
    first, second = pool
    pool.hub.loses = lambda sender, receiver, said: receiver == second.node
    words = f'nothing was failed as "bob@example.com".*; {second.node}: it has not answered'
    with pytest.raises(CommandFailed, match=words):
        first.shell_of_all("signin unlock bob@example.com", 30.0)


def test_locks_are_opened_wherever_they_are(pool: Pool) -> None:
    """Whoever failed at the second server has to wait at both, and is let in again by an operator at the first."""
    first, second = pool
    for _ in range(12):
        second.actor("alice", password="guess", address="203.0.113.9").sip.register()
    assert set(column(first.shell_of_all("signin locks"), "node")) == {"all"}
    table = first.shell_of_all("signin unlock alice@example.com")
    assert (set(column(table, "node")), table.failed) == ({"all"}, "")
    assert not first.shell_of_all("signin locks").rows


def test_a_session_is_ended_where_it_is(pool: Pool) -> None:
    """Alice is at the first server, Bob at the second: either may be asked, and both hear it."""
    first, second = pool
    alice, bob = first.sign_in("carol")[0], second.sign_in("dave")[0]
    talk, heard = alice.talks_to(bob)
    table = second.shell_of_all("session end dave@example.com")
    assert column(table, "node") == [first.node, first.node]
    assert sorted(zip(column(table, "user"), column(table, "told"), strict=True)) == [
        ("carol@example.com", "BYE"),
        ("dave@example.com", "BYE"),
    ]
    assert talk.is_over
    assert heard.is_over


def test_an_announcement_reaches_devices_at_every_server(pool: Pool) -> None:
    """Each says how many got it, and all together too."""
    first, second = pool
    carol, dave = first.sign_in("carol")[0], second.sign_in("dave")[0]
    table = first.shell_of_all('announce all "Soup is out"')
    assert (table.counts["devices"], table.counts["got"], table.failed) == (4, 4, "")
    assert table.note.startswith("2 of 2 people at this server got it")
    assert [one.texts[-1].words for who in (carol, dave) for one in who.talks] == ["Soup is out"] * 2
    table = first.shell_of_all('announce dave@example.com "Dave!"')
    assert (table.counts["got"], table.failed) == (1, "")


def test_what_the_store_says_is_asked_once(pool: Pool) -> None:
    """People are the same everywhere: there is no column for where."""
    assert pool.servers[0].shell_of_all("users").columns == pool.servers[0].shell("users").columns


LINES = {
    "announce": "announce all hello", "certificates": "certificates --issued", "flow close": "flow close {flow}",
    "log level": "log level debug im --for 10m", "presence watchers": "presence watchers bob@example.com",
    "presence watching": "presence watching alice@example.com", "session end": "session end bob@example.com",
    "signin unlock": "signin unlock erin@example.com", "why": "why alice@example.com",
}  # fmt: skip
"""How a command is asked that takes something."""


def test_what_several_servers_answer_has_the_form_that_is_declared(pool: Pool) -> None:
    """Each row with its server; of one thing that each tells of itself, a row of each, with nothing that is not declared."""
    first, second = pool
    alice, bob = pool.servers[0].sign_in("carol")[0], second.sign_in("bob")[0]
    alice.watches(bob)
    alice.talks_to(bob)
    for _ in range(5):
        first.actor("erin", password="guess", address="192.0.2.1").sip.register()
    names = {"flow": str(first.shell("flows").rows[0][0])}
    known = [one for one in first.unit("admin").words().all_commands() if one.reach is not CommandReach.HERE]
    faults = []
    for command in sorted(known, key=lambda one: (one.role, one.name)):
        # What takes something that is nowhere here fails, and that has its form as well.
        made_up = command.name + " nobody" * sum(arg.required for arg in command.args)
        line = LINES.get(command.name, made_up).format(**names)
        reply = first.ask(f"{line} --json")
        document = json.loads(reply.out)
        schema = command.form.schema(command.name, of_several=not document["error"] or bool(document["rows"]))
        faults += [f"{line}: {one}" for one in objections(schema, document)]
        if document["error"] and line != made_up:
            faults.append(f"{line}: {document['error']}")
    assert not faults, "\n".join(faults)


def test_every_command_says_whom_it_concerns(pool: Pool) -> None:
    """A new one is to be in this list: what each server knows alone has to be asked of each."""
    reach: dict[CommandReach, set[str]] = {one: set() for one in CommandReach}
    for command in pool.servers[0].unit("admin").words().all_commands():
        reach[command.reach].add(command.name)
    assert reach[CommandReach.EVERYWHERE] == {
        "archive status", "certificates", "conditions", "conferences", "directory skipped", "directory status",
        "endpoints", "flows", "gateways", "history", "jobs", "log level", "log levels", "meters", "presence top", "presence watchers", "presence watching", "refusals", "reload", "sessions", "signin locks",
        "status", "trace list", "trace start", "why",
    }  # fmt: skip
    assert reach[CommandReach.WHERE_IT_IS] == {
        "announce", "conference admit", "conference demote", "conference deny", "conference eject", "conference end",
        "conference lock", "conference promote", "conference show", "conference unlock", "flow close", "session end",
        "signin unlock", "trace export", "trace show", "trace stop", "user unlock",
    }  # fmt: skip


def test_devices_are_searched_and_bounded_at_each_server(pool: Pool) -> None:
    """Each gives the first of its own, and says of how many."""
    first, _ = pool
    table = first.shell_of_all("endpoints --find BOB --limit 5")
    assert column(table, "user") == ["bob@example.com"]
    assert table.counts == {"rows": 1}
    first.sign_in("carol")
    table = first.shell_of_all("endpoints --limit 1")
    assert column(table, "user") == ["alice@example.com", "bob@example.com"]
    assert table.counts == {"rows": 3}
    assert "1 of 2 are shown" in table.note


def test_the_last_hour_and_the_last_refusals_are_those_of_all(pool: Pool) -> None:
    """Each server tells its own; who was refused is named, with the reason that they were given."""
    first, second = pool
    (carol,) = second.sign_in("carol")
    carol.pages("sip:nobody@example.com", "are you there?")
    second.passes(20)
    rows = first.shell_of_all("history").rows
    assert {row[0] for row in rows} == {first.node, second.node}
    rows = first.shell_of_all("refusals --of carol").rows
    (row,) = [one for one in rows if one[3] == "MESSAGE"]
    assert (row[0], row[2], row[4]) == (second.node, "carol@example.com", 404)
    assert row[5]


def test_long_work_at_another_server_says_how_far_it_is() -> None:
    """To who asked at this one, by the name of that one; and to whoever lists what is under way, at either."""
    with Pool.opened() as pool:
        first, second = pool
        alice, _ = second.sign_in("alice", "bob")
        alice.is_silent()
        told: list[str] = []
        view = LiveView(told.append, lambda reply: None)
        running = first.unit("admin").shell.run_line(
            'announce all "Soup is out"', author(OperatorRole.OPERATOR), 80, None, view
        )
        pool.passes(3)
        assert any(line.startswith(f"{second.node}: ") for line in told), told
        for server in pool:
            table = server.shell_of_all("jobs")
            assert {row[:2] for row in table.rows} >= {(second.node, "announce")}
        pool.passes(60)
        assert "1 of 2 people" in reply_of(running).out
        assert not first.shell_of_all("jobs").rows
