"""MLflow's routes that we do not have, and why: read by the answers to them, by the reference page, and by a test against the client.

From the protocol buffers of mlflow 3.17.2; 3.18.0 has the same.
"""

import re
from collections.abc import Mapping

from incumbent.server.errors import HttpProblem

ABSENT: Mapping[str, str] = {
    "traces of language-model calls: spans go to an OpenTelemetry collector, and are not kept here": """
        GET /api/2.0/mlflow/get-online-trace-details
        GET|POST /api/2.0/mlflow/traces
        POST /api/2.0/mlflow/traces/delete-traces
        POST /api/2.0/mlflow/traces/link-prompts
        POST /api/2.0/mlflow/traces/link-to-run
        PATCH /api/2.0/mlflow/traces/{request_id}
        GET /api/2.0/mlflow/traces/{request_id}/info
        DELETE|PATCH /api/2.0/mlflow/traces/{request_id}/tags
        GET /api/2.0/mlflow/unified-traces
        POST /api/3.0/mlflow/traces
        GET /api/3.0/mlflow/traces/batchGet
        POST /api/3.0/mlflow/traces/batchGetInfos
        POST /api/3.0/mlflow/traces/calculate-filter-correlation
        POST /api/3.0/mlflow/traces/delete-traces
        GET /api/3.0/mlflow/traces/get
        POST /api/3.0/mlflow/traces/metrics
        POST /api/3.0/mlflow/traces/search
        GET /api/3.0/mlflow/traces/{trace_id}
        POST /api/3.0/mlflow/traces/{trace_id}/assessments
        DELETE|GET|PATCH /api/3.0/mlflow/traces/{trace_id}/assessments/{assessment_id}
        DELETE|PATCH /api/3.0/mlflow/traces/{trace_id}/tags
    """,
    "evaluation, labelling and optimisation of prompts: evidence here comes from `incumbent evaluate`, and sign-offs from people": """
        POST /api/3.0/mlflow/datasets/create
        GET|POST /api/3.0/mlflow/datasets/search
        DELETE|GET /api/3.0/mlflow/datasets/{dataset_id}
        POST /api/3.0/mlflow/datasets/{dataset_id}/add-experiments
        GET /api/3.0/mlflow/datasets/{dataset_id}/experiment-ids
        DELETE|GET|POST /api/3.0/mlflow/datasets/{dataset_id}/records
        POST /api/3.0/mlflow/datasets/{dataset_id}/remove-experiments
        PATCH /api/3.0/mlflow/datasets/{dataset_id}/tags
        DELETE /api/3.0/mlflow/datasets/{dataset_id}/tags/{key}
        POST /api/3.0/mlflow/issues
        POST /api/3.0/mlflow/issues/search
        GET|PATCH /api/3.0/mlflow/issues/{issue_id}
        POST /api/3.0/mlflow/label-schemas/create
        DELETE /api/3.0/mlflow/label-schemas/delete
        GET /api/3.0/mlflow/label-schemas/get
        GET /api/3.0/mlflow/label-schemas/get-by-name
        GET /api/3.0/mlflow/label-schemas/list
        PATCH /api/3.0/mlflow/label-schemas/update
        POST /api/3.0/mlflow/prompt-optimization/jobs
        GET|POST /api/3.0/mlflow/prompt-optimization/jobs/search
        DELETE|GET /api/3.0/mlflow/prompt-optimization/jobs/{job_id}
        POST /api/3.0/mlflow/prompt-optimization/jobs/{job_id}/cancel
        POST /api/3.0/mlflow/review-queues/create
        POST /api/3.0/mlflow/review-queues/delete
        GET /api/3.0/mlflow/review-queues/get
        GET /api/3.0/mlflow/review-queues/get-by-name
        POST /api/3.0/mlflow/review-queues/get-or-create-user
        POST /api/3.0/mlflow/review-queues/items/add
        GET /api/3.0/mlflow/review-queues/items/list
        POST /api/3.0/mlflow/review-queues/items/remove
        POST /api/3.0/mlflow/review-queues/items/set-status
        GET /api/3.0/mlflow/review-queues/list
        POST /api/3.0/mlflow/review-queues/update
        DELETE /api/3.0/mlflow/scorers/delete
        GET /api/3.0/mlflow/scorers/get
        GET /api/3.0/mlflow/scorers/list
        POST /api/3.0/mlflow/scorers/register
        GET /api/3.0/mlflow/scorers/versions
    """,
    "a gateway to other companies' models: no keys of theirs are kept here": """
        POST /api/3.0/mlflow/gateway/budgets/create
        DELETE /api/3.0/mlflow/gateway/budgets/delete
        GET /api/3.0/mlflow/gateway/budgets/get
        GET /api/3.0/mlflow/gateway/budgets/list
        POST /api/3.0/mlflow/gateway/budgets/update
        GET /api/3.0/mlflow/gateway/budgets/windows
        POST /api/3.0/mlflow/gateway/endpoints/bindings/create
        DELETE /api/3.0/mlflow/gateway/endpoints/bindings/delete
        GET /api/3.0/mlflow/gateway/endpoints/bindings/list
        POST /api/3.0/mlflow/gateway/endpoints/create
        DELETE /api/3.0/mlflow/gateway/endpoints/delete
        DELETE /api/3.0/mlflow/gateway/endpoints/delete-tag
        GET /api/3.0/mlflow/gateway/endpoints/get
        GET /api/3.0/mlflow/gateway/endpoints/list
        POST /api/3.0/mlflow/gateway/endpoints/models/attach
        POST /api/3.0/mlflow/gateway/endpoints/models/detach
        POST /api/3.0/mlflow/gateway/endpoints/set-tag
        POST /api/3.0/mlflow/gateway/endpoints/update
        POST /api/3.0/mlflow/gateway/guardrails/add-to-endpoint
        POST /api/3.0/mlflow/gateway/guardrails/create
        DELETE /api/3.0/mlflow/gateway/guardrails/delete
        GET /api/3.0/mlflow/gateway/guardrails/get
        GET /api/3.0/mlflow/gateway/guardrails/list
        GET /api/3.0/mlflow/gateway/guardrails/list-for-endpoint
        DELETE /api/3.0/mlflow/gateway/guardrails/remove-from-endpoint
        PATCH /api/3.0/mlflow/gateway/guardrails/update-config
        POST /api/3.0/mlflow/gateway/model-definitions/create
        DELETE /api/3.0/mlflow/gateway/model-definitions/delete
        GET /api/3.0/mlflow/gateway/model-definitions/get
        GET /api/3.0/mlflow/gateway/model-definitions/list
        POST /api/3.0/mlflow/gateway/model-definitions/update
        POST /api/3.0/mlflow/gateway/secrets/create
        DELETE /api/3.0/mlflow/gateway/secrets/delete
        GET /api/3.0/mlflow/gateway/secrets/get
        GET /api/3.0/mlflow/gateway/secrets/list
        POST /api/3.0/mlflow/gateway/secrets/update
    """,
    "webhooks are made with `incumbent webhooks`, for every entry of the ledger, and not by tracking clients": """
        GET|POST /api/2.0/mlflow/webhooks
        DELETE|GET|PATCH /api/2.0/mlflow/webhooks/{webhook_id}
        POST /api/2.0/mlflow/webhooks/{webhook_id}/test
    """,
    "workspaces are set up by whoever runs the server, and not by tracking clients": """
        GET|POST /api/3.0/mlflow/workspaces
        DELETE|GET|PATCH /api/3.0/mlflow/workspaces/{workspace_name}
    """,
    "files go through this server, which checks them; a client that cannot have another address sends and reads them here": """
        POST /api/2.0/mlflow/artifacts/presigned-download-url
        POST /api/2.0/mlflow/artifacts/presigned-upload-url
    """,
    "only MLflow's own web pages ask for it; ours are at `/runs`, and `metrics/get-history` has every point": """
        POST /api/2.0/mlflow/experiments/search-datasets
        GET /api/2.0/mlflow/metrics/get-history-bulk-interval
    """,
    "MLflow 2 clients note a model on its run with it, and go on without; an MLflow 3 client uses `logged-models`": """
        POST /api/2.0/mlflow/runs/log-model
    """,
}
"""Why -> methods and path of each, a line."""


def list_absent() -> list[tuple[str, str, str]]:
    """Return (method, path, why) of each."""
    return [
        (method, path, why)
        for why, lines in ABSENT.items()
        for methods, path in (line.split() for line in lines.strip().splitlines())
        for method in methods.split("|")
    ]


_PATTERNS = [(method, re.compile(re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(path))), why) for method, path, why in list_absent()]


def explain(problem: HttpProblem, method: str, raw_path: bytes) -> HttpProblem:
    """Return a problem in better words, if it is about a route of MLflow's that we do not have."""
    if problem.status not in (404, 405):
        return problem
    path = raw_path.decode("latin-1")
    why = next((why for known, pattern, why in _PATTERNS if known == method and pattern.fullmatch(path)), None)
    return problem if why is None else HttpProblem(404, f"{method} {path[:200]} is not supported: {why}")
