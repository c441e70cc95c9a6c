"""The verb `evaluate`: judge a candidate by its gate policy, against the slot's champion, and record the evidence.

    training      what Thresholdout answers with is measured on the training rows; for the other prices nothing is
    look          the ledger counts the look at the holdout, before anything is measured
    ask           champion and challenger answer the same frozen rows, each in a process of its own
    judge         the pure rules of gates/; undecided is an answer
    examine       the tests that the policy requires
    evidence      one document: every number, what was compared, by which policy, on which data; its digest is what people sign

The chance in the bootstrap is drawn from the digests of what is compared, so anybody who has them finds the same numbers. Thresholdout's
noise is drawn from a signature of the look's entry (holdout_answers.py), so that nobody without the ledger's key can take it off.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from incumbent.base.digest import digest_bytes
from incumbent.base.documents import Document, Json, document_bytes
from incumbent.base.errors import Conflict, InvalidInput, NotFound, Refused
from incumbent.gates.examined import TestResult
from incumbent.gates.judge import HoldoutSample, judge
from incumbent.gates.policy import LATENCIES, MEMORY, GatePolicy
from incumbent.gates.rung import NOTHING_TOLD, Rung
from incumbent.gates.thresholdout import Reused
from incumbent.gates.verdict import RuleResult, Verdict, combine
from incumbent.registry.model import ModelVersion
from incumbent.registry.names import check_slot_name
from incumbent.registry.signature import Scalar
from incumbent.registry.slot import find_champion, find_status
from incumbent.usecases.answering import Answers, ask, read_card
from incumbent.usecases.asked import asked
from incumbent.usecases.evidence import Evidence, get_evidence
from incumbent.usecases.examine import find_subject, record_test_results, run_tests
from incumbent.usecases.examine_subject import Subject
from incumbent.usecases.holdout_answers import draw_noise, find_ladder, find_spent, find_steady
from incumbent.usecases.holdout_rows import Overlap, count_overlap
from incumbent.usecases.holdouts import Holdout, find_budget, get_holdout, record_look
from incumbent.usecases.moving import verify_bundle
from incumbent.usecases.ports import ModelHost, Transaction
from incumbent.usecases.readiness import PolicyInForce, find_policy, get_slot_candidate
from incumbent.usecases.recording import attempting, check_acting, governed, record_act
from incumbent.usecases.register import find_output
from incumbent.usecases.schema_in_force import find_schema
from incumbent.usecases.tier_in_force import find_tier
from incumbent.usecases.training_gain import measure_training_gain
from incumbent.usecases.workspace import Workspace

VALID_DAYS = 90
"""How long evidence counts where the policy does not say."""

Rows = Mapping[str, Sequence[Scalar]]


@dataclass(frozen=True, slots=True)
class _Case:
    """What is judged: found before the holdout is looked at.

    Attributes:
        budget: How many looks the holdout has, whatever the policy says now.
        training_gain: Over the champion on the challenger's training rows, for Thresholdout.
        reused: What Thresholdout has to know, once the look is counted.
        rung: Where the Ladder stood then; None where it is not asked.
    """

    version: ModelVersion
    champion: ModelVersion | None
    slot: str
    in_force: PolicyInForce
    holdout: Holdout | None
    budget: int | None = None
    overlap: Overlap | None = None
    training_gain: float | None = None
    reused: Reused | None = None
    rung: Rung | None = None

    @property
    def name(self) -> str:
        return f"{self.version.model}@{self.version.version}"

    @property
    def champion_name(self) -> str | None:
        return f"{self.champion.model}@{self.champion.version}" if self.champion else None

    @property
    def looks_max(self) -> int:
        """How many looks the holdout has: the policy's, or fewer where fewer were allowed when it was looked at; 0 without one."""
        asked = self.policy.holdout.looks_max if self.policy.holdout else 0
        return asked if self.budget is None else min(asked, self.budget)

    @property
    def policy(self) -> GatePolicy:
        return self.in_force.policy


@dataclass(frozen=True, slots=True)
class _Measured:
    """What was found. `subject` and `tests` are what the policy's tests were run on and said; None and empty without any."""

    verdict: Verdict
    predictions: str
    subject: Subject | None
    tests: tuple[TestResult, ...]


