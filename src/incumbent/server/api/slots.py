"""Slots: what is live in each, what was, and asking what is live."""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from incumbent.base.errors import InvalidInput
from incumbent.server.api.cursor import end_page, read_place
from incumbent.server.api.operation import Answer, Call, In, Operation, Out, Page
from incumbent.server.api.shapes import AT, DIGEST, PLACEMENT, RUN, Document, Placement, Time
from incumbent.server.messages import Server
from incumbent.serving.rows import columns_from_rows
from incumbent.usecases.live import describe_placement, get_live, list_live, page_history
from incumbent.usecases.live_today import get_today
from incumbent.usecases.predict import Answer as Predicted
from incumbent.usecases.predict import get_target, predict
from incumbent.usecases.rights import PREDICT, READ
from incumbent.usecases.trace import trace


class Approval(Out):
    """A sign-off that a promotion rests on."""

    person: str
    act: str
    at: Time
    entry: int
    vouched_by: Annotated[str, Meta(description="Who had made that person known; empty if it is not known.")] = ""
    bound_by: Annotated[str, Meta(description="Who bound the key that they signed with; likewise.")] = ""
    vouched_through: Annotated[list[str], Meta(description="Who vouches for `vouched_by`, and so on up to who began.")] = msgspec.field(
        default_factory=list
    )
    bound_through: Annotated[list[str], Meta(description="Likewise for `bound_by`.")] = msgspec.field(default_factory=list)


class LiveEvidence(Out):
    """The evidence that a promotion rests on."""

    digest: str
    entry: int | None
    verdict: str


class Basis(Out):
    """What a version's place rests on."""

    act: Annotated[str, Meta(description="How it came to be live last: promote, roll-back, break-glass.")]
    entry: int
    approvals: list[Approval]
    evidence: LiveEvidence | None
    tier: str
    founder: Annotated[str, Meta(description="Who began the installation, if they are an author: all sign-offs rest on them.")] = ""
    policy_change: Annotated[str, Meta(description="How the policy differed from that of the first look at the version, if it did.")] = ""


class Live(Placement):
    """The version that answers in a slot."""

    digest: Annotated[str, Meta(description="Of its bundle.")]
    run: str
    basis: Basis | None


class VersionName(Out):
    """A version of a model."""

    model: str
    version: int


class Slot(Out):
    """A slot: what is live, what a roll-back goes to, and who asks for the place."""

    slot: str
    live: Live | None
    roll_back_to: VersionName | None
    staging: list[Placement]


class BackToday(VersionName):
    """What a roll-back goes to, under today's rules."""

    lacks: Annotated[list[str], Meta(description="What stands in the way of going there without a broken glass.")]


class SlotToday(Out):
    """What today's rules ask of a slot beyond what was decided."""

    tier: Annotated[str, Meta(description="What is live is held to it now; empty where nothing is live.")]
    lacks: Annotated[list[str], Meta(description="What its approvals lack of what that tier asks for, or why they carry nothing any more.")]
    roll_back_to: BackToday | None


class At(In):
    """Now, or at a time."""

    at: Annotated[Time | None, Meta(description="As it was then; now if it is left out.")] = None


class Rows(In):
    """Rows to answer."""

    rows: Annotated[list[Document], Meta(description="One object a row: column -> value, by the version's signature.")]


class Prediction(Out):
    """The answer of what is live."""

    prediction: Annotated[str, Meta(description="Its id; `trace` leads from it to data and code.")]
    slot: str
    model: str
    version: int
    rows: Annotated[Any, Meta(description="One object a row, in the same order.")]


class Node(Out):
    """A thing in a lineage."""

    kind: Literal["prediction", "slot", "version", "artifact", "stage", "run", "data", "code", "commit"]
    name: str
    digest: str | None
    facts: Document


class Link(Out):
    """How two things hang together: `source` came of `target` (origins), or went into it (uses)."""

    source: str
    role: str
    target: str


class Lineage(Out):
    """A subject, seen both ways."""

    subject: str
    nodes: dict[str, Node]
    origins: list[Link]
    uses: list[Link]


def list_slots(server: Server, call: Call) -> Page:
    """List all slots with what is live in each."""
    [after] = read_place(call, str) or ("",)
    found = list_live(server.ws, after=after, limit=call.limit + 1)
    return end_page(found, place=lambda one: (one.slot,), show=lambda one: one.to_json(), call=call)


def get_slot(server: Server, call: Call) -> object:
    """Show one slot."""
    asked: At = call.query
    return get_live(server.ws, call.path["slot"], asked.at).to_json()


def get_slot_today(server: Server, call: Call) -> object:
    """Show what today's rules say of a slot."""
    return get_today(server.ws, call.path["slot"]).to_json()


