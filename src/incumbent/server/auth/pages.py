"""The pages of logging in: /log-in, /log-out, /set-up/{secret}, /password. Plain forms, no script."""

from html import escape

from incumbent.base.errors import IncumbentError, NotFound
from incumbent.server.auth.cookies import SESSION, read_cookie, set_cookie
from incumbent.server.auth.onward import safe_onward
from incumbent.server.errors import find_status
from incumbent.server.messages import Request, Response, Server
from incumbent.usecases.accounts import change_password, get_link, use_link
from incumbent.usecases.guessing import TooManyAttempts
from incumbent.usecases.sessions import SESSION_HOURS, log_in, log_out

_HIDDEN_FIELD = '<label>{label} <input name="{name}" type="password" autocomplete="{autocomplete}" required maxlength="1024"></label>'


def show_log_in(server: Server, request: Request) -> Response:
    """Show the form, and the way to the company's provider if there is one."""
    return _log_in_page(server, safe_onward(request.read_query().get("next", "")))


def do_log_in(server: Server, request: Request) -> Response:
    """Begin a session; a wrong name and a wrong password look the same."""
    fields = request.read_form()
    onward = safe_onward(fields.get("next", ""))
    try:
        begun = log_in(
            server.ws,
            passwords=server.door.passwords,
            name=fields.get("name", ""),
            password=fields.get("password", ""),
            address=request.address,
            previous=read_cookie(server.door, request.headers, SESSION),
        )
    except TooManyAttempts as error:
        return _wait(_log_in_page(server, onward, str(error), 429), error)
    except IncumbentError as error:
        return _log_in_page(server, onward, str(error), 401 if find_status(error) == 422 else find_status(error))
    return Response(
        303, b"", headers={"location": onward, **set_cookie(server.door, SESSION, begun.secret, max_age_s=SESSION_HOURS * 3600)}
    )


def do_log_out(server: Server, request: Request) -> Response:
    """End the session, and have the browser forget what it holds of us."""
    log_out(server.ws, secret=read_cookie(server.door, request.headers, SESSION))
    gone = {"clear-site-data": '"cache", "storage"', **set_cookie(server.door, SESSION, "", max_age_s=0)}
    return Response(303, b"", headers={"location": "/log-in", **gone})


def show_set_up(server: Server, request: Request) -> Response:
    """Show the form behind a link; looking at it spends nothing."""
    try:
        link = get_link(server.ws, request.path["secret"])
    except NotFound as error:
        return page("This link is spent", f'<p role="alert">{escape(str(error))}</p>', status=404)
    return _set_up_page(request.path["secret"], link.person_id)


def do_set_up(server: Server, request: Request) -> Response:
    """Set the password, and go on to log in with it."""
    fields, secret = request.read_form(), request.path["secret"]
    person = fields.get("person", "")
    if fields.get("password", "") != fields.get("again", ""):
        return _set_up_page(secret, "" if "person" in fields else "you", "the two are not the same", 400)
    try:
        use_link(
            server.ws, passwords=server.door.passwords, secret=secret, password=fields.get("password", ""), person=person,
            name=fields.get("printed", ""),
        )  # fmt: skip
    except NotFound as error:
        return page("This link is spent", f'<p role="alert">{escape(str(error))}</p>', status=404)
    except IncumbentError as error:
        return _set_up_page(secret, "" if "person" in fields else "you", str(error), find_status(error))
    return Response(303, b"", headers={"location": "/log-in"})


def show_password(_server: Server, request: Request) -> Response:
    """Show the form to change one's own password."""
    return _password_page(request.caller.name)


def do_password(server: Server, request: Request) -> Response:
    """Change one's own password; every session is over, this one too."""
    fields = request.read_form()
    if fields.get("password", "") != fields.get("again", ""):
        return _password_page(request.caller.name, "the two are not the same", 400)
    try:
        change_password(server.ws, passwords=server.door.passwords, old=fields.get("old", ""), new=fields.get("password", ""))
    except TooManyAttempts as error:
        return _wait(_password_page(request.caller.name, str(error), 429), error)
    except IncumbentError as error:
        return _password_page(request.caller.name, str(error), find_status(error))
    return Response(303, b"", headers={"location": "/log-in", **set_cookie(server.door, SESSION, "", max_age_s=0)})


def _log_in_page(server: Server, onward: str, problem: str = "", status: int = 200) -> Response:
    hidden = f'<input type="hidden" name="next" value="{escape(onward)}">'
    name = '<label>Name <input name="name" autocomplete="username" required maxlength="300" autofocus></label>'
    password = _HIDDEN_FIELD.format(label="Password", name="password", autocomplete="current-password")
    form = f'<form method="post" action="/log-in">{hidden}{name}{password}<button>Log in</button></form>'
    if server.door.provider is not None:
        form += f'<p><a href="/log-in/provider?next={escape(onward)}">Log in at your company</a></p>'
    return page("Log in", _alert(problem) + form, status)


def _set_up_page(secret: str, person: str, problem: str = "", status: int = 200) -> Response:
    if person:
        who = "<p>Choose a password. The link is spent then.</p>"
    else:
        who = (
            "<p>Nobody is registered here. You become the first, an admin, who can make others known.</p>"
            '<label>Id, such as ann: it stands in the ledger for ever <input name="person" required maxlength="64"></label>'
            '<label>Printed name, for signatures <input name="printed" maxlength="300"></label>'
        )
    fields = who + "".join(
        _HIDDEN_FIELD.format(label=label, name=name, autocomplete="new-password")
        for label, name in (("Password", "password"), ("Again", "again"))
    )
    form = f'<form method="post" action="/set-up/{escape(secret)}">{fields}<button>Set the password</button></form>'
    return page("Set a password", _alert(problem) + form, status)


def _password_page(name: str, problem: str = "", status: int = 200) -> Response:
    fields = _HIDDEN_FIELD.format(label="Present password", name="old", autocomplete="current-password") + "".join(
        _HIDDEN_FIELD.format(label=label, name=field, autocomplete="new-password")
        for label, field in (("New password", "password"), ("Again", "again"))
    )
    form = f'<form method="post" action="/password">{fields}<button>Change it</button></form>'
    return page(f"The password of {name}", _alert(problem) + form, status)


def _wait(shown: Response, error: TooManyAttempts) -> Response:
    return Response(shown.status, shown.body, shown.media_type, {"retry-after": str(error.wait_s)})


def _alert(problem: str) -> str:
    return f'<p class="problem" role="alert">{escape(problem)}</p>' if problem else ""


def page(title: str, content: str, status: int = 200) -> Response:
    """Return a page in the dress of ours. `content` is HTML, `title` is text."""
    html = (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Incumbent: {escape(title)}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><link rel="stylesheet" href="/home.css"></head>'
        f'<body><header><h1>{escape(title)}</h1></header><main class="log-in"><section>{content}</section></main></body></html>'
    )
    return Response(status, html.encode("utf-8"), "text/html; charset=utf-8")
