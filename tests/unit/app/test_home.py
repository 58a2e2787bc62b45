"""The folder that a server starts from."""

import os
import stat
import tomllib
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from lyncpy.app import cli, home
from lyncpy.app.check import findings
from lyncpy.app.config import Config, ConfigError, load
from lyncpy.app.greeting import greeting
from lyncpy.backends.sealing import write_key


def _made(folder: Path, *overrides: str) -> Config:
    config = load(home.write_config(folder, overrides))
    home.write_certificates(folder, config)
    home.write_admin_key(folder, config.path(config.sections.admin.authorized_keys))
    return config


def _mode(file: Path) -> int:
    return stat.S_IMODE(file.stat().st_mode)


def test_overrides_are_kept_in_the_new_file(tmp_path: Path) -> None:
    """The second run starts with what the first one was told."""
    _made(tmp_path, "sip.domain=other.test", "sip.tls_port=6061", "directory.interval_s=7")
    config = load(tmp_path / "lyncpy.toml")
    assert config.sections.sip.domain == "other.test"
    assert config.sections.sip.tls_port == 6061
    assert config.sections.directory.interval_s == 7


def test_a_file_that_is_there_is_left_alone(tmp_path: Path) -> None:
    """Nothing that an administrator wrote is overwritten."""
    file = tmp_path / "lyncpy.toml"
    file.write_text('# mine\n[sip]\ndomain = "mine.test"\n')
    home.write_config(tmp_path, ["sip.domain=other.test"])
    assert file.read_text().startswith("# mine")


def test_unusable_overrides_write_nothing(tmp_path: Path) -> None:
    """A first run with a mistake leaves no half-made folder."""
    with pytest.raises(ConfigError):
        home.write_config(tmp_path, ["sip.tls_port=70000"])
    assert list(tmp_path.iterdir()) == []


def test_the_certificate_has_every_name_a_client_may_use(tmp_path: Path) -> None:
    """Server name, domain, discovery names, the machine and loopback; signed by the authority; keys are private."""
    _made(tmp_path, "sip.domain=other.test")
    ca = x509.load_pem_x509_certificate((tmp_path / "ca.pem").read_bytes())
    server, ecdsa = x509.load_pem_x509_certificates((tmp_path / "server.pem").read_bytes())
    names = server.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert {"sip.other.test", "other.test", "sipinternal.other.test", "localhost"} <= set(
        names.get_values_for_type(x509.DNSName)
    )
    assert "127.0.0.1" in {str(address) for address in names.get_values_for_type(x509.IPAddress)}
    key = ca.public_key()
    assert isinstance(key, RSAPublicKey)
    assert server.signature_hash_algorithm is not None
    key.verify(server.signature, server.tbs_certificate_bytes, PKCS1v15(), server.signature_hash_algorithm)
    # The first is what clients of any age can use, and other programs that read one certificate and one key.
    assert isinstance(server.public_key(), RSAPublicKey)
    assert isinstance(load_pem_private_key((tmp_path / "server.key").read_bytes(), None), RSAPrivateKey)
    assert isinstance(ecdsa.public_key(), EllipticCurvePublicKey)
    assert ecdsa.extensions.get_extension_for_class(x509.SubjectAlternativeName).value == names
    assert not ecdsa.extensions.get_extension_for_class(x509.KeyUsage).value.key_encipherment
    assert ca.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert server.not_valid_after_utc > datetime.now(UTC) + timedelta(days=365)
    for name in ("ca.key", "server.key", "admin_key", "authorized_keys"):
        assert _mode(tmp_path / name) == 0o600


def test_a_second_run_keeps_certificates_and_keys(tmp_path: Path) -> None:
    """Clients that trust the authority go on trusting it."""
    config = _made(tmp_path)
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    home.write_certificates(tmp_path, config)
    home.write_admin_key(tmp_path, config.path(config.sections.admin.authorized_keys))
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == before


def test_demo_people_have_accounts_that_only_the_owner_reads(tmp_path: Path) -> None:
    """Six people with addresses in the domain, and a file with their passwords."""
    config = _made(tmp_path, "sip.domain=other.test")
    accounts = home.write_demo_people(tmp_path, config)
    written = tomllib.loads((tmp_path / "demo-accounts.toml").read_text())
    assert list(written) == ["alice", "bob", "carol", "dave", "erin", "frank"]
    assert written["alice"] == {"address": "alice@other.test", "password": accounts["alice"][1]}
    assert len({password for _, password in accounts.values()}) == 6
    assert _mode(tmp_path / "demo-accounts.toml") == 0o600


def test_demo_people_come_only_where_there_are_none(tmp_path: Path) -> None:
    """Real people, and people from LDAP, get no demo company."""
    (tmp_path / "people.toml").write_text("")
    assert home.write_demo_people(tmp_path, _made(tmp_path)) == {}
    other = tmp_path / "ldap"
    other.mkdir()
    assert home.write_demo_people(other, _made(other, "directory.url=ldap://127.0.0.1")) == {}
    assert not (other / "demo-accounts.toml").exists()


