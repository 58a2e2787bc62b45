"""The section [directory]."""

from typing import Any

import pytest
from pydantic import ValidationError

from lyncpy.workloads.directory.settings import Settings


def test_lists_of_toml_and_single_texts_are_both_taken() -> None:
    """`bases = "…"` and `bases = ["…"]` mean the same."""
    settings = Settings(
        bases="ou=people,dc=x",  # type: ignore[arg-type]  # as TOML gives it
        filters=["(a=b)", "(c=d)"],  # type: ignore[arg-type]  # as TOML gives it
        attributes={"title": "x", "office": []},  # type: ignore[dict-item]  # as TOML gives it
        disabled_when=[],  # type: ignore[arg-type]  # as TOML gives it
    )
    assert settings.bases == ("ou=people,dc=x",)
    assert settings.filters == ("(a=b)", "(c=d)")
    assert settings.attributes == {"title": ("x",), "office": ()}
    assert settings.disabled_when == ()
    assert Settings().disabled_when is None


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"attributes": {"titel": "x"}}, 'unknown fact "titel"; did you mean "title"'),
        ({"url": "http://x"}, 'must be the name of a people file, "ldap://host" or "ldaps://host"'),
        ({"url": "ldap://"}, "must be the name"),
        ({"url": ""}, "must be the name"),
        ({"url": "ldap://x", "bind_dn": "cn=x"}, "bind_dn needs bind_password_file"),
        ({"url": "ldaps://x", "start_tls": True}, "start_tls is for ldap://"),
        ({"bases": [1]}, "valid string"),
        ({"preset": "novell"}, "openldap"),
        ({"removal_share": 1.5}, "less than or equal to 1"),
    ],
)
def test_a_mistake_is_told_with_its_remedy(given: dict[str, Any], told: str) -> None:
    """The administrator learns what would be right."""
    with pytest.raises(ValidationError, match=told):
        Settings(**given)


def test_every_setting_has_its_sentence() -> None:
    """The commented configuration file is made of these."""
    assert all(field.description for field in Settings.model_fields.values())
