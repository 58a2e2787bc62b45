"""The section [limits]: safe without a word, and strict about every word."""

import pytest
from pydantic import ValidationError

from lyncpy.core.settings import Settings


def test_works_without_a_word() -> None:
    """Every limit has a default, and none of them is "no limit"."""
    for name, value in Settings().model_dump().items():
        assert value > 0, name


def test_clients_hear_504_before_they_give_up() -> None:
    """Real clients wait 60 seconds for an answer; the server's patience is shorter."""
    assert Settings().answer_timeout_s < 60


@pytest.mark.parametrize("wrong", [{"pending_total": 0}, {"pending_total": "9"}, {"pending": 9}])
def test_refuses_what_it_does_not_understand(wrong: dict[str, object]) -> None:
    """Out of bounds, of the wrong kind, or unknown: each is an error."""
    with pytest.raises(ValidationError):
        Settings.model_validate(wrong)


def test_every_setting_says_what_it_does() -> None:
    """The sentence below each field stands in the configuration file, too."""
    for name, field in Settings.model_fields.items():
        assert field.description, name
