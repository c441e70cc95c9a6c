"""The page at /: what is live in each slot, a form to ask it, and where the answer came from. No script, no other host."""

from html import escape

from incumbent.base.documents import Json
from incumbent.base.errors import IncumbentError, InvalidInput
from incumbent.registry.lineage import Lineage
from incumbent.registry.signature import Column, Scalar, Signature
from incumbent.server.errors import find_status
from incumbent.server.messages import Request, Response, Server
from incumbent.server.style_home import STYLE
from incumbent.usecases.live import Basis, LiveSlot, list_live
from incumbent.usecases.predict import Answer, Target, get_target, predict
from incumbent.usecases.trace import trace

_POLICY = "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
_FIELD = "column-"


def get_style(_server: Server, _request: Request) -> Response:
    """Return the page's style sheet."""
    return Response(200, STYLE.encode("utf-8"), "text/css; charset=utf-8")


def show_home(server: Server, _request: Request) -> Response:
    """Show every slot, with a form for each that has a live version."""
    return _page(_render_slots(server))


def try_prediction(server: Server, request: Request) -> Response:
    """Answer the form: the prediction and its lineage above the page, the values asked with kept in the form."""
    fields = request.read_form()
    slot = fields.get("slot", "")
    asked = {name.removeprefix(_FIELD): text for name, text in fields.items() if name.startswith(_FIELD)}
    try:
        target = get_target(server.ws, slot)
        columns = {name: [value] for name, value in read_fields(asked, target.card.signature).items()}
        answer = predict(server.ws, server.host, target=target, columns=columns)
        shown = _render_answer(target, answer, trace(server.ws, answer.prediction.prediction_id))
    except IncumbentError as error:
        shown = f'<section class="problem" role="alert"><h2>No answer</h2><p>{escape(str(error))}</p></section>'
        return _page(shown + _render_slots(server, slot, asked), find_status(error))
    return _page(shown + _render_slots(server, slot, asked))


def read_fields(fields: dict[str, str], signature: Signature) -> dict[str, Scalar]:
    """Return the values that a form's texts spell, by the signature's types; an empty field is null.

    Raises:
        InvalidInput: A text does not spell its column's type, or a field is no column.
    """
    known = {column.name: column for column in signature.inputs}
    unknown = [name for name in fields if name not in known]
    if unknown:
        raise InvalidInput(f"{unknown[0][:64]!r} is not in the signature")
    return {name: _read_field(known[name], text.strip()) for name, text in fields.items()}


def _read_field(column: Column, text: str) -> Scalar:
    if text == "":
        return None
    if column.type == "str":
        return text
    try:
        if column.type == "bool":
            return {"true": True, "false": False}[text.lower()]
        return int(text) if column.type == "int" else float(text)
    except (ValueError, KeyError):
        raise InvalidInput(f"{column.name}: expected {column.type}, got {text[:40]!r}") from None


def _page(content: str, status: int = 200) -> Response:
    html = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Incumbent: what is live</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><link rel="stylesheet" href="/home.css"></head>'
        f"<body><header><h1>What is live</h1></header><main>{content}</main></body></html>"
    )
    return Response(status, html.encode("utf-8"), "text/html; charset=utf-8", {"content-security-policy": _POLICY})


def _render_slots(server: Server, asked_slot: str = "", asked: dict[str, str] | None = None) -> str:
    slots = list_live(server.ws)
    if not slots:
        return "<p>No slot yet. <code>incumbent register</code> makes a version, <code>incumbent promote</code> puts it in a slot.</p>"
    return "".join(_render_slot(server, slot, asked if slot.slot == asked_slot else None) for slot in slots)


def _render_slot(server: Server, slot: LiveSlot, asked: dict[str, str] | None) -> str:
    live, version = slot.live, slot.version
    if live is None or version is None:
        return f"<section><h2>{escape(slot.slot)}</h2><p>Nothing in Production yet.</p></section>"
    back = slot.roll_back_to
    rows = [
        ("version", f"{live.model}@{live.version}"),
        ("since", f"{live.since_at:%Y-%m-%d %H:%M:%S} UTC, by {live.actor}"),
        ("reason", live.reason or "none given"),
        *_list_basis(slot.basis),
        ("bundle", version.bundle.digest),
        ("run", version.run_id),
        ("roll back to", f"{back[0]}@{back[1]}" if back else "nothing: it is the first version here"),
    ]
    table = "".join(f'<tr><th scope="row">{escape(name)}</th><td>{escape(text)}</td></tr>' for name, text in rows)
    form = _render_form(get_target(server.ws, slot.slot), asked) if "bundle" in version.facts else ""
    return f"<section><h2>{escape(slot.slot)}</h2><table>{table}</table>{form}</section>"


def _list_basis(basis: Basis | None) -> list[tuple[str, str]]:
    """Return what the version's place rests on, as rows."""
    if basis is None:
        return [("approved by", "nobody: it went live before there was a ledger")]
    approvals = ", ".join(f"{approval.person} ({approval.act}, entry {approval.seq})" for approval in basis.approvals)
    evidence = f"{basis.verdict}, ledger entry {basis.evidence_entry}, {basis.evidence}" if basis.evidence else "none"
    return [("approved by", approvals or f"nobody: tier {basis.tier} asks for no sign-off"), ("tier", basis.tier), ("evidence", evidence)]


def _render_form(target: Target, asked: dict[str, str] | None) -> str:
    fields = []
    for column in target.card.signature.inputs:
        shown = asked.get(column.name, "") if asked is not None else _show(target.card.example.get(column.name))
        hint = f"{column.type}, may be empty" if column.is_nullable else column.type
        name = escape(_FIELD + column.name)
        fields.append(f'<label>{escape(column.name)} <small>{hint}</small><input name="{name}" value="{escape(shown)}"></label>')
    slot = escape(target.slot)
    return (
        f'<form method="post" action="/"><input type="hidden" name="slot" value="{slot}">'
        f'<div class="fields">{"".join(fields)}</div><button>Ask {slot}</button></form>'
    )


def _show(value: Json) -> str:
    return "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _render_answer(target: Target, answer: Answer, lineage: Lineage) -> str:
    values = "".join(
        f'<tr><th scope="row">{escape(name)}</th><td>{escape(_show(column[0]))}</td></tr>' for name, column in answer.columns.items()
    )
    steps = "".join(
        f'<li class="depth-{min(step.depth, 9)}"><span>{escape(step.role)}</span> {escape(step.node.kind)} '
        f"<b>{escape(step.node.name)}</b> <code>{escape(step.node.digest or '')}</code>{' (above)' if step.is_repeat else ''}</li>"
        for step in lineage.tell(lineage.origins)
    )
    return (
        f'<section class="answer"><h2>Answer of {escape(target.name)}</h2><table>{values}</table>'
        f"<p>Prediction <code>{escape(answer.prediction.prediction_id)}</code></p>"
        f'<details open><summary>Where it comes from</summary><ul class="lineage">{steps}</ul></details></section>'
    )
