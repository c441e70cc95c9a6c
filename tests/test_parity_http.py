"""One use case, several faces: what the command line, Python, the pages and MLflow's routes call has an operation in /api/v1, or a reason.

A use case is a public function of `incumbent.usecases` that works on a workspace or in a transaction, and that a face calls. What only
other use cases call is a step of theirs. The list is read from the code of the faces, so what is new appears in it by itself.
"""

import ast
import importlib
import inspect
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import incumbent
from incumbent.server.api.table import OPERATIONS

PACKAGE = Path(incumbent.__file__).parent
USECASES = "incumbent.usecases"

IN_OTHER_WORDS = {
    "get_artifact.list_run_artifacts": "get_run",
    "list_versions.list_versions": "list_versions",
    "live.list_history": "list_slot_history",
    "live_run.begin_run": "begin_run",
    "log_run.get_points": "list_points",
    "log_run.seal_run": "end_run",
    "plan_pipeline.plan_pipeline": "plan_pipeline",
    "plan_pipeline.explain_stage": "why",
    "stage_logs.list_stage_logs": "list_stage_logs",
    "pipeline_map.get_last_run": "plan_pipeline",
    "event_feed": "watch_events",
    "ledger_export.export_ledger": "export_ledger",
    "ledger_witness.import_cosignatures": "keep_cosignatures",
}
"""Use case -> the operation that does the same by another one: without the caller's files, process or block of code."""

NOT_OVER_HTTP = {
    "admission": "it is how the server learns who asks, before any operation",
    "sessions": "logging in is a browser's, at /log-in; a program has a token",
    "accounts.get_link": "the page that a link leads to, /set-up",
    "accounts.use_link": "the page that a link leads to, /set-up",
    "accounts.make_link": "a link sets a password: a token that made links would let its holder log in as anybody",
    "accounts.make_first_link": "it is printed where the server starts, and nowhere else",
    "accounts.change_password": "one's own password is changed where one logs in with it, at /password",
    "recording.attempting": "it is around an act, and none itself",
    "live.count_slots": "it is what /readyz asks the store",
    "figures.read_figures": "it is /metrics, in the form that monitoring systems read",
    "webhook_delivery": "the server's own thread sends; nobody asks for it",
    "lineage_delivery": "the server's own thread sends, where its settings say; nobody asks for it",
    "run_pipeline.run_pipeline": "a run executes the caller's code, on the caller's machine",
    "sweep": "a run executes the caller's code, on the caller's machine",
    "reproduce.reproduce": "a run executes the caller's code, on the caller's machine",
    "register.find_version_run": "it says what reproduce runs; get_version has the version's run",
    "import_mlflow.import_mlflow": "it reads files and addresses that the caller names, which a server must not do for whoever asks",
    "openlineage.send_lineage": "it posts to an address that the caller names, which a server must not do for whoever asks",
    "drain_spools.drain_spools": "a spool is a file of the machine that logs; over HTTP points come by log_points",
    "collect_garbage.collect_garbage": "it deletes, and keeps house on the machine that has the store",
    "verify_artifacts.verify_artifacts": "it reads all bytes that are stored, and keeps house on the machine that has the store",
    "get_artifact.get_artifact": "it makes files on the caller's machine; get_blob gives the bytes",
    "person_keys.new_key": "a private key is made where its holder is, and never comes here",
    "ledger_rotate.rotate_key": "the key that signs the ledger is on the server's machine, and so is its successor",
    "ledger_clock.accept_clock": "whoever accepts has looked at the clock of the machine that writes the ledger",
    "ledger_attack.attack_copy": "it works on copies that it makes on the machine",
    "ledger_prove.check_entry_proof": "a server that checks its own proof proves nothing; it is checked where the checker is",
    "ledger_witness.witness_ledger": "a witness acts from a second place, by its own key; keep_cosignatures takes what it says",
    "ledger_witness.witness_export": "a witness acts from a second place, by its own key; keep_cosignatures takes what it says",
    "prepare.find_document": "it finds what a clean room is built from",
    "tracked_runs": "runs that stay open are of MLflow's clients, which have their own routes",
    "logged_files": "folders of files are of MLflow's clients, which have their own routes; ours are artifacts by digest",
    "register_logged.register_logged": "it registers what MLflow's clients logged, by their routes",
    "registered_models": "descriptions and tags of MLflow's registry, by its routes; ours are notes and tags that stand in the ledger",
    "model_aliases.move_to": "MLflow's words for statuses; ours are proposals, promotions, roll-backs, archivals",
}
"""Use case (or module of them) -> why there is no operation."""


@cache
def calls_of(path: Path) -> frozenset[str]:
    """Return the use cases that a file names, as MODULE.FUNCTION."""
    return frozenset(name for name in _names_in(ast.parse(path.read_text())) if is_use_case(name))


def _names_in(tree: ast.AST) -> Iterator[str]:
    modules: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module == USECASES:
            modules |= {one.asname or one.name: one.name for one in node.names}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith(f"{USECASES}."):
            yield from (f"{(node.module or '').removeprefix(f'{USECASES}.')}.{one.name}" for one in node.names)
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in modules:
            yield f"{modules[node.value.id]}.{node.attr}"


def is_use_case(name: str) -> bool:
    module, _, function = name.partition(".")
    found = getattr(importlib.import_module(f"{USECASES}.{module}"), function, None)
    if not inspect.isfunction(found):
        return False
    first = next(iter(inspect.signature(found).parameters.values()), None)
    return first is not None and getattr(first.annotation, "__name__", "") in {"Workspace", "Transaction", "Logging"}


def used_by_faces() -> set[str]:
    files = [path for path in PACKAGE.rglob("*.py") if PACKAGE / "usecases" not in path.parents]
    return {name for path in files for name in calls_of(path)}


def covers(names, use_case: str) -> bool:
    return use_case in names or use_case.partition(".")[0] in names


BY = {name for one in OPERATIONS for name in one.by}


def test_every_use_case_has_an_operation_or_a_reason_to_have_none():
    rest = {name for name in used_by_faces() - BY if not covers(IN_OTHER_WORDS, name) and not covers(NOT_OVER_HTTP, name)}
    assert rest == set()


def test_enough_is_found_to_be_held_against_the_table():
    """The list is read from code: a change of how faces import would empty it, and then the test above would pass on nothing."""
    found = used_by_faces()
    assert {"promote.promote", "registered_models.create_model", "blob_upload.put_blob", "examine.examine", "sign_off.sign_off"} <= found
    assert "recording.record_act" not in found, "a step of other use cases"


@pytest.mark.parametrize("one", [one for one in OPERATIONS if one.by], ids=lambda one: one.name)
def test_an_operation_calls_the_use_cases_that_it_says_it_is_the_face_of(one):
    """`by` would be a claim that nobody holds against the code."""
    called = calls_of(Path(str(sys.modules[one.do.__module__].__file__)))
    assert set(one.by) <= called, set(one.by) - called


def test_every_operation_names_its_use_cases_unless_there_are_none():
    assert {one.name for one in OPERATIONS if not one.by} == {"get_openapi", "get_problem", "watch_events", "list_points"}


def test_the_lists_of_reasons_hold_nothing_that_is_gone_or_has_an_operation_by_now():
    found = used_by_faces()
    for listed in (IN_OTHER_WORDS, NOT_OVER_HTTP):
        for name in listed:
            fitting = {one for one in found if one == name or one.partition(".")[0] == name}
            assert fitting, f"{name} is called by no face"
            assert not fitting <= BY, f"{name} has an operation"
    assert set(IN_OTHER_WORDS.values()) <= {one.name for one in OPERATIONS}
