"""Proofs of a ticket's key, made by a foreign writer of XML, and those of who has none."""

from dataclasses import replace

import pytest
from cryptography import x509

from lyncpy.sip.markup import read_xml
from lyncpy.workloads.webservices.model.certificates import new_authority
from lyncpy.workloads.webservices.model.proof import (
    SKEW_S,
    Possession,
    SecurityHeader,
    check_possession,
    check_proof,
    read_security,
)
from lyncpy.workloads.webservices.model.refusal import ServiceRefused
from tests.kit.enrollment import EXCLUSIVE, HeldTicket, holder_header, security_header
from tests.kit.key_pairs import key_of

KEY = b"k" * 32
LIFETIME = "<wsu:Created>2023-11-14T22:13:20Z</wsu:Created><wsu:Expires>2023-11-15T06:13:20Z</wsu:Expires>"
ENDS = 1_700_028_800.0
TICKET = HeldTicket("<Assertion/>", LIFETIME, KEY)


def _header(text: str) -> SecurityHeader:
    return read_security(read_xml(f"<Header>{text}</Header>".encode()))


def _refusal(text: str, key: bytes = KEY, now: float = 1_700_000_000.0) -> str:
    with pytest.raises(ServiceRefused) as refused:
        check_proof(_header(text), key, now)
    return refused.value.reason


@pytest.mark.parametrize("kind", ["sha1", "sha256"])
@pytest.mark.parametrize("now", [0.0, 1_700_000_000.0, ENDS + SKEW_S - 1])
def test_whoever_has_the_key_proves_it(kind: str, now: float) -> None:
    """With the older digest or the newer, until its time stamp ends."""
    check_proof(_header(security_header(TICKET, kind)), KEY, now)


def test_white_space_in_a_signature_is_no_part_of_it() -> None:
    """Some writers break long lines."""
    text = (
        security_header(TICKET)
        .replace("<SignatureValue>", "<SignatureValue>\n ")
        .replace("</DigestValue>", "\n</DigestValue>")
    )
    with pytest.raises(ServiceRefused, match="does not fit"):
        check_proof(_header(text), KEY, 0.0)  # the digest is read, but as another text it is signed otherwise
    text = security_header(TICKET).replace("<SignatureValue>", "<SignatureValue>\n ")
    check_proof(_header(text), KEY, 0.0)


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("2023-11-15", "2024-11-15", "the time stamp was changed"),
        ('URI="#timestamp"', 'URI="#other"', "not of the request's time stamp"),
        ('URI="#timestamp"', 'URI=""', "not of the request's time stamp"),
        ('wsu:Id="timestamp"', 'wsu:Id=""', "not of the request's time stamp"),
        ("hmac-sha1", "hmac-md5", "not offered"),
        ("#sha1", "#md5", "not offered"),
        ("/SignedInfo", "/SignedInfo", "does not fit"),
        (f'<CanonicalizationMethod Algorithm="{EXCLUSIVE}"/>', "", "not offered"),
        (f'<Transform Algorithm="{EXCLUSIVE}"/>', "", "not offered"),
        (
            "<Transforms>",
            '<Transforms><Transform Algorithm="http://www.w3.org/TR/1999/REC-xslt-19991116"/>',
            "not offered",
        ),
        (
            'xmldsig#hmac-sha1"/>',
            'xmldsig#hmac-sha1"><HMACOutputLength>8</HMACOutputLength></SignatureMethod>',
            "not offered",
        ),
        ("</SignedInfo>", '<Reference URI="#other"/></SignedInfo>', "not of the request's time stamp"),
    ],
)
def test_what_does_not_fit_is_refused_with_a_reason(old: str, new: str, reason: str) -> None:
    """Nothing that a client asks for weakens the proof."""
    text = security_header(TICKET if old != new else TICKET.stolen())
    assert old in text
    assert reason in _refusal(text.replace(old, new, 1))


def test_a_signature_of_nothing_is_refused() -> None:
    """As is one without what it signs, or no signature."""
    text = security_header(TICKET)
    whole = text[text.index("<Signature ") : text.index("</wsse:Security>")]
    assert "says nothing" in _refusal(text.replace(whole, "<Signature/>"))
    needed = "needs a key"
    assert needed in _refusal(text.replace(whole, ""))
    assert needed in _refusal(text, key=b"")
    stamp = text[text.index("<wsu:Timestamp") : text.index("<Assertion/>")]
    assert needed in _refusal(text.replace(stamp, ""))
    missing = "<Transforms>" + text.partition("<Transforms>")[2].partition("</Transforms>")[0] + "</Transforms>"
    assert "not offered" in _refusal(text.replace(missing, ""))
    assert "not offered" in _refusal(text.replace("<DigestMethod", "<Digest"))


