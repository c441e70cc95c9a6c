"""Thousands of random histories of one small project: never a stale result, never a needless rerun, whatever was interrupted.

The project is a diamond of five stages over one source. A step edits a stage (really, or in a way that changes no output),
edits the data or the config, goes back to an earlier state, runs, is cut off in the middle of a run, or has a stored blob
damaged. An oracle, a plain dictionary from (code, input values, config) to "was run", says what must rerun.
"""

import itertools
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from incumbent.base.artifact import Artifact
from incumbent.base.digest import digest_bytes
from incumbent.base.documents import document_bytes
from incumbent.pipeline import source
from incumbent.pipeline.action import Captured, Environment, StageFailure, StageOutcome
from incumbent.pipeline.code import CodeClosure, PipelineCode
from incumbent.pipeline.graph import build_graph
from incumbent.pipeline.stage import Output, Parameter, StageSpec
from incumbent.storage.blobs_memory import MemoryBlobs
from incumbent.storage.sql_store import open_sql_store
from incumbent.tracking.run import CodeVersion
from incumbent.usecases.plan_pipeline import plan_pipeline
from incumbent.usecases.run_pipeline import run_pipeline
from incumbent.usecases.workspace import Workspace

NEEDS = {"a": ("data",), "b": ("a",), "c": ("a",), "d": ("b", "c"), "e": ("d",)}
STAGES = tuple(NEEDS)


class PowerCut(BaseException):
    """The process is gone: no handler of the product may catch this."""


def compute(stage, meaning, config, inputs):
    """Return a stage's output: its name, and a sum modulo three."""
    return f"{stage}:{(meaning + config + sum(int(value.rpartition(b':')[2]) for value in inputs)) % 3}".encode()


@dataclass
class World:
    """The project as the user has it, and the machine it runs on.

    Attributes:
        meaning: Stage -> what its code computes; an edit of it changes the output.
        wording: Stage -> how its code is written; an edit of it changes the code digest only.
    """

    meaning: dict = field(default_factory=lambda: dict.fromkeys(STAGES, 0))
    wording: dict = field(default_factory=lambda: dict.fromkeys(STAGES, 0))
    config: dict = field(default_factory=lambda: dict.fromkeys(STAGES, 0))
    data: int = 0
    calls: list = field(default_factory=list)
    cut_after: int | None = None

    def value(self, stage, inputs):
        """What a stage gives: one of three values, so that different inputs often give equal bytes (early cutoff)."""
        return compute(stage, self.meaning[stage], self.config[stage], inputs)

    def truth(self):
        """Return every stage's output by plain evaluation, no cache anywhere."""
        known = {"data": str(self.data).encode()}
        for stage, needs in NEEDS.items():
            known[stage] = self.value(stage, [known[need] for need in needs])
        return {stage: known[stage] for stage in STAGES}


@dataclass
class Code:
    world: World

    def read(self, reference):
        specs = [
            StageSpec(s, "p.py", "p", s, tuple(Parameter(n, "bytes") if n != "data" else Parameter(n, "pathlib.Path") for n in NEEDS[s]),
                      (Parameter("k", "int", 0, has_default=True),), (), (Output(s, "bytes"),))
            for s in STAGES
        ]  # fmt: skip
        closures = {}
        for stage in STAGES:
            leaf = digest_bytes(document_bytes({"meaning": self.world.meaning[stage], "wording": self.world.wording[stage]}))
            closure = CodeClosure(leaf, ((f"p.py::{stage}", leaf),), frozenset(), ("p.py",))
            closures[stage] = replace(closure, digest=digest_bytes(document_bytes(closure.document())))
        return PipelineCode(build_graph("sim", specs, {"data": source.file("data")}), closures, ("p.py",))

    def version(self):
        return CodeVersion()


