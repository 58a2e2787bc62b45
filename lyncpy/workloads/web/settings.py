"""The section [web]."""

import re
from typing import Final, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from lyncpy.contracts.listening import ListeningPlace

_ORIGIN: Final = re.compile(r"https?://[a-z0-9.-]+(:[0-9]{1,5})?|https?://\[[0-9a-f:.]+\](:[0-9]{1,5})?")


class Settings(BaseModel):
    """The HTTPS site: presence icons and meeting pages. It uses the certificate of [sip]."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", use_attribute_docstrings=True)

    https_host: str = ""
    """The address on which browsers are awaited. When empty: every address of this machine, IPv4 and IPv6."""

    https_port: int = Field(default=4443, ge=0, le=65535)
    """The port of the site, which is open as soon as there is a certificate; 443 is where browsers and lyncdiscover look; 0: nothing is offered over HTTP."""

    http_port: int = Field(default=0, ge=0, le=65535)
    """A port without TLS, where clients that look for the server are sent to the site, and nothing else is answered; they look at 80; 0: none."""

    operators_port: int = Field(default=0, ge=0, le=65535)
    """A port of the site on which browsers may show a certificate of operators_authority: whoever has one is in the console ([admin] console) without a ticket; 0: none."""

    operators_authority: str = ""
    """A file (PEM) with the certificates of the authority that issues those of operators, and its revocation lists if it has any; it is read again when it has changed."""

    url: str = Field(default="", max_length=300)
    """The address of the site as clients are told it, e.g. "https://web.example.com"; when empty: the server name of [sip] and https_port."""

    origins: tuple[str, ...] = Field(default=(), strict=False, max_length=100)
    """Other sites whose scripts may read answers, e.g. "https://intranet.example.com"; pictures need no leave."""

    organisation: str = Field(default="", max_length=100)
    """The organisation as pages that people see call it, e.g. "Contoso Ltd."; when empty: the first domain."""

    icon: str = ""
    """A file with the organisation's icon on these pages, PNG or SVG, square, of at most 256 KiB; it is read again when it has changed; when empty: one of lyncpy."""

    readers_file: str = "web-readers.toml"
    """A file of mode 0600 with a table for each program that may read with a token; docs/web.md tells how it is made."""

    line_bytes: int = Field(default=66_560, ge=1024, le=131_072)
    """The longest line of a request's head; a longer one is refused with 414 or 431. The Kerberos ticket of who is in very many groups has up to 64,000 characters."""

    head_bytes: int = Field(default=98_304, ge=4096, le=262_144)
    """The most bytes of a request's head; more are refused with 431."""

    headers: int = Field(default=100, ge=16, le=1000)
    """The most header lines of a request; more are refused with 431."""

    body_bytes: int = Field(default=65_536, ge=0, le=16_777_216)
    """The largest body of a request; a larger one is refused with 413."""

    unfinished_bytes: int = Field(default=16_777_216, ge=1_048_576, le=1_073_741_824)
    """Bytes of requests that are not whole yet, on all connections together; beyond it the network with the most of them loses the one that began first."""

    connections: int = Field(default=2_000, ge=1, le=100_000)
    """Connections at once, of all browsers; one more is closed unanswered."""

    connections_per_address: int = Field(default=400, ge=1, le=100_000)
    """Connections at once from one address, which may be that of a whole office; one more is closed unanswered."""

    request_s: int = Field(default=20, ge=1, le=600)
    """Seconds within which a request has to be there whole, the TLS handshake before the first one included."""

    answer_s: int = Field(default=30, ge=1, le=600)
    """Seconds within which it is answered; then it gets 503."""

    idle_s: int = Field(default=60, ge=1, le=3600)
    """Seconds that a connection is kept for the next request, and that a browser has to read the last answer."""

    close_s: int = Field(default=5, ge=1, le=60)
    """Seconds that a browser has to say goodbye before its connection is cut."""

    @property
    def places(self) -> tuple[ListeningPlace, ...]:
        """Give where browsers are awaited, if anybody is."""
        ports = {"https_port": self.https_port, "http_port": self.http_port, "operators_port": self.operators_port}
        # All others are beside the site.
        ports = ports if self.https_port else {}
        return tuple(
            ListeningPlace("web", key, "https_host", self.https_host, port) for key, port in ports.items() if port
        )

    @model_validator(mode="after")
    def _operators_have_an_authority(self) -> Self:
        if self.operators_port and not self.operators_authority:
            raise ValueError(
                "operators_port lets nobody in without operators_authority: name its file, or set the port to 0"
            )
        return self

    @field_validator("url")
    @classmethod
    def _is_address(cls, url: str) -> str:
        if url and (not url.startswith("https://") or not _ORIGIN.fullmatch(url)):
            raise ValueError(
                f"{url!r} is no address of a site; write https, name and port alone, in lower case:"
                ' "https://web.example.com"'
            )
        return url

    @field_validator("origins")
    @classmethod
    def _are_origins(cls, origins: tuple[str, ...]) -> tuple[str, ...]:
        for origin in origins:
            if not _ORIGIN.fullmatch(origin):
                raise ValueError(
                    f"{origin!r} is no origin; write scheme, name and port alone, in lower case:"
                    ' "https://intranet.example.com"'
                )
        return origins
