"""Presentities: the people whose presence is watched (RFC 2778 §2.3), and what a watcher sees of them."""

from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Final

from lyncpy.contracts.directory import IPeople
from lyncpy.contracts.names import Aor
from lyncpy.sip.subscription import Document
from lyncpy.workloads.presence.board_table import BoardTable
from lyncpy.workloads.presence.bodies.categories import write_unknown, write_view
from lyncpy.workloads.presence.bodies.legacy import PresenceFormat, person_seen, person_unknown, write_legacy
from lyncpy.workloads.presence.model.audience import Audience, audiences
from lyncpy.workloads.presence.model.board import Board
from lyncpy.workloads.presence.model.tables import Relation
from lyncpy.workloads.presence.watcher_index import SeenBoard, WatchedPerson

_NEW: Final = tuple.__new__  # a NamedTuple's own is a call of Python's

_VIEWS_PER_BOARD: Final = 32
"""Documents kept of one board: levels and sets of categories; those of all clients of Lync are fewer."""


class Views:
    """The documents of what each audience sees of a board, written once for all watchers in it.

    Kept until the board changes; bounded, because many people are asked about once, and because
    a watcher may ask for any set of categories.
    """

    def __init__(self, *, boards: int, size_bytes: int) -> None:
        """Create an empty table.

        Args:
            boards: Boards of which documents are kept.
            size_bytes: Bytes of all documents together; one board is kept whatever its size.
        """
        self._boards = boards
        self._size_bytes = size_bytes
        self.size = 0
        """Bytes of the documents that are kept."""

        self._kept: OrderedDict[Aor, _Written] = OrderedDict()

    def __len__(self) -> int:
        return sum(len(kept.documents) for kept in self._kept.values())

    def document_for(
        self,
        board: Board,
        seen_by: Audience,
        categories: Collection[str],
        form: PresenceFormat,
    ) -> Document:
        """Give the document for an audience; one in an old format is whole, whatever categories are asked for."""
        kept = self._kept.get(board.aor)
        if kept is None or kept.board is not board:
            self._forget(board.aor)
            kept = self._kept[board.aor] = _Written(board)
        key = (seen_by, frozenset(categories) if form is PresenceFormat.CATEGORIES else frozenset(), form)
        document = kept.documents.get(key)
        if document is None:
            if form is PresenceFormat.CATEGORIES:
                body = write_view(board, seen_by, categories)
            else:
                body = write_legacy(person_seen(board, seen_by), form)
            document = kept.documents[key] = Document(form.value, body)
            kept.size += len(body)
            self.size += len(body)
            # Two bounds: of one board, so that a watcher who asks for ever other categories displaces only that
            # board's documents; and of all, where the board goes whose documents are the oldest.
            if len(kept.documents) > _VIEWS_PER_BOARD:
                oldest = kept.documents.pop(next(iter(kept.documents)))
                kept.size -= len(oldest.body)
                self.size -= len(oldest.body)
            while len(self._kept) > self._boards or (self.size > self._size_bytes and len(self._kept) > 1):
                self._forget(next(iter(self._kept)))
        return document

    def _forget(self, aor: Aor) -> None:
        kept = self._kept.pop(aor, None)
        if kept is not None:
            self.size -= kept.size


@dataclass(slots=True)
class _Written:
    """The documents of one board."""

    board: Board
    documents: dict[tuple[Audience, frozenset[str], PresenceFormat], Document] = field(default_factory=dict)
    size: int = 0


@dataclass(frozen=True, slots=True)
class Presentities:
    """The people whose presence is watched."""

    people: IPeople
    """Everybody who exists; an address that nobody has shows an unknown user, whatever its board says."""

    boards: BoardTable
    """Their boards."""

    views: Views
    """The documents of what each audience sees of a board."""

    relation: Callable[[Aor], Relation]
    """Gives the relation of a watcher to the enterprise."""

    def seen(self, watcher: Aor, boards: Mapping[Aor, Board]) -> dict[Aor, SeenBoard]:
        """Give each board with the audience to which a watcher belongs."""
        relation = self.relation(watcher)
        return {
            aor: _NEW(SeenBoard, (boards[aor], seen_by))
            for aor, seen_by in audiences(boards, watcher, relation).items()
        }

    def document_for(self, uri: str, asked: WatchedPerson, seen: SeenBoard | None) -> Document:
        """Write what a watcher sees of a person.

        Args:
            uri: The person's address, as the watcher wrote it.
            asked: Which categories and format the watcher asked for.
            seen: What they see; None: there is no such user, or nothing is to be said of them yet.
        """
        if seen is not None:
            return self.views.document_for(*seen, asked.categories, asked.form)
        if asked.form is PresenceFormat.CATEGORIES:
            return Document(asked.form.value, write_unknown(uri, asked.categories))
        return Document(asked.form.value, write_legacy(person_unknown(uri), asked.form))
