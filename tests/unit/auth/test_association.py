"""What an association lets in, what it keeps out, and how it signs."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lyncpy.auth.association import WINDOW, Association, ReplayWindow, SignatureParameters, credentials, nonces
from lyncpy.auth.ntlm import macs
from lyncpy.auth.signing import signed_fields
from lyncpy.contracts.arrival import Identity
from lyncpy.contracts.names import Aor, Epid
from lyncpy.sip.message import Headers, Message, Request, Response, response_to
from lyncpy.sip.prepared import Prepared, PreparedResponse, Template

KEY = bytes.fromhex("5f441788d430754390db6369935f0ec8")
REALM, TARGET, OPAQUE = "SIP Communications Service", "fe1.contoso.test", "0123456789ABCDEF"
CAPTURED = (
    f'NTLM qop="auth", opaque="{OPAQUE}", realm="{REALM}", targetname="{TARGET}", '
    'crand="e91fd1b4", cnum="3", response="0100000031274BAE185E631564000000"'
)


BEGINNING = [
    ("From", "<sip:alice@contoso.test>;tag=s1"),
    ("To", "<sip:alice@contoso.test>;tag=4276752809;epid=abb2cb12b77f"),
    ("Call-ID", "DB86gFCFAa0008i9443m5B85tF8D8bEB6Fx5AFDx"),
]
_SIGNED = re.compile(r'NTLM rspauth="([0-9A-F]{32})", srand="([0-9A-F]{8})", snum="(\d+)", .*')


def association(version: int = 4, proof: str = "") -> Association:
    """The association of the captured sign-in."""
    client, server = macs(KEY)
    identity = Identity(Aor("sip:alice@contoso.test"), Epid("abb2cb12b77f"), "NTLM")
    return Association(
        identity,
        1000.0,
        "",
        client=client,
        server=server,
        parameters=SignatureParameters(OPAQUE, REALM, TARGET, version),
        nonces=nonces(),
        proof=proof,
    )


def subscribe(*more: tuple[str, str], expires: str = "0") -> Request:
    """The captured SUBSCRIBE."""
    fields = [
        ("From", "<sip:alice@contoso.test>;tag=4276752809;epid=abb2cb12b77f"),
        ("To", "<sip:alice@contoso.test>"),
        ("CSeq", "1 SUBSCRIBE"),
        ("Call-ID", "DB86gFCFAa0008i9443m5B85tF8D8bEB6Fx5AFDx"),
        ("Expires", expires),
    ]
    return Request("SUBSCRIBE", "sip:alice@contoso.test", Headers([*fields, *more]))


def signed(message: Message, number: int, version: int = 4, *, header: str = "Authorization", **other: str) -> Message:
    """A message as the captured client would sign it."""
    given = {"realm": REALM, "targetname": TARGET, "opaque": OPAQUE} | other
    text = f"<NTLM><00000001><{number}><{REALM}><{TARGET}>{signed_fields(message, version)}"
    proof = macs(KEY)[0].hex(text.encode())
    places = ", ".join(f'{name}="{value}"' for name, value in given.items())
    value = f'NTLM qop="auth", {places}, crand="00000001", cnum="{number}", response="{proof}"'
    return message.edited(last=[(header, value)])


def test_verifies_a_captured_request() -> None:
    """The SUBSCRIBE that a real client signed is believed, once."""
    one = association()
    message = subscribe(("Authorization", CAPTURED))
    assert one.verify(message, 0.0) is None
    assert one.verify(message, 0.0) == "replayed"


def test_the_first_response_brings_the_proof_that_is_owed() -> None:
    """And is signed as it would be without; no request does, for nobody waits for it there."""
    one, other = association(proof="dG9rZW4="), association()
    assert (one.owes_proof, other.owes_proof) == (True, False)
    request, response = subscribe(), response_to(subscribe(), 200)
    assert "gssapi-data" not in one.sign(request)[1]
    said = one.sign(response)[1]
    assert said.endswith(', gssapi-data="dG9rZW4="')
    assert _SIGNED.fullmatch(said)
    assert "gssapi-data" not in one.sign(response)[1]
    assert not one.owes_proof


def test_a_prepared_response_brings_the_proof_just_as_well() -> None:
    """The answer to a REGISTER that refreshes is one."""
    one = association(proof="dG9rZW4=")
    request, answer = subscribe(), response_to(subscribe(), 200)
    told = Prepared(Template(request), 1, b"")
    answered = PreparedResponse(Template(answer), 1, b"", "")
    one.seal(told)
    assert "gssapi-data" not in told.signature
    one.seal(answered)
    assert answered.signature.endswith(', gssapi-data="dG9rZW4="\r\n')
    one.seal(answered)
    assert "gssapi-data" not in answered.signature


def test_letters_of_a_signature_may_be_small() -> None:
    """Hexadecimal digits count in either case."""
    value = CAPTURED.replace("0100000031274BAE185E631564000000", "0100000031274bae185e631564000000")
    assert association().verify(subscribe(("Proxy-Authorization", value)), 0.0) is None


@pytest.mark.parametrize("version", [2, 3, 4])
def test_verifies_requests_and_responses_in_a_row(version: int) -> None:
    """Requests and responses of one client share one count, in either header."""
    one = association(version)
    answer = Response(200, "OK", subscribe().headers)
    assert one.verify(signed(subscribe(), 7, version), 0.0) is None
    assert one.verify(signed(answer, 8, version), 0.0) is None
    assert one.verify(signed(subscribe(), 9, version, header="Proxy-Authorization"), 0.0) is None
    assert one.verify(signed(subscribe(), 8, version), 0.0) == "replayed"


def test_notices_a_change() -> None:
    """A message whose signed fields were touched is not believed, and its number is still free."""
    one = association()
    changed = subscribe(("Authorization", CAPTURED), expires="60")
    assert one.verify(changed, 0.0) == "bad signature"
    assert one.verify(subscribe(("Authorization", CAPTURED)), 0.0) is None


def test_notices_a_change_also_after_a_good_message() -> None:
    """Knowing the beginning of a client's header does not make its end be believed."""
    one = association()
    assert one.verify(signed(subscribe(), 1), 0.0) is None
    good = signed(subscribe(), 2)
    forged = subscribe(("Authorization", (good.headers.get("Authorization") or "").replace('cnum="2"', 'cnum="3"')))
    assert one.verify(forged, 0.0) == "bad signature"
    assert one.verify(good, 0.0) is None


