"""The section [sip]: who we are, the ports we listen on, and what one connection may cost."""

from typing import Annotated, Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator, model_validator

from lyncpy.contracts.listening import ListeningPlace
from lyncpy.contracts.names import domain_of, is_below
from lyncpy.contracts.networks import check_relays, is_loopback
from lyncpy.contracts.setting_forms import written_as

_WORDS: Final = 'write a name as in DNS, of the letters a to z, digits, dots and hyphens: "example.com" (müller.de is "xn--mller-kva.de" there)'
_LABEL: Final = r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_Name = Annotated[str, written_as(rf"{_LABEL}(\.{_LABEL})*", _WORDS)]
_Domain = Annotated[str, written_as(rf"(?![0-9.]*\Z){_LABEL}(\.{_LABEL})*", _WORDS)]
"""What stands behind the @; an address of a machine is none."""


class Settings(BaseModel):
    """Names, ports, the certificate and the bounds of connections."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", use_attribute_docstrings=True)

    domain: _Domain = Field(min_length=1, max_length=253)
    """The SIP domain of the users: what stands behind the @ of their addresses."""

    domains: tuple[Annotated[_Domain, StringConstraints(max_length=253)], ...] = Field(
        default=(), strict=False, max_length=100
    )
    """Further SIP domains of users, e.g. ["example.org"]: whoever has an address in one of them is a user as those of `domain` are, and a colleague to them. Their clients look for this server under names of their own domain, which `lyncpy dns` prints."""

    server_name: _Name = Field(default="", max_length=253)
    """The name clients connect to; it stands in the certificate. When empty: `sip.` and the domain. Clients of each of `domains` in which it is not connect to `sip.` and that domain: Lync trusts no other name."""

    tls_host: str = ""
    """The address on which clients are awaited with TLS. When empty: every address of this machine, IPv4 and IPv6."""

    tls_port: int = Field(default=5061, ge=0, le=65535)
    """The port for TLS, which clients use; 0: none."""

    tcp_host: str = "127.0.0.1"
    """The address on which connections without TLS are awaited; loopback, unless `tcp_beyond_loopback`."""

    tcp_port: int = Field(default=5060, ge=0, le=65535)
    """The port without TLS, for tests and for a TLS relay on this machine; 0: none."""

    tcp_beyond_loopback: bool = False
    """Allow `tcp_host` to be an address that others reach; what they send and read there can be read by all between."""

    certificate: str = "server.pem"
    """The server's certificate in PEM; certificates of its issuers may follow in the same file, and one with another kind of key (ECDSA beside RSA), of which each client gets what it can use."""

    private_key: str = "server.key"
    """The key of the certificate in PEM, without a passphrase; readable by the server alone. Where the certificates are two, both keys."""

    chain: str = ""
    """A PEM file with the issuers' certificates, where they are not in the file of `certificate`."""

    tls_minimum: Literal["1.0", "1.1", "1.2", "1.3"] = "1.2"
    """The oldest TLS version that is accepted; "1.0" and "1.1" let in clients of before 2013, with weaker ciphers."""

    line_bytes: int = Field(default=66_560, ge=1024, le=262_144)
    """The longest header line of a message; a message with a longer one is refused with 400. The Kerberos ticket of who is in very many groups has up to 64,000 characters."""

    head_bytes: int = Field(default=98_304, ge=4096, le=1_048_576)
    """The most bytes of all header lines of a message; more end the connection."""

    headers: int = Field(default=256, ge=16, le=1024)
    """The most header lines of a message; more end the connection."""

    body_bytes: int = Field(default=262_144, ge=16_384, le=16_777_216)
    """The largest body of a message; a message with a larger one is refused with 413."""

    connections: int = Field(default=16_000, ge=1, le=1_000_000)
    """Connections at once, of all clients; for one more the oldest makes room on which nobody has signed in, and without such a one it is closed. Each costs about 30 KB and one open file; where the system allows fewer open files, there are as many as it allows."""

    connections_per_address: int = Field(default=8_000, ge=1, le=1_000_000)
    """Connections at once from one address (of IPv6: one network of 64 bits), which may be that of a whole office; one more as for `connections`."""

    relays: tuple[str, ...] = Field(default=(), strict=False, max_length=1000)
    """Addresses and networks of relays in front of this server, e.g. ["192.0.2.7", "2001:db8:1::/64"]; their own addresses are never counted."""

    relays_send_proxy: bool = True
    """Whether those relays begin every connection with a PROXY header (version 1 or 2) that tells the client's true address; then one without it is closed. When false nothing is read, and all clients of a relay have its address in the log."""

    stranger_body_bytes: int = Field(default=16_384, ge=4096, le=16_777_216)
    """The largest body of a message on a connection on which nobody has signed in; a larger one is refused with 413."""

    strangers_bytes: int = Field(default=16_777_216, ge=1_048_576, le=1_073_741_824)
    """Bytes kept of unfinished messages on all connections together on which nobody has signed in; beyond it the one that began first is closed."""

    handshake_s: int = Field(default=15, ge=1, le=120)
    """Seconds that a client may take for the TLS handshake."""

    idle_s: int = Field(default=900, ge=60, le=86_400)
    """Seconds after which a silent connection is closed, whoever is on it; signed-in clients send keep-alives far more often ([registrar] keep_alive_s)."""

    dead_s: int = Field(default=60, ge=10, le=3600)
    """Seconds after which the system ends a connection whose other end does not answer it any more (TCP keep-alives, and bytes that nobody acknowledges)."""

    unwritten_bytes: int = Field(default=2_097_152, ge=65_536, le=67_108_864)
    """Bytes kept for a client that does not read them; one more and its connection is dropped."""

    unwritten_total_bytes: int = Field(default=268_435_456, ge=1_048_576, le=68_719_476_736)
    """Bytes kept for all clients together that do not read; beyond it the connection with most of them is dropped."""

    close_s: int = Field(default=5, ge=1, le=60)
    """Seconds that a client has to read the last bytes and say goodbye before its connection is cut."""

    @property
    def places(self) -> tuple[ListeningPlace, ...]:
        """Give where clients are awaited."""
        given = (("tls", self.tls_host, self.tls_port), ("tcp", self.tcp_host, self.tcp_port))
        return tuple(
            ListeningPlace("sip", f"{kind}_port", f"{kind}_host", host, port) for kind, host, port in given if port
        )

    @property
    def all_domains(self) -> tuple[str, ...]:
        """Give `domain` and all others in their normal form, each once."""
        return tuple(dict.fromkeys(map(domain_of, (self.domain, *self.domains))))

    def name_for(self, domain: str) -> str:
        """Give the name under which clients of one of the domains find this server."""
        own = domain == self.all_domains[0] or is_below(self.server_name, domain)
        return domain_of(self.server_name if own else f"sip.{domain}")

    @field_validator("relays")
    @classmethod
    def _are_networks(cls, relays: tuple[str, ...]) -> tuple[str, ...]:
        check_relays(relays)
        return relays

    @model_validator(mode="before")
    @classmethod
    def _name_the_server(cls, given: Any) -> Any:  # Any: pydantic hands over whatever stood in the file
        if isinstance(given, dict) and isinstance(given.get("domain"), str) and not given.get("server_name"):
            return {**given, "server_name": f"sip.{given['domain']}"}
        return given

    @model_validator(mode="after")
    def _keep_plain_text_inside(self) -> Self:
        if self.tcp_port and not self.tcp_beyond_loopback and not is_loopback(self.tcp_host):
            raise ValueError(
                f"tcp_host {self.tcp_host!r} can be reached by others and has no TLS; "
                "set tcp_beyond_loopback = true if that is meant, or tcp_port = 0"
            )
        return self
