"""What every command answers to programs: the form that it declares, whatever there is to show."""

import json
from collections.abc import Iterator
from typing import Any, Final

import pytest
from twisted.internet.defer import Deferred

from lyncpy.contracts.answers import Form
from lyncpy.contracts.directory import Group
from lyncpy.contracts.names import Aor
from lyncpy.contracts.workload import OperatorRole, ShellCommand
from lyncpy.workloads.admin.shell import LiveView
from tests.kit.forms import objections
from tests.kit.shell import author, reply_of
from tests.kit.stage import Stage

LINES: Final = {
    "announce": ["announce all 'The server restarts at noon'"],
    "archive export": ["archive export alice@example.com --to all"],
    "archive resume": ["archive resume why"],
    "archive search": ["archive search alice@example.com"],
    "archive status": ["archive status"],
    "archive verify": ["archive verify"],
    "audit": ["audit", "audit --by desk --command users --until 1h"],
    "backup": ["backup --help"],
    "certificates": ["certificates", "certificates --issued"],
    "cdr": ["cdr alice@example.com", "cdr bob@example.com --limit 1"],
    "conditions": ["conditions", "conditions --known"],
    "conference admit": ["conference admit {meeting} sip:bob@example.com"],
    "conference demote": ["conference demote {meeting} sip:bob@example.com"],
    "conference deny": ["conference deny {meeting} sip:bob@example.com"],
    "conference eject": ["conference eject {meeting} sip:carol@example.com"],
    "conference end": ["conference end {meeting}"],
    "conference lock": ["conference lock {meeting}"],
    "conference promote": ["conference promote {meeting} sip:bob@example.com"],
    "conference show": ["conference show {meeting}"],
    "conference unlock": ["conference unlock {meeting}"],
    "conferences": ["conferences", "conferences --all --of alice@example.com", "conferences --limit 1"],
    "console end": ["console end all"],
    "console link": ["console link"],
    "console sessions": ["console sessions"],
    "contacts show": ["contacts show alice@example.com"],
    "directory held": ["directory held"],
    "directory pull": ["directory pull --dry-run", "directory pull --full"],
    "directory purge": ["directory purge nobody@example.com"],
    "directory restore": ["directory restore nobody@example.com bob@example.com"],
    "directory search": ["directory search ali"],
    "directory skipped": ["directory skipped"],
    "directory status": ["directory status"],
    "drain": ["drain n1"],
    "endpoints": ["endpoints", "endpoints alice@example.com", "endpoints --find ali --limit 1"],
    "exit": ["exit"],
    "flow close": ["flow close {flow}"],
    "flows": ["flows"],
    "gateways": ["gateways"],
    "group show": ["group show Team"],
    "groups": ["groups"],
    "history": ["history", "history --day"],
    "jobs": ["jobs"],
    "help": ["help", "help users", "users --help"],
    "log level": ["log level debug im --for 10m", "log level warn"],
    "log levels": ["log levels"],
    "meters": ["meters"],
    "nodes": ["nodes"],
    "policies": ["policies"],
    "policy explain": ["policy explain alice@example.com"],
    "policy set": [
        "policy set alice@example.com meeting_size 20",
        "policy set Team clients 'allow UCCAPI; block *'",
        "policy set everybody privacy_mode no",
        "policy set alice@example.com all --remove",
    ],
    "policy show": ["policy show alice@example.com"],
    "presence containers": ["presence containers alice@example.com"],
    "presence reset": ["presence reset alice@example.com"],
    "presence show": ["presence show alice@example.com"],
    "presence subscribers": ["presence subscribers alice@example.com"],
    "numbers": ["numbers", "numbers alice"],
    "presence top": ["presence top"],
    "presence watchers": ["presence watchers bob@example.com"],
    "presence watching": ["presence watching alice@example.com"],
    "python": ["python"],
    "refusals": ["refusals", "refusals --of alice --limit 5"],
    "reload": ["reload"],
    "reports": ["reports"],
    "session end": ["session end alice@example.com"],
    "sessions": ["sessions", "sessions alice@example.com --past 3"],
    "settings": ["settings", "settings tls_port"],
    "shutdown": ["shutdown --help"],
    "signin locks": ["signin locks"],
    "signin unlock": ["signin unlock erin@example.com"],
    "signout": ["signout dave@example.com"],
    "status": ["status"],
    "trace export": ["trace export {trace}", "trace export {trace} --as json --print"],
    "trace list": ["trace list"],
    "trace show": ["trace show {trace}", "trace show {trace} --messages"],
    "trace start": ["trace start user alice@example.com --for 5m"],
    "trace stop": ["trace stop {trace}"],
    "token create": ["token create watch", "token create desk --role operator --for 90d"],
    "token revoke": ["token revoke watch"],
    "tokens": ["tokens"],
    "user add": [
        "user add zoe@example.com --name 'Zoë Ash' --work-phone '+1 425' --until 2030-12-31",
        "user add yan@example.com --generate",
    ],
    "user certificates": ["user certificates alice@example.com"],
    "user disable": ["user disable zoe@example.com --reason 'a lost laptop'", "user disable frank@example.com"],
    "user enable": ["user enable zoe@example.com", "user enable frank@example.com"],
    "user import": ["user import --dry-run", "user import --generate", "user import --update"],
    "user passwd": ["user passwd zoe@example.com", "user passwd zoe@example.com --generate"],
    "user remove": ["user remove yan@example.com"],
    "user line": ["user line alice", "user line bob@example.com tel:+14255550105", "user line bob none"],
    "user revoke": ["user revoke alice@example.com"],
    "user set": ["user set zoe@example.com --title Poet --work-phone=", "user set zoe@example.com --title Poet"],
    "user show": ["user show alice@example.com"],
    "user unlock": ["user unlock frank@example.com"],
    "users": ["users", "users zzz", "users --limit 1"],
    "voice rules": ["voice rules bob alice", "voice rules bob carol --gives-up 5"],
    "voice test": ["voice test alice +14255550142", "voice test alice 4711 --at 2026-05-31"],
    "why": ["why alice@example.com", "why bob@example.com as seen by alice@example.com"],
}
"""Each command, as somebody asks for it who lives through the day of `busy`."""