class Everywhere:
    """The environment, which does not change here."""

    def describe(self, code, variables, threads):
        document = {"kind": "env"}
        return Environment(digest_bytes(document_bytes(document)), document)

    def summary(self):
        return {"kind": "summary"}


@dataclass
class Data:
    world: World
    blobs: MemoryBlobs

    def capture(self, spec, *, anew=False, progress=None):
        stored = self.blobs.put([str(self.world.data).encode()])
        return Captured(Artifact("file", stored.digest, stored.size, "data"), "now")

    def capture_many(self, specs, say):
        return {name: self.capture(spec) for name, spec in specs.items()}

    def capture_files(self, paths):
        stored = self.blobs.put([b'{"entries":[]}'])
        return Artifact("tree", stored.digest, stored.size, "source")


class Worker:
    """A runner that computes at once, in a random order of answers, and can lose power between two tasks."""

    capacity = 2

    def __init__(self, world, blobs):
        self.world, self.blobs, self.done = world, blobs, []

    def start(self, code):
        return ()

    def submit(self, task):
        if self.world.cut_after is not None:
            if self.world.cut_after == 0:
                raise PowerCut
            self.world.cut_after -= 1
        values = []
        for artifact in task.data.values():
            try:
                values.append(self.blobs.get(artifact.digest))
            except Exception:
                failure = StageFailure("corrupt", digest=artifact.digest)
                self.done.append(StageOutcome(task.task_id, "corrupt_input", failure=failure))
                return
        self.world.calls.append(task.stage)
        stored = self.blobs.put([self.world.value(task.stage, values)])
        self.done.append(StageOutcome(task.task_id, "done", outputs={task.stage: Artifact("bytes", stored.digest, stored.size)}))

    def wait(self, timeout_s=None):
        done, self.done = self.done, []
        return done[::-1]

    def close(self):
        pass


class Ticking:
    def __init__(self):
        self.time = datetime(2026, 1, 1, tzinfo=UTC)

    def now(self):
        self.time += timedelta(seconds=1)
        return self.time

    def sleep(self, seconds):
        self.time += timedelta(seconds=seconds)


class Counting:
    def __init__(self):
        self.numbers = itertools.count()

    def new(self, prefix):
        return f"{prefix}-{next(self.numbers):020d}"


class OneProcess:
    def own_name(self):
        return "host/boot/1/1"

    def is_gone(self, name):
        return True  # whoever held a claim before was cut off


def make_workspace(world):
    blobs = MemoryBlobs("blake3")
    folder = Path("nowhere")
    return Workspace(
        root=folder, folder=folder, store=open_sql_store("sqlite://", algorithm="blake3"), blobs=blobs, codecs=None, code=Code(world),
        environment=Everywhere(), sources=Data(world, blobs), spools=None, clock=Ticking(), ids=Counting(), keys=None, secrets=None,
        tables=None, processes=OneProcess(),
        open_runner=lambda _: Worker(world, blobs), beside=None, open_predictions=None, actor="tester",
    )  # fmt: skip


