"""The `Tracing` port, by OpenTelemetry's SDK. Needs the extra `otel`; where spans go is set by OpenTelemetry's own variables (OTEL_…)."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from opentelemetry import context, trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor, SpanExporter
from opentelemetry.trace import Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from incumbent.base.version import __version__
from incumbent.usecases.tracing import Span, SpanKind

_KINDS: Mapping[SpanKind, trace.SpanKind] = {
    "server": trace.SpanKind.SERVER, "client": trace.SpanKind.CLIENT, "internal": trace.SpanKind.INTERNAL,
}  # fmt: skip
_WIRE = TraceContextTextMapPropagator()


class OtelTracing:
    """Spans of one process, sent by an exporter in the background. Nothing global is set: other users of OpenTelemetry are left alone."""

    def __init__(self, exporter: SpanExporter, *, at_once: bool = False) -> None:
        resource = Resource.create({"service.name": "incumbent", "service.version": __version__})
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        self._provider.add_span_processor(SimpleSpanProcessor(exporter) if at_once else BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("incumbent", __version__)

    @contextmanager
    def span(self, name: str, kind: SpanKind, *, headers: Mapping[str, str] | None = None) -> Iterator[Span]:
        """Time what is done inside the block. An error that leaves it is noted by its kind alone: its words may name people or data."""
        around = _WIRE.extract(headers, context.Context()) if headers is not None else None
        with self._tracer.start_as_current_span(
            name, around, kind=_KINDS[kind], record_exception=False, set_status_on_exception=False
        ) as span:  # fmt: skip
            try:
                yield _OtelSpan(span)
            except BaseException as error:
                span.set_attribute("error.type", type(error).__name__)
                span.set_status(Status(StatusCode.ERROR))
                raise

    def headers(self) -> Mapping[str, str]:
        """Return the headers that tell another server to which span its work belongs."""
        made: dict[str, str] = {}
        _WIRE.inject(made)
        return made

    def close(self) -> None:
        """Send what is recorded, and record no more."""
        self._provider.shutdown()


class _OtelSpan:
    def __init__(self, span: trace.Span) -> None:
        self._span = span

    def note(self, **attributes: str | int | bool) -> None:
        for name, value in attributes.items():
            self._span.set_attribute(name.replace("__", "."), value)

    def rename(self, name: str) -> None:
        self._span.update_name(name)

    def fail(self, why: str) -> None:
        self._span.set_status(Status(StatusCode.ERROR, why))
