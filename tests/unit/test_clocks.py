"""Who reads which clock: every place where a clock that can be set is read, and what a step does there."""

import ast
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import lyncpy
from tests.kit.trees import calls_of, nodes_of

TOP: Final = Path(lyncpy.__file__).parent

READS: Final[Mapping[str, tuple[int, str]]] = {
    "app/assembly.py": (0, "given on, to the certificate: compared with its dates, which are others'"),
    "app/backup_command.py": (1, "when a backup was made: its file's name, written down"),
    "app/log_levels.py": (1, "until when a level counts, for an operator; it ends by the monotonic clock"),
    "app/store_watch.py": (3, "the age of the last backup, by everybody's clock, for an operator"),
    "auth/authenticator.py": (1, "the time that a challenge tells clients, who compare it with their own"),
    "auth/http_kerberos.py": (1, "dates of accounts, by everybody's clock"),
    "auth/http_ntlm.py": (1, "as above"),
    "auth/kerberos.py": (1, "dates of accounts, by everybody's clock"),
    "auth/passwords.py": (1, "dates of accounts, by everybody's clock"),
    "auth/proofs.py": (
        2,
        "NTLM's time is the client's, compared with the steady clock as well; dates of accounts, by everybody's clock",
    ),
    "auth/inner_contexts.py": (1, "dates of a certificate"),
    "auth/tls_dsk.py": (2, "dates of accounts and certificates, by everybody's clock"),
    "backends/ldap.py": (1, "compared with the clock of a directory, for an operator"),
    "core/certificate_offers.py": (1, "when a certificate was offered, for an operator"),
    "core/conditions.py": (1, "since when something is wrong, for an operator"),
    "core/refusals.py": (1, "when a request was refused, for an operator"),
    "core/gate.py": (1, "Date in a 401, by which a client sees whose clock is wrong"),
    "core/signins.py": (1, "when a sign-in failed, for an operator"),
    "core/timers.py": (1, "is what gives it"),
    "core/wallclock.py": (1, "a sentence in the log"),
    "wire/http.py": (1, "Date of an answer"),
    "workloads/admin/commands.py": (2, "when the server started and `--since`, for an operator"),
    "workloads/monitoring/history.py": (
        2,
        "the ends of samples, for an operator, and that those of several servers fall together; a step leaves a gap, or two of a time",
    ),
    "workloads/admin/console/gathered.py": (1, "the end of what is drawn, compared with the ends of samples"),
    "workloads/admin/console/service.py": (1, "which day needs no mention, for an operator"),
    "workloads/admin/console/tickets.py": (4, "when a ticket was given, and whether it is over, written down"),
    "workloads/admin/tokens.py": (4, "when an operator's token was made, and whether it is over"),
    "workloads/admin/shell.py": (1, "when a command was given, written down"),
    "workloads/archive/commands.py": (2, "a file's name and `--since`, for an operator"),
    "workloads/archive/keeper.py": (
        4,
        "when trouble began and a gap is, written down; the chain's order is its numbers'",
    ),
    "workloads/conferencing/conference_table.py": (
        2,
        "when it was made, and until when its organizer's client wants it: both by everybody's clock",
    ),
    "workloads/conferencing/focus_table.py": (1, "when a meeting began, written down"),
    "workloads/conferencing/meeting_archiver.py": (1, "when it was said, written down"),
    "workloads/conferencing/call_records.py": (6, "call records, written down; an end may be before its beginning"),
    "workloads/conferencing/service.py": (2, "call records of dead nodes, written down"),
    "workloads/directory/account_deadlines.py": (4, "dates of accounts, by everybody's clock; a step judges them anew"),
    "workloads/directory/change_applier.py": (
        6,
        "since when an address is whose, written down; what deletes asks `past`; dates of accounts, as above",
    ),
    "workloads/directory/pull.py": (
        5,
        "when a pull was, shown, and since when data is held that a former server left; at a start, its age: in doubt everything is read again",
    ),
    "workloads/directory/service.py": (3, "dates of accounts, and the age of the last pull, for an operator"),
    "workloads/directory/user_changes.py": (1, "when somebody was disabled, written down"),
    "workloads/im/archiving.py": (2, "when it was said, written down"),
    "workloads/im/chat.py": (1, "when it was said, written down"),
    "workloads/im/delivery.py": (4, "call records, written down"),
    "workloads/im/termination.py": (3, "call records, written down"),
    "workloads/im/parties.py": (1, "call records, written down"),
    "workloads/im/routes.py": (1, "call records, written down"),
    "workloads/im/service.py": (2, "call records of dead nodes, written down"),
    "workloads/im/sessions.py": (1, "call records, written down"),
    "workloads/monitoring/calldetail.py": (1, "`--since`, for an operator"),
    "workloads/monitoring/routes.py": (1, "when a client reported, written down"),
    "workloads/presence/board_cache.py": (1, "as the board table, of whose boards it keeps the deadlines"),
    "workloads/presence/board_form.py": (4, "as the board table, whose boards it reads and joins"),
    "workloads/presence/board_table.py": (
        4,
        "calendars begin and end by everybody's clock; lifetimes and the order of publications are adjusted at a step",
    ),
    "workloads/presence/commands.py": (2, "as the boards, for an operator"),
    "workloads/voice/call_decisions.py": (1, "whether a user works now, by the clock on the wall"),
    "workloads/voice/gateway_calls.py": (1, "of a call record, as of all others"),
    "workloads/voice/gateway_inward.py": (3, "of a call record, as of all others"),
    "workloads/voice/gateway_dialing.py": (3, "of a call record, as of all others"),
    "workloads/voice/gateways.py": (2, "since when a gateway is up or down, for an operator"),
    "workloads/voice/commands.py": (2, "the time of a test that names none, for an operator"),
    "workloads/webservices/authority.py": (2, "dates of a certificate; an authority that seems to be old is made anew"),
    "workloads/webservices/certificate_service.py": (1, "dates of certificates, by everybody's clock"),
    "workloads/webservices/commands.py": (2, "dates of certificates, for an operator"),
    "workloads/webservices/ending.py": (1, "dates of certificates, for an operator"),
    "workloads/webservices/holders.py": (1, "dates of certificates, by everybody's clock"),
    "workloads/webservices/judge.py": (2, "dates of certificates, by everybody's clock"),
    "workloads/webservices/people_certificates.py": (1, "dates of certificates, for an operator"),
    "workloads/webservices/recent_tickets.py": (1, "times of tickets, as they were written into them"),
    "workloads/webservices/ticket_service.py": (
        1,
        "a client's time stamp, compared with its own clock's error in mind",
    ),
    "workloads/admin/jobs.py": (1, "shown to operators: when a command began"),
    "workloads/webservices/tickets.py": (2, "times of tickets, which clients compare with their own clock"),
}
"""File → how often it asks `wall()` at most, and why it may although that steps.

Whatever waits, counts, ages or decides which of two is newer asks `now()`; lifetimes that are
written down ask `steady()`; what deletes for age asks `past()`. See `contracts/timers.py`.
"""

