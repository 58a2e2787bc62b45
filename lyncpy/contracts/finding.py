"""What `lyncpy check` and `lyncpy doctor` tell of a server's surroundings, and a start refuses by."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """One check, and its result; of what is bad the sentence names the setting and what to do."""

    good: bool
    sentence: str
    stops: bool = False
    """Whether no server starts before it is mended."""
