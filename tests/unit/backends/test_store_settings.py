"""The section [store]."""

import pytest
from pydantic import ValidationError

from lyncpy.backends.settings import Settings


@pytest.mark.parametrize(
    ("url", "path"),
    [("sqlite:///lyncpy.db", "lyncpy.db"), ("sqlite:////var/lib/lyncpy/lyncpy.db", "/var/lib/lyncpy/lyncpy.db")],
)
def test_names_a_file(url: str, path: str) -> None:
    """Three slashes and a relative name, or four and an absolute one."""
    assert Settings(url=url).path == path


@pytest.mark.parametrize(
    "url", ["", "lyncpy.db", "sqlite://", "sqlite:///", "sqlite:///:memory:", "sqlite:///x.db?mode=ro", "mysql://x/y"]
)
def test_refuses_what_it_cannot_keep_its_promise_with(url: str) -> None:
    """Another database, none, or one that is gone with the process."""
    with pytest.raises(ValidationError, match="sqlite:///"):
        Settings(url=url)


def test_names_a_server() -> None:
    """Hosts with their ports, user and database, and options; no file is there, but for the lock."""
    settings = Settings(url="postgresql://lyncpy@db1.example.com:5433,[2001:db8::1],db3/my%20data?sslmode=verify-ca")
    server = settings.server
    assert (server.hosts, server.ports) == (("db1.example.com", "2001:db8::1", "db3"), ("5433", "", ""))
    assert (server.user, server.database, server.options) == ("lyncpy", "my data", {"sslmode": "verify-ca"})
    assert server.shown == "postgresql://lyncpy@db1.example.com:5433,2001:db8::1,db3/my data"
    assert (settings.is_sqlite, settings.path) == (False, "")


@pytest.mark.parametrize(
    ("hosts", "is_here"),
    [("localhost", True), ("127.0.0.1,[::1]:5433", True), ("%2Frun%2Fpostgresql", True), ("localhost,db2", False)],
)
def test_knows_what_leaves_the_machine(hosts: str, is_here: bool) -> None:
    """One host elsewhere is enough."""
    assert Settings(url=f"postgresql://lyncpy@{hosts}/lyncpy").server.is_here == is_here


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("postgresql://lyncpy:secret-x@db/lyncpy", "must hold no password.*password_file"),
        ("postgresql://lyncpy@db/lyncpy?password=secret-x", "must hold no password.*password_file"),
        ("postgresql://lyncpy@db/lyncpy?passfile=/secret-x", "must hold no password.*password_file"),
        ("postgresql://db/lyncpy", "must name a user, a host and a database"),
        ("postgresql://lyncpy@db", "must name a user, a host and a database"),
        ("postgresql://lyncpy@/lyncpy", "must name a user, a host and a database"),
        ("postgresql://lyncpy@db/a/b", "must name a user, a host and a database"),
        ("postgresql://lyncpy@db:x/lyncpy", "must name hosts as"),
        ("postgresql://lyncpy@db:70000/lyncpy", "must name hosts as"),
        ("postgresql://lyncpy@db,/lyncpy", "must name hosts as"),
        ("postgresql://lyncpy@db/lyncpy?sslmode", "must have options as"),
        ("postgresql://lyncpy@db/lyncpy?sslmode=maybe", "an sslmode that is none of disable"),
        ("postgresql://lyncpy@db/lyncpy?options=-cfsync", "the option 'options', which is none of"),
    ],
)
def test_refuses_a_server_that_cannot_be_meant(url: str, sentence: str) -> None:
    """The sentence says what to write instead, and repeats no password."""
    with pytest.raises(ValidationError, match=sentence) as refused:
        Settings(url=url)
    assert "secret-x" not in refused.value.errors(include_input=False, include_url=False)[0]["msg"]
