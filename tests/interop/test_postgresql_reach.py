"""How a PostgreSQL server is reached, and what the operator is told where it is not: certificates, passwords, databases."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from lyncpy.app.check import findings
from lyncpy.app.config import load
from lyncpy.backends.settings import Settings
from lyncpy.backends.sql.database import Database
from lyncpy.backends.sql.link import Link
from lyncpy.backends.sql.server import PostgresServer
from lyncpy.contracts.refusal import StoreUnavailable
from tests.kit.cellars import database_in, in_postgresql
from tests.kit.certificates import authority, issue
from tests.kit.postgres import PASSWORD, USER, Postgres
from tests.kit.threads import ThreadPump

pytestmark = [pytest.mark.interop, pytest.mark.libraries]


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    """A server with a certificate for localhost, and for nothing else."""
    server = Postgres()
    server.certify(issue("localhost", today=datetime.now(UTC)))
    server.start()
    yield server
    server.remove()


def opened(home: Path, **settings: Any) -> str:  # Any: as settings are
    """Open a database and close it; give the sentence of its refusal, or "" ."""
    pump = ThreadPump()
    database: Database = database_in(home, pump, **settings)
    try:
        pump.run(database.open())
    except StoreUnavailable as error:
        return str(error)
    finally:
        pump.run(database.close())
    return ""


def url_name(settings: dict[str, Any]) -> str:  # Any: as settings are
    """Give the name of the database."""
    name: str = settings["url"].rpartition("/")[2]
    return name


def checked(home: Path, **settings: Any) -> list[str]:  # Any: as above
    """Run `lyncpy check`; give what it says of the database, as it prints it."""
    file = home / "check.toml"
    given = "".join(f'{name} = "{value}"\n' for name, value in settings.items())
    file.write_text(f'[sip]\ndomain = "example.test"\n[store]\n{given}')
    found = findings(load(file), datetime.now(UTC))
    return [
        f"{'ok ' if one.good else 'BAD'} {one.sentence.removeprefix('[store] url: ')}"
        for one in found
        if one.sentence.startswith("[store] url: ")
    ]


@pytest.mark.parametrize(
    ("host", "query", "by", "sentence"),
    [
        ("localhost", "", "Test Authority", ""),
        ("127.0.0.1", "", "Test Authority", "does not match host name"),
        ("127.0.0.1", "?sslmode=verify-ca", "Test Authority", ""),
        ("localhost", "", "Another Authority", "certificate verify failed"),
        ("127.0.0.1", "?sslmode=require", "", ""),
        ("localhost", "?sslmode=verify-full", "", "certificate verify failed"),
    ],
)
def test_a_certificate_is_for_this_name_and_of_this_authority(
    server: Postgres, tmp_path: Path, host: str, query: str, by: str, sentence: str
) -> None:
    """Once an authority is named, or the server is elsewhere; the url may ask for less."""
    (tmp_path / "ca.pem").write_bytes((authority(by) if by.startswith("Another") else authority()).pem)
    with in_postgresql(tmp_path, server) as settings:
        settings["url"] = settings["url"].replace("127.0.0.1", host) + query
        said = opened(tmp_path, **settings, **({"ca_file": "ca.pem"} if by else {}))
    assert sentence in said
    assert bool(said) == bool(sentence)


def test_what_stands_in_the_way_is_said(server: Postgres, tmp_path: Path) -> None:
    """The setting, the server's own words, and never the password."""
    with in_postgresql(tmp_path, server) as settings:
        url = settings["url"]
        at = f'the database "{url}" ([store] url) cannot be used: '
        assert f'the password file "{tmp_path / "nowhere"}" ([store] password_file) cannot be read' in opened(
            tmp_path, url=url, password_file="nowhere"
        )
        assert "no password supplied" in opened(tmp_path, url=url)
        (tmp_path / "wrong").write_text("wrong-secret")
        said = opened(tmp_path, url=url, password_file="wrong")
        assert said.startswith(at)
        assert "password authentication failed" in said
        assert "wrong-secret" not in said
        (tmp_path / "spaced").write_text("wrong-secret \n")
        said = opened(tmp_path, url=url, password_file="spaced")
        assert "what stands in [store] password_file begins or ends with a space" in said
        said = opened(tmp_path, **{**settings, "url": url + "x"})
        assert "does not exist" in said
        assert said.endswith("make it with createdb --encoding=UTF8 --template=template0")
        server.sql("create database latin encoding 'LATIN1' template template0 locale 'C'", "template1")
        assert "its encoding is LATIN1" in opened(tmp_path, **{**settings, "url": server.url("latin")})
        assert opened(tmp_path, **settings) == ""
        server.sql("update alembic_version set version_num = '9999', oldest = '9998'", url.rpartition("/")[2])
        assert "was written by a newer lyncpy (schema 9999" in opened(tmp_path, **settings)


