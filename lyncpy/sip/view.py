"""Properties of messages that are read in their headers once, when they are first asked for."""

from collections.abc import Callable
from typing import Any, Final, Generic, Protocol, TypeVar, overload

from lyncpy.sip.errors import RemoteProtocolError
from lyncpy.sip.shared import VARYING, SharedLines

T = TypeVar("T")

_READ_ANEW: Final = VARYING | {"contact"}
"""What is not known from one message to the next: a Contact is long, and what follows from it is asked for once."""


class _Read(Protocol):
    """A message as far as this knows it."""

    shared: SharedLines | None


class view(Generic[T]):  # noqa: N801 - read as a decorator, as `property` is
    """A property that is computed once per message; an error names the header it came from."""

    def __init__(self, name: str) -> None:
        self._header = name
        self._is_shared = name.lower() not in _READ_ANEW

    def __call__(self, read: Callable[[Any], T]) -> "view[T]":  # Any: a Request or a Response
        """Make a property of a method that reads a header."""
        self._read = read
        self._attribute = read.__name__
        self.__doc__ = read.__doc__
        return self

    @overload
    def __get__(self, message: None, owner: type) -> "view[T]": ...
    @overload
    def __get__(self, message: _Read, owner: type) -> T: ...
    def __get__(self, message: _Read | None, owner: type) -> "T | view[T]":
        if message is None:
            return self
        try:
            found = self._read(message)
        except RemoteProtocolError as error:
            raise RemoteProtocolError(f"{self._header}: {error.reason}", error.status) from None
        # There it is found before this is asked again, without a call.
        message.__dict__[self._attribute] = found
        if self._is_shared and message.shared is not None:
            message.shared.views[self._attribute] = found
        return found
