"""Traces, by OpenTelemetry's own exporter into memory: what is a span of what, and what no span may say."""

import inspect
import subprocess
import sys
from dataclasses import replace

import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from asgi import Client, open_app
from incumbent.base.errors import InvalidInput, NotFound
from incumbent.bootstrap.tracing import open_tracing, recording, trace_carrier, trace_workspace
from incumbent.config import read_settings
from incumbent.execution.otel_tracing import OtelTracing
from incumbent.server.api import webhooks as api_webhooks
from incumbent.server.traced_verbs import traced_verbs
from incumbent.server.tracing import Traced
from incumbent.usecases import webhooks
from incumbent.usecases.webhook_ports import Sent
from logins import open_empty
from receivers import open_receiver
from test_parity_http import is_use_case

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
TRACEPARENT = f"00-{TRACE}-{PARENT}-01"
"""The example of W3C Trace Context, section 3.2."""


@pytest.fixture
def exporter():
    return InMemorySpanExporter()


@pytest.fixture
def tracing(exporter):
    tracing = OtelTracing(exporter, at_once=True)
    with recording(tracing):
        yield tracing


@pytest.fixture(scope="module")
def ws(tmp_path_factory):
    ws = open_empty(tmp_path_factory.mktemp("tracing"))
    yield ws
    ws.store.close()


@pytest.fixture
def client(ws, tracing):
    app = open_app(trace_workspace(ws, tracing))
    yield Client(Traced(app, tracing))
    app.close()


def found(exporter):
    """Return (name, its parent's name or the id of a remote one, kind) of all spans, and them by name."""
    spans = exporter.get_finished_spans()
    names = {span.context.span_id: span.name for span in spans}
    lines = [(one.name, names.get(one.parent.span_id, f"{one.parent.span_id:016x}") if one.parent else "", one.kind) for one in spans]
    return lines, {span.name: span for span in spans}


def test_a_request_is_a_span_of_its_callers_trace_and_its_transactions_are_spans_of_it(client, exporter):
    assert client.get("/api/v1/slots", headers={"traceparent": TRACEPARENT}).status == 200
    lines, spans = found(exporter)
    request = spans["GET /api/v1/slots"]
    assert lines[-1] == ("GET /api/v1/slots", PARENT, SpanKind.SERVER)
    assert set(lines[:-1]) == {("read", "GET /api/v1/slots", SpanKind.INTERNAL)}
    assert {f"{span.context.trace_id:032x}" for span in exporter.get_finished_spans()} == {TRACE}
    assert dict(request.attributes) == {
        "http.route": "/api/v1/slots", "http.request.method": "GET", "http.response.status_code": 200,
    }  # fmt: skip
    assert request.resource.attributes["service.name"] == "incumbent"


@pytest.mark.parametrize("given", ["", "x", "00-0-0-00", f"00-{'0' * 32}-{PARENT}-01", f"ff-{TRACE}-{PARENT}-01", "a" * 10_000])
def test_a_traceparent_that_is_none_begins_a_trace(client, exporter, given):
    assert client.get("/healthz", headers={"traceparent": given}).status == 200
    span = exporter.get_finished_spans()[-1]
    assert (span.name, span.parent) == ("GET /healthz", None)


def test_a_span_holds_no_path_and_no_query_for_both_can_hold_secrets(client, exporter):
    client.get("/set-up/some-secret-of-a-link?x=some-query")
    client.get("/made-up/some-secret")
    said = "".join(span.to_json() for span in exporter.get_finished_spans())
    assert "some-" not in said
    names = [span.name for span in exporter.get_finished_spans() if span.kind == SpanKind.SERVER]
    assert names == ["GET /set-up/{secret}", "request"]


def test_a_transaction_that_fails_says_of_which_kind_and_not_with_which_words(tmp_path, tracing, exporter):
    ws = trace_workspace(open_empty(tmp_path), tracing)
    with pytest.raises(InvalidInput), ws.store.begin():
        raise InvalidInput("the patient's name is")
    ws.store.close()
    [span] = exporter.get_finished_spans()
    assert (span.name, span.status.status_code, dict(span.attributes)) == (
        "transaction", StatusCode.ERROR, {"incumbent.durable": True, "error.type": "InvalidInput"},
    )  # fmt: skip
    assert "patient" not in span.to_json()


