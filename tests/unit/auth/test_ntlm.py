"""NTLM against the vectors of [MS-NLMP], a captured sign-in of a real client, and hostile bytes."""

import base64
import hashlib
import hmac
import struct
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from spnego._ntlm_raw import crypto, security

from lyncpy.auth.ciphers import rc4
from lyncpy.auth.ntlm import (
    OFFERED,
    SEQUENCE,
    Authenticate,
    Mac,
    ServerNames,
    av_pairs,
    exported_key,
    macs,
    nt_hash,
    ntowf_v2,
    read_authenticate,
    write_challenge,
)
from lyncpy.sip.errors import RemoteProtocolError
from tests.kit.ntlm_client import ANSWERED_FLAGS, write_authenticate

CHALLENGE = bytes.fromhex("5d1c3a548c6d9bb1")
CAPTURED = (
    "TlRMTVNTUAADAAAAGAAYAGQAAACQAJAAfAAAAA4ADgBIAAAACgAKAFYAAAAEAAQAYAAAABAAEAAMAQAAVYKYYgUBKAoAAAAPQwBPAE4AVABPAFMATwBh"
    "AGwAaQBjAGUAVgBNAHLUq+YelcZNlGIOu5lc1yWHE+ipqCiEA66V4ysGug5BkC/fzt8gMeUBAQAAAAAAAIDThvgYe90BhxPoqagohAMAAAAAAgAOAEMA"
    "TwBOAFQATwBTAE8AAQAGAEYARQAxAAQAGABjAG8AbgB0AG8AcwBvAC4AdABlAHMAdAADACAAZgBlADEALgBjAG8AbgB0AG8AcwBvAC4AdABlAHMAdAAA"
    "AAAAAAAAALqsuZYFj06E/cNZXpumQG0="
)
OURS = (
    "TlRMTVNTUAACAAAADgAOADgAAABVgpniXRw6VIxtm7EAAAAAAAAAAGAAYABGAAAABgGxHQAAAA9DAE8ATgBUAE8AUwBPAAIADgBDAE8ATgBUAE8AUwBP"
    "AAEABgBGAEUAMQAEABgAYwBvAG4AdABvAHMAbwAuAHQAZQBzAHQAAwAgAGYAZQAxAC4AYwBvAG4AdABvAHMAbwAuAHQAZQBzAHQAAAAAAA=="
)
PLACE = ServerNames("CONTOSO", "FE1", "contoso.test", "fe1.contoso.test")
SECRET = nt_hash("Passw0rd!")


def captured(**changes: str) -> Authenticate:
    """The AUTHENTICATE message of a real client, with some fields changed."""
    real = read_authenticate(CAPTURED)
    names: dict[str, Any] = dict(changes)  # Any: replace() is asked for one type for all fields
    return replace(real, **names)


def test_keeps_a_password_as_windows_does() -> None:
    """The NT hash of "Password" is the one that [MS-NLMP] 4.2.2.1.2 gives."""
    assert nt_hash("Password").hex() == "a4f49c406510bdcab6824ee7c30fd852"


def test_derives_the_keys_of_the_specification() -> None:
    """Response key, proof and session key are those of [MS-NLMP] 4.2.4."""
    assert ntowf_v2(nt_hash("Password"), "USER", "Domain").hex() == "0c868a403bfd7a93a3001ef22ef02e3f"
    info = bytes.fromhex("02000c0044006f006d00610069006e0001000c0053006500720076006500720000000000")
    blob = b"\x01\x01" + bytes(14) + b"\xaa" * 8 + bytes(4) + info + bytes(4)
    message = Authenticate(
        flags=OFFERED,
        domain="Domain",
        user="User",
        workstation="COMPUTER",
        proof=bytes.fromhex("68cd0ab851e51c96aabc927bebef6a1c"),
        blob=blob,
        session_key=bytes.fromhex("c5dad2544fc9799094ce1ce90bc9d03e"),
    )
    assert exported_key(message, bytes.fromhex("0123456789abcdef"), nt_hash("Password")) == b"\x55" * 16
    assert rc4(bytes.fromhex("8de40ccadbc14a82f15cb0ad0de95ca3"), message.session_key) == b"\x55" * 16


