"""What holds for every URI, list, body and document."""

from collections.abc import Callable, Mapping

from hypothesis import given
from hypothesis import strategies as st

from lyncpy.sip.body import read_multipart, write_multipart
from lyncpy.sip.errors import RemoteProtocolError
from lyncpy.sip.grammar import first_of_list, parse_params, quote, split_list, unquote
from lyncpy.sip.headers import parse_auth, parse_contact_list, parse_name_addr, parse_via
from lyncpy.sip.markup import attr, escape, quote_attr, read_xml, text_of
from lyncpy.sip.sdp import media_of
from lyncpy.sip.uri import parse_uri
from tests.kit.strategies import name_addrs, raw_text, uris, words

# The machine may be busy; none of these measures time.

loose_text = st.one_of(raw_text, st.text("\"'<>,;:=@?%&\\ \tasip/2.0*", max_size=40))


@given(uris)
def test_a_uri_written_again_is_the_same(text: str) -> None:
    """Reading a URI and writing it changes nothing that matters."""
    uri = parse_uri(text)
    again = parse_uri(str(uri))
    assert again == uri
    assert hash(again) == hash(uri)
    assert parse_uri(uri.aor).aor == uri.aor


@given(st.one_of(loose_text, loose_text.map("sip:".__add__)))
def test_any_text_is_a_value_or_a_protocol_error(text: str) -> None:
    """No text makes a view fail in another way."""
    for parse in (parse_uri, parse_via, parse_name_addr, parse_contact_list, parse_auth):
        try:
            parse(text)
        except RemoteProtocolError:
            continue


_NAMES = st.sampled_from(["qop", "realm", "gssapi-data", "version", "x_y", "", "QOP", "a b"])
_VALUES = st.sampled_from(
    ["", "auth", '"auth"', '""', '"a, b=c"', '"a\\"b"', "YQ==", '"open', "<a, b>", '"a" b', "4", "é"]
)


@given(st.lists(st.tuples(_NAMES, _VALUES), max_size=4), st.sampled_from([", ", ",", " ,", ",,", "  "]))
def test_usual_credentials_are_read_as_others_are(pairs: list[tuple[str, str]], between: str) -> None:
    """With a blank that no client writes they are of another form, and say the same."""

    def read(text: str) -> object:
        try:
            return parse_auth(text)
        except RemoteProtocolError:
            return None

    text = between.join(f"{name}={value}" for name, value in pairs)
    assert read(f"NTLM {text}") == read(f"NTLM  {text}")


@given(st.lists(name_addrs(), min_size=1, max_size=4))
def test_a_list_splits_where_it_was_joined(elements: list[str]) -> None:
    """Commas within quotes and brackets do not separate."""
    text = ", ".join(elements)
    assert list(split_list(text)) == [element.strip(" \t") for element in elements]
    assert first_of_list(text)[0] == elements[0].strip(" \t")
    assert len(parse_contact_list(text)) == len(elements)


@given(raw_text)
def test_quoting_can_be_undone(text: str) -> None:
    """Any text fits between quotes."""
    assert unquote(quote(text)) == text


@given(st.lists(st.tuples(words, st.binary(max_size=60)), max_size=4))
def test_a_multipart_body_is_read_again(parts: list[tuple[str, bytes]]) -> None:
    """Every part comes back, with the line end that a real client cuts off."""
    written = [(f"Content-Type: text/{name}\r\n".encode(), body) for name, body in parts]
    content_type, body = write_multipart(written, subtype="related", boundary="zQ-9_unlikely'(boundary)")
    read = read_multipart(body, content_type)
    assert [(part.content_type, part.body) for part in read] == [
        (f"text/{name.lower()}", body + b"\r\n") for name, body in parts
    ]


@given(st.binary(max_size=120).map(lambda data: data.replace(b"|", b"\r\n--b")))
def test_any_multipart_body_is_parts_or_a_protocol_error(body: bytes) -> None:
    """A broken multipart body is the sender's fault."""
    try:
        read_multipart(body, "multipart/mixed;boundary=b")
    except RemoteProtocolError as error:
        assert error.status == 400


@given(st.one_of(st.binary(max_size=80), st.text("<>/a&;!\"' =[]-?xmlnsDOCTYPE", max_size=60).map(str.encode)))
def test_any_document_is_a_tree_or_a_protocol_error(data: bytes) -> None:
    """Broken XML is the sender's fault."""
    try:
        read_xml(data)
    except RemoteProtocolError as error:
        assert error.status in (400, 413)


@given(st.text(max_size=40))
def test_escaped_text_makes_a_well_formed_document(text: str) -> None:
    """Nothing that a user types breaks the XML it is put into."""
    root = read_xml(f"<a b={quote_attr(text)}>{escape(text)}</a>".encode())
    assert text_of(root).replace("\n", "") == escape(text).replace("&amp;", "&").replace("&lt;", "<").replace(
        "&gt;", ">"
    ).replace("\r\n", "\n").replace("\r", "\n").replace("\n", "")
    assert attr(root, "b") is not None


@given(st.binary(max_size=100))
def test_any_session_description_is_read(body: bytes) -> None:
    """No session description makes the server fail."""
    assert media_of(body) <= {"im", "audio", "video", "data", "appsharing", "filetransfer"}


@given(
    st.lists(
        st.sampled_from(
            [
                "branch=z9hG4bKa",
                "Branch=b",
                "branch",
                "branch=",
                " branch = c ",
                'branch="d;e"',
                "rport",
                "x=y",
                "",
                '"',
                "=",
                " ",
            ]
        ),
        max_size=5,
    )
)
def test_the_parameters_of_a_via_are_those_of_any_value(parts: list[str]) -> None:
    """A branch that comes first is read by itself; the result is the same."""
    text = ";".join(parts).rstrip()

    def read(of: Callable[[], Mapping[str, str]]) -> Mapping[str, str] | None:
        try:
            return of()
        except RemoteProtocolError:
            return None

    assert read(lambda: parse_via(f"SIP/2.0/TLS h;{text}").params) == read(lambda: parse_params(text))
