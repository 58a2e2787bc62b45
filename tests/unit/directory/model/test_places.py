"""Which directories are others than before, and which have only another name."""

import pytest

from lyncpy.workloads.directory.model.places import Places, others, renamed, renamed_key, text_of, urls_of

BOTH = {"": "ldap://a", "branch": "b.toml"}


def test_directories_are_named_with_their_urls() -> None:
    """And keys say whose they are."""
    places = Places(BOTH)
    assert (places.text, set(places.names)) == ("ldap://a, branch=b.toml", {"", "branch"})
    assert [places.directory_of(key) for key in ("k", "branch/k", "other/k")] == ["", "branch", ""]


@pytest.mark.parametrize(
    "urls",
    [
        {},
        {"": "people.toml"},
        {"": "ldap://h/x=y"},
        {"": "people, old and new, of 2012.toml"},
        {"": "a, b.toml", "branch": "c, d.toml"},
        {"branch": "b.toml", "": "people, too.toml"},
        BOTH,
        {"a": "ldap://h", "b": "b=c"},
    ],
)
def test_what_was_kept_as_one_text_is_read(urls: dict[str, str]) -> None:
    """By a server that kept it so."""
    assert urls_of(text_of(urls)) == urls


@pytest.mark.parametrize(
    ("now", "names"),
    [
        (BOTH, set()),
        (dict(reversed(BOTH.items())), set()),
        ({**BOTH, "": "ldap://c"}, {""}),
        ({**BOTH, "c": "c.toml"}, {"c"}),
        ({"": "ldap://a"}, {"branch"}),
        ({"": "ldap://a", "c": "b.toml"}, {"branch", "c"}),
    ],
)
def test_a_directory_is_another_by_its_name_or_its_url(now: dict[str, str], names: set[str]) -> None:
    """Whatever stands beside it, and in whatever order."""
    assert others(BOTH, now) == names


@pytest.mark.parametrize(
    ("before", "now", "names"),
    [
        (BOTH, {"": "ldap://a", "c": "b.toml"}, {"branch": "c"}),
        (BOTH, {"main": "ldap://a", "branch": "b.toml"}, {"": "main"}),
        (BOTH, {"main": "ldap://a", "": "b.toml"}, {}),
        (BOTH, {"": "ldap://a", "c": "c.toml"}, {}),
        ({"a": "ldap://h", "b": "ldap://h"}, {"c": "ldap://h", "d": "ldap://h"}, {}),
        ({"a": "ldap://h"}, {"c": "ldap://h", "d": "ldap://h"}, {}),
        ({"a": "ldap://h", "b": "ldap://h"}, {"c": "ldap://h", "b": "ldap://h"}, {"a": "c"}),
        ({"a": "x", "b": "y"}, {"a": "y", "b": "x"}, {}),
    ],
)
def test_a_directory_with_another_name_is_known_by_its_url(
    before: dict[str, str], now: dict[str, str], names: dict[str, str]
) -> None:
    """Unless it could be one of several, or its name is another's now."""
    assert renamed(before, now) == names


def test_keys_go_along_with_the_name() -> None:
    """Once, however often that is begun; those of other directories stay."""
    keys = ["k", "branch/k", "dn=a/b"]
    named = [renamed_key(key, BOTH, {"": "main"}) for key in keys]
    assert named == ["main/k", "branch/k", "main/dn=a/b"]
    assert [renamed_key(key, BOTH, {"": "main"}) for key in named] == named
    assert [renamed_key(key, BOTH, {"branch": "c"}) for key in keys] == ["k", "c/k", "dn=a/b"]
    assert renamed_key("branch/k", {"branch"}, {"branch": ""}) == "k"
    assert renamed_key("k", {"branch"}, {"branch": ""}) == "k"
