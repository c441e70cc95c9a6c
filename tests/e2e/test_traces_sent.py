"""A real server process sends its traces to a collector: a span for the request, the use case in it, and the transactions in that."""

import json
import os
import subprocess
import sys
import urllib.request

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from logins import open_empty
from receivers import open_receiver

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


def ask(base, path, body=None):
    headers = {"traceparent": f"00-{TRACE}-{PARENT}-01", "content-type": "application/json"}
    request = urllib.request.Request(base + path, None if body is None else json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.loads(answer.read())


def spans_of(receiver):
    """Return what the collector was sent: (name, name or id of what is around, trace, attributes)."""
    spans = []
    for path, headers, body in receiver.got:
        assert (path, headers["content-type"]) == ("/v1/traces", "application/x-protobuf")
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            named = {one.key: one.value.string_value for one in resource.resource.attributes}
            assert named["service.name"] == "incumbent"
            spans += [span for scope in resource.scope_spans for span in scope.spans]
    names = {span.span_id: span.name for span in spans}
    return [
        (
            span.name, names.get(span.parent_span_id, span.parent_span_id.hex()), span.trace_id.hex(),
            {one.key: one.value.string_value or one.value.int_value for one in span.attributes},
        )
        for span in spans
    ]  # fmt: skip


def test_a_collector_is_sent_each_use_case_within_its_request_and_in_the_callers_trace(tmp_path):
    open_empty(tmp_path).store.close()
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("INCUMBENT_", "OTEL_"))}
    with open_receiver(status=200) as receiver:
        process = subprocess.Popen(
            [sys.executable, "-m", "incumbent", "server", "--project", str(tmp_path), "--port", "0"], stdout=subprocess.PIPE, text=True,
            env={**kept, "INCUMBENT_TRACES": "otlp", "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{receiver.port}"},
        )  # fmt: skip
        base = next(word for word in process.stdout.readline().split() if word.startswith("http")).rstrip("/")
        ask(base, "/api/v1/slots")
        run = ask(base, "/api/2.0/mlflow/runs/create", {"experiment_id": "0"})["run"]["info"]["run_id"]
        ask(base, "/api/2.0/mlflow/runs/log-metric", {"run_id": run, "key": "auc", "value": 0.5, "timestamp": 1, "step": 0})
        process.terminate()
        process.communicate(timeout=30)
        assert process.returncode == 0
        spans = spans_of(receiver)
    of_callers_trace = {(name, around): said for name, around, trace, said in spans if trace == TRACE}
    create = "POST /api/2.0/mlflow/runs/create"
    for expected in (
        ("GET /api/v1/slots", PARENT), ("live.list_live", "GET /api/v1/slots"), ("read", "live.list_live"),
        (create, PARENT), ("tracked_runs.begin_tracked_run", create), ("POST /api/2.0/mlflow/runs/log-metric", PARENT),
    ):  # fmt: skip
        assert expected in of_callers_trace
    said = of_callers_trace["live.list_live", "GET /api/v1/slots"]
    assert said == {"code.function.name": "incumbent.usecases.live.list_live"}
    assert {name for name, _, trace, _ in spans if trace != TRACE} >= {"transaction"}, "a group's transaction is several requests'"
