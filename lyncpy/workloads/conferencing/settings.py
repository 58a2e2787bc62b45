"""The section [conferencing]."""

from pydantic import BaseModel, ConfigDict


class Settings(BaseModel):
    """What clients learn about conferences."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", use_attribute_docstrings=True)

    announced: bool = True
    """Whether clients are told where to ask for conferences; they learn there that none can be held yet."""
