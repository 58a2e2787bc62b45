"""The bare address of the server in a browser."""

import pytest

from lyncpy.contracts.http import HttpAsked, HttpRefused
from lyncpy.workloads.web.front_page import FrontPage
from tests.kit.results import result_of


def test_the_root_answers_with_a_page() -> None:
    """Whoever opens the address that the server printed at its start reads what it is and where to sign in."""
    (resource,) = FrontPage(("example.com",)).rows()
    answer = result_of(FrontPage(("example.com",)).answer(HttpAsked("GET", "sip.example.com", "/")))
    assert resource.path == "/"
    assert (answer.status, answer.content_type) == (200, "text/html; charset=utf-8")
    assert "@example.com" in answer.body.decode()
    assert "script" not in answer.body.decode()


def test_every_domain_is_named() -> None:
    """Whoever is of another one signs in here too."""
    answer = result_of(FrontPage(("example.com", "example.org")).answer(HttpAsked("GET", "sip.example.com", "/")))
    assert "<code>@example.com</code> or <code>@example.org</code>" in answer.body.decode()


def test_nothing_else_is_there() -> None:
    """An address that nobody offers is still none."""
    with pytest.raises(HttpRefused) as caught:
        result_of(FrontPage(("example.com",)).answer(HttpAsked("GET", "sip.example.com", "/admin")))
    assert caught.value.status == 404
