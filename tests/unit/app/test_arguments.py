"""A command finds the settings: those that it is told, else those of the environment, else those that lie here."""

from pathlib import Path

import pytest

from lyncpy.app.cli import command_line


@pytest.mark.parametrize(
    ("words", "environment", "file"),
    [
        (["check", "/a/b.toml"], "/c/d.toml", "/a/b.toml"),
        (["check"], "/c/d.toml", "/c/d.toml"),
        (["check"], "", "lyncpy.toml"),
        (["doctor", "user", "/a/b.toml", "alice@example.com"], "/c/d.toml", "/a/b.toml"),
        (["doctor", "user", "alice@example.com"], "/c/d.toml", "/c/d.toml"),
    ],
)
def test_the_settings_are_found(monkeypatch: pytest.MonkeyPatch, words: list[str], environment: str, file: str) -> None:
    """Who installed a package types no path."""
    monkeypatch.setenv("LYNCPY_CONFIG", environment)
    assert command_line().parse_args(words).file == Path(file)


def test_so_are_those_of_an_option(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same for `ctl`, `backup` and all that takes --config."""
    monkeypatch.setenv("LYNCPY_CONFIG", "/c/d.toml")
    assert command_line().parse_args(["user", "list"]).config == Path("/c/d.toml")
    assert command_line().parse_args(["ctl", "-c", "/a/b.toml", "status"]).config == Path("/a/b.toml")
