"""What a PostgreSQL database has to be like, where none that is otherwise is at hand."""

from typing import Any

import pytest

from lyncpy.backends.sql.examination import fitness


class Answering:
    """Stands for a connection to a server that says this of itself."""

    def __init__(self, **otherwise: object) -> None:
        """Say what a good one says, but for this."""
        good = {"number": 150008, "version": "15.8", "encoding": "UTF8", "is_standby": False, "is_read_only": False}
        self.rows = [tuple({**good, **otherwise}.values()), ("lyncpy", "talks", None, False)]

    def exec_driver_sql(self, statement: str) -> "Answering":
        """Give the next row."""
        return self

    def one(self) -> tuple[object, ...]:
        """Give it."""
        return self.rows.pop(0)


@pytest.mark.parametrize(
    ("otherwise", "sentence"),
    [
        (
            {"number": 140012, "version": "14.12"},
            "it is PostgreSQL 14.12, and 15 is the oldest that will do: upgrade it",
        ),
        ({"encoding": "SQL_ASCII"}, "its encoding is SQL_ASCII: make it anew with ENCODING 'UTF8'"),
        ({"is_standby": True, "is_read_only": True}, "it is a standby, which takes no writes: name all its hosts"),
        ({"is_read_only": True}, "it is read-only (default_transaction_read_only): have whoever administers it"),
    ],
)
def test_what_will_not_do_is_told_with_its_remedy(otherwise: dict[str, object], sentence: str) -> None:
    """Besides a user who may use no schema at all."""
    connection: Any = Answering(**otherwise)  # Any: of a connection it has what is asked
    found = list(fitness(connection))
    bad = [one.sentence for one in found if not one.good]
    assert len(found) == 4
    assert len(bad) == 2
    assert bad[0].startswith(sentence)
    assert bad[1] == 'user "lyncpy" may use no schema there: run `ALTER DATABASE "talks" OWNER TO "lyncpy"`'
