"""Traces: what an operator sees of one person, one network, one call, and what nobody sees."""

import json
from collections.abc import Iterator

import pytest

from lyncpy.contracts.workload import CommandFailed, OperatorRole
from tests.kit.pool import Pool
from tests.kit.stage import Stage


@pytest.fixture
def stage_of_small_traces() -> Iterator[Stage]:
    """A server whose traces are short."""
    with Stage.opened(
        tracing={"entries": 100, "running": 2, "running_per_operator": 1, "kept": 2, "kept_s": 3600}
    ) as stage:
        yield stage


@pytest.fixture
def pool() -> Iterator[Pool]:
    """Two servers."""
    with Pool.opened() as pool:
        yield pool


def begin(stage: Stage, words: str) -> str:
    """Begin a trace; give its name."""
    ((name, *_),) = stage.shell_of_all(f"trace start {words}").rows
    return str(name)


def said(stage: Stage, name: str) -> list[str]:
    """Give what the ladder of a trace says, line by line."""
    return [str(row[3]) for row in stage.shell_of_all(f"trace show {name}").rows if row[0] is not None]


def test_a_sign_in_is_seen_with_its_changes(stage: Stage) -> None:
    """Requests, answers, and that somebody is signed in from then on."""
    name = begin(stage, "user alice@example.com")
    (alice,) = stage.sign_in("alice")
    alice.signs_out()
    lines = said(stage, name)
    assert any(line.startswith("REGISTER sip:example.com, CSeq 1") for line in lines)
    assert any(line.startswith("401 Unauthorized to") for line in lines)
    assert any(line.startswith("alice@example.com signed in, device ") for line in lines)
    assert any("signed in no more" in line and "their last device" in line for line in lines)


def test_others_are_not_in_it(stage: Stage) -> None:
    """Only messages that name the person."""
    name = begin(stage, "user alice@example.com")
    stage.sign_in("bob")
    assert said(stage, name) == []


def test_a_message_is_seen_and_what_it_says_is_not(stage: Stage) -> None:
    """Who talks with whom an operator may see; the text, passwords and proofs nobody."""
    alice, bob = stage.sign_in("alice", "bob")
    name = begin(stage, "user bob@example.com")
    talk = alice.invites(bob, first="the secret plan")
    talk.says("burn after reading")
    kept = stage.shell_of_all(f"trace show {name} --messages")
    text = "\n".join(str(row) for row in kept.rows) + stage.traces.content[name].decode()
    assert "MESSAGE" in text
    assert "X-Lyncpy-Body-Bytes" in text
    assert "burn after" not in text
    assert "secret plan" not in text
    assert "dGhlIHNlY3JldCBwbGFu" not in text


def test_a_developer_may_have_what_is_said(stage: Stage) -> None:
    """An operator may not, and is told which flag it was."""
    alice, bob = stage.sign_in("alice", "bob")
    refused = stage.ask("trace start user bob@example.com --bodies", OperatorRole.OPERATOR)
    assert "`trace start --bodies` is for the role developer" in refused.err
    name = begin(stage, "user bob@example.com --bodies")
    alice.invites(bob).says("burn after reading")
    stage.passes(1)
    assert "burn after reading" in stage.traces.content[name].decode()


def test_a_trace_ends_by_itself_and_is_kept(stage: Stage) -> None:
    """The list says so; nothing is recorded any more."""
    name = begin(stage, "user alice@example.com --for 5m")
    stage.passes(301)
    stage.sign_in("alice")
    (row,) = stage.shell_of_all("trace list").rows
    assert (row[0], row[1], row[5]) == (name, "user alice@example.com", "ended")
    assert said(stage, name) == ["the trace has ended: its time is over"]


def test_a_trace_is_stopped(stage: Stage) -> None:
    """It says by whom; who stops it twice is told that it does not run."""
    name = begin(stage, "address 0.0.0.0/0")
    stage.sign_in("alice")
    ((_, entries, lost),) = stage.shell_of_all(f"trace stop {name}").rows
    assert (entries != 0, lost) == (True, 0)
    assert said(stage, name)[-1].startswith("the trace has ended: stopped by ")
    assert "see: trace list" in stage.ask(f"trace stop {name}").err


