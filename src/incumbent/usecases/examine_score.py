"""The verb `testscore show`: the ML Test Score of a version, from what the ledger holds and nothing else."""

from incumbent.gates.test_score import POINTS, VALID_DAYS, PointEvidence, TestScore, judge_test_score
from incumbent.usecases.attest import list_attestations
from incumbent.usecases.evidence import read_evidence
from incumbent.usecases.examine import TESTS, list_examinations
from incumbent.usecases.workspace import Workspace

UNEARNED = "no test of this release earns it; a validator may test it by hand: `incumbent testscore attest {name} {point} --reason …`"
GATE_POINT = "infrastructure-4"
SCHEMA_POINT = "data-1"


def get_test_score(ws: Workspace, *, model: str, version: int, valid_days: int = VALID_DAYS) -> TestScore:
    """Return the score of a version: its examinations, the gate's verdicts on it, and what validators attested.

    Args:
        ws: The workspace.
        model: Name of the model.
        version: Its number.
        valid_days: For how many days evidence counts.

    Raises:
        InvalidInput: `valid_days` is not 1 to VALID_DAYS_MAX.
        NotFound: There is no such version.
    """
    found: list[PointEvidence] = []
    for made in list_examinations(ws, model=model, version=version):
        for result in made.results:
            points = TESTS[result.test].points if result.test in TESTS else ()
            is_expected = bool(result.facts.get("schema_entry"))  # that rows are like one another captures nobody's expectation
            points = tuple(point for point in points if point != SCHEMA_POINT or is_expected or result.outcome != "passed")
            found += [PointEvidence(point, "machine", made.seq, made.at, result.outcome, result.test) for point in points]
    with ws.store.begin(read_only=True) as tx:
        # Of one whose signature does not count the failure stands even so: waiting for a key to go bad would be a way around it.
        for given in [one for one in list_attestations(tx, f"{model}@{version}") if not one.fault or one.result == "failed"]:
            found.append(PointEvidence(given.point, "hand", given.seq, given.at, given.result, f"attested by {given.person}"))
        for record in tx.records.list_all("evidence", subject=f"{model}@{version}"):
            gate = read_evidence(record)
            if gate.verdict.results and any(result.rule.startswith(("primary", "guardrail")) for result in gate.verdict.results):
                what = f"gate of {gate.slot}"
                found.append(PointEvidence(GATE_POINT, "machine", gate.seq, gate.at, gate.verdict.outcome, what))
    return judge_test_score(found, now=ws.clock.now(), missing=_list_missing(f"{model}@{version}"), valid_days=valid_days)


def _list_missing(name: str) -> dict[str, str]:
    earns = {point: test for test, row in TESTS.items() for point in row.points}
    missing = {
        point: f"`incumbent testscore run {name} --test {earns[point]}`" if point in earns else UNEARNED.format(name=name, point=point)
        for point in POINTS
    }
    missing[SCHEMA_POINT] = (
        f"a registered schema (`incumbent schemas infer`, edit it, `incumbent schemas set`), then {missing[SCHEMA_POINT]}"
    )
    return {**missing, GATE_POINT: f"`incumbent evaluate {name}` by a policy that measures quality"}