@asked
def evaluate(ws: Workspace, host: ModelHost, *, model: str, version: int, slot: str) -> Evidence:
    """Judge a candidate by the policy in force, and record the evidence, whatever it says.

    Args:
        ws: The workspace.
        host: Where versions answer.
        model: Name of the model.
        version: Its number.
        slot: The slot that it is a candidate for.

    Raises:
        InvalidInput: The slot's name is not legal, or the holdout lacks a column that the policy or a version needs.
        NotFound: No such version, slot or holdout.
        Refused: It is no candidate there, the actor may not, rows of the holdout were trained on, or the training rows are not what
            Thresholdout can compare with. A refusal is on record; a gate that does not pass is no error.
        Conflict: The schema, or what the holdout has told, changed while it was being judged; the look is spent. Evaluate again.
        Corrupt: A bundle's bytes are not what was registered.
    """
    check_slot_name(slot)
    with attempting(ws, act="evaluate", kind="placement", object_id=f"{slot} {model}@{version}"):
        with ws.store.begin(read_only=True) as tx:
            case = _find_case(tx, model, version, slot)
        verify_bundle(ws, case.version)
        rows = ws.tables.read_columns(case.holdout.artifact) if case.holdout else None
        if case.holdout is not None and rows is not None:
            _check_needs(case, case.holdout, rows)
            training = _read_training(ws, case, case.holdout)
            overlap = _refuse_overlap(case, case.holdout, rows, training)
            case = replace(case, overlap=overlap, training_gain=_find_training_gain(ws, host, case, training))
        look_id, look, case = _look(ws, case) if case.holdout else ("", 0, case)
        measured = _measure(ws, host, case, rows, look)
        return _record(ws, case, measured, look_id=look_id, look=look)


def _find_case(tx: Transaction, model: str, version: int, slot: str) -> _Case:
    chosen, history = get_slot_candidate(tx, model, version, slot)
    status = find_status(history, (model, version))
    if status not in {"Staging", "Archived"}:
        raise Refused(f"{model}@{version} is in status {status} in {slot}; a gate judges what is in Staging there, or was live before")
    last = find_champion(history, (model, version))
    policy = find_policy(tx, model, find_tier(tx, model, slot).number, slot)
    return _Case(
        version=chosen,
        champion=tx.registry.get_version(last.model, last.version) if last else None,
        slot=slot,
        in_force=policy,
        holdout=get_holdout(tx, policy.policy.holdout.name) if policy.policy.holdout else None,
    )


def _check_needs(case: _Case, holdout: Holdout, rows: Rows) -> None:
    """Hold policy and versions to what the holdout and the answers have, before a look is spent on finding out."""
    policy, scoring = case.policy, case.policy.scoring
    for name in ([scoring.label] if scoring else []) + [rule.by for rule in policy.guardrails if rule.by is not None]:
        _column(rows, name, f"holdout {holdout.name}")
    scored = [scoring.output] if scoring else []
    flags = [rule.output for rule in policy.guardrails if rule.output is not None]
    for version in (case.version, case.champion):
        if version is None or not (policy.primary or policy.guardrails):
            continue
        signature = read_card(version).signature
        for column in signature.inputs:
            if column.name not in rows:
                raise InvalidInput(
                    f"{version.model}@{version.version} is asked with {column.name!r}, and holdout {holdout.name} has no such column; it "
                    f"has {', '.join(rows)}"
                )
        answered = {column.name: () for column in signature.outputs}
        for name in scored + (flags if version is case.version else []):
            _column(answered, name, f"the answer of {version.model}@{version.version}")


def _read_training(ws: Workspace, case: _Case, holdout: Holdout) -> Rows:
    """Return the version's training rows. Raises Refused where its run gave none, or no table."""
    assert case.policy.holdout is not None
    wanted = case.policy.holdout.training
    unknown = f"that {case.name} was not trained on rows of holdout {holdout.name} cannot be shown"
    with ws.store.begin(read_only=True) as tx:
        try:
            artifact, _ = find_output(tx, tx.runs.get(case.version.run_id), wanted)
        except NotFound as error:
            raise Refused(
                f"{unknown}: {error}. The policy names its training rows as `training` in [holdout]; have the pipeline give them as an "
                "output"
            ) from error
    try:
        return ws.tables.read_columns(artifact)
    except InvalidInput as error:
        raise Refused(f"{unknown} ({wanted}): {error}") from error


def _refuse_overlap(case: _Case, holdout: Holdout, rows: Rows, training: Rows) -> Overlap:
    """Hold the holdout's rows to the version's training rows: what was trained on measures memory, not skill."""
    assert case.policy.holdout is not None
    wanted = case.policy.holdout.training
    inputs = [column.name for column in read_card(case.version).signature.inputs]
    label = case.policy.scoring.label if case.policy.scoring else None
    try:
        overlap = count_overlap(rows, training, inputs=inputs, label=label)
    except InvalidInput as error:
        raise Refused(f"that {case.name} was not trained on rows of holdout {holdout.name} cannot be shown ({wanted}): {error}") from error
    if overlap.rows:
        raise Refused(
            f"{overlap.rows:,} of {holdout.rows:,} rows of holdout {holdout.name} stand in the training data of {case.name} ({wanted}), "
            f"over the columns {', '.join(overlap.columns)}, numbers rounded to float32: they would measure memory. Freeze a holdout "
            "without them"
        )
    return overlap


