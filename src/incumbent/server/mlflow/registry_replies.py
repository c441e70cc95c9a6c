"""Models and versions as MLflow's clients read them."""

from typing import Any

from incumbent.registry.model import ModelVersion
from incumbent.registry.transitions import STATES, State
from incumbent.server.mlflow.wire import to_ms
from incumbent.tracking.matching import Values
from incumbent.usecases.register_logged import find_source
from incumbent.usecases.registered_models import RegisteredModel, VersionWords

PROMPT_TAG = "mlflow.prompt.is_prompt"
"""Clients leave prompts out by asking for another value of this tag, and mean models without the tag as well."""


def describe_model(model: RegisteredModel) -> dict[str, Any]:
    """Return a model, with the newest version of each stage."""
    return {
        "name": model.name,
        "creation_timestamp": to_ms(model.created_at),
        "last_updated_timestamp": to_ms(model.updated_at),
        "description": model.description,
        "latest_versions": [describe_version(one) for one in list_latest(model, STATES)],
        "tags": [{"key": key, "value": value} for key, value in model.tags.items()],
        "aliases": [{"alias": alias, "version": str(number)} for alias, number in model.aliases.items()],
    }


def list_latest(model: RegisteredModel, stages: tuple[State, ...]) -> list[VersionWords]:
    """Return the newest version of each of these stages."""
    newest: dict[str, VersionWords] = {}
    for one in model.versions:
        newest.setdefault(one.status, one)
    return [newest[stage] for stage in stages if stage in newest]


def describe_version(one: VersionWords) -> dict[str, Any]:
    """Return a version. It is READY from the start: its bytes are there before it is."""
    version, source = one.version, find_source(one.version)
    return {
        "name": version.model,
        "version": str(version.version),
        "creation_timestamp": to_ms(version.created_at),
        "last_updated_timestamp": to_ms(one.updated_at),
        "user_id": version.actor,
        "current_stage": one.status,
        "description": one.description,
        "source": source.address,
        "run_id": version.run_id,
        "status": "READY",
        "tags": [{"key": key, "value": value} for key, value in one.tags.items()],
        "aliases": list(one.aliases),
        **({"model_id": source.model_id} if source.model_id else {}),
        **({"run_link": source.run_link} if source.run_link else {}),
    }


def download_address(version: ModelVersion) -> str:
    """Return where a client reads the files of a version: frozen ones, wherever it was made from."""
    return f"mlflow-artifacts:/versions/{version.model}/{version.version}"


def model_values(model: RegisteredModel) -> Values:
    """Return what a filter compares."""
    return {
        ("attributes", "name"): model.name,
        ("attributes", "creation_timestamp"): to_ms(model.created_at),
        ("attributes", "last_updated_timestamp"): to_ms(model.updated_at),
        ("tags", PROMPT_TAG): "false",
        **{("tags", key): value for key, value in model.tags.items()},
    }


def version_values(one: VersionWords) -> Values:
    """Return what a filter compares."""
    return {
        ("attributes", "name"): one.version.model,
        ("attributes", "version_number"): one.version.version,
        ("attributes", "run_id"): one.version.run_id,
        ("attributes", "source_path"): find_source(one.version).address,
        ("attributes", "creation_timestamp"): to_ms(one.version.created_at),
        ("attributes", "last_updated_timestamp"): to_ms(one.updated_at),
        ("tags", PROMPT_TAG): "false",
        **{("tags", key): value for key, value in one.tags.items()},
    }
