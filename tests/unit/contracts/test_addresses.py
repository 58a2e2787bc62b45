"""Which text is an address of this server's people."""

import pytest

from lyncpy.contracts.addresses import BadDirectoryEntry, address_of
from lyncpy.sip.text import shown


@pytest.mark.parametrize("text", ["sip:Alice@Example.com", "alice@example.COM", " SIP:alice@example.com;x=y "])
def test_an_address_is_the_same_however_it_is_written(text: str) -> None:
    """With or without sip:, in either case, it is one address."""
    assert address_of(text, ("example.com",)) == "sip:alice@example.com"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "alice",
        "@example.com",
        "a b@example.com",
        'a"b@example.com',
        "a<b@example.com",
        "a@b@example.com",
        "x" * 300 + "@example.com",
    ],
)
def test_text_that_is_no_address_is_named(text: str) -> None:
    """The reason quotes what stands in the directory."""
    with pytest.raises(BadDirectoryEntry, match="not of the form"):
        address_of(text, ("example.com",))


@pytest.mark.parametrize("user", ["+14255550100", "_ops", ".dot.", "a..b", "r&d", "o'neil", "x(1)", "a=b$c~!*", "-"])
def test_what_rfc_3261_allows_is_taken(user: str) -> None:
    """Also at the beginning, also at the end."""
    assert address_of(f"{user}@example.com", ("example.com",)) == f"sip:{user}@example.com"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("sip:bob%40evil@example.com", "not @"),
        ("bob%2fx@example.com", "not /"),
        ("a;b@example.com", "not ;"),
        ("müller@example.com", "not ü"),
        ("bob%0a@example.com", r"not U\+000A"),
        ("bob%zz@example.com", "two hexadecimal digits"),
        ("bob:secret@example.com", "a : nowhere"),
    ],
)
def test_what_clients_cannot_have_is_refused_with_the_reason(text: str, reason: str) -> None:
    """Whoever reads `directory skipped` knows which character it is."""
    with pytest.raises(BadDirectoryEntry, match=f"not of the form sip:user@domain: .*{reason}"):
        address_of(text, ("example.com",))


@pytest.mark.parametrize("text", ["sip:anne%2Btest@example.com", "Anne+Test@example.com"])
def test_an_escape_that_says_nothing_is_undone(text: str) -> None:
    """RFC 3261 §19.1.4."""
    assert address_of(text, ("example.com",)) == "sip:anne+test@example.com"


def test_an_address_of_another_domain_is_named_with_the_setting() -> None:
    """An operator sees which domain is served."""
    with pytest.raises(BadDirectoryEntry, match=r'not in the domain "example.com" \(\[sip\] domain\)'):
        address_of("alice@example.org", ("example.com",))


def test_an_address_may_be_of_any_of_our_domains() -> None:
    """Where it is in none, all of them are named."""
    ours = ("example.com", "example.org")
    assert [address_of(f"SIP:Alice@{domain.upper()}", ours) for domain in ours] == [f"sip:alice@{one}" for one in ours]
    with pytest.raises(
        BadDirectoryEntry, match=r'none of the domains "example.com, example.org" \(\[sip\] domain, domains\)'
    ):
        address_of("alice@sub.example.org", ours)


def test_shown_text_cannot_move_a_terminals_cursor() -> None:
    """Escape sequences from a directory reach no terminal, and no sentence grows without bound."""
    assert shown("a\x1b[2Jb") == "a?[2Jb"
    assert len(shown("x" * 500)) == 80
