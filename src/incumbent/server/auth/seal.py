"""What every answer carries, whichever route made it: who is taken for whom, the form's secret, and a policy without inline script.

It is put into the pages here and not by each of them, so that no page of ours can forget it.
"""

import re
from dataclasses import replace
from html import escape

from incumbent.server.access import NOBODY, Caller
from incumbent.server.auth import style
from incumbent.server.auth.guard import FORM_FIELD
from incumbent.server.messages import Response
from incumbent.usecases.bearer import form_secret

POLICY = "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
ACCESS_HEADER = "x-incumbent-access"
_LINK = f'<link rel="stylesheet" href="{style.PATH}">'.encode()
_BODY = re.compile(rb'<body[^>]*>(?:\s*<a class="skip"[^>]*>[^<]*</a>)?')
"""Where the banner goes: first, but for the link that skips to the content, which a keyboard should reach before anything else."""
_FORM = re.compile(rb"<form\b[^>]*\bmethod=\"?post\b[^>]*>", re.IGNORECASE)


def seal(response: Response, caller: Caller, *, is_single_user: bool, is_secure: bool) -> Response:
    """Return the response with what every answer carries."""
    access = {ACCESS_HEADER: "single-user"} if is_single_user else {}
    if is_secure:
        access["strict-transport-security"] = "max-age=31536000"
    if not response.media_type.startswith("text/html"):
        return replace(response, headers={**response.headers, **access}) if access else response
    headers = {"content-security-policy": POLICY, **response.headers, **access}
    return replace(response, body=_dress(response.body, caller, is_single_user=is_single_user), headers=headers)


def _dress(html: bytes, caller: Caller, *, is_single_user: bool) -> bytes:
    if caller.session:
        field = f'<input type="hidden" name="{FORM_FIELD}" value="{form_secret(caller.session)}">'.encode()
        html = _FORM.sub(lambda form: form[0] + field, html)
    banner = _banner(caller, is_single_user=is_single_user).encode()
    return _BODY.sub(lambda body: body[0] + banner, html.replace(b"</head>", _LINK + b"</head>", 1), count=1)


def _banner(caller: Caller, *, is_single_user: bool) -> str:
    if is_single_user:
        who = f" as {escape(caller.name)}" if caller.name else ""
        return f'<p class="access" role="note">Single-user mode: whoever reaches this port acts{who}, without logging in.</p>'
    if caller == NOBODY or not caller.session:
        return ""
    field = f'<input type="hidden" name="{FORM_FIELD}" value="{form_secret(caller.session)}">'
    return (
        f'<form class="access" method="post" action="/log-out">{field}<p>Logged in as <a href="/password">{escape(caller.name)}</a> '
        "<button>Log out</button></p></form>"
    )