def list_slot_history(server: Server, call: Call) -> Page:
    """List every placement of a slot, newest first."""
    place = read_place(call, int)
    found = page_history(server.ws, call.path["slot"], limit=call.limit + 1, before=place[0] if place else None)
    return end_page(found, place=lambda one: (one[0],), show=lambda one: describe_placement(one[1]), call=call)


def predict_rows(server: Server, call: Call) -> Answer:
    """Answer rows with what is live."""
    asked: Rows = call.body
    target = get_target(server.ws, call.path["slot"])
    columns = columns_from_rows({"rows": list(asked.rows)}, target.card.signature.inputs)
    answer = predict(server.ws, server.host, target=target, columns=columns)
    made = answer.prediction
    body = {"prediction": made.prediction_id, "slot": made.slot, "model": made.model, "version": made.version, "rows": made.output}
    return Answer(body, name_answer(answer))


def name_answer(answer: Predicted) -> dict[str, str]:
    """Return the headers that every answer of a model carries."""
    made = answer.prediction
    return {"x-incumbent-prediction": made.prediction_id, "x-incumbent-version": f"{made.model}@{made.version}"}


def get_trace(server: Server, call: Call) -> object:
    """Show the lineage of a prediction, run, version or digest."""
    subject = call.path["subject"]
    if not subject.isprintable():
        raise InvalidInput(f"{subject[:60]!r} is no prediction, run, MODEL@VERSION or digest")
    return trace(server.ws, subject).to_json()


_SLOT: Document = {
    "slot": "credit/eu",
    "live": {
        **PLACEMENT,
        "digest": DIGEST,
        "run": RUN,
        "basis": {
            "act": "promote",
            "entry": 41,
            "approvals": [{"person": "vera", "act": "validate", "at": AT, "entry": 39, "vouched_by": "ada", "bound_by": "ada"}],
            "evidence": {"digest": DIGEST, "entry": 38, "verdict": "passed"},
            "tier": "tier 2",
        },
    },
    "roll_back_to": {"model": "credit", "version": 2},
    "staging": [],
}

_TODAY: Document = {
    "tier": "1",
    "lacks": ["1 approver"],
    "roll_back_to": {"model": "credit", "version": 2, "lacks": ["1 validator", "2 approvers", "missing: 2 approvers"]},
}

OPERATIONS = (
    Operation(
        "list_slots", "slots", "GET", "/slots", READ, "List the slots, by name, with what is live in each.",
        list_slots, Slot, _SLOT, is_paged=True, by=("live.list_live",),
    ),
    Operation(
        "get_slot", "slots", "GET", "/slots/{slot}", READ,
        "Show what is live in a slot, who approved it, on which evidence, and what a roll-back goes to.",
        get_slot, Slot, _SLOT, query=At, is_steady=True, by=("live.get_live",),
    ),
    Operation(
        "get_slot_today", "slots", "GET", "/slots/{slot}/today", READ,
        "Show what today's rules ask of what is live in a slot, and of the way back, beyond what there is.",
        get_slot_today, SlotToday, _TODAY, by=("live_today.get_today",),
    ),
    Operation(
        "list_slot_history", "slots", "GET", "/slots/{slot}/history", READ, "List every placement of a slot, newest first.",
        list_slot_history, Placement, PLACEMENT, is_paged=True, by=("live.page_history",),
    ),
    Operation(
        "predict", "slots", "POST", "/slots/{slot}/predict", PREDICT, "Answer rows with the version that is live; the answer is recorded.",
        predict_rows, Prediction,
        {"prediction": "prediction-0mjq1k2v3-7f3a", "slot": "credit/eu", "model": "credit", "version": 3, "rows": [{"score": 0.12}]},
        body=Rows, sent={"rows": [{"income": 41_000, "age": 37}]}, refuses=True, statuses=(429,),
        by=("predict.get_target", "predict.predict"),
        more="The headers `x-incumbent-prediction` and `x-incumbent-version` name the answer and who gave it.",
    ),
    Operation(
        "trace", "lineage", "GET", "/trace/{subject}", READ,
        "Show where a prediction, run, version or digest comes from, up to data and commit, and where it went.",
        get_trace, Lineage,
        {
            "subject": "version:credit@3",
            "nodes": {
                "version:credit@3": {"kind": "version", "name": "credit@3", "digest": DIGEST, "facts": {}},
                f"run:{RUN}": {"kind": "run", "name": RUN, "digest": None, "facts": {"experiment": "credit"}},
            },
            "origins": [{"source": "version:credit@3", "role": "registered from", "target": f"run:{RUN}"}],
            "uses": [],
        },
        by=("trace.trace",),
    ),
)  # fmt: skip
