"""Whose keys are let in, and the shell's own."""

import os
import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from lyncpy.contracts.workload import OperatorRole
from lyncpy.workloads.admin.keyring import AuthorizedKeys, HostKeysUnusable, host_keys, read_ring

ED = ed25519.Ed25519PrivateKey.generate().public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
EC = ec.generate_private_key(ec.SECP256R1()).public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()


def short_rsa() -> str:
    """Make an RSA key that is too short."""
    key = rsa.generate_private_key(65537, 1024)
    return key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()


@pytest.mark.parametrize(
    ("line", "role", "name"),
    [
        (f"{ED} ops at the desk", OperatorRole.OPERATOR, "ops at the desk"),
        (ED, OperatorRole.OPERATOR, ""),
        (f'environment="LYNCPY_ROLE=viewer" {ED} v', OperatorRole.VIEWER, "v"),
        (f'no-port-forwarding,environment="LYNCPY_ROLE=developer",restrict  {EC} d', OperatorRole.DEVELOPER, "d"),
        (f"  {EC}   spaced  ", OperatorRole.OPERATOR, "spaced"),
    ],
)
def test_a_line_lets_a_key_in(line: str, role: OperatorRole, name: str) -> None:
    """As OpenSSH writes it, with a role in front of it."""
    ring = read_ring(f"# keys\n\n{line}\n", OperatorRole.OPERATOR)
    (admission,) = ring.admissions.values()
    assert (admission.role, admission.name, ring.faults) == (role, name, ())
    assert admission.author.endswith(admission.fingerprint)
    assert admission.fingerprint.startswith("SHA256:")


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (f'from="192.0.2.1" {ED}', 'the option "from" is not known here'),
        (f'command="users" {ED}', 'the option "command" is not known here'),
        (f'environment="PATH=/" {ED}', 'the option "environment" is not known here'),
        (f'environment="LYNCPY_ROLE=root" {ED}', 'there is no role "root"; there are viewer, operator, developer'),
        (f'en"vi=ron {ED}', "there is no key in it"),
        (f"=,= {ED}", "is neither an option nor a kind of key"),
        ("viewer", "there is no key in it"),
        ("ssh-dss AAAAB3NzaC1kc3MAAACB", 'keys of the kind "ssh-dss" are not taken'),
        ("sk-ssh-ed25519@openssh.com AAAA", "are not taken"),
        ("ssh-ed25519 AAAA", "the key is broken"),
        ("ssh-ed25519 ????", "the key is broken"),
        ("ssh-ed25519", "the key is broken"),
        (ED[:-10], "the key is broken"),
        (ED.replace("ssh-ed25519", "ssh-rsa"), 'the key is not of the kind "ssh-rsa"'),
        (short_rsa(), "an RSA key has to have 2048 bits or more"),
    ],
)
def test_a_line_that_is_not_understood_lets_nobody_in(line: str, why: str) -> None:
    """Its number and its fault are told; the other lines count."""
    ring = read_ring(f"{EC} good\n{line}\n", OperatorRole.OPERATOR)
    assert [one.name for one in ring.admissions.values()] == ["good"]
    assert ring.faults[0].startswith("line 2 lets nobody in: ")
    assert why in ring.faults[0]


def test_a_byte_order_mark_may_stand_before_any_line() -> None:
    """Files that an editor of Windows wrote are put together with `type one.pub two.pub`."""
    ring = read_ring(f"\ufeff# ours\n\ufeff{ED} one\r\n\ufeff\ufeff{EC} two\n\ufeff\n", OperatorRole.VIEWER)
    assert ([one.name for one in ring.admissions.values()], ring.faults) == (["one", "two"], ())


def test_the_first_line_of_a_key_counts() -> None:
    """A second one with another role does not give more."""
    ring = read_ring(f'environment="LYNCPY_ROLE=viewer" {ED}\n{ED}\n', OperatorRole.DEVELOPER)
    assert [one.role for one in ring.admissions.values()] == [OperatorRole.VIEWER]
    assert len(ring.faults) == 1


def test_the_file_is_read_again_when_it_has_changed(tmp_path: Path) -> None:
    """Also when it appears, vanishes, or becomes writable for others."""
    file = tmp_path / "authorized_keys"
    keys = AuthorizedKeys(file, OperatorRole.OPERATOR)
    assert "there is no such file" in keys.ring().faults[0]
    file.write_text(f"{ED} ed\n")
    file.chmod(0o600)
    (blob,) = keys.ring().admissions
    assert keys.holder_of(blob) is not None
    assert keys.ring() is keys.ring()
    file.write_text(f"{EC} ec-now\n")
    assert keys.holder_of(blob) is None
    file.chmod(0o660)
    assert "chmod go-w" in keys.ring().faults[0]
    file.chmod(0o600)
    assert keys.ring().admissions
    file.write_bytes(b"\xef\xbb\xbf" + EC.encode() + b"\r\n")  # as Windows' editor saves it
    assert keys.ring().faults == ()
    assert len(keys.ring().admissions) == 1
    file.write_bytes(b"\xff\xfe")
    assert "save it as UTF-8" in keys.ring().faults[0]
    file.write_bytes(b"#" * 2_000_000)
    assert "longer than" in keys.ring().faults[0]
    file.unlink()
    assert "no such file" in keys.ring().faults[0]


def test_host_keys_are_made_once(tmp_path: Path) -> None:
    """Both kinds, secret from the first moment, the same ever after."""
    folder = tmp_path / "new" / "keys"
    mask = os.umask(0)
    try:
        made = host_keys(folder)
    finally:
        os.umask(mask)
    assert [key.type() for key in made] == ["Ed25519", "RSA"]
    assert sorted(file.name for file in folder.iterdir()) == ["ssh_host_ed25519_key", "ssh_host_rsa_key"]
    assert {stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()} == {0o600}
    assert host_keys(folder) == made


def test_host_keys_that_cannot_be_used_are_told_in_words(tmp_path: Path) -> None:
    """The setting, the file, and what to do."""
    host_keys(tmp_path)
    file, other = tmp_path / "ssh_host_ed25519_key", tmp_path / "ssh_host_rsa_key"
    good = file.read_bytes()
    for content, mode, why in (
        (good, 0o640, r"\[admin\] host_key_folder: others may read .* \(its mode is 0640\)"),
        (b"nonsense", 0o600, "is not a private key without passphrase"),
        (b"", 0o600, "is not a private key"),
        (other.read_bytes(), 0o600, "is not a private ed25519 key"),
        (ED.encode(), 0o600, "is not a private ed25519 key"),
    ):
        file.write_bytes(content)
        file.chmod(mode)
        with pytest.raises(HostKeysUnusable, match=why):
            host_keys(tmp_path)
    with pytest.raises(HostKeysUnusable, match=r"\[admin\] host_key_folder: .*Not a directory"):
        host_keys(file / "below")
