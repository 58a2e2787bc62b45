"""lyncpy.toml: what is read, and how faults are told."""

import json
import tomllib
from pathlib import Path

import pytest

from lyncpy.app.config import Config, ConfigError, check, explained, load, with_overrides, written

TOP = Path(__file__).resolve().parents[3]
FILE = Path("/etc/lyncpy/lyncpy.toml")


def _sentences(document: dict[str, object]) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as refused:
        check(FILE, document)
    return refused.value.lines


def test_the_smallest_file_works(tmp_path: Path) -> None:
    """A domain is all that must be said."""
    file = tmp_path / "lyncpy.toml"
    file.write_text('[sip]\ndomain = "example.com"\n')
    config = load(file)
    assert config.sections.sip.server_name == "sip.example.com"
    assert config.sections.sip.tls_port == 5061
    assert config.path("people.toml") == tmp_path / "people.toml"


def test_every_fault_is_told_at_once_with_file_section_key_and_remedy() -> None:
    """Three mistakes give three sentences."""
    lines = _sentences({"sip": {"domian": "example.com", "tls_port": 70000}, "direcotry": {}})
    assert len(lines) == 4
    assert all(line.startswith("/etc/lyncpy/lyncpy.toml: [") for line in lines)
    text = "\n".join(lines)
    assert '[sip] domian: there is no such key; did you mean "domain"?' in text
    assert "[sip] domain: is missing" in text
    assert "[sip] tls_port: 70000 cannot be used" in text
    assert '[direcotry]: there is no such section; did you mean "directory"?' in text


def test_a_wrong_kind_is_no_guess() -> None:
    """A port in quotes is refused, not converted."""
    (line,) = _sentences({"sip": {"domain": "example.com", "tls_port": "5061"}})
    assert "[sip] tls_port: '5061' cannot be used" in line


@pytest.mark.parametrize(
    ("document", "where"),
    [
        ({"store": {"url": "postgresql://u:sEcret@h/d"}}, "[store] url: this cannot be used: must hold no password"),
        ({"store": {"url": "postgresql://u@h/d?password=sEcret"}}, "[store] url: this cannot be used: must hold no"),
        ({"store": {"url": "postgres://u:sEcret@h/d"}}, "[store] url: this cannot be used: must be"),
        ({"store": {"url": "u@h:sEcret/d"}}, "[store] url: this cannot be used: must be"),
        ({"store": {"url": ["postgresql://u:sEcret@h/d"]}}, "[store] url: this cannot be used: it should be"),
        ({"store": "postgresql://u:sEcret@h/d"}, "[store]: this cannot be used"),
        ({"store": [{"url": "postgresql://u:sEcret@h/d"}]}, "[store]: this cannot be used"),
        ({"store": {"password_file": ["sEcret"]}}, "[store] password_file: this cannot be used"),
        ({"directory": {"url": "ldapi://cn=a:sEcret@h"}}, "[directory] url: this cannot be used: must be"),
        (
            {"directory": [{}, {"name": "b", "url": "ldapi://cn=a:sEcret@h"}]},
            "[[directory]] 2: url: this cannot be used: must be",
        ),
        ({"directory": {"bind_password_file": ["sEcret"]}}, "[directory] bind_password_file: this cannot be used"),
    ],
)
def test_a_password_in_the_wrong_place_is_not_repeated(document: dict[str, object], where: str) -> None:
    """The sentence goes to a terminal and a log: it says which setting is wrong, and not what stands in it."""
    (line,) = _sentences({"sip": {"domain": "example.com"}, **document})
    assert where in line
    assert "sEcret" not in line


def test_a_rule_between_settings_is_told_in_its_own_words() -> None:
    """A plain-text door that others reach is refused with what to do."""
    (line,) = _sentences({"sip": {"domain": "example.com", "tcp_host": "0.0.0.0"}})
    assert "tcp_beyond_loopback = true" in line


