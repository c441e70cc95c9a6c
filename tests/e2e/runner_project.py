"""A project in a folder and a runner over it, for tests that enter by the runner's front door."""

import os
import textwrap
from collections.abc import Callable, Mapping
from pathlib import Path

from incumbent.base.artifact import Artifact
from incumbent.base.digest import digest_bytes
from incumbent.bootstrap.blobs import describe_blobs
from incumbent.execution.codecs.table import CodecTable
from incumbent.execution.inline_runner import InlineRunner
from incumbent.execution.local_runner import LocalRunner
from incumbent.pipeline.action import StageOutcome, StageTask
from incumbent.pipeline.code import CodeClosure, PipelineCode
from incumbent.pipeline.graph import Graph
from incumbent.pipeline.stage import Output, StageSpec
from incumbent.storage.blobs_local import LocalBlobs
from incumbent.usecases.ports import Runner

FACTORY = "incumbent.bootstrap.blobs:open_blobs"
CODECS = CodecTable()
EMPTY = digest_bytes(b"")


class Project:
    """A project in a folder, with one pipeline file, and a runner over it."""

    def __init__(self, root: Path, kind: str) -> None:
        self.root, self.kind = root, kind
        self.blobs = LocalBlobs(root / ".incumbent/blobs", "blake3")
        self.runners: list[Runner] = []
        self.module = f"flow_{os.urandom(4).hex()}"  # inline runners share this process's modules

    def write(self, text: str) -> None:
        folder = self.root / "pipelines"
        folder.mkdir(exist_ok=True)
        head = "import os, sys, time\nfrom pathlib import Path\nfrom incumbent.pipeline.stage import stage\n"
        (folder / f"{self.module}.py").write_text(head + textwrap.dedent(text))

    def code(self, *stages: str, unsettled: tuple[tuple[str, str, str, str], ...] = (), paths: tuple[str, ...] = ()) -> PipelineCode:
        path = f"pipelines/{self.module}.py"
        specs = {name: StageSpec(name, path, self.module, name, (), (), (), (Output(name, ""),)) for name in stages}
        closures = {name: CodeClosure(EMPTY, (), frozenset(), (path, *paths)) for name in stages}
        return PipelineCode(Graph("flow", specs, {}, {name: {} for name in stages}, unsettled), closures, (path,))

    def open(self, *, cores: int = 2, threads: int | None = None) -> Runner:
        state = self.root / ".incumbent"
        if self.kind == "inline":
            runner: Runner = InlineRunner(root=self.root, folder=state / "tmp", state=state, blobs=self.blobs, codecs=CODECS)
        else:
            runner = LocalRunner(
                root=self.root, folder=state / "tmp", state=state, blobs=self.blobs, blobs_factory=FACTORY,
                blobs_argument=describe_blobs(str(state / "blobs"), "blake3"), cores=cores, threads=threads,
            )  # fmt: skip
        self.runners.append(runner)
        return runner

    def put(self, value: object, annotation: str = "") -> Artifact:
        return CODECS.encode(value, annotation, self.blobs)

    def get(self, artifact: Artifact, annotation: object = object) -> object:
        return CODECS.decode(artifact, annotation, self.blobs, self.root / "out")

    def task(self, stage: str, data: Mapping[str, Artifact] | None = None, produces: Mapping[str, str] | None = None) -> StageTask:
        path = f"pipelines/{self.module}.py"
        return StageTask(stage, stage, path, self.module, stage, data or {}, {}, (), produces or {stage: ""}, seed=11)

    def close(self) -> None:
        for runner in self.runners:
            runner.close()
        self.runners.clear()

    def run(self, text: str, stage: str = "it", change: Callable[[StageTask], StageTask] = lambda task: task) -> StageOutcome:
        """Write the file, start a runner and run one stage of it."""
        self.write(text)
        runner = self.open()
        assert runner.start(self.code(stage)) == []
        runner.submit(change(self.task(stage)))
        (outcome,) = runner.wait(60)
        return outcome

    def log(self, outcome: StageOutcome) -> str:
        assert outcome.log is not None
        with self.blobs.open(outcome.log) as file:
            return file.read().decode()


def words(outcome: StageOutcome) -> str:
    assert outcome.failure is not None
    return outcome.failure.message
