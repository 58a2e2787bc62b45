"""Two people write to each other first in the same moment, with the real client: nothing is lost."""

import pytest

from tests.interop.conftest import Clients, SessionsOf
from tests.kit.server import wait_until

pytestmark = pytest.mark.interop

ROUNDS = 12
TEXTS = 3


def test_two_who_write_first_at_once_hear_each_other(clients: Clients, sessions_of: SessionsOf) -> None:
    """Round after round of a new conversation that both begin; every text is shown, and none is said to be lost.

    Some rounds cross within the round trip, some a little beside it. What the clients do between
    rounds (close the window, or write on in the conversation that came of it) differs, too.
    """
    one, other = clients("alice", "bob")
    failed = ("conv_error", "conv_system")
    for number in range(ROUNDS):
        sent: list[tuple[str, str]] = []
        for count in range(TEXTS):
            for me, you in ((one, other), (other, one)):
                text = f"{number}/{count} from {me.uri}"
                me.send_im(you.address, text)
                sent.append((me.uri, text))
        for uri, text in sent:
            (other if uri == one.uri else one).wait_for("im", who=uri, text=text)
        one.expect_none(*failed, seconds=0.05)
        other.expect_none(*failed, seconds=0.05)
        if number % 3 < 2:
            for me, you in ((one, other), (other, one)):
                me.settle()
                me.close_im(you.address)
                me.settle()

    def counted() -> int:
        records = sessions_of(one, other) + sessions_of(other, one)
        return sum(record["user1_messages"] + record["user2_messages"] for record in records)

    wait_until(lambda: counted() == ROUNDS * TEXTS * 2, "every text in the records, and none twice")
    assert sum(record["messages_failed"] for record in sessions_of(one, other) + sessions_of(other, one)) == 0
    assert sessions_of(one, other) and sessions_of(other, one)