SAID: Final = {
    "user import --dry-run": "address,name\numa@example.com,Uma\n",
    "user import --generate": "address,name\numa@example.com,Uma\n",
    "user import --update": "address,name\numa@example.com,Uma Ash\n",
    "user passwd zoe@example.com": "correct horse\n",
}
"""What is read from the input."""

FAIL: Final = {
    "archive resume": "fits its seal",
    "conference admit": "let in already",
    "conference deny": "",
    "directory purge": "nobody is held back",
    "directory restore": "nobody is held back",
    "drain": "",
    "console link": "there is no web console here",
    "python": "there is no Python prompt here",
}
"""Commands that have nothing to do on that day, and what they say."""


@pytest.fixture
def busy() -> Iterator[tuple[Stage, dict[str, str]]]:
    """A server on which much goes on, and names of what goes on there."""
    settings: dict[str, Any] = {"policies": {"archive_internal": True}, "archive": {"critical": False}}
    with Stage.opened(**settings) as stage:
        stage.expect("the archive", "archive")
        stage.directory.groups = [
            Group("g1", "Team", Aor("sip:team@example.com"), frozenset({"alice", "bob"}), "cn=team")
        ]
        stage.changes("alice", line="tel:+14255550100", private_line="tel:+14255550199")
        stage.shell("directory pull")
        alice, bob, carol, dave = stage.sign_in("alice", "bob", "carol", "dave")
        alice.watches(bob)
        bob.publishes(availability=6500)
        talk, _ = alice.talks_to(bob)
        talk.says("hello")
        ended, _ = alice.talks_to(dave)
        ended.says("bye")
        ended.hangs_up()
        seat = alice.meets(subject="Lunch")
        for who in (bob, carol):
            who.joins(seat.focus)
        stage.passes(3)
        seat.says("hi all")
        for _ in range(5):
            stage.actor("erin", password="guess", address="192.0.2.1").sip.register()
            stage.actor("frank", password="guess", address="192.0.2.1").sip.register()
        stage.passes(3)
        trace = stage.shell_of_all("trace start address 0.0.0.0/0").rows[0][0]
        flow = stage.shell("flows").rows[-1][0]
        yield stage, {"meeting": seat.focus.rpartition(":")[2], "flow": str(flow), "trace": str(trace)}


def commands(stage: Stage) -> tuple[ShellCommand, ...]:
    """Give every command that there is."""
    found: tuple[ShellCommand, ...] = stage.unit("admin").words().all_commands()
    return found


def test_every_command_answers_programs_in_its_form(busy: tuple[Stage, dict[str, str]]) -> None:
    """No key that is not declared, none that is missing, of the kind that was said; times are RFC 3339."""
    stage, names = busy
    known = {one.name: one for one in commands(stage)}
    assert sorted(known) == sorted(LINES), "each command needs a line here"
    # What looks comes before what changes.
    ordered = sorted(known.values(), key=lambda one: (one.role, one.name == "conference end", one.name))
    faults = []
    for command in ordered:
        for line in LINES[command.name]:
            reply = stage.ask(f"{line.format(**names)} --json", said=SAID.get(line))
            name = "help" if "--help" in line else command.name
            document = json.loads(reply.out)
            faults += [f"{line}: {one}" for one in objections(known[name].form.schema(name), document)]
            if document["ok"] != (command.name not in FAIL):
                faults.append(f"{line}: {document['error']}")
            if document["ok"] is not (reply.status == 0):
                faults.append(f"{line}: status {reply.status}, ok {document['ok']}")
            if FAIL.get(command.name, "") not in str(document["error"]):
                faults.append(f"{line}: {document['error']}")
    assert not faults, "\n".join(faults)


