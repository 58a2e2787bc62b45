"""The section [presence]: what does not fit together is refused, not silently something else."""

from typing import Any

import pytest
from pydantic import ValidationError

from lyncpy.workloads.presence.settings import Settings


@pytest.mark.parametrize("wrong", [{"expires_s": 600}, {"expires_s": 43_201}, {"expires_minimum_s": 28_801}])
def test_the_usual_time_of_a_subscription_lies_within_its_bounds(wrong: dict[str, Any]) -> None:
    """An administrator hears of a time that could never be granted."""
    with pytest.raises(ValidationError, match="between expires_minimum_s and expires_maximum_s"):
        Settings(**wrong)
    assert Settings(expires_s=600, expires_minimum_s=600).expires_s == 600
