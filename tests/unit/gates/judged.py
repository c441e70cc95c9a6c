"""Policies and samples for tests of the judge."""

import math

import numpy as np

from incumbent.base.documents import document_bytes
from incumbent.gates.judge import HoldoutSample, judge
from incumbent.gates.policy import policy_from_json

ACCURACY = {"metric": "accuracy"}
FIRST = 0.05 * 6 / math.pi**2
"""What is left of 5 % at the first look."""


def policy(*rails, look_rules=None, **primary):
    document = {"format": 1, "guardrail": list(rails), "holdout": {"name": "march", **(look_rules or {})}}
    columns = {"label": "y", "output": "p"}
    if primary:
        return policy_from_json({**document, "primary": {"margin": 0.002, **columns, **primary}})
    return policy_from_json({**document, "scoring": columns})


def ask(rules, *, look=1, seed=0, **sample):
    return judge(rules, HoldoutSample(**sample), look=look, rng=np.random.default_rng(seed))


def only(verdict):
    (result,) = verdict.results
    document_bytes(verdict.to_json())  # every verdict has a document
    return result


def labelled(n01, n10, m):
    """Truth and answers where only the challenger is right n01 times, only the champion n10 times, both otherwise."""
    truth = np.arange(m) % 2 == 0
    rows = np.arange(m)
    return {"truth": truth, "champion": truth ^ (rows < n01), "challenger": truth ^ ((rows >= n01) & (rows < n01 + n10))}


def probabilities(seed, m, noise):
    rng = np.random.default_rng(seed)
    truth = rng.random(m) < 0.4
    logits = np.where(truth, 1.0, -1.0)
    return {"truth": truth, **{name: 1 / (1 + np.exp(-logits - rng.normal(0, s, m))) for name, s in noise.items()}}
