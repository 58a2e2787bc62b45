"""Policies in a server that runs: taken up by `reload`, shown by the shell, refused when they cannot be used."""

import pytest

from tests.interop.conftest import Clients
from tests.kit.server import RunningServer, ServerFailed

pytestmark = pytest.mark.interop

QUIET = '\n[policies.quiet]\nmembers = ["alice@example.test", "Choir"]\n'


def test_policies_are_taken_up_while_the_server_runs(server: RunningServer) -> None:
    """By address and by a group of the people file; what is wrong is named, and changes nothing."""
    assert "default" in server.ssh("policy show alice@example.test")
    file, people = server.home / "lyncpy.toml", server.home / "people.toml"
    before = file.read_text("utf-8")
    people.write_text(people.read_text("utf-8") + '\n[[group]]\nname = "Choir"\nmembers = ["bob"]\n', "utf-8")
    file.write_text(f"{before}{QUIET}privacy_mode = true\n", "utf-8")

    assert "[policies] has changed and counts from now on" in server.ssh("reload")
    server.ssh("directory pull")
    assert "[policies.quiet] names alice@example.test" in server.ssh("policy show alice@example.test")
    assert '[policies.quiet] names the group "Choir"' in server.ssh("policy show bob@example.test")
    assert "bob@example.test" in server.ssh("group show choir")

    file.write_text(f"{before}{QUIET}privacy_mod = true\n", "utf-8")
    with pytest.raises(ServerFailed, match=r"quiet.privacy_mod: there is no such key; did you mean \"privacy_mode\"\?"):
        server.ssh("reload")
    assert "quiet" in server.ssh("policy show alice@example.test")
    assert "Traceback" not in server.log()

    file.write_text(before, "utf-8")
    server.ssh("reload")
    assert "no policy names them" in server.ssh("policy show alice@example.test")


def test_a_blocked_client_says_why(server: RunningServer, clients: Clients) -> None:
    """The real client shows where a better one is; when the rule is gone it signs in."""
    file = server.home / "lyncpy.toml"
    before = file.read_text("utf-8")
    file.write_text(f'{before}\n[policies]\nclients = ["block Sipe < 9 https://example.test/new"]\n', "utf-8")
    server.ssh("reload")
    carol = clients.make("carol")
    carol.login(wait=False)
    assert "https://example.test/new" in carol.wait_for("connection_error")["text"]
    assert "block Sipe < 9" in server.ssh("why carol@example.test")
    file.write_text(before, "utf-8")
    server.ssh("reload")
    clients("carol")
