"""What the words of `lyncpy probe` have to be; nobody is asked here."""

from pathlib import Path

import pytest

from lyncpy.app.cli import main
from lyncpy.app.probe_command import PASSWORD


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["signin", "--server", "x"], "--user is missing"),
        (["signin", "--server", "x", "--user", "alice"], "is no address"),
        (["signin", "--server", "x:y", "--user", "a@b"], "is no HOST:PORT"),
        (["signin", "--server", "[::1", "--user", "a@b", "--ca", "/nowhere"], "--ca /nowhere cannot be used"),
        (["im", "--server", "[::1]:5061", "--user", "a@b"], "--peer is missing"),
        (["signin", "--server", "x", "--user", "a@b", "--password-file", "/nowhere"], "/nowhere cannot be read"),
    ],
)
def test_what_is_missing_is_unknown_and_told(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Status 3: the probe is set up wrongly, and says nothing of the server."""
    monkeypatch.setenv(PASSWORD, "secret")
    assert main(["probe", *words]) == 3
    line = capsys.readouterr().out
    assert " UNKNOWN - " in line
    assert said in line
    assert "secret" not in line


def test_there_is_no_probe_without_a_password(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """It is in a file that nobody else reads, or in a variable; never on the command line."""
    monkeypatch.delenv(PASSWORD, raising=False)
    ask = ["probe", "signin", "--server", "x", "--user", "a@b"]
    assert main(ask) == 3
    assert f"set ${PASSWORD}" in capsys.readouterr().out
    file = tmp_path / "password"
    file.write_text("secret\n")
    file.chmod(0o644)
    assert main([*ask, "--password-file", str(file)]) == 3
    assert f"others can read {file}; chmod 600 {file}" in capsys.readouterr().out
    file.chmod(0o600)
    file.write_bytes(b"\xff\xfe")
    assert main([*ask, "--password-file", str(file)]) == 3
    assert "no text in UTF-8" in capsys.readouterr().out


def test_a_ticket_needs_no_password(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor does who leaves it to the probe; whatever is missing else is told."""
    monkeypatch.delenv(PASSWORD, raising=False)
    for scheme in ("kerberos", "auto"):
        words = ["probe", "im", "--server", "x", "--user", "a@b", "--scheme", scheme]
        assert main(words) == 3
        assert "--peer is missing" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        main(["probe", "im", "--server", "x", "--scheme", "certificate"])


@pytest.mark.parametrize("seconds", ["soon", "0", "-1", "100000"])
def test_a_time_is_a_number_of_seconds(seconds: str, capsys: pytest.CaptureFixture[str]) -> None:
    """As argparse says it."""
    with pytest.raises(SystemExit):
        main(["probe", "signin", "--server", "x", "--timeout", seconds])
    assert "is no number of seconds" in capsys.readouterr().err


def test_samples_that_cannot_be_written_are_unknown(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A collector that reads nothing has to be noticed."""
    monkeypatch.setenv(PASSWORD, "secret")
    ask = ["probe", "signin", "--server", "x:y", "--user", "a@b", "--prometheus"]
    assert main([*ask, str(tmp_path / "no" / "file.prom")]) == 3
    assert "cannot be written" in capsys.readouterr().out
    assert main([*ask, str(tmp_path / "file.prom")]) == 3
    assert 'lyncpy_probe_success{probe="signin",server="x:y"} 0' in (tmp_path / "file.prom").read_text()
    capsys.readouterr()
    assert main([*ask, "-"]) == 3
    assert capsys.readouterr().out.startswith("# HELP lyncpy_probe_success")
