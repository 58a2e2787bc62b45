"""XML, read within bounds and written with care."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from lyncpy.sip.errors import RemoteProtocolError
from lyncpy.sip.markup import (
    MAX_ATTRIBUTES,
    MAX_DEPTH,
    MAX_NAMESPACE,
    MAX_SCOPE,
    Element,
    attr,
    child,
    children,
    escape,
    local,
    outer_xml,
    quote_attr,
    quote_attrs,
    read_xml,
    text_of,
)

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
    assert read_xml(text.encode()).namespace == "urn:s"


def test_an_element_says_where_it_begins() -> None:
    """Whoever has to keep the bytes before it cuts there; letters of several bytes count as such."""
    document = "<p:a xmlns:p='urn:p'>ö<p:b/><c>d</c></p:a>".encode()
    root = read_xml(document)
    begun = [document[one.begins :][:4] for one in (root, *root)]
    assert begun == [b"<p:a", b"<p:b", b"<c>d"]


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
        b'<a xmlns:p=""/>',
        b'<a xmlns:xml="urn:x"/>',
        b'<a xmlns:xmlns="urn:x"/>',
        b'<a xmlns:p:q="urn:x"/>',
        b'<a xmlns="http://www.w3.org/2000/xmlns/"/>',
        b'<p:a:b xmlns:p="urn:x"/>',
        b'<p:1 xmlns:p="urn:x"/>',
        b"<:a/>",
        b'<a p:b=""/>',
        b'<a b="" b=""/>',
        b'<a xmlns:p="urn:x" xmlns:q="urn:x" p:b="" q:b=""/>',
        b'<a><b xmlns:p="urn:x"/><p:c/></a>',
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
    assert len(read_xml(b"<a>" + b"<b/>" * 100 + b"</a>", max_nodes=101)) == 100
    for document in (b"<a>" + b"x" * 300_000 + b"</a>", b"<a>" + b"<b/>" * 60_000 + b"</a>"):
        with pytest.raises(RemoteProtocolError) as error:
            read_xml(document)
        assert error.value.status == 413


def test_text_is_made_safe() -> None:
    """What users type cannot become markup, and what XML cannot hold is left out."""
    assert escape("it's 7 * 6; [ok]?") == "it's 7 * 6; [ok]?"
    assert quote_attr("it's 7 * 6; [ok]?") == '"it\'s 7 * 6; [ok]?"'
    assert escape('<a> & "b"\0\x0b\ud800\ufffe\U0001f600\n') == '&lt;a&gt; &amp; "b"\U0001f600\n'
    assert quote_attr('<a> & "b"\t\r\n\0') == '"&lt;a&gt; &amp; &quot;b&quot;&#9;&#13;&#10;"'
    assert quote_attrs(["a", "", "<b>"]) == [quote_attr("a"), quote_attr(""), quote_attr("<b>")]


def test_of_the_namespaces_around_it_an_element_is_written_with_those_that_it_uses() -> None:
    """In a name, in an attribute's name, or where a value begins with the prefix; others stay behind."""
    outside = " ".join(f'xmlns:n{number}="urn:n{number}"' for number in range(10))
    root = read_xml(
        f'<r xmlns="urn:r" {outside}><n1:a n2:b="n3:word"><c xmlns:n4="urn:own"><n4:d/></c>n5:text</n1:a></r>'.encode()
    )
    assert outer_xml(root[0]) == (
        '<n1:a xmlns:n1="urn:n1" xmlns:n2="urn:n2" xmlns:n3="urn:n3" xmlns="urn:r" n2:b="n3:word">'
        '<c xmlns:n4="urn:own"><n4:d/></c>n5:text</n1:a>'
    )


def test_what_takes_nothing_from_around_it_stays_as_it_was_written() -> None:
    """As the values that clients publish; with a comment in it, or of one tag, an element is written again."""
    state = (
        """<s:state xmlns='urn:d' xmlns:s="urn:s" s:type = 's:userState'><n>3500&#10;\u00fc</n><o a=">"/></s:state >"""
    )
    document = f'\ufeff<r xmlns="urn:r"><p>{state}</p><q xmlns=""><!-- -->x</q><e xmlns="" a=\'>\'/></r>'
    root = read_xml(document.encode())
    assert outer_xml(root[0][0]) == state
    assert outer_xml(root[1]) == '<q xmlns="">x</q>'
    assert outer_xml(root[2]) == '<e xmlns="" a="&gt;"/>'


