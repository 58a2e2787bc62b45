"""What may be a password, and new ones that nobody has chosen."""

import secrets
from typing import Final

PASSWORD_LONGEST: Final = 256
"""Characters; Windows takes no longer one either."""

_LETTERS: Final = "abcdefghijkmnpqrstuvwxyz23456789"
"""None that is taken for another one when it is read to somebody."""

_PIECES: Final = 4
_PIECE: Final = 5


def is_usable(password: str) -> bool:
    """Tell whether a text may be a password."""
    return 0 < len(password) <= PASSWORD_LONGEST


def generated() -> str:
    """Make a password of 100 bits, which can be read to somebody: `xk4p2-…`."""
    return "-".join("".join(secrets.choice(_LETTERS) for _ in range(_PIECE)) for _ in range(_PIECES))
