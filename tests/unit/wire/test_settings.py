"""The section [sip]."""

import pytest
from pydantic import ValidationError

from lyncpy.wire.settings import Settings


def test_only_the_domain_has_to_be_given() -> None:
    """A file that says nothing but the domain makes a server that listens with TLS on 5061."""
    settings = Settings(domain="example.com")
    assert (settings.tls_port, settings.tls_minimum, settings.tcp_host) == (5061, "1.2", "127.0.0.1")


def test_the_server_is_named_after_its_domain() -> None:
    """Who gives no server name gets the one that clients look up first."""
    assert Settings(domain="example.com").server_name == "sip.example.com"
    assert Settings(domain="example.com", server_name="chat.example.com").server_name == "chat.example.com"


def test_there_may_be_several_domains() -> None:
    """Each once, in their normal form; clients of each find the server under a name of their own."""
    settings = Settings(domain="Example.com", domains=("example.org", "EXAMPLE.com", "sub.example.com"))
    assert settings.all_domains == ("example.com", "example.org", "sub.example.com")
    assert [settings.name_for(domain) for domain in settings.all_domains] == [
        "sip.example.com",
        "sip.example.org",
        "sip.sub.example.com",
    ]
    named = Settings(domain="example.com", domains=("example.org",), server_name="Chat.Example.org")
    assert {named.name_for(domain) for domain in named.all_domains} == {"chat.example.org"}
    with pytest.raises(ValidationError, match=r"domains"):
        Settings(domain="example.com", domains=("no domain",))


def test_refuses_plain_text_beyond_loopback() -> None:
    """A port without TLS that others reach has to be asked for in so many words."""
    with pytest.raises(ValidationError, match="tcp_beyond_loopback"):
        Settings(domain="example.com", tcp_host="0.0.0.0")
    with pytest.raises(ValidationError, match="tcp_beyond_loopback"):
        Settings(domain="example.com", tcp_host="a name")
    assert Settings(domain="example.com", tcp_host="0.0.0.0", tcp_beyond_loopback=True).tcp_beyond_loopback
    assert Settings(domain="example.com", tcp_host="0.0.0.0", tcp_port=0).tcp_port == 0


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.5", "::1", "localhost"])
def test_takes_every_loopback_address(host: str) -> None:
    """Loopback needs no permission."""
    assert Settings(domain="example.com", tcp_host=host).tcp_host == host


def test_refuses_what_it_does_not_know() -> None:
    """A misspelt key, an old TLS version or a port out of range is an error, not a default."""
    for wrong in ({"tls_prot": 1}, {"tls_minimum": "0.9"}, {"tls_port": 70000}, {"domain": "no domain"}):
        with pytest.raises(ValidationError):
            Settings.model_validate({"domain": "example.com", **wrong})
    with pytest.raises(ValidationError):
        Settings.model_validate("example.com")


def test_every_setting_has_its_sentence() -> None:
    """The sentence below each field is the one an operator reads in the sample file."""
    for name, field in Settings.model_fields.items():
        assert field.description and field.description.endswith("."), name
