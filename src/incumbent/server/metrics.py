"""GET /metrics: what Prometheus scrapes."""

from incumbent.base.errors import IncumbentError
from incumbent.server.messages import Request, Response, Server
from incumbent.server.telemetry import MEDIA_TYPE
from incumbent.usecases.figures import read_figures


def get_metrics(server: Server, _request: Request) -> Response:
    """Answer with all figures. Where the store cannot be read, the rest is still answered: that is when somebody looks."""
    try:
        figures = read_figures(server.ws)
    except IncumbentError:
        figures = None
    return Response(200, server.telemetry.render(figures), MEDIA_TYPE)
