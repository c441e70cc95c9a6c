"""What versions are judged by: policies, tiers, schemas, holdouts."""

from typing import Annotated, Literal

from msgspec import Meta

from incumbent.base.documents import Document as Json
from incumbent.governance.assessment import Level
from incumbent.governance.tier import DEFAULT_TIERS
from incumbent.server.api.cursor import cut_page, end_page, read_place
from incumbent.server.api.operation import Call, In, Operation, Out, Page, read_number
from incumbent.server.api.shapes import ARTIFACT, AT, DIGEST, RUN, Artifact, Document, Name, Reason, Time
from incumbent.server.messages import Server
from incumbent.usecases.holdouts import Holdout as HoldoutValue
from incumbent.usecases.holdouts import list_holdouts, register_holdout
from incumbent.usecases.policies import SetPolicy, get_policy, list_policies, set_policy
from incumbent.usecases.readiness import PolicyInForce
from incumbent.usecases.rights import READ
from incumbent.usecases.schemas import Form, get_schema, infer_schema, list_schemas, set_schema
from incumbent.usecases.tiers import assess_tier, get_tiers, list_assessments, list_tiers, set_tiers

_TEXT_MAX = 1 << 20


class Policy(Out):
    """A gate policy, and since which entry it holds."""

    target: Annotated[str, Meta(description="A model, or `tier N`.")]
    entry: Annotated[int | None, Meta(description="null: the built-in one.")]
    digest: str
    policy: Document


class NewPolicy(In):
    """A policy in TOML, as `incumbent policies set` takes it."""

    text: Annotated[str, Meta(min_length=1, max_length=_TEXT_MAX)]
    reason: Annotated[str, Meta(max_length=280)] = ""


class InSlot(In):
    """In which slot."""

    slot: Annotated[Name | None, Meta(description="Where what was live there has a say.")] = None


class TierPolicy(Out):
    """What each tier asks for."""

    unassessed: Annotated[int, Meta(description="The tier of a model that nobody assessed.")]
    tiers: list[Document]


class ModelTier(Out):
    """The tier of a model."""

    model: str
    tier: int
    words: str


class NewAssessment(In):
    """What puts a model into a tier."""

    exposure: Level
    purpose: Level
    inherent: Level
    reason: Reason
    tier: Annotated[Literal[1, 2, 3, 4] | None, Meta(description="Another tier than the tables give.")] = None


class Assessment(Out):
    """What put a model into its tier."""

    model: str
    tier: int
    exposure: Level
    purpose: Level
    inherent: Level
    reason: str
    assessed_by: str
    at: str
    is_override: bool


class PastAssessment(Assessment):
    """An assessment on record."""

    entry: int


class Schema(Out):
    """What the rows of a model have to be."""

    model: str
    schema: Document
    digest: str
    entry: int
    at: Time
    actor: str


class Drafted(In):
    """How a draft is spelt, and of which rows."""

    form: Form = "yaml"
    training: Annotated[Name | None, Meta(description="The run's output that holds the training rows.")] = None


class SchemaDraft(Out):
    """What training rows imply, as text to edit."""

    form: Form
    text: str


class Holdout(Out):
    """Frozen evaluation data."""

    name: str
    rows: int
    looks: Annotated[int, Meta(description="How often it was looked at, and what shares its rows.")]
    shares: Annotated[list[str], Meta(description="Holdouts that share rows with it.")]
    unread: Annotated[list[str], Meta(description="Holdouts that it could not be compared with.")]
    columns: list[str]
    artifact: Artifact
    run: str
    registered_at: Time
    actor: str


class NewHoldout(In):
    """A table that a run gave."""

    name: Name
    run: Annotated[str, Meta(min_length=1, max_length=250)]
    artifact: Name


def _show_policy(one: SetPolicy | PolicyInForce) -> Json:
    return {"target": one.target, "entry": one.seq, "digest": one.digest, "policy": one.policy.to_json()}


def list_all_policies(server: Server, call: Call) -> Page:
    """List the policies that were set."""
    return cut_page(list_policies(server.ws), place=lambda one: (one.target,), show=_show_policy, call=call)


def get_model_policy(server: Server, call: Call) -> object:
    """Show the policy that a model's versions are judged by."""
    asked: InSlot = call.query
    return _show_policy(get_policy(server.ws, model=call.path["model"], slot=asked.slot))


def set_target_policy(server: Server, call: Call) -> object:
    """Set a policy."""
    asked: NewPolicy = call.body
    return _show_policy(set_policy(server.ws, target=call.path["target"], text=asked.text, reason=asked.reason))


