"""The lines that messages of one kind in a dialog share: all but the few that differ from each to the next.

A talk is many messages with the same start line, From, To, Call-ID, Route … Whatever follows from these
lines alone is found out at the first of them, and known at the next. A message is recognised by the lines
themselves: if one of them differs, if only by a blank, all of it is found out anew.
"""

from collections.abc import Callable
from functools import partial
from hashlib import sha256
from typing import Any, Final, TypeVar

from lyncpy.sip.layout import Edit, Layout, Pick

T = TypeVar("T")

VARYING: Final = frozenset({"via", "cseq", "authorization", "proxy-authorization", "content-length"})
"""The fields that differ from one message to the next."""

METHODS: Final = ("MESSAGE", "INFO")
"""What people who talk send: what comes again."""

REGISTER: Final = "REGISTER"
"""What a device sends when it signs in, and again to stay signed in; another one seldom comes over its connection."""

KEPT: Final = 2_048
"""Sets of lines that are remembered; with one more all are begun anew."""

LONGEST: Final = 2_048
"""Characters of the lines that are remembered, so that strangers can fill no more than a few mebibytes; as
much again for the heads that came twice with them."""

STRANGE: Final = 32
"""Sets of lines that one connection may add until one comes again: real talks come again with the second message."""

_WITHOUT_VARYING: Final = Edit(drop=tuple(sorted(VARYING)))


def _shared(layout: Layout) -> tuple[int | None, Pick]:
    """Give where CSeq stands, and what picks the lines that do not vary."""
    return layout.places.get("cseq"), layout.edited(_WITHOUT_VARYING)[1]


class SharedLines:
    """What follows from lines that messages share.

    Attributes:
        views: What `message.view` has read in them, by its name.
        came: Whether they have come before.
        head: A head with them, as it came the second time; None: it has not yet, or was written in another way than it is read.
    """

    __slots__ = ("_found", "came", "head", "views")

    def __init__(self) -> None:
        self.views: dict[str, Any] = {}  # Any: each view has its own type
        self._found: dict[str, tuple[object, Any]] = {}  # Any: whatever follows
        self.came = False
        self.head: Any = None  # Any: a KnownHead, which knows what this is

    def found(self, what: str, given: object, find: Callable[[], T]) -> T:
        """Give what follows from these lines and from something else; it is found out when that is another than before.

        Args:
            what: Names what is asked for; there are as many names as there are callers.
            given: All that it follows from, beside the lines.
            find: Finds it out.
        """
        known = self._found.get(what)
        if known is not None and known[0] == given:
            result: T = known[1]
            return result
        result = find()
        self._found[what] = given, result
        return result


_KNOWN: Final[dict[tuple[str, ...], SharedLines]] = {}


class Recognition:
    """One connection's share in what is remembered: who sends no line a second time takes no more than `STRANGE` places.

    What its last REGISTER said is kept with the connection, and nowhere else: it is another device's on each, and the
    next comes in minutes, when many others have come.
    """

    __slots__ = ("_registration", "_strange")

    def __init__(self) -> None:
        self._strange = 0
        self._registration: tuple[bytes, SharedLines] | None = None
        """A digest of its lines, which would take forty times as much, and what follows from them."""

    def shared_lines(self, start: str, layout: Layout, lines: list[str]) -> SharedLines | None:
        """Give what a message shares with others; None: it is none that comes again, or the share is used up.

        Args:
            start: The start line.
        """
        cseq, pick = layout.found("shared lines", partial(_shared, layout))
        if cseq is None:
            return None
        if lines[cseq].endswith(REGISTER):
            # As on the wire, so that no other lines make the same text: the decoder has split the head there, or at line
            # feeds and then refuses each carriage return; no line that was read has both.
            return self._of_registration("\r\n".join([start, *pick(lines)]))
        if not lines[cseq].endswith(METHODS):
            return None
        key = start, *pick(lines)
        known = _KNOWN.get(key)
        if known is not None:
            self._strange = 0
        elif self._strange < STRANGE and sum(map(len, key)) <= LONGEST:
            self._strange += 1
            if len(_KNOWN) >= KEPT:
                _KNOWN.clear()
            known = _KNOWN[key] = SharedLines()
        return known

    def _of_registration(self, text: str) -> SharedLines | None:
        """Give what a REGISTER shares with the one before it over this connection."""
        if len(text) > LONGEST:
            return None
        digest = sha256(text.encode("utf-8", "surrogateescape")).digest()
        last = self._registration
        if last is None or last[0] != digest:
            last = self._registration = digest, SharedLines()
        return last[1]
