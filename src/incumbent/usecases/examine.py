"""The verb `examine`: run the tests of the ML Test Score on a version, and record what each found.

One table says which tests there are (TESTS). A test answers passed, failed, undecided (too few rows, or data that cannot be read) or
not applicable with the reason: what a test needs and nobody named is never guessed. A bundle that cannot answer has failed.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from incumbent.base.documents import Document, Json
from incumbent.base.errors import Corrupt, InvalidInput, NotFound, Refused, Unavailable
from incumbent.gates.examined import Layer, TestResult, result_of_test_from_json
from incumbent.gates.policy import Scoring
from incumbent.usecases.asked import asked
from incumbent.usecases.examine_benefit import examine_benefit
from incumbent.usecases.examine_data import examine_leakage, examine_privacy, examine_schema
from incumbent.usecases.examine_distributions import examine_distributions
from incumbent.usecases.examine_groups import examine_subgroups
from incumbent.usecases.examine_model import examine_benchmark, examine_converges, examine_robust
from incumbent.usecases.examine_registered import examine_expected
from incumbent.usecases.examine_serving import (
    examine_limits,
    examine_pickles,
    examine_pipeline,
    examine_rollback,
    examine_serves,
    examine_skew,
)
from incumbent.usecases.examine_subject import Exam, Found, Subject, find_subject
from incumbent.usecases.examine_training import examine_reproducible
from incumbent.usecases.governed_ports import Record
from incumbent.usecases.holdouts import count_looks, find_budget, record_look
from incumbent.usecases.ports import ModelHost, Transaction
from incumbent.usecases.readiness import find_policy
from incumbent.usecases.recording import Acting, attempting, check_acting, governed, record_act
from incumbent.usecases.tier_in_force import find_tier
from incumbent.usecases.workspace import Workspace

__all__ = [
    "LABEL_TESTS", "TESTS", "Examination", "Subject", "examine", "find_subject", "list_examinations", "record_test_results", "run_tests",
]  # fmt: skip

Need = Literal["training", "holdout", "rows", "scoring"]


@dataclass(frozen=True, slots=True)
class Test:
    """One row of TESTS.

    Attributes:
        points: Which of the 28 tests of Breck et al. (2017) it is evidence for, by name; see gates/test_score.py.
        needs: Without these it does not apply.
        is_named_only: It may take as long as training did, so it runs where it is named and not among all.
    """

    __test__ = False  # no class of tests for pytest
    layer: Layer
    points: tuple[str, ...]
    needs: tuple[Need, ...]
    function: Callable[[Exam], Found]
    is_named_only: bool = False

    @property
    def reads_labels(self) -> bool:
        """Whether it holds answers against the labels of the holdout: that costs a look. Rows alone are no look."""
        return {"holdout", "scoring"} <= set(self.needs)


TESTS: Mapping[str, Test] = {
    "schema": Test("data", ("data-1",), ("rows",), examine_schema),
    "privacy-columns": Test("data", ("data-5",), ("rows",), examine_privacy),
    "distributions": Test("data", (), ("training",), examine_distributions),
    "expected-values": Test("data", ("data-1",), ("rows",), examine_expected),
    "feature-benefit": Test("data", ("data-2",), ("holdout", "scoring"), examine_benefit),
    "leakage": Test("data", (), ("training", "scoring"), examine_leakage),
    "converges": Test("model", (), (), examine_converges),
    "beats-benchmark": Test("model", ("model-5",), ("training", "holdout", "scoring"), examine_benchmark),
    "robust": Test("model", (), ("rows",), examine_robust),
    "subgroups": Test("model", ("model-6",), ("holdout", "scoring"), examine_subgroups),
    "reproducible": Test("model", ("infrastructure-1",), (), examine_reproducible, is_named_only=True),
    "serves": Test("infrastructure", (), (), examine_serves),
    "skew": Test("infrastructure", ("monitoring-3",), (), examine_skew),
    "rollback-drill": Test("infrastructure", ("infrastructure-7",), (), examine_rollback),
    "limits": Test("infrastructure", (), (), examine_limits),
    "pipeline-integration": Test("infrastructure", ("infrastructure-3",), (), examine_pipeline),
    "no-dangerous-pickle": Test("infrastructure", (), (), examine_pickles),
}
"""Every test by name."""

LABEL_TESTS = frozenset(name for name, test in TESTS.items() if test.reads_labels)
"""Tests that hold answers against the labels of the holdout: each examination with one of them is a look at it.

