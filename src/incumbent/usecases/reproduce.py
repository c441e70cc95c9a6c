"""The verb `reproduce`: run a recorded run again from its record alone, in a clean folder, and compare every stage.

What is taken from the record: the commit and the project files that the code digests came from, the data by digest, the
config, the seed. Nothing is taken from the cache: the rerun has an empty store of its own, over the same blobs.
"""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import cast

import msgspec

from incumbent.base.artifact import Artifact
from incumbent.base.documents import Document, Json
from incumbent.base.errors import IncumbentError, InvalidInput, NotFound, Refused
from incumbent.pipeline.action import Policy
from incumbent.pipeline.comparison import Comparison, ComparisonVerdict, Tolerance, worst
from incumbent.pipeline.config import config_from_document
from incumbent.pipeline.difference import Difference, diff_recipes
from incumbent.tracking.run import Run, StageRun
from incumbent.usecases.log_run import verify_seal
from incumbent.usecases.parts import list_tree
from incumbent.usecases.ports import Transaction
from incumbent.usecases.prepare import find_document
from incumbent.usecases.progress import Event, Listener, ignore
from incumbent.usecases.run_pipeline import SNAPSHOT, RunResult, run_pipeline
from incumbent.usecases.workspace import Workspace

Place = tuple[str, int | None]
"""Stage and item."""


@dataclass(frozen=True, slots=True)
class Nearness:
    """What counts as near enough."""

    tolerance: Tolerance
    is_canonical: bool


@dataclass(frozen=True, slots=True)
class StageReproduction:
    """How near the rerun of one stage (or item) came, over all its outputs.

    Attributes:
        detail: The first difference in words, "" when bit-exact.
        max_difference: Largest absolute difference of two numbers, where numbers were compared.
        outputs: What the rerun gave, by name; its bytes are in the store until the next collection. No part of the document form.
    """

    stage: str
    item: int | None
    verdict: ComparisonVerdict
    detail: str = ""
    max_difference: float | None = None
    outputs: Mapping[str, Artifact] = field(default_factory=dict, compare=False)


@dataclass(frozen=True, slots=True)
class Reproduction:
    """What came of running a run again.

    Attributes:
        verdict: That of the worst stage.
        parted_at: The first stage that is not bit-exact, "" if all are.
        recipe_differences: What differs in that stage's recipe.
        notes: How far the record could be followed (environment, commit), in words.
    """

    run_id: str
    verdict: ComparisonVerdict
    stages: Sequence[StageReproduction]
    parted_at: str = ""
    recipe_differences: Sequence[Difference] = ()
    notes: Sequence[str] = ()

    def to_json(self) -> Json:
        """Return the document form."""
        return {
            "run_id": self.run_id,
            "verdict": self.verdict,
            "parted_at": self.parted_at,
            "recipe_differences": [difference.to_json() for difference in self.recipe_differences],
            "notes": list(self.notes),
            "stages": [
                {"stage": s.stage, "item": s.item, "verdict": s.verdict, "detail": s.detail, "max_difference": s.max_difference}
                for s in self.stages
            ],
        }


def reproduction_from_json(value: Json) -> Reproduction:
    """Return what `Reproduction.to_json` wrote.

    Raises:
        ValueError: A field is missing or has another type.
    """
    try:
        return msgspec.convert(value, Reproduction)
    except msgspec.ValidationError as error:
        raise ValueError(str(error)) from error