def test_a_proof_ends_with_its_time_stamp() -> None:
    """A little later, for clocks differ."""
    assert "not of now" in _refusal(security_header(TICKET), now=ENDS + SKEW_S)
    late = replace(TICKET, lifetime="<wsu:Created>x</wsu:Created>")
    assert "no time" in _refusal(security_header(late))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "<Security/>",
        "<Security><Assertion/></Security><Security><Assertion/></Security>",
        "<Security><Assertion/><Assertion/></Security>",
        "<Security><Assertion/><Timestamp/><Timestamp/></Security>",
        "<Security><Assertion/><Signature/><Signature/></Security>",
    ],
)
def test_a_request_has_one_ticket(text: str) -> None:
    """And of everything else in its header no second one, which another reader might take."""
    with pytest.raises(ServiceRefused, match="no ticket"):
        _header(text)


def test_a_request_without_a_header_has_none() -> None:
    """It is told what is missing."""
    with pytest.raises(ServiceRefused, match="no ticket"):
        read_security(None)


# --- certificates

NOW = 1_700_000_000.0


def _certificate(name: str) -> x509.Certificate:
    return new_authority(key_of(name), NOW).certificate


def _possession(text: str, key: str = "alice", now: float = NOW) -> Possession:
    header = read_security(read_xml(f"<Header>{text}</Header>".encode()), "BinarySecurityToken")
    return check_possession(header, key_of(key).public_key(), now)


@pytest.mark.parametrize("kind", ["sha1", "sha256"])
@pytest.mark.parametrize("skew", [1 - SKEW_S, 0.0, SKEW_S])
def test_whoever_has_a_certificate_proves_its_key_now(kind: str, skew: float) -> None:
    """By a clock that may be a little wrong; the signature tells one request from another."""
    text = holder_header(_certificate("alice"), key_of("alice"), NOW + skew, kind)
    other = holder_header(_certificate("alice"), key_of("alice"), NOW + skew + 1 if skew < 0 else NOW + skew - 1, kind)
    assert _possession(text).signature != _possession(other).signature


@pytest.mark.parametrize(
    ("skew", "lasts_s", "ends_in"),
    [
        (0.0, 300.0, SKEW_S),
        (1 - SKEW_S, 300.0, 1.0),
        (SKEW_S, 300.0, 2 * SKEW_S),
        (-600.0, 0.0, 300.0),
        (0.0, -600.0, 300.0),
    ],
)
def test_a_proof_says_for_how_long_it_could_be_sent_again(skew: float, lasts_s: float, ends_in: float) -> None:
    """Until its time stamp is of now no more, for a clock that is wrong by no more than clocks may be."""
    text = holder_header(_certificate("alice"), key_of("alice"), NOW + skew, lasts_s=lasts_s)
    assert _possession(text).ends_in == ends_in
    _possession(text, now=NOW + ends_in - 1)
    with pytest.raises(ServiceRefused, match="not of now"):
        _possession(text, now=NOW + ends_in + 1)


@pytest.mark.parametrize(
    ("key", "made", "lasts_s", "reason"),
    [
        ("mallory", NOW, 300.0, "does not fit"),
        ("alice", NOW + SKEW_S + 1, 300.0, "not of now"),
        ("alice", NOW - SKEW_S - 1, 900_000.0, "not of now"),
        ("alice", NOW - SKEW_S - 301, 300.0, "not of now"),
    ],
)
def test_a_proof_of_another_key_or_time_is_none(key: str, made: float, lasts_s: float, reason: str) -> None:
    """A time stamp that says that it holds for days is of now no longer than others."""
    text = holder_header(_certificate("alice"), key_of(key), made, lasts_s=lasts_s)
    with pytest.raises(ServiceRefused, match=reason):
        _possession(text)


def test_a_key_for_codes_signs_no_certificate() -> None:
    """Each kind of proof has its own algorithms."""
    text = security_header(TICKET).replace("<Assertion/>", "<BinarySecurityToken/>")
    with pytest.raises(ServiceRefused, match="not offered"):
        _possession(text)
    with pytest.raises(ServiceRefused, match="no certificate"):
        _possession(security_header(TICKET))
    broken = holder_header(_certificate("alice"), key_of("alice"), NOW).replace("<SignatureValue>", "<SignatureValue>é")
    with pytest.raises(ServiceRefused, match="does not fit"):
        _possession(broken)
