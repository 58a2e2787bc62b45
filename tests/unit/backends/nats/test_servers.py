"""Which server is tried next, how it is approached, and after which pause."""

from pathlib import Path

import pytest

from lyncpy.backends.nats.address import ServerAddress
from lyncpy.backends.nats.credentials import Credentials, SecretUnusable
from lyncpy.backends.nats.servers import PAUSE_MOST_S, PAUSE_S, Servers
from lyncpy.backends.nats.settings import Settings
from lyncpy.contracts.names import NodeName
from tests.unit.backends.nats.test_credentials import PUBLIC, SEED


def servers(url: str, folder: Path = Path()) -> Servers:
    """Give those of a url."""
    return Servers(NodeName("here"), Settings(url=url), folder)


def test_each_is_tried_before_a_pause() -> None:
    """Those of the url, and those that were told; what is told later replaces what was told."""
    one = servers("nats://a,b")
    one.told(["c:1", "a:4222", "nats 1", "a..b"], are_vouched=True)
    assert one.known == (ServerAddress("a", 4222), ServerAddress("b", 4222), ServerAddress("c", 1))
    assert one.is_round_over
    tried = []
    for _ in one.known:
        tried.append(one.next())
    assert one.is_round_over and set(tried) == set(one.known)
    one.told([], are_vouched=True)
    one.next()
    assert not one.is_round_over
    one.begin_anew()
    assert one.is_round_over and len(one.known) == 2


def test_a_pause_grows_until_a_connection_has_held() -> None:
    """It has a bound."""
    one = servers("nats://a")
    pauses = [one.pause() for _ in range(10)]
    assert PAUSE_S / 2 <= pauses[0] <= PAUSE_S
    assert 4 * PAUSE_S / 2 <= pauses[2] <= 4 * PAUSE_S
    assert PAUSE_MOST_S / 2 <= pauses[-1] <= PAUSE_MOST_S
    one.held()
    assert one.pause() <= PAUSE_S


def test_the_files_are_read_for_each_connection(tmp_path: Path) -> None:
    """They may have been changed; what is wrong with one is said with its setting, and nothing of it."""
    one = Servers(NodeName("here"), Settings(url="nats://u@a", password_file="password"), tmp_path)
    file = tmp_path / "password"
    for text in ("first", "second"):
        file.write_text(f"{text}\n")
        assert one.approach(one.next())().terms.credentials == Credentials("u", text)
    file.write_bytes(b"s\xe4cret")
    with pytest.raises(SecretUnusable, match=r"password \(\[bus\] password_file\) cannot be used: .*UTF-8") as refused:
        one.approach(one.next())()
    assert "cret" not in str(refused.value)
    file.unlink()
    with pytest.raises(SecretUnusable, match="cannot be read: No such file"):
        one.approach(one.next())()


def test_an_nkey_is_read_or_refused(tmp_path: Path) -> None:
    """With its file and setting."""
    one = Servers(NodeName("here"), Settings(url="nats://a?tls=first", nkey_file="nkey"), tmp_path)
    (tmp_path / "nkey").write_text(SEED)
    terms = one.approach(one.next())().terms
    assert terms.credentials.nkey is not None and terms.credentials.nkey.public == PUBLIC and terms.tls_first
    (tmp_path / "nkey").write_text("SUAA")
    with pytest.raises(SecretUnusable, match=r"nkey \(\[bus\] nkey_file\) cannot be used: the seed has"):
        one.approach(one.next())()


@pytest.mark.parametrize(
    ("told", "are_vouched", "names"),
    [
        ("a", True, "a"),
        ("a", False, "a"),
        ("10.0.0.3", True, "10.0.0.3 or a or b or 10.0.0.1"),
        ("10.0.0.3", False, "a or b or 10.0.0.1"),
        ("evil.example.com", True, "evil.example.com or a or b or 10.0.0.1"),
        ("evil.example.com", False, "a or b or 10.0.0.1"),
    ],
)
def test_a_certificate_is_for_one_of_those_that_the_operator_named(told: str, are_vouched: bool, names: str) -> None:
    """Or for its own name, where nobody on the way could have told it."""
    one = servers("nats://a,b,10.0.0.1")
    one.told([told], are_vouched=are_vouched)
    assert one.approach(ServerAddress(told, 4222))().checked().names == names
