"""The section [media]."""

from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from lyncpy.contracts.networks import address_of
from lyncpy.contracts.setting_forms import Texts


class Settings(BaseModel):
    """The engines that move the sound of calls with telephones; calls between clients need none."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", use_attribute_docstrings=True)

    engines: Annotated[Texts, Field(max_length=64)] = ()
    """The Unix sockets of media engines on this machine, relative to the folder of this file; a call goes to the one with fewest. Empty: there is none."""

    client_address: str = ""
    """The address of this machine at which clients reach an engine."""

    gateway_address: str = ""
    """The address of this machine at which gateways reach an engine; empty: that of clients. What comes there without SRTP is believed, so others should not reach it."""

    port_lowest: int = Field(default=50_000, ge=1024, le=65_534)
    """The first of the ports of UDP that engines use for sound; a call takes four."""

    port_highest: int = Field(default=54_999, ge=1025, le=65_535)
    """The last of these ports."""

    @field_validator("client_address", "gateway_address")
    @classmethod
    def _an_address(cls, value: str) -> str:
        if value and address_of(value) is None:
            raise ValueError(f'"{value[:80]}" is no address; write that of an interface, such as 192.0.2.1')
        return value

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.engines and not self.client_address:
            raise ValueError("client_address is missing: engines have to know at which address clients reach them")
        if self.port_highest - self.port_lowest < 3:
            raise ValueError("port_highest has to be beyond port_lowest by 3 at least, for a call takes four ports")
        return self
