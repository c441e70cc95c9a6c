"""A run as OpenLineage events: START, and COMPLETE, FAIL or ABORT once it is over.

A dataset is named by its digest, so that what one run gave and another took is the same dataset, whatever either calls it; the name
that the run gave it is in its documentation. A run's UUID is made from its id (RFC 9562, version 5). What OpenLineage has no facet for
(the seal, the seed, commit and changes of the code) is in facets of our own, under the prefix `incumbent_`.
"""

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from incumbent.base.documents import Document, Json, document_bytes
from incumbent.base.errors import InvalidInput
from incumbent.base.version import __version__
from incumbent.ledger.entry import format_time
from incumbent.tracking.compare import RunDetails
from incumbent.tracking.run import Run, RunArtifact
from incumbent.usecases.log_run import get_run
from incumbent.usecases.webhook_address import parse_url
from incumbent.usecases.webhook_ports import Carrier, Sent
from incumbent.usecases.workspace import Workspace

NAMESPACE = "incumbent"
PRODUCER = f"urn:incumbent:{__version__}"
PATH = "/api/v1/lineage"
"""Where a server of OpenLineage takes events, by its specification's own HTTP API."""
_UUIDS = uuid.uuid5(uuid.NAMESPACE_URL, "urn:incumbent:run")
_CORE = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/"
_FACETS = "https://openlineage.io/spec/facets/"
_ENDS: Mapping[str, str] = {"finished": "COMPLETE", "failed": "FAIL", "killed": "ABORT"}
_ERROR_CHARACTERS_MAX = 10_000


@dataclass(frozen=True, slots=True)
class Catalogue:
    """A server of OpenLineage. It is the operator's own choice: private addresses and plain http are allowed.

    Attributes:
        url: Without the path.
        key: What is sent as a bearer token; "" for none.
    """

    url: str
    key: str = field(default="", repr=False)

    def post(self, carrier: Carrier, event: Document) -> Sent:
        """Send it one event, and return what it answered."""
        headers: dict[str, str] = {"content-type": "application/json", "user-agent": "incumbent", **self._credential()}
        return carrier.post(self.url.rstrip("/") + PATH, headers, document_bytes(event), may_be_private=True, may_be_http=True)

    def _credential(self) -> Mapping[str, str]:
        return {"authorization": f"Bearer {self.key}"} if self.key else {}


def make_catalogue(url: str, key: str) -> Catalogue:
    """Return where to tell, from settings.

    Raises:
        InvalidInput: The address is none, or the key cannot be sent in a header.
    """
    try:
        parse_url(url, may_be_private=True, may_be_http=True)
    except InvalidInput as error:
        raise InvalidInput(f"no server of OpenLineage can be at that address (`--send`, INCUMBENT_LINEAGE_URL): {error}") from None
    if not (key.isascii() and key.isprintable()) or " " in key:
        raise InvalidInput("INCUMBENT_LINEAGE_KEY: a bearer token is printable ASCII without spaces")
    return Catalogue(url, key)


def get_lineage_events(ws: Workspace, run_id: str) -> Sequence[Document]:
    """Return the events of a run: one while it runs, two once it is over.

    Args:
        ws: The workspace.
        run_id: The run's id, or a unique beginning of it.

    Raises:
        NotFound: There is no such run.
        InvalidInput: More than one run begins so.
    """
    details = get_run(ws, run_id=run_id)
    parent = get_run(ws, run_id=details.run.parent_id).run if details.run.parent_id else None
    run = details.run
    events = [_event("START", run.started_at, details, parent)]
    if run.state in _ENDS:
        events.append(_event(_ENDS[run.state], run.ended_at or run.started_at, details, parent))
    return events


def send_lineage(ws: Workspace, *, carrier: Carrier, catalogue: Catalogue, run: str) -> Sequence[Sent]:
    """Send the events of a run to a server of OpenLineage, in their order, and return what it answered; after a failure no more.

    Args:
        ws: The workspace.
        carrier: What carries messages.
        catalogue: The server.
        run: The run's id, or a unique beginning of it.

    Raises:
        NotFound: There is no such run.
        InvalidInput: More than one run begins so.
    """
    answers: list[Sent] = []
    for event in get_lineage_events(ws, run):
        answers.append(catalogue.post(carrier, event))
        if not 200 <= answers[-1].status < 300:
            break
    return answers


