"""The Open Inference Protocol, V2 REST, with tensors as JSON or as bytes behind it; a slot's address is its model name."""

import msgspec

from incumbent.base.documents import Json
from incumbent.base.errors import InvalidInput, NotFound
from incumbent.base.version import __version__
from incumbent.server.api.slots import name_answer
from incumbent.server.messages import Request, Response, Server, json_response, parse_json_body
from incumbent.serving.binary_tensors import EXTENSION, attach_binary, detach_binary, read_binary_outputs, split_body
from incumbent.serving.tensors import describe_tensors, output_tensors, parse_infer_request
from incumbent.usecases.live import count_slots
from incumbent.usecases.predict import Target, get_target, predict

_JSON_LENGTH = "inference-header-content-length"


def get_server(_server: Server, _request: Request) -> Response:
    """Describe the server."""
    return json_response({"name": "incumbent", "version": __version__, "extensions": [EXTENSION]})


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
    said = _read_request(request)
    asked = parse_infer_request(said, signature)
    binary_names = read_binary_outputs(said, [column.name for column in signature.outputs])
    answer = predict(server.ws, server.host, target=target, columns=asked.columns)
    made = answer.prediction
    tensors, binary = detach_binary(output_tensors(answer.columns, signature.outputs, asked.wanted), binary_names)
    body = {
        "model_name": made.slot,
        "model_version": str(made.version),
        "id": made.prediction_id if asked.request_id is None else asked.request_id,
        "parameters": {"prediction": made.prediction_id, "model": made.model},
        "outputs": tensors,
    }
    if not binary:
        return json_response(body, headers=name_answer(answer))
    head = msgspec.json.encode(body)
    return Response(200, head + binary, "application/octet-stream", {**name_answer(answer), _JSON_LENGTH: str(len(head))})


def _read_request(request: Request) -> Json:
    json_length = request.headers.get(_JSON_LENGTH)
    if json_length is None:
        return request.read_json()
    # Clients give such a body any type or none. A page of another site cannot send it unasked: a header that is not on the
    # browser's short list makes it ask first, as application/json does.
    head, binary = split_body(request.body, json_length)
    return attach_binary(parse_json_body(head), binary)


def _find_target(server: Server, request: Request) -> Target:
    version = request.path.get("version")
    if version is None:
        return get_target(server.ws, request.path["slot"])
    if not version.isascii() or not version.isdigit() or len(version) > 9:
        raise InvalidInput(f"{version[:40]!r} is no version number")
    return get_target(server.ws, request.path["slot"], int(version))
