"""A document of the form that clients usually write is read by its text; what is read is the same as of any other form.

Each document is read as it is, and again with a blank that no client writes, by which it is of another form.
"""

from collections.abc import Callable
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from lyncpy.sip.errors import RemoteProtocolError
from lyncpy.workloads.presence.bodies.batches import read_batch
from lyncpy.workloads.presence.bodies.publications import read_publish
from tests.kit.presence import note, publication, publish_body, state
from tests.kit.soak import many

ODD = st.sampled_from(
    [
        "",
        "<a/>",
        "<note/>",
        "text",
        "&amp;",
        "&nothing;",
        "<!-- said -->",
        "<![CDATA[</publication>]]>",
        "</publication ><publication>",
        "</resource ><resource>",
        "<resource uri='sip:x@y'/>",
        '<resource uri="sip:x@y"/>',
        "<adhocList/>",
        "<?php?>",
        "<n:a xmlns:n='urn:n'/>",
        "<n:a/>",
        "\u00e4",
        "\0",
        "<a b='>'>",
        '"',
        "publication resource",
    ]
)

VALUES = st.one_of(
    st.builds(state, st.sampled_from(["userState", "machineState", "x:phoneState"]), st.sampled_from([3500, 6500])),
    st.builds(state, st.just("userState"), st.just(3500), inner=ODD),
    st.builds(note, ODD),
    st.sampled_from(
        [
            "<otherOptions xmlns='urn:o'><privacyModeUserSelection>private</privacyModeUserSelection></otherOptions>",
            "<state xmlns='urn:s'/>",
            "<device xmlns='urn:d' endpointId='1'><capabilities><text render='true'/></capabilities></device>",
        ]
    ),
    ODD,
).flatmap(lambda value: st.sampled_from([value, f"\n  {value}\r\n", value + value, f"<a>{value}</a>", value[1:]]))

PUBLICATIONS = st.builds(
    publication,
    st.sampled_from(["state", "note", "device", "otherOptions", "no name"]),
    st.sampled_from([0, 1, 2, 0xFFFFFFFF, 0x1FFFFFFFF]),
    st.sampled_from([2, 3, 200, 32767, 32768]),
    VALUES,
    st.sampled_from(["static", "endpoint", "user", "time", "ever"]),
    st.sampled_from([0, 7, 999_999_999, 0x7FFFFFFF, 0x80000000]),
    st.sampled_from(["", "", "", ' expires="0"', ' expires="60"', ' version="1"']),
)

RESOURCES = st.lists(
    st.builds(
        "{}<resource uri={}{}".format,
        st.sampled_from(["", "\n", " \t", "x"]),
        st.sampled_from(
            ['"sip:a@b"', '"sip:A@b;c"', '"sip:d@b"', '"sip:&amp;@b"', '" "', '""', "'sip:e@b'", '"sip:a b"']
        ),
        st.shared(
            st.one_of(
                st.just("/>"),
                st.builds("><context>{}</context></resource>".format, ODD),
                st.builds(">{}</resource>".format, ODD),
            ),
            key="rest",
        )
        | st.sampled_from(["/>", "></resource>", "><context>other</context></resource>"]),
    ),
    max_size=5,
)


def outcome(read: Callable[[bytes], Any], body: bytes) -> object:  # Any: what it reads
    """Give what is read, or that it is refused."""
    try:
        return read(body)
    except RemoteProtocolError as error:
        return error.status


@settings(max_examples=many(300))
@given(
    st.lists(PUBLICATIONS, max_size=4),
    st.sampled_from(["sip:a@b", "", "sip:&amp;"]),
    st.sampled_from(["", " ", "<a/>"]),
)
def test_publications(found: list[str], uri: str, end: str) -> None:
    """Whatever is published, and whatever the values look like that have been read before."""
    body = publish_body(uri, *found) + end.encode()
    assert outcome(read_publish, body) == outcome(read_publish, body.replace(b"<publish ", b"<publish  ", 1))


@settings(max_examples=many(300))
@given(RESOURCES, ODD, st.sampled_from(["adhocList", "adhoclist"]), st.sampled_from(["subscribe", "unsubscribe"]))
def test_batches(found: list[str], beside: str, name: str, action: str) -> None:
    """Whoever is named, for whatever reason."""
    body = (
        f'<batchSub xmlns="urn:b" uri="sip:a@b"><action name="{action}" id="1"><{name}>{"".join(found)}</{name}>{beside}'
        "</action></batchSub>"
    ).encode()
    other = body.replace(b"<adhocList>", b"<adhocList >", 1)
    assert outcome(read_batch, body) == outcome(read_batch, other)
