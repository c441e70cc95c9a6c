"""What is counted while a rollout runs: running sums by measure and arm, which processes keep apart and which then add up.

score            how well an answer did, once its label is there: a row of the metric that [online] names, or the outcome itself
error            1 where a request failed, else 0
refusal          1 where the validated domain refused it, else 0
p99_latency_ms   1 where the answer took longer than that guardrail's ceiling, else 0; p95 and p50 likewise
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from incumbent.base.documents import Document, Json
from incumbent.base.errors import InvalidInput
from incumbent.stats.sequential import Difference, Sums, difference_of_arms, difference_of_pairs

SCORE: Final = "score"
Compared = Literal["samples", "pairs"]


@dataclass(frozen=True, slots=True)
class Tally:
    """Sums of one arm, or of challenger minus champion over requests that both answered.

    Attributes:
        sums: By measure.
        groups: Of the score: by column, then by the column's value.
    """

    sums: Mapping[str, Sums] = field(default_factory=dict)
    groups: Mapping[str, Mapping[str, Sums]] = field(default_factory=dict)

    def __add__(self, other: "Tally") -> "Tally":
        """Return the tally of both parts together."""
        columns = self.groups.keys() | other.groups.keys()
        groups = {column: _added(self.groups.get(column, {}), other.groups.get(column, {})) for column in columns}
        return Tally(_added(self.sums, other.sums), groups)

    def of(self, measure: str) -> Sums:
        """Return a measure's sums; nothing if it was never counted."""
        return self.sums.get(measure, Sums())

    def of_group(self, column: str, value: str) -> Sums:
        """Return the score's sums of one group; nothing if it never came."""
        return self.groups.get(column, {}).get(value, Sums())

    def to_json(self) -> Document:
        """Return the tally as plain JSON; `tally_from_json` reads it."""
        groups: dict[str, Json] = {column: _sums_json(values) for column, values in self.groups.items()}
        return {"sums": _sums_json(self.sums), "groups": groups}


@dataclass(frozen=True, slots=True)
class Phase:
    """A span of time in which the shares of a rollout stood still.

    Attributes:
        champion: Of its arm.
        challenger: Of its arm; in shadow of what it answered beside the champion.
        pairs: In shadow: challenger minus champion.
    """

    champion: Tally = Tally()
    challenger: Tally = Tally()
    pairs: Tally = Tally()

    def __add__(self, other: "Phase") -> "Phase":
        """Return what two processes counted in this same phase."""
        return Phase(self.champion + other.champion, self.challenger + other.challenger, self.pairs + other.pairs)


@dataclass(frozen=True, slots=True)
class Rollout:
    """All that a rollout has counted.

    Attributes:
        phases: In order.
        compared: As two samples (canary, A/B), or as pairs (shadow).
    """

    phases: tuple[Phase, ...]
    compared: Compared

    @property
    def challenger(self) -> Tally:
        """The challenger's tally over all phases."""
        whole = Tally()
        for phase in self.phases:
            whole = whole + phase.challenger
        return whole

    def rows(self, measure: str, group: tuple[str, str] | None = None) -> int:
        """Return the rows of the arm that has fewer, or the pairs."""
        arms = [[_pick(tally, measure, group).n for tally in self._sides(phase)] for phase in self.phases]
        return min(map(sum, zip(*arms, strict=True)), default=0)

    def difference(self, measure: str, *, is_share: bool, group: tuple[str, str] | None = None) -> Difference:
        """Return challenger minus champion.

        Raises:
            InvalidInput: There are too few rows to compare.
        """
        sides = [[_pick(tally, measure, group) for tally in self._sides(phase)] for phase in self.phases]
        if self.compared == "samples":
            return difference_of_arms(((champion, challenger) for champion, challenger in sides), is_share=is_share)
        whole = Sums()
        for (pairs,) in sides:
            whole = whole + pairs
        return difference_of_pairs(whole, is_share=is_share)

    def _sides(self, phase: Phase) -> tuple[Tally, ...]:
        return (phase.pairs,) if self.compared == "pairs" else (phase.champion, phase.challenger)


def _pick(tally: Tally, measure: str, group: tuple[str, str] | None) -> Sums:
    return tally.of(measure) if group is None else tally.of_group(*group)


def _added(mine: Mapping[str, Sums], theirs: Mapping[str, Sums]) -> dict[str, Sums]:
    return {key: mine.get(key, Sums()) + theirs.get(key, Sums()) for key in sorted(mine.keys() | theirs.keys())}


def _sums_json(sums: Mapping[str, Sums]) -> Json:
    return {key: [value.n, value.total, value.scatter] for key, value in sums.items()}


def tally_from_json(value: Json) -> Tally:
    """Return the tally that `Tally.to_json` wrote.

    Raises:
        InvalidInput: `value` has another form, or holds sums that no values have.
    """
    match value:
        case {"sums": dict(sums), "groups": dict(groups), **rest} if not rest:
            return Tally(dict(_read_sums(sums)), {column: dict(_read_sums(values)) for column, values in groups.items()})
    raise InvalidInput("a tally has exactly the keys sums and groups, each an object")


def _read_sums(value: Json) -> Iterable[tuple[str, Sums]]:
    for key, sums in value.items() if isinstance(value, dict) else [("a tally", value)]:
        match sums:
            case [int(n), int(total) | float(total), int(scatter) | float(scatter)] if not isinstance(n, bool):
                yield key, Sums(n, float(total), float(scatter))
            case _:
                raise InvalidInput(f"{key}: {str(sums)[:80]} are no running sums; they are [n, total, scatter]")
