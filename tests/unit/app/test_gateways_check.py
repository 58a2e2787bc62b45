"""What `lyncpy check` asks about gateways."""

from pathlib import Path

import pytest

from lyncpy.app.cli import main
from lyncpy.app.config import load
from lyncpy.app.gateways_check import UNANSWERED_MOST, gateway_findings


def asked_about(home: Path, *addresses: str) -> list[str]:
    """Give the sentences about gateways at these addresses, where no name is known but good.example.com."""
    assert main(["init", str(home), "--set", "sip.domain=example.com"]) == 0
    file = home / "lyncpy.toml"
    tables = (f'[voice.gateways.g{number}]\naddress = "{one}"\n' for number, one in enumerate(addresses))
    _ = file.write_text("\n".join((file.read_text(), *tables)))

    def look_up(name: str) -> None:
        if name != "good.example.com":
            raise OSError(-2, "Name or service not known")

    return [one.sentence for one in gateway_findings(load(file), look_up)]


@pytest.mark.parametrize("address", ["192.0.2.1", "2001:db8::1", "good.example.com"])
def test_where_it_is_is_known(tmp_path: Path, address: str) -> None:
    """By its address, or by DNS: nothing is said."""
    assert asked_about(tmp_path / "home", address) == []


def test_a_resolver_that_knows_nothing_is_not_asked_for_all(tmp_path: Path) -> None:
    """Each name may take seconds."""
    told = asked_about(tmp_path / "home", *(f"g{number}.example.com" for number in range(9)))
    assert len(told) == UNANSWERED_MOST + 1
    assert "g0.example.com has no address here (Name or service not known)" in told[0]
    assert "were not asked for" in told[-1]
