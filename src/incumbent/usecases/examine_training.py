"""The test `reproducible`: run the recipe again with its seed, and compare what the version's own stage gives.

The same bytes are the same model. Other bytes may be, too (a time stamp, the last digits of a sum): then the bundle that the rerun
gave is asked with the same rows as the version, and every answer has to be the same within a tolerance.
"""

from collections.abc import Sequence

from incumbent.base.documents import Json
from incumbent.base.errors import InvalidInput, NotFound, Refused, Unavailable
from incumbent.gates.examined import TestOutcome
from incumbent.pipeline.comparison import Tolerance
from incumbent.registry.signature import Scalar
from incumbent.tracking.run import StageRun
from incumbent.usecases.examine_subject import Exam, Found, count_rows, shown, spread
from incumbent.usecases.reproduce import Reproduction, reproduce

TOLERANCE = Tolerance()
ASKED_ROWS_MAX = 1_000


def examine_reproducible(exam: Exam) -> Found:
    """The stage that made the bundle makes it again: byte for byte, or one that gives the same answers within a tolerance."""
    run, stages = exam.run
    maker = _find_maker(exam, stages)
    if not run.pipeline or maker is None:
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
    return _judge(exam, found, *maker)


def _find_maker(exam: Exam, stages: Sequence[StageRun]) -> tuple[StageRun, str] | None:
    """Return the stage that gave the bundle, and the output's name."""
    bundle = exam.subject.version.bundle.digest
    return next(((stage, name) for stage in stages for name, artifact in stage.outputs.items() if artifact.digest == bundle), None)


def _tell_failure(message: str) -> TestOutcome:
    """A library that is not here says nothing of the recipe."""
    return "undecided" if "ModuleNotFoundError" in message or "No module named" in message else "failed"


def _judge(exam: Exam, found: Reproduction, maker: StageRun, output: str) -> Found:
    facts: dict[str, Json] = {"reproduction": found.to_json(), "relative": TOLERANCE.relative, "absolute": TOLERANCE.absolute}
    stage = next(one for one in found.stages if (one.stage, one.item) == (maker.stage, maker.item))
    name = stage.stage if stage.item is None else f"{stage.stage}[{stage.item}]"
    again = stage.outputs.get(output)
    if again is None:
        return Found("failed", f"run again with the same seed, stage {name} gives no output {output!r}", facts)
    if again.digest == exam.subject.version.bundle.digest:
        return Found("passed", f"run again with the same seed, stage {name} gives the same bundle, byte for byte", facts)
    parted = f"; the runs part at stage {found.parted_at}" if found.parted_at else ""
    asked = _pick_rows(exam)
    before = exam.host.answer(exam.subject.version.bundle, asked)
    try:
        after = exam.host.answer(again, asked)
    except (Refused, Unavailable, InvalidInput) as error:
        return Found("failed", f"run again with the same seed, stage {name} gives a bundle that does not answer: {error}{parted}", facts)
    apart = [column for column in before if not _are_near(before[column], after.get(column, []))]
    facts |= {"again": str(again.digest), "rows": count_rows(asked)}
    told = f"run again with the same seed, stage {name} gives other bytes"
    if apart:
        return Found("failed", f"{told}, and other answers in {shown(apart)} on {count_rows(asked):,} rows{parted}", facts)
    reason = f"{told}, and the same answers to {count_rows(asked):,} rows (within {TOLERANCE.relative:g})"
    return Found("passed", reason, facts)


def _pick_rows(exam: Exam) -> dict[str, list[Scalar]]:
    """Return rows to ask both with: of the holdout or the training rows, or else the version's own example."""
    rows = exam.rows
    if rows is not None and count_rows(rows) and all(name in rows for name in exam.inputs):
        return spread({name: rows[name] for name in exam.inputs}, ASKED_ROWS_MAX)
    return {name: [value] for name, value in exam.card.example.items()}


def _are_near(before: Sequence[Scalar], after: Sequence[Scalar]) -> bool:
    return len(before) == len(after) and all(map(_is_near, after, before))


def _is_near(one: Scalar, other: Scalar) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        return abs(one - other) <= TOLERANCE.absolute + TOLERANCE.relative * abs(other)
    return one == other
