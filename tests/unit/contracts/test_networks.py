"""Hosts and ports as they are written, and which host is this machine."""

import pytest

from lyncpy.contracts.networks import host_and_port, is_loopback


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.9.8.7", "::1", "::ffff:127.0.0.1"])
def test_this_machine_is_known(host: str) -> None:
    """By its name or any of its addresses."""
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host",
    ["", "127.example.com", "127.0.0.1.example.com", "localhost.example.com", "192.0.2.1", "0.0.0.0", "::", "127.1"],
)
def test_what_only_looks_like_this_machine_is_another(host: str) -> None:
    """A name that begins as an address does is anybody's to register."""
    assert not is_loopback(host)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a", ("a", None)),
        ("a:", ("a", None)),
        ("a:1", ("a", 1)),
        ("[::1]:65535", ("::1", 65535)),
        ("[::1]", ("::1", None)),
        ("", None),
        (":1", None),
        ("a:0", None),
        ("a:65536", None),
        ("a:1" + "0" * 5000, None),
        ("a:²", None),
        ("a:b:1", None),
        ("[::1", None),
        ("[::1]7", None),
        ("[a]:7", None),
    ],
)
def test_a_host_with_its_port_is_read_or_is_none(text: str, found: tuple[str, int | None] | None) -> None:
    """An address with colons stands in brackets."""
    assert host_and_port(text) == found