def test_a_user_who_may_make_no_tables_is_told(server: Postgres, tmp_path: Path) -> None:
    """As in a database that belongs to another."""
    with in_postgresql(tmp_path, server) as settings:
        server.sql(f"create role guest login password '{PASSWORD}'", "template1")
        said = opened(tmp_path, **{**settings, "url": settings["url"].replace(f"//{USER}@", "//guest@")})
        name = url_name(settings)
        assert (
            f'user "guest" may make no tables in schema "public": run `ALTER DATABASE "{name}" OWNER TO "guest"`'
            in said
        )


def test_a_session_is_durable_whatever_the_servers_rule_is(server: Postgres, tmp_path: Path) -> None:
    """A server that acknowledges before it writes is told otherwise; one that waits for more keeps its rule."""
    with in_postgresql(tmp_path, server) as settings:
        name = settings["url"].rpartition("/")[2]
        for rule, expected in (("off", "on"), ("remote_apply", "remote_apply"), ("local", "local")):
            server.sql(f"alter database {name} set synchronous_commit = {rule}", "template1")
            pump = ThreadPump()
            database = database_in(tmp_path, pump, **settings)
            pump.run(database.open())
            shown = database.run_write(lambda one: one.exec_driver_sql("show synchronous_commit").scalar())
            assert pump.run(shown) == expected
            pump.run(database.close())


def test_a_session_whose_client_is_gone_ends_soon(server: Postgres, tmp_path: Path) -> None:
    """Silent or in the midst of an answer: what it holds, such as the whole database, is free within some 5 s."""
    with in_postgresql(tmp_path, server) as settings:
        pump = ThreadPump()
        database = database_in(tmp_path, pump, **settings)
        pump.run(database.open())
        # Of these the server gives what the system says of the connection.
        asked = "select name, setting from pg_settings where starts_with(name, 'tcp_')"
        found = pump.run(
            database.run_write(lambda one: [(str(row[0]), str(row[1])) for row in one.exec_driver_sql(asked)])
        )
        assert dict(found) == {
            "tcp_keepalives_idle": "2",
            "tcp_keepalives_interval": "1",
            "tcp_keepalives_count": "3",
            "tcp_user_timeout": "5000",
        }
        pump.run(database.close())


def test_nobody_copies_what_a_server_works_with(server: Postgres, tmp_path: Path) -> None:
    """Servers are let in beside each other; whoever wants it for themselves waits for the last, and keeps out all."""
    with in_postgresql(tmp_path, server) as settings:
        pump = ThreadPump()
        first, second = (database_in(tmp_path, pump, **settings) for _ in range(2))
        for one in (first, second):
            pump.run(one.open())
        place = PostgresServer(Settings(**settings), tmp_path)
        alone = Link(place.engine, place.hold)
        with pytest.raises(StoreUnavailable, match="2 other servers work with it"):
            alone.look([lambda _: None])
        pump.run(second.close())
        with pytest.raises(StoreUnavailable, match="another server works with it"):
            alone.look([lambda _: None])
        server.sql("select pg_terminate_backend(pid) from pg_locks where locktype = 'advisory'", "template1")
        alone.look([lambda _: None])
        with pytest.raises(StoreUnavailable, match="`lyncpy store copy` works with it"):
            pump.run(first.run_write(lambda connection: True))
        alone.close()
        assert pump.run(first.run_write(lambda connection: True))
        pump.run(first.close())