def test_a_trace_of_a_network_tells_of_its_connections(stage: Stage) -> None:
    """Those on which nothing was said yet, too, and what cannot be read."""
    name = begin(stage, "address 0.0.0.0/0")
    (alice,) = stage.sign_in("alice")
    alice.is_cut_off()
    stage.passes(30)
    lines = said(stage, name)
    assert any(" opened: " in line for line in lines)
    assert any(" closed: " in line for line in lines)


def test_a_conference_and_a_call_are_traced(stage: Stage) -> None:
    """What is said to the focus and by it, of whomever; and one dialog, from its first request to its last."""
    alice, bob = stage.sign_in("alice", "bob")
    seat = alice.meets(subject="Lunch")
    meeting, other = begin(stage, f"conference {seat.focus}"), alice.invites(bob)
    call = begin(stage, f"call-id {other.invite.call_id}")
    bob.joins(seat.focus)
    other.says("hello")
    other.hangs_up()
    lines = said(stage, meeting)
    assert any(line.startswith("INVITE sip:alice@example.com;gruu;opaque=app:conf:focus:id:") for line in lines)
    assert not any("MESSAGE sip:bob@" in line for line in lines)
    lines = said(stage, call)
    asked = [line.split(" ")[0] for line in lines if not line[0].isdigit() and not line.startswith("the session ")]
    assert asked == ["MESSAGE", "MESSAGE", "BYE", "BYE"]


def test_a_full_trace_ends(stage_of_small_traces: Stage) -> None:
    """Its file stays within its bound, and says which."""
    stage = stage_of_small_traces
    name = begin(stage, "address 0.0.0.0/0 --for 1h")
    for _ in range(12):
        (alice,) = stage.sign_in("alice")
        alice.signs_out()
    stage.passes(1)
    assert said(stage, name)[-1] == "the trace has ended: it is full ([tracing] entries)"


def test_an_operator_has_so_many_traces_and_no_more(stage_of_small_traces: Stage) -> None:
    """They are told which setting it is."""
    stage = stage_of_small_traces
    assert stage.ask("trace start user alice@example.com").status == 0
    assert "[tracing] running_per_operator" in stage.ask("trace start user bob@example.com").err
    begin(stage, "user bob@example.com")
    with pytest.raises(CommandFailed, match=r"\[tracing\] running"):
        begin(stage, "user carol@example.com")


@pytest.mark.steady_clock  # how old a file is, the host's clock says
def test_the_oldest_traces_go(stage_of_small_traces: Stage) -> None:
    """By number when one is begun, and by age."""
    stage = stage_of_small_traces
    names = []
    for _ in range(4):
        names.append(begin(stage, "user alice@example.com"))
        stage.shell_of_all(f"trace stop {names[-1]}")
        stage.passes(5)
    assert [row[0] for row in stage.shell_of_all("trace list").rows] == names[-2:]
    stage.passes(2 * 3600 + 60)
    assert stage.shell_of_all("trace list").rows == []


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ("device x", "one of these can"),
        ("user alice", "is not an address"),
        ("user alice@example.com --for 90d", "[tracing] longest_s"),
        ("user alice@example.com --for soon", "takes a span of time"),
        ("user alice@example.com --homer", "[tracing] homer names one"),
    ],
)
def test_what_cannot_be_traced_is_said(stage: Stage, words: str, reason: str) -> None:
    """In a sentence that says what to write."""
    assert reason in stage.ask(f"trace start {words}").err


def test_a_disk_that_is_full_ends_a_trace_and_nothing_else(stage: Stage) -> None:
    """Clients notice nothing."""
    name = begin(stage, "user alice@example.com")
    stage.traces.broken = True
    stage.sign_in("alice")
    stage.passes(1)
    assert name not in [row[0] for row in stage.shell_of_all("trace list").rows if row[5] == "running"]
    assert "No space left" in stage.ask("trace start user bob@example.com").err


