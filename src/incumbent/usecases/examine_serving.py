"""Tests of the infrastructure layer: that a version serves, what it was served with offline, within limits, by a sealed pipeline run."""

import math
from collections.abc import Sequence

from incumbent.base.artifact import Artifact
from incumbent.base.documents import Json
from incumbent.base.errors import InvalidInput, Refused
from incumbent.registry.signature import Scalar, check_columns
from incumbent.registry.slot import find_target
from incumbent.usecases.answering import ask, read_card
from incumbent.usecases.examine_subject import Exam, Found, Rows, count_rows, shown, spread
from incumbent.usecases.log_run import verify_seal
from incumbent.usecases.moving import verify_bundle

SKEW_ROWS_MAX, SKEW_ROWS_ONE_BY_ONE = 500, 25
SKEW_ROWS_MIN = 100
"""Fewer agreeing rows would still leave room for one answer in thirty to differ (3 / n, one-sided 95 %), and whoever trains chose them."""
SKEW_GAP_MAX = 1e-6
"""How far, in units of max(1, |offline|), an online answer may be from the offline one: rounding, and nothing that decides."""

LIMITS: dict[str, float] = {
    "bundle_bytes_max": 2**30,
    "one_row_ms_max": 1_000.0,
    "thousand_rows_ms_max": 10_000.0,
    "memory_bytes_max": 4 * 2**30,
}
"""What a version must stay below; its `serving` settings may ask for less, under `limits`."""
TIMED_ANSWERS = 30
_TABLES = {"arrow", "polars", "pandas"}


def examine_serves(exam: Exam) -> Found:
    """It loads in its own process and answers its example: twice the same, alone and in a batch, as its signature says."""
    card = exam.card
    example: dict[str, list[Scalar]] = {name: [value] for name, value in card.example.items()}
    bundle = exam.subject.version.bundle
    first = check_answer(exam, exam.host.answer(bundle, example), 1)
    second = check_answer(exam, exam.host.answer(bundle, example), 1)
    batch = check_answer(exam, exam.host.answer(bundle, {name: values * 3 for name, values in example.items()}), 3)
    if first != second:
        return Found("failed", f"asked twice with its example it answered {first} and then {second}")
    apart = [name for name, values in batch.items() if any(_gap(value, first[name][0]) > SKEW_GAP_MAX for value in values)]
    if apart:
        return Found("failed", f"in a batch of three its example is answered with another {shown(apart)} than alone")
    answered: dict[str, Json] = {name: values[0] for name, values in first.items()}
    return Found(
        "passed", "it loads in its own process and answers its example twice the same, as its signature says", {"answer": answered}
    )


def check_answer(exam: Exam, answer: Rows, rows: int) -> dict[str, list[Scalar]]:
    """Return an answer in the types of the signature, with so many rows. Raises Refused."""
    try:
        found = check_columns(exam.card.signature.outputs, answer)
    except InvalidInput as error:
        raise Refused(f"the answer does not fit the signature: {error}") from error
    if count_rows(found) != rows:
        raise Refused(f"{count_rows(found)} answers to {rows} rows")
    return found


def _gap(online: Scalar, offline: Scalar) -> float:
    """How far two answers are apart, in units of max(1, |offline|); infinite where they are no numbers and differ."""
    if isinstance(online, bool | str) or isinstance(offline, bool | str) or online is None or offline is None:
        return 0.0 if online == offline else math.inf
    return abs(online - offline) / max(1.0, abs(offline))


def examine_skew(exam: Exam) -> Found:
    """Online answers are the offline scores that the run recorded as its output "scores"."""
    outputs = _list_outputs(exam)
    if "scores" not in outputs or outputs["scores"].codec not in _TABLES:
        return Found("not-applicable", 'the run gave no table "scores" with the offline scores to compare online answers with')
    scores = exam.ws.tables.read_columns(outputs["scores"])
    answered = [column.name for column in exam.card.signature.outputs if column.name in scores]
    if not answered:
        return Found("not-applicable", f'"scores" holds {shown([*scores])} and none of the columns that the version answers with')
    if count_rows(scores) == 0:
        return Found("undecided", f'"scores" has no rows; {SKEW_ROWS_MIN} are needed')
    sample = spread(scores, SKEW_ROWS_MAX)
    asked = _find_asked(exam, outputs, scores, sample)
    if isinstance(asked, str):
        return Found("not-applicable", asked)
    online = ask(exam.ws, exam.host, exam.subject.version, asked, is_timed=False).columns
    few = {name: values[:SKEW_ROWS_ONE_BY_ONE] for name, values in asked.items()}
    alone: dict[str, list[Scalar]] = {name: [] for name in answered}
    for place in range(count_rows(few)):
        for name, values in exam.host.answer(exam.subject.version.bundle, {k: [v[place]] for k, v in few.items()}).items():
            if name in alone:
                alone[name].extend(values)
    rows = count_rows(sample)
    gaps = {name: max(map(_gap, online[name], sample[name])) for name in answered}
    gaps_alone = {name: max(map(_gap, alone[name], sample[name][:SKEW_ROWS_ONE_BY_ONE])) for name in answered}
    worst = max(*gaps.values(), *gaps_alone.values())
    facts: dict[str, Json] = {"rows": rows, "gap_max": worst if math.isfinite(worst) else None, "limit": SKEW_GAP_MAX}
    if worst > SKEW_GAP_MAX:
        wrong = [name for name in answered if max(gaps[name], gaps_alone[name]) > SKEW_GAP_MAX]
        return Found(
            "failed", f"online answers differ from the offline scores in {shown(wrong)}, on {rows:,} rows, by up to {worst:.3g}", facts
        )
    same = f"online answers are the offline scores on {rows:,} rows"
    if rows < SKEW_ROWS_MIN:
        return Found("undecided", f"{same}, and that says little; {SKEW_ROWS_MIN - rows} more rows would settle it", facts)
    return Found("passed", f"{same}, in a batch and one by one (gap {worst:.3g})", facts)


