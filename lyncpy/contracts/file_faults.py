"""What is wrong with a file that an operator names, in words."""

import os
import ssl
from pathlib import Path


def fault_of(error: Exception) -> str:
    """Say why a file cannot be read: a part of a sentence, without its name."""
    if isinstance(error, UnicodeDecodeError):
        return "it is no text in UTF-8"
    if isinstance(error, ssl.SSLError):
        return "it has no certificate in PEM"
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


def unwritable(path: Path) -> str:
    """Say why a file or a folder that is there cannot be written, and what to do: a part of a sentence."""
    user = os.geteuid()
    if os.statvfs(path).f_flag & os.ST_RDONLY:
        return f'the file system of "{path}" is mounted read-only: mount it for writing'
    return f'user {user} may not write to "{path}": run `chown {user} "{path}"`'
