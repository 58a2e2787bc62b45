"""One shell, three doors: OpenSSH's client, `lyncpy ctl` over the Unix socket, and HTTPS with a token."""

import json
import os
import pty
import select
import socket
import stat
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from ssl import create_default_context
from typing import Any

import pytest

from lyncpy.workloads.admin.local_frames import FrameReader
from tests.kit import forks
from tests.kit.hostile import assert_calm, time_limit
from tests.kit.ports import free_ports
from tests.kit.server import RunningServer

pytestmark = pytest.mark.interop

HTTPS: dict[Path, int] = {}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server in a folder whose name is longer than a socket's may be."""
    (port,) = free_ports(1)
    folder = tmp_path_factory.mktemp("x" * 100)
    running = RunningServer(folder / "home", web__https_host="127.0.0.1", web__https_port=port).init()
    HTTPS[running.home] = port
    try:
        yield running.start()
        running.stop()
        assert_calm(running)
        assert not (running.home / "ctl.socket").exists(), "an orderly end leaves no socket"
    finally:
        running.close()


def ctl(server: RunningServer, *words: str, text: str = "") -> "subprocess.CompletedProcess[str]":
    """Run `lyncpy ctl`."""
    return forks.run(["ctl", "--config", str(server.home / "lyncpy.toml"), *words], text, timeout=60)


def ssh(server: RunningServer, line: str, text: str = "") -> "subprocess.CompletedProcess[str]":
    """Run OpenSSH's client."""
    return subprocess.run(server.ssh_words(line), input=text, capture_output=True, text=True, timeout=60, check=False)


def api(
    server: RunningServer, path: str, token: str = "", body: Mapping[str, object] | None = None
) -> tuple[int, dict[str, Any], Mapping[str, str]]:
    """Ask over HTTPS; with a body it is a POST."""
    request = urllib.request.Request(
        f"https://127.0.0.1:{HTTPS[server.home]}/api/{path}",
        data=None if body is None else json.dumps(body).encode(),
        headers={"Authorization": f"Bearer {token}"} if token else {},
    )
    try:
        with urllib.request.urlopen(request, timeout=30, context=create_default_context(cafile=server.ca)) as answer:
            return answer.status, json.loads(answer.read()), dict(answer.headers)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.loads(error.read()), dict(error.headers)


def token(server: RunningServer, name: str, *flags: str) -> str:
    """Make a token at the local door."""
    done = ctl(server, "token", "create", name, *flags, "--json")
    assert done.returncode == 0, done.stderr
    made: str = json.loads(done.stdout)["facts"]["token"]
    return made


def test_all_doors_give_the_same_answer(server: RunningServer) -> None:
    """The same document, and the same error with a status that says so."""
    key = token(server, "same")
    by_ssh, by_ctl = ssh(server, "users ali --json"), ctl(server, "users", "ali", "--json")
    status, by_api, _ = api(server, "users?pattern=ali", key)
    assert json.loads(by_ssh.stdout) == json.loads(by_ctl.stdout) == by_api
    assert (by_ssh.returncode, by_ctl.returncode, status) == (0, 0, 200)
    assert [row["user"] for row in by_api["rows"]] == ["alice@example.test"]
    by_ssh, by_ctl = ssh(server, "user show o'brien@x.y --json"), ctl(server, "user", "show", "o'brien@x.y", "--json")
    status, by_api, _ = api(server, "user/show?user=o'brien@x.y", key)
    assert json.loads(by_ssh.stdout) == json.loads(by_ctl.stdout) == by_api
    assert (by_ssh.returncode, by_ctl.returncode, status) == (1, 1, 422)
    assert "o'brien@x.y" in by_api["error"]["message"]


