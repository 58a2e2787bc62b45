"""The bare address of the server in a browser."""

from pathlib import Path

import pytest

from lyncpy.contracts.http import HttpAnswer, HttpAsked, HttpRefused
from lyncpy.core.languages import LANGUAGES
from lyncpy.core.pages import PageLayout
from lyncpy.workloads.web.front_page import FrontPage
from lyncpy.workloads.web.icon import ICON_BYTES, IconFile, IconUnusable, read_icon
from tests.kit.results import result_of


def _front(*domains: str) -> FrontPage:
    return FrontPage(domains or ("example.com",), PageLayout("Example & Co."), IconFile(None))


def _ask(front: FrontPage, path: str = "/", language: str = "") -> HttpAnswer:
    return result_of(front.answer(HttpAsked("GET", "sip.example.com", path, headers={"accept-language": language})))


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_root_answers_with_a_page(language: str) -> None:
    """Whoever opens the address that the server printed at its start reads what it is and where to sign in."""
    assert [one.path for one in _front().rows()] == ["/", "/icon"]
    answer = _ask(_front(), language=language)
    text = answer.body.decode()
    assert (answer.status, answer.content_type) == (200, "text/html; charset=utf-8")
    assert "<code>@example.com</code>" in text
    assert "Example &amp; Co." in text
    assert f'lang="{language}"' in text
    assert "script" not in text


def test_every_domain_is_named() -> None:
    """Whoever is of another one signs in here too."""
    assert "<code>@example.com</code> oder <code>@example.org</code>" in (
        _ask(_front("example.com", "example.org"), language="de-AT").body.decode()
    )


def test_nothing_else_is_there() -> None:
    """An address that nobody offers is still none."""
    with pytest.raises(HttpRefused) as caught:
        _ask(_front(), "/admin")
    assert caught.value.status == 404


def test_the_icon_is_the_organisations(tmp_path: Path) -> None:
    """PNG or SVG, whatever the file is called; it may run nothing."""
    file = tmp_path / "icon"
    for content, kind in ((b"\x89PNG\r\n\x1a\nrest", "image/png"), (b'<?xml version="1.0"?><svg/>', "image/svg+xml")):
        file.write_bytes(content)
        answer = result_of(
            FrontPage(("example.com",), PageLayout(""), IconFile(file)).icon(
                HttpAsked("GET", "sip.example.com", "/icon")
            )
        )
        assert (answer.status, answer.content_type, answer.body) == (200, kind, content)
        assert "default-src 'none'" in dict(answer.headers)["Content-Security-Policy"]


@pytest.mark.parametrize(
    ("content", "why"),
    [(None, "cannot be read: No such file"), (b"GIF89a", "neither PNG nor SVG"), (b"<svg" * ICON_BYTES, "larger than")],
)
def test_a_file_that_is_no_icon_is_told(tmp_path: Path, content: bytes | None, why: str) -> None:
    """The sentence names the setting."""
    file = tmp_path / "icon.gif"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(IconUnusable, match=rf"^\[web\] icon: .*{why}"):
        read_icon(file)
