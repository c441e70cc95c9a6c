"""The style sheet of the line that says who is logged in, and of the forms of logging in."""

from incumbent.server.messages import Request, Response, Server

PATH = "/access.css"
STYLE = """\
.access { display: flex; justify-content: flex-end; margin: 0; padding: .25rem .75rem; font: 14px/1.5 system-ui, sans-serif;
  border-bottom: 1px solid #8885; background: #8882; }
.access p { margin: 0; }
.access button { font: inherit; padding: 0 .6rem; margin-left: .5rem; }
p.access { justify-content: center; border-left: .4rem solid #c80; }
.log-in form { display: grid; gap: .75rem; max-width: 26rem; }
.log-in label { display: grid; gap: .15rem; }
.log-in input { font: inherit; padding: .35rem .5rem; }
.log-in button { justify-self: start; }
"""


def get_style(_server: Server, _request: Request) -> Response:
    """Return the style sheet."""
    return Response(200, STYLE.encode("utf-8"), "text/css; charset=utf-8")