@pytest.mark.parametrize(
    ("text", "sentence"),
    [("[sip\n", "lyncpy.toml: line 1: a ] is missing"), ("\xff", "lyncpy.toml: line 1: ")],
)
def test_a_file_that_is_not_toml_is_told_so(tmp_path: Path, text: str, sentence: str) -> None:
    """In words, with its line."""
    file = tmp_path / "lyncpy.toml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=sentence):
        load(file)


def test_a_file_that_is_not_there_names_the_remedy(tmp_path: Path) -> None:
    """Whoever forgot to make one is told how."""
    with pytest.raises(ConfigError, match="make one with: lyncpy init"):
        load(tmp_path / "lyncpy.toml")


def test_bytes_that_are_not_utf8_are_told(tmp_path: Path) -> None:
    """A file in another encoding gives a sentence."""
    file = tmp_path / "lyncpy.toml"
    file.write_bytes(b'[sip]\ndomain = "\xff"\n')
    with pytest.raises(ConfigError, match=r"line 2, \[sip\] domain: a letter in another code page"):
        load(file)


@pytest.mark.parametrize("section", ["registrar", "contacts"])
def test_the_shortest_time_is_never_above_the_longest(section: str) -> None:
    """An administrator hears of a time that could never be granted."""
    table = {"expires_minimum_s": 4000, "expires_maximum_s": 3000, "expires_s": 4000}
    (line,) = _sentences({"sip": {"domain": "example.com"}, section: table})
    assert line.endswith(f"[{section}] expires_s = 4000 is above expires_maximum_s = 3000")


@pytest.mark.parametrize("domain", ["-a", "exa mple", "ü.de"])
def test_a_name_that_is_none_is_told_in_words(domain: str) -> None:
    """And never by a regular expression."""
    lines = _sentences({"sip": {"domain": domain, "server_name": "sip.example.com"}})
    assert [("write a name as in DNS" in line, "^" in line) for line in lines] == [(True, False)]


def _overridden(*overrides: str) -> Config:
    return check(FILE, with_overrides({"sip": {"domain": "example.com"}}, overrides))


def test_an_override_within_a_setting_that_is_no_table_is_refused_in_words() -> None:
    """`sip.domain` is text: there is nothing in it that could have a name."""
    with pytest.raises(ConfigError, match=r'--set "sip\.domain\.name=x": \[sip\.domain\] is not a section of the file'):
        _overridden("sip.domain.name=x")


def test_an_override_leaves_the_document_that_was_read_as_it_was() -> None:
    """The same document is read again when the server reloads, with other overrides."""
    document = {"sip": {"domain": "example.com"}, "policies": {"a": {"members": ["a"]}}}
    with_overrides(document, ["policies.a.privacy_mode=true"])
    assert document["policies"] == {"a": {"members": ["a"]}}


def test_overrides_are_read_as_their_setting_is() -> None:
    """Text needs no quotes; numbers, truths and lists are TOML."""
    config = _overridden(
        "sip.domain=other.test",
        "sip.tls_port=6061",
        "sip.tcp_port=0",
        "sip.tls_minimum=1.3",
        "directory.url=ldap://127.0.0.1:389",
        "directory.start_tls=true",
        'directory.bases=["ou=a,dc=x", "ou=b,dc=x"]',
        "directory.attributes.company=o",
        "directory.interval_s=5",
    )
    assert config.sections.sip.domain == "other.test"
    assert config.sections.sip.tls_port == 6061
    assert config.sections.sip.tls_minimum == "1.3"
    assert config.sections.directory.bases == ("ou=a,dc=x", "ou=b,dc=x")
    assert config.sections.directory.start_tls
    assert config.sections.directory.attributes["company"] == ("o",)


def test_one_base_needs_no_brackets() -> None:
    """A list of one may be written as it is, commas and all."""
    assert _overridden("directory.bases=ou=people,dc=example,dc=test").sections.directory.bases == (
        "ou=people,dc=example,dc=test",
    )