def test_the_local_door_needs_no_key_and_names_who_came(server: RunningServer) -> None:
    """The file is its owner's alone; the audit has the user."""
    mode = (server.home / "ctl.socket").stat().st_mode
    assert (stat.S_ISSOCK(mode), stat.S_IMODE(mode)) == (True, 0o600)
    assert ctl(server, "presence", "reset", "alice@example.test").returncode == 0
    rows = json.loads(ctl(server, "audit", "--json").stdout)["rows"]
    mine = [row for row in rows if row["command"] == "presence reset alice@example.test"]
    assert [(row["from"], row["outcome"]) for row in mine] == [("local", "ok"), ("local", "begun")]
    assert f"(uid {os.geteuid()})" in mine[0]["author"]


def test_lines_from_a_pipe_and_arguments_that_are_quoted(server: RunningServer) -> None:
    """The gravest status of all; what the caller's shell has split stays split so."""
    done = ctl(server, text="users\n# nothing\nuser show zed\nusers\n")
    assert (done.returncode, done.stdout.count("alice@example.test")) == (1, 2)
    assert done.stderr.startswith('line 3: nobody is known as "zed"')
    assert "Board of Directors" in ctl(server, "group", "show", "Board of Directors").stderr
    assert ctl(server, "nonsense").returncode == 2
    done = ctl(server, "user", "import", text="x" * 4_000_000)
    assert (done.returncode, "[admin] input_bytes" in done.stderr) == (2, True), (
        "it is told, though nobody takes the rest"
    )
    assert ctl(server, "--help").returncode == 0


def test_without_a_server_a_sentence_says_so(server: RunningServer, tmp_path: Path) -> None:
    """Neither a traceback nor a wait."""
    (tmp_path / "lyncpy.toml").write_text('[sip]\ndomain = "example.com"\n')
    command = [sys.executable, "-m", "lyncpy.app.cli", "ctl", "-c", str(tmp_path / "lyncpy.toml"), "users"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, stdin=subprocess.DEVNULL)
    assert (done.returncode, "is it running?" in done.stderr) == (1, True)


def test_a_prompt_at_a_terminal(server: RunningServer) -> None:
    """With history, Tab and pages as over SSH; Ctrl-D leaves."""
    child, terminal = pty.fork()
    if not child:
        os.environ.update(COLUMNS="80", LINES="24")
        os.execv(
            sys.executable,
            [sys.executable, "-m", "lyncpy.app.cli", "ctl", "-c", str(server.home / "lyncpy.toml")],
        )
    with time_limit(60):
        assert "lyncpy> " in read_until(terminal, "lyncpy> ")
        os.write(terminal, b"user sh\t\t alice@example.test\r")
        assert "Alice" in read_until(terminal, "lyncpy> \x1b[K\r\x1b[8C")
        os.write(terminal, b"\x04")
        _, status = os.waitpid(child, 0)
    os.close(terminal)
    assert os.waitstatus_to_exitcode(status) == 0


def test_what_is_under_way_is_listed_at_every_door(server: RunningServer) -> None:
    """Nothing but the question itself."""
    status, by_api, _ = api(server, "jobs", token(server, "patient"))
    by_ssh, by_ctl = json.loads(ssh(server, "jobs --json").stdout), json.loads(ctl(server, "jobs", "--json").stdout)
    assert by_api == by_ssh == by_ctl
    assert (status, by_api["rows"], by_api["error"]) == (200, [], None)


def read_until(terminal: int, words: str) -> str:
    """Read what a terminal shows."""
    shown = b""
    while words.encode() not in shown:
        ready, _, _ = select.select([terminal], [], [], 30)
        assert ready, shown
        shown += os.read(terminal, 65536)
    return shown.decode(errors="replace")