def get_tier_policy(server: Server, _call: Call) -> object:
    """Show what each tier asks for."""
    return get_tiers(server.ws).to_json()


def set_tier_policy(server: Server, call: Call) -> object:
    """Set what each tier asks for."""
    asked: NewPolicy = call.body
    return set_tiers(server.ws, text=asked.text, reason=asked.reason).to_json()


def list_model_tiers(server: Server, call: Call) -> Page:
    """List the tiers of models."""
    [after] = read_place(call, str) or ("",)
    return end_page(
        list(list_tiers(server.ws, after=after, limit=call.limit + 1).items()), place=lambda one: (one[0],), call=call,
        show=lambda one: {"model": one[0], "tier": one[1].number, "words": one[1].words},
    )  # fmt: skip


def assess_model(server: Server, call: Call) -> object:
    """Put a model into a tier."""
    asked: NewAssessment = call.body
    made = assess_tier(
        server.ws, model=call.path["model"], exposure=asked.exposure, purpose=asked.purpose, inherent=asked.inherent,
        reason=asked.reason, tier=asked.tier,
    )  # fmt: skip
    return made.to_json()


def list_model_assessments(server: Server, call: Call) -> Page:
    """List the assessments of a model, oldest first."""
    found = list_assessments(server.ws, call.path["model"])
    return cut_page(found, place=lambda one: (int(str(one["entry"])),), show=lambda one: one, call=call)


def list_all_schemas(server: Server, call: Call) -> Page:
    """List the schemas in force."""
    return cut_page(list_schemas(server.ws), place=lambda one: (one.model,), show=lambda one: one.to_json(), call=call)


def get_model_schema(server: Server, call: Call) -> object:
    """Show the schema of a model."""
    return get_schema(server.ws, model=call.path["model"]).to_json()


def infer_model_schema(server: Server, call: Call) -> object:
    """Draft a schema from training rows."""
    asked: Drafted = call.query
    version = read_number(call, "version")
    text = infer_schema(server.ws, model=call.path["model"], version=version, form=asked.form, training=asked.training)
    return {"form": asked.form, "text": text}


def set_model_schema(server: Server, call: Call) -> object:
    """Set the schema of a model."""
    asked: NewPolicy = call.body
    return set_schema(server.ws, model=call.path["model"], text=asked.text, reason=asked.reason).to_json()


def _show_holdout(one: HoldoutValue) -> Json:
    return {
        "name": one.name, "rows": one.rows, "looks": one.looks, "shares": [*one.shares], "unread": [*one.unread],
        "columns": [*one.columns], "artifact": one.artifact.to_json(), "run": one.run_id, "registered_at": one.registered_at.isoformat(),
        "actor": one.actor,
    }  # fmt: skip


def list_all_holdouts(server: Server, call: Call) -> Page:
    """List the holdouts."""
    return cut_page(list_holdouts(server.ws), place=lambda one: (one.name,), show=_show_holdout, call=call)


def add_holdout(server: Server, call: Call) -> object:
    """Freeze a table as a holdout."""
    asked: NewHoldout = call.body
    return _show_holdout(register_holdout(server.ws, name=asked.name, run=asked.run, artifact=asked.artifact))


_POLICY: Document = {"target": "credit", "entry": 9, "digest": DIGEST, "policy": {"primary": {"metric": "auc", "margin": 0.005}}}
_TIERS: Document = {"unassessed": 2, "tiers": [{"tier": 1, "validators": 1, "approvers": 2}]}
_ASSESSMENT: Document = {
    "model": "credit", "tier": 1, "exposure": "high", "purpose": "high", "inherent": "medium", "reason": "it decides on loans",
    "assessed_by": "omar", "at": "2026-11-25T09:30:00.000000Z", "is_override": False,
}  # fmt: skip
_SCHEMA: Document = {
    "model": "credit", "schema": {"columns": {"age": {"type": "Int64"}}}, "digest": DIGEST, "entry": 12, "at": AT, "actor": "ann",
}  # fmt: skip
_HOLDOUT: Document = {
    "name": "frozen", "rows": 12_000, "looks": 4, "shares": [], "unread": [], "columns": ["age", "income", "defaulted"],
    "artifact": {**ARTIFACT, "codec": "arrow", "name": "holdout.arrow"}, "run": RUN, "registered_at": AT, "actor": "rita",
}  # fmt: skip
_SENT_POLICY: Document = {
    "text": 'format = 1\n[primary]\nmetric = "auc"\nmargin = 0.005\nlabel = "defaulted"\noutput = "score"\n[holdout]\nname = "frozen"\n',
    "reason": "the margin that risk asked for",
}

