"""The engine's end of the control connection: what a server may ask now, and what it is answered. Pure."""

from dataclasses import dataclass

from lyncpy.media.model.forms import (
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
    LegWish,
    Lines,
    Measure,
    Measured,
    MediaPing,
    Reached,
    Ready,
    RemoteLeg,
    read,
    write,
)


@dataclass(frozen=True, slots=True)
class Assignment:
    """A question that may be carried out: its number, and what it asks."""

    number: int
    question: Allocate | Connect | Measure | End


@dataclass(slots=True)
class _Call:
    wishes: tuple[LegWish, ...]
    remotes: dict[int, RemoteLeg]
    """The other ends of those legs that are connected."""

    allocating: int
    """The number of the question that began it; 0 once that is answered."""


class Desk:
    """Hears one server, and writes what is answered.

    A question that the state of its call forbids is declined here; whoever carries out the others answers each once, by
    `allocated`, `done`, `measured` or `decline`.

    Args:
        ready: What the engine can do.
    """

    def __init__(self, ready: Ready) -> None:
        self._ready = ready
        self._lines = Lines()
        self._calls: dict[str, _Call] = {}
        self._written = [write(0, ready)]

    @property
    def calls(self) -> tuple[str, ...]:
        """The calls that there are."""
        return tuple(self._calls)

    def take(self) -> bytes:
        """Give what is to be sent; it is not given again."""
        written, self._written = b"".join(self._written), []
        return written

    def hear(self, data: bytes) -> list[Assignment]:
        """Take what the server has sent; give what has to be carried out, in order.

        Raises:
            FormError: It is no question; the connection has to be ended, and all of its calls.
        """
        return [asked for line in self._lines.feed(data) if (asked := self._question(line)) is not None]

    def _question(self, line: bytes) -> Assignment | None:
        number, question = read(line)
        if number == 0 or not isinstance(question, MediaPing | Allocate | Connect | Measure | End):
            raise FormError("a server asks questions, with numbers")
        if isinstance(question, MediaPing):
            self._say(number, Done())
            return None
        objection = self._begin(number, question) if isinstance(question, Allocate) else self._objection(question)
        if objection:
            self._say(number, Declined(objection))
            return None
        if isinstance(question, End):
            del self._calls[question.call]
        return Assignment(number, question)

    def _begin(self, number: int, question: Allocate) -> str:
        if question.call in self._calls:
            return "there is a call of this name already"
        if len(self._calls) >= self._ready.calls_most:
            return f"this engine has {self._ready.calls_most} calls, and takes no more"
        if len(question.legs) > self._ready.legs_most:
            return f"this engine joins {self._ready.legs_most} legs"
        if any(one.highest - one.lowest < 1 for one in question.legs):
            return "a leg needs two ports at least"
        self._calls[question.call] = _Call(question.legs, {}, number)
        return ""

    def _objection(self, question: Connect | Measure | End) -> str:
        call = self._calls.get(question.call)
        if call is None:
            return "there is no such call"
        if call.allocating:
            return "the call is not allocated yet"
        return self._connecting(call, question.leg, question.remote) if isinstance(question, Connect) else ""

    def _connecting(self, call: _Call, leg: int, remote: RemoteLeg) -> str:
        if leg >= len(call.wishes):
            return "the call has no such leg"
        if leg in call.remotes:
            return "this leg is connected already"
        wish = call.wishes[leg]
        if wish.ice and not (remote.user and remote.password and remote.candidates):
            return "a leg with ICE needs user, password and candidates of its other end"
        if not wish.ice and not (remote.address and remote.port):
            return "a leg without ICE needs address and port of its other end"
        if wish.secure != bool(remote.key):
            return "a key is what a secure leg has, and no other"
        return self._joining(call, leg, remote)

    def _joining(self, call: _Call, leg: int, remote: RemoteLeg) -> str:
        """Connect a leg, if the engine can make of its packets what the others have, and the other way round."""
        both = [remote, *call.remotes.values()]
        names = {one.codec.name for one in both}
        if len({one.codec for one in both}) > 1 and not names <= set(self._ready.codecs):
            return f"this engine does not change {' into '.join(sorted(names))}"
        if len({one.events for one in both if one.events >= 0}) > 1:
            return "telephone-event has to have the same payload type on all legs"
        call.remotes[leg] = remote
        return ""

    def _say(self, number: int, what: Answer | Reached | Digit | Ended) -> None:
        self._written.append(write(number, what))

    def allocated(self, name: str, answer: Allocated) -> None:
        """Answer that a call has its legs; of one that has been ended meanwhile nothing is said."""
        call = self._calls.get(name)
        if call is not None:
            self._say(call.allocating, answer)
            call.allocating = 0

    def done(self, asked: Assignment) -> None:
        """Answer what needs no more."""
        self._say(asked.number, Done())

    def measured(self, asked: Assignment, answer: Measured) -> None:
        """Answer what has passed."""
        self._say(asked.number, answer)

    def decline(self, asked: Assignment, reason: str) -> None:
        """Answer what could not be carried out; the call is as it was before."""
        question = asked.question
        call = self._calls.get(question.call)
        if call is not None and isinstance(question, Allocate):
            del self._calls[question.call]
        elif call is not None and isinstance(question, Connect):
            call.remotes.pop(question.leg, None)
        self._say(asked.number, Declined(reason))

    def tell(self, event: Reached | Digit | Ended) -> None:
        """Tell of an event in a call that there is; of any other, nothing is said."""
        found = self._calls.get(event.call)
        if found is None:
            return
        if isinstance(event, Ended):
            del self._calls[event.call]
            if found.allocating:
                # Whoever has asked for it does not know it yet.
                self._say(found.allocating, Declined(event.reason))
                return
        self._say(0, event)
