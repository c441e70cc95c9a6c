"""The tests of a version: examined here, read, and what the ML Test Score makes of all that is on record."""

from typing import Annotated

import msgspec
from msgspec import Meta

from incumbent.base.errors import InvalidInput
from incumbent.gates.examined import Layer, TestOutcome
from incumbent.gates.policy import Scoring as ScoringValue
from incumbent.gates.test_score import VALID_DAYS, VALID_DAYS_MAX
from incumbent.server.api.cursor import cut_page
from incumbent.server.api.judging import TAKES_TIME, judging
from incumbent.server.api.operation import Call, In, Operation, Out, Page, read_number
from incumbent.server.api.shapes import AT, DIGEST, Document, Name
from incumbent.server.messages import Server
from incumbent.usecases.examine import TESTS, examine, list_examinations
from incumbent.usecases.examine_score import get_test_score
from incumbent.usecases.rights import READ

RUNS_CODE = frozenset(name for name, test in TESTS.items() if test.is_named_only)
"""What runs the code of the version's recipe again: whoever may ask a server is not whoever may run code on it."""


class ScoredBy(In):
    """How answers are scored."""

    label: Annotated[Name, Meta(description="The column with the truth.")]
    output: Annotated[Name, Meta(description="The column of the answers.")]


class NewExamination(In):
    """Which tests, for which slot, on which rows; what is left out is as the policy in force names it."""

    tests: Annotated[
        Annotated[list[Name], Meta(min_length=1, max_length=len(TESTS))] | None,
        Meta(description=f"All of them, if left out: {', '.join(name for name in TESTS if name not in RUNS_CODE)}."),
    ] = None
    slot: Annotated[Name | None, Meta(description="Examined for this slot; the drill of a roll-back needs one.")] = None
    holdout: Annotated[Name | None, Meta(description="Another holdout than the policy's.")] = None
    training: Annotated[Name | None, Meta(description="The run's output that holds the training rows.")] = None
    scoring: ScoredBy | None = None
    groups: Annotated[list[Name], Meta(max_length=50, description="Columns of the holdout with groups to compare.")] = msgspec.field(
        default_factory=list
    )


class Tested(Out):
    """What one test found."""

    test: str
    layer: Layer
    outcome: TestOutcome
    reason: str
    facts: Document


class Examination(Out):
    """What tests found on a version."""

    examination: str
    version: Annotated[str, Meta(description="MODEL@VERSION.")]
    entry: int
    bundle: Annotated[str, Meta(description="Digest of what was examined.")]
    results: list[Tested]
    at: str
    actor: str


class Point(Out):
    """One of the 28 tests of the score."""

    point: str
    text: str
    score: Annotated[float, Meta(description="1 by a machine, 0.5 by hand, 0 without evidence.")]
    entries: Annotated[list[int], Meta(description="The ledger entries that it was earned by.")]
    reason: Annotated[str, Meta(description="What was found, or what is missing.")]


class Score(Out):
    """The ML Test Score of Breck et al. (2017)."""

    final: Annotated[float, Meta(description="The least of the four sections, 0 to 7.")]
    band: Annotated[str, Meta(description="What the paper calls such a score.")]
    sections: dict[Layer, float]
    points: list[Point]


class Valid(In):
    """For how long evidence counts."""

    valid_days: Annotated[int, Meta(ge=1, le=VALID_DAYS_MAX, description="Older evidence has expired.")] = VALID_DAYS


def examine_version(server: Server, call: Call) -> object:
    """Run tests on a version."""
    asked: NewExamination = call.body
    here = [name for name in asked.tests or () if name in RUNS_CODE]
    version = read_number(call, "version")
    if here:
        raise InvalidInput(
            f"{here[0]} runs the code of the version's recipe again, which a server does for nobody: `incumbent testscore run "
            f"{call.path['model']}@{version} --test {here[0]}` where that code may run"
        )
    with judging(server.ws) as host:
        made = examine(
            server.ws, host, model=call.path["model"], version=version, tests=asked.tests, slot=asked.slot, holdout=asked.holdout,
            scoring=ScoringValue(asked.scoring.label, asked.scoring.output) if asked.scoring else None, training=asked.training,
            groups=asked.groups,
        )  # fmt: skip
    return made.to_json()


def list_version_examinations(server: Server, call: Call) -> Page:
    """List what tests found on a version, oldest first."""
    found = list_examinations(server.ws, model=call.path["model"], version=read_number(call, "version"))
    return cut_page(found, place=lambda one: (one.seq,), show=lambda one: one.to_json(), call=call)


def show_test_score(server: Server, call: Call) -> object:
    """Show the score of a version."""
    asked: Valid = call.query
    return get_test_score(server.ws, model=call.path["model"], version=read_number(call, "version"), valid_days=asked.valid_days).to_json()


_EXAMINATION: Document = {
    "examination": "examination-0mjq1k2v3-7f3a", "version": "credit@3", "entry": 37, "bundle": DIGEST,
    "results": [
        {
            "test": "serves", "layer": "infrastructure", "outcome": "passed",
            "reason": "it loads in its own process and answers its example twice the same, as its signature says",
            "facts": {"answer": {"score": 0.12}},
        }
    ],
    "at": AT, "actor": "rita",
}  # fmt: skip
_SCORE: Document = {
    "final": 0.0, "band": "more of a research project than a productionized system",
    "sections": {"data": 1.0, "model": 1.0, "infrastructure": 2.0, "monitoring": 0.0},
    "points": [
        {"point": "data-1", "text": "feature expectations are captured in a schema", "score": 1.0, "entries": [37],
         "reason": "schema passed"}
    ],
}  # fmt: skip

OPERATIONS = (
    Operation(
        "examine", "models", "POST", "/models/{model}/versions/{version}/examinations", "evaluate",
        "Run tests on a version, and record what they found, whatever it is.",
        examine_version, Examination, _EXAMINATION, body=NewExamination, sent={"tests": ["serves"]}, status=201, refuses=True,
        by=("examine.examine",),
        more=f"{' and '.join(sorted(RUNS_CODE))} runs the recipe's code, and is not run for a request. {TAKES_TIME}",
    ),
    Operation(
        "list_examinations", "models", "GET", "/models/{model}/versions/{version}/examinations", READ,
        "List what tests found on a version, oldest first.",
        list_version_examinations, Examination, _EXAMINATION, is_paged=True, by=("examine.list_examinations",),
    ),
    Operation(
        "get_test_score", "models", "GET", "/models/{model}/versions/{version}/test-score", READ,
        "Show the ML Test Score of a version: each of the 28 points with its ledger entries, or what is missing.",
        show_test_score, Score, _SCORE, query=Valid, by=("examine_score.get_test_score",),
    ),
)  # fmt: skip
