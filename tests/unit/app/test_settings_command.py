"""An operator sees each setting as it is in force, where it comes from, and no secret."""

from pathlib import Path

import pytest

from lyncpy.app.config import load
from lyncpy.app.log_levels import ChosenLevel, LogLevels
from lyncpy.app.settings_command import SettingsCommand
from lyncpy.contracts.workload import CommandCall, CommandFailed
from tests.kit.results import answer_of

TEXT = """
[sip]
domain = "contoso.test"
tls_port = 5062

[directory]
url = "ldaps://ldap.contoso.test"
bind_dn = "cn=reader"
bind_password_file = "hunter2"

[policies.sales]
members = ["alice@contoso.test"]
archive_internal = true
"""


def rows_of(tmp_path: Path, part: str = "") -> dict[str, tuple[object, object]]:
    """Give value and source of each setting that is shown."""
    file = tmp_path / "lyncpy.toml"
    file.write_text(TEXT)
    config = load(file, ["sip.tls_port=5063", "log.level=debug"])
    table = answer_of(
        SettingsCommand(config, LogLevels("debug")).shown(CommandCall({"part": part} if part else {}, {}))
    )
    return {f"[{section}] {key}": (value, source) for section, key, value, source in table.rows}


def test_each_setting_has_its_value_and_where_it_comes_from(tmp_path: Path) -> None:
    """What the command line says stands before what the file says, and that before the default."""
    rows = rows_of(tmp_path)
    assert rows["[sip] domain"] == ('"contoso.test"', "lyncpy.toml")
    assert rows["[sip] tls_port"] == ("5063", "command line")
    assert rows["[log] level"] == ('"debug"', "command line")
    assert rows["[pool] lease_s"] == ("5.0", "default")
    assert rows["[policies] sales"][1] == "lyncpy.toml"
    assert len(rows) > 150


def test_no_password_is_shown(tmp_path: Path) -> None:
    """Nor what is in the place of its file, for somebody may have written it there."""
    rows = rows_of(tmp_path)
    assert rows["[directory] url"] == ("(not shown)", "lyncpy.toml")
    assert rows["[store] url"][1] == "default"
    assert "hunter2" not in str(rows)


def test_a_part_of_the_name_is_enough(tmp_path: Path) -> None:
    """And what nobody has heard of is an error, no empty table."""
    assert list(rows_of(tmp_path, "tls_port")) == ["[sip] tls_port"]
    with pytest.raises(CommandFailed, match="no setting is called like"):
        rows_of(tmp_path, "tls_prot")


def test_what_an_operator_has_the_log_say_is_shown(tmp_path: Path) -> None:
    """With who it was, and until when; the setting's own line too."""
    file = tmp_path / "lyncpy.toml"
    file.write_text(TEXT)
    levels = LogLevels("info")
    levels.choose("im", ChosenLevel("debug", "anna", 60.0))
    table = answer_of(SettingsCommand(load(file, []), levels).shown(CommandCall({"part": "[log] level"}, {})))
    assert [row[1:] for row in table.rows] == [
        ("level", '"info"', "default"),
        ("level of im", '"debug"', "log level, by anna, until 1970-01-01T00:01:00Z"),
    ]
