"""The reactor's turn, for connections whose log context is known beforehand.

For each event of each connection Twisted copies its log context and writes the connection's prefix into the copy, in case
something is logged the old way; that takes longer than to read a message from the socket. The context of our connections is
made once for each kind of them.
"""

from errno import EINTR
from functools import cache, partial
from typing import Any, Final

from twisted.internet.epollreactor import EPollReactor
from twisted.python import context, log  # noqa: TID251 - what is logged the old way is Twisted's own

LogContext = dict[object, dict[str, object]]

_ASKED: Final = ("_poller", "_selectables", "_doReadOrWrite")
"""What is asked of the reactor by names that Twisted does not promise."""


@cache
def log_context_of(prefix: str) -> LogContext:
    """Give what Twisted's log calls the context of whatever has this prefix, which is the name of a class."""
    return {log.ILogContext: {**(context.get(log.ILogContext) or {}), "system": prefix}}


def with_known_contexts(reactor: Any) -> None:  # Any: a reactor is several interfaces at once, which no type can say
    """Have a reactor that uses epoll take the log contexts that connections bring along (`log_context`).

    Any other reactor, and any other connection, is as Twisted has it.
    """
    if isinstance(reactor, EPollReactor) and all(hasattr(reactor, name) for name in _ASKED):
        reactor.doIteration = partial(_turn, reactor)  # type: ignore[method-assign]  # it is asked for by this name each time


def _turn(reactor: Any, timeout: float | None) -> None:  # Any: as above
    """Wait for events and take them; see `EPollReactor.doPoll`."""
    connections = reactor._selectables
    try:
        events = reactor._poller.poll(-1 if timeout is None else timeout, len(connections))
    except OSError as error:
        if error.errno == EINTR:
            return
        raise
    take, contexts = reactor._doReadOrWrite, context.theContextTracker.currentContext().contexts
    for number, event in events:
        connection = connections.get(number)
        if connection is None:
            continue  # it was closed by one before it
        known = getattr(connection, "log_context", None)
        if known is None:
            log.callWithLogger(connection, take, connection, number, event)
            continue
        contexts.append(known)
        try:
            take(connection, number, event)
        finally:  # an error within the end of a connection is logged by the main loop, which then polls anew
            contexts.pop()
