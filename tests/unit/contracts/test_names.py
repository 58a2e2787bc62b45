"""Where text becomes a name: one rule for each kind, and one place."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import lyncpy
from lyncpy.contracts.names import (
    aor_of,
    bare,
    conference_key,
    domain_of,
    epid_of,
    instance_of,
    same_conference,
)
from lyncpy.sip.errors import RemoteProtocolError
from lyncpy.sip.uri import parse_uri
from tests.kit.trees import calls_of

HOUSE = Path(lyncpy.__file__).parent
PLAIN = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.!~*'()&=+$,;?/"
"""All that RFC 3261 §25.1 lets stand in a user part without an escape."""

users = st.text(st.sampled_from(PLAIN + '@:% \x00<"#é'), min_size=1, max_size=12)
"""What somebody may be called, once escapes are undone."""


@pytest.mark.parametrize(
    ("text", "aor"),
    [
        ("sip:anne%2Btest@example.com", "sip:anne+test@example.com"),
        ("anne+test@example.com", "sip:anne+test@example.com"),
        ("sip:r%26d@example.com", "sip:r&d@example.com"),
        ("sip:%62ob@example.com", "sip:bob@example.com"),
        ("sip:%42OB@EXAMPLE.com", "sip:bob@example.com"),
        ("SIPS:Bob@example.com:5061;transport=tls?subject=x", "sip:bob@example.com"),
        ("bob@example.com.", "sip:bob@example.com"),
        ("sip:b%24%3d@example.com", "sip:b$=@example.com"),
        ("sip:a%3Bb@example.com", "sip:a%3bb@example.com"),
        ("sip:a;b@example.com;c=d", "sip:a%3bb@example.com"),
        ("sip:bob%40evil@example.com", "sip:bob%40evil@example.com"),
        ("sip:bob%3Asecret@example.com", "sip:bob%3asecret@example.com"),
        ("sip:bob:secret@example.com", "sip:bob:secret@example.com"),
        ("sip:bob%00@example.com", "sip:bob%00@example.com"),
        ("sip:bob%0a@example.com", "sip:bob%0a@example.com"),
        ("sip:bob%ff@example.com", "sip:bob%ff@example.com"),
        ("sip:m%C3%BCller@example.com", "sip:m%c3%bcller@example.com"),
        ("müller@example.com", "sip:m%c3%bcller@example.com"),
        ("sip:mi\u212ae@example.com", "sip:mi%e2%84%aae@example.com"),
        ("sip:bob@[2001:DB8::1]:5061", "sip:bob@[2001:db8::1]"),
        ("sip:Example.COM;x", "sip:example.com"),
        ("tel:+1-425-555(0100);ext=2", "tel:+14255550100"),
        ("", "sip:"),
    ],
)
def test_an_address_has_one_normal_form(text: str, aor: str) -> None:
    """Escapes that say nothing, letters' case, scheme, port and parameters make nobody another."""
    assert aor_of(text) == aor


@pytest.mark.parametrize("text", ["bob%zz", "bob%", "bob%4", "bob%%62", "%zz", "b%g1ob"])
def test_a_broken_escape_is_nobodys(text: str) -> None:
    """It is refused where a URI is read, and elsewhere equals no address that could be somebody's."""
    with pytest.raises(RemoteProtocolError):
        parse_uri(f"sip:{text}@example.com")
    broken = aor_of(f"sip:{text}@example.com")
    assert aor_of(broken) == broken
    assert broken not in {aor_of(f"sip:{one}@example.com") for one in ("bob", "bob%25zz", "bob%25", "bob%254", "%25zz")}


def test_two_at_signs_are_nobody() -> None:
    """Neither the first nor the last of them makes somebody of it."""
    assert aor_of("bob@evil@example.com") not in (aor_of("bob@example.com"), aor_of("bob%40evil@example.com"))


@st.composite
def spellings(draw: st.DrawFn, user: str) -> str:
    """Write a user's address in one of its ways: escapes where none are needed, letters of either case."""
    parts = []
    for character in user:
        if character not in PLAIN or draw(st.booleans()):
            escapes = "".join(f"%{byte:02x}" for byte in character.encode())
            parts.append(escapes.upper() if draw(st.booleans()) else escapes)
        else:
            parts.append(character.swapcase() if draw(st.booleans()) else character)
    scheme = draw(st.sampled_from(["sip:", "SIP:", "sips:", ""]))
    end = draw(st.sampled_from(["", ";gruu;opaque=user:epid:x", ";a=b", "?x=y"]))
    return f"{scheme}{''.join(parts)}@{draw(st.sampled_from(['example.com', 'Example.COM', 'example.com.']))}{end}"


@given(st.data(), users)
def test_every_way_of_writing_an_address_is_the_same_person(data: st.DataObject, user: str) -> None:
    """And what is written in the normal form is read as itself, with and without its scheme."""
    one, other = data.draw(spellings(user)), data.draw(spellings(user))
    aor = aor_of(one)
    assert aor == aor_of(other) == aor_of(aor) == aor_of(bare(aor))
    assert aor.isascii() and aor == aor.lower() and not set(aor) & set(' <>"\r\n\0')
    if not one.startswith("sips") or ":" in one:
        assert aor_of(parse_uri(one if one[:3].lower() == "sip" and ":" in one[:5] else f"sip:{one}").aor) == aor