def test_writes_the_challenge_that_a_real_client_accepted() -> None:
    """The CHALLENGE message is, byte for byte, one that a real client has answered."""
    assert write_challenge(CHALLENGE, PLACE, None) == OURS


def test_puts_the_time_before_the_end_of_the_list() -> None:
    """A challenge with our time still ends its list with the mark that clients look for."""
    data = base64.b64decode(write_challenge(CHALLENGE, PLACE, 1_700_000_000.5))
    assert data[-16:] == struct.pack("<HHQ", 7, 8, 17000000005000000 + 116444736000000000) + bytes(4)


def test_reads_a_captured_sign_in() -> None:
    """Names and clock of a real client's message are read; its secrets are not shown."""
    message = read_authenticate(CAPTURED)
    assert (message.domain, message.user, message.workstation) == ("CONTOSO", "alice", "VM")
    assert message.account == "CONTOSO\\alice"
    assert message.flags == 0x62988255
    assert 1_700_000_000 < message.at < 1_900_000_000
    assert message.proof.hex() not in repr(message)


def test_reads_the_attributes_of_a_proof() -> None:
    """Those of a captured one: the names of the challenge, and none of a service; until the end of the list."""
    names = {kind: value.decode("utf-16-le") for kind, value in av_pairs(captured().blob)}
    assert names == {2: "CONTOSO", 1: "FE1", 4: "contoso.test", 3: "fe1.contoso.test"}
    assert captured().targets == ()
    pairs = bytes.fromhex("090004006800690009000200780000000000090002")
    assert list(av_pairs(bytes(28) + pairs)) == [(9, b"h\0i\0"), (9, b"x\0")]
    assert list(av_pairs(bytes(28))) == []


@pytest.mark.parametrize("pairs", ["09", "090004006800", "09000000ff"])
def test_attributes_do_not_reach_outside_of_a_proof(pairs: str) -> None:
    """However long they say that they are."""
    with pytest.raises(RemoteProtocolError, match="NTLM response"):
        list(av_pairs(bytes(28) + bytes.fromhex(pairs)))


def test_derives_the_captured_session_key() -> None:
    """The password of the capture gives the session key that its client used."""
    key = exported_key(captured(), CHALLENGE, SECRET)
    assert key is not None
    assert key.hex() == "5f441788d430754390db6369935f0ec8"


@pytest.mark.parametrize(
    ("message", "challenge", "secret"),
    [
        (captured(), CHALLENGE, nt_hash("passw0rd!")),
        (captured(), bytes(8), SECRET),
        (captured(user="bob"), CHALLENGE, SECRET),
        (captured(domain="contoso"), CHALLENGE, SECRET),
        (captured(), CHALLENGE, bytes(16)),
    ],
)
def test_refuses_any_other_proof(message: Authenticate, challenge: bytes, secret: bytes) -> None:
    """Another password, challenge, user or domain proves nothing."""
    assert exported_key(message, challenge, secret) is None


@pytest.mark.parametrize("upper", ["JüRGEN", "JÜRGEN"])
def test_accepts_both_ways_to_write_a_name_in_capitals(upper: str) -> None:
    """A user called jürgen signs in with a Windows client and with pidgin-sipe."""
    blob = b"\x01\x01" + bytes(26)
    key = ntowf_v2(SECRET, upper, "")
    message = Authenticate(OFFERED, "", "jürgen", "", proof_of(key, blob), blob, bytes(16))
    assert exported_key(message, CHALLENGE, SECRET) is not None


def proof_of(key: bytes, blob: bytes) -> bytes:
    """The proof that a client makes."""
    return hmac.digest(key, CHALLENGE + blob, "md5")