def test_a_webhooks_message_is_a_span_and_tells_its_receiver_so(tracing, exporter):
    class Carrier:
        def post(self, url, headers, body, *, may_be_private, may_be_http):
            self.headers = headers
            return Sent(self.status)

    inner = Carrier()
    carrier = trace_carrier(inner, tracing)
    for inner.status in (204, 500):
        carrier.post("https://hooks.example/secret", {"webhook-id": "log-7"}, b"", may_be_private=False, may_be_http=False)
    good, bad = exporter.get_finished_spans()
    assert (good.kind, good.attributes["incumbent.message"], good.attributes["http.response.status_code"]) == (
        SpanKind.CLIENT,
        "log-7",
        204,
    )
    assert (good.status.status_code, bad.status.status_code) == (StatusCode.UNSET, StatusCode.ERROR)
    assert inner.headers["traceparent"].startswith(f"00-{bad.context.trace_id:032x}-{bad.context.span_id:016x}-")
    assert inner.headers["webhook-id"] == "log-7"
    assert "secret" not in good.to_json()


def test_use_cases_are_timed_while_the_block_lasts_and_stand_as_they_were_after_it(tracing, exporter, ws):
    plain = dict(vars(api_webhooks))
    with traced_verbs(None):
        assert vars(api_webhooks) == plain
    with traced_verbs(tracing):
        assert api_webhooks.list_webhooks(ws) == []
        with pytest.raises(NotFound, match="webhook-x"):
            api_webhooks.remove_webhook(ws, webhook="webhook-x")
        assert webhooks.list_webhooks(ws) == [], "what another use case calls is a part of it"
        assert inspect.signature(api_webhooks.list_webhooks) == inspect.signature(webhooks.list_webhooks)
    assert vars(api_webhooks) == plain
    good, bad = exporter.get_finished_spans()
    assert (good.name, good.status.status_code) == ("webhooks.list_webhooks", StatusCode.UNSET)
    assert (bad.name, dict(bad.attributes)["error.type"]) == ("webhooks.remove_webhook", "NotFound")
    assert "webhook-x" not in bad.to_json()


def test_every_use_case_that_a_module_of_the_server_knows_by_name_is_timed(tracing):
    modules = [module for name, module in sys.modules.items() if name.startswith("incumbent.server.")]

    def spell(function):
        return f"{function.__module__.removeprefix('incumbent.usecases.')}.{function.__name__}"

    def verbs():
        known = {(module.__name__, name): value for module in modules for name, value in vars(module).items() if inspect.isfunction(value)}
        ours = {key: value for key, value in known.items() if value.__module__.startswith("incumbent.usecases.")}
        return {key: value for key, value in ours.items() if is_use_case(spell(value))}

    plain = verbs()
    assert len(plain) > 100
    with traced_verbs(tracing):
        timed = verbs()
    assert {spell(value) for key, value in plain.items() if timed[key] is value} == {"recording.attempting"}, "it is a block around an act"


def test_traces_are_off_unless_they_are_set_and_then_nothing_of_opentelemetry_is_loaded(tmp_path):
    settings = read_settings(tmp_path, {})
    assert open_tracing(settings) is None
    ws = open_empty(tmp_path)
    assert trace_workspace(ws, None) is ws
    ws.store.close()
    with pytest.raises(InvalidInput, match="INCUMBENT_TRACES='jaeger': it is otlp"):
        open_tracing(replace(settings, traces="jaeger"))
    script = "import sys, incumbent.server.command; print([name for name in sys.modules if 'opentelemetry' in name])"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_when_they_are_set_they_are_sent_by_otlp(tmp_path, monkeypatch):
    with open_receiver(status=200) as receiver:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{receiver.port}")
        tracing = open_tracing(read_settings(tmp_path, {"INCUMBENT_TRACES": "otlp"}))
        with recording(tracing), tracing.span("work", "internal"):
            pass
        assert [path for path, _, _ in receiver.got] == ["/v1/traces"]
