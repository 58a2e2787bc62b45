"""XML, read within bounds and written with care."""

import pytest

from lyncpy.sip.errors import RemoteProtocolError
from lyncpy.sip.markup import attr, child, children, escape, local, outer_xml, quote_attr, read_xml, text_of

DOCUMENT = b"""<?xml version="1.0" encoding="utf-16"?>
<!-- a comment --><p:publish xmlns:p="urn:p" xmlns:s="urn:s" Version="1" p:Kind="k">
<s:note a="1">hello <b>w\xc3\xb6rld</b></s:note>tail<s:note/><?pi x?><other/></p:publish>"""


def test_a_document_is_read_by_local_names() -> None:
    """Prefixes, comments and a wrong declaration do not matter."""
    root = read_xml(DOCUMENT)
    assert local(root) == "publish"
    assert [local(el) for el in root] == ["note", "note", "other"]
    assert len(children(root, "note")) == 2
    assert text_of(child(root, "note")) == "hello wörld"
    assert child(root, "absent") is None
    assert text_of(None) == ""
    assert attr(root, "version") == "1"
    assert attr(root, "KIND") == "k"
    assert attr(root, "absent") is None


def test_an_element_is_taken_out_with_its_namespaces() -> None:
    """What is stored can be read again by itself."""
    note = child(read_xml(DOCUMENT), "note")
    assert note is not None
    text = outer_xml(note)
    assert "tail" not in text
    assert local(read_xml(text.encode())) == "note"
    assert read_xml(text.encode()).tag == "{urn:s}note"


BILLION = b'<!DOCTYPE a [<!ENTITY b "bbbbbbbb"><!ENTITY c "&b;&b;&b;">]><a d="&c;">&c;</a>'


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"text",
        b"<a>",
        b"<a/><b/>",
        b"<a>\xff</a>",
        b"<a>\0</a>",
        b"<x:a/>",
        b"<a>&unknown;</a>",
        b"<!DOCTYPE a><a/>",
        BILLION,
        BILLION.decode().encode("utf-16"),
        b'<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>',
        b"<a>" * 41 + b"</a>" * 41,
        b"<a>" * 300 + b"</a>" * 300,
    ],
)
def test_a_bad_document_is_refused(data: bytes) -> None:
    """Broken, bottomless and booby-trapped documents are the sender's fault."""
    with pytest.raises(RemoteProtocolError) as error:
        read_xml(data)
    assert error.value.status == 400


def test_documents_are_bounded() -> None:
    """Too long or too many elements is too much, and one less is not."""
    assert len(read_xml(b"<a>" * 40 + b"</a>" * 40)) == 1
    assert len(read_xml(b"<a>" + b"<b/>" * 100 + b"</a>", max_nodes=51)) == 100
    for document in (b"<a>" + b"x" * 300_000 + b"</a>", b"<a>" + b"<b/>" * 60_000 + b"</a>"):
        with pytest.raises(RemoteProtocolError) as error:
            read_xml(document)
        assert error.value.status == 413


def test_text_is_made_safe() -> None:
    """What users type cannot become markup, and what XML cannot hold is left out."""
    assert escape('<a> & "b"\0\x0b\ud800\ufffe\U0001f600\n') == '&lt;a&gt; &amp; "b"\U0001f600\n'
    assert quote_attr('<a> & "b"\t\r\n\0') == '"&lt;a&gt; &amp; &quot;b&quot;&#9;&#13;&#10;"'
