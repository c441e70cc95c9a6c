"""`incumbent trace`: lineage of a prediction, run, version or digest, up to data and commit, down to what came of it."""

import argparse
from collections.abc import Iterator

from incumbent.base.documents import Json
from incumbent.cli.command import print_json
from incumbent.cli.here import open_here
from incumbent.cli.terminal import say
from incumbent.registry.lineage import Lineage, Node
from incumbent.usecases.trace import trace

EXAMPLES = """
examples:
  incumbent trace prediction-…                 which version, run, code, data and commit gave this answer
  incumbent trace flights-late@1
  incumbent trace blake3:…                     what made it, and what was made of it: stages, versions, slots
"""
_DIGEST_SHOWN = 19


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("subject", metavar="PREDICTION|RUN|MODEL@VERSION|DIGEST")
    parser.add_argument("--full", action="store_true", help="whole digests, and every symbol of the code")
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout, nothing else")


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    lineage = trace(open_here(), arguments.subject)
    if arguments.json:
        print_json(lineage.to_json())
    else:
        say("\n".join(render_lineage(lineage, is_full=arguments.full)))
    return 0


def render_lineage(lineage: Lineage, *, is_full: bool = False) -> Iterator[str]:
    """Yield a lineage as the lines of a tree."""
    for step in lineage.tell(lineage.origins):
        head = f"{'  ' * step.depth}{_name(step.role, step.node)}"
        if step.is_repeat:
            yield f"{head} (above)"
            continue
        yield f"{head}{_show_digest(step.node, is_full=is_full)}{_show_facts(step.node)}"
        if is_full and step.node.kind == "code":
            yield from (f"{'  ' * (step.depth + 1)}{symbol}" for symbol in _texts(step.node.facts.get("symbols")))
    uses = list(lineage.tell(lineage.uses))[1:]
    if uses:
        yield "what came of it"
        for step in uses:
            shown = " (above)" if step.is_repeat else _show_digest(step.node, is_full=is_full)
            yield f"{'  ' * step.depth}{_name(step.role, step.node)}{shown}"


def _name(role: str, node: Node) -> str:
    """Return role, kind and name, the kind once: "by code", not "by code code"."""
    kind = "" if role.endswith(node.kind) else f"{node.kind} "
    return f"{role} {kind}{node.name}" if role else f"{kind}{node.name}"


def _show_digest(node: Node, *, is_full: bool) -> str:
    if node.digest is None:
        return ""
    return f"  {node.digest}" if is_full or node.kind == "data" else f"  {node.digest[:_DIGEST_SHOWN]}…"


def _show_facts(node: Node) -> str:
    facts = node.facts
    parts: list[str] = []
    match node.kind:
        case "prediction":
            parts = [f"at {facts['at']}"]
        case "slot" if "since" in facts:
            parts = [f"live since {facts['since']}, placed by {facts['placed_by']}: {facts['reason']}"]
        case "stage":
            config = facts.get("config")
            parts = [f"{facts.get('state')}"] + ([f"config {config}"] if config else [])
        case "code":
            parts = [f"{len(_texts(facts.get('symbols')))} symbols"]
        case "commit":
            parts = ["the working tree differed from it"] if facts.get("is_dirty") else []
        case "run":
            parts = [f"seed {facts['seed']}", f"started {facts['started_at']}"]
        case "version":
            parts = [f"registered by {facts['registered_by']}"] if "registered_by" in facts else []
        case _:
            pass
    return f"  ({'; '.join(parts)})" if parts else ""


def _texts(value: Json) -> list[str]:
    return [str(item) for item in value] if isinstance(value, list) else []
