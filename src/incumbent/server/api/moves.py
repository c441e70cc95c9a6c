"""Bringing a version to its place: register, propose, evaluate, promote, roll back, archive; and what is said on the way."""

from collections.abc import Callable
from typing import Annotated, Any, Literal

from msgspec import Meta

from incumbent.base.errors import InvalidInput
from incumbent.server.api.judging import TAKES_TIME, judging
from incumbent.server.api.models import EVIDENCE, VERSION, Evidence, Version, VersionNote, describe_version
from incumbent.server.api.operation import Call, In, Operation, Out, read_number
from incumbent.server.api.shapes import AT, DIGEST, PLACEMENT, RUN, Document, Name, Number, Placed, Reason
from incumbent.server.api.signing import PREPARES, Envelope, Salt, Statement, do_signed, example, show_statement, tell_signing
from incumbent.server.messages import Server
from incumbent.usecases.annotate import add_note, set_tag
from incumbent.usecases.archive import archive
from incumbent.usecases.evaluate import evaluate
from incumbent.usecases.live import describe_placement
from incumbent.usecases.model_aliases import acts_of_move
from incumbent.usecases.promote import check_promotion, promote
from incumbent.usecases.propose import propose
from incumbent.usecases.register import register
from incumbent.usecases.rights import GOVERN, READ
from incumbent.usecases.roll_back import RollBack as RollBackValue
from incumbent.usecases.roll_back import roll_back
from incumbent.usecases.workspace import Workspace


class NewVersion(In):
    """An output of a finished run, to become a version."""

    run: Annotated[str, Meta(min_length=1, max_length=250, description="Its id, or a prefix of it.")]
    artifact: Annotated[str, Meta(min_length=1, max_length=250, description="Name of the output.")] = "model"
    slot: Annotated[Name | None, Meta(description="Where it asks for a place.")] = None
    serving: Annotated[Document | None, Meta(description="How it is to be served, pinned with the version.")] = None


class Candidate(In):
    """A version that asks for a slot."""

    model: Name
    version: Number


class Move(Candidate):
    """A candidate, and why it should be live."""

    reason: Reason


class Promoted(Out):
    """What is live now, and what its promotion rests on."""

    slot: str
    model: str
    version: int
    superseded: Annotated[str | None, Meta(description="What was live before, MODEL@VERSION.")]
    entry: int
    rests_on: Annotated[dict[str, str], Meta(description="Digests and entries: bundle, policy, tier, evidence, sign-offs.")]


class Readiness(Out):
    """Whether a candidate may be promoted now, and what stands in the way."""

    is_ready: bool
    problems: list[str]
    quorum: Annotated[Document | None, Meta(description="Sign-offs that are needed, given, missing, void.")]
    rests_on: dict[str, str]


class BackTo(In):
    """A version to go back to."""

    model: Name
    version: Number


class RollBack(In):
    """Why, and where to."""

    reason: Reason
    to: Annotated[BackTo | None, Meta(description="The one that the slot's `roll_back_to` names, if it is left out.")] = None
    break_glass: Annotated[bool, Meta(description="Without the approvals that the tier asks for; it is signed, and opens a finding.")] = (
        False
    )


class SignedRollBack(RollBack):
    """Why, where to, and for a break-glass the envelope."""

    envelope: Envelope | None = None
    salt: Salt = ""


class RolledBack(Out):
    """What is live now."""

    slot: str
    model: str
    version: int
    left: Annotated[str | None, Meta(description="What was live before, MODEL@VERSION.")]
    finding: Annotated[str | None, Meta(description="The finding that a break-glass opened.")]
    entry: int


class NewVersionNote(In):
    """Words about a version."""

    text: Annotated[str, Meta(min_length=1, max_length=16_000)]


class NewTag(In):
    """A tag; the newest value of a name holds."""

    name: Name
    value: Annotated[str, Meta(max_length=8_000)]


class Tag(Out):
    """A tag of a version."""

    version: str
    name: str
    value: str


def register_version(server: Server, call: Call) -> object:
    """Register an output of a run."""
    asked: NewVersion = call.body
    call.check_scope(*(() if asked.slot is None else ("propose",)))
    made = register(
        server.ws, model=call.path["model"], run=asked.run, artifact=asked.artifact, slot=asked.slot, serving=asked.serving
    )  # fmt: skip
    return describe_version(made)


