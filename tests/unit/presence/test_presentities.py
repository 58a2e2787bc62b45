"""Documents that are kept for the next watcher who sees the same: which, and how many."""

from collections.abc import Sequence

import pytest

from lyncpy.contracts.names import Aor
from lyncpy.sip.subscription import Document
from lyncpy.workloads.presence.bodies.legacy import PresenceFormat
from lyncpy.workloads.presence.model.audience import audience
from lyncpy.workloads.presence.model.board import Board
from lyncpy.workloads.presence.model.tables import Relation
from lyncpy.workloads.presence.presentities import Views


def board_of(name: str) -> Board:
    """Give an empty board."""
    return Board(Aor(f"sip:{name}@contoso.test"))


def seen(views: Views, board: Board, *categories: str, form: PresenceFormat = PresenceFormat.CATEGORIES) -> Document:
    """Give the document for a stranger who asks for categories."""
    return views.document_for(board, audience(board, Aor("sip:bob@contoso.test"), Relation.FEDERATED), categories, form)


def size(documents: Sequence[Document]) -> int:
    """Give the bytes of documents."""
    return sum(len(one.body) for one in documents)


def test_a_document_is_written_once_while_the_board_stays_the_same() -> None:
    """Whoever sees the same is given the very same; a changed board is written anew, and nothing of it as it was is kept."""
    views, alice = Views(boards=10, size_bytes=1_000_000), board_of("alice")
    first = seen(views, alice, "note", "state")
    assert seen(views, alice, "state", "note") is first
    assert seen(views, board_of("alice"), "note", "state") is not first
    assert (len(views), views.size) == (1, len(first.body))


def test_an_old_format_is_one_document_whatever_is_asked_for() -> None:
    """Clients from before 2007 know no categories."""
    views, alice = Views(boards=10, size_bytes=1_000_000), board_of("alice")
    first = seen(views, alice, "note", form=PresenceFormat.PIDF)
    assert seen(views, alice, "state", form=PresenceFormat.PIDF) is first


def test_of_one_board_the_newest_are_kept() -> None:
    """A watcher who asks for ever other sets of categories displaces documents of that board alone."""
    views, alice = Views(boards=10, size_bytes=1_000_000), board_of("alice")
    other = seen(views, board_of("carol"))
    given = [seen(views, alice, "state", f"x{number}") for number in range(100)]
    assert len(views) == 33
    assert views.size == size([*given[-32:], other])
    assert seen(views, alice, "state", "x99") is given[-1]
    assert seen(views, alice, "state", "x0") is not given[0]
    changed = seen(views, board_of("alice"), "state")
    assert views.size == size([changed, other])


@pytest.mark.parametrize(("boards", "share"), [(3, 1_000), (1_000, 3)])
def test_of_all_boards_the_newest_are_kept(boards: int, share: int) -> None:
    """By their number, and by the bytes of all documents; of one board too much is kept rather than nothing."""
    one = size([seen(Views(boards=1, size_bytes=1), board_of("u00"))])
    views = Views(boards=boards, size_bytes=share * one)
    documents = [seen(views, board_of(f"u{number:02}")) for number in range(10)]
    assert (len(views), views.size) == (3, size(documents[-3:]))
    tiny = Views(boards=10, size_bytes=1)
    assert (size([seen(tiny, board_of("u00"))]), len(tiny)) == (one, 1)
