"""The canonical form of XML, compared with a foreign library's."""

from io import BytesIO

import pytest
from lxml import etree

from lyncpy.sip.canonical import canonical
from lyncpy.sip.errors import RemoteProtocolError
from lyncpy.sip.markup import children, read_xml

DOCUMENTS = (
    "<a/>",
    "<a>x<b/>y</a>",
    '<a xmlns="urn:a"><b xmlns=""><c xmlns="urn:a"/></b></a>',
    '<p:a xmlns:p="urn:p" xmlns:q="urn:q" xmlns:unused="urn:u" q:z="1" y="2" p:x="3"><q:b/><p:c q:d="4"/></p:a>',
    '<a xmlns:p="urn:z" xmlns:q="urn:a" p:a="1" q:b="2" c="3" xml:lang="en"/>',
    '<a xmlns:p="urn:1"><p:b><c xmlns:p="urn:2" p:x="y"><p:d/></c></p:b></a>',
    '<a b="&lt;&gt;&amp;&quot;\'&#9;&#10;&#13;">&lt;&gt;&amp;"\'&#13;\n<!-- gone -->é</a>',
    "<a>one<![CDATA[<two>]]>three</a>",
    "<a\n  b='c'   d = 'e'\n>\r\n</a >",
)


def _foreign(text: str, path: str = ".") -> bytes:
    """Give a part of a document as the foreign library writes it."""
    part = etree.fromstring(text.encode()).find(path)
    assert part is not None
    out = BytesIO()
    # A part is written as a subset of its document, with what is declared around it.
    out.write(etree.tostring(part, method="c14n", exclusive=True, with_comments=False, with_tail=False))
    return out.getvalue()


@pytest.mark.parametrize("text", DOCUMENTS)
def test_a_document_is_written_as_others_write_it(text: str) -> None:
    """Every rule has a document: order, namespaces, escapes, empty elements."""
    assert canonical(read_xml(text.encode())) == _foreign(text)


@pytest.mark.parametrize(
    "text",
    [
        '<a xmlns="urn:a" xmlns:p="urn:p" xmlns:q="urn:q"><b p:x="1"><c/></b> tail </a>',
        '<p:a xmlns:p="urn:p" xmlns:u="urn:u"><p:b u:Id="t"><u:c>1</u:c><u:c>2</u:c></p:b></p:a>',
        '<a><b xmlns=""/></a>',
    ],
)
def test_a_part_takes_along_what_it_uses_from_around_it(text: str) -> None:
    """Nothing else of the document can change it."""
    assert canonical(read_xml(text.encode())[0]) == _foreign(text, "./*")


def test_the_name_of_a_namespace_is_escaped() -> None:
    """Whatever it is, the document stays the same."""
    text = b'<a xmlns="urn:a&amp;b&quot;"></a>'
    assert canonical(read_xml(text)) == text


def test_a_signature_is_left_out_of_what_it_signs() -> None:
    """What stands behind it stays."""
    root = read_xml(b"<a>1<s>2</s>3<s/></a>")
    assert canonical(root, children(root, "s")[0]) == b"<a>13<s></s></a>"


def test_a_document_that_would_grow_beyond_measure_is_refused() -> None:
    """A namespace is declared once, and would be written for each of its users."""
    text = f'<a xmlns:p="urn:{"x" * 200}">{"<p:b/>" * 2_000}</a>'
    with pytest.raises(RemoteProtocolError) as refused:
        canonical(read_xml(text.encode()))
    assert refused.value.status == 413
