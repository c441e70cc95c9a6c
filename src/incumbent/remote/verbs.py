"""Verbs that a server does, by its API: each takes and gives back what the same verb does on a workspace of one's own.

What changes something carries an Idempotency-Key, so that it is done once however often it had to be sent.
"""

from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from typing import Any

from incumbent.base.documents import Json
from incumbent.base.errors import Corrupt, InvalidInput
from incumbent.registry.lineage import Lineage
from incumbent.registry.model import ModelVersion, Placement
from incumbent.remote.connection import Connection, path_of
from incumbent.remote.values import read_evidence, read_lineage, read_placement, read_run, read_slot, read_version
from incumbent.tracking.run import Run
from incumbent.usecases.evidence import Evidence
from incumbent.usecases.live import LiveSlot
from incumbent.usecases.promote import Promotion
from incumbent.usecases.roll_back import RollBack

PAGE_MAX = 500


class Verbs:
    """What can be asked of one server.

    Args:
        connection: To the server.
        new_key: Gives an Idempotency-Key that was never given.
    """

    def __init__(self, connection: Connection, new_key: Callable[[], str]) -> None:
        self._connection = connection
        self._new_key = new_key

    def search_runs(self, *, query: str, limit: int) -> Sequence[Run]:
        """See `incumbent.usecases.log_run.search_runs`."""
        if limit < 1:
            raise InvalidInput(f"limit {limit}: a search returns at least one run")
        found = self._connection.list_items("/runs", {"query": query, "limit": min(limit, PAGE_MAX)})
        return [read_run(one) for one in islice(found, limit)]

    def live(self, *, slot: str) -> LiveSlot:
        """See `incumbent.usecases.live.get_live`."""
        found = self._connection.get(path_of("slots", slot))
        live = found.get("live")
        return read_slot(found, self._get_version(str(live["model"]), int(live["version"])) if live else None)

    def trace(self, subject: str) -> Lineage:
        """See `incumbent.usecases.trace.trace`."""
        return read_lineage(self._connection.get(path_of("trace", subject)))

    def register(self, *, model: str, run: str, artifact: str, slot: str | None, serving: Mapping[str, Json] | None) -> ModelVersion:
        """See `incumbent.usecases.register.register`."""
        body = {"run": run, "artifact": artifact, "slot": slot, "serving": serving}
        made = self._post(path_of("models", model, "versions"), body)
        return self._get_version(model, int(made["version"]))

    def propose(self, *, model: str, version: int, slot: str) -> Placement:
        """See `incumbent.usecases.propose.propose`."""
        return read_placement(self._in_slot(slot, "proposals", model=model, version=version), slot)

    def evaluate(self, *, model: str, version: int, slot: str) -> Evidence:
        """See `incumbent.usecases.evaluate.evaluate`. Waits for it, which may take minutes."""
        return read_evidence(self._in_slot(slot, "evaluations", model=model, version=version))

    def archive(self, *, model: str, version: int, slot: str, reason: str) -> Placement:
        """See `incumbent.usecases.archive.archive`."""
        return read_placement(self._in_slot(slot, "archivals", model=model, version=version, reason=reason), slot)

    def roll_back(self, *, slot: str, reason: str, to: tuple[str, int] | None) -> RollBack:
        """See `incumbent.usecases.roll_back.roll_back`, but for `break_glass`, which is signed."""
        target = None if to is None else {"model": to[0], "version": to[1]}
        done = self._in_slot(slot, "roll-backs", reason=reason, to=target)
        placement, left = self._find_change(slot, int(done["entry"]), done["left"])
        return RollBack(placement, self._get_version(placement.model, placement.version), left)

    def promote(self, *, model: str, version: int, slot: str, reason: str) -> Promotion:
        """See `incumbent.usecases.promote.promote`."""
        done = self._in_slot(slot, "promotions", model=model, version=version, reason=reason)
        placement, superseded = self._find_change(slot, int(done["entry"]), done["superseded"])
        then = self._connection.get(path_of("slots", slot), {"at": placement.since_at.isoformat()})
        made = self._get_version(model, version)
        return Promotion(placement, made, superseded, read_slot(then, made).basis)

    def _find_change(self, slot: str, entry: int, before: str | None) -> tuple[Placement, Placement | None]:
        """Return what an entry put into Production, and the placement there of the version that it found."""
        history = (read_placement(one, slot) for one in self._connection.list_items(path_of("slots", slot, "history")))
        placement = next((one for one in history if one.seq == entry and one.status == "Production"), None)
        if placement is None:
            raise Corrupt(f"entry {entry} put a version into Production in {slot}, says the server, and its history has no such entry")
        left = next((one for one in history if f"{one.model}@{one.version}" == before and one.status == "Production"), None)
        return placement, left

    def _get_version(self, model: str, version: int) -> ModelVersion:
        return read_version(self._connection.get(path_of("models", model, "versions", version)))

    def _in_slot(self, slot: str, what: str, **body: object) -> dict[str, Any]:
        return self._post(path_of("slots", slot, what), body)

    def _post(self, path: str, body: Mapping[str, object]) -> dict[str, Any]:
        return self._connection.post(path, body, key=self._new_key())
