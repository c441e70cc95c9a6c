"""What pages refer to: one style sheet, one script, one picture. Read once; the package brings them."""

from functools import cache
from importlib.resources import files

from incumbent.server.messages import Request, Response, Server


@cache
def _read(name: str) -> bytes:
    return files("incumbent.server.pages").joinpath("static", name).read_bytes()


def get_style(_server: Server, _request: Request) -> Response:
    """Return the style sheet of every page, log-in included."""
    return Response(200, _read("style.css"), "text/css; charset=utf-8")


def get_script(_server: Server, _request: Request) -> Response:
    """Return the script; every page does all its work without it."""
    return Response(200, _read("pages.js"), "text/javascript; charset=utf-8")