def propose_version(server: Server, call: Call) -> object:
    """Make a version a candidate."""
    asked: Candidate = call.body
    placed = propose(server.ws, model=asked.model, version=asked.version, slot=call.path["slot"])
    return {"slot": placed.slot, **describe_placement(placed)}


def evaluate_version(server: Server, call: Call) -> object:
    """Judge a candidate, in processes of its own."""
    asked: Candidate = call.body
    with judging(server.ws) as host:
        return evaluate(server.ws, host, model=asked.model, version=asked.version, slot=call.path["slot"]).to_json()


class Asked(In):
    """Which candidate."""

    model: Name
    version: Number


def check_readiness(server: Server, call: Call) -> object:
    """Say what stands in the way of a promotion."""
    asked: Asked = call.query
    found = check_promotion(server.ws, model=asked.model, version=asked.version, slot=call.path["slot"])
    quorum = found.quorum.to_json() if found.quorum else None
    return {"is_ready": not found.problems, "problems": [*found.problems], "quorum": quorum, "rests_on": found.refs()}


def promote_version(server: Server, call: Call) -> object:
    """Put a candidate into Production."""
    asked: Move = call.body
    done = promote(server.ws, model=asked.model, version=asked.version, slot=call.path["slot"], reason=asked.reason)
    before = f"{done.superseded.model}@{done.superseded.version}" if done.superseded else None
    return {
        "slot": done.placement.slot, "model": asked.model, "version": asked.version, "superseded": before, "entry": done.placement.seq,
        "rests_on": done.readiness.refs(),
    }  # fmt: skip


def _roll_back(call: Call) -> Callable[[Workspace], RollBackValue]:
    asked: RollBack = call.body
    to = None if asked.to is None else (asked.to.model, asked.to.version)
    return lambda ws: roll_back(ws, slot=call.path["slot"], reason=asked.reason, to=to, break_glass=asked.break_glass)


def prepare_break_glass(server: Server, call: Call) -> object:
    """Say what is to be signed for a break-glass."""
    asked: RollBack = call.body
    if not asked.break_glass:
        raise InvalidInput("a roll-back is not signed; only one with break_glass is")
    return show_statement(server, _roll_back(call))


def roll_back_slot(server: Server, call: Call) -> object:
    """Put the version before back."""
    asked: SignedRollBack = call.body
    if asked.envelope is not None and not asked.break_glass:
        raise InvalidInput("a roll-back is not signed; an envelope goes with break_glass alone")
    call.check_scope(*(("break-glass",) if asked.break_glass else ()))
    done = do_signed(server, asked.envelope, asked.salt, _roll_back(call))
    left = f"{done.left.model}@{done.left.version}" if done.left else None
    return {
        "slot": done.placement.slot, "model": done.version.model, "version": done.version.version, "left": left,
        "finding": done.finding or None, "entry": done.placement.seq,
    }  # fmt: skip


def archive_version(server: Server, call: Call) -> object:
    """Reject a candidate, or retire what is live."""
    asked: Move = call.body
    slot = call.path["slot"]
    call.check_scope(*acts_of_move(server.ws, model=asked.model, version=asked.version, slot=slot, to="Archived"))
    placed = archive(server.ws, model=asked.model, version=asked.version, slot=slot, reason=asked.reason)
    return {"slot": placed.slot, **describe_placement(placed)}


def note_version(server: Server, call: Call) -> object:
    """Add words to a version."""
    asked: NewVersionNote = call.body
    note = add_note(server.ws, model=call.path["model"], version=read_number(call, "version"), text=asked.text)
    return {"actor": note.actor, "at": note.at.isoformat(), "text": note.text, "entry": note.entry}


def tag_version(server: Server, call: Call) -> object:
    """Tag a version."""
    asked: NewTag = call.body
    version = read_number(call, "version")
    set_tag(server.ws, model=call.path["model"], version=version, name=asked.name, value=asked.value)
    return {"version": f"{call.path['model']}@{version}", "name": asked.name, "value": asked.value}


_CANDIDATE: Document = {"model": "credit", "version": 3}
_MOVE: Document = {**_CANDIDATE, "reason": "better on every group"}
_RESTS_ON: Document = {"bundle": DIGEST, "policy": DIGEST, "tier": DIGEST, "tier-name": "tier 2", "evidence": DIGEST, "sign-off-1": "39"}


def _placed(status: Literal["Staging", "Archived"]) -> dict[str, Any]:
    return {**PLACEMENT, "status": status, "slot": "credit/eu"}