def _list_outputs(exam: Exam) -> dict[str, Artifact]:
    run, stages = exam.run
    with exam.ws.store.begin(read_only=True) as tx:
        outputs = {row.name: row.artifact for row in tx.runs.list_artifacts(run.run_id) if row.direction == "output"}
    for stage in stages:
        if stage.item is None:
            outputs |= stage.outputs
    return outputs


def _find_asked(exam: Exam, outputs: dict[str, Artifact], scores: Rows, sample: Rows) -> dict[str, list[Scalar]] | str:
    """Return the inputs behind sampled scores: beside them, or in the one table of the run whose rows `row` can mean; or why not."""
    wanted = exam.inputs
    if set(wanted) <= scores.keys():
        return {name: list(sample[name]) for name in wanted}
    places = scores.get("row", ())
    if not places or not all(type(place) is int and place >= 0 for place in places):
        return '"scores" has neither the columns that the version is asked with nor a column "row" of row numbers'
    last = max(place for place in places if isinstance(place, int))
    tables = {name: exam.ws.tables.read_columns(found) for name, found in outputs.items() if found.codec in _TABLES and name != "scores"}
    fitting = [name for name, rows in tables.items() if set(wanted) <= rows.keys() and count_rows(rows) > last]
    if len(fitting) != 1:
        found = f"{shown(fitting)} could be meant" if fitting else "no output has these columns and so many rows"
        return f'which table of the run the "row" of "scores" counts is not clear: {found}'
    table = tables[fitting[0]]
    return {name: [table[name][place] for place in sample["row"] if isinstance(place, int)] for name in wanted}


def examine_rollback(exam: Exam) -> Found:
    """The version that a roll-back of the slot would go to is whole, loads and answers; the time that takes is measured."""
    slot = exam.subject.slot
    if slot is None:
        return Found("not-applicable", "no slot was named, so there is none to roll back")
    with exam.ws.store.begin(read_only=True) as tx:
        target = find_target(tx.registry.list_placements(slot))
        version = tx.registry.get_version(*target) if target else None
    if version is None:
        return Found("not-applicable", f"slot {slot} has no version to roll back to yet")
    name = f"{version.model}@{version.version}"
    began = exam.ws.clock.now()
    verify_bundle(exam.ws, version)
    example: dict[str, list[Scalar]] = {key: [value] for key, value in read_card(version).example.items()}
    exam.host.answer(version.bundle, example)
    took = (exam.ws.clock.now() - began).total_seconds()
    facts: dict[str, Json] = {"target": name, "seconds": took}
    return Found("passed", f"{name}, to which {slot} would roll back, is whole and answers its example; ready in {took:.2f} s", facts)