@pytest.mark.parametrize("override", ["tls_port=1", "sip.tls_port", "sip.tls_port=many"])
def test_an_override_that_cannot_be_read_is_refused(override: str) -> None:
    """The sentence repeats what was written."""
    with pytest.raises(ConfigError) as refused:
        _overridden(override)
    assert override.split("=")[0] in str(refused.value)


def test_the_explained_file_is_the_codes_own() -> None:
    """etc/lyncpy.toml has every setting with its sentence and default. Renew it: lyncpy settings > etc/lyncpy.toml."""
    assert (TOP / "etc" / "lyncpy.toml").read_text(encoding="utf-8") == "".join(f"{line}\n" for line in explained())


def test_the_explained_file_can_be_used_with_every_line_in_force(tmp_path: Path) -> None:
    """Taking away every # changes nothing: the defaults are written as the reader reads them."""
    lines = [line.removeprefix("#") if not line.startswith("# ") else line for line in explained()]
    file = tmp_path / "lyncpy.toml"
    file.write_text("\n".join(lines))
    plain = tmp_path / "plain" / "lyncpy.toml"
    plain.parent.mkdir()
    plain.write_text('[sip]\ndomain = "example.com"\n')
    every, few = load(file).sections.model_dump(), load(plain).sections.model_dump()
    # An empty name becomes one that is made from the domain.
    assert json.dumps(every, default=str) == json.dumps(few, default=str)


def test_the_file_of_several_servers_can_be_used() -> None:
    """etc/enterprise.toml is what somebody copies to each machine: it is understood, and says all that a pool needs."""
    text = (TOP / "etc" / "enterprise.toml").read_text(encoding="utf-8")
    sections = check(FILE, tomllib.loads(text)).sections
    assert not sections.store.is_sqlite
    assert not sections.bus.is_memory
    assert next(iter(sections.pool.places(5061))) == sections.pool.name
    assert len(sections.pool.servers) == 3


def test_a_written_document_is_read_back() -> None:
    """What `lyncpy init` writes, the reader takes."""
    text = written({"sip": {"domain": "example.com", "tls_port": 1, "chain": "a.b", "tcp_beyond_loopback": True}})
    assert 'domain = "example.com"' in text
    assert 'chain = "a.b"' in text
    assert "tcp_beyond_loopback = true" in text


@pytest.mark.parametrize(
    ("section", "sentence"),
    [
        ({"privacy_mod": True}, r'\[policies\] privacy_mod: there is no such key; did you mean "privacy_mode"\?'),
        ({"board": {"members": [], "meeting_siz": 3}}, r'board.meeting_siz: there is no such key; did you mean "meet'),
        ({"board": {"privacy_mode": True}}, r"\[policies\] board.members: is missing"),
        ({"board": {"members": [], "meeting_size": 3000}}, r"board.meeting_size: 3000 cannot be used: .* 1000"),
        ({"default": {"members": []}}, r"the defaults stand in \[policies\] itself"),
    ],
)
def test_a_mistake_in_a_policy_names_table_key_and_reason(section: dict[str, object], sentence: str) -> None:
    """A table may have any name; its keys may not, and a key of the section is no table."""
    with pytest.raises(ConfigError, match=sentence):
        check(FILE, {"sip": {"domain": "example.com"}, "policies": section})


def test_policies_keep_their_order_and_can_be_overridden() -> None:
    """The first that names a user is his, so the order of the file counts."""
    tables = {name: {"members": [name]} for name in ("z", "a", "m")}
    document = {"sip": {"domain": "example.com"}, "policies": tables}
    policies = check(FILE, with_overrides(document, ["policies.a.privacy_mode=true"])).sections.policies
    assert list(policies.named) == ["z", "a", "m"]
    assert policies.named["a"].privacy_mode is True


