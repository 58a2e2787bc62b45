"""What has to stand in DNS and in the certificate for clients to find a server."""

from pathlib import Path

import pytest

from lyncpy.app.config import Config, ConfigError, check
from lyncpy.app.discovery import (
    NO_SERVICE,
    DnsRecord,
    Judgement,
    RecordKind,
    asked_hosts,
    judged,
    other_hosts,
    records,
    remarks,
)


def configured(**sections: dict[str, object]) -> Config:
    """Make a configuration of example.com."""
    return check(Path("/x/lyncpy.toml"), {**sections, "sip": {"domain": "example.com", **sections.get("sip", {})}})


def lines(config: Config, *addresses: str) -> list[str]:
    """Give the zone file."""
    return [one.line() for one in records(config, addresses)]


def test_a_server_as_it_is_made_needs_its_address_and_two_services() -> None:
    """And a name for clients that read no SRV."""
    assert lines(configured(), "192.0.2.10", "2001:db8::10") == [
        "sip.example.com. 3600 IN A 192.0.2.10",
        "sip.example.com. 3600 IN AAAA 2001:db8::10",
        "_sipinternaltls._tcp.example.com. 3600 IN SRV 0 0 5061 sip.example.com.",
        "_sip._tls.example.com. 3600 IN SRV 0 0 5061 sip.example.com.",
        "sipinternal.example.com. 3600 IN CNAME sip.example.com.",
    ]


def test_the_site_is_found_by_the_names_that_clients_know() -> None:
    """And by those that a setting gives it and its meetings."""
    config = configured(
        web={"https_port": 443, "url": "https://web.example.com"},
        conferencing={"meeting_url": "https://meet.example.com/m"},
        sip={"tls_port": 5062},
    )
    assert [line.partition(" ")[0] for line in lines(config) if "CNAME" in line] == [
        "web.example.com.",
        "lyncdiscoverinternal.example.com.",
        "lyncdiscover.example.com.",
        "meet.example.com.",
    ]


def test_a_domain_itself_has_addresses_and_no_alias() -> None:
    """Beside its other records no CNAME may stand; pages under it are reached all the same."""
    config = configured(web={"https_port": 443}, conferencing={"meeting_url": "https://example.com/meet"})
    assert "example.com. 3600 IN A 192.0.2.10" in lines(config, "192.0.2.10")
    assert not any(line.startswith("example.com. 3600 IN CNAME") for line in lines(config))


def test_at_the_port_of_https_two_more_names_are_asked() -> None:
    """One of them is usually the server's own."""
    config = configured(sip={"tls_port": 443})
    assert "sipexternal.example.com. 3600 IN CNAME sip.example.com." in lines(config)
    assert not any(line.startswith("sip.example.com.") for line in lines(config))


def test_a_server_without_tls_is_found_by_clients_without_it() -> None:
    """Only where others can reach that port at all."""
    open_to_all = configured(sip={"tls_port": 0, "tcp_host": "", "tcp_beyond_loopback": True})
    assert lines(open_to_all) == [
        "_sipinternal._tcp.example.com. 3600 IN SRV 0 0 5060 sip.example.com.",
        "_sip._tcp.example.com. 3600 IN SRV 0 0 5060 sip.example.com.",
    ]
    assert lines(configured(sip={"tls_port": 0})) == []


@pytest.mark.parametrize(
    ("sections", "told"),
    [
        ({"sip": {"server_name": "fe.example.net"}}, "not in the domain"),
        ({"web": {"https_port": 8443}}, "asked for at 443"),
        ({"sip": {"tls_port": 0}}, "do not find"),
    ],
)
def test_what_no_record_mends_is_told(sections: dict[str, dict[str, object]], told: str) -> None:
    """Settings with which clients do not come, whatever DNS says."""
    (said,) = remarks(configured(**sections))
    assert told in said
    assert list(remarks(configured(web={"https_port": 443}))) == []


def test_names_that_are_left_out_are_told_with_what_would_have_them(tmp_path: Path) -> None:
    """A new server has its site at a port that nobody chose, where clients do not look by themselves."""
    (tmp_path / "server.pem").touch()
    config = check(tmp_path / "lyncpy.toml", {"sip": {"domain": "example.com"}})
    (said,) = remarks(config)
    assert "the site is at port 4443" in said and "https_port = 443" in said
    assert not any("lyncdiscover" in line for line in lines(config))