def test_every_command_that_shows_something_declares_it(busy: tuple[Stage, dict[str, str]]) -> None:
    """The others have a sentence alone, and are known by name."""
    silent = {one.name for one in commands(busy[0]) if one.form == Form()}
    acts = {"admit", "demote", "deny", "eject", "end", "lock", "promote", "unlock"}
    assert silent == {"exit", "python", "shutdown"} | {f"conference {word}" for word in acts}


def test_a_person_who_does_not_exist_is_an_error_in_every_command(busy: tuple[Stage, dict[str, str]]) -> None:
    """Nothing that is not there was "not said", or "not signed in"."""
    stage, _ = busy
    asked = [
        one
        for one in commands(stage)
        if any(arg.name in ("user", "what", "target", "whom", "who") for arg in one.args[:1])
    ]
    assert len(asked) >= 23
    for command in asked:
        rest = " bob@example.com" * (sum(arg.required for arg in command.args) - 1)
        reply = stage.ask(f"{command.name} nobody@example.com{rest}", OperatorRole.OPERATOR, said="")
        assert (reply.status, reply.err != "") == (1, True), command.name
    assert stage.ask("conferences --all --of nobody@example.com").status == 1


STATUSES: Final = {
    1: (
        "archive export nobody@example.com --to x", "archive export nope --to y", "archive search nobody@example.com",
        "archive search alice@example.com --conversation nope", "archive verify --from nope", "audit --since soon",
        "audit --limit 0", "cdr alice", "conference show nope", "conference end nope", "flow close n9/9", "group show Nope",
        "help nope", "log level loud", "log level debug nope", "meters zzz", "contacts show o'brien@example.com",
        "session end nope", "sessions alice@example.com --past 0", "settings zzz", "signin unlock nope",
        "signout alice@example.com/nope", "token create x --role root", "token create x --for soon", "token revoke nope",
        "user revoke alice@example.com nope", "why alice@example.com as seen by nobody@example.com", "announce Nope hi",
        "announce all ''", "drain nope", "python", "directory purge nope",
    ),
    2: (
        'users "unclosed', "users --limit x", "users --nope", "nosuch", "watch users", "users --watch 0", "reports extra",
        "group show two words", "log level", "announce all", "--json",
    ),
    0: (
        "users zzz", "groups zzz", "directory search zzz", "users --limit 1", "help users", "users --help", "tokens",
        'announce all "it\'s noon"',
    ),
}  # fmt: skip
"""Lines, by the status with which they end: what is not there is an error, and to look for it is none."""


def test_the_status_says_whether_it_was_done(busy: tuple[Stage, dict[str, str]]) -> None:
    """With a sentence where it was not, in JSON too; an apostrophe within a word is a letter."""
    stage, _ = busy
    faults = []
    for status, lines in STATUSES.items():
        for line in lines:
            reply = stage.ask(line)
            document = json.loads(stage.ask(f"{line} --json").out) if not line.startswith(('users "', "--")) else {}
            if (reply.status, bool(reply.err)) != (status, status != 0):
                faults.append(f"{line}: {reply.status} {reply.err}")
            if document and document["ok"] is not (status == 0):
                faults.append(f"{line}: {document}")
    assert not faults, "\n".join(faults)


def test_a_pull_that_is_refused_is_no_success(busy: tuple[Stage, dict[str, str]]) -> None:
    """Nor one that withholds what it would remove, though it shows the rest."""
    stage, _ = busy
    stage.directory.people = stage.directory.people[:1]
    withheld = stage.ask("directory pull")
    assert (withheld.status, "withheld" in withheld.err or "removal" in withheld.err) == (1, True)
    assert stage.ask("directory pull --force").status == 0


def test_a_long_pull_says_how_far_it_is(stage: Stage) -> None:
    """Each second, to whoever looks, until it is done; so do the export of the archive and the backup."""
    told: list[str] = []
    gate: Deferred[None] = Deferred()
    stage.directory.gate = gate
    asking = author(OperatorRole.OPERATOR)
    running = stage.unit("admin").shell.run_line(
        "directory pull", asking, 80, None, LiveView(told.append, lambda _: None)
    )
    stage.passes(3)
    assert told[:2] == ["the directory is being read\n"] * 2
    listed, command = json.loads(stage.ask("jobs --json").out), stage.unit("admin").words().longest_command(["jobs"])
    assert [(row["command"], row["progress"]) for row in listed["rows"]] == [
        ("directory pull", "the directory is being read")
    ]
    assert list(objections(command.form.schema("jobs"), listed)) == []
    gate.callback(None)
    stage.directory.gate = None
    stage.settle()
    assert reply_of(running).status == 0