def run_uuid(run_id: str) -> str:
    """Return the UUID under which OpenLineage knows a run.

    >>> run_uuid("run-1") == run_uuid("run-1") != run_uuid("run-2")
    True
    """
    return str(uuid.uuid5(_UUIDS, run_id))


def _event(kind: str, at: datetime, details: RunDetails, parent: Run | None) -> Document:
    run = details.run
    return {
        "eventType": kind,
        "eventTime": format_time(at),
        "run": {"runId": run_uuid(run.run_id), "facets": _run_facets(run, parent, is_over=kind != "START")},
        "job": {"namespace": NAMESPACE, "name": _job_name(run), "facets": _job_facets(run)},
        "inputs": _datasets(details.artifacts, "input"),
        "outputs": _datasets(details.artifacts, "output") if kind != "START" else [],
        "producer": PRODUCER,
        "schemaURL": _CORE + "RunEvent",
    }


def _job_name(run: Run) -> str:
    return run.pipeline or run.experiment


def _run_facets(run: Run, parent: Run | None, *, is_over: bool) -> dict[str, Json]:
    own: dict[str, Json] = {"run": run.run_id, "name": run.name, "experiment": run.experiment, "seed": run.seed}
    if is_over:
        own |= {"state": run.state, "manifest": str(run.manifest) if run.manifest else None}
    facets: dict[str, Json] = {
        "incumbent_run": _facet(_CORE + "RunFacet", own),
        "processing_engine": _facet(
            f"{_FACETS}1-1-1/ProcessingEngineRunFacet.json#/$defs/ProcessingEngineRunFacet", {"name": "incumbent", "version": __version__}
        ),
    }
    if parent is not None:
        above: dict[str, Json] = {
            "run": {"runId": run_uuid(parent.run_id)},
            "job": {"namespace": NAMESPACE, "name": _job_name(parent)},
        }
        facets["parent"] = _facet(f"{_FACETS}1-2-0/ParentRunFacet.json#/$defs/ParentRunFacet", above)
    error = run.facts.get("error")
    if is_over and isinstance(error, str):
        told: dict[str, Json] = {"message": error[:_ERROR_CHARACTERS_MAX], "programmingLanguage": "PYTHON"}
        facets["errorMessage"] = _facet(f"{_FACETS}1-0-1/ErrorMessageRunFacet.json#/$defs/ErrorMessageRunFacet", told)
    return facets


def _job_facets(run: Run) -> dict[str, Json]:
    kind: dict[str, Json] = {"processingType": "BATCH", "integration": "INCUMBENT", "jobType": "PIPELINE" if run.pipeline else "SCRIPT"}
    facets: dict[str, Json] = {"jobType": _facet(f"{_FACETS}2-0-4/JobTypeJobFacet.json#/$defs/JobTypeJobFacet", kind)}
    if run.code.commit:
        code: dict[str, Json] = {"commit": run.code.commit, "is_dirty": run.code.is_dirty, "tree": run.code.tree}
        facets["incumbent_code"] = _facet(_CORE + "JobFacet", code)
    return facets


def _datasets(artifacts: Iterable[RunArtifact], direction: str) -> list[Json]:
    """Return datasets, each digest once: a run may give one value under two names."""
    names: dict[str, list[RunArtifact]] = {}
    for one in artifacts:
        if one.direction == direction:
            names.setdefault(str(one.artifact.digest), []).append(one)
    return [_dataset(digest, found) for digest, found in names.items()]


def _dataset(digest: str, found: Sequence[RunArtifact]) -> Json:
    words = ", ".join(f"{one.name} ({one.artifact.codec}, {one.artifact.size} bytes)" for one in found)
    return {
        "namespace": NAMESPACE,
        "name": digest,
        "facets": {
            "version": _facet(
                f"{_FACETS}1-0-1/DatasetVersionDatasetFacet.json#/$defs/DatasetVersionDatasetFacet", {"datasetVersion": digest}
            ),
            "documentation": _facet(
                f"{_FACETS}1-1-0/DocumentationDatasetFacet.json#/$defs/DocumentationDatasetFacet", {"description": words}
            ),
        },
    }


def _facet(schema: str, values: Mapping[str, Json]) -> Json:
    return {"_producer": PRODUCER, "_schemaURL": schema, **values}
