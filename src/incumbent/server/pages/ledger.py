"""The ledger's pages: the newest entries and the signed checkpoint; one entry in full."""

import json

from incumbent.base.errors import InvalidInput, NotFound
from incumbent.server.messages import Request, Response, Server
from incumbent.server.pages.render import link, page, problems_as_pages
from incumbent.usecases.ledger_log import NO_LEDGER, full_note, get_entry
from incumbent.usecases.ledger_pages import get_ledger_page


@problems_as_pages
def show_ledger(server: Server, request: Request) -> Response:
    """Show entries, newest first."""
    asked = request.read_query().get("before")
    before = None if asked is None else read_number(asked)
    if before == 0 or (asked is not None and before is None):
        raise InvalidInput(f"{asked[:40] if asked else asked!r} is no number of an entry; go on from the newest")
    found = get_ledger_page(server.ws, before=before)
    note = full_note(found.checkpoint) if found.checkpoint else ""
    onward = link("ledger", before=found.before) if found.before else ""
    return page("ledger.html", "Ledger", room="/ledger", found=found, note=note, onward=onward, is_first=before is None, empty=NO_LEDGER)


@problems_as_pages
def show_entry(server: Server, request: Request) -> Response:
    """Show one entry with its exact bytes."""
    number = read_number(request.path["seq"])
    if number is None:
        raise NotFound(f"{request.path['seq'][:40]!r} is no number of an entry: entries are numbered from 0")
    shown = get_entry(server.ws, number)
    statement = "" if shown.statement is None else json.dumps(shown.statement, indent=2, ensure_ascii=False)
    body = json.dumps(json.loads(shown.entry.body), indent=2, ensure_ascii=False)
    return page("entry.html", f"Ledger entry {number}", room="/ledger", shown=shown, entry=shown.entry, statement=statement, body=body)


def read_number(text: str) -> int | None:
    """Return the number that a text spells in decimals, None if it spells none.

    >>> read_number("12"), read_number("-1"), read_number("1e3")
    (12, None, None)
    """
    return int(text) if text.isascii() and text.isdigit() and len(text) < 16 else None
