"""URIs: what they say and when they are the same."""

import pytest

from lyncpy.sip.errors import RemoteProtocolError
from lyncpy.sip.uri import Uri, device_key, parse_uri


@pytest.mark.parametrize(
    ("text", "uri"),
    [
        ("sip:alice@contoso.test", Uri("sip", "alice", "contoso.test")),
        ("SIPS:Alice:secret@[2001:db8::1]:5061", Uri("sips", "Alice:secret", "[2001:db8::1]", 5061)),
        (
            "sip:127.0.0.1:46844;transport=tcp;ms-opaque=d3",
            Uri("sip", None, "127.0.0.1", 46844, {"transport": "tcp", "ms-opaque": "d3"}),
        ),
        ("sip:a;x=1?b@my_host.test;LR?h=1", Uri("sip", "a;x=1?b", "my_host.test", None, {"lr": ""}, "h=1")),
        ("sip:h;a=1;;a=2", Uri("sip", None, "h", None, {"a": "1"})),
        ("tel:+1-555-0100;ext=7", Uri("tel", "+1-555-0100", "", None, {"ext": "7"})),
    ],
)
def test_a_uri_is_read(text: str, uri: Uri) -> None:
    """Each part is found; the user part may hold what elsewhere separates."""
    assert parse_uri(text) == uri


@pytest.mark.parametrize(
    "text",
    [
        "",
        "alice",
        "sip:",
        "sip:@host",
        "sip:a@",
        "sip:a@b@c",
        "sip:a@b c",
        "sip:<a@b>",
        "sip:a@b:",
        "sip:a@b:x",
        "sip:a@b:99999",
        "sip:a@b:²",
        "sip:[::1",
        "sip:a@-b",
        "sip:" + "a" * 256,
        "1x:y",
    ],
)
def test_what_is_no_uri_is_refused(text: str) -> None:
    """Text that is no URI is the sender's fault."""
    with pytest.raises(RemoteProtocolError) as error:
        parse_uri(text)
    assert error.value.status == 400


def test_an_unknown_scheme_is_told_apart() -> None:
    """A URI of another kind is refused as such."""
    with pytest.raises(RemoteProtocolError) as error:
        parse_uri("mailto:alice@contoso.test")
    assert error.value.status == 416


@pytest.mark.parametrize(
    ("text", "aor"),
    [
        ("SIPS:Alice@Contoso.Test:5061;opaque=user:epid:x;gruu", "sip:alice@contoso.test"),
        ("sip:%61lice@contoso.test", "sip:alice@contoso.test"),
        ("sip:j%40d@contoso.test", "sip:j%40d@contoso.test"),
        ("sip:Contoso.Test", "sip:contoso.test"),
        ("tel:+1-555-(01)00;ext=7", "tel:+15550100"),
    ],
)
def test_the_address_of_record_is_what_does_not_vary(text: str, aor: str) -> None:
    """However a user is written, he is one user."""
    assert parse_uri(text).aor == aor


def test_a_gruu_names_what_it_is_for() -> None:
    """A service's URI says which service."""
    uri = parse_uri("sip:alice@contoso.test;gruu;opaque=app:conf:focusfactory")
    assert uri.is_gruu
    assert uri.opaque == "app:conf:focusfactory"
    assert uri.param("GRUU") == ""
    assert uri.param("lr") is None
    assert str(uri) == "sip:alice@contoso.test;gruu;opaque=app:conf:focusfactory"
    assert parse_uri("sip:a@b").opaque == ""


@pytest.mark.parametrize("text", ["sip:a@b:5060;lr?x=y", "sip:b", "tel:+1;ext=2", "sips:a;b@[::1]:1;transport=tcp"])
def test_a_uri_is_written_as_it_was(text: str) -> None:
    """Writing a plain URI gives the text it came from."""
    assert str(parse_uri(text)) == text


def test_equal_uris_have_one_place_in_a_set() -> None:
    """URIs can be members of sets."""
    assert len({parse_uri("sip:a@b;x=1"), parse_uri("sip:a@b;x=1")}) == 1


GRUU = "sip:alice@example.com;opaque=user:epid:21nYNIVlkV-jtN6FPBU0fQAA;gruu"


@pytest.mark.parametrize(
    ("text", "key"),
    [
        (GRUU, GRUU),
        ("sip:alice@example.com;gruu;opaque=user:epid:21nYNIVlkV-jtN6FPBU0fQAA", GRUU),
        ("SIP:Alice@Example.COM;OPAQUE=user:epid:21nYNIVlkV-jtN6FPBU0fQAA;GRUU;x=y", GRUU),
        ("sip:%61lice@example.com;opaque=user:epid:21nYNIVlkV-jtN6FPBU0fQAA;gruu?Subject=x", GRUU),
        ("sip:Alice@example.com", "sip:alice@example.com"),
        ("sip:alice@example.com;gruu;opaque=app:conf:focus:id:ABC", ""),
        ("sip:10.0.0.1:4711;transport=tls;ms-opaque=d3470f2e1d", ""),
        ("sip:alice@10.0.0.1:4711;opaque=user:epid:21nYNIVlkV-jtN6FPBU0fQAA", ""),
        ("sip:fe1.example.com", ""),
        ("tel:+15550100", ""),
        ("sip:alice@", ""),
    ],
)
def test_a_device_has_one_spelling(text: str, key: str) -> None:
    """However a GRUU is written, it names the same device; what names none has no key."""
    assert device_key(text) == key