def examine_limits(exam: Exam) -> Found:
    """Bundle size, answer times and memory are below our limits, or lower ones that the version was registered with.

    A version that set itself higher ones passes by nobody's word but its authors': that stays undecided.
    """
    limits = _read_limits(exam)
    example: dict[str, list[Scalar]] = {name: [value] for name, value in exam.card.example.items()}
    files = exam.manifest.get("files")
    size = sum(file["size"] for file in files if isinstance(file, dict) and isinstance(file["size"], int)) if isinstance(files, list) else 0
    _time(exam, example)
    alone = sorted(_time(exam, example) for _ in range(TIMED_ANSWERS))
    found = {
        "bundle_bytes_max": float(size),
        "one_row_ms_max": alone[len(alone) // 2],
        "thousand_rows_ms_max": _time(exam, {name: values * 1_000 for name, values in example.items()}),
    }
    memory = exam.host.memory_bytes(exam.subject.version.bundle)  # after the largest question
    if memory is not None:
        found["memory_bytes_max"] = float(memory)
    facts: dict[str, Json] = {
        "bundle_bytes": size,
        "one_row_ms_p50": found["one_row_ms_max"],
        "thousand_rows_ms": found["thousand_rows_ms_max"],
        "memory_bytes": memory,
        "limits": {**limits},
    }
    over = [f"{name.removesuffix('_max')} is {found[name]:,.6g}, limit {limits[name]:,.6g}" for name in found if found[name] > limits[name]]
    if over:
        return Found("failed", "; ".join(over), facts)
    reason = (
        f"{size:,} bytes, {found['one_row_ms_max']:.1f} ms for one row (median of {TIMED_ANSWERS}), "
        f"{found['thousand_rows_ms_max']:.1f} ms for 1,000"
    )
    looser = [f"{name} {limit:,.6g} instead of {LIMITS[name]:,.6g}" for name, limit in limits.items() if limit > LIMITS[name]]
    if looser:
        return Found(
            "undecided",
            f"{reason}; but the version allows itself more than is usual ({'; '.join(looser)}): have its gate policy say what is enough, "
            "by guardrails of latency and memory",
            facts,
        )
    if memory is None:
        return Found("undecided", f"{reason}; the memory of a process cannot be measured on this machine", facts)
    reason += f", {memory / 2**20:,.0f} MiB at the peak (the worker's process, Python included)"
    return Found("passed", reason, facts)


def _time(exam: Exam, columns: dict[str, list[Scalar]]) -> float:
    began = exam.ws.clock.now()
    exam.host.answer(exam.subject.version.bundle, columns)
    return (exam.ws.clock.now() - began).total_seconds() * 1000


def _read_limits(exam: Exam) -> dict[str, float]:
    serving = exam.manifest.get("serving")
    given = serving.get("limits", {}) if isinstance(serving, dict) else {}
    if not isinstance(given, dict):
        raise InvalidInput("the version's serving settings have `limits` that are no table")
    taken = dict(LIMITS)
    for name, value in given.items():
        if name not in LIMITS:
            raise InvalidInput(f"the version's serving limit {name[:64]!r} is none; there are: {', '.join(LIMITS)}")
        if isinstance(value, bool) or not isinstance(value, int | float) or not (value > 0 and math.isfinite(value)):
            raise InvalidInput(f"the version's serving limit {name} is {value!r}, no number above 0")
        taken[name] = float(value)
    return taken


def examine_pipeline(exam: Exam) -> Found:
    """The run is a sealed pipeline run whose every stage ran or was a hit."""
    run, stages = exam.run
    if not run.pipeline:
        return Found("not-applicable", f"run {run.run_id} is a script's: no pipeline made this version from end to end")
    verify_seal(exam.ws, run_id=run.run_id)
    wrong = [f"{stage.stage} {stage.state}" for stage in stages if stage.state not in {"ran", "hit"}]
    if run.state != "finished" or wrong or not stages:
        return Found("failed", f"run {run.run_id} of pipeline {run.pipeline} is {run.state}: {shown(wrong) or f'{len(stages)} stages'}")
    names, ran = ({stage.stage for stage in stages if stage.state in states} for states in (("ran", "hit"), ("ran",)))
    facts: dict[str, Json] = {"run": run.run_id, "stages": list[Json](sorted(names)), "ran": list[Json](sorted(ran))}
    reason = f"{len(ran)} of {len(names)} stages of pipeline {run.pipeline} ran in the sealed run {run.run_id}, and the others were cached"
    if not ran:
        return Found("undecided", f"{reason}: nothing was put together anew; the test `reproducible` does that", facts)
    return Found("passed", reason, facts)


def examine_pickles(exam: Exam) -> Found:
    """No file of the bundle would import what runs code, reaches files or the network when it is unpickled."""
    scans = exam.manifest.get("pickles")
    if not isinstance(scans, list):
        return Found("undecided", "it was registered before files were scanned; register the run's bundle anew")
    by_verdict: dict[str, list[str]] = {}
    for scan in scans:
        if isinstance(scan, dict):
            by_verdict.setdefault(str(scan.get("verdict")), []).append(str(scan.get("path")))
    facts: dict[str, Json] = {verdict: list[Json](paths) for verdict, paths in sorted(by_verdict.items()) if verdict != "none"}
    strange = by_verdict.keys() - {"none", "safe", "unknown", "dangerous"}
    if strange:
        return Found("undecided", f"the scan speaks of {shown(sorted(strange))}, which this release does not know", facts)
    if "dangerous" in by_verdict:
        return Found("failed", f"unpickling {shown(by_verdict['dangerous'])} could run code or reach files and the network", facts)
    unknown: Sequence[str] = by_verdict.get("unknown", ())
    tail = f"; {shown(unknown)} imports what is on no list" if unknown else ""
    return Found("passed", f"of the {len(scans)} files that are or hold pickles none is dangerous to unpickle{tail}", facts)