def reproduce(
    ws: Workspace,
    *,
    run: str,
    tolerance: Tolerance | None = None,
    is_canonical: bool = False,
    executor: str = "local",
    listen: Listener = ignore,
) -> Reproduction:
    """Run a recorded run again and compare every stage's outputs.

    Args:
        ws: The workspace that holds the run.
        run: Run id, or a prefix of it.
        tolerance: When numbers count as equal where bytes differ.
        is_canonical: Count outputs as bit-exact whose canonical content agrees (thread counts and the like left out).
        executor: Where the rerun's stages run.
        listen: Told what goes on.

    Raises:
        NotFound: There is no such run, or its data is no longer in the store.
        InvalidInput: It is no pipeline run.
        Refused: It did not finish, or the rerun failed.
    """
    with ws.store.begin(read_only=True) as tx:
        recorded = tx.runs.get(run)
        inputs = {row.name: row.artifact for row in tx.runs.list_artifacts(recorded.run_id) if row.direction == "input"}
        stages = tx.runs.list_stages(recorded.run_id)
    if not recorded.pipeline:
        raise InvalidInput(f"run {recorded.run_id} is no pipeline run: it has no recipe to run again")
    if recorded.manifest is not None:
        verify_seal(ws, run_id=recorded.run_id)
    if recorded.state != "finished":
        raise Refused(f"run {recorded.run_id} is {recorded.state}: only a finished run has results to compare with")
    folder = ws.folder / "tmp" / ws.ids.new("reproduce")
    try:
        notes = _lay_out(ws, recorded, inputs, folder)
        there = ws.beside(folder)
        try:
            result = _rerun(there, recorded, inputs, executor, listen)
            near = Nearness(tolerance or Tolerance(), is_canonical)
            return _compare(ws, there, recorded, stages, result, near=near, notes=notes)
        finally:
            there.store.close()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _lay_out(ws: Workspace, recorded: Run, inputs: Mapping[str, Artifact], folder: Path) -> list[str]:
    """Make the project as it was: the commit's files, and over them the files that the code digests came from."""
    folder.mkdir(parents=True)
    notes: list[str] = []
    code = recorded.code
    if code.commit:
        try:
            ws.code.check_out(code.commit, folder)
            notes.append(f"commit {code.commit[:12]} checked out into a clean folder")
        except IncumbentError as error:
            notes.append(f"commit {code.commit[:12]} could not be checked out ({error}); the stored project files are used alone")
    else:
        notes.append("the run was made outside of git; the stored project files are used")
    if recorded.facts.get("policy") == "off":
        notes.append('the run was made under the policy "off": what its stages read beside their inputs is not known')
    if code.is_dirty:
        notes.append("the working tree was dirty; the files as they were are laid over the commit")
    if SNAPSHOT not in inputs:
        raise NotFound(f"run {recorded.run_id} has no stored project files")
    for path, member in list_tree(ws, inputs[SNAPSHOT]).items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.unlink(missing_ok=True)
        target.write_bytes(ws.blobs.get(member.digest))
    return notes


def _rerun(there: Workspace, recorded: Run, inputs: Mapping[str, Artifact], executor: str, listen: Listener) -> RunResult:
    facts = recorded.facts
    for name, artifact in inputs.items():
        if there.blobs.size(artifact.digest) is None:
            raise NotFound(
                f"source {name!r} of run {recorded.run_id} is no longer in the store ({artifact.digest}); it cannot be run again"
            )
    listen(Event("note", text=f"running {recorded.run_id} again in a clean folder"))
    result = run_pipeline(
        there,
        pipeline=str(facts.get("pipeline", "")),
        config=config_from_document(facts.get("config", {}), f"run {recorded.run_id}"),
        seed=recorded.seed or 0,
        executor=executor,
        policy=cast(Policy, facts.get("policy", "fail")),
        pinned={name: artifact for name, artifact in inputs.items() if name != SNAPSHOT},
        listen=lambda event: listen(replace(event, text="again") if event.kind == "done" else event),
    )
    if result.failure is not None:
        raise Refused(f"the rerun of {recorded.run_id} failed in stage {result.failure.stage}: {result.failure.message}")
    return result


