"""The documents of autodiscovery, in each form."""

import json

import pytest
from lxml import etree

from lyncpy.workloads.webservices.bodies.discovery import (
    DiscoveryDocument,
    DiscoveryForm,
    form_of,
    write_discovery,
)
from tests.kit.enrollment import found

DOCUMENT = DiscoveryDocument(
    "User", "Internal", (("User", "https://x.test/a?b=1&c"),), {"SipClientInternalAccess": ("sip.x.test", 5061)}
)


@pytest.mark.parametrize(
    ("accept", "form"),
    [
        ("application/vnd.microsoft.rtc.autodiscover+xml;v=1", DiscoveryForm.XML),
        ("text/html, Application/vnd.microsoft.rtc.autodiscover+XML ;v=1;q=0.5", DiscoveryForm.XML),
        ("application/json", DiscoveryForm.LINKS),
        ("application/vnd.microsoft.rtc.autodiscover+json;v=1", DiscoveryForm.JSON),
        ("text/html", DiscoveryForm.JSON),
        ("", DiscoveryForm.JSON),
    ],
)
def test_a_client_gets_the_form_that_it_asks_for(accept: str, form: DiscoveryForm) -> None:
    """Without a wish it is JSON."""
    assert form_of(accept) is form


def test_each_form_says_the_same() -> None:
    """Places and links; the form of the web has links alone."""
    root = etree.fromstring(write_discovery(DOCUMENT, DiscoveryForm.XML))
    assert (root.tag, root.get("AccessLocation")) == ("AutodiscoverResponse", "Internal")
    assert found(root, "User/Link/@href") == ["https://x.test/a?b=1&c"]
    assert found(root, "User/SipClientInternalAccess/@*") == ["sip.x.test", "5061"]
    assert json.loads(write_discovery(DOCUMENT, DiscoveryForm.JSON)) == {
        "AccessLocation": "Internal",
        "User": {
            "SipClientInternalAccess": {"fqdn": "sip.x.test", "port": "5061"},
            "Links": [{"href": "https://x.test/a?b=1&c", "token": "User"}],
        },
    }
    assert json.loads(write_discovery(DOCUMENT, DiscoveryForm.LINKS)) == {
        "_links": {"user": {"href": "https://x.test/a?b=1&c"}}
    }