@pytest.mark.parametrize(
    ("web", "address"),
    [
        ({}, ""),
        ({"url": "https://web.example.com"}, ""),
        ({"https_port": 443}, "https://sip.example.com"),
        ({"https_port": 8443}, "https://sip.example.com:8443"),
        ({"https_port": 8443, "url": "https://web.example.com"}, "https://web.example.com"),
    ],
)
def test_the_address_of_the_site_is_as_clients_reach_it(web: dict[str, object], address: str) -> None:
    """Behind a relay it is another than the server's own; without a site there is none."""
    assert check(FILE, {"sip": {"domain": "example.com"}, "web": web}).site == address


@pytest.mark.parametrize(
    "url", ["http://web.example.com", "https://web.example.com/", "web.example.com", "https://A.b"]
)
def test_an_address_of_the_site_that_is_none_is_told(url: str) -> None:
    """With the form that is wanted."""
    (line,) = _sentences({"sip": {"domain": "example.com"}, "web": {"url": url}})
    assert "[web] url" in line
    assert "https://web.example.com" in line


def test_the_site_is_open_as_soon_as_there_is_a_certificate(tmp_path: Path) -> None:
    """At a port that needs no permission, unless somebody chooses; without a certificate a server starts as it did."""
    config = check(tmp_path / "lyncpy.toml", {"sip": {"domain": "example.com"}})
    assert (config.https_port, config.site, config.is_site_chosen) == (0, "", False)
    (tmp_path / "server.pem").touch()
    assert (config.https_port, config.site) == (4443, "https://sip.example.com:4443")
    closed = check(tmp_path / "lyncpy.toml", {"sip": {"domain": "example.com"}, "web": {"https_port": 0}})
    assert (closed.https_port, closed.site, closed.is_site_chosen) == (0, "", True)


TWO = """
[sip]
domain = "example.com"
[[directory]]
interval_s = 60
[[directory]]
name = "branch"
url = "ldap://branch.example.com"
bases = "ou=people,dc=branch"
"""


def test_there_may_be_several_directories(tmp_path: Path) -> None:
    """The first has what concerns all; an override is about it."""
    file = tmp_path / "lyncpy.toml"
    file.write_text(TWO)
    config = load(file, ["directory.url=others.toml"])
    assert config.people_from == "others.toml, branch=ldap://branch.example.com"
    assert [(one.name, one.bases) for one in config.directories] == [("", ()), ("branch", ("ou=people,dc=branch",))]
    assert config.sections.directory.interval_s == 60
    file.write_text('[sip]\ndomain = "example.com"\n')
    assert load(file).people_from == "people.toml"


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ('name = "branch"', "", '[[directory]] name: "" is that of two'),
        ('name = "branch"', 'name = "a/b"', "[[directory]] 2: name"),
        (
            'name = "branch"',
            'name = "branch"\nheld_s = 5',
            "[[directory]] 2: held_s: is for all directories, and stands in the first",
        ),
        ('bases = "', 'base = "', '[[directory]] 2: base: there is no such key; did you mean "bases"?'),
        ("interval_s = 60", "interval = 60", '[directory] interval: there is no such key; did you mean "interval_s"?'),
        (
            "[[directory]]\ninterval_s",
            "[[directories]]\nx = 1\n[[directory]]\ninterval_s",
            "[directories]: there is no such section",
        ),
    ],
)
def test_a_mistake_in_one_of_several_directories_names_the_table(
    tmp_path: Path, old: str, new: str, sentence: str
) -> None:
    """By its place in the file."""
    file = tmp_path / "lyncpy.toml"
    file.write_text(TWO.replace(old, new))
    with pytest.raises(ConfigError) as caught:
        load(file)
    assert sentence in str(caught.value)


def test_directories_are_tables() -> None:
    """A list of something else is refused in words."""
    with pytest.raises(ConfigError, match="begins with"):
        check(Path("/x/lyncpy.toml"), {"sip": {"domain": "example.com"}, "directory": ["people.toml"]})
