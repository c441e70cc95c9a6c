"""MLflow's scoring address, one a slot: `/slots/SLOT/invocations` takes what `mlflow models serve` takes at `/invocations`."""

from incumbent.server.api.slots import name_answer
from incumbent.server.messages import Request, Response, Server, json_response
from incumbent.serving.invocations import columns_from_invocation
from incumbent.usecases.predict import get_target, predict


def invoke(server: Server, request: Request) -> Response:
    """Answer rows with what is live in a slot, as records: MLflow answers a model with named columns so."""
    target = get_target(server.ws, request.path["slot"])
    columns = columns_from_invocation(request.read_json(), target.card.signature.inputs)
    answer = predict(server.ws, server.host, target=target, columns=columns)
    return json_response({"predictions": answer.prediction.output}, headers=name_answer(answer))