def test_a_trace_of_somebody_who_is_not_known_says_so(stage: Stage) -> None:
    """They may be about to come, so it runs; where the address is mistyped an operator sees it at once."""
    told = stage.shell_of_all("trace start user alcie@example.com")
    assert "nobody is known here as alcie@example.com now" in told.note
    assert [row[5] for row in stage.shell_of_all("trace list").rows] == ["running"]
    assert "nobody is known" not in stage.shell_of_all("trace start user alice@example.com").note
    assert "nobody is known" not in stage.shell_of_all("trace start address 192.0.2.1").note


def test_a_trace_is_exported(stage: Stage) -> None:
    """As pcapng, and as JSON with an object for each entry; the content is given to programs that want it."""
    name = begin(stage, "user alice@example.com")
    stage.sign_in("alice")
    ((file, entries, size, content),) = stage.shell_of_all(f"trace export {name}").rows
    assert file == f"/traces/{name}.export.pcapng"
    assert (len(stage.traces.exported[f"{name}.export.pcapng"]), content) == (size, None)
    ((_, _, _, content),) = stage.shell_of_all(f"trace export {name} --as json --print").rows
    document = json.loads(stage.traces.exported[f"{name}.export.json"])
    assert len(document["entries"]) == entries
    assert content is not None
    assert "there is no Homer server" in stage.ask(f"trace export {name} --as hep").err
    assert "takes pcapng, json, hep" in stage.ask(f"trace export {name} --as pdf").err


def test_homer_gets_a_trace_as_it_goes_and_afterwards() -> None:
    """A packet for each entry."""
    with Stage.opened(tracing={"homer": "udp://192.0.2.9:9060"}) as stage:
        homer_gets(stage)


def homer_gets(stage: Stage) -> None:
    """Look at what is sent."""
    name = begin(stage, "user alice@example.com --homer")
    stage.sign_in("alice")
    live = len(stage.homer.packets)
    assert live > 4
    assert all(packet.startswith(b"HEP3") for packet in stage.homer.packets)
    ((_, sent, _, _),) = stage.shell_of_all(f"trace export {name} --as hep").rows
    assert len(stage.homer.packets) == live + int(str(sent))
    stage.homer.full = True
    assert "did not reach Homer" in stage.ask(f"trace export {name} --as hep").err


def test_why_names_the_traces_of_a_user(stage: Stage) -> None:
    """Those that run and those that are kept; nobody else's."""
    first, second = (begin(stage, "user alice@example.com") for _ in range(2))
    begin(stage, "user bob@example.com")
    stage.shell_of_all(f"trace stop {first}")
    told = {str(row[2]) for row in stage.shell("why alice@example.com").rows if row[1] == "trace"}
    assert told == {
        f"a trace of them runs: trace show {second}",
        f"a trace of them is kept: trace show {first}",
    }


def test_a_trace_that_is_not_there_is_an_error(stage: Stage) -> None:
    """Never an empty one."""
    for words in ("show", "export"):
        with pytest.raises(CommandFailed, match="there is no trace"):
            stage.shell_of_all(f"trace {words} nothing")


def test_a_trace_is_of_all_servers_of_a_pool(pool: Pool) -> None:
    """Begun at one, it records all devices of a person at each; shown at one, it is in order of time, and a change stands there once."""
    first, second = pool
    name = begin(first, "user bob@example.com")
    alice, phone = first.sign_in("alice", "bob")
    (bob,) = second.sign_in("bob")
    alice.invites(bob).says("hello")
    pool.passes(2)
    shown = first.shell_of_all(f"trace show {name}")
    rows = [row for row in shown.rows if row[0] is not None]
    assert {row[1] for row in rows} == {first.node, second.node}
    assert [str(row[0]) for row in rows] == sorted(str(row[0]) for row in rows)
    for device in (phone, bob):
        assert len([row for row in rows if f"signed in, device {device.sip.epid}" in str(row[3])]) == 1
    first.shell_of_all(f"trace stop {name}")
    assert {row[-4] for row in second.shell_of_all("trace list").rows} == {"ended"}