def test_signs_as_captured() -> None:
    """Either direction's signature over a captured text is the captured one."""
    client, server = macs(bytes.fromhex("5f441788d430754390db6369935f0ec8"))
    place = "<SIP Communications Service><fe1.contoso.test><3133gCA7Da83CCiBADBm5451tB479b44B0xD979x>"
    asked = (
        f"<NTLM><3465a248><1>{place}<3><REGISTER><sip:alice@contoso.test><620221837><sip:alice@contoso.test><><><><>"
    )
    told = (
        f"<NTLM><B504880D><1>{place}<3><REGISTER><sip:alice@contoso.test><620221837>"
        "<sip:alice@contoso.test><srv2483664B><><><7200><200>"
    )
    assert client.hex(asked.encode()) == "0100000020C9BDF39B6A842464000000"
    assert server.hex(told.encode()) == "01000000CDDC90E54384224264000000"


def test_mac_is_that_of_the_captured_keys() -> None:
    """The keys of the capture, given directly, sign alike."""
    mac = Mac(bytes.fromhex("5111a5b085e5a34620a57220b21b7992"), bytes.fromhex("78c5b2ea84ccc114bbbc4333cf1e7c17"))
    assert mac.hex(b"x") == macs(bytes.fromhex("5f441788d430754390db6369935f0ec8"))[0].hex(b"x")


def test_signs_as_a_foreign_library_does_with_the_key_made_anew() -> None:
    """pyspnego, whose sealing key is made anew for number 100, gives our signature byte for byte."""
    exported = bytes.fromhex("5f441788d430754390db6369935f0ec8")
    for mac, usage in zip(macs(exported), ("initiate", "accept"), strict=True):
        sign_key = crypto.signkey(ANSWERED_FLAGS, exported, usage)
        seal_key = crypto.sealkey(ANSWERED_FLAGS, exported, usage)
        handle = crypto.rc4init(hashlib.md5(seal_key + SEQUENCE).digest())
        # Its sign() also enciphers the checksum when keys are exchanged, as ours does always.
        theirs = security.sign(ANSWERED_FLAGS, handle, sign_key, 100, b"<NTLM><x>")
        assert theirs.hex().upper() == mac.hex(b"<NTLM><x>")


NT = bytes(16) + b"\x01\x01" + bytes(42)


def token(parts: list[bytes], flags: int = ANSWERED_FLAGS) -> str:
    """An AUTHENTICATE message in base64."""
    return base64.b64encode(write_authenticate(parts, flags)).decode()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("!" * 20, "no base64"),
        ("é" * 20, "no base64"),
        ("QQ==", "not an NTLM"),
        (OURS, "not an NTLM"),
        ("A" * 20_000, "too long"),
        (token([b"", NT, b"", b"", b"", bytes(16)], flags=0x02988255), "negotiates too little"),
        (token([bytes(24), bytes(24), b"", b"", b"", bytes(16)]), "not NTLMv2"),
        (token([bytes(24), b"", b"", b"", b"", bytes(16)]), "not NTLMv2"),
        (token([b"", NT, b"", b"", b"", b""]), "the session key"),
        (token([b"", NT, b"odd", b"", b"", bytes(16)]), "not UTF-16"),
        (token([b"", NT, b"", b"\x00\xd8", b"", bytes(16)]), "not UTF-16"),
        (base64.b64encode(base64.b64decode(CAPTURED)[:-1]).decode(), "outside of it"),
        (base64.b64encode(base64.b64decode(CAPTURED)[:64]).decode(), "outside of it"),
    ],
)
def test_refuses_what_is_not_an_answer(text: str, reason: str) -> None:
    """Garbage, old NTLM and fields that reach outside are refused with a reason."""
    with pytest.raises(RemoteProtocolError, match=reason):
        read_authenticate(text)


@given(st.binary(max_size=64), st.integers(0, 279), st.integers(0, 5))
def test_survives_any_damage(noise: bytes, at: int, cut: int) -> None:
    """Whatever is overwritten in a real message: it is read or refused, and nothing else happens."""
    data = bytearray(base64.b64decode(CAPTURED))
    data[at : at + len(noise)] = noise
    damaged = bytes(data[: len(data) - cut])
    try:
        message = read_authenticate(base64.b64encode(damaged).decode())
        exported_key(message, CHALLENGE, SECRET)
        assert isinstance(message.at, float)
    except RemoteProtocolError:
        pass