def test_names_for_the_certificate_say_who_needs_them() -> None:
    """A client of the site fails without; one that has SRV records does not."""
    needed = {one.name: one.needed for one in asked_hosts(configured(web={"https_port": 443}))}
    assert needed == {
        "lyncdiscoverinternal.example.com": True,
        "lyncdiscover.example.com": True,
        "sipinternal.example.com": False,
    }


def test_clients_that_are_sent_on_need_no_certificate_for_the_names() -> None:
    """They ask without TLS and are told where the site is, at whatever port."""
    config = configured(web={"https_port": 8443, "http_port": 80})
    needed = {one.name: one.needed for one in asked_hosts(config) if "lyncdiscover" in one.name}
    assert needed == {"lyncdiscoverinternal.example.com": False, "lyncdiscover.example.com": False}
    assert list(remarks(config)) == []


def test_each_domain_has_names_of_its_own() -> None:
    """Lync takes no server whose name is not in its user's domain; a name that is in it serves both."""
    config = configured(sip={"domains": ["example.org", "Sub.Example.COM", "EXAMPLE.com"]}, web={"https_port": 443})
    assert lines(config, "192.0.2.10") == [
        "sip.example.com. 3600 IN A 192.0.2.10",
        "sip.example.org. 3600 IN A 192.0.2.10",
        "sip.sub.example.com. 3600 IN A 192.0.2.10",
        *(
            f"{service}.{domain}. 3600 IN SRV 0 0 5061 sip.{domain}."
            for domain in ("example.com", "example.org", "sub.example.com")
            for service in ("_sipinternaltls._tcp", "_sip._tls")
        ),
        *(
            f"{host}.{domain}. 3600 IN CNAME sip.example.com."
            for domain in ("example.com", "example.org", "sub.example.com")
            for host in ("lyncdiscoverinternal", "lyncdiscover", "sipinternal")
        ),
    ]
    assert list(remarks(config)) == []
    one = configured(sip={"domains": ["example.org"], "server_name": "fe.example.org", "domain": "corp.example.org"})
    (told,) = remarks(one)
    assert "is not in the domain corp.example.org" in told
    assert "_sip._tls.example.org. 3600 IN SRV 0 0 5061 fe.example.org." in lines(one)


def test_the_certificate_should_be_for_the_names_of_all_domains() -> None:
    """Without, clients of the domain refuse the server; each name is there once, also at port 443."""
    names = [
        (one.name, one.needed) for one in asked_hosts(configured(sip={"domains": ["example.org"], "tls_port": 443}))
    ]
    assert names[0] == ("sip.example.org", True)
    assert len(dict(names)) == len(names)
    assert ("sipexternal.example.org", False) in names
    quiet = configured(sip={"domains": ["example.org"], "tls_port": 0})
    assert [(one.name, one.needed) for one in asked_hosts(quiet)] == [("sip.example.org", False)]


SRV = DnsRecord("_sip._tls.example.com", RecordKind.SRV, "0 0 5061 sip.example.com", "")
CNAME = DnsRecord("lyncdiscover.example.com", RecordKind.CNAME, "sip.example.com", "")
AAAA = DnsRecord("sip.example.com", RecordKind.AAAA, "2001:db8::a", "")


