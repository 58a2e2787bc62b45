"""What the driver of PostgreSQL is told of where a server is."""

import ssl
from pathlib import Path
from typing import Any

import psycopg
import pytest

from lyncpy.backends.settings import Settings
from lyncpy.backends.sql.server import AUTHORITIES, PostgresServer
from lyncpy.contracts.refusal import StoreUnavailable

SYSTEMS = "those of the system"
"""Stands for whatever file that is here."""


@pytest.mark.parametrize(
    ("host", "query", "ca_file", "mode", "authorities"),
    [
        ("db", "", "", "verify-full", SYSTEMS),
        ("db", "?sslmode=verify-ca", "", "verify-ca", SYSTEMS),
        ("db", "?sslmode=require", "", "require", None),
        ("db", "?sslmode=disable", "", "disable", None),
        ("db", "", "ca.pem", "verify-full", "ca.pem"),
        ("db", "?sslmode=require", "ca.pem", "require", "ca.pem"),
        ("localhost", "", "", "prefer", None),
        ("localhost", "?sslmode=verify-full", "", "verify-full", SYSTEMS),
        ("localhost", "", "ca.pem", "verify-full", "ca.pem"),
    ],
)
def test_authorities_are_given_where_certificates_are_checked(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    host: str,
    query: str,
    ca_file: str,
    mode: str,
    authorities: str | None,
) -> None:
    """And nowhere else, unless somebody names them: libpq checks as soon as it has any, and has none by itself."""
    told: dict[str, Any] = {}

    def connect(**terms: Any) -> None:
        told.update(terms)
        raise psycopg.OperationalError

    monkeypatch.setattr(psycopg, "connect", connect)
    server = PostgresServer(Settings(url=f"postgresql://lyncpy@{host}/lyncpy{query}", ca_file=ca_file), tmp_path)
    with pytest.raises(StoreUnavailable):
        server.engine.connect()
    assert told["sslmode"] == mode
    expected = {None: None, SYSTEMS: ssl.get_default_verify_paths().cafile or AUTHORITIES}
    assert told.get("sslrootcert") == expected.get(authorities, str(tmp_path / str(authorities)))
