"""The Open Inference Protocol, V2 REST with JSON tensors; a slot's address is its model name."""

from incumbent.base.errors import InvalidInput, NotFound
from incumbent.base.version import __version__
from incumbent.server.api.slots import name_answer
from incumbent.server.messages import Request, Response, Server, json_response
from incumbent.serving.tensors import describe_tensors, output_tensors, parse_infer_request
from incumbent.usecases.live import count_slots
from incumbent.usecases.predict import Target, get_target, predict


def get_server(_server: Server, _request: Request) -> Response:
    """Describe the server. It has no extension yet: tensors go as JSON."""
    return json_response({"name": "incumbent", "version": __version__, "extensions": []})


def get_live(_server: Server, _request: Request) -> Response:
    """Say that the process answers."""
    return json_response({"live": True})


def get_ready(server: Server, _request: Request) -> Response:
    """Say that the store can be read. The protocol's own object says `live` here; clients look for either."""
    count_slots(server.ws)
    return json_response({"ready": True, "live": True})


def get_model(server: Server, request: Request) -> Response:
    """Describe what answers in a slot."""
    target = _find_target(server, request)
    signature = target.card.signature
    return json_response(
        {
            "name": target.slot,
            "versions": [str(target.version.version)],
            "platform": "incumbent_bundle",
            "inputs": describe_tensors(signature.inputs),
            "outputs": describe_tensors(signature.outputs),
        }
    )


def get_model_ready(server: Server, request: Request) -> Response:
    """Say whether a version answers in a slot."""
    try:
        target = _find_target(server, request)
    except NotFound:
        return json_response({"name": request.path["slot"], "ready": False}, 404)
    return json_response({"name": target.slot, "ready": True})


def infer(server: Server, request: Request) -> Response:
    """Answer a batch of tensors, one a column."""
    target = _find_target(server, request)
    signature = target.card.signature
    asked = parse_infer_request(request.read_json(), signature)
    answer = predict(server.ws, server.host, target=target, columns=asked.columns)
    made = answer.prediction
    body = {
        "model_name": made.slot,
        "model_version": str(made.version),
        "id": made.prediction_id if asked.request_id is None else asked.request_id,
        "parameters": {"prediction": made.prediction_id, "model": made.model},
        "outputs": output_tensors(answer.columns, signature.outputs, asked.wanted),
    }
    return json_response(body, headers=name_answer(answer))


def _find_target(server: Server, request: Request) -> Target:
    version = request.path.get("version")
    if version is None:
        return get_target(server.ws, request.path["slot"])
    if not version.isascii() or not version.isdigit() or len(version) > 9:
        raise InvalidInput(f"{version[:40]!r} is no version number")
    return get_target(server.ws, request.path["slot"], int(version))
