"""The one place through which every request goes before its route is asked: who is it, may they, and did they mean to.

1. a token in an address is refused, whatever the route            4. the person's rights of now, narrowed by the token's scope
2. `public` routes ask for nothing                                 5. what changes something by cookie brings the form's secret
3. a token, else the cookie, else single-user mode, else 401       6. the route acts as that person, without anybody's keys
"""

import base64
import binascii
import hmac
import re
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from urllib.parse import quote

from incumbent.base.errors import Conflict, Refused, Unavailable
from incumbent.governance.acts import ACTS
from incumbent.server.access import NOBODY, Caller
from incumbent.server.auth.cookies import SESSION, read_cookie
from incumbent.server.auth.keys import LedgerKeyAlone
from incumbent.server.errors import HttpProblem
from incumbent.server.messages import Request, Server, takes_pages
from incumbent.usecases.admission import Admission, Register, admit_session, admit_token, note_use, read_register
from incumbent.usecases.bearer import form_secret
from incumbent.usecases.recording import attempting
from incumbent.usecases.rights import PUBLIC, check_may_ask

_IN_ADDRESS = re.compile(r"inc_[A-Za-z0-9_-]{43}|(?:^|&)(?:access_token|token|api_key)=", re.ASCII)
CHALLENGE = 'Basic realm="incumbent", charset="UTF-8", Bearer realm="incumbent"'
NOBODYS_NAME = ""
"""The actor of a route that is open to all: no person can be called so, and the ledger takes no entry of theirs."""
_FORWARDED = ("forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-real-ip")
FORM_FIELD = "csrf"
FORM_HEADER = "x-incumbent-form"


class Guard:
    """Knows the people as they were at the last request, and reads them again when anything about them has changed."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._alone = replace(server, ws=replace(server.ws, auth="single-user"))
        self._register: Register | None = None

    def admit(self, right: str, request: Request, where: str, *, is_use: bool = True) -> Caller:
        """Return who asks, if they may ask for this.

        Args:
            right: The route's, from the table of rights.
            request: Its head is enough; the body need not have been read.
            where: The path as it was asked for, for coming back after logging in.
            is_use: Whether it counts as a use of the session or token; looking again by oneself must not keep a session from ending.

        Raises:
            HttpProblem: Nobody is named who may come in (401, or 303 to the log-in for a browser), the one who is may not do this
                (403), or a token stands in the address (400).
        """
        if _IN_ADDRESS.search(request.query) or _IN_ADDRESS.search(where):
            raise HttpProblem(
                400, "a token in an address ends up in logs and histories: revoke it, and send its successor in the header Authorization"
            )
        if right == PUBLIC:
            return NOBODY
        caller = self._find_caller(request, where, is_use=is_use)
        if caller.person is not None:
            self._check_right(caller, right, where)
        return caller

    def _find_caller(self, request: Request, where: str, *, is_use: bool) -> Caller:
        ws, door = self._server.ws, self._server.door
        now = ws.clock.now()
        authorization = request.headers.get("authorization")
        try:
            with ws.store.begin(read_only=True) as tx:
                self._register = register = read_register(tx, self._register)
                if door.single_user == "always" or (door.single_user != "never" and register.is_empty):
                    _check_direct(request)
                    return Caller(ws.actor, is_single_user=True)
                if authorization is not None:
                    admission = admit_token(tx, register, _read_token(authorization), now)
                    session = ""
                else:
                    session = read_cookie(door, request.headers, SESSION)
                    admission = admit_session(tx, register, session, now)
        except Refused as error:
            raise _ask_who(str(error), request, where) from error
        if is_use:
            self._note(admission, now)
        return Caller(admission.person.person_id, admission.person, admission.scope, session, until=admission.until)

    def _note(self, admission: Admission, now: datetime) -> None:
        if admission.stale:
            with suppress(Conflict, Unavailable):  # a held or full store: the request is no worse for a use that was not noted
                note_use(self._server.ws, admission=admission, now=now)

    def _check_right(self, caller: Caller, right: str, where: str) -> None:
        assert caller.person is not None
        try:
            if right in ACTS:
                with attempting(self._as(caller).ws, act=right, kind="route", object_id=where[:200]):
                    check_may_ask(caller.person, right, caller.scope)
            else:
                check_may_ask(caller.person, right, caller.scope)
        except Refused as error:
            raise HttpProblem(403, str(error)) from error

    def act_as(self, caller: Caller) -> Server:
        """Return the server as this caller may use it: it acts in their name, and signs for nobody."""
        return self._alone if caller.is_single_user else self._as(caller)

    def _as(self, caller: Caller) -> Server:
        ws = self._server.ws
        shown = "session" if caller.scope is None else "token"
        return replace(self._server, ws=replace(ws, actor=caller.name or NOBODYS_NAME, auth=shown, keys=LedgerKeyAlone(ws.keys)))

    def is_single_user(self) -> bool:
        """Return whether whoever reaches the port was taken for the one who started the server, when last somebody asked."""
        door = self._server.door
        if door.single_user != "while nobody is registered":
            return door.single_user == "always"
        if self._register is None:
            with self._server.ws.store.begin(read_only=True) as tx:
                self._register = read_register(tx)
        return self._register.is_empty


def _check_direct(request: Request) -> None:
    """Refuse what came through a proxy in single-user mode: a proxy on this machine would let the world in as its owner."""
    if any(name in request.headers for name in _FORWARDED):
        raise HttpProblem(
            403, "this came through a proxy, and single-user mode is for this machine alone; start the server with --public-url https://…"
        )


def check_form(caller: Caller, request: Request) -> None:
    """Refuse a change that comes with a session's cookie and without the secret of that session's pages.

    Raises:
        HttpProblem: It is not there, or is another's (403).
    """
    if not caller.session or request.method in {"GET", "HEAD"}:
        return
    given = request.headers.get(FORM_HEADER)
    if given is None and request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        given = request.read_form().get(FORM_FIELD)
    if not hmac.compare_digest((given or "").encode("utf-8", "replace"), form_secret(caller.session).encode()):
        raise HttpProblem(403, "this form is not of your present session: load the page again, then send it again")


def _read_token(authorization: str) -> str:
    """Return the token of an Authorization header; of Basic it is the password, and the user name is anything. "" if there is none."""
    scheme, _, rest = authorization.partition(" ")
    if scheme.lower() == "bearer":
        return rest.strip()
    if scheme.lower() != "basic":
        return ""
    try:
        pair = base64.b64decode(rest.strip(), validate=True)
    except (binascii.Error, ValueError):
        return ""
    return pair.partition(b":")[2].decode("ascii", "replace")


def _ask_who(why: str, request: Request, where: str) -> HttpProblem:
    if "authorization" not in request.headers and takes_pages(request.headers):
        onward = f"{where}?{request.query}" if request.query else where
        address = "/log-in" + (f"?next={quote(onward, safe='/')}" if request.method == "GET" and where != "/" else "")
        return HttpProblem(303, why, {"location": address})
    return HttpProblem(401, why, {"www-authenticate": CHALLENGE})
