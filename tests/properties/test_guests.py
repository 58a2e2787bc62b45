"""Whatever a guest writes: it is read or it is not, and nothing of it deceives those who see him."""

import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from lyncpy.auth.digest import DigestProof, read_credentials
from lyncpy.contracts.guests import GuestAccess, Proof
from lyncpy.contracts.names import FlowName
from lyncpy.sip.message import Headers, Request
from lyncpy.sip.text import JOINERS
from lyncpy.workloads.conferencing.guests import MARK, NAME_LETTERS, NAMELESS, shown_name

NAMES = ("username", "realm", "nonce", "uri", "response", "cnonce", "nc", "qop", "algorithm", "opaque", "x")
FIELD = st.tuples(
    st.sampled_from(NAMES),
    st.one_of(st.text(max_size=12), st.sampled_from(("auth", "MD5", "MD5-sess", "00000001", "ffffffff"))),
    st.booleans(),
)


@st.composite
def credentials(draw: st.DrawFn) -> str:
    """Write what looks like credentials more often than not."""
    fields = draw(st.lists(FIELD, max_size=12))
    written = ", ".join(f'{name}="{value}"' if quoted else f"{name}={value}" for name, value, quoted in fields)
    return draw(st.sampled_from(("Digest ", "digest ", "NTLM ", ""))) + written


@given(credentials() | st.text())
def test_no_credentials_harm_and_none_open_a_door_by_chance(value: str) -> None:
    """Anything may stand in an Authorization header; what was not asked for proves nothing."""
    door = GuestAccess("c", "bob@contoso.test", ("key",))
    request = Request("INVITE", "sip:x@contoso.test", Headers(()))
    proof = DigestProof(answer_s=60.0, lifetime_s=60.0)
    proof.challenge(FlowName("n/1"), door, 0.0)
    assert proof.check(FlowName("n/1"), request, value, door, 1.0) is not Proof.PROVEN
    found = read_credentials(value)
    assert found is None or (len(found.nc) == 8 and found.response.isascii())


@given(st.text(max_size=400))
def test_a_name_is_one_line_and_marked(wished: str) -> None:
    """No control, no turning of the line, no end of it, and never without its mark."""
    shown = shown_name(wished)
    assert shown == NAMELESS or shown.endswith(MARK)
    assert len(shown) <= NAME_LETTERS + len(MARK)
    others = [letter for letter in shown if letter != " " and letter not in JOINERS]
    assert not [letter for letter in others if unicodedata.category(letter)[0] in "CZ"]
    assert shown.strip(f" {JOINERS}") != MARK.strip()
