"""MLflow's routes of what a run read and made: datasets, as their clients describe them, and logged models."""

from collections.abc import Sequence
from typing import Literal

import msgspec

from incumbent.base.errors import InvalidInput
from incumbent.server.messages import Request, Response, Server
from incumbent.server.mlflow.experiments import Pair
from incumbent.server.mlflow.wire import read_body, reply
from incumbent.tracking.experiment import DatasetInput, ModelLink
from incumbent.tracking.record import check_name
from incumbent.usecases.ports import Transaction

DATASETS_MAX = 1000
"""Datasets, or models, of one request."""
_CHARACTERS_MAX = {"name": 500, "digest": 36, "source_type": 250, "source": 65_535, "schema": 1_048_575, "profile": 4_000_000}
"""As MLflow's columns have them; a profile that comes through a body of 8 MiB is shorter than theirs may be."""
TAG_CHARACTERS_MAX = 500


class _Dataset(msgspec.Struct):
    name: str
    digest: str
    source_type: str
    source: str
    schema: str = ""
    profile: str = ""


class _DatasetInput(msgspec.Struct):
    dataset: _Dataset
    tags: list[Pair] = []


class _ModelLink(msgspec.Struct):
    model_id: str
    step: int = 0


class _Inputs(msgspec.Struct):
    run_id: str
    datasets: list[_DatasetInput] = []
    models: list[_ModelLink] = []


class _Outputs(msgspec.Struct):
    run_id: str
    models: list[_ModelLink] = []


def log_inputs(server: Server, request: Request) -> Response:
    """Add datasets and logged models that a run read."""
    asked = read_body(request, _Inputs)
    _check_count("datasets", asked.datasets)
    datasets = [_dataset(one) for one in asked.datasets]
    links = _links(asked.run_id, "input", asked.models)

    def write(tx: Transaction) -> None:
        tx.open_artifacts.must_be_open(asked.run_id)
        tx.run_links.add_datasets(asked.run_id, datasets)
        _add_links(tx, links)

    server.writer.write(server.ws.store, write)
    return reply({})


def log_outputs(server: Server, request: Request) -> Response:
    """Add logged models that a run made."""
    asked = read_body(request, _Outputs)
    links = _links(asked.run_id, "output", asked.models)

    def write(tx: Transaction) -> None:
        tx.open_artifacts.must_be_open(asked.run_id)
        _add_links(tx, links)

    server.writer.write(server.ws.store, write)
    return reply({})


def _add_links(tx: Transaction, links: Sequence[ModelLink]) -> None:
    for link in links:
        tx.logged_models.get(link.model_id)
    tx.run_links.add_models(links)


def _links(run_id: str, direction: Literal["input", "output"], models: Sequence[_ModelLink]) -> list[ModelLink]:
    _check_count("models", models)
    for one in models:
        if not -(2**63) <= one.step < 2**63:
            raise InvalidInput(f"Got invalid step {one.step} for model {one.model_id[:80]!r}: it does not fit in 64 bits")
    return [ModelLink(run_id, direction, one.model_id, one.step) for one in models]


def _check_count(what: str, given: Sequence[object]) -> None:
    if len(given) > DATASETS_MAX:
        raise InvalidInput(f"A request has {len(given)} {what}; at most {DATASETS_MAX}: send several")


def _dataset(given: _DatasetInput) -> DatasetInput:
    found = msgspec.structs.asdict(given.dataset)
    for field, text in found.items():
        if len(text) > _CHARACTERS_MAX[field]:
            raise InvalidInput(f"Invalid value for dataset {field}: it has {len(text)} characters; at most {_CHARACTERS_MAX[field]}")
        if not text and field in ("name", "digest", "source_type", "source"):
            raise InvalidInput(f"Invalid value for dataset {field}: it is empty")
    tags = {check_name("tag", tag.key): tag.value for tag in given.tags}
    long = next((name for name, value in tags.items() if len(value) > TAG_CHARACTERS_MAX), None)
    if long is not None:
        raise InvalidInput(f"The value of tag {long!r} has {len(tags[long])} characters; at most {TAG_CHARACTERS_MAX}")
    return DatasetInput(**found, tags=tags)