def test_what_is_written_again_says_the_same() -> None:
    """References, CDATA and the white space that attributes lose when it is not escaped."""
    read = read_xml(b"<a><b c='&quot;&#10;&#9;&#13; &lt;'>x &amp; y&#13;<![CDATA[<&>]]><d/>t<!-- -->ail</b>no</a>")
    text = outer_xml(read[0])
    assert text == '<b c="&quot;&#10;&#9;&#13; &lt;">x &amp; y&#13;&lt;&amp;&gt;<d/>tail</b>'
    again = read_xml(text.encode())
    assert outer_xml(again) == text
    assert text_of(again) == "x & y\r<&>tail"
    assert (attr(again, "c"), again[0].tail) == ('"\n\t\r <', "tail")


def test_a_document_is_walked_in_order() -> None:
    """Each element before what is in it, and that before what follows."""
    root = read_xml(b"<a><b><c/><d><e/></d></b><f/></a>")
    assert [el.local for el in root.walk()] == ["a", "b", "c", "d", "e", "f"]
    assert [el.local for el in root[0].walk()] == ["b", "c", "d", "e"]


def test_the_prefix_that_every_document_knows() -> None:
    """Spec: Namespaces in XML 1.0 §3: `xml` needs no declaration, may have its own one, and has no other."""
    root = read_xml(b'<a xml:lang="de"><xml:b/></a>')
    assert attr(root, "lang") == "de"
    assert root[0].namespace == "http://www.w3.org/XML/1998/namespace"
    assert outer_xml(root) == '<a xml:lang="de"><xml:b/></a>'
    declared = b'<a xmlns:xml="http://www.w3.org/XML/1998/namespace" xml:lang="de"/>'
    assert outer_xml(read_xml(declared)).encode() == declared
    for wrong in (b'<a xmlns:xml="urn:x"/>', b'<a xmlns:p="http://www.w3.org/XML/1998/namespace"/>', b"<xml:/>"):
        with pytest.raises(RemoteProtocolError):
            read_xml(wrong)


def _plain(el: Element) -> tuple[object, ...]:
    attributes = sorted((name.rpartition(":")[2], value) for name, value in el.attributes)
    return el.namespace, el.local, attributes, el.text, el.tail, [_plain(inner) for inner in el]


def _plain_by_lxml(el: etree._Element) -> tuple[object, ...]:
    name = etree.QName(el)
    attributes = sorted((etree.QName(key).localname, value) for key, value in el.attrib.items())
    inner = [_plain_by_lxml(one) for one in el]
    return name.namespace or "", name.localname, attributes, el.text or "", el.tail or "", inner


_NAMES = st.sampled_from(["a", "b", "p:a", "q:b", "xml:a"])
_VALUES = st.text("ab :&<\"'\n\r", max_size=6).map(quote_attr)
_NAMESPACES = st.sampled_from(["", "", ' xmlns="urn:d"', ' xmlns=""', ' xmlns:p="urn:2"', ' xmlns:q="urn:p"'])
_ATTRIBUTES = st.tuples(
    _NAMESPACES, st.dictionaries(st.sampled_from(["c", "p:c", "q:d", "xml:lang"]), _VALUES, max_size=3)
).map(lambda found: found[0] + "".join(f" {name}={value}" for name, value in found[1].items()))
_TEXTS = st.one_of(
    st.text("ab :&<>\n", max_size=6).map(escape), st.sampled_from(["<![CDATA[&<]]>", "<!-- x -->", "<?x y?>"])
)
_TREES = st.recursive(
    st.tuples(_NAMES, _ATTRIBUTES, _TEXTS).map(lambda found: f"<{found[0]}{found[1]}>{found[2]}</{found[0]}>"),
    lambda inner: st.tuples(_NAMES, _ATTRIBUTES, st.lists(st.one_of(inner, _TEXTS), max_size=4).map("".join)).map(
        lambda found: f"<{found[0]}{found[1]}>{found[2]}</{found[0]}>"
    ),
    max_leaves=12,
)


