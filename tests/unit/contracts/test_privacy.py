"""Who may reach whom: one rule for what begins and one for what goes on, where a block can be read and where it cannot."""

import pytest

from lyncpy.contracts.privacy import has_blocked, may_reach
from lyncpy.contracts.refusal import DirectoryUnavailable, Refused, StoreUnavailable
from tests.kit.results import result_of
from tests.kit.sessions import ALICE, BOB, Blocks


def test_a_block_is_known_to_what_begins_and_to_what_goes_on() -> None:
    """Nothing of the other begins any more, and what is under way ends; the other way round nothing is said."""
    blocks = Blocks()
    blocks.pairs.add((BOB, ALICE))
    assert not result_of(may_reach(blocks, BOB, ALICE))
    assert result_of(has_blocked(blocks, BOB, ALICE))
    assert result_of(may_reach(blocks, ALICE, BOB))
    assert not result_of(has_blocked(blocks, ALICE, BOB))


@pytest.mark.parametrize("why", [StoreUnavailable("no disk"), DirectoryUnavailable("no directory"), Refused(503)])
def test_where_it_cannot_be_read_nothing_begins_and_nothing_ends(why: Exception) -> None:
    """Whatever the reason is that it cannot be told."""
    blocks = Blocks()
    blocks.unreadable = {(BOB, ALICE): why}
    assert not result_of(may_reach(blocks, BOB, ALICE))
    assert not result_of(has_blocked(blocks, BOB, ALICE))


def test_a_bug_is_no_block() -> None:
    """It fails the request, and is seen."""
    blocks = Blocks()
    blocks.unreadable = {(BOB, ALICE): KeyError("bug")}
    for ask in (may_reach, has_blocked):
        with pytest.raises(KeyError):
            result_of(ask(blocks, BOB, ALICE))
