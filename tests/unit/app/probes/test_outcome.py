"""How a probe says how it went."""

from dataclasses import replace

import pytest

from lyncpy.app.probes.outcome import ProbeOutcome, ProbeStatus, ProbeTerms, judged, nagios_line, prometheus

GOOD = ProbeOutcome(
    "signin",
    "sip.example.com",
    "alice@example.com signed in and out",
    [("dns", 0.01), ("tcp", 0.02), ("tls", 0.03), ("signin", 0.2)],
    certificate_s=90 * 86_400.0,
)
BAD = replace(
    GOOD,
    words="the certificate is not accepted | at all",
    remedy="give --ca",
    failed=ProbeStatus.CRITICAL,
    steps=[("tls", 0.5)],
)


def test_success_is_one_line_with_its_durations() -> None:
    """As a plug-in of Nagios writes it."""
    assert nagios_line(GOOD, ProbeTerms(1, 5)) == (
        "LYNCPY SIGNIN OK - alice@example.com signed in and out in 0.260 s | total=0.2600s;1;5;0 "
        "dns=0.0100s tcp=0.0200s tls=0.0300s signin=0.2000s certificate=90.00;14:;0:\n"
    )


def test_a_failure_names_the_step_and_what_to_do() -> None:
    """And a bar in it is none of the plug-in's."""
    line = nagios_line(replace(BAD, certificate_s=None), ProbeTerms())
    assert line.startswith("LYNCPY SIGNIN CRITICAL - tls: the certificate is not accepted / at all; give --ca | total=")
    assert line.count("|") == 1
    before = replace(BAD, steps=[], failed=ProbeStatus.UNKNOWN, remedy="")
    assert judged(before, ProbeTerms()) == (ProbeStatus.UNKNOWN, "the certificate is not accepted | at all")


@pytest.mark.parametrize(
    ("terms", "status", "words"),
    [
        (ProbeTerms(0.1, 5), ProbeStatus.WARNING, "which is more than 0.1 s"),
        (ProbeTerms(0.1, 0.2), ProbeStatus.CRITICAL, "which is more than 0.2 s"),
        (ProbeTerms(certificate_days=100), ProbeStatus.WARNING, "ends in 90.0 days"),
        (ProbeTerms(0.1, 0.2, 100), ProbeStatus.CRITICAL, "ends in 90.0 days"),
    ],
)
def test_what_took_too_long_is_no_success(terms: ProbeTerms, status: ProbeStatus, words: str) -> None:
    """Nor is a certificate that ends soon."""
    found, said = judged(GOOD, terms)
    assert (found, words in said) == (status, True)


def test_prometheus_reads_the_same() -> None:
    """A gauge for each thing, with probe and server; a failure has its steps so far."""
    lines = prometheus(GOOD, ProbeTerms()).splitlines()
    assert 'lyncpy_probe_success{probe="signin",server="sip.example.com"} 1' in lines
    assert 'lyncpy_probe_step_seconds{probe="signin",server="sip.example.com",step="signin"} 0.200000' in lines
    assert 'lyncpy_probe_certificate_seconds{probe="signin",server="sip.example.com"} 7776000' in lines
    assert len([line for line in lines if line.startswith("# TYPE")]) == 5
    text = prometheus(replace(BAD, server='a"b\\c', certificate_s=None), ProbeTerms())
    assert 'lyncpy_probe_success{probe="signin",server="a\\"b\\\\c"} 0' in text
    assert 'lyncpy_probe_status{probe="signin",server="a\\"b\\\\c"} 2' in text
