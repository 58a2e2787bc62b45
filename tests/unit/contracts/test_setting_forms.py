"""What settings have to look like is told in words."""

import re
from typing import Annotated

import pytest
from pydantic import BaseModel, ValidationError

from lyncpy.app.config import SECTIONS
from lyncpy.contracts.setting_forms import disorder, written_as


class Named(BaseModel):
    """A section."""

    name: Annotated[str, written_as(r"[a-z]+", "write small letters")] = ""


def test_what_is_not_of_the_form_is_told_in_words() -> None:
    """Of the whole text."""
    assert Named(name="alice").name == "alice"
    for name in ("", "alice1", "alice\n"):
        with pytest.raises(ValidationError, match="write small letters"):
            Named(name=name)


@pytest.mark.parametrize("section", SECTIONS)
def test_no_setting_is_checked_by_a_pattern_of_pydantic(section: str) -> None:
    """Its message would be the regular expression."""
    # A form has a text behind the word; a setting that is called so has a schema.
    assert not re.search(r"'pattern': (?!\{)|pattern=", str(SECTIONS[section].__pydantic_core_schema__))


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"x_minimum_s": 5, "x_s": 4, "x_maximum_s": 9}, "x_minimum_s = 5 is above x_s = 4"),
        ({"x_minimum_s": 5, "x_s": 9.5, "x_maximum_s": 9}, "x_s = 9.5 is above x_maximum_s = 9"),
        ({"x_minimum": 5, "x_maximum": 4}, "x_minimum = 5 is above x_maximum = 4"),
        ({"x_s": 5, "x_maximum_s": 4}, "x_s = 5 is above x_maximum_s = 4"),
        ({"x_s": 5, "x_maximum_s": 5, "y_minimum": 9, "z": 3}, ""),
    ],
)
def test_the_least_is_never_above_the_most(values: dict[str, object], told: str) -> None:
    """By the names of settings."""
    assert disorder(values) == told
