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