def test_people_are_managed_at_every_door(server: RunningServer) -> None:
    """Added at one, given a password at another, imported at the third; a person at a terminal types it unseen, twice."""
    key = token(server, "people", "--role", "operator")
    assert ctl(server, "user", "add", "nora@example.test", "--name", "Nora Barnacle").returncode == 0
    done = ssh(server, "user passwd nora@example.test", "correct horse\n")
    assert (done.returncode, done.stderr) == (0, "")
    status, document, _ = api(server, "user/passwd", key, {"user": "nora@example.test", "generate": True})
    assert (status, len(document["facts"]["password"])) == (200, 23)
    people = "address,name\nzoe@example.test,Zoë\n"
    status, document, _ = api(server, "user/import", key, {"input": people, "dry-run": True})
    assert (status, document["counts"]["added"]) == (200, 1)
    assert ctl(server, "user", "import", text=people).returncode == 0
    status, document, _ = api(server, "user/disable", key, {"user": "zoe@example.test", "reason": "a test"})
    assert (status, document["facts"]["disabled"]) == (200, True)
    child, terminal = pty.fork()
    if not child:
        words = ["ctl", "-c", str(server.home / "lyncpy.toml"), "user", "passwd", "nora@example.test"]
        os.execv(sys.executable, [sys.executable, "-m", "lyncpy.app.cli", *words])
    with time_limit(60):
        for question in ("New password: ", "Once more: "):
            read_until(terminal, question)
            os.write(terminal, b"battery staple\r")
        assert "battery" not in read_until(terminal, "the password is set")
        _, status = os.waitpid(child, 0)
    os.close(terminal)
    assert os.waitstatus_to_exitcode(status) == 0
    assert len(server.sql("select key from records where kind = 'account'")) == 2
    assert not any(word in str(server.sql("select command from audit")) for word in ("horse", "staple"))


