"""What a plan and a run both need first: the pipeline's code, its config, its data at one version, its environments.

Nothing here imports the user's code, and nothing here is specific to one run: the same project state gives the same value.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from incumbent.base.artifact import Artifact
from incumbent.base.digest import Digest
from incumbent.base.documents import Document, Json
from incumbent.base.errors import InvalidInput, NotFound
from incumbent.pipeline.action import Action, Captured, Environment, Policy
from incumbent.pipeline.code import PipelineCode
from incumbent.pipeline.config import Config, resolve_config
from incumbent.pipeline.graph import Graph
from incumbent.pipeline.recipe import Recipe, derive_seed
from incumbent.usecases.ports import Transaction
from incumbent.usecases.workspace import Workspace

Say = Callable[[str], None]
"""Takes one line about what is going on before stages run (reading a large source, importing a pipeline)."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """The five inputs (EQ V7.1) of a whole pipeline, as they are now.

    Attributes:
        reference: How the pipeline was named.
        config: Stage -> parameter -> value, defaults filled in.
        environments: Stage -> environment, as far as its imports reach.
        sources: Source name -> captured data.
    """

    reference: str
    code: PipelineCode
    config: Mapping[str, Mapping[str, Json]]
    seed: int
    environments: Mapping[str, Environment]
    sources: Mapping[str, Captured]

    @property
    def graph(self) -> Graph:
        """The pipeline's graph."""
        return self.code.graph

    def recipe(self, stage: str, data: Mapping[str, Artifact], item: Artifact | None = None) -> Recipe:
        """Return the recipe of a stage over these inputs; `item` is the element when the stage is mapped."""
        return Recipe(
            stage=stage,
            data=data,
            code=self.code.closures[stage].digest,
            config=self.config[stage],
            environment=self.environments[stage].digest,
            seed=derive_seed(self.seed, stage, item.identity if item else ""),
            outputs=tuple(output.name for output in self.graph.stages[stage].outputs),
        )

    def documents(self) -> list[Document]:
        """Return the documents that the recipes of this state refer to."""
        found = {closure.digest: closure.document() for closure in self.code.closures.values()}
        found.update({environment.digest: environment.document for environment in self.environments.values()})
        return list(found.values())


def prepare(
    ws: Workspace,
    *,
    pipeline: str,
    config: Config,
    seed: int,
    pinned: Mapping[str, Artifact] | None = None,
    say: Say = lambda _: None,
) -> Prepared:
    """Read the pipeline, check the config, capture the data, describe the environments.

    Args:
        ws: The workspace.
        pipeline: `FILE.py:NAME` or `module:NAME`.
        config: What is given beside the defaults.
        seed: The run seed, 0 <= seed < 2**63.
        pinned: Sources that are taken as these artifacts instead of being captured (to reproduce an earlier run).
        say: Told what takes long.

    Raises:
        InvalidInput: The pipeline, config, seed or a source cannot be used.
        NotFound: The file, the name in it, or a source's data does not exist.
    """
    if not 0 <= seed < 2**63:
        raise InvalidInput(f"seed {seed} is out of range: 0 <= seed < 2**63")
    code = ws.code.read(pipeline)
    resolved = resolve_config(code.graph, config)
    environments = {}
    for name, spec in code.graph.stages.items():
        environments[name] = ws.environment.describe(code.closures[name], spec.options.env, spec.options.threads)
    known = {name: Captured(artifact, "pinned") for name, artifact in (pinned or {}).items() if name in code.graph.sources}
    wanted = {name: source for name, source in code.graph.sources.items() if name not in known}
    sources = {**known, **ws.sources.capture_many(wanted, say)}
    return Prepared(pipeline, code, resolved, seed, environments, sources)


UNWATCHED = (("unwatched", "", ""),)
"""`Action.undeclared` of a run under the policy "off": nobody looked at what it read."""


def find_hits(ws: Workspace, tx: Transaction, keys: Sequence[Digest], policy: Policy) -> dict[Digest, Action]:
    """Return the remembered actions among `keys` that stand under this policy and have their outputs in the store."""
    known = tx.actions.find(keys)
    return {key: action for key, action in known.items() if not find_missing(ws, action) and stands(ws, action, policy)}


def stands(ws: Workspace, action: Action, policy: Policy) -> bool:
    """Say whether an action made under its policy is good enough under this one.

    "fail" takes only what was watched and found to read nothing undeclared; "warn" takes also what read undeclared inputs that
    are as they were; "off" takes anything.
    """
    if policy == "off" or not action.undeclared:
        return True
    return policy == "warn" and action.undeclared != UNWATCHED and not find_moved(ws, action)


def find_missing(ws: Workspace, action: Action) -> list[str]:
    """Return the names of outputs whose bytes are no longer in the store."""
    return [name for name, artifact in action.outputs.items() if ws.blobs.size(artifact.digest) is None]


def find_moved(ws: Workspace, action: Action) -> list[tuple[str, str, str, str]]:
    """Return (kind, name, old, new) of undeclared inputs that changed since the action ran under the policy "warn"."""
    seen = [(kind, name, old, ws.sources.observe(kind, name)) for kind, name, old in action.undeclared if kind != "unwatched"]
    return [found for found in seen if found[2] != found[3]]


def find_previous(tx: Transaction, pipeline: str) -> dict[tuple[str, int | None], Digest]:
    """Return the action keys of the newest finished run of a pipeline, by (stage, item): what `why` compares with."""
    latest = tx.index.find_latest(pipeline)
    if latest is None:
        return {}
    return {(run.stage, run.item): run.key for run in tx.runs.list_stages(latest.run_id) if run.key is not None}


def find_document(tx: Transaction, digest: str) -> Document | None:
    """Return a document, or None when it was collected or never kept."""
    try:
        return tx.documents.get(Digest(digest))
    except (NotFound, InvalidInput):
        return None
