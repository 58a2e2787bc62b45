"""The names of a message's header fields, in order: what depends on them alone is found out once.

Clients and servers write the same few sequences of names for ever, and only the values differ. Where each
name stands, and which lines an edit keeps, is worked out for a sequence when it is first seen; the next message
that has it looks it up. What nobody has written before takes the same way, and is slower once.
"""

from collections.abc import Callable, Iterable, Sequence
from operator import itemgetter
from typing import Any, Final, NamedTuple, TypeVar

from lyncpy.sip.grammar import key_of

T = TypeVar("T")

KEPT: Final = 4_096
"""Layouts that are remembered; with one more all are found anew. A stranger may invent as many as they like."""

LONGEST: Final = 64
"""A layout of more names than a client writes is not remembered."""

EDITS: Final = 64
"""Edits that are remembered of a layout, and as many layouts that followed it."""

_ESSENTIAL: Final = ("call-id", "cseq", "from", "to")
_PICK_ESSENTIAL: Final = itemgetter(*_ESSENTIAL)

Pick = Callable[[list[str]], Sequence[str]]
"""Gives the lines of an edited message from those that it had, and behind them those that are new; it is C's, and costs no call."""


class Edit(NamedTuple):
    """The names in a change of headers, see `Headers.edited`."""

    drop: tuple[str, ...] = ()
    put: tuple[str, ...] = ()
    first: tuple[str, ...] = ()
    last: tuple[str, ...] = ()
    drop_first: str | None = None


class Layout:
    """A sequence of names.

    Attributes:
        keys: Each field's name in lower case (`grammar.key_of`).
        places: Where each name stands first.
        repeated: The names that come more than once.
        essential: Where Call-ID, CSeq, From and To stand; None: one of them is missing, or comes more than once.
    """

    __slots__ = ("_edits", "_followed", "_found", "essential", "keys", "places", "repeated")

    def __init__(self, keys: tuple[str, ...]) -> None:
        self.keys = keys
        self.places: dict[str, int] = {}
        repeated = set()
        for place, key in enumerate(keys):
            if key in self.places:
                repeated.add(key)
            else:
                self.places[key] = place
        self.repeated = frozenset(repeated)
        is_whole = all(key in self.places and key not in repeated for key in _ESSENTIAL)
        self.essential = _PICK_ESSENTIAL(self.places) if is_whole else None
        self._edits: dict[Edit | frozenset[str], tuple[Layout, Pick]] = {}
        self._followed: dict[Layout, Layout] = {}
        self._found: dict[str, Any] = {}  # Any: whatever follows

    def edited(self, edit: Edit) -> "tuple[Layout, Pick]":
        """Give the layout after an edit, and what picks its lines from the old ones and those of put, first and last."""
        found = self._edits.get(edit)
        return found if found is not None else self._remember(edit, self._edit(edit))

    def only(self, kept: frozenset[str]) -> "tuple[Layout, Pick]":
        """Give the layout without all other names, and what picks its lines."""
        found = self._edits.get(kept)
        if found is not None:
            return found
        return self._remember(kept, [(key, place) for place, key in enumerate(self.keys) if key in kept])

    def followed_by(self, other: "Layout") -> "Layout":
        """Give the layout of both, one after the other."""
        found = self._followed.get(other)
        if found is None:
            if len(self._followed) >= EDITS:
                self._followed.clear()
            found = self._followed[other] = layout_of(self.keys + other.keys)
        return found

    def found(self, what: str, find: Callable[[], T]) -> T:
        """Give what follows from the names alone, and is found out once.

        Args:
            what: Names what is asked for; there are as many names as there are callers.
            find: Finds it out; it gives something.
        """
        found = self._found.get(what)
        if found is None:
            found = self._found[what] = find()
        result: T = found
        return result

    def _remember(self, edit: Edit | frozenset[str], chosen: Iterable[tuple[str, int]]) -> "tuple[Layout, Pick]":
        if len(self._edits) >= EDITS:
            self._edits.clear()
        pairs = tuple(chosen)
        found = layout_of(tuple([key for key, _ in pairs])), _picker([place for _, place in pairs])
        self._edits[edit] = found
        return found

    def _edit(self, edit: Edit) -> list[tuple[str, int]]:
        """Give each name of the edited layout, and where its line stands in the old lines and the new ones behind them."""
        own = len(self.keys)
        dropped = {key_of(name) for name in edit.drop}
        shortened = key_of(edit.drop_first) if edit.drop_first is not None else None
        put: dict[str, list[tuple[str, int]]] = {}
        for place, name in enumerate(edit.put, own):
            put.setdefault(key_of(name), []).append((key_of(name), place))
        replaced = frozenset(put)
        behind = own + len(edit.put)
        result = [(key_of(name), place) for place, name in enumerate(edit.first, behind)]
        for place, key in enumerate(self.keys):
            if key in replaced:
                result += put.pop(key, ())
            elif key == shortened:
                shortened = None
            elif key not in dropped:
                result.append((key, place))
        for group in put.values():
            result += group
        behind += len(edit.first)
        return result + [(key_of(name), place) for place, name in enumerate(edit.last, behind)]


def _picker(places: list[int]) -> Pick:
    if len(places) > 1:
        return itemgetter(*places)
    # Of one thing it would give that, and of none it cannot be made.
    begin = places[0] if places else 0
    return itemgetter(slice(begin, begin + len(places)))


_KNOWN: Final[dict[tuple[str, ...], Layout]] = {}


def layout_of(keys: tuple[str, ...]) -> Layout:
    """Give the layout of these names, which are keys (`grammar.key_of`)."""
    found = _KNOWN.get(keys)
    if found is None:
        found = Layout(keys)
        if len(keys) <= LONGEST:
            if len(_KNOWN) >= KEPT:
                _KNOWN.clear()
            _KNOWN[keys] = found
    return found