@given(st.data(), users, users)
def test_two_people_are_never_one(data: st.DataObject, one: str, other: str) -> None:
    """However their addresses are written: only the letters A to Z have a case."""
    same = one.lower() == other.lower()
    assert (aor_of(data.draw(spellings(one))) == aor_of(data.draw(spellings(other)))) is same


@example(":0.")
@example("a@b:1:2")
@example("a@[b:1")
@given(st.text(max_size=40) | st.text(":.@;[]%0aA ", max_size=12))
def test_any_text_has_a_normal_form(text: str) -> None:
    """There is always an answer, it is its own normal form, and it can be written anywhere."""
    aor = aor_of(text)
    assert aor_of(aor) == aor
    assert not set(aor) & set(' <>"\r\n\0')


def test_an_epid_is_one_in_all_letters_and_told_back_as_written() -> None:
    """[MS-SIPREGE] 2.2.1; UCMA writes capitals."""
    epid = epid_of("6C801B691B")
    assert epid == epid_of("6c801b691b")
    assert {epid: 1}[epid_of("6c801B691b")] == 1
    assert (str(epid), epid.written) == ("6c801b691b", "6C801B691B")


@pytest.mark.parametrize(
    "text",
    [
        "<urn:uuid:0e324752-e1ab-56eb-8f4a-267c85a97459>",
        '"<URN:UUID:0E324752-E1AB-56EB-8F4A-267C85A97459>"',
        "0e324752-E1AB-56eb-8f4a-267c85a97459",
    ],
)
def test_an_instance_is_one_in_all_letters(text: str) -> None:
    """RFC 5626 §4.1: URNs are compared as URNs."""
    assert instance_of(text) == "0e324752-e1ab-56eb-8f4a-267c85a97459"


@pytest.mark.parametrize("text", ["", "<>", "urn:uuid:", "0e324752e1ab56eb8f4a267c85a97459", "<urn:imei:1>", "é" * 36])
def test_what_is_no_uuid_is_no_instance(text: str) -> None:
    """A client that says something else is known by its epid."""
    assert instance_of(text) == ""


def test_a_conference_id_is_one_in_all_letters() -> None:
    """People read them to each other."""
    assert same_conference("AB12CD34", "ab12cd34")
    assert conference_key("AB12CD34") == conference_key("Ab12cD34")


@pytest.mark.parametrize("text", ["Example.COM", "example.com.", "example.com"])
def test_a_domain_has_one_normal_form(text: str) -> None:
    """RFC 3261 §25.1: a host may end with a dot."""
    assert domain_of(text) == "example.com"


# --- nowhere else


MAKERS = ("Aor", "Epid", "Instance", "ConferenceId")
PARTS = ("aor", "address", "epid", "instance", "uri", "host", "domain", "organizer", "conference", "tag")
ELSEWHERE = {
    # The whole expression → why its letters are no name.
    "settings.netbios_domain or domain.partition('.')[0].upper()": "a NetBIOS name, which is written in capitals",
    "domain.partition('.')[0]": "the same",
    "socket.gethostname()": "a name for a certificate",
    "socket.getfqdn()": "the same",
    "tag.strip()": "an option tag of Supported, a token",
    "host[1]": "the name in an HTTP request, compared with those of this server",
    "parts.hostname or ''": "the host of a link, compared with that of a request",
    "uri[:4]": "a scheme, for a signature",
    "uri.opaque": "the name of a service: letters of either case (RFC 3261 §19.1.4)",
    "parsed.opaque": "the same",
    "device.endpoint_id": "presence: a device's own word for itself, told to watchers",
    "domain.strip()": "a NetBIOS or DNS domain of a login, which is no address",
    "address": "a fragment to find in a sentence of `directory skipped`",
}


def _calls() -> Iterator[tuple[str, ast.Call]]:
    for path in sorted(HOUSE.rglob("*.py")):
        where = path.relative_to(HOUSE).as_posix()
        if where not in ("contracts/names.py", "sip/uri.py"):
            yield from ((where, call) for call in calls_of(path))


@pytest.mark.untraced
def test_names_are_made_in_one_place() -> None:
    """Whoever casts text to a name skips the rule. "" is the name of nothing."""
    found = [
        f"{where}:{node.lineno} {ast.unparse(node)}"
        for where, node in _calls()
        if (
            (isinstance(node.func, ast.Name) and node.func.id in MAKERS and not _is_nothing(where, node))
            or any(isinstance(arg, ast.Name) and arg.id in MAKERS for arg in node.args[:1] if _is_map(node))
        )
    ]
    assert found == []


def _is_map(node: ast.Call) -> bool:
    return isinstance(node.func, ast.Name) and node.func.id == "map"


def _is_nothing(where: str, node: ast.Call) -> bool:
    if where.startswith("workloads/presence") and isinstance(node.func, ast.Name) and node.func.id == "Instance":
        return True  # a publication's: another thing, which has the name that [MS-PRES] gives it
    return len(node.args) == 1 and isinstance(node.args[0], ast.Constant)


@pytest.mark.untraced
def test_nobody_else_looks_at_the_case_of_a_name() -> None:
    """A second rule of how to compare addresses, epids or hosts would be another one some day."""
    found = [
        f"{where}:{node.lineno} {ast.unparse(node)}"
        for where, node in _calls()
        if isinstance(node.func, ast.Attribute)
        and node.func.attr in ("lower", "casefold", "upper")
        and any(part in ast.unparse(node.func.value).lower() for part in PARTS)
        and ast.unparse(node.func.value) not in ELSEWHERE
    ]
    assert found == []
