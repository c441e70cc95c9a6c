"""Makes what records traces, if they are on."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from incumbent.base.errors import InvalidInput
from incumbent.config import Settings
from incumbent.usecases.tracing import TracedCarrier, TracedStore, Tracing
from incumbent.usecases.webhook_ports import Carrier
from incumbent.usecases.workspace import Workspace


def open_tracing(settings: Settings) -> Tracing | None:
    """Return what records traces, or None; without them nothing of OpenTelemetry is imported.

    Raises:
        InvalidInput: The setting is none, or the extra `otel` is not installed.
    """
    if not settings.traces:
        return None
    if settings.traces != "otlp":
        raise InvalidInput(f"INCUMBENT_TRACES={settings.traces[:40]!r}: it is otlp, or not set")
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415  (an extra)

        from incumbent.execution.otel_tracing import OtelTracing  # noqa: PLC0415  (an extra)
    except ImportError as error:
        raise InvalidInput(f"traces need the extra otel: pip install 'incumbent[otel]' ({error})") from error
    return OtelTracing(OTLPSpanExporter())


def trace_workspace(ws: Workspace, tracing: Tracing | None) -> Workspace:
    """Return the workspace with transactions as spans; the same one where traces are off."""
    return ws if tracing is None else replace(ws, store=TracedStore(ws.store, tracing))


def trace_carrier(carrier: Carrier, tracing: Tracing | None) -> Carrier:
    """Return the carrier with messages as spans; the same one where traces are off."""
    return carrier if tracing is None else TracedCarrier(carrier, tracing)


@contextmanager
def recording(tracing: Tracing | None) -> Iterator[None]:
    """Send what is left when the block ends."""
    try:
        yield
    finally:
        if tracing is not None:
            tracing.close()