def test_a_file_is_written_whole_and_private_from_the_first_byte(tmp_path: Path) -> None:
    """Permissions do not depend on the umask of whoever runs it."""
    old = os.umask(0)
    try:
        home.keep(tmp_path / "key", b"secret", 0o600)
    finally:
        os.umask(old)
    assert _mode(tmp_path / "key") == 0o600
    assert [file.name for file in tmp_path.iterdir()] == ["key"]


def test_the_greeting_tells_a_newcomer_what_he_needs(tmp_path: Path) -> None:
    """Port, authority, accounts and the way to the shell."""
    config = _made(tmp_path, "sip.tls_port=6061", "admin.port=2299")
    accounts = home.write_demo_people(tmp_path, config)
    text = "\n".join(greeting(config, on_terminal=True))
    for part in ("port 6061", str(tmp_path / "ca.pem"), *accounts["bob"], "ssh -p 2299 -i"):
        assert part in text


def test_check_finds_a_whole_home_good_and_a_broken_one_bad(tmp_path: Path) -> None:
    """`lyncpy check` names what is wrong with certificate, key and people before a start."""
    config = _made(tmp_path, "sip.tls_port=0", "sip.tcp_port=0", "web.https_port=0", "admin.port=0")
    write_key(config.path(config.sections.store.key_file))
    home.write_demo_people(tmp_path, config)
    now = datetime.now(UTC)
    # Without a port nobody signs in, which is told.
    assert [one.sentence.partition(":")[0] for one in findings(config, now) if not one.good] == ["[sip] tls_port"]
    (tmp_path / "people.toml").unlink()
    (tmp_path / "store.key").unlink()
    bad = [finding.sentence for finding in findings(config, now) if not finding.good]
    assert any("[directory] url" in sentence for sentence in bad)
    assert any("key_file" in sentence for sentence in bad)


def test_check_finds_an_expired_certificate(tmp_path: Path) -> None:
    """A certificate that has ended is told before clients meet it."""
    config = _made(tmp_path, "sip.tls_port=65000")
    later = datetime.now(UTC) + timedelta(days=5000)
    assert any(not f.good and "certificate" in f.sentence for f in findings(config, later))


def test_nothing_of_a_home_is_for_others(tmp_path: Path) -> None:
    """A new folder is its owner's; one that was open is closed when it is initialised again, and check says so before."""
    folder = tmp_path / "home"
    assert cli.main(["init", str(folder)]) == 0
    (folder / "people.toml").unlink()
    home.write_demo_people(folder, load(folder / "lyncpy.toml", ()))
    assert _mode(folder) == 0o700
    public = {"ca.pem", "server.pem", "admin_key.pub"}
    assert {file.name for file in folder.iterdir() if _mode(file) & 0o077} == public
    for name in ("lyncpy.db", "lyncpy.db-wal", "archive.gap"):
        (folder / name).touch()
    names = ("people.toml", "lyncpy.toml", "server.key", "lyncpy.db", "lyncpy.db-wal", "archive.gap")
    open_ones = [folder, *(folder / name for name in names)]
    for path in open_ones:
        path.chmod(0o755 if path.is_dir() else 0o644)
    config = load(folder / "lyncpy.toml", ())
    said = [one.sentence for one in findings(config, datetime.now(UTC)) if not one.good]
    assert all(any(f'chmod o-rwx "{path}"' in sentence for sentence in said) for path in open_ones)
    assert set(home.open_to_others(config)) == set(open_ones)
    assert cli.main(["init", str(folder)]) == 0
    assert not any(_mode(path) & 0o007 for path in open_ones)
    assert home.open_to_others(config) == []


def test_somebody_s_desk_is_not_touched(tmp_path: Path) -> None:
    """A folder that holds other things keeps its rights."""
    (tmp_path / "letter.txt").write_text("x")
    tmp_path.chmod(0o755)
    home.open_folder(tmp_path)
    assert _mode(tmp_path) == 0o755


def test_passwords_are_shown_on_a_terminal_alone(tmp_path: Path) -> None:
    """What is printed elsewhere ends in a log or a journal; there the file is named."""
    home.open_folder(tmp_path / "home")
    config = load(home.write_config(tmp_path / "home", ()))
    home.write_demo_people(tmp_path / "home", config)
    accounts = tomllib.loads((tmp_path / "home" / "demo-accounts.toml").read_text())
    for on_terminal in (True, False):
        text = "\n".join(greeting(config, on_terminal=on_terminal))
        assert all((one["password"] in text) == on_terminal for one in accounts.values())
        assert "demo-accounts.toml" in text
