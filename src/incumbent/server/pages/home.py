"""The page at /: what is live in each slot, a form to ask it, and where the answer came from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from incumbent.base.documents import Json
from incumbent.base.errors import IncumbentError, InvalidInput
from incumbent.registry.lineage import Step
from incumbent.registry.signature import Column, Scalar, Signature
from incumbent.server.errors import find_status
from incumbent.server.messages import Request, Response, Server
from incumbent.server.pages.render import page
from incumbent.usecases.findings import FindingRecord, list_findings
from incumbent.usecases.live import LiveSlot, list_live
from incumbent.usecases.predict import Answer, Target, get_target, predict
from incumbent.usecases.trace import trace

_FIELD = "column-"


@dataclass(frozen=True, slots=True)
class SlotView:
    """One slot as the page shows it; `fields` is None where there is nothing to ask."""

    slot: LiveSlot
    findings: list[FindingRecord]
    fields: list["FieldView"] | None


@dataclass(frozen=True, slots=True)
class FieldView:
    """One field of the form."""

    name: str
    hint: str
    shown: str


@dataclass(frozen=True, slots=True)
class AnswerView:
    """What a model answered, and the steps of its lineage."""

    name: str
    values: list[tuple[str, str]]
    prediction_id: str
    steps: list[Step]


def show_home(server: Server, _request: Request) -> Response:
    """Show every slot, with a form for each that has a live version."""
    return _show(server)


def try_prediction(server: Server, request: Request) -> Response:
    """Answer the form: the prediction and its lineage above the page, the values asked with kept in the form."""
    fields = request.read_form()
    slot = fields.get("slot", "")
    asked = {name.removeprefix(_FIELD): text for name, text in fields.items() if name.startswith(_FIELD)}
    try:
        target = get_target(server.ws, slot)
        columns = {name: [value] for name, value in read_fields(asked, target.card.signature).items()}
        answer = predict(server.ws, server.host, target=target, columns=columns)
        return _show(server, slot, asked, answer=_view_answer(server, target, answer))
    except IncumbentError as error:
        return _show(server, slot, asked, problem=str(error), status=find_status(error))


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


def _show(
    server: Server, asked_slot: str = "", asked: Mapping[str, str] | None = None, *, answer: AnswerView | None = None, problem: str = "",
    status: int = 200,
) -> Response:  # fmt: skip
    findings = list_findings(server.ws, is_open=True)
    views = [_view_slot(server, slot, findings, asked if slot.slot == asked_slot else None) for slot in list_live(server.ws)]
    return page("home.html", "What is live", room="/", status=status, views=views, answer=answer, problem=problem)


def _view_slot(server: Server, slot: LiveSlot, findings: Sequence[FindingRecord], asked: Mapping[str, str] | None) -> SlotView:
    fields = None
    if slot.live is not None and slot.version is not None and "bundle" in slot.version.facts:
        fields = _list_fields(get_target(server.ws, slot.slot), asked)
    return SlotView(slot, choose_findings(slot, findings), fields)


def choose_findings(slot: LiveSlot, findings: Sequence[FindingRecord]) -> list[FindingRecord]:
    """Return the findings on a slot, and on the models that are live or waiting there; those that block promotion first."""
    subjects = {slot.slot, *(placement.model for placement in slot.staging), *([slot.live.model] if slot.live else [])}
    return sorted((one for one in findings if one.finding.subject in subjects), key=lambda one: not one.finding.blocks_promotion)


def _list_fields(target: Target, asked: Mapping[str, str] | None) -> list[FieldView]:
    fields = []
    for column in target.card.signature.inputs:
        shown = asked.get(column.name, "") if asked is not None else _text(target.card.example.get(column.name))
        fields.append(FieldView(column.name, f"{column.type}, may be empty" if column.is_nullable else column.type, shown))
    return fields


def _text(value: Json) -> str:
    return "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _view_answer(server: Server, target: Target, answer: Answer) -> AnswerView:
    lineage = trace(server.ws, answer.prediction.prediction_id)
    values = [(name, _text(column[0])) for name, column in answer.columns.items()]
    return AnswerView(target.name, values, answer.prediction.prediction_id, list(lineage.tell(lineage.origins)))
