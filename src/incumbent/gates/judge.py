"""The judge: a policy and a measurement in, a verdict out. Nothing is read, written or decided anywhere else.

The rules are judged in the policy's order, each at the level that is left after the price of this look at the holdout. Latencies
are measured anew at each look, so theirs is not reduced. Beyond the holdout's budget there is no verdict but "take a fresh one".
"""

from dataclasses import replace

import numpy as np

from incumbent.base.errors import InvalidInput
from incumbent.gates.guardrails import judge_guardrail
from incumbent.gates.holdout_rule import HoldoutRule
from incumbent.gates.level import Level, level_of
from incumbent.gates.policy import LATENCIES, MEMORY, GatePolicy
from incumbent.gates.primary import judge_primary
from incumbent.gates.sample import HoldoutSample, score
from incumbent.gates.verdict import RuleResult, Verdict, combine

__all__ = ["HoldoutSample", "judge"]


def judge(policy: GatePolicy, sample: HoldoutSample, *, look: int, rng: np.random.Generator, budget: int | None = None) -> Verdict:
    """Return the verdict on a challenger.

    Args:
        policy: The rules.
        sample: What was measured.
        look: Which look at this holdout it is, counted from 1 over all challengers.
        rng: Chance for the bootstrap; keep its seed, and the verdict can be computed again.
        budget: How many looks the holdout has where that is fewer than the policy says: `looks_max` was raised after a look.

    Raises:
        InvalidInput: The policy has no rule on a holdout (its tests are judged elsewhere), the look is below 1, or the sample lacks
            what a rule is about. What is wrong with the challenger is no error: it fails its rule.
    """
    holdout = policy.holdout
    if holdout is None or (policy.primary is None and not policy.guardrails):
        raise InvalidInput("this policy has no rule on a holdout; its required tests are judged by their own evidence")
    if look < 1:
        raise InvalidInput(f"look {look}: looks at a holdout count from 1")
    asked = holdout.looks_max
    if budget is not None and budget < asked:
        holdout = replace(holdout, looks_max=budget)
    if look > holdout.looks_max:
        return combine([_exhausted(holdout, look, asked)])
    scored = score(policy, sample) if policy.needs else None
    results = []
    if policy.primary is not None and scored is not None:
        level = level_of(holdout, look, policy.primary.confidence, sample.rung)
        results.append(judge_primary(policy.primary, scored, level=level, holdout=holdout, sample=sample, rng=rng))
    for rule in policy.guardrails:
        level = level_of(holdout, look, holdout.confidence, sample.rung)
        if rule.metric in {*LATENCIES, MEMORY}:
            level = Level(1 - holdout.confidence, "measured anew, so nothing was reused")
        results.append(judge_guardrail(rule, sample, scored, level=level, rng=rng))
    return combine(results)


def _exhausted(holdout: HoldoutRule, look: int, asked: int) -> RuleResult:
    spent = f"look {look} of at most {holdout.looks_max}: the budget of holdout {holdout.name!r} is used up"
    if asked > holdout.looks_max:
        spent += f" (looks_max = {asked} came after a look, and raising it then has no effect)"
    reason = f"{spent}; register a fresh holdout and name it in the policy"
    return RuleResult(f"holdout {holdout.name}", "failed", reason, facts={"look": look, "looks_max": holdout.looks_max})