def test_check_asks_what_a_start_asks(server: Postgres, tmp_path: Path) -> None:
    """Before it, and beside a server that runs; each in a sentence. Nothing is changed by it."""
    (tmp_path / "ca.pem").write_bytes(authority().pem)
    with in_postgresql(tmp_path, server) as settings:
        settings |= {"url": settings["url"].replace("127.0.0.1", "localhost"), "ca_file": "ca.pem"}
        good = [
            f"ok  {settings['url']} is reached",
            "ok  the connection is encrypted (TLSv1.3), and it has proved its name",
            f"ok  it is PostgreSQL {server.sql('show server_version', 'template1')}",
            "ok  its encoding is UTF8",
            "ok  it takes writes",
            f'ok  user "{USER}" may make, read and write tables',
        ]
        first = checked(tmp_path, **settings)
        assert first == [
            *good,
            "ok  no other server works with it",
            "ok  it has no tables yet: the first start makes them",
        ]
        pump = ThreadPump()
        database = database_in(tmp_path, pump, **settings)
        pump.run(database.open())
        *same, holder, schema = checked(tmp_path, **settings)
        assert same == good
        assert schema.startswith("ok  its schema is 0") and schema.endswith(", that of this version")
        assert holder.startswith("BAD another server works with it (from 127.0.0.1, since 20")
        assert holder.endswith(
            " UTC); several servers need [bus] url, which names none: set it for all of them; stop that one, or give this"
            " one its own [store] url"
        )
        pump.run(database.close())

        half = "create table unfinished_copy (source text); insert into unfinished_copy values ('lyncpy.db')"
        server.sql(half, url_name(settings))
        assert checked(tmp_path, **settings)[-1].startswith(
            'BAD it holds an unfinished copy of "lyncpy.db": run `lyncpy'
        )
        server.sql("drop table unfinished_copy", url_name(settings))
        server.sql("update alembic_version set version_num = '0001'", url_name(settings))
        assert "the next start makes 0" in checked(tmp_path, **settings)[-1]
        server.sql("update alembic_version set version_num = '9999', oldest = '9998'", url_name(settings))
        assert checked(tmp_path, **settings)[-1].startswith("BAD the database was written by a newer lyncpy (schema 99")


def test_check_says_what_to_do_where_a_start_would_fail(server: Postgres, tmp_path: Path) -> None:
    """The server's own words, the setting and the remedy."""
    with in_postgresql(tmp_path, server) as settings:
        url, name = settings["url"], url_name(settings)
        (nowhere,) = checked(tmp_path, **{**settings, "url": url.replace(str(server.port), "1")})
        assert nowhere.startswith(f"BAD {url.replace(str(server.port), '1')} cannot be used: ")
        assert nowhere.endswith("; start it, or correct host and port in the url")
        (unknown,) = checked(tmp_path, **{**settings, "url": url.replace("127.0.0.1", "nowhere.invalid")})
        assert unknown.endswith("; correct the host in the url")
        (silent,) = checked(tmp_path, url=url)
        assert silent.endswith("; write the user's password into a file and name that in [store] password_file")
        (uncertified,) = checked(tmp_path, **{**settings, "url": f"{url}?sslmode=verify-full"})
        assert uncertified.endswith("; name the authority that has issued its certificate in [store] ca_file")
        for query, said in (
            ("?sslmode=disable", "ok  the connection is not encrypted, on this machine"),
            ("?sslmode=require", "nobody has checked that it is the one meant (sslmode=require)"),
        ):
            assert said in checked(tmp_path, **{**settings, "url": url + query})[1]
        assert opened(tmp_path, **settings) == ""
        server.sql(f"create role reader login password '{PASSWORD}'", "template1")
        theirs = {**settings, "url": url.replace(f"//{USER}@", "//reader@")}
        remedy = f'name that user in the url, or run `REASSIGN OWNED BY "{USER}" TO "reader"`'
        grant = "grant select, insert, update, delete on all tables in schema public to reader"
        expected = f'user "reader" may not read and write "{{}}", which is "{USER}"\'s: {remedy}'
        assert checked(tmp_path, **theirs)[5] == f"BAD {expected.format('alembic_version')}"
        server.sql(grant, name)
        assert checked(tmp_path, **theirs)[5] == f"BAD {expected.format('audit_serial_seq')}"
        assert expected.format("audit_serial_seq") in opened(tmp_path, **theirs)
        server.sql("grant usage on all sequences in schema public to reader", name)
        assert checked(tmp_path, **theirs)[5] == 'ok  user "reader" may read and write the tables'
        assert opened(tmp_path, **theirs) == ""
        server.sql(f"alter database {name} set default_transaction_read_only = on", "template1")
        (refused,) = checked(tmp_path, **settings)
        assert refused.endswith(
            "session is read-only; if that is a standby, name the host in the url that takes writes"
        )
        any_will_do = {**settings, "url": f"{url}?target_session_attrs=any"}
        assert checked(tmp_path, **any_will_do)[4].startswith("BAD it is read-only (default_transaction_read_only)")
        assert "it is read-only (default_transaction_read_only)" in opened(tmp_path, **any_will_do)