How the labels alone are distributed is a fact about frozen data and tells of no model; `schema` and `distributions` may say it.
"""


@dataclass(frozen=True, slots=True)
class Examination:
    """What the tests found on a version.

    Attributes:
        seq: Number of the entry that recorded it.
        bundle: Digest of what was examined.
    """

    examination_id: str
    version: str
    seq: int
    bundle: str
    results: tuple[TestResult, ...]
    at: datetime
    actor: str

    def to_json(self) -> Document:
        """Return the document that every face shows."""
        return {
            "examination": self.examination_id,
            "version": self.version,
            "entry": self.seq,
            "bundle": self.bundle,
            "results": [result.to_json() for result in self.results],
            "at": self.at.isoformat(),
            "actor": self.actor,
        }


@asked
def examine(
    ws: Workspace,
    host: ModelHost,
    *,
    model: str,
    version: int,
    tests: Sequence[str] | None = None,
    slot: str | None = None,
    holdout: str | None = None,
    scoring: Scoring | None = None,
    training: str | None = None,
    groups: Sequence[str] = (),
) -> Examination:
    """Run tests on a version and record what they found, whatever it is.

    Args:
        ws: The workspace.
        host: Where versions answer.
        model: Name of the model.
        version: Its number.
        tests: Names from TESTS; by default all but those that may take as long as training did.
        slot: The slot that it is examined for.
        holdout: Frozen rows, where the policy in force names none or others.
        scoring: Label and output, likewise.
        training: The output of its run that holds the training rows, likewise.
        groups: Columns of the holdout that hold groups, beside those that the policy names.

    Raises:
        InvalidInput: A test has no such name, is named twice, or none is named.
        NotFound: No such version, holdout or output.
        Refused: The actor may not, or a test reads labels of a holdout whose budget of looks is used up.
    """
    names = [name for name, test in TESTS.items() if not test.is_named_only] if tests is None else _check_names(tests)
    subject_name = f"{model}@{version}"
    with attempting(ws, act="evaluate", kind="version", object_id=subject_name):
        with ws.store.begin(read_only=True) as tx:
            chosen = tx.registry.get_version(model, version)
            check_acting(ws, tx, "evaluate")
        subject = find_subject(ws, chosen, slot=slot, holdout=holdout, scoring=scoring, training=training, groups=groups)
        look = _look(ws, subject, names)
        results = run_tests(ws, host, subject, names)
        with governed(ws) as tx:
            acting = check_acting(ws, tx, "evaluate")
            return record_test_results(ws, tx, acting=acting, subject=subject, results=results, at=ws.clock.now(), refs=look)


def record_test_results(
    ws: Workspace,
    tx: Transaction,
    *,
    acting: Acting,
    subject: Subject,
    results: Sequence[TestResult],
    at: datetime,
    refs: Mapping[str, str] | None = None,
) -> Examination:
    """Record what tests found, in the transaction of whoever ran them: an examination, or a gate that requires tests.

    Args:
        ws: The workspace.
        tx: A governed transaction.
        acting: Who acts, with the right to evaluate.
        subject: What was examined.
        results: At least one, from `run_tests`.
        at: When.
        refs: What it rests on beside the bundle: the look that was taken, the evidence that it is part of.

    Raises:
        InvalidInput: There are no results.
    """
    if not results:
        raise InvalidInput(f"an examination of {subject.name} without a result says nothing")
    name, bundle = ws.ids.new("examination"), str(subject.version.bundle.digest)
    body: Document = {
        "kind": "examination",
        "examination": name,
        "version": subject.name,
        "bundle": bundle,
        "slot": subject.slot,
        "holdout": {"name": subject.holdout.name, "data": str(subject.holdout.artifact.digest)} if subject.holdout else None,
        "training": str(subject.training.digest) if subject.training else None,
        "schema_entry": subject.schema.seq if subject.schema else None,
        "results": [result.to_json() for result in results],
        "at": at.isoformat(),
        "actor": acting.actor,
    }
    entry = record_act(
        ws, tx, act="evaluate", kind="examination", object_id=name, acting=acting, body=body,
        refs={"bundle": bundle, **(refs or {})}, after=_summarise(results), at=at,
    )  # fmt: skip
    return Examination(name, subject.name, entry.seq, bundle, tuple(results), at, acting.actor)


def _look(ws: Workspace, subject: Subject, names: Sequence[str]) -> dict[str, str]:
    """Count the look at a holdout before any of its labels tells anything. Raises Refused when the budget is used up."""
    readers = [name for name in names if name in LABEL_TESTS]
    if subject.holdout is None or subject.scoring is None or not readers:
        return {}
    with governed(ws) as tx:
        acting = check_acting(ws, tx, "evaluate")
        model, slot = subject.version.model, subject.slot
        policy = find_policy(tx, model, find_tier(tx, model, slot).number, slot)
        most = find_budget(tx, subject.holdout)
        if most is not None and count_looks(tx, subject.holdout) >= most:
            raise Refused(
                f"{', '.join(readers)} read the labels of holdout {subject.holdout.name}, which was looked at {most} times and may not be "
                "looked at again: freeze a fresh one and name it in the policy, or run the other tests"
            )
        look, _ = record_look(
            ws, tx, acting=acting, holdout=subject.holdout, version=subject.name, slot=subject.slot or "", policy=policy.digest
        )
    return {"data": str(subject.holdout.artifact.digest), "look": look}


def run_tests(ws: Workspace, host: ModelHost, subject: Subject, names: Sequence[str], *, may_look: bool = True) -> list[TestResult]:
    """Run tests without recording them, or a look at the holdout: that is the caller's (`record_test_results`, `record_look`).

    Args:
        ws: The workspace.
        host: Where versions answer.
        subject: What is examined.
        names: From TESTS.
        may_look: False: the holdout's budget is used up, and tests that read its labels are undecided without reading them.

    Raises:
        InvalidInput: A test has no such name, is named twice, or none is named.
    """
    exam = Exam(ws, host, subject)
    checked = _check_names(names)
    spent = "it reads the labels of the holdout, whose budget of looks is used up"
    return [
        TestResult(name, TESTS[name].layer, "undecided", spent) if not may_look and name in LABEL_TESTS else _run(exam, name, TESTS[name])
        for name in checked
    ]


def list_examinations(ws: Workspace, *, model: str, version: int) -> Sequence[Examination]:
    """Return the examinations of a version, oldest first. Raises NotFound when there is no such version."""
    with ws.store.begin(read_only=True) as tx:
        tx.registry.get_version(model, version)
        return [read_examination(record) for record in tx.records.list_all("examination", subject=f"{model}@{version}")]


def read_examination(record: Record) -> Examination:
    """Return what an examination's document says. Raises Corrupt."""
    match record.body:
        case {
            "examination": str(name), "version": str(version), "bundle": str(bundle), "results": list(results), "at": str(at),
            "actor": str(actor),
        }:  # fmt: skip
            found = tuple(map(result_of_test_from_json, results))
            return Examination(name, version, record.seq, bundle, found, datetime.fromisoformat(at), actor)
    raise Corrupt(f"examination {record.record_id} (entry {record.seq}) has a form that this release does not read")


