"""The reactor's turn, for connections whose log context is known beforehand.

For each event of each connection Twisted copies its log context and writes the connection's prefix into the copy, in case
something is logged the old way; that takes longer than to read a message from the socket. The context of our connections is
made once for each kind of them.

And all whose sockets have something are read in one turn, however many they are: when two hundred sign in, or leave, a message
would wait until each of them was read. Who talks is read first; of the others some in each turn, as of all other work.

What is put off to the end of a turn, as the writes of all that was said in it, is done before the reactor waits.
"""

from collections.abc import Callable
from errno import EINTR
from functools import cache, partial
from typing import Any, Final

from twisted.internet.epollreactor import EPollReactor
from twisted.logger import Logger
from twisted.python import context, log  # noqa: TID251 - what is logged the old way is Twisted's own

LOGGED: Final = Logger().failureHandler("what was to be done at the end of a turn failed")

LogContext = dict[object, dict[str, object]]

_ASKED: Final = ("_poller", "_selectables", "_doReadOrWrite", "waker")
"""What is asked of the reactor by names that Twisted does not promise."""


@cache
def log_context_of(prefix: str) -> LogContext:
    """Give what Twisted's log calls the context of whatever has this prefix, which is the name of a class."""
    return {log.ILogContext: {**(context.get(log.ILogContext) or {}), "system": prefix}}


OTHERS_S: Final = 0.002
"""Seconds in one turn of the reactor for reading from connections of which nobody talks, about."""


def with_known_contexts(reactor: Any) -> None:  # Any: a reactor is several interfaces at once, which no type can say
    """Have a reactor that uses epoll take the log contexts that connections bring along (`log_context`), and who talks first (`talks`).

    Its waker is one of them. Any other reactor, and any other connection, is as Twisted has it.
    """
    if isinstance(reactor, EPollReactor) and all(hasattr(reactor, name) for name in _ASKED):
        # By it threads give their results back: each durable write.
        reactor.waker.log_context = log_context_of(reactor.waker.logPrefix())
        ends: list[Callable[[], None]] = []
        vars(reactor)["at_turns_end"] = ends.append
        reactor.doIteration = partial(_turn, reactor, {}, ends)  # type: ignore[method-assign]  # it is asked for by this name each time


def at_turns_end(reactor: Any) -> Callable[[Callable[[], None]], object]:  # Any: as above
    """Give what has a function called when all else of this turn is done, before anything is waited for.

    A reactor that is as Twisted has it calls in its next turn, which costs a timer and a wait for nothing.
    """
    at_end: Callable[[Callable[[], None]], object] = getattr(reactor, "at_turns_end", partial(reactor.callLater, 0))
    return at_end


def _turn(
    reactor: Any, left: dict[int, int], ends: list[Callable[[], None]], timeout: float | None
) -> None:  # Any: as above
    """Wait for events and take them; see `EPollReactor.doPoll`.

    Args:
        ends: What is done before, in order; what that adds is done in the next turn, which does not wait.
        left: Whose events the last turn has left, with the place of each in the queue: in its order they come before
            others of their kind. In the kernel's order who stands last there would never be read while enough others drip.
    """
    connections = reactor._selectables
    if ends:
        timeout = _end(reactor, ends, timeout)
    try:
        events = reactor._poller.poll(-1 if timeout is None else timeout, len(connections))
    except OSError as error:
        if error.errno == EINTR:
            return
        raise
    others = []
    for number, event in events:
        if getattr(connections.get(number), "talks", True):
            _take(reactor, number, event)
        else:
            others.append((number, event))
    if not others:
        return
    if left:
        last = len(left)
        others.sort(key=lambda one: left.get(one[0], last))
        left.clear()
    until = reactor.seconds() + OTHERS_S
    for place, (number, event) in enumerate(others, 1):
        _take(reactor, number, event)
        if reactor.seconds() >= until:
            # The kernel tells of them again in the next turn, which does not wait then.
            left.update({number: queued for queued, (number, _) in enumerate(others[place:])})
            return


def _end(reactor: Any, ends: list[Callable[[], None]], timeout: float | None) -> float | None:  # Any: as above
    """Do what was put off to the end of the turn before; give how long to wait for events now."""
    calls = ends.copy()
    ends.clear()
    for call in calls:
        with LOGGED:
            call()
    # It may have set times. Where the turn was not to wait at all, it does not.
    wait_s: float | None = 0.0 if ends or timeout == 0 else reactor.timeout()
    return wait_s


def _take(reactor: Any, number: int, event: int) -> None:  # Any: as above
    """Take one event of one connection, in its log context."""
    connection = reactor._selectables.get(number)
    if connection is None:
        return  # it was closed by one before it
    known = getattr(connection, "log_context", None)
    if known is None:
        log.callWithLogger(connection, reactor._doReadOrWrite, connection, number, event)
        return
    contexts = context.theContextTracker.currentContext().contexts
    contexts.append(known)
    try:
        reactor._doReadOrWrite(connection, number, event)
    finally:  # an error within the end of a connection is logged by the main loop, which then polls anew
        contexts.pop()
