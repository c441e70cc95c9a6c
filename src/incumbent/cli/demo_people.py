"""The guarded part of the demo: six people, a policy, challengers that may not pass and one that may, a roll-back, and the ledger."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from incumbent.base.errors import Corrupt, IncumbentError, Refused
from incumbent.bootstrap.models import open_model_host
from incumbent.cli.evaluate import render_evidence
from incumbent.cli.promote import render_basis
from incumbent.cli.terminal import say
from incumbent.gates.verdict import Outcome
from incumbent.registry.model import ModelVersion
from incumbent.usecases.evaluate import evaluate
from incumbent.usecases.holdouts import register_holdout
from incumbent.usecases.people import add_person
from incumbent.usecases.person_keys import bind_key, new_key
from incumbent.usecases.policies import set_policy
from incumbent.usecases.promote import promote
from incumbent.usecases.register import register
from incumbent.usecases.roll_back import roll_back
from incumbent.usecases.run_pipeline import RunResult
from incumbent.usecases.sign_off import sign_off
from incumbent.usecases.tiers import assess_tier
from incumbent.usecases.workspace import Workspace

POLICY = Path("gates") / "flights-late.toml"
GIT_NAME = "demo@example.invalid"
PEOPLE = (
    ("ada", "Ada Roth", ("admin",), ()),
    ("ann", "Ann Lee", ("developer", "approver"), (GIT_NAME,)),
    ("rita", "Rita Moss", ("validator",), ()),
    ("vera", "Vera Ito", ("validator",), ()),
    ("omar", "Omar Diaz", ("approver",), ()),
    ("olga", "Olga Berg", ("operator",), ()),
)
"""(id, printed name, roles, other names).

Ada hands out the identities, and has no part in the model. Ann writes the code. Rita sets the thresholds, so she may not validate by them.
"""


@dataclass(frozen=True, slots=True)
class Office:
    """The workspace as each of the demo's people opens it.

    Attributes:
        runner: The account that runs the demo, which is Ann's, whatever its name: hers is what the pipeline made before.
    """

    ws: Workspace
    model: str
    slot: str
    runner: str

    def as_(self, person: str) -> Workspace:
        """Return the workspace as a person opens it."""
        return self.ws.named(person)

    def open(self, folder: Path, run: RunResult) -> None:
        """Make everybody known, freeze the holdout, assess the tier, and put the policy in force."""
        for person, name, roles, aliases in PEOPLE:
            also = (*aliases, *({self.runner} - {"", *(known for known, *_ in PEOPLE)})) if person == "ann" else aliases
            added = add_person(self.as_("ada"), person=person, name=name, roles=roles, aliases=also)
            made = new_key(self.as_(person), person=person)  # on their own machine, in real life
            key = made.bound or bind_key(self.as_("ada"), key=person)
            say(f"  {person:<5} {name:<10} {', '.join(sorted(added.roles)):<28} signs with {key.key_id}")
        tier = assess_tier(
            self.as_("omar"), model=self.model, exposure="medium", purpose="medium", inherent="high", reason="passengers rebook by it"
        )
        say(f"  omar puts {self.model} into risk tier {tier.tier}: it takes a validator and an approver, neither of them an author")
        holdout = register_holdout(self.as_("rita"), name="march", run=run.run_id, artifact="holdout")
        say(f"  rita freezes holdout {holdout.name}: {holdout.rows:,} flights, {holdout.artifact.digest}")
        policy = set_policy(self.as_("rita"), target=self.model, text=(folder / POLICY).read_text(encoding="utf-8"))
        say(f"  rita puts {POLICY} in force: ledger entry {policy.seq}, before anything is judged by it")

    def register(self, run: RunResult) -> ModelVersion:
        """Register a run's bundle as Ann's next candidate."""
        version = register(self.as_("ann"), model=self.model, run=run.run_id, artifact="bundle", slot=self.slot)
        say(f"  ann registers {version.model}@{version.version}: bundle {version.bundle.digest}")
        return version

    def judge(self, version: ModelVersion, expected: Outcome) -> None:
        """Have Rita evaluate a candidate, and hold the story to what it says."""
        host = open_model_host(self.ws)
        try:
            found = evaluate(self.as_("rita"), host, model=self.model, version=version.version, slot=self.slot)
        finally:
            host.close()
        say("\n".join(f"  {line}" for line in render_evidence(found)))
        if found.verdict.outcome != expected:
            raise Corrupt(f"expected the gate to say {expected}, and it said {found.verdict.outcome}: please report this")

    def sign(self, person: str, version: ModelVersion) -> None:
        """Have a person sign for a candidate."""
        capacity = "validator" if person == "vera" else "approver"
        done = sign_off(
            self.as_(person),
            model=self.model,
            version=version.version,
            slot=self.slot,
            capacity=capacity,  # type: ignore[arg-type]  # a str from a table of seats
        )
        say(f"  {person} signs as {capacity}: {done.sign_off.meaning} {version.model}@{version.version}, ledger entry {done.entry}")

    def promote(self, version: ModelVersion, reason: str) -> None:
        """Have Olga promote a candidate."""
        done = promote(self.as_("olga"), model=self.model, version=version.version, slot=self.slot, reason=reason)
        before = f"; {done.superseded.model}@{done.superseded.version} is archived" if done.superseded else ""
        say(f"  olga promotes {version.model}@{version.version}: it is live in slot {self.slot}{before}")
        say("\n".join(f"    {line}" for line in render_basis(done)))

    def roll_back(self, reason: str) -> ModelVersion:
        """Have Olga go back to the version before."""
        say(f"  $ INCUMBENT_ACTOR=olga incumbent roll-back {self.slot} --reason {reason!r}")
        done = roll_back(self.as_("olga"), slot=self.slot, reason=reason)
        say(f"  {done.version.model}@{done.version.version} is live again, its bytes verified: {done.version.bundle.digest}")
        return done.version

    def refuse(self, what: Callable[[], object], words: str) -> None:
        """Show that something is refused, and hold the story to the reason."""
        try:
            what()
        except Refused as error:
            told = str(error).splitlines()
            say("\n".join(f"  refused: {line}" if not place else f"    {line.strip()}" for place, line in enumerate(told)))
            if words not in str(error):
                raise Corrupt(f"expected a refusal about {words!r}: please report this") from error
            return
        except IncumbentError as error:
            raise Corrupt(f"expected a refusal about {words!r}, and got: {error}; please report this") from error
        raise Corrupt(f"expected a refusal about {words!r}, and it was done: please report this")
