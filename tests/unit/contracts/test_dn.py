"""When two ways of writing a DN are the same."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lyncpy.contracts.dn import place_of


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("CN=Team,OU=Groups,DC=x", "cn=team,ou=groups,dc=X"),
        ("cn = Team , dc = x", "CN=Team,DC=x"),
        ("cn=Team;dc=x", "cn=Team,dc=x"),
        (r"cn=Meier\, Anna,dc=x", r"CN=Meier\2C Anna,DC=x"),
        (r'cn="Meier, Anna",dc=x', r"cn=Meier\, Anna,dc=x"),
        ("cn=Anna  Meier,dc=x", "cn=anna meier,dc=x"),
        (r"cn=\ Anna\20,dc=x", "cn=Anna,dc=x"),
        (r"CN=Lu\C4\8Di\C4\87,dc=x", "cn=Lučić,dc=x"),
        (r"CN=Lu\c4\8di\C4\87,dc=x", "cn=LUČIĆ,dc=x"),
        ("cn=Luc\u030cic\u0301,dc=x", "cn=Lučić,dc=x"),
        ("cn=#04024869,dc=x", "cn=Hi,dc=x"),
        ("cn=#0C024869,dc=x", "cn=hi,dc=x"),
        ("cn=a+uid=b,dc=x", "UID=b + cn=A,dc=x"),
        ("2.5.4.3=a,0.9.2342.19200300.100.1.25=x", "cn=a,dc=x"),
        ("OID.2.5.4.3=a,dc=x", "commonName=a,domainComponent=x"),
        (r"cn=a\=b,dc=x", "cn=a=b,dc=x"),
        (r"cn=a\#b,dc=x", "cn=a#b,dc=x"),
    ],
)
def test_ways_of_writing_one_name(one: str, other: str) -> None:
    """RFC 4514, and what RFC 2253 let servers write."""
    assert place_of(one) == place_of(other)
    assert place_of(place_of(one)) == place_of(one)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (r"cn=a\,ou=b,dc=x", "cn=a,ou=b,dc=x"),
        (r"cn=a\+uid=b,dc=x", "cn=a+uid=b,dc=x"),
        (r"cn=\#04024869,dc=x", "cn=#04024869,dc=x"),
        ("cn=a,dc=x", "cn=a,dc=x,dc=y"),
        ("cn=a,ou=b,dc=x", "ou=b,cn=a,dc=x"),
        (r"cn=a\\,dc=x", r"cn=a,dc=x"),
        ("cn=ab,dc=x", "cn=a b,dc=x"),
    ],
)
def test_what_is_another_name(one: str, other: str) -> None:
    """An escape says that a sign separates nothing."""
    assert place_of(one) != place_of(other)


@pytest.mark.parametrize("text", ["people.toml [alice]", "", "Engineering", "cn", "=x", "a b"])
def test_what_is_no_dn_is_compared_as_text(text: str) -> None:
    """A people file has places too."""
    assert place_of(f" {text.upper()} ") == place_of(text) == text.lower()


values = st.text(st.characters(blacklist_categories=["Cs"]), min_size=1, max_size=8)


def _escaped(value: str, style: str) -> str:
    if style == "hex":
        return "".join(f"\\{byte:02X}" for byte in value.encode())
    if style == "ber":
        encoded = value.encode()
        return f"#0c{len(encoded):02x}{encoded.hex()}"
    text = "".join(f"\\{c}" if c in '\\,+;"<>=' else f"\\{ord(c):02x}" if ord(c) < 32 else c for c in value)
    text = f"\\{text}" if text[0] in "# " else text
    return f"{text[:-1]}\\ " if text[-1] == " " and text[-2:] != "\\ " else text


@given(st.lists(values, min_size=1, max_size=3), st.data())
def test_every_way_to_escape_values_is_one_name(parts: list[str], data: st.DataObject) -> None:
    """Hexadecimal, with backslashes, or BER; and its normal form is its own."""
    styles = st.sampled_from(["hex", "ber", "plain"])
    one, other = (",".join(f"cn={_escaped(part, data.draw(styles))}" for part in parts) for _ in range(2))
    assert place_of(one) == place_of(other)


@given(st.text(max_size=60))
def test_any_text_has_a_place(text: str) -> None:
    """Nothing that a directory writes stops a pull."""
    assert isinstance(place_of(text), str)