def _check_names(names: Sequence[str]) -> list[str]:
    unknown = [str(name)[:64] for name in names if name not in TESTS]
    if unknown or not names or isinstance(names, str):
        raise InvalidInput(f"there is no test {', '.join(map(repr, unknown)) or 'named'}; there are: {', '.join(TESTS)}")
    if len(set(names)) < len(names):
        raise InvalidInput(f"a test is named twice in {', '.join(names)}")
    return list(names)


def _summarise(results: Sequence[TestResult]) -> str:
    outcomes = {result.outcome for result in results}
    return "failed" if "failed" in outcomes else "undecided" if "undecided" in outcomes else "passed"


def _run(exam: Exam, name: str, test: Test) -> TestResult:
    try:
        missing = next((words for need in test.needs if (words := _find_missing(exam, need))), "")
    except (InvalidInput, Corrupt, NotFound) as error:
        return TestResult(name, test.layer, "undecided", f"its data cannot be read: {error}")
    if missing:
        return TestResult(name, test.layer, "not-applicable", missing)
    try:
        found = test.function(exam)
    except (InvalidInput, Refused, Unavailable, Corrupt, NotFound) as error:
        return TestResult(name, test.layer, "failed", f"{type(error).__name__}: {error}")
    facts: dict[str, Json] = dict(found.facts)
    return TestResult(name, test.layer, found.outcome, found.reason, facts)


def _find_missing(exam: Exam, need: Need) -> str:
    subject = exam.subject
    match need:
        case "training" if exam.training is None:
            return f"the run of {subject.name} has no output {subject.training_name!r} with its training rows"
        case "holdout" if exam.holdout is None:
            return "no holdout is known: the policy names none, and none was given"
        case "rows" if exam.holdout is None and exam.training is None:
            return f"there are no rows to look at: no holdout is known, and the run has no output {subject.training_name!r}"
        case "scoring" if subject.scoring is None:
            return "which column is the label and which output is scored is not known: the policy does not say, and nobody did"
    return ""
