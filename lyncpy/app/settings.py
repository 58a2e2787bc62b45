"""The section [log]."""

from typing import Literal

from pydantic import BaseModel, ConfigDict


class Settings(BaseModel):
    """What the server writes about itself."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", use_attribute_docstrings=True)

    level: Literal["debug", "info", "warn", "error", "critical"] = "info"
    """The least important lines that are written; debug tells of every decision."""

    json_file: str = ""
    """A file that gets every line as a JSON object too, with its fields, and is opened anew at SIGHUP; empty: none."""