@pytest.mark.parametrize(
    ("header", "verdict"),
    [
        ("", "unsigned"),
        ("Digest " + CAPTURED, "unsigned"),
        (CAPTURED.replace(REALM, "Other"), "unsigned"),
        (CAPTURED.replace(TARGET, "fe2.contoso.test"), "unsigned"),
        (CAPTURED.replace(OPAQUE, "FEDCBA9876543210"), "unsigned"),
        (CAPTURED.replace('opaque="0123456789ABCDEF", ', ""), "unsigned"),
        (CAPTURED.replace("response", "reply"), "unsigned"),
        (CAPTURED.replace('cnum="3"', 'cnum="-3"'), "bad signature"),
        (CAPTURED.replace('cnum="3"', 'cnum="٣"'), "bad signature"),
        (CAPTURED.replace('cnum="3"', 'cnum="33333333333"'), "bad signature"),
        (CAPTURED.replace("31274BAE", "ü1274BAE"), "bad signature"),
        (CAPTURED[:-1], "unsigned"),
        (CAPTURED + ', realm="x"', "unsigned"),
    ],
)
def test_does_not_believe_other_credentials(header: str, verdict: str) -> None:
    """What is not for this association, or not a signature at all, is told apart from a wrong one."""
    more = [("Authorization", header)] if header else []
    assert association().verify(subscribe(*more), 0.0) == verdict


def test_ends_with_its_lifetime() -> None:
    """After its lifetime nothing verifies."""
    assert association().verify(subscribe(("Authorization", CAPTURED)), 1000.0) == "expired"


