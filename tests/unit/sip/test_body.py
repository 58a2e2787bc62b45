"""Media types and multipart bodies."""

import pytest

from lyncpy.sip.body import Part, media_type, read_multipart, write_multipart
from lyncpy.sip.errors import LocalProtocolError, RemoteProtocolError
from lyncpy.sip.message import Headers

XML = Headers([("Content-Type", "Application/RLMI+xml; charset=utf-8"), ("Content-ID", "<r1@contoso.test>")])


def test_a_media_type_is_read() -> None:
    """Case does not matter in names, and quotes are undone."""
    assert media_type('Text/Plain ; Charset="UTF-8";msgr=WAA==;') == (
        "text/plain",
        {"charset": "UTF-8", "msgr": "WAA=="},
    )
    assert media_type("multipart/related;") == ("multipart/related", {})


@pytest.mark.parametrize("text", ["", "text", "text/", "/plain", "a b/c", "a/b;="])
def test_what_is_no_media_type_is_refused(text: str) -> None:
    """A body of no kind cannot be read."""
    with pytest.raises(RemoteProtocolError):
        media_type(text)


def test_a_multipart_body_ends_every_part_with_an_empty_line() -> None:
    """A real client cuts four bytes off each part."""
    content_type, body = write_multipart(
        [("".join(f"{line}\r\n" for line in XML.lines).encode(), b"<list/>"), (b"", b"x")],
        subtype="related",
        boundary="bnd1",
        params={"type": "application/rlmi+xml", "start": "r1"},
    )
    assert content_type == 'multipart/related;type="application/rlmi+xml";start=r1;boundary=bnd1'
    assert body == (
        b"--bnd1\r\nContent-Type: Application/RLMI+xml; charset=utf-8\r\nContent-ID: <r1@contoso.test>\r\n\r\n"
        b"<list/>\r\n\r\n--bnd1\r\n\r\nx\r\n\r\n--bnd1--\r\n"
    )


@pytest.mark.parametrize(("boundary", "body"), [("", b""), ("b ", b""), ("b" * 71, b""), ("é", b""), ("b", b"x--by")])
def test_a_boundary_that_cannot_be_is_our_bug(boundary: str, body: bytes) -> None:
    """Nothing in a part may end it."""
    with pytest.raises(LocalProtocolError):
        write_multipart([(b"", body)], subtype="mixed", boundary=boundary)


def test_a_multipart_body_is_read() -> None:
    """Preamble and epilogue are nobody's; a line that begins like the boundary is content."""
    parts = read_multipart(
        b"preamble\r\n--b \t\r\nc: text/html\r\nX:\r\n y\r\n\r\none\r\n--bc\r\n\r\ntwo\r\n--b\r\n\r\n\r\n--b--epilogue",
        'multipart/mixed; boundary="b"',
    )
    assert parts == [
        Part(Headers([("Content-Type", "text/html"), ("X", "y")]), b"one\r\n--bc\r\n\r\ntwo"),
        Part(Headers(), b""),
    ]
    assert [part.content_type for part in parts] == ["text/html", "text/plain"]
    assert read_multipart(b"--b--", "multipart/mixed;boundary=b") == []
    bare = read_multipart(b"--b\r\nc: a/b\r\n\r\n--b\r\n\r\n--b--", "multipart/mixed;boundary=b")
    assert [(part.content_type, part.body) for part in bare] == [("a/b", b""), ("text/plain", b"")]


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"--b\r\n\r\nx\r\n--b--", "text/plain;boundary=b"),
        (b"--b\r\n\r\nx\r\n--b--", "multipart/mixed"),
        (b"--b\r\n\r\nx\r\n--b--", "multipart/mixed;boundary=é"),
        (b"", "multipart/mixed;boundary=b"),
        (b"--b\r\n\r\nx", "multipart/mixed;boundary=b"),
        (b"--b\r\nno head's end\r\n--b--", "multipart/mixed;boundary=b"),
        (b"--b\r\nno colon\r\n\r\nx\r\n--b--", "multipart/mixed;boundary=b"),
        (b"--b\r\nA: " + b"x" * 9000 + b"\r\n\r\n\r\n--b--", "multipart/mixed;boundary=b"),
        (b"--b\r\n\r\n\r\n" * 300 + b"--b--", "multipart/mixed;boundary=b"),
    ],
)
def test_a_broken_multipart_body_is_refused(body: bytes, content_type: str) -> None:
    """A body that can be read in two ways, or never ends, is not read."""
    with pytest.raises(RemoteProtocolError):
        read_multipart(body, content_type)


def test_the_number_of_parts_is_bounded() -> None:
    """The bound is the caller's."""
    body = b"--b\r\n\r\nx\r\n" * 2 + b"--b--"
    assert len(read_multipart(body, "multipart/mixed;boundary=b", max_parts=2)) == 2
    with pytest.raises(RemoteProtocolError):
        read_multipart(body, "multipart/mixed;boundary=b", max_parts=1)
