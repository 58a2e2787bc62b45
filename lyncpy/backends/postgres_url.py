"""What a PostgreSQL url says: hosts, user, database, and those options of libpq that may stand in it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qsl, unquote

from lyncpy.contracts.networks import host_and_port, is_loopback

POSTGRESQL: Final = "postgresql://"

OPTIONS: Final = frozenset(
    {"sslmode", "sslcert", "sslkey", "target_session_attrs", "connect_timeout", "application_name", "tcp_user_timeout"}
)
"""Of libpq's, which say how the server is reached. What they mean is told at postgresql.org, "Parameter Key Words"."""

SSL_MODES: Final = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")


@dataclass(frozen=True, slots=True)
class PostgresAddress:
    """Where a database is; several hosts are tried in turn. A port that is "" is the usual one, 5432."""

    hosts: Sequence[str]
    ports: Sequence[str]
    user: str
    database: str
    options: Mapping[str, str]

    @property
    def is_here(self) -> bool:
        """Whether nothing that is said to it leaves this machine; a host that begins with "/" is the folder of a socket."""
        return all(host.startswith("/") or is_loopback(host) for host in self.hosts)

    @property
    def shown(self) -> str:
        """The address as a sentence names it."""
        places = [f"{host}:{port}" if port else host for host, port in zip(self.hosts, self.ports, strict=True)]
        return f"{POSTGRESQL}{self.user}@{','.join(places)}/{self.database}"


def server_of(url: str) -> PostgresAddress:
    """Read a url.

    Raises:
        ValueError: With a sentence for an operator, which repeats no password.
    """
    # By hand: what Python knows of urls is that they have one host.
    rest, _, query = url.removeprefix(POSTGRESQL).partition("?")
    place, _, path = rest.partition("/")
    user, at, places = place.rpartition("@")
    if ":" in user:
        raise ValueError("must hold no password: write it to a file and name that in password_file")
    database = unquote(path)
    if not at or not user or not places or not database or "/" in path:
        raise ValueError('must name a user, a host and a database, e.g. "postgresql://lyncpy@db.example.com/lyncpy"')
    hosts, ports = zip(*(_place(place) for place in places.split(",")), strict=True)
    return PostgresAddress(hosts, ports, unquote(user), database, _options(query))


def _options(query: str) -> Mapping[str, str]:
    try:
        pairs = parse_qsl(query, keep_blank_values=True, strict_parsing=True) if query else []
    except ValueError:
        raise ValueError('must have options as "?name=value&name=value"') from None
    options = dict(pairs)
    if "password" in options or "passfile" in options:
        raise ValueError("must hold no password: write it to a file and name that in password_file")
    for name in options:
        if name not in OPTIONS:
            raise ValueError(f"has the option {name[:40]!r}, which is none of {', '.join(sorted(OPTIONS))}")
    if options.get("sslmode", "verify-full") not in SSL_MODES:
        raise ValueError(f"has an sslmode that is none of {', '.join(SSL_MODES)}")
    return options


def _place(text: str) -> tuple[str, str]:
    found = host_and_port(text)
    if found is None:
        raise ValueError('must name hosts as "host" or "host:port", with commas between')
    host, port = found
    return unquote(host), "" if port is None else str(port)
