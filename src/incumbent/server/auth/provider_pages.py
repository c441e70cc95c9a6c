"""Logging in at the company's provider: /log-in/provider sends the browser there, /log-in/callback takes the answer."""

from html import escape

from incumbent.base.errors import IncumbentError
from incumbent.server.access import base_url
from incumbent.server.auth.cookies import JOURNEY, SESSION, read_cookie, set_cookie
from incumbent.server.auth.onward import safe_onward
from incumbent.server.auth.pages import page
from incumbent.server.errors import HttpProblem, find_status
from incumbent.server.messages import Request, Response, Server
from incumbent.usecases.account_ports import IdentityProvider
from incumbent.usecases.guessing import TooManyAttempts
from incumbent.usecases.sessions import JOURNEY_MINUTES, SESSION_HOURS, begin_journey, finish_journey

CALLBACK = "/log-in/callback"


def begin_at_provider(server: Server, request: Request) -> Response:
    """Send the browser to the provider, with a cookie by which its answer is known to be this browser's."""
    provider = _get_provider(server)
    onward = safe_onward(request.read_query().get("next", ""))
    try:
        begun = begin_journey(
            server.ws, provider=provider, redirect_uri=_redirect_uri(server, request), onward=onward, address=request.address
        )
    except TooManyAttempts as error:
        raise HttpProblem(429, str(error), {"retry-after": str(error.wait_s)}) from error
    cookie = set_cookie(server.door, JOURNEY, begun.browser, max_age_s=JOURNEY_MINUTES * 60)
    return Response(303, b"", headers={"location": begun.address, **cookie})


def finish_at_provider(server: Server, request: Request) -> Response:
    """Take the provider's answer, begin a session, and go on."""
    provider, fields = _get_provider(server), request.read_query()
    try:
        begun, onward = finish_journey(
            server.ws,
            provider=provider,
            redirect_uri=_redirect_uri(server, request),
            state=fields.get("state", ""),
            code=fields.get("code", ""),
            browser=read_cookie(server.door, request.headers, JOURNEY),
            address=request.address,
            issuer=fields.get("iss"),
            previous=read_cookie(server.door, request.headers, SESSION),
        )
    except IncumbentError as error:
        status = 403 if find_status(error) == 422 else find_status(error)
        return page("No log-in", f'<p class="problem" role="alert">{escape(str(error))}</p><p><a href="/log-in">Log in</a></p>', status)
    # A page of ours, and no redirect: a browser sends no SameSite cookie along a chain of redirects that began at another site.
    content = f'<p>Welcome, {escape(begun.person_id)}.</p><p><a href="{escape(onward)}">Go on</a></p>'
    sent = page("Logged in", content)
    cookie = set_cookie(server.door, SESSION, begun.secret, max_age_s=SESSION_HOURS * 3600)
    return Response(sent.status, sent.body, sent.media_type, {**cookie, "refresh": f"0; url={onward}"})


def _redirect_uri(server: Server, request: Request) -> str:
    return base_url(server.door, request.headers) + CALLBACK


def _get_provider(server: Server) -> IdentityProvider:
    if server.door.provider is None:
        raise HttpProblem(404, "people do not log in at a provider here; INCUMBENT_OIDC_ISSUER sets one")
    return server.door.provider