@given(_TREES, st.sampled_from(["", ' xmlns="urn:r"', ' xmlns="urn:r" xmlns:p="urn:p" xmlns:q="urn:q"']))
def test_another_reader_reads_the_same_also_of_a_part(inner: str, around: str) -> None:
    """The other one is lxml: of the document, and of each part of it that is taken out, as it is or written again."""
    if "xmlns:p" not in around:
        for prefixed, plain in (("p:a", "a"), ("q:b", "b"), ("p:c", "e"), ("q:d", "f")):
            inner = inner.replace(prefixed, plain)
    document = f"<r{around}>{inner}</r>".encode()
    theirs = etree.fromstring(document, etree.XMLParser(remove_comments=True, remove_pis=True))
    ours = read_xml(document)
    assert _plain(ours) == _plain_by_lxml(theirs)
    for one, other in zip(ours.walk(), theirs.iter(), strict=True):
        assert text_of(one) == "".join(map(str, other.itertext()))
        other.tail = one.tail = ""
        assert _plain_by_lxml(etree.fromstring(outer_xml(one))) == _plain_by_lxml(other)


@pytest.mark.parametrize(
    ("fits", "exceeds"),
    [
        (
            "<a " + " ".join(f'b{number}=""' for number in range(MAX_ATTRIBUTES)) + "/>",
            "<a " + " ".join(f'b{number}=""' for number in range(MAX_ATTRIBUTES + 1)) + "/>",
        ),
        (
            "".join(f'<a xmlns:p{n}="u" xmlns:q{n}="u">' for n in range(MAX_SCOPE // 2)) + "</a>" * (MAX_SCOPE // 2),
            "".join(f'<a xmlns:p{n}="u" xmlns:q{n}="u">' for n in range(MAX_SCOPE // 2))
            + '<b xmlns="u"/>'
            + "</a>" * (MAX_SCOPE // 2),
        ),
        (f'<a xmlns="{"u" * MAX_NAMESPACE}"/>', f'<a xmlns="{"u" * (MAX_NAMESPACE + 1)}"/>'),
        ("<a>" + "<b/>" * 19_999 + "</a>", "<a>" + "<b/>" * 20_000 + "</a>"),
    ],
)
def test_each_bound_is_where_it_is_said_to_be(fits: str, exceeds: str) -> None:
    """What is within it is read, and one more is too much; elements beside each other do not add up."""
    read_xml(fits.encode())
    with pytest.raises(RemoteProtocolError) as error:
        read_xml(exceeds.encode())
    assert error.value.status == 413


def test_declarations_hold_for_their_element_alone() -> None:
    """A thousand contacts with a namespace each are not a thousand namespaces in scope."""
    assert len(read_xml(b"<a>" + b'<b xmlns:p="urn:p" xmlns="urn:b"/>' * 3_000 + b"</a>")) == 3_000


def test_what_is_taken_out_of_a_document_cannot_outgrow_it() -> None:
    """Few letters that use a long namespace, again and again: the writer stops before it is built."""
    scope = " ".join(f'xmlns:n{number}="{"u" * MAX_NAMESPACE}"' for number in range(MAX_SCOPE))
    part = "<a>" + "".join(f"<n{number}:a/>" for number in range(MAX_SCOPE)) + "</a>"
    root = read_xml(f"<r {scope}>{part * 250}</r>".encode())
    written = 0
    with pytest.raises(RemoteProtocolError) as error:
        for one in root:
            written += len(outer_xml(one))
    assert error.value.status == 413
    assert written < 5 * 262_144


def test_depth_is_no_matter_of_recursion() -> None:
    """The deepest document is read, searched and written."""
    root = read_xml(b"<a>x" * MAX_DEPTH + b"</a>y" * (MAX_DEPTH - 1) + b"</a>")
    assert text_of(root) == "x" * MAX_DEPTH + "y" * (MAX_DEPTH - 1)
    assert outer_xml(root) == "<a>x" * MAX_DEPTH + "</a>y" * (MAX_DEPTH - 1) + "</a>"