class Histories(RuleBasedStateMachine):
    def __init__(self):
        super().__init__()
        self.world = World()
        self.ws = make_workspace(self.world)
        self.ran = set()  # the oracle: every (stage, code, inputs, config) that has been run to its end
        self.earlier = []

    def teardown(self):
        self.ws.store.close()

    def expect(self):
        """Return (stages that must run, truth) and take them into the oracle."""
        truth = self.world.truth()
        known = {"data": str(self.world.data).encode(), **truth}
        keys = {
            s: (s, self.world.meaning[s], self.world.wording[s], self.world.config[s], tuple(known[n] for n in NEEDS[s])) for s in STAGES
        }
        stored = {stage for stage in STAGES if self.ws.blobs.size(digest_bytes(truth[stage])) is not None}
        return [stage for stage in STAGES if keys[stage] not in self.ran or stage not in stored], truth, keys

    @rule(stage=st.sampled_from(STAGES), to=st.integers(0, 2))
    def edit_what_a_stage_computes(self, stage, to):
        self.world.meaning[stage] = to

    @rule(stage=st.sampled_from(STAGES), to=st.integers(0, 2))
    def edit_how_a_stage_is_written(self, stage, to):
        self.world.wording[stage] = to

    @rule(stage=st.sampled_from(STAGES), to=st.integers(0, 2))
    def set_config(self, stage, to):
        self.world.config[stage] = to

    @rule(to=st.integers(0, 3))
    def change_the_data(self, to):
        self.world.data = to

    @rule()
    def remember_this_state(self):
        self.earlier.append((dict(self.world.meaning), dict(self.world.wording), dict(self.world.config), self.world.data))

    @precondition(lambda self: self.earlier)
    @rule(place=st.integers(0, 9))
    def go_back_to_an_earlier_state(self, place):
        meaning, wording, config, data = self.earlier[place % len(self.earlier)]
        self.world.meaning, self.world.wording, self.world.config, self.world.data = dict(meaning), dict(wording), dict(config), data

    def run_it(self):
        self.world.calls.clear()
        config = {stage: {"k": value} for stage, value in self.world.config.items()}
        return run_pipeline(self.ws, pipeline="p.py:sim", config=config, seed=1)

    @rule()
    def run(self):
        expected, truth, keys = self.expect()
        result = self.run_it()
        assert result.state == "finished"
        assert sorted(self.world.calls) == sorted(expected), "stale or needless"
        assert {stage: self.ws.blobs.get(result.outputs.artifacts[stage].digest) for stage in STAGES} == truth
        self.ran |= set(keys.values())

    @rule(after=st.integers(0, 4))
    def lose_power_in_the_middle_of_a_run(self, after):
        expected, _, keys = self.expect()
        self.world.cut_after = after
        try:
            self.run_it()
        except PowerCut:
            pass
        finally:
            self.world.cut_after = None
        with self.ws.store.begin() as tx:  # what the store then holds is what the next run may take as done
            stored = {action.stage for action in tx.actions.list_all()}
        assert set(self.world.calls) <= set(expected)
        assert stored >= {key[0] for key in self.ran}
        self.ran |= self.kept(keys, expected)

    def kept(self, keys, expected):
        """Return the keys of `expected` that were finished before the cut, asked of the plan: it must agree with the cache."""
        config = {stage: {"k": value} for stage, value in self.world.config.items()}
        plan = plan_pipeline(self.ws, pipeline="p.py:sim", config=config, seed=1)
        return {keys[stage] for stage in expected if plan.stages[stage].state == "hit"}

    @precondition(lambda self: self.ran)
    @rule(stage=st.sampled_from(STAGES))
    def damage_a_blob(self, stage):
        """The bytes are gone; what gave them must run again when they are next needed."""
        self.ws.blobs.delete(digest_bytes(self.world.truth()[stage]))

    @invariant()
    def the_plan_agrees_with_the_oracle(self):
        config = {stage: {"k": value} for stage, value in self.world.config.items()}
        plan = plan_pipeline(self.ws, pipeline="p.py:sim", config=config, seed=1)
        expected, _, _ = self.expect()
        for stage, planned in plan.stages.items():
            if planned.state == "hit":
                assert stage not in expected, "the plan calls a stale stage a hit"
            if planned.state == "run":
                assert stage in expected, "the plan reruns needlessly"


@pytest.mark.parametrize("examples", [25, pytest.param(400, marks=[pytest.mark.slow, pytest.mark.timeout(3_600)])])
def test_no_history_gives_a_stale_result_or_a_needless_rerun(examples):
    from hypothesis.stateful import run_state_machine_as_test

    checks = [HealthCheck.too_slow, HealthCheck.filter_too_much]
    run_state_machine_as_test(
        Histories, settings=settings(max_examples=examples, stateful_step_count=25, deadline=None, suppress_health_check=checks)
    )