OPERATIONS = (
    Operation(
        "register", "models", "POST", "/models/{model}/versions", "register",
        "Register an output of a finished run as the next version of a model.",
        register_version, Version, VERSION, body=NewVersion, sent={"run": RUN, "artifact": "model", "slot": "credit/eu"}, status=201,
        refuses=True, by=("register.register",),
    ),
    Operation(
        "note_version", "models", "POST", "/models/{model}/versions/{version}/notes", "note", "Add a note to a version.",
        note_version, VersionNote, {"actor": "ann", "at": AT, "text": "retrained on November", "entry": 36},
        body=NewVersionNote, sent={"text": "retrained on November"}, status=201, refuses=True, by=("annotate.add_note",),
    ),
    Operation(
        "tag_version", "models", "POST", "/models/{model}/versions/{version}/tags", "tag", "Tag a version; old values stay in the ledger.",
        tag_version, Tag, {"version": "credit@3", "name": "team", "value": "risk"}, body=NewTag, sent={"name": "team", "value": "risk"},
        status=201, refuses=True, by=("annotate.set_tag",),
    ),
    Operation(
        "propose", "slots", "POST", "/slots/{slot}/proposals", "propose", "Make a version a candidate in a slot: None to Staging.",
        propose_version, Placed, _placed("Staging"), body=Candidate, sent=_CANDIDATE, status=201, refuses=True, by=("propose.propose",),
    ),
    Operation(
        "evaluate", "slots", "POST", "/slots/{slot}/evaluations", "evaluate",
        "Judge a candidate by its gate policy, against what is live, and record the evidence, whatever it says.",
        evaluate_version, Evidence, EVIDENCE, body=Candidate, sent=_CANDIDATE, status=201, refuses=True, by=("evaluate.evaluate",),
        more=TAKES_TIME,
    ),
    Operation(
        "check_promotion", "slots", "GET", "/slots/{slot}/readiness", READ, "Say whether a candidate may be promoted, and what is missing.",
        check_readiness, Readiness, {"is_ready": False, "problems": ["1 approver is missing"], "quorum": None, "rests_on": _RESTS_ON},
        query=Asked, refuses=True, by=("promote.check_promotion",),
    ),
    Operation(
        "promote", "slots", "POST", "/slots/{slot}/promotions", "promote",
        "Put a candidate into Production of its slot, if its gate passed, its quorum signed, and nothing blocks it.",
        promote_version, Promoted,
        {"slot": "credit/eu", **_CANDIDATE, "superseded": "credit@2", "entry": 41, "rests_on": _RESTS_ON},
        body=Move, sent=_MOVE, status=201, refuses=True, may_conflict=True, by=("promote.promote",),
    ),
    Operation(
        "roll_back", "slots", "POST", "/slots/{slot}/roll-backs", "roll-back",
        "Point a slot at the version before, whose bytes are verified first.",
        roll_back_slot, RolledBack,
        {"slot": "credit/eu", "model": "credit", "version": 2, "left": "credit@3", "finding": None, "entry": 44},
        body=SignedRollBack, sent={"reason": "error rate doubled since noon"}, status=201, refuses=True, may_conflict=True,
        by=("roll_back.roll_back",), more="With `break_glass` it is signed. " + tell_signing("/slots/{slot}/roll-backs"),
    ),
    Operation(
        "prepare_break_glass", "slots", "POST", "/slots/{slot}/roll-backs/statement", "break-glass",
        "Say what is to be signed for a roll-back with break_glass.",
        prepare_break_glass, Statement,
        example(
            "break-glass", "I put an approved version back at once, without the sign-offs, and answer for it", "olga",
            "placement credit/eu credit@2", reason="error rate doubled since noon", bundle=DIGEST,
        ),
        body=RollBack, sent={"reason": "error rate doubled since noon", "break_glass": True}, refuses=True, may_conflict=True,
        by=("roll_back.roll_back",), more=PREPARES,
    ),
    Operation(
        "archive", "slots", "POST", "/slots/{slot}/archivals", GOVERN, "Reject a candidate, or retire what is live. Nothing is deleted.",
        archive_version, Placed, _placed("Archived"), body=Move, sent={**_CANDIDATE, "reason": "it was never used"}, status=201,
        refuses=True, by=("archive.archive", "model_aliases.acts_of_move"),
    ),
)  # fmt: skip