OPERATIONS = (
    Operation(
        "list_policies", "policies", "GET", "/policies", READ, "List the gate policies that were set, by target.",
        list_all_policies, Policy, _POLICY, is_paged=True, by=("policies.list_policies",),
    ),
    Operation(
        "set_policy", "policies", "PUT", "/policies/{target}", "set-policy",
        "Set the gate policy of a model or tier from now on. Evidence that was judged by another one no longer counts.",
        set_target_policy, Policy, _POLICY, body=NewPolicy, sent=_SENT_POLICY, refuses=True, by=("policies.set_policy",),
    ),
    Operation(
        "get_policy", "policies", "GET", "/models/{model}/policy", READ, "Show the policy that a model's versions are judged by.",
        get_model_policy, Policy, _POLICY, query=InSlot, by=("policies.get_policy",),
    ),
    Operation(
        "get_tiers", "tiers", "GET", "/tiers", READ, "Show what each risk tier asks for.",
        get_tier_policy, TierPolicy, _TIERS, by=("tiers.get_tiers",),
    ),
    Operation(
        "set_tiers", "tiers", "PUT", "/tiers", "set-tiers", "Set what each risk tier asks for from now on, as TOML.",
        set_tier_policy, TierPolicy, _TIERS, body=NewPolicy, sent={"text": DEFAULT_TIERS, "reason": "as the board decided"},
        refuses=True, by=("tiers.set_tiers",),
    ),
    Operation(
        "list_model_tiers", "tiers", "GET", "/model-tiers", READ, "List the tiers of the models.",
        list_model_tiers, ModelTier, {"model": "credit", "tier": 1, "words": "1"}, is_paged=True, by=("tiers.list_tiers",),
    ),
    Operation(
        "assess_tier", "tiers", "POST", "/models/{model}/assessments", "assess-tier", "Put a model into a risk tier.",
        assess_model, Assessment, _ASSESSMENT, body=NewAssessment, status=201, refuses=True, by=("tiers.assess_tier",),
        sent={"exposure": "high", "purpose": "high", "inherent": "medium", "reason": "it decides on loans"},
    ),
    Operation(
        "list_assessments", "tiers", "GET", "/models/{model}/assessments", READ, "List the assessments of a model, oldest first.",
        list_model_assessments, PastAssessment, {**_ASSESSMENT, "entry": 8}, is_paged=True, by=("tiers.list_assessments",),
    ),
    Operation(
        "list_schemas", "schemas", "GET", "/schemas", READ, "List the schemas in force, by model.",
        list_all_schemas, Schema, _SCHEMA, is_paged=True, by=("schemas.list_schemas",),
    ),
    Operation(
        "get_schema", "schemas", "GET", "/models/{model}/schema", READ, "Show what the rows of a model have to be.",
        get_model_schema, Schema, _SCHEMA, by=("schemas.get_schema",),
    ),
    Operation(
        "infer_schema", "schemas", "GET", "/models/{model}/versions/{version}/inferred-schema", READ,
        "Draft a schema from a version's training rows, for a person to edit and set; nothing is recorded.",
        infer_model_schema, SchemaDraft, {"form": "yaml", "text": "columns:\n  age:\n    dtype: int64\n"}, query=Drafted,
        by=("schemas.infer_schema",),
        more="A range that was seen in a sample is no expectation: edit it before you set it. 503 where pandera is not installed.",
    ),
    Operation(
        "set_schema", "schemas", "PUT", "/models/{model}/schema", "set-schema", "Set what the rows of a model have to be, from now on.",
        set_model_schema, Schema, _SCHEMA, body=NewPolicy, sent={"text": "columns:\n  age: {dtype: int64}\n"}, refuses=True,
        by=("schemas.set_schema",),
    ),
    Operation(
        "list_holdouts", "holdouts", "GET", "/holdouts", READ, "List the holdouts, with how often each was looked at.",
        list_all_holdouts, Holdout, _HOLDOUT, is_paged=True, by=("holdouts.list_holdouts",),
    ),
    Operation(
        "register_holdout", "holdouts", "POST", "/holdouts", "register-holdout", "Freeze a table that a run gave as a holdout.",
        add_holdout, Holdout, _HOLDOUT, body=NewHoldout, sent={"name": "frozen", "run": RUN, "artifact": "holdout"}, status=201,
        refuses=True, by=("holdouts.register_holdout",),
    ),
)  # fmt: skip