HOST: Final = frozenset(
    {"app/commands.py", "app/opened_store.py", "app/doctor.py", "app/home.py", "app/tap.py", "core/timers.py"}
)
"""Where `host_clock` is named: commands that end at once, and the start."""

_BANNED: Final = frozenset({"time", "monotonic", "time_ns", "perf_counter", "utcnow", "today", "formatdate"})


def modules() -> Iterator[tuple[str, Path]]:
    """Give every module of the server."""
    for path in sorted(TOP.rglob("*.py")):
        yield path.relative_to(TOP).as_posix(), path


def test_the_wall_clock_is_read_where_it_is_listed() -> None:
    """A new place that reads it has to say here what a step does to it."""
    found: Counter[str] = Counter()
    for name, path in modules():
        for call in calls_of(path):
            if isinstance(call.func, ast.Attribute) and call.func.attr == "wall":
                found[name] += 1
    assert {name: count for name, count in found.items() if count > READS.get(name, (0, ""))[0]} == {}


def test_the_wall_clock_is_given_on_to_the_certificate_alone() -> None:
    """Whoever is handed the function reads it unseen."""
    given = set()
    for name, path in modules():
        called = {id(call.func) for call in calls_of(path)}
        for node in nodes_of(path):
            is_timers = isinstance(node, ast.Attribute) and node.attr == "wall" and id(node) not in called
            if is_timers and "timers" in ast.unparse(node):
                given.add(name)
    assert given == set()


def test_the_host_is_asked_in_one_place() -> None:
    """Nothing but the module that gives the time knows a clock of the host."""
    asked, named = set(), set()
    for name, path in modules():
        for node in nodes_of(path):
            if isinstance(node, ast.Name) and node.id == "host_clock":
                named.add(name)
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                whose = ast.unparse(node.func.value)
                if whose in ("time", "datetime", "datetime.datetime") and node.func.attr in _BANNED | {"now"}:
                    asked.add(name)
            if isinstance(node, ast.ImportFrom) and node.module == "time":
                asked.add(name)
    assert asked == {"core/timers.py"}
    assert named <= HOST
