"""Versions to be examined, with training rows, a holdout and a run, for tests of the ML Test Score."""

import random

import polars as pl

from bundles import write_bundle
from incumbent.gates.policy import Scoring
from incumbent.usecases.examine import TESTS, run_tests
from incumbent.usecases.examine_subject import find_subject
from incumbent.usecases.holdouts import register_holdout
from incumbent.usecases.live_run import begin_run
from incumbent.usecases.register import register

SCORING = Scoring("y_true", "y")


def make_rows(seed, rows=400, **more):
    """Rows of y = 2 x² with noise: a line cannot tell it, the model of `SQUARE` can."""
    chance = random.Random(seed)
    x = [chance.uniform(-3, 3) for _ in range(rows)]
    columns = {"x": x, "who": [chance.choice(["ann", "bob"]) for _ in x], "y_true": [2 * v * v + chance.gauss(0, 0.3) for v in x]}
    return pl.DataFrame({**columns, **more})


SQUARE = """
    def load(folder):
        def answer(columns):
            y = [2 * x * x for x in columns["x"]]
            return {"y": y, "is_big": [value > 10 for value in y]}
        return answer
"""


def make_subject(
    ws, tmp_path, code=SQUARE, *, training=None, holdout=None, serving=None, scoring=SCORING, scores=None, files=None, losses=()
):
    bundle = write_bundle(tmp_path / f"bundle-{random.random()}", code)
    for name, data in (files or {}).items():
        (bundle / name).write_bytes(data)
    with begin_run(ws, experiment="square") as run:
        run.log_artifact(bundle, "model")
        run.log_artifact(make_rows(1) if training is None else training, "training")
        run.log_artifact(make_rows(2) if holdout is None else holdout, "held")
        if scores is not None:
            run.log_artifact(scores, "scores")
        for step, loss in enumerate(losses):
            run.log_metric("loss", loss, step=step)
    version = register(ws, model="square", run=run.id, artifact="model", serving=serving)
    name = f"frozen-{version.version}"
    register_holdout(ws, name=name, run=run.id, artifact="held")
    return find_subject(ws, version, holdout=name, scoring=scoring)


def ask(ws, host, subject, name):
    [found] = run_tests(ws, host, subject, [name])
    assert (found.test, found.layer) == (name, TESTS[name].layer)
    return found
