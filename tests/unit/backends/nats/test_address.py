"""Urls of [bus], and places that a server tells."""

import pytest
from pydantic import ValidationError

from lyncpy.backends.nats.address import ServerAddress, bus_of, place_of
from lyncpy.backends.nats.settings import Settings


def test_a_url_names_servers_and_a_user() -> None:
    """The usual port may be left out."""
    bus = bus_of("nats://lync%40py@a.example.com,[2001:db8::1]:4333,127.0.0.1/?tls=first")
    assert (bus.user, bus.tls) == ("lync@py", "first")
    assert [str(place) for place in bus.places] == ["a.example.com:4222", "[2001:db8::1]:4333", "127.0.0.1:4222"]


@pytest.mark.parametrize(
    ("url", "place", "needed"),
    [
        ("nats://a", ServerAddress("nats.example.com", 1), True),
        ("nats://a", ServerAddress("192.0.2.1", 1), True),
        ("nats://a", ServerAddress("127.0.0.2", 1), True),
        ("nats://a", ServerAddress("localhost", 1), True),
        ("nats://127.0.0.2:1", ServerAddress("127.0.0.2", 1), False),
        ("nats://[::1]:1", ServerAddress("::1", 1), False),
        ("nats://localhost:1", ServerAddress("localhost", 1), False),
        ("nats://127.0.0.1", ServerAddress("127.0.0.1", 9999), False),
        ("nats://localhost,a", ServerAddress("127.0.0.2", 1), False),
        ("nats://a?tls=always", ServerAddress("127.0.0.1", 1), True),
        ("nats://a?tls=first", ServerAddress("localhost", 1), True),
    ],
)
def test_tls_is_needed_beyond_this_machine(url: str, place: ServerAddress, needed: bool) -> None:
    """And where the operator says so. A server elsewhere that tells of one here does not mean this machine."""
    assert bus_of(url).needs_tls(place) is needed


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("a", ("a", 4222)),
        ("a:1", ("a", 1)),
        ("[::1]:7", ("::1", 7)),
        ("[::1]", ("::1", 4222)),
        ("", None),
        (":1", None),
        ("a:", ("a", 4222)),
        ("a:0", None),
        ("a:65536", None),
        ("a:1" + "0" * 5000, None),
        ("a:b", None),
        ("[::1", None),
        ("[::1]7", None),
        ("[a]:7", None),
        ("a b", None),
        ("a" * 254, None),
        ("ä", None),
        ("²", None),
        ("nats_1", ("nats_1", 4222)),
        ("a.b.", ("a.b.", 4222)),
        ("ab--cd", ("ab--cd", 4222)),
        ("a" * 63, ("a" * 63, 4222)),
        ("a" * 64, None),
        ("a..b", None),
        (".a", None),
        ("-x", None),
        ("x-.a", None),
    ],
)
def test_a_place_is_read_or_is_none(text: str, place: tuple[str, int] | None) -> None:
    """Servers tell them too."""
    assert place_of(text) == place


@pytest.mark.parametrize(
    ("host", "is_plain"),
    [("nats_1", True), ("ab--cd.a", True), ("a", False), ("xn--mnchen-3ya.de", False), ("127.0.0.1", False)],
)
def test_names_that_idna_refuses_are_known(host: str, is_plain: bool) -> None:
    """Container networks give such: they are looked up as they stand."""
    assert ServerAddress(host, 1).is_plain_name is is_plain


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"url": "redis://a"}, "must be"),
        ({"url": "nats://"}, "must be"),
        ({"url": "nats://@a"}, "must be"),
        ({"url": "nats://a/b"}, "must be"),
        ({"url": "nats://a:x"}, "must name servers"),
        ({"url": "nats://a..b"}, "must name servers"),
        ({"url": "nats://u:s3cret@a"}, "must hold no password"),
        ({"url": "nats://a?tls=off"}, "has an option"),
        ({"url": "nats://a?x"}, "has an option"),
        ({"url": "nats://u@a"}, "belong together"),
        ({"url": "nats://a", "password_file": "p"}, "belong together"),
        ({"url": "nats://u@a", "nkey_file": "n"}, "in place of"),
        ({"subject": "a b"}, "one to four words"),
        ({"subject": "a.>"}, "one to four words"),
    ],
)
def test_settings_that_cannot_be_are_refused(given: dict[str, str], words: str) -> None:
    """With what to do, and without a password that stands there."""
    with pytest.raises(ValidationError, match=words) as refused:
        Settings(**given)  # type: ignore[arg-type]  # that is the point
    assert "s3cret" not in str(refused.value.errors()[0]["msg"])


def test_settings_that_can_be_are_taken() -> None:
    """Alone, with a password, with an nkey, or with neither."""
    assert Settings().is_memory
    for given in (
        {"url": "nats://a"},
        {"url": "nats://u@a,b", "password_file": "p"},
        {"url": "nats://a", "nkey_file": "n", "subject": "a.b"},
    ):
        assert not Settings(**given).is_memory  # type: ignore[arg-type]  # text alone