def _find_training_gain(ws: Workspace, host: ModelHost, case: _Case, training: Rows) -> float | None:
    """Measure what Thresholdout answers with; None where the policy prices reuse otherwise, or nobody is to be beaten."""
    if case.champion is None or case.policy.holdout is None or case.policy.holdout.thresholdout is None:
        return None
    return measure_training_gain(ws, host, policy=case.policy, challenger=case.version, champion=case.champion, training=training)


def _look(ws: Workspace, case: _Case) -> tuple[str, int, _Case]:
    """Count the look; return its id, its number, and the case with what the holdout has left."""
    assert case.holdout is not None
    with governed(ws) as tx:
        acting = check_acting(ws, tx, "evaluate")
        look, number = record_look(
            ws, tx, acting=acting, holdout=case.holdout, version=case.name, slot=case.slot, policy=case.in_force.digest
        )
        budget, rung = find_budget(tx, case.holdout), find_ladder(tx, case.holdout, case.policy)
        return look, number, replace(case, budget=budget, reused=_find_reused(ws, tx, case, look), rung=rung)


def _find_reused(ws: Workspace, tx: Transaction, case: _Case, look: str) -> Reused | None:
    """Return what Thresholdout has to know at a look: the answers that are spent, and the look's noise."""
    rule = case.policy.holdout.thresholdout if case.policy.holdout else None
    record = tx.records.find("look", look)
    if rule is None or case.holdout is None or record is None:
        return None
    spent = find_spent(tx, case.holdout, before=record.seq)
    least = find_budget(tx, case.holdout, "answers_max")
    draws = draw_noise(ws, tx, look=record.seq, steady=find_steady(tx, case.holdout, spent))
    return Reused(case.training_gain, len(spent), rule.answers_max if least is None else min(least, rule.answers_max), draws)


def _measure(ws: Workspace, host: ModelHost, case: _Case, rows: Rows | None, look: int) -> _Measured:
    results: list[RuleResult] = []
    predictions = ""
    subject: Subject | None = None
    tests: list[TestResult] = []
    holdout = case.policy.holdout
    if rows is not None and holdout is not None and (case.policy.primary or case.policy.guardrails):
        sample = HoldoutSample()
        if look <= case.looks_max:  # beyond the budget there is nothing to be learned, so nothing is asked
            is_timed = any(rule.metric in LATENCIES for rule in case.policy.guardrails)
            challenger = ask(ws, host, case.version, rows, is_timed=is_timed)
            champion = ask(ws, host, case.champion, rows, is_timed=is_timed) if case.champion else None
            predictions = _keep(ws, challenger, champion)
            sample = _weigh(host, case, _make_sample(case, rows, challenger, champion))
        named: list[Json] = [case.name, case.champion_name, case.in_force.digest, predictions]
        seed = digest_bytes(document_bytes({"case": named}), "sha256")
        rng = np.random.default_rng(int(seed.partition(":")[2], 16))
        results += judge(case.policy, sample, look=look, rng=rng, budget=case.budget).results
    if case.in_force.seq is None and case.champion is not None:
        results.append(_no_meaning_of_better(case))
    if case.policy.tests is not None:
        subject = find_subject(ws, case.version, slot=case.slot, policy=case.policy)
        may_look = holdout is None or look <= case.looks_max
        tests = run_tests(ws, host, subject, case.policy.tests.required, may_look=may_look)
        results += [result.to_rule_result() for result in tests]
    return _Measured(combine(results), predictions, subject, tuple(tests))


def _weigh(host: ModelHost, case: _Case, sample: HoldoutSample) -> HoldoutSample:
    """Add the memory of the challenger's process, after it answered the whole holdout, where a rule asks for it."""
    if not any(rule.metric == MEMORY for rule in case.policy.guardrails):
        return sample
    return replace(sample, challenger_memory_bytes=host.memory_bytes(case.version.bundle))


def _no_meaning_of_better(case: _Case) -> RuleResult:
    return RuleResult(
        "champion",
        "undecided",
        f"{case.champion_name} is champion, and no policy says what better means: `incumbent policies set {case.version.model} FILE.toml`",
    )


def _keep(ws: Workspace, challenger: Answers, champion: Answers | None) -> str:
    """Store the answers that are judged, so that a validator can judge them again, and return their digest."""
    other = _describe(champion) if champion else None
    document: Document = {"kind": "answers", "challenger": _describe(challenger), "champion": other}
    return str(ws.blobs.put([document_bytes(document)]).digest)