def _compare(
    ws: Workspace,
    there: Workspace,
    recorded: Run,
    stages: Sequence[StageRun],
    result: RunResult,
    *,
    near: Nearness,
    notes: list[str],
) -> Reproduction:
    rerun = {(stage.stage, stage.item): stage for stage in result.stages}
    order = {name: place for place, name in enumerate(result.prepared.graph.stages)}
    compared: list[StageReproduction] = []
    parted: StageRun | None = None
    for stage in sorted(stages, key=lambda s: (order.get(s.stage, len(order)), -1 if s.item is None else s.item)):
        again = rerun.get((stage.stage, stage.item))
        found = _compare_stage(ws, stage, again, near)
        compared.append(found)
        if found.verdict != "bit-exact" and parted is None:
            parted = stage
    differences: Sequence[Difference] = ()
    with ws.store.begin(read_only=True) as tx, there.store.begin(read_only=True) as tx_there:
        notes.append(_environment_note(tx, tx_there, stages, rerun))
        if parted is not None:
            differences = _diff(tx, tx_there, parted, rerun.get((parted.stage, parted.item)))
    return Reproduction(
        run_id=recorded.run_id,
        verdict=worst([stage.verdict for stage in compared]),
        stages=compared,
        parted_at=parted.stage if parted else "",
        recipe_differences=differences,
        notes=notes,
    )


def _compare_stage(ws: Workspace, stage: StageRun, again: StageRun | None, near: Nearness) -> StageReproduction:
    if again is None:
        return StageReproduction(stage.stage, stage.item, "differs", "the rerun has no such stage or item")
    verdicts: list[ComparisonVerdict] = []
    details: list[str] = []
    largest: float | None = None
    for name, artifact in stage.outputs.items():
        other = again.outputs.get(name)
        found = Comparison("differs", "the rerun gave no such output")
        if other is not None:
            found = _compare_output(ws, artifact, other, near)
        verdicts.append(found.verdict)
        if found.detail:
            details.append(f"{name}: {found.detail}")
        if found.max_difference is not None:
            largest = max(largest or 0.0, found.max_difference)
    return StageReproduction(stage.stage, stage.item, worst(verdicts), "; ".join(details), largest, again.outputs)


def _compare_output(ws: Workspace, left: Artifact, right: Artifact, near: Nearness) -> Comparison:
    if left.digest != right.digest and ws.blobs.size(left.digest) is None:
        return Comparison("differs", "other bytes, and the recorded ones are no longer kept: nothing says how near they are")
    found = ws.codecs.compare(left, right, ws.blobs, near.tolerance)
    if found.verdict == "bit-exact" or not near.is_canonical:
        return found
    if ws.codecs.canonical_digest(left, ws.blobs) == ws.codecs.canonical_digest(right, ws.blobs):
        return Comparison("bit-exact", "canonical content agrees, bytes differ", found.max_difference)
    return found


def _diff(tx: Transaction, tx_there: Transaction, stage: StageRun, again: StageRun | None) -> Sequence[Difference]:
    if again is None or stage.key is None or again.key is None:
        return ()
    old, new = find_document(tx, stage.key), find_document(tx_there, again.key)
    if old is None or new is None:
        return ()

    def get_document(digest: str) -> Document | None:
        return find_document(tx, digest) or find_document(tx_there, digest)

    return diff_recipes(old, new, get_document)


def _environment_note(tx: Transaction, tx_there: Transaction, stages: Sequence[StageRun], rerun: Mapping[Place, StageRun]) -> str:
    """Say whether the stages saw the environment that was recorded, as far as their code reaches it."""
    moved: set[str] = set()
    for stage in stages:
        old = _environment_of(tx, stage)
        new = _environment_of(tx_there, rerun.get((stage.stage, stage.item)))
        if old is not None and new is not None:
            moved |= set(_moved(old, new))
    if not moved:
        return "environment: as far as the stages reach it, the recorded one"
    listed = ", ".join(sorted(moved)[:8]) + (f" and {len(moved) - 8} more" if len(moved) > 8 else "")
    return f"environment: not the recorded one; it differs in: {listed}"


def _environment_of(tx: Transaction, stage: StageRun | None) -> Document | None:
    recipe = find_document(tx, stage.key) if stage is not None and stage.key is not None else None
    return None if recipe is None else find_document(tx, str(recipe.get("env", "")))


def _moved(left: Json, right: Json, path: str = "") -> list[str]:
    if isinstance(left, dict) and isinstance(right, dict):
        names = sorted(left.keys() | right.keys())
        return [found for name in names for found in _moved(left.get(name), right.get(name), f"{path}.{name}" if path else name)]
    return [] if left == right else [path or "everything"]
