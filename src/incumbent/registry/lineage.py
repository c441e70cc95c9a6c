"""Lineage: what a thing was made from, down to data and code, and what was made of it.

A flat graph of plain values, so that a chain of ten thousand stages is as easy to hold, send and walk as one of seven.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from incumbent.base.digest import Digest
from incumbent.base.documents import Json

NodeKind = Literal["prediction", "slot", "version", "artifact", "stage", "run", "data", "code", "commit"]


@dataclass(frozen=True, slots=True)
class Node:
    """One thing in a lineage.

    Attributes:
        name: What people call it.
        digest: Its exact bytes, where it has any; of a stage, its key.
        facts: What else is known of it.
    """

    kind: NodeKind
    name: str
    digest: Digest | None = None
    facts: Mapping[str, Json] = field(default_factory=dict)

    @property
    def node_id(self) -> str:
        """What tells it from the others of its lineage."""
        return f"{self.kind} {self.name} {self.digest or ''}".rstrip()


@dataclass(frozen=True, slots=True)
class Link:
    """One step, by node ids: going up, `source` was made from `target`; going down, `target` was made of `source`."""

    source: str
    role: str
    target: str


@dataclass(frozen=True, slots=True)
class Step:
    """One line of a lineage told as a tree.

    Attributes:
        depth: 0 for the start.
        is_repeat: Its branches were told before.
    """

    node: Node
    role: str
    depth: int
    is_repeat: bool


@dataclass(frozen=True, slots=True)
class Lineage:
    """A subject, seen both ways.

    Attributes:
        subject: Node id of the thing asked about.
        nodes: By id.
        origins: Links going up.
        uses: Links going down.
    """

    subject: str
    nodes: Mapping[str, Node]
    origins: tuple[Link, ...]
    uses: tuple[Link, ...] = ()

    def list_origins(self) -> tuple[Node, ...]:
        """Return the subject and all that it was made from, each once, in the order of the tree."""
        return tuple(step.node for step in self.tell(self.origins) if not step.is_repeat)

    def tell(self, links: Sequence[Link]) -> Iterator[Step]:
        """Yield the tree that `links` (`origins` or `uses`) spans from the subject, each node before its branches."""
        branches: dict[str, list[Link]] = {}
        for link in links:
            branches.setdefault(link.source, []).append(link)
        met: set[str] = set()
        waiting = [(Link("", "", self.subject), 0)]
        while waiting:
            link, depth = waiting.pop()
            is_repeat = link.target in met
            yield Step(self.nodes[link.target], link.role, depth, is_repeat)
            if not is_repeat:
                met.add(link.target)
                waiting.extend((branch, depth + 1) for branch in reversed(branches.get(link.target, [])))

    def to_json(self) -> dict[str, Json]:
        """Return the document form."""
        return {
            "subject": self.subject,
            "nodes": {
                name: {"kind": node.kind, "name": node.name, "digest": node.digest, "facts": dict(node.facts)}
                for name, node in self.nodes.items()
            },
            "origins": [{"source": link.source, "role": link.role, "target": link.target} for link in self.origins],
            "uses": [{"source": link.source, "role": link.role, "target": link.target} for link in self.uses],
        }