@pytest.mark.parametrize("version", [2, 3, 4])
def test_signs_what_a_client_can_check(version: int) -> None:
    """Our signature is over the message's own text, with a count of ours and each parameter quoted.

    Its version is said from 4 on: older clients know of none.
    """
    said = ", version=4" if version == 4 else ""
    one = association(version)
    message = Response(200, "OK", subscribe().headers)
    for number in (1, 2):
        name, value = one.sign(message)
        assert name == "Authentication-Info"
        found = re.fullmatch(
            r'NTLM rspauth="([0-9A-F]{32})", srand="([0-9A-F]{8})", snum="(\d)", '
            rf'opaque="{OPAQUE}", qop="auth", targetname="{TARGET}", realm="{REALM}"{said}',
            value,
        )
        assert found is not None
        proof, rand, count = found.groups()
        assert count == str(number)
        text = f"<NTLM><{rand}><{count}><{REALM}><{TARGET}>{signed_fields(message, version)}"
        assert macs(KEY)[1].hex(text.encode()) == proof


def test_signs_names_that_are_not_utf_8() -> None:
    """Bytes that are no UTF-8 are signed as the bytes that they are."""
    message = subscribe(("P-Asserted-Identity", "<sip:\udcff@x>"))
    assert association().sign(message)[1].startswith("NTLM rspauth=")


def test_finds_credentials_behind_those_of_another_scheme() -> None:
    """A client that sends two kinds of credentials is understood."""
    headers = Headers([("Authorization", "Digest x"), ("Authorization", "ntlm y"), ("Proxy-Authorization", "NTLM z")])
    assert credentials(headers, "NTLM") == "ntlm y"
    assert credentials(Headers([("Proxy-Authorization", "NTLM z")]), "NTLM") == "NTLM z"
    assert credentials(Headers(), "NTLM") is None


def test_takes_numbers_out_of_order_within_the_window() -> None:
    """Messages may overtake one another by up to 255 places; older ones are lost."""
    window = ReplayWindow()
    window.mark_seen(1000)
    assert window.is_new(1000 - WINDOW + 1)
    assert not window.is_new(1000 - WINDOW)
    window.mark_seen(1000 - WINDOW + 1)
    assert not window.is_new(1000 - WINDOW + 1)
    window.mark_seen(5000)
    assert not window.is_new(5000)
    assert window.is_new(4999)


@given(st.lists(st.integers(0, 700), max_size=200))
def test_takes_each_number_once(numbers: list[int]) -> None:
    """No number is taken twice, and within the window each is taken once."""
    window, taken = ReplayWindow(), set[int]()
    for number in numbers:
        newest = max(taken, default=0)
        assert window.is_new(number) == (number not in taken and (not taken or number > newest - WINDOW))
        if window.is_new(number):
            window.mark_seen(number)
            taken.add(number)


@pytest.mark.parametrize("version", [2, 3, 4])
def test_a_prepared_request_is_signed_as_any_other(version: int) -> None:
    """What was written ahead has the signature that the same message would have, also under the next keys."""
    template = Template(Request("BENOTIFY", "sip:alice@contoso.test", Headers([*BEGINNING, ("CSeq", "0 BENOTIFY")])))
    for one in (association(version), association(version)):
        for number in (5, 6):
            prepared = Prepared(template, number, b"<state/>")
            prepared.vias = "Via: SIP/2.0/TLS fe1.contoso.test:5061;branch=z9hG4bK1"
            one.seal(prepared)
            message = prepared.request()
            found = _SIGNED.fullmatch(message.headers.get("Authentication-Info") or "")
            assert found is not None
            proof, rand, count = found.groups()
            text = f"<NTLM><{rand}><{count}><{REALM}><{TARGET}>{signed_fields(message, version)}"
            assert macs(KEY)[1].hex(text.encode()) == proof
            assert int(count) == number - 4, "each association counts for itself"


def test_nonces_differ() -> None:
    """A random number is not used twice in a row of many."""
    given_ = nonces()
    drawn = [next(given_) for _ in range(1000)]
    assert len(set(drawn)) > 990
    assert all(re.fullmatch("[0-9A-F]{8}", one) for one in drawn)
