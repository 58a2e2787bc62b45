"""What settings have to look like is told in words."""

import re
from typing import Annotated

import pytest
from pydantic import BaseModel, ValidationError

from lyncpy.app.config import SECTIONS
from lyncpy.app.settings_check import FURTHER, ordered
from lyncpy.contracts.setting_forms import OWNERS, disorder, shares, written_as


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
        ({"version": 3, "minimum_version": 4}, "minimum_version = 4 is above version = 3"),
        ({"x_maximum": 4, "x": 5}, "x = 5 is above x_maximum = 4"),
    ],
)
def test_the_least_is_never_above_the_most(values: dict[str, object], told: str) -> None:
    """By the names of settings."""
    assert disorder(values) == told


@pytest.mark.parametrize(
    ("names", "found"),
    [
        (("x_total", "x_per_flow", "x_per_user"), {("x_per_flow", "x_per_user"), ("x_per_flow", "x_total"), ("x_per_user", "x_total")}),
        (("x", "x_per_address", "x_per_s"), {("x_per_address", "x")}),
        (("x_waiting", "x_per_watcher"), {("x_per_watcher", "x_waiting")}),
        (("x_bytes", "x_total_bytes", "y_bytes"), {("x_bytes", "x_total_bytes")}),
        (("x_per_user", "y_total"), set()),
    ],
)  # fmt: skip
def test_whose_share_is_whose_is_in_the_names(names: tuple[str, ...], found: set[tuple[str, str]]) -> None:
    """Of a user's all of it, and of a device's the user's."""
    assert set(shares(names)) == found


ALONE = {
    "admin.sessions_per_connection", "auth.tries_per_address", "conferencing.devices_per_user",
    "conferencing.records_per_user", "contacts.contacts_per_user", "contacts.groups_per_user", "im.records_per_user",
    "limits.connections_per_user", "monitoring.report_bytes_per_user", "presence.containers_per_user",
    "presence.delegates_per_user", "presence.members_per_user", "presence.publications_per_user",
    "presence.resources_per_subscription", "webservices.certificates_per_user",
}  # fmt: skip
"""Shares of which there is no total among the settings of their section: people have it, or memory."""


def test_every_share_has_what_it_is_a_share_of() -> None:
    """A new one that is called otherwise would be checked by nothing."""
    pairs = list(ordered())
    named = {f"{name}.{key}" for name, section in SECTIONS.items() for key in section.model_fields}
    every = {one for one in named if one.partition("_per_")[2] in OWNERS}
    assert every - {low for low, high in pairs if FURTHER.get(low) != high} - ALONE == set()
    assert {one for pair in pairs for one in pair} <= named
    assert len(pairs) > 35


def test_defaults_are_in_order() -> None:
    """Whoever changes nothing is told nothing."""
    values = {
        f"{name}.{key}": field.get_default()
        for name, one in SECTIONS.items()
        for key, field in one.model_fields.items()
    }
    assert [pair for pair in ordered() if values[pair[0]] > values[pair[1]]] == []
