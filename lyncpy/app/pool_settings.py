"""The section [pool]."""

from pydantic import BaseModel, ConfigDict, Field


class Settings(BaseModel):
    """Several servers of one deployment, on one PostgreSQL database and one NATS cluster."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", use_attribute_docstrings=True)

    lease_s: float = Field(default=5.0, ge=2.0, le=60.0)
    """Seconds after which a server that has not been heard by the PostgreSQL server is taken for dead by the others: its devices are signed out, what it left open is ended, and what it did for all is done by another. It says that it is there four times in that time. A server that was only frozen for longer begins anew when it wakes. The same for all servers."""
