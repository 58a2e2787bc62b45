"""What is refused is written where it is counted, and nowhere else.

A new way to refuse fails here, until it goes through one of the places that count: the transactions of clients
(`core/answers.py`), those of gateways (`core/peers.py`), commands about conferences (`conferencing/refusals.py`), the site
(`web/site.py`) and the wire's own (`wire/http.py`).
"""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.kit.trees import calls_of, nodes_of

PRODUCT: Final = Path(__file__).parents[3] / "lyncpy"
SOURCE: Final = PRODUCT / "workloads"
Functions = ast.FunctionDef | ast.AsyncFunctionDef


def _name(call: ast.Call) -> str:
    return call.func.id if isinstance(call.func, ast.Name) else getattr(call.func, "attr", "")


def _functions(file: Path) -> Iterator[tuple[str, list[ast.Call]]]:
    """Give each function of a module and the calls in it."""
    for node in nodes_of(file):
        if isinstance(node, Functions):
            yield node.name, [one for one in ast.walk(node) if isinstance(one, ast.Call)]


@pytest.mark.parametrize(
    ("writer", "places"),
    [
        ("write_failure", {"conferencing/refusals.py"}),
        # That of presence is the body of a 409, which is counted by its ms-diagnostics.
        ("write_fault", {"webservices/soap_resource.py", "presence/routes.py"}),
    ],
)
def test_a_refusal_is_written_where_it_is_counted(writer: str, places: set[str]) -> None:
    """By C3P's reason, or by the code of a SOAP fault."""
    found = {
        str(file.relative_to(SOURCE))
        for file in SOURCE.rglob("*.py")
        if any(_name(call) == writer for call in calls_of(file))
    }
    assert found == places


def test_each_way_to_refuse_has_its_place() -> None:
    """Each kind of exception that refuses is known here, with the modules that make an answer of it, and count that."""
    places = {
        # Answered by `Dispatch`, whose answer leaves by a transaction of a client's or a gateway's.
        "Refused": {"core/dispatch.py"},
        "HttpRefused": {"workloads/web/site.py"},
        "ServiceRefused": {"workloads/webservices/soap_resource.py"},
        "TokenRefused": {"workloads/admin/api.py", "workloads/admin/console/service.py"},
    }
    # Of these nobody outside hears: one is a setting's, the other NATS's.
    inside = {"PatternRefused", "_Refused"}
    found = {
        node.name
        for file in PRODUCT.rglob("*.py")
        for node in nodes_of(file)
        if isinstance(node, ast.ClassDef)
        and "Refus" in node.name
        and any(getattr(base, "id", "").endswith(("Error", "Exception")) for base in node.bases)
    }
    assert found == places.keys() | inside
    for kind, files in places.items():
        for file in files:
            names = {node.id for node in nodes_of(PRODUCT / file) if isinstance(node, ast.Name)}
            assert kind in names, f"{file} does not answer {kind}"


def test_what_clients_are_answered_is_counted() -> None:
    """An answer leaves as `explained` has it, and whoever has it leave counts what it refuses in the same breath."""
    found: dict[str, bool] = {}
    for file in PRODUCT.rglob("*.py"):
        imports = {
            alias.name
            for node in nodes_of(file)
            if isinstance(node, ast.ImportFrom) and node.module == "lyncpy.contracts.refusal"
            for alias in node.names
        }
        if "explained" not in imports:
            continue
        for function, calls in _functions(file):
            names = {_name(call) for call in calls}
            if "explained" in names:
                found[f"{file.relative_to(PRODUCT)} {function}"] = "refused" in names
    assert found == {
        "core/transactions.py _reply": True,
        "core/server_transactions.py _send": True,
        "core/server_transactions.py _write": True,
    }


def test_what_gateways_are_answered_is_counted() -> None:
    """Whatever becomes an answer there is counted before it is written, and so is what others have refused."""
    file = PRODUCT / "core/peers.py"
    written = [call for call in calls_of(file) if _name(call) == "response"]
    assert written
    for call in written:
        assert isinstance(call.func, ast.Attribute)
        made = call.func.value
        assert isinstance(made, ast.Call) and _name(made) == "_counted", f"line {call.lineno} counts nothing"
    (begins,) = [calls for function, calls in _functions(file) if function == "_begin"]
    assert any(isinstance(one, ast.Attribute) and one.attr == "_served" for call in begins for one in ast.walk(call))
    (served,) = [calls for function, calls in _functions(file) if function == "_served"]
    assert "_count" in {_name(call) for call in served}


def test_what_the_site_answers_is_counted() -> None:
    """Every resource is asked by the site alone, which counts the answer; what the wire refuses unread it counts itself."""
    (serve,) = [calls for function, calls in _functions(SOURCE / "web/site.py") if function == "serve"]
    assert "_count" in {_name(call) for call in serve}
    found = {
        f"{file.name} {function}": any(name in ("count_refusal", "count_unanswered") for name in names)
        for file in (PRODUCT / "wire").rglob("*.py")
        for function, names in ((one, {_name(call) for call in calls}) for one, calls in _functions(file))
        if names & {"HttpRefused", "HttpAnswer", "refusal"}
    }
    assert found == {"http.py refuse": True, "http.py _fail": True}


def test_an_answer_over_https_has_its_word() -> None:
    """An answer in JSON or SOAP that says what was wrong says it to the meter too."""
    for place in ("admin/api.py", "webservices/soap_resource.py"):
        calls = [call for call in calls_of(SOURCE / place) if _name(call) == "HttpAnswer"]
        telling = [
            call for call in calls if not any(isinstance(one, ast.Constant) and one.value == 200 for one in call.args)
        ]
        assert telling
        assert all("refused" in {word.arg for word in call.keywords} for call in telling), place


def test_few_write_to_connections() -> None:
    """A module that writes there by itself could refuse without being counted."""
    found = {
        str(file.relative_to(PRODUCT))
        for place in ("core", "workloads", "auth")
        for file in (PRODUCT / place).rglob("*.py")
        for call in calls_of(file)
        if _name(call) == "send"
        and isinstance(call.func, ast.Attribute)
        and getattr(call.func.value, "attr", getattr(call.func.value, "id", "")).lstrip("_") in ("flows", "wire")
    }
    assert found == {
        "core/transactions.py",
        "core/server_transactions.py",
        "core/peers.py",
        # Requests, and what other servers of the pool write over our connections, who have counted it.
        "core/outbound.py",
        "core/remote_flows.py",
        # What waited for a handshake to end, as it would have left.
        "core/gate.py",
    }