@pytest.mark.parametrize(
    ("record", "found", "good", "words"),
    [
        (SRV, [], False, "missing"),
        (SRV, ["10 5 5061 SIP.example.com"], True, "there"),
        (SRV, ["0 0 443 sip.example.com"], False, "wrong: it is 0 0 443 sip.example.com"),
        (SRV, ["0 0 5061 sip.example.com", "0 0 5061 old"], False, "there, but beside 0 0 5061 old"),
        (SRV, ["0 0 5061 sip.example.com", "0 0 5061 a b"], False, "there, but beside 0 0 5061 a b"),
        (
            SRV,
            [f"0 0 0 {NO_SERVICE}"],
            False,
            "wrong: it is 0 0 0 ., by which the domain says that it has no such service; clients do not look further",
        ),
        (CNAME, ["192.0.2.1"], True, "there"),
        (CNAME, ["192.0.2.9"], False, "wrong: it leads to 192.0.2.9"),
        (CNAME, ["192.0.2.1", "192.0.2.9"], False, "there, but beside 192.0.2.9"),
        (AAAA, ["2001:db8::a"], True, "there"),
        (
            AAAA,
            ["192.0.2.1", "2001:db8::a"],
            True,
            "there, beside 192.0.2.1, where clients have to find this server, too",
        ),
        (AAAA, ["2001:db8::b"], False, "wrong: it leads to 2001:db8::b"),
    ],
)
def test_what_stands_in_dns_is_compared_with_what_is_needed(
    record: DnsRecord, found: list[str], good: bool, words: str
) -> None:
    """A name may lead to the server in any way; a service has to have its port and host, and no other beside."""
    verdict = judged(record, found, ["192.0.2.1"])
    assert (verdict.good, verdict.words) == (good, words)


POOL: dict[str, object] = {
    "name": "FE1.example.com",
    "servers": ["fe1.example.com", "fe2.example.com:5071", "fe3.example.com"],
}


def test_a_pool_is_found_by_several_targets() -> None:
    """Each server is one, by its own name; the address of the others is in their own files."""
    config = configured(pool=POOL, sip={"server_name": "pool.example.com"})
    targets = ["5061 fe1.example.com.", "5071 fe2.example.com.", "5061 fe3.example.com."]
    assert lines(config, "192.0.2.10") == [
        "pool.example.com. 3600 IN A 192.0.2.10",
        *(f"_sipinternaltls._tcp.example.com. 3600 IN SRV 0 0 {target}" for target in targets),
        *(f"_sip._tls.example.com. 3600 IN SRV 0 0 {target}" for target in targets),
        "fe1.example.com. 3600 IN A 192.0.2.10",
        "sipinternal.example.com. 3600 IN CNAME pool.example.com.",
    ]
    assert other_hosts(config) == ["fe2.example.com", "fe3.example.com"]
    assert next(host.name for host in asked_hosts(config)) == "fe1.example.com"
    assert list(remarks(config)) == []


def test_clients_of_another_domain_are_led_to_names_in_it() -> None:
    """Lync follows no others; where a pool has none there, to the one name that has all addresses."""
    config = configured(pool=POOL, sip={"domains": ["example.org"]})
    assert "_sip._tls.example.org. 3600 IN SRV 0 0 5061 sip.example.org." in lines(config)
    assert [line for line in lines(config) if "SRV" in line and "example.org" in line and "fe1" in line] == []


def test_names_that_lead_nowhere_are_told() -> None:
    """One outside of the domain; and a pool of which nobody knows which server this is."""
    config = configured(pool={"servers": ["fe1.example.net"]})
    assert [one.partition(":")[0] for one in remarks(config)] == [
        "[pool] fe1.example.net is not in the domain example.com",
        "[pool] name is not set, and [pool] servers is",
    ]
    with pytest.raises(ConfigError, match="add it, for all servers"):
        configured(pool={"name": "fe9.example.com", "servers": ["fe1.example.com"]})
    with pytest.raises(ConfigError, match="write a name as in DNS"):
        configured(pool={"name": "fe9.example.com:x"})


def test_a_target_of_a_pool_is_judged_beside_the_others() -> None:
    """All there; one that is missing; one that is nobody's."""
    record = DnsRecord("_sip._tls.example.com", RecordKind.SRV, "0 0 5061 fe1.example.com", "")
    also = ["0 0 5061 fe1.example.com", "0 0 5071 fe2.example.com"]
    told = ["0 0 5061 fe1.example.com", "0 0 5071 fe2.example.com"]
    assert judged(record, told, (), also) == Judgement(good=True, words="there")
    missing = judged(record, told[1:], (), also)
    assert missing == Judgement(good=False, words="missing beside 0 0 5071 fe2.example.com")
    foreign = judged(record, [*told, "0 0 443 old.example.com"], (), also)
    assert foreign == Judgement(good=False, words="there, but beside 0 0 443 old.example.com")
