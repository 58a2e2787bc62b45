"""Random digits, of which tags, branches and Call-IDs are made."""

import secrets
from collections.abc import Iterator


def random_digits(size: int) -> Iterator[str]:
    """Give so many hexadecimal digits, for ever; one call to the system gives many."""
    while True:
        digits = secrets.token_hex(size * 32)
        for at in range(0, len(digits), size):
            yield digits[at : at + size]
