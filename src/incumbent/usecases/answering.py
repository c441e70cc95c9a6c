"""Asking a version with frozen rows, as it would be served: in a process of its own, through its signature."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from incumbent.base.errors import InvalidInput, Refused
from incumbent.registry.bundle import BundleCard, bundle_card_from_json
from incumbent.registry.model import ModelVersion
from incumbent.registry.signature import Scalar
from incumbent.usecases.ports import ModelHost
from incumbent.usecases.workspace import Workspace

BATCH_ROWS = 2_000
TIMED_ROWS = 500
"""How many answers are timed, of one row each: a p99 has no upper bound at 95 % from fewer than 299. A few more warm the process up."""
_WARM_UP_ROWS = 20


@dataclass(frozen=True, slots=True)
class Answers:
    """What a version answered.

    Attributes:
        columns: Answered columns, row for row.
        latencies_ms: Times of single-row answers, spread over the rows.
    """

    version: ModelVersion
    columns: Mapping[str, list[Scalar]]
    latencies_ms: tuple[float, ...]

    @property
    def name(self) -> str:
        """MODEL@VERSION."""
        return f"{self.version.model}@{self.version.version}"


def read_card(version: ModelVersion) -> BundleCard:
    """Return a version's description of itself. Raises Refused when it has none."""
    if "bundle" not in version.facts:
        raise Refused(f"{version.model}@{version.version} has no bundle description and cannot answer")
    return bundle_card_from_json(version.facts["bundle"])


def ask(ws: Workspace, host: ModelHost, version: ModelVersion, rows: Mapping[str, Sequence[Scalar]], *, is_timed: bool) -> Answers:
    """Ask a version with every row.

    Args:
        ws: The workspace.
        host: Where versions answer.
        version: Who is asked.
        rows: Columns, at least those of its signature.
        is_timed: Ask some rows one by one as well, and take the time.

    Raises:
        InvalidInput: A column of its signature is not there, or a row does not fit.
        Refused, Unavailable, Corrupt: See `ModelHost.answer`.
    """
    wanted = [column.name for column in read_card(version).signature.inputs]
    missing = [name for name in wanted if name not in rows]
    if missing:
        raise InvalidInput(f"{version.model}@{version.version} is asked with {', '.join(missing)}, which the data do not have")
    count = len(next(iter(rows.values()), ()))
    columns: dict[str, list[Scalar]] = {}
    for start in range(0, count, BATCH_ROWS):
        answered = host.answer(version.bundle, {name: list(rows[name][start : start + BATCH_ROWS]) for name in wanted})
        for name, values in answered.items():
            columns.setdefault(name, []).extend(values)
    return Answers(version, columns, _time(ws, host, version, rows, wanted) if is_timed else ())


def _time(
    ws: Workspace, host: ModelHost, version: ModelVersion, rows: Mapping[str, Sequence[Scalar]], wanted: Sequence[str]
) -> tuple[float, ...]:
    count = len(rows[wanted[0]])
    places = [place * count // TIMED_ROWS for place in range(TIMED_ROWS)] if count else []
    times = []
    for place in [*places[:_WARM_UP_ROWS], *places]:
        began = ws.clock.now()
        host.answer(version.bundle, {name: [rows[name][place]] for name in wanted})
        times.append((ws.clock.now() - began).total_seconds() * 1000)
    return tuple(times[min(_WARM_UP_ROWS, len(places)) :])