def _describe(answers: Answers) -> Json:
    columns: dict[str, Json] = {name: [*values] for name, values in answers.columns.items()}
    return {"version": answers.name, "columns": columns, "latencies_ms": [*answers.latencies_ms]}


def _make_sample(case: _Case, rows: Rows, challenger: Answers, champion: Answers | None) -> HoldoutSample:
    policy, scoring = case.policy, case.policy.scoring
    groups = {rule.by: _column(rows, rule.by, "the holdout") for rule in policy.guardrails if rule.by is not None}
    forbidden = {
        rule.output: _column(challenger.columns, rule.output, f"the answer of {challenger.name}")
        for rule in policy.guardrails
        if rule.metric == "forbidden_rate" and rule.output is not None
    }
    return HoldoutSample(
        truth=_column(rows, scoring.label, "the holdout") if scoring else None,
        challenger=_column(challenger.columns, scoring.output, f"the answer of {challenger.name}") if scoring else None,
        champion=_column(champion.columns, scoring.output, f"the answer of {champion.name}") if scoring and champion else None,
        groups=groups,
        forbidden=forbidden,
        challenger_latencies_ms=np.array(challenger.latencies_ms) if challenger.latencies_ms else None,
        champion_latencies_ms=np.array(champion.latencies_ms) if champion and champion.latencies_ms else None,
        rung=case.rung or NOTHING_TOLD,
        reused=case.reused,
    )


def _column(columns: Rows, name: str, where: str) -> NDArray[Any]:
    if name not in columns:
        raise InvalidInput(f"{where} has no column {name!r}, which the policy names; it has {', '.join(columns)}")
    values = np.empty(len(columns[name]), dtype=object)
    values[:] = list(columns[name])
    return values


def _describe_overlap(overlap: Overlap | None) -> Json:
    """Say over which columns it was shown that no row of the holdout was trained on, and which inputs could not be compared."""
    if overlap is None:
        return None
    compared: list[Json] = [*overlap.columns]
    missing: list[Json] = [*overlap.missing]
    return {"rows": overlap.rows, "compared": compared, "inputs_not_compared": missing, "inputs_repeat": overlap.is_repeating}


def _check_schema(tx: Transaction, case: _Case, subject: Subject | None) -> None:
    """Evidence counts from its entry on, so what its tests held rows to must still be in force there."""
    now = find_schema(tx, case.version.model)
    if subject is not None and now != subject.schema:
        raise Conflict(f"the schema of {case.version.model} was registered anew while {case.name} was being judged: evaluate again")


def _record(ws: Workspace, case: _Case, measured: _Measured, *, look_id: str, look: int) -> Evidence:
    days = case.policy.tests.valid_days if case.policy.tests else VALID_DAYS
    with governed(ws) as tx:
        acting = check_acting(ws, tx, "evaluate")
        _check_schema(tx, case, measured.subject)
        if find_ladder(tx, case.holdout, case.policy) != case.rung:
            raise Conflict(f"another verdict on the rows of {case.name}'s holdout came while it was being judged: evaluate again")
        now = ws.clock.now()
        name = ws.ids.new("evidence")
        holdout: Json = None
        if case.holdout is not None:
            holdout = {
                "name": case.holdout.name, "data": str(case.holdout.artifact.digest), "look": look, "look_id": look_id,
                "looks_max": case.looks_max, "overlap": _describe_overlap(case.overlap),
            }  # fmt: skip
        body: Document = {
            "kind": "evidence",
            "evidence": name,
            "model": case.version.model,
            "version": case.version.version,
            "slot": case.slot,
            "bundle": str(case.version.bundle.digest),
            "champion": case.champion_name,
            "policy": case.in_force.digest,
            "policy_entry": case.in_force.seq,
            "holdout": holdout,
            "verdict": measured.verdict.to_json(),
            "predictions": measured.predictions,
            "at": now.isoformat(),
            "expires_at": (now + timedelta(days=days)).isoformat(),
            "actor": acting.actor,
        }
        refs = {"bundle": str(case.version.bundle.digest), "policy": case.in_force.digest}
        if case.in_force.seq is not None:
            refs["policy-entry"] = str(case.in_force.seq)
        if case.holdout is not None:
            refs |= {"data": str(case.holdout.artifact.digest), "look": look_id}
        record_act(
            ws, tx, act="evaluate", kind="evidence", object_id=name, acting=acting, body=body, refs=refs,
            after=measured.verdict.outcome, at=now,
        )  # fmt: skip
        if measured.subject is not None:  # what the gate's tests found counts for the ML Test Score too
            record_test_results(ws, tx, acting=acting, subject=measured.subject, results=measured.tests, at=now, refs={"evidence": name})
    return get_evidence(ws, name)
