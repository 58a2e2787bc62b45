"""What `lyncpy check` tells of a server's surroundings before it starts."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """One check, and its result; of what is bad the sentence names the setting and what to do."""

    good: bool
    sentence: str
