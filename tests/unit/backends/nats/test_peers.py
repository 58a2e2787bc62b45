"""How far the facts of other nodes were heard, whatever numbers come."""

import pytest

from lyncpy.backends.nats.peers import JUMP_MOST, LATE_MOST, NODES_MOST, Peer, Peers
from lyncpy.contracts.names import NodeName

FORGED = 2**63 - 1


def heard(*numbers: int) -> tuple[Peer, list[bool]]:
    """Let a node's facts of one kind come; give what was taken."""
    peer = Peer(0.0)
    return peer, [peer.takes("FlowClosed", number) for number in numbers]


@pytest.mark.parametrize("before", [1, 500, 50_000])
def test_a_number_that_is_no_count_silences_nobody(before: int) -> None:
    """The node goes on to be heard, whether a fact or a sign of life bore it, and next to nothing counts as lost."""
    peer, taken = heard(before, FORGED, before + 1, before + 2)
    assert (taken, peer.lost) == ([True] * 4, 0)
    peer.told("FlowClosed", FORGED)
    assert peer.takes("FlowClosed", before + 3)
    assert peer.lost == 0


def test_a_gap_is_what_was_lost_and_what_is_late_is_not_heard() -> None:
    """Up to bounds, which no network between two servers comes near to."""
    peer, taken = heard(1, 1 + JUMP_MOST, 1 + JUMP_MOST - LATE_MOST, 2 + JUMP_MOST)
    assert (taken, peer.lost) == ([True, True, False, True], JUMP_MOST - 1)


@pytest.mark.parametrize("by", ["fact", "sign"])
def test_one_that_says_twice_that_it_has_told_less_is_believed(by: str) -> None:
    """A number that is a little too large would else silence who tells seldom; one sign alone may have been overtaken."""
    peer, _ = heard(7)
    if by == "fact":
        assert peer.takes("FlowClosed", 7 + LATE_MOST)
    else:
        peer.told("FlowClosed", 7 + LATE_MOST)
    peer.told("FlowClosed", 7)
    assert not peer.takes("FlowClosed", 8)
    peer.told("FlowClosed", 8)
    assert peer.takes("FlowClosed", 9)


def test_a_sign_that_was_overtaken_changes_nothing() -> None:
    """Whatever came before it is not heard again."""
    peer, _ = heard(1, 2, 3)
    for _ in range(3):
        peer.told("FlowClosed", 2)
        peer.told("FlowClosed", 3)
    assert not peer.takes("FlowClosed", 3)
    assert (peer.takes("FlowClosed", 4), peer.lost) == (True, 0)


def test_a_kind_that_was_forgotten_begins_anew() -> None:
    """Nobody has listened meanwhile, so nothing was lost."""
    peer, _ = heard(1)
    peer.forget("FlowClosed")
    assert peer.takes("FlowClosed", 9)
    assert peer.lost == 0


def names(peers: Peers) -> list[str]:
    """Give who is remembered."""
    return [one.name for one in peers.since(0.0, 9.0)]


def test_invented_names_make_no_server_forgotten_that_has_told_something() -> None:
    """And there are never more than the bound."""
    peers = Peers()
    real = peers.heard(NodeName("real"), 1.0, tells=True)
    for number in range(NODES_MOST + 100):
        peers.heard(NodeName(f"x{number:05}"), 2.0, tells=False)
    assert len(names(peers)) == NODES_MOST
    assert names(peers)[:2] == ["real", "x00101"]
    assert peers.heard(NodeName("real"), 3.0, tells=False) is real
    # One that begins to tell is the same as before; of those that tell, who was heard longest ago goes.
    told = peers.heard(NodeName("x02000"), 3.0, tells=False)
    assert peers.heard(NodeName("x02000"), 3.0, tells=True) is told
    for number in range(NODES_MOST):
        peers.heard(NodeName(f"y{number:05}"), 4.0, tells=True)
    assert len(names(peers)) == NODES_MOST
    assert names(peers)[0] == "y00000"


def test_who_could_tell_nobody_is_noticed_once() -> None:
    """From the first sign of life that says so; a number that falls was not the node's, and is believed nevertheless."""
    peer, _ = heard(1)
    assert [peer.could_not_tell(number) for number in (0, 2, 2, 3, FORGED, 3, 4)] == [
        False,
        True,
        False,
        True,
        True,
        False,
        True,
    ]
