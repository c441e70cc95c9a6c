"""Lineage: what a thing was made from, down to data and code, and what was made of it.

A tree of plain values. The same node may stand in several places (a DAG walked as a tree); after its first place it is
marked `is_repeat` and carries no branches, so that a lineage stays as small as the graph.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

from incumbent.base.digest import Digest
from incumbent.base.documents import Json

NodeKind = Literal["prediction", "slot", "version", "artifact", "stage", "run", "data", "code", "commit"]


@dataclass(frozen=True, slots=True)
class Node:
    """One thing in a lineage.

    Attributes:
        role: What it is to the node above it: "answered by", "made by", an input's name.
        name: What people call it.
        digest: Its exact bytes, where it has any.
        facts: What else is known of it.
        branches: What it was made from (going up), or what was made of it (going down).
    """

    kind: NodeKind
    role: str
    name: str
    digest: Digest | None = None
    facts: Mapping[str, Json] = field(default_factory=dict)
    branches: tuple["Node", ...] = ()
    is_repeat: bool = False

    def walk(self) -> Iterator["Node"]:
        """Yield this node and all below it, each before its branches."""
        waiting = [self]
        while waiting:
            node = waiting.pop()
            yield node
            waiting.extend(reversed(node.branches))

    def to_json(self) -> Json:
        """Return the document form."""
        return {
            "kind": self.kind,
            "role": self.role,
            "name": self.name,
            "digest": self.digest,
            "facts": dict(self.facts),
            "branches": [branch.to_json() for branch in self.branches],
            "is_repeat": self.is_repeat,
        }


@dataclass(frozen=True, slots=True)
class Lineage:
    """A subject, seen both ways.

    Attributes:
        subject: The thing asked about; its branches are what it was made from.
        uses: What was made of it: stages that took it, versions that deploy it, slots that hold it.
    """

    subject: Node
    uses: tuple[Node, ...] = ()

    def find(self, kind: NodeKind) -> tuple[Node, ...]:
        """Return every node of a kind above the subject, the subject included, repeats left out."""
        return tuple(node for node in self.subject.walk() if node.kind == kind and not node.is_repeat)

    def to_json(self) -> Json:
        """Return the document form."""
        return {"subject": self.subject.to_json(), "uses": [use.to_json() for use in self.uses]}
