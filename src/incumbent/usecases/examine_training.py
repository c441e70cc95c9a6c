"""The test `reproducible`: run the recipe again with its seed, and compare what the version's own stage gives."""

from incumbent.base.documents import Json
from incumbent.base.errors import InvalidInput, NotFound, Refused, Unavailable
from incumbent.gates.examined import TestOutcome
from incumbent.pipeline.comparison import Tolerance
from incumbent.usecases.examine_subject import Exam, Found
from incumbent.usecases.reproduce import Reproduction, StageReproduction, reproduce

TOLERANCE = Tolerance()


def examine_reproducible(exam: Exam) -> Found:
    """The stage that made the bundle makes it again, bit for bit or with every number within a tolerance."""
    run, stages = exam.run
    bundle = exam.subject.version.bundle.digest
    makers = [(stage.stage, stage.item) for stage in stages if bundle in {artifact.digest for artifact in stage.outputs.values()}]
    if not run.pipeline or not makers:
        return Found(
            "undecided", f"run {run.run_id} has no recipe that could be run here: a script logged it, and no pipeline made the bundle"
        )
    try:
        found = reproduce(exam.ws, run=run.run_id, tolerance=TOLERANCE)
    except (InvalidInput, NotFound, Unavailable) as error:
        return Found("undecided", f"the recipe of run {run.run_id} cannot be run here: {error}")
    except Refused as error:
        outcome = _tell_failure(str(error))
        return Found(outcome, f"the recipe of run {run.run_id} does not run again: {error}", {"run": run.run_id})
    return _judge(found, [stage for stage in found.stages if (stage.stage, stage.item) in makers])


def _tell_failure(message: str) -> TestOutcome:
    return "undecided" if "ModuleNotFoundError" in message or "No module named" in message else "failed"


def _judge(found: Reproduction, mine: list[StageReproduction]) -> Found:
    facts: dict[str, Json] = {"reproduction": found.to_json(), "relative": TOLERANCE.relative, "absolute": TOLERANCE.absolute}
    stage = max(mine, key=lambda one: ("bit-exact", "numeric", "differs").index(one.verdict))
    name = stage.stage if stage.item is None else f"{stage.stage}[{stage.item}]"
    if stage.verdict == "differs":
        parted = f"; the runs part at stage {found.parted_at}" if found.parted_at else ""
        return Found("failed", f"run again with the same seed, stage {name} gives another bundle: {stage.detail[:300]}{parted}", facts)
    if stage.verdict == "numeric":
        reason = (
            f"run again with the same seed, every number of the bundle is within {TOLERANCE.relative:g} of itself: {stage.detail[:200]}"
        )
        return Found("passed", reason, facts)
    return Found("passed", f"run again with the same seed, stage {name} gives the same bundle, byte for byte", facts)
