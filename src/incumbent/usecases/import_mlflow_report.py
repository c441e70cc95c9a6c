"""What an import did: of each kind of thing, how many the source has, were brought, were there, were refused and why."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from incumbent.base.documents import Document

KINDS = ("experiments", "runs", "params", "tags", "metric points", "datasets", "files", "logged models", "models", "versions", "aliases")
SHOWN_MAX = 1_000
"""Refusals that are kept in words, of each kind; all are counted."""


@dataclass(slots=True)
class Count:
    """Counts of one kind of thing. Each thing of the source is in exactly one of the other three."""

    source: int = 0
    brought: int = 0
    there: int = 0
    refused: int = 0
    reasons: list[tuple[str, str]] = field(default_factory=list)

    def add(self, count: int, *, is_there: bool) -> None:
        """Count things that were brought, or were there already."""
        self.source += count
        if is_there:
            self.there += count
        else:
            self.brought += count

    def refuse(self, item: str, reason: str, count: int = 1) -> None:
        """Count things that were not brought, with the reason."""
        self.source += count
        self.refused += count
        if len(self.reasons) < SHOWN_MAX:
            self.reasons.append((item, reason))


@dataclass(slots=True)
class ImportReport:
    """What an import did, or would do.

    Attributes:
        claims: What the source says and nothing here rests on: "model@version was in Production", in words.
        checked_runs: How many runs were compared with the source afterwards.
        checked_points: (in the source, here) distinct metric points of these.
        checked_files: (in the source, here) files of runs and logged models.
        differences: What is not here as it is in the source, in words.
    """

    source: str
    is_dry_run: bool
    counts: Mapping[str, Count] = field(default_factory=lambda: {kind: Count() for kind in KINDS})
    claims: list[str] = field(default_factory=list)
    checked_runs: int = 0
    checked_points: tuple[int, int] = (0, 0)
    checked_files: tuple[int, int] = (0, 0)
    differences: list[str] = field(default_factory=list)

    @property
    def refused(self) -> int:
        """How many things were refused."""
        return sum(count.refused for count in self.counts.values())

    def to_json(self) -> Document:
        """Return the document form."""
        return {
            "source": self.source,
            "dry_run": self.is_dry_run,
            "counts": {
                kind: {
                    "source": count.source,
                    "brought": count.brought,
                    "already_there": count.there,
                    "refused": count.refused,
                    "reasons": [{"item": item, "reason": reason} for item, reason in count.reasons],
                }
                for kind, count in self.counts.items()
            },
            "claims": list(self.claims),
            "verified": {
                "runs": self.checked_runs,
                "points": {"source": self.checked_points[0], "here": self.checked_points[1]},
                "files": {"source": self.checked_files[0], "here": self.checked_files[1]},
                "differences": list(self.differences),
            },
        }
