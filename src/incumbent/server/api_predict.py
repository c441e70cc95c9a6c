"""Our own shape of a prediction: rows in, rows out. POST /api/v1/slots/{slot}/predict."""

from incumbent.server.messages import Request, Response, Server, json_response
from incumbent.serving.rows import columns_from_rows
from incumbent.usecases.predict import Answer, get_target, predict


def predict_rows(server: Server, request: Request) -> Response:
    """Answer {"rows": [...]} with {"rows": [...]}, in the same order."""
    target = get_target(server.ws, request.path["slot"])
    columns = columns_from_rows(request.read_json(), target.card.signature.inputs)
    answer = predict(server.ws, server.host, target=target, columns=columns)
    made = answer.prediction
    body = {"prediction": made.prediction_id, "slot": made.slot, "model": made.model, "version": made.version, "rows": made.output}
    return json_response(body, headers=name_answer(answer))


def name_answer(answer: Answer) -> dict[str, str]:
    """Return the headers that every answer carries."""
    made = answer.prediction
    return {"x-incumbent-prediction": made.prediction_id, "x-incumbent-version": f"{made.model}@{made.version}"}
