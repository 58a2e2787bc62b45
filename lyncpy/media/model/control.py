"""The server's end of the control connection: what was asked, what calls there are, and what the engine may say. Pure.

An engine that says what cannot be is taken for broken: the connection ends, and each call on it, rather than that a call goes on of
which nobody knows where its sound goes.
"""

from dataclasses import dataclass
from typing import Final

from lyncpy.media.model.forms import (
    VERSION,
    Allocate,
    Allocated,
    Answer,
    Connect,
    Declined,
    Digit,
    Done,
    End,
    Ended,
    FormError,
    Lines,
    Measure,
    Measured,
    MediaPing,
    Question,
    Reached,
    Ready,
    read,
    write,
)

ASKED_MOST: Final = 2_000
"""Questions that have no answer yet; with more of them the engine is slower than it is asked."""

_ANSWERS: Final[dict[type[Question], type[Answer]]] = {
    MediaPing: Done,
    Allocate: Allocated,
    Connect: Done,
    Measure: Measured,
    End: Measured,
}


@dataclass(frozen=True, slots=True)
class Settled:
    """A question has its answer."""

    number: int
    answer: Answer


Happening = Ready | Settled | Reached | Digit | Ended


class Control:
    """Asks one engine, and hears what it says.

    Its owner asks only of calls that are there: of those that were allocated, and neither ended nor lost.

    Attributes:
        ready: What the engine can do; None: it has not said so yet.
    """

    def __init__(self) -> None:
        self.ready: Ready | None = None
        self._lines = Lines()
        self._last = 0
        self._asked: dict[int, tuple[Question, int]] = {}
        """What has no answer yet: the question, and the legs of its call."""

        self._legs: dict[str, int] = {}
        """How many legs each call has, from the question for it to the one that ends it."""

    @property
    def calls(self) -> tuple[str, ...]:
        """The calls that there are, or that were asked for."""
        return tuple(self._legs)

    @property
    def room(self) -> int:
        """How many calls more the engine takes."""
        taken = len(self._legs) if len(self._asked) < ASKED_MOST else self._most
        return self._most - taken

    @property
    def _most(self) -> int:
        return self.ready.calls_most if self.ready is not None else 0

    def ask(self, question: Question) -> tuple[int, bytes]:
        """Give the number of a question, and the bytes to send."""
        self._last += 1
        legs = 0
        if isinstance(question, Allocate):
            legs = self._legs[question.call] = len(question.legs)
        elif isinstance(question, End):
            legs = self._legs.pop(question.call, 0)
        elif isinstance(question, Measure):
            legs = self._legs.get(question.call, 0)
        self._asked[self._last] = question, legs
        return self._last, write(self._last, question)

    def hear(self, data: bytes) -> list[Happening]:
        """Take what the engine has sent; give what has happened, in order.

        Raises:
            FormError: It says what cannot be: the connection has to be ended.
        """
        found = (self._happening(line) for line in self._lines.feed(data))
        return [one for one in found if one is not None]

    def _happening(self, line: bytes) -> Happening | None:
        number, message = read(line)
        if isinstance(message, Ready):
            return self._begun(number, message)
        if self.ready is None:
            raise FormError("an engine says first what it can do")
        if isinstance(message, Done | Allocated | Measured | Declined):
            return self._answered(number, message)
        if number or not isinstance(message, Reached | Digit | Ended):
            raise FormError("an engine does not ask")
        legs = self._legs.get(message.call)
        if legs is None:
            # It crossed what ended the call.
            return None
        if isinstance(message, Ended):
            del self._legs[message.call]
        elif message.leg >= legs:
            raise FormError("the call has no such leg")
        return message

    def _begun(self, number: int, ready: Ready) -> Ready:
        if number or self.ready is not None:
            raise FormError("what an engine can do is said once")
        if ready.version != VERSION:
            raise FormError(f"it speaks version {ready.version} of this language, and the server {VERSION}")
        self.ready = ready
        return ready

    def _answered(self, number: int, answer: Answer) -> Settled:
        question, legs = self._asked.pop(number, (None, 0))
        if question is None or not isinstance(answer, (_ANSWERS[type(question)], Declined)):
            raise FormError("this is no answer to anything that was asked")
        if isinstance(answer, Allocated | Measured) and len(answer.legs) != legs:
            raise FormError("the call has another number of legs")
        if isinstance(question, Allocate):
            self._check(question, answer)
        return Settled(number, answer)

    def _check(self, question: Allocate, answer: Answer) -> None:
        if not isinstance(answer, Allocated):
            self._legs.pop(question.call, None)
        elif any(
            wish.secure != bool(leg.key) or wish.ice != bool(leg.user and leg.password and leg.candidates)
            for wish, leg in zip(question.legs, answer.legs, strict=True)
        ):
            raise FormError("a leg is not what was asked for")
