"""Which tests are run with the oldest libraries, too."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kit.bounds import TOP, concerns, imports, module_of, near, reached, with_two_versions

CHECKED_BY_ALEMBIC = "lyncpy.backends.sql.migrations"
"""What no test imports: Alembic reads it whenever a store is made, which tests/contracts do."""


def _users() -> Iterator[str]:
    """Give the modules of the product that name a library with two versions."""
    for file in (TOP / "lyncpy").rglob("*.py"):
        name = module_of(file)
        if {one.partition(".")[0] for one in imports(name)} & with_two_versions() and CHECKED_BY_ALEMBIC not in name:
            yield name


@pytest.mark.parametrize(
    ("test", "answer"),
    [
        ("unit/sip/test_decoder.py", False),
        ("unit/app/test_garbage.py", False),
        ("unit/project/test_people.py", False),
        ("unit/project/test_constraints.py", True),
        ("unit/wire/test_certificate.py", True),
        ("unit/core/test_settings.py", True),
        ("unit/core/test_gate.py", False),
        ("unit/im/test_mcu.py", False),
        ("contracts/test_store.py", True),
        ("properties/test_tls_dsk.py", True),
        ("properties/test_boards.py", False),
        ("scenarios/test_sign_in.py", True),
        ("scenarios/test_messages.py", False),
        ("interop/test_signin.py", True),
        ("interop/test_haste.py", False),
    ],
)
def test_who_is_about_a_library_is_found(test: str, answer: bool) -> None:
    """By what a test asks itself; of contracts also by what the kit opens; of whole servers by a mark."""
    assert concerns(Path("tests", test)) is answer


def test_libraries_with_one_version_do_not_count() -> None:
    """What has two is what both lists of constraints name, by the name by which it is imported."""
    assert {"OpenSSL", "cryptography", "sqlalchemy", "pydantic"} <= with_two_versions()
    assert not {"twisted", "ldap3", "zope", "pytest"} & with_two_versions()


def test_each_module_that_names_a_library_has_tests_with_the_oldest() -> None:
    """Unit tests and contracts, which are given whole then: of the module itself, of one that imports it, or of its package."""
    tested = set[str]()
    for folder, whose in (("unit", near), ("contracts", reached)):
        files = (TOP / "tests" / folder).rglob("test_*.py")
        tested |= {name for file in files if concerns(file) for name in whose(module_of(file))}
    tested |= {part for name in tested for part in imports(name)}
    while more := {part for name in tested for part in imports(name) if _package(part) == _package(name)} - tested:
        tested |= more
    assert sorted(set(_users()) - tested) == []


def _package(module: str) -> str:
    return module.rpartition(".")[0]
