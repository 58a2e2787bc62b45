"""The section [tracing]."""

from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator


class Settings(BaseModel):
    """Traces of what passes between the server and devices, which an operator begins in the shell."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", use_attribute_docstrings=True)

    folder: str = Field(default="traces", min_length=1)
    """The folder of traces and of what is exported of them; only the server's own user can read it. Of several processes each has one of its own, with its number."""

    running: int = Field(default=8, ge=1, le=100)
    """Traces at once."""

    running_per_operator: int = Field(default=3, ge=1, le=100)
    """Traces at once of one operator."""

    longest_s: int = Field(default=86_400, ge=60, le=604_800)
    """Seconds after which a trace ends at the latest."""

    bytes: int = Field(default=2_097_152, ge=65_536, le=1_073_741_824)
    """Bytes of one trace in each process; then it ends."""

    entries: int = Field(default=20_000, ge=100, le=1_000_000)
    """Messages and changes of one trace in each process; then it ends."""

    message_bytes: int = Field(default=65_536, ge=1024, le=1_048_576)
    """Bytes of a message that are kept; of a longer one the end is left out."""

    kept: int = Field(default=50, ge=1, le=10_000)
    """Traces that are kept; for one more the oldest goes."""

    kept_s: int = Field(default=604_800, ge=3600, le=31_536_000)
    """Seconds after which a trace is removed, and what was exported of it."""

    homer: str = ""
    """The Homer server that gets traces which were begun with --homer, or are exported so, as udp://HOST:9060 or tcp://HOST:9060; "" means that there is none. What is sent is not encrypted: it has to stay within a network that you trust."""

    homer_agent: int = Field(default=2001, ge=1, le=4_294_967_295)
    """The number by which the Homer server knows this one."""

    homer_key: str = Field(default="", max_length=255)
    """What the Homer server wants to be told before it takes anything; no secret, for it is sent as it is. "" means nothing."""

    @field_validator("homer")
    @classmethod
    def _is_place(cls, place: str) -> str:
        if place and not _is_server(place):
            raise ValueError("write udp://HOST:PORT or tcp://HOST:PORT")
        return place


def _is_server(place: str) -> bool:
    try:
        parts = urlsplit(place)
        return parts.scheme in ("udp", "tcp") and bool(parts.hostname) and parts.port is not None
    except ValueError:
        return False
