"""What is said to the database can be said to PostgreSQL too."""

import pytest
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Dialect
from sqlalchemy.schema import CreateTable

from lyncpy.backends.sql.statements import of_durable, of_volatile
from lyncpy.backends.sql.tables import metadata

DIALECTS: dict[str, Dialect] = {"sqlite": sqlite.dialect(), "postgresql": postgresql.dialect()}  # type: ignore[no-untyped-call]  # SQLAlchemy's own gap


@pytest.mark.parametrize("name", DIALECTS)
def test_writing_is_one_statement_in_every_dialect(name: str) -> None:
    """A record is created and forgotten by INSERT … ON CONFLICT, which both know."""
    for said in (of_durable(name), of_volatile(name)):
        for statement in (said.create(), said.raise_floor()):
            assert "ON CONFLICT" in str(statement.compile(dialect=DIALECTS[name]))


@pytest.mark.parametrize("name", DIALECTS)
def test_the_tables_have_types_that_every_dialect_knows(name: str) -> None:
    """PostgreSQL keeps moments with their zone and orders keys by code point."""
    ddl = "".join(str(CreateTable(table).compile(dialect=DIALECTS[name])) for table in metadata.sorted_tables)
    assert ("TIMESTAMP WITH TIME ZONE" in ddl and 'COLLATE "C"' in ddl) == (name == "postgresql")
