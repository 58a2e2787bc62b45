"""The section [pool]."""

from collections.abc import Mapping
from pathlib import PurePath
from typing import Annotated, Final, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from lyncpy.contracts.setting_forms import written_as

_FORM: Final = r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?(:[1-9][0-9]{0,4})?"

_Address = Annotated[
    str,
    written_as(
        rf"({_FORM})?",
        'write a name as in DNS, with a port behind it where that is another than [sip] tls_port: "fe1.example.com"',
    ),
]


class Settings(BaseModel):
    """Several servers of one deployment, on one PostgreSQL database and one NATS cluster."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", use_attribute_docstrings=True)

    processes: int = Field(default=1, ge=1, le=64)
    """Servers that one start runs on this machine, about as many as it has processors; more than one needs a PostgreSQL database ([store] url) and NATS ([bus] url). They listen at the same ports, and one that ends is replaced. Every limit is each one's own."""

    lease_s: float = Field(default=5.0, ge=2.0, le=60.0)
    """Seconds after which a server that has not been heard by the PostgreSQL server is taken for dead by the others: its devices are signed out, what it left open is ended, and what it did for all is done by another. It says that it is there four times in that time. A server that was only frozen for longer begins anew when it wakes. The same for all servers."""

    name: _Address = Field(default="", max_length=259)
    """The name at which clients reach this server and no other, as "fe1.example.com", with ":port" behind it where that is not [sip] tls_port: another one for each server, beside [sip] server_name, which is the name of all. By it other servers that are full or leave send devices here. It has to stand in DNS, and in this server's certificate. Empty: nobody is sent here."""

    servers: tuple[Annotated[_Address, StringConstraints(max_length=259)], ...] = Field(
        default=(), strict=False, max_length=1000
    )
    """The `name` of each server of the pool, this one's too, e.g. ["fe1.example.com", "fe2.example.com"]; the same for all servers. `lyncpy dns` gives them as the targets of the SRV records, so that clients find each of them by itself, and `lyncpy check` looks at each. Empty: clients find [sip] server_name, to which the addresses of all servers belong then."""

    bring_together: bool = True
    """Whether a device that signs in is sent on to the server where its user's other devices are, by that server's `name`: what they tell each other stays within one process then. One that comes back in spite of it is served here."""

    drain_s: float = Field(default=45.0, ge=0.0, le=3600.0)
    """Seconds in which a server that is to end (`drain` in the shell, or SIGTERM) has its devices go to the others, evenly; a few leave sooner. 0: on SIGTERM it ends at once, and all of them come to the others in one moment. systemd kills what takes longer than its TimeoutStopSec, of 90 seconds where nobody has set it."""

    @model_validator(mode="after")
    def _is_among_them(self) -> Self:
        """Refuse a name that is not among those of all."""
        names = [one.lower() for one in self.servers]
        if (twice := next((one for one in names if names.count(one) > 1), None)) is not None:
            raise ValueError(f'servers has "{twice}" twice: name each server once')
        if self.servers and self.name and self.name.lower() not in {one.lower() for one in self.servers}:
            raise ValueError(f'servers does not have this server\'s own name "{self.name}": add it, for all servers')
        return self

    def place(self, name: str, usual_port: int) -> tuple[str, int]:
        """Give host and port of one of the names."""
        host, _, port = name.lower().partition(":")
        return host, int(port or usual_port)

    def places(self, usual_port: int) -> Mapping[str, int]:
        """Give host and port of every server of the pool, by host, in their order; of this one alone where no others are named."""
        named = self.servers or ((self.name,) if self.name else ())
        return dict(self.place(name, usual_port) for name in named)


def own_file(name: str, number: int) -> str:
    """Give the name of a process's own file: "archive.gap" of process 2 is "archive.2.gap"."""
    path = PurePath(name)
    return str(path.with_name(f"{path.stem}.{number}{path.suffix}"))
