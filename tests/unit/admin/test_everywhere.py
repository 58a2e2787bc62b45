"""What several servers give is one table; long answers come in parts, and strange ones are seen through."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock, LoopingCall

from lyncpy.backends.nats.encoding import read_answer, read_question, write_answer, write_question
from lyncpy.contracts.bus import BusTimeout, OtherNode, Question
from lyncpy.contracts.names import NodeName
from lyncpy.contracts.questions import CommandPart, MoreOfCommand, ProgressOfCommand, RunCommand
from lyncpy.contracts.workload import CommandCall, CommandFailed, CommandReach, OperatorRole, ShellCommand, Table
from lyncpy.core.timers import Timers
from lyncpy.workloads.admin.everywhere import KEPT_MOST, KEPT_S, Everywhere
from lyncpy.workloads.admin.jobs import SAID_CHARS, FollowedCommand
from lyncpy.workloads.admin.render import ALL, NODE
from tests.kit.fakes import awaited
from tests.kit.platform import platform_of
from tests.kit.results import answer_of

MOST = 1_000_000


class Wire:
    """A bus between two servers, on which everything is written and read again as for NATS."""

    def __init__(self, node: str) -> None:
        self.node = NodeName(node)
        self.answers: dict[type[Question], Callable[[Any], Awaitable[Any]]] = {}
        self.peers: dict[str, Wire] = {}
        self.spoil: Callable[[Any], Any] = lambda answer: answer
        self.asked = 0

    def answer(self, kind: type[Question], give: Callable[[Any], Awaitable[Any]]) -> None:
        """Answer."""
        self.answers[kind] = give

    def listen(self, *_: object) -> None:
        """Hear nothing."""

    def others(self) -> Sequence[OtherNode]:
        """Give who is there."""
        return [OtherNode(NodeName(name), 0.0, 0) for name in sorted(self.peers)]

    async def ask(self, node: str, question: Question, timeout: float) -> Any:
        """Ask the other."""
        peer = self.peers[node]
        self.asked += 1
        kinds = {kind.__name__: kind for kind in peer.answers}
        if type(question).__name__ not in kinds:
            raise BusTimeout(f"nobody answers '{type(question).__name__}'")
        heard = read_question(write_question(self.node, question), kinds).question
        answer = write_answer(peer.node, heard, await peer.answers[type(heard)](heard))
        return self.spoil(read_answer(answer, question).value)


class Server:
    """One of two, with a command or two of its own."""

    def __init__(self, node: str) -> None:
        self.clock = Clock()
        self.wire = Wire(node)
        self.commands: dict[str, ShellCommand] = {}
        self.calls: list[CommandCall] = []
        timers = Timers(self.clock, self.clock.seconds)
        platform = platform_of(self.clock, node=NodeName(node), timers=timers, bus=self.wire)
        self.absent: list[str] = []
        self.everywhere = Everywhere(platform, self.commands.get, MOST, None)

    def teach(
        self,
        table: Table | str,
        reach: CommandReach = CommandReach.EVERYWHERE,
        role: OperatorRole = OperatorRole.VIEWER,
    ) -> None:
        """Give `look` an answer, or a reason why there is none."""

        async def run(call: CommandCall) -> Table:
            self.calls.append(call)
            if isinstance(table, str):
                raise CommandFailed(table)
            return table

        self.commands["look"] = ShellCommand("look", "A test's.", run, role=role, reach=reach)

    def run(self) -> Table:
        """Run it everywhere."""
        table: list[Table] = []
        running = Deferred.fromCoroutine(
            self.everywhere.run(self.commands["look"], CommandCall({"a": "b"}, {"c": "d"}, "ops"))
        )
        _ = running.addCallback(table.append)
        for _ in range(500):
            self.clock.advance(0.01)
            for peer in self.wire.peers.values():
                clocks[peer.node].advance(0.01)
        if not table:
            answer_of(running)
        return table[0]


clocks: dict[str, Clock] = {}


@pytest.fixture
def two() -> tuple[Server, Server]:
    """Two servers that hear each other."""
    one, other = Server("n1"), Server("n2")
    one.wire.peers, other.wire.peers = {"n2": other.wire}, {"n1": one.wire}
    clocks.update({"n1": one.clock, "n2": other.clock})
    return one, other


def test_one_that_is_alone_answers_as_ever() -> None:
    """There is no column for where."""
    one = Server("n1")
    one.teach(Table(("x",), [(1,)]))
    assert one.run() == Table(("x",), [(1,)])
    assert [call.alone for call in one.calls] == [True]


def test_each_answers_for_itself(two: tuple[Server, Server]) -> None:
    """With the words as they were typed, and for whom; what both say stands there once."""
    one, other = two
    one.teach(Table(("x", "y"), [(1, "same"), (2, None)], "first", ""))
    other.teach(Table(("x", "y"), [(1, "same"), (3.5, True)], "second", ""))
    assert one.run() == Table(
        ("node", "x", "y"), [(ALL, 1, "same"), ("n1", 2, None), ("n2", 3.5, True)], "n1: first; n2: second", ""
    )
    key = one.calls[0].key
    assert key
    assert [replace(call, tell=_nobody) for call in other.calls] == [
        CommandCall({"a": "b"}, {"c": "d"}, "ops", alone=False, key=key, tell=_nobody)
    ]


def test_one_answer_is_made_of_all_where_the_operator_is(two: tuple[Server, Server]) -> None:
    """By the command itself, once; of one that is alone too."""

    async def count(table: Table, call: CommandCall) -> Table:
        return Table(("rows",), [(len(table.rows),)])

    for one, rows in ((two[0], 2), (Server("n3"), 1)):
        for server in {one, two[1]}:
            server.teach(Table(("x",), [(server.wire.node,)]))
            server.commands["look"] = replace(server.commands["look"], finish=count)
        assert one.run() == Table(("rows",), [(rows,)])


def test_a_process_that_is_not_there_is_said() -> None:
    """Also where nobody else is: the column tells that there may be."""
    one = Server("n1")
    one.everywhere = Everywhere(
        platform_of(one.clock, node=NodeName("n1"), bus=one.wire),
        one.commands.get,
        MOST,
        lambda: ["process 2 is starting"],
    )
    one.teach(Table(("x",), [(1,)]))
    assert one.run() == Table(("node", "x"), [("n1", 1)], "", "process 2 is starting")


@pytest.mark.parametrize("count", [0, 1, 5_000])
def test_long_answers_come_in_parts(two: tuple[Server, Server], count: int) -> None:
    """And arrive whole; nothing is kept behind them."""
    one, other = two
    one.teach(Table(("x", "y"), []))
    other.teach(Table(("x", "y"), [(number, f'ü "{number}" \\') for number in range(count)]))
    table = one.run()
    assert [row[1:] for row in table.rows] == [(number, f'ü "{number}" \\') for number in range(count)]
    assert (one.wire.asked > 1) is (count > 1000)
    for handle in range(1, 10):
        assert answer_of(awaited(one.wire.ask("n2", MoreOfCommand(handle, 1), 1.0))).parts == 0


def test_what_is_too_long_is_refused_in_words(two: tuple[Server, Server]) -> None:
    """With the setting; the other's is shown."""
    one, other = two
    one.teach(Table(("x",), [("here",)]))
    other.teach(Table(("x",), [("x" * 1000,)] * (MOST // 1000 + 1)))
    table = one.run()
    assert table.rows == [("n1", "here")]
    assert table.failed == f"n2: the answer is longer than {MOST} bytes ([admin] output_bytes)"


def test_answers_that_nobody_fetches_are_forgotten(two: tuple[Server, Server]) -> None:
    """After a while, and the oldest when there are many."""
    one, other = two
    other.teach(Table(("x",), [("x" * 1000,)] * 300))

    def begin() -> CommandPart:
        asking = Deferred.fromCoroutine(one.wire.ask("n2", RunCommand("look", "{}", "{}", "ops"), 1.0))
        other.clock.pump([0.01] * 100)
        part: CommandPart = answer_of(asking)
        return part

    def rest(part: CommandPart) -> int:
        more: CommandPart = answer_of(awaited(one.wire.ask("n2", MoreOfCommand(part.handle, 1), 1.0)))
        return more.parts

    parts = [begin() for _ in range(KEPT_MOST + 1)]
    assert (rest(parts[0]), rest(parts[1])) == (0, 4)
    assert answer_of(awaited(one.wire.ask("n2", MoreOfCommand(parts[1].handle, -1), 1.0))).parts == 0
    other.clock.advance(KEPT_S)
    assert rest(parts[2]) == 0


def test_what_is_here_alone_cannot_be_asked_for_by_others(two: tuple[Server, Server]) -> None:
    """Neither a session's own words nor one that is not there."""
    one, other = two
    other.teach(Table((), ()), CommandReach.HERE)
    one.teach(Table(("x",), [(1,)]))
    assert one.run().failed == 'n2: there is no command "look" for others here'
    other.commands.clear()
    assert one.run().failed == 'n2: there is no command "look" for others here'
    assert other.calls == []


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "nonsense",
        '{"trouble": ""}',
        '{"trouble": "", "columns": ["x"], "note": "", "failed": ""}\n[1, 2]',
        '{"trouble": "", "columns": ["x"], "note": "", "failed": ""}\n{',
    ],
)
def test_a_strange_answer_is_none(two: tuple[Server, Server], text: str) -> None:
    """It is said, and the other's is shown."""
    one, other = two
    one.teach(Table(("x",), [(1,)]))
    other.teach(Table(("x",), [(1,)]))
    one.wire.spoil = lambda answer: CommandPart(text, 0, 1)
    table = one.run()
    assert table.rows == [("n1", 1)]
    assert table.failed.startswith("n2: its answer cannot be read: ")


def test_a_server_of_another_version_may_have_other_columns(two: tuple[Server, Server]) -> None:
    """What it does not have is empty; one that does not know the question is said."""
    one, other = two
    one.teach(Table(("x", "new"), [(1, 2)]))
    other.teach(Table(("old", "x"), [(3, 4)]))
    assert one.run().rows == [("n1", 1, 2), ("n2", 4, None)]
    other.wire.answers.clear()
    assert one.run().failed == "n2: it has not answered: nobody answers 'RunCommand'"


def test_what_nobody_can_do_is_refused_as_by_one(two: tuple[Server, Server]) -> None:
    """With the sentence that all have for it; where they differ, with each."""
    one, other = two
    one.teach("there is nobody")
    other.teach("there is nobody")
    with pytest.raises(CommandFailed, match=r"^there is nobody$"):
        one.run()
    other.teach("there is somebody")
    assert one.run().failed == "n1: there is nobody; n2: there is somebody"


@pytest.mark.parametrize("here", [True, False])
def test_what_one_has_is_done_there(two: tuple[Server, Server], *, here: bool) -> None:
    """Of the other nothing is said; where none has it, the answer is this one's own."""
    one, other = two
    has, has_not = (one, other) if here else (other, one)
    has.teach(Table((), (), "done"), CommandReach.WHERE_IT_IS, OperatorRole.OPERATOR)
    has_not.teach("there is no such thing", CommandReach.WHERE_IT_IS, OperatorRole.OPERATOR)
    assert one.run() == Table((), [], "done", "")
    has.teach(Table((), (), "", "it is not so"), CommandReach.WHERE_IT_IS)
    has_not.teach("there is no such thing", CommandReach.WHERE_IT_IS)
    if here:
        assert one.run() == Table((), (), "", "it is not so")
    else:
        with pytest.raises(CommandFailed, match="there is no such thing"):
            one.run()


def _nobody(progress: str) -> None:
    """Tell nobody."""


def slow(server: Server, said: Sequence[str], gate: "Deferred[None]") -> None:
    """Give `look` something to say, again and again, until it may end."""
    words = iter(said)

    async def run(call: CommandCall) -> Table:
        server.calls.append(call)
        call.tell(next(words))
        tell = LoopingCall(lambda: call.tell(next(words, said[-1])))
        tell.clock = server.clock
        _ = tell.start(1.0, now=False)
        await gate
        tell.stop()
        return Table(("x",), [(1,)])

    server.commands["look"] = ShellCommand("look", "A test's.", run, reach=CommandReach.EVERYWHERE)


def pass_(servers: Sequence[Server], seconds: float) -> None:
    """Let time pass at all of them."""
    for _ in range(round(seconds * 10)):
        for one in servers:
            one.clock.advance(0.1)


def listed(server: Server) -> list[tuple[object, ...]]:
    """Give what `jobs` says at one server."""
    (command,) = server.everywhere.jobs.commands()
    return list(answer_of(command.run(CommandCall({}, {}))).rows)


def test_who_asks_hears_how_far_every_server_is(two: tuple[Server, Server]) -> None:
    """Each by its name, in one line; both servers list the command until it is over."""
    one, other = two
    gates: list[Deferred[None]] = [Deferred(), Deferred()]
    slow(one, ["1 of 9"], gates[0])
    slow(other, ["3 of 7"], gates[1])
    told: list[str] = []
    call = CommandCall({}, {}, "ops", tell=told.append)
    running = Deferred.fromCoroutine(one.everywhere.run(one.commands["look"], call))
    pass_(two, 2.5)
    assert told[0] == "n1: 1 of 9"
    assert told[-1] == "n1: 1 of 9; n2: 3 of 7"
    assert [(row[0], row[1], row[4]) for row in (*listed(one), *listed(other))] == [
        ("look", "ops", "1 of 9"),
        ("look", "ops", "3 of 7"),
    ]
    gates[0].callback(None)
    pass_(two, 2)
    assert told[-1] in ("n1: 1 of 9; n2: 3 of 7", "n2: 3 of 7")
    gates[1].callback(None)
    pass_(two, 0.1)
    assert answer_of(running).columns == (NODE, "x")
    heard = len(told)
    pass_(two, 5)
    assert (len(told), listed(one), listed(other)) == (heard, [], [])


def test_a_server_that_does_not_know_how_far_is_asked_once(two: tuple[Server, Server]) -> None:
    """It is of an earlier release: its answer comes all the same."""
    one, other = two
    del other.wire.answers[ProgressOfCommand]
    gates: list[Deferred[None]] = [Deferred(), Deferred()]
    slow(one, ["1 of 9"], gates[0])
    slow(other, ["3 of 7"], gates[1])
    told: list[str] = []
    running = Deferred.fromCoroutine(
        one.everywhere.run(one.commands["look"], CommandCall({}, {}, "ops", tell=told.append))
    )
    pass_(two, 4)
    assert (set(told), one.wire.asked) == ({"n1: 1 of 9"}, 2)
    for gate in gates:
        gate.callback(None)
    pass_(two, 0.1)
    assert len(answer_of(running).rows) == 1


def test_of_very_many_servers_a_few_are_told(two: tuple[Server, Server]) -> None:
    """And how many more there are; a server that says nothing is none."""
    one, _ = two
    told: list[str] = []
    call = CommandCall({}, {}, key="k", tell=told.append)
    followed = FollowedCommand(one.wire, Timers(one.clock, one.clock.seconds), call)  # type: ignore[arg-type]  # a bus in part
    for name in ("n1", "n2", "n3", "n4", "n5"):
        followed.told_by(NodeName(name), "x" * 1000)
    assert told[-1] == "; ".join([*(f"n{number}: {'x' * SAID_CHARS}" for number in (1, 2, 3)), "and 2 more servers"])
    followed.told_by(NodeName("n9"), "")
    assert len(told) == 5


def test_what_takes_no_time_asks_nobody_how_far_it_is(two: tuple[Server, Server]) -> None:
    """Each server is asked what was asked, and nothing else."""
    one, other = two
    for server in two:
        server.teach(Table(("x",), [(1,)]))
    one.run()
    assert (one.wire.asked, other.wire.asked) == (1, 0)
