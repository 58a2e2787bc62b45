"""The ladder of a trace."""

from lyncpy.workloads.tracing.model.entry import Socket
from lyncpy.workloads.tracing.model.ladder import LANES_MOST, draw
from tests.kit.traces import BOB, SIGN_IN, message, request, state


def test_a_sign_in_is_a_ladder_of_two_columns() -> None:
    """Requests come to the server, answers go to the device, and a change of state stands at the server."""
    ladder = draw(SIGN_IN[::-1])
    assert ladder.headings == "server        1"
    assert [rung.drawing for rung in ladder.rungs] == [
        "│◄ REGISTER ──│",
        "│─ 401 ──────►│",
        "│◄ REGISTER ──│",
        "│─ 403 ──────►│",
        "●             │",
    ]
    assert ladder.rungs[3].words == "403 Forbidden to 1 REGISTER: 4005 Account disabled"
    assert ladder.rungs[4].words == "alice@example.com was refused"


def test_the_legend_says_who_is_at_each_column() -> None:
    """Who, from where, with which program."""
    assert draw(SIGN_IN).legend == [
        "server: n1",
        "1: alice@example.com at 192.0.2.1:50001, connection n1/1, UCCAPI/15.0",
    ]


def test_an_arrow_crosses_the_columns_between() -> None:
    """Bob's device is behind Alice's, and a second process has a column of its own."""
    told = message(request("MESSAGE", "alice", "bob"), 1.0, inward=False, client=BOB, node="n2")
    ladder = draw([*SIGN_IN[:1], told])
    assert ladder.headings == "server        server2       1             2"
    assert ladder.rungs[1].drawing == "│             │─────────────┼─ MESSAGE ──►│"


def test_connections_beyond_the_last_column_share_it() -> None:
    """A person with twenty devices still fits on a screen."""
    entries = [
        message(request("OPTIONS"), number, inward=True, client=Socket("192.0.2.9", 51_000 + number))
        for number in range(20)
    ]
    ladder = draw(entries)
    assert len(ladder.legend) == LANES_MOST
    assert ladder.legend[-1].endswith("and 15 more connections")
    assert len({rung.drawing for rung in ladder.rungs}) == LANES_MOST - 1


def test_more_servers_than_columns_share_one_too() -> None:
    """There is always room for a device."""
    entries = [message(request("OPTIONS"), number, inward=True, node=f"n{number}") for number in range(9)]
    assert len(draw(entries).rungs) == 9


def test_a_message_that_tries_to_steer_the_terminal_is_written_as_escapes() -> None:
    """What a client calls its method is text from outside."""
    assert "\x1b" not in draw([message("\x1b[2J sip:a@b SIP/2.0\r\n\r\n", 0.0, inward=True)]).rungs[0].drawing


def test_nothing_is_an_empty_ladder() -> None:
    """As is a trace to which nobody has spoken yet."""
    assert draw([]).rungs == []
    assert draw([state("begun", 0.0)]).legend == ["server: n1"]