def test_the_doctor_shows_what_is_kept_of_a_person(server: RunningServer) -> None:
    """Somebody whom no directory has; with their password, what is set for them, and that they were disabled."""
    address = "molly@example.test"
    for line in (
        f"user add {address} --generate",
        f"policy set {address} meeting_size 40",
        f"user disable {address} --reason 'on leave'",
    ):
        done = ssh(server, line)
        assert done.returncode == 0, done.stderr
    done = forks.run(["doctor", "user", str(server.home / "lyncpy.toml"), address], timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    for sentence in (
        "people.toml: nobody there has the address or login molly@example.test",
        f"{address}: a password is kept here",
        f"{address}: they were added in the shell",
        f"{address}: they may not sign in: user disable by ",
        ": on leave; `user enable` lets them in",
        f"{address}: policies that are set for them: meeting_size = 40",
    ):
        assert sentence in done.stdout


def test_who_speaks_something_else_at_the_socket_is_cut(server: RunningServer) -> None:
    """A frame without end, no beginning, or none that can be read; the others go on."""
    for data in (b"GET / HTTP/1.0\r\n\r\n", b"I\x00\x00\x00\x01x", b"B\x00\x00\x00\x02[]", b"O\xff\xff\xff\xff"):
        with connected(server) as other:
            other.sendall(data)
            assert list(FrameReader().read(received(other))) == []
    assert ctl(server, "status").returncode == 0


def connected(server: RunningServer) -> socket.socket:
    """Connect to the socket by hand."""
    one = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    one.settimeout(30)
    folder = os.open(server.home, os.O_RDONLY)
    try:
        one.connect(f"/proc/self/fd/{folder}/ctl.socket")
    finally:
        os.close(folder)
    return one


def received(one: socket.socket) -> bytes:
    """Read until the server has ended the connection."""
    data = b""
    try:
        while piece := one.recv(65536):
            data += piece
    except ConnectionResetError:
        pass
    return data


def test_a_token_may_what_its_role_may(server: RunningServer) -> None:
    """A viewer looks, an operator changes things, by POST; the audit names the token and where it came from."""
    viewer, operator = token(server, "viewer"), token(server, "hand", "--role", "operator", "--for", "1d")
    assert api(server, "status", viewer)[0] == 200
    status, document, headers = api(server, "presence/reset?user=alice@example.test", operator)
    assert (status, headers["Allow"]) == (405, "POST")
    status, document, _ = api(server, "presence/reset", viewer, {"user": "alice@example.test"})
    assert (status, document["error"]["kind"]) == (403, "forbidden")
    assert "this token has the role viewer" in document["error"]["message"]
    counted = ctl(server, "meters", "lyncpy_web_refusals_total").stdout.splitlines()
    assert [line for line in counted if "/api/" in line and "forbidden" in line], counted
    status, document, _ = api(server, "presence/reset", operator, {"user": "alice@example.test"})
    assert (status, document["ok"], document["command"]) == (200, True, "presence reset")
    rows = json.loads(ctl(server, "audit", "--json").stdout)["rows"]
    assert ("token hand", "127.0.0.1") in [(row["author"], row["from"]) for row in rows]
    assert not any("token create" in row["command"] and "." in row["command"] for row in rows)


def test_a_token_that_is_revoked_is_refused_at_once(server: RunningServer) -> None:
    """Its secret is stored nowhere; a name can be given again."""
    key = token(server, "short")
    assert api(server, "users", key)[0] == 200
    secret = key.partition(".")[2]
    assert secret not in str(server.sql("select * from records where kind = 'operator-token'"))
    assert ctl(server, "token", "revoke", "short").returncode == 0
    status, document, headers = api(server, "users", key)
    assert (status, headers["WWW-Authenticate"][:6]) == (401, "Bearer")
    assert document["error"] == {"kind": "forbidden", "message": "nobody has this token"}
    assert ctl(server, "token", "revoke", "short").returncode == 1
    assert token(server, "short") != key


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("nonsense", None, 404),
        ("user", None, 404),
        ("users?nonsense=1", None, 400),
        ("user/show", None, 400),
        ("users", {"pattern": ["a"]}, 400),
        ("users?limit=none", None, 400),
        ("users?watch=1", None, 400),
        ("status", {}, 200),
        ("users", {"limit": 1, "pattern": "-x --json"}, 200),
        ("why?user=alice@example.test&watcher=bob@example.test", None, 200),
        ("", None, 200),
    ],
)
def test_the_api_answers_json_whatever_is_asked(
    server: RunningServer, path: str, body: dict[str, object] | None, status: int
) -> None:
    """Arguments by their names; what a command does not take is refused."""
    key = token_of(server)("asks")
    found, document, headers = api(server, path, key, body)
    assert (found, document["ok"]) == (status, status == 200), document
    assert headers["Content-Type"].startswith("application/json")
    assert headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    ("method", "path", "status"), [("DELETE", "/api/users", 405), ("PUT", "/api/", 405), ("GET", "/api", 401)]
)
def test_what_no_command_answers_has_the_same_form(server: RunningServer, method: str, path: str, status: int) -> None:
    """Also where the site refuses it by itself."""
    url = f"https://127.0.0.1:{HTTPS[server.home]}{path}"
    request = urllib.request.Request(url, method=method)
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(request, timeout=60, context=create_default_context(cafile=server.ca))
    with caught.value as answer:
        document = json.loads(answer.read())
    assert (answer.code, document["ok"]) == (status, False)
    assert answer.headers["Content-Type"].startswith("application/json")
    assert set(document) == {"command", "ok", "rows", "facts", "counts", "note", "error"}


def token_of(server: RunningServer) -> Callable[[str], str]:
    """Give what makes a token once, and gives it from then on."""

    def known(name: str) -> str:
        key = (str(server.home), name)
        if key not in _KNOWN:
            _KNOWN[key] = token(server, name)
        return _KNOWN[key]

    return known


_KNOWN: dict[tuple[str, str], str] = {}


def test_wrong_tokens_are_slowed_down(server: RunningServer) -> None:
    """Some are free; then the place waits, whatever it shows."""
    statuses = [api(server, "users", f"asks.{'x' * 43}")[0] for _ in range(12)]
    assert statuses[:8] == [401] * 8 and statuses[-1] == 429
    status, document, headers = api(server, "users", token_of(server)("asks"))
    assert (status, document["error"]["kind"], int(headers["Retry-After"]) >= 1) == (429, "forbidden", True)
    assert api(server, "users")[0] in (401, 429)
