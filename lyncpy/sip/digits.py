"""Random digits, of which tags, branches and Call-IDs are made."""

import os
import secrets
from typing import Final

_AT_ONCE: Final = 32


class RandomDigits:
    """Gives so many hexadecimal digits, for ever; one call to the system gives many. Threads may ask too.

    Args:
        size: How many at a time.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._left: list[str] = []
        # A process that is forked from this one would give the same ones.
        os.register_at_fork(after_in_child=self._left.clear)

    def __iter__(self) -> "RandomDigits":
        return self

    def __next__(self) -> str:
        while True:
            try:
                return self._left.pop()
            except IndexError:
                digits = secrets.token_hex(self._size * _AT_ONCE // 2)
                self._left.extend(digits[at : at + self._size] for at in range(0, len(digits), self._size))
