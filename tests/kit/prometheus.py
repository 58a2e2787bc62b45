"""The real Prometheus, which reads a server's meters and judges our alert rules."""

import json
import subprocess
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any, Final, Self

from tests.kit.daemon import Daemon
from tests.kit.ports import free_ports

RULES: Final = Path(__file__).parents[2] / "etc/prometheus/lyncpy.rules.yml"
ALERTS: Final = Path(__file__).parents[1] / "corpus/alerts/lyncpy.test.yml"
"""What it would tell of made-up servers."""


class Prometheus:
    """A Prometheus that reads one server each second while it is entered.

    Args:
        folder: For what it keeps.
        target: Host and port of the server's site.
        token: Shown to it.
        ca: Who has issued its certificate.
    """

    def __init__(self, folder: Path, target: str, token: str, ca: Path) -> None:
        (self._port,) = free_ports(1)
        (folder / "token").write_text(token)
        settings = {
            "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
            "rule_files": [str(RULES)],
            "scrape_configs": [
                {
                    "job_name": "lyncpy",
                    "scheme": "https",
                    "authorization": {"credentials_file": str(folder / "token")},
                    "tls_config": {"ca_file": str(ca), "server_name": "localhost"},
                    "static_configs": [{"targets": [target]}],
                }
            ],
        }
        # JSON is YAML.
        (folder / "prometheus.yml").write_text(json.dumps(settings))
        self._folder = folder
        self._daemon = Daemon(folder / "said.log")

    def __enter__(self) -> Self:
        words = (
            "prometheus",
            f"--config.file={self._folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={self._folder / 'data'}",
            f"--web.listen-address=127.0.0.1:{self._port}",
        )
        self._daemon.start(words, self._is_ready)
        return self

    def __exit__(self, *_: object) -> None:
        self._daemon.stop()

    def _is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self._port}/-/ready", timeout=1):
                return True
        except OSError:
            return False

    def query(self, expression: str) -> list[tuple[dict[str, str], float]]:
        """Give labels and value of each series that there is now."""
        found = self._get("query", query=expression)["result"]
        return [(one["metric"], float(one["value"][1])) for one in found]

    def errors(self) -> list[str]:
        """Give what went wrong with the last reading, and with the rules."""
        targets = [one["lastError"] for one in self._get("targets")["activeTargets"]]
        rules = [
            one["lastError"] for group in self._get("rules")["groups"] for one in group["rules"] if "lastError" in one
        ]
        return [one for one in targets + rules if one]

    def _get(self, path: str, **query: str) -> Any:  # Any: JSON
        address = f"http://127.0.0.1:{self._port}/api/v1/{path}?{urllib.parse.urlencode(query)}"
        with urllib.request.urlopen(address, timeout=10) as answer:
            return json.load(answer)["data"]


def promtool(*words: str) -> str:
    """Run Prometheus's own examiner; give what it says.

    Raises:
        AssertionError: It does not agree.
    """
    done = subprocess.run(["promtool", *words], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
