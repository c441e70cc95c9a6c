"""The gain of a challenger over the champion on the challenger's own training rows, for Thresholdout."""

import math
from collections.abc import Mapping, Sequence

from incumbent.base.errors import InvalidInput, Refused
from incumbent.gates.policy import GatePolicy
from incumbent.gates.sample import HoldoutSample, score
from incumbent.registry.model import ModelVersion
from incumbent.registry.signature import Scalar
from incumbent.stats.metrics import METRICS
from incumbent.usecases.answering import ask, read_card
from incumbent.usecases.examine_subject import objects
from incumbent.usecases.ports import ModelHost
from incumbent.usecases.workspace import Workspace

Rows = Mapping[str, Sequence[Scalar]]


def measure_training_gain(
    ws: Workspace, host: ModelHost, *, policy: GatePolicy, challenger: ModelVersion, champion: ModelVersion, training: Rows
) -> float:
    """Return challenger minus champion in the primary metric on the challenger's training rows, turned so that more is better.

    It reads nothing of the holdout, so it is measured before the look: what is wrong here costs none.

    Args:
        ws: The workspace.
        host: Where versions answer.
        policy: With a primary rule and scoring.
        challenger: Whose training rows they are.
        champion: Who answers the same rows.
        training: The rows, column by column.

    Raises:
        Refused: The training rows lack the label or a column that a version is asked with, or nothing can be measured on them.
    """
    rule, scoring = policy.primary, policy.scoring
    assert rule is not None
    assert scoring is not None
    name = f"{challenger.model}@{challenger.version}"
    asked = f'the policy\'s reuse = "thresholdout" compares the holdout with the training rows of {name}'
    way_out = 'Have the pipeline give such rows, or let the policy price reuse by "spend" or "ladder"'
    wanted = [scoring.label, *(column.name for version in (challenger, champion) for column in read_card(version).signature.inputs)]
    missing = [column for column in dict.fromkeys(wanted) if column not in training]
    if missing:
        raise Refused(f"{asked}, and these lack {', '.join(missing)}; they have {', '.join(training) or 'nothing'}. {way_out}")
    answers = [ask(ws, host, version, training, is_timed=False).columns.get(scoring.output) for version in (challenger, champion)]
    mine, theirs = (None if found is None else objects(found) for found in answers)
    try:
        scored = score(policy, HoldoutSample(truth=objects(training[scoring.label]), challenger=mine, champion=theirs))
    except InvalidInput as error:
        raise Refused(f"{asked}, and these cannot be scored: {error}. {way_out}") from error
    if scored.challenger.problem is not None or scored.champion is None:
        raise Refused(f"{asked}, and there it cannot be scored: {scored.challenger.problem or 'the champion gave no answers'}")
    metric = METRICS[rule.metric]
    first, second = (metric.function(scored.truth, known.by_kind[metric.needs]) for known in (scored.challenger, scored.champion))
    gain = metric.sign * (first - second)
    if not math.isfinite(gain):
        raise Refused(f"{asked}, and on these {rule.metric} is undefined: {first} for the challenger, {second} for the champion. {way_out}")
    return gain
