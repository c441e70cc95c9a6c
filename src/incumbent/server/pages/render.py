"""Making a page: the templates' environment, the policy that browsers hold each page to, and errors as pages."""

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import cache, wraps
from http import HTTPStatus
from urllib.parse import quote, urlencode

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from incumbent.base.digest import shorten_digests
from incumbent.base.errors import IncumbentError
from incumbent.base.shown import show_marks
from incumbent.server.errors import HttpProblem, find_status
from incumbent.server.messages import Request, Response, Server
from incumbent.server.pages import words

POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self' data:; script-src 'self'; connect-src 'self'; form-action 'self'; "
    "frame-ancestors 'none'; base-uri 'none'"
)
Answerer = Callable[[Server, Request], Response]
ROOMS = (("/", "What is live"), ("/runs", "Runs"), ("/pipelines", "Pipelines"), ("/models", "Models"), ("/ledger", "Ledger"))
"""What stands in the navigation of every page."""


def _show_time(at: datetime) -> Markup:
    return Markup('<time datetime="{}">{}</time>').format(at.isoformat(), words.show_time(at))


@cache
def _environment() -> Environment:
    made = Environment(
        loader=PackageLoader("incumbent.server.pages"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_finalize,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    made.filters |= {
        "time": _show_time, "bytes": words.show_bytes, "number": words.show_number, "digest": words.short_digest, "cut": words.cut,
        "value": words.show_value, "seconds": words.show_seconds,
        "brief": shorten_digests, "exact": escape,  # as it is, for what a form sends back
    }  # fmt: skip
    made.globals |= {"link": link, "rooms": ROOMS}
    return made


def _finalize(value: object) -> object:
    """Spell out what a name would hide; what a template marked as HTML is ours."""
    return value if isinstance(value, Markup) or not isinstance(value, str) else show_marks(value)


def link(*segments: object, **fields: object) -> str:
    """Return an address: each segment one step of the path, each field that is not None part of the query.

    >>> link("slots", "double/eu", at="2026-01-01")
    '/slots/double%2Feu?at=2026-01-01'
    """
    path = "/" + "/".join(quote(str(segment), safe="", errors="replace") for segment in segments)
    given = {name: str(value) for name, value in fields.items() if value is not None}
    return f"{path}?{urlencode(given, errors='replace')}" if given else path


def page(template: str, title: str, *, room: str = "", status: int = 200, **values: object) -> Response:
    """Return a page.

    Args:
        template: Name of the file in templates/.
        title: Of the page, as text.
        room: The address in ROOMS that it belongs to.
        status: Of the answer.
        values: What the template names.
    """
    html = _environment().get_template(template).render(title=title, room=room, **values)
    return Response(status, html.encode("utf-8", "replace"), "text/html; charset=utf-8", {"content-security-policy": POLICY})


def problems_as_pages(answer: Answerer) -> Answerer:
    """Have an answerer's errors shown as a page that says what was asked, what stands in the way and where to go."""

    @wraps(answer)
    def answer_or_tell(server: Server, request: Request) -> Response:
        try:
            return answer(server, request)
        except IncumbentError as error:
            return problem_page(find_status(error), str(error), _asked(request))
        except HttpProblem as problem:
            return problem_page(problem.status, str(problem), _asked(request))

    return answer_or_tell


def _asked(request: Request) -> list[str]:
    return [*request.path.values(), *([request.query] if request.query else [])]


def problem_page(status: int, detail: str, asked: Sequence[str], *, back: str = "") -> Response:
    """Return the page of an error.

    Args:
        status: Of the answer.
        detail: What stands in the way.
        asked: What was asked for, in the caller's words.
        back: Address of the page that the refused form was on; "" without one.
    """
    title = HTTPStatus(status).phrase
    return page("problem.html", title, status=status, code=status, detail=detail, asked=asked, back=back)
