"""What settings have to look like, told in words where one does not: a regular expression says nothing to an operator."""

import re
from collections.abc import Mapping
from itertools import pairwise

from pydantic import AfterValidator


def written_as(pattern: str, words: str) -> AfterValidator:
    """Give what checks that a text is of a form, from its first letter to its last.

    Args:
        pattern: The form, for us.
        words: The form, for an operator, e.g. "write it as example.com".
    """
    form = re.compile(pattern)

    def check(text: str) -> str:
        if form.fullmatch(text) is None:
            raise ValueError(words)
        return text

    return AfterValidator(check)


def disorder(values: Mapping[str, object]) -> str:
    """Tell of the settings of a section which is above one that must be no smaller; "" when none is.

    Their names say it: X_minimum, X and X_maximum, each with its unit; or minimum_X and X.
    """
    for name in values:
        if name.startswith("minimum_"):
            least, most = values[name], values.get(name.removeprefix("minimum_"))
            if isinstance(least, int | float) and isinstance(most, int | float) and least > most:
                return f"{name} = {least:g} is above {name.removeprefix('minimum_')} = {most:g}"
        if "_minimum" not in name and "_maximum" not in name:
            continue
        usual = name.replace("_minimum", "").replace("_maximum", "")
        ordered = [name.replace("_maximum", "_minimum"), usual, name.replace("_minimum", "_maximum")]
        given = [(one, value) for one in ordered if isinstance(value := values.get(one), int | float)]
        for (low, least), (high, most) in pairwise(given):
            if least > most:
                return f"{low} = {least:g} is above {high} = {most:g}"
    return ""
