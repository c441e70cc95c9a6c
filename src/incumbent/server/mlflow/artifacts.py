"""MLflow's routes of files: through the server, by the addresses that runs, logged models and versions give as theirs."""

from collections.abc import Mapping

import msgspec

from incumbent.server.files import send_blob
from incumbent.server.messages import Request, Response, Server
from incumbent.server.mlflow.wire import MlflowProblem, read_query, reply
from incumbent.usecases.logged_files import (
    Place,
    check_path,
    check_writable,
    delete_file,
    find_media_type,
    get_file,
    list_files,
    list_folder,
    parse_place,
    record_file,
)
from incumbent.usecases.ports import Transaction
from incumbent.usecases.tracked_runs import experiment_id_of, find_experiment, get_tracked_run


class _Path(msgspec.Struct):
    path: str = ""


class _List(_Path):
    run_id: str = ""
    run_uuid: str = ""


class _ListModel(msgspec.Struct):
    artifact_directory_path: str = ""


def put(server: Server, request: Request) -> Response:
    """Store a file: whole, or nothing of it."""
    place = parse_place(request.path["path"])
    check_writable(server.ws, place)
    stored = server.ws.blobs.put(request.pieces)
    server.writer.write(server.ws.store, lambda tx: record_file(tx, place, stored))
    return reply({})


def get(server: Server, request: Request) -> Response:
    """Send a file, or a range of it; never as something that a browser would run."""
    place = parse_place(request.path["path"])
    file = get_file(server.ws, place)
    blobs = server.ws.blobs
    return send_blob(
        request, digest=file.digest, size=file.size, open_file=lambda: blobs.open(file.digest), media_type=find_media_type(place.path)
    )


def list_proxied(server: Server, request: Request) -> Response:
    """Return what a folder holds, each by its name in there."""
    place = parse_place(read_query(request, _Path).path)
    inside = f"{place.path}/" if place.path else ""
    found = list_folder(list_files(server.ws, place), place.path)
    return reply({"files": _describe({path.removeprefix(inside): size for path, size in found.items()})})


def delete(server: Server, request: Request) -> Response:
    """Remove a file, or a folder with all in it."""
    place = parse_place(request.path["path"])
    server.writer.write(server.ws.store, lambda tx: delete_file(tx, place))
    return reply({})


def list_of_run(server: Server, request: Request) -> Response:
    """Return what a folder of a run holds, each by its path in the run."""
    asked = read_query(request, _List)
    with server.ws.store.begin(read_only=True) as tx:
        root = _root_of(tx, asked.run_id or asked.run_uuid)
    place = Place("run", asked.run_id or asked.run_uuid, check_path(asked.path.removesuffix("/")) if asked.path else "")
    return reply({"root_uri": root, "files": _describe(list_folder(list_files(server.ws, place), place.path))})


def list_of_model(server: Server, request: Request) -> Response:
    """Return what a folder of a logged model holds."""
    asked, model_id = read_query(request, _ListModel), request.path["model_id"]
    folder = asked.artifact_directory_path.removesuffix("/")
    place = Place("model", model_id, check_path(folder) if folder else "")
    return reply({"files": _describe(list_folder(list_files(server.ws, place), place.path))})


def refuse_parts(_server: Server, _request: Request) -> Response:
    """Say that uploads in parts are not taken, in the words at which a client sends the file whole."""
    raise MlflowProblem(
        501, "NOT_IMPLEMENTED", "Multipart upload is not supported for the current artifact repository: send the file whole"
    )


def refuse_presigned(_server: Server, _request: Request) -> Response:
    """Say that there is no other address to read from, in the words at which a client reads through the server."""
    raise MlflowProblem(501, "NOT_IMPLEMENTED", "Presigned download is not supported for the current artifact repository: read it here")


def get_server_info(_server: Server, _request: Request) -> Response:
    """Say what of MLflow's optional abilities is there."""
    return reply(
        {
            "store_type": "SqlStore",
            "workspaces_enabled": False,
            "trace_archival_enabled": False,
            "multipart_uploads_enabled": False,
            "multipart_downloads_enabled": False,
        }
    )


def _root_of(tx: Transaction, run_id: str) -> str:
    run = get_tracked_run(tx, run_id)
    experiment = tx.experiments.find(run.experiment) or find_experiment(tx, "0")
    return f"mlflow-artifacts:/{experiment_id_of(experiment)}/{run.run_id}/artifacts"


def _describe(found: Mapping[str, int | None]) -> list[dict[str, object]]:
    return [{"path": path, "is_dir": size is None, **({} if size is None else {"file_size": size})} for path, size in found.items()]
