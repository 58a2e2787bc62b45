"""What is wrong with a file that an operator names, in words."""

import ssl


def fault_of(error: Exception) -> str:
    """Say why a file cannot be read: a part of a sentence, without its name."""
    if isinstance(error, UnicodeDecodeError):
        return "it is no text in UTF-8"
    if isinstance(error, ssl.SSLError):
        return "it has no certificate in PEM"
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
