"""Models, the versions of one, and a version's card: evidence with intervals, sign-offs, test score."""

from itertools import groupby

from incumbent.base.errors import NotFound
from incumbent.gates.test_score import POINTS
from incumbent.server.messages import Request, Response, Server
from incumbent.server.pages.render import page, problems_as_pages
from incumbent.server.pages.words import show_value
from incumbent.tracking.compare import flatten
from incumbent.usecases.examine_score import get_test_score
from incumbent.usecases.findings import list_findings
from incumbent.usecases.list_versions import list_versions
from incumbent.usecases.version_card import get_version_card


@problems_as_pages
def show_models(server: Server, _request: Request) -> Response:
    """Show every model with its newest version and the slots that its versions are live in."""
    records = sorted(list_versions(server.ws), key=lambda record: (record.version.model, -record.version.version))
    models = []
    for name, found in groupby(records, key=lambda record: record.version.model):
        versions = list(found)
        live = [(record.version, placed) for record in versions for placed in record.placements if placed.status == "Production"]
        models.append((name, len(versions), versions[0].version, live))
    return page("models.html", "Models", room="/models", models=models)


@problems_as_pages
def show_model(server: Server, request: Request) -> Response:
    """Show the versions of a model, newest first."""
    name = request.path["model"]
    records = list_versions(server.ws, model=name)
    findings = list_findings(server.ws, subject=name, is_open=True)
    return page("model.html", f"Model {name}", room="/models", name=name, records=records, findings=findings)


@problems_as_pages
def show_version(server: Server, request: Request) -> Response:
    """Show what is on record about a version."""
    name, number = request.path["model"], request.path["number"]
    if not (number.isascii() and number.isdigit() and 0 < len(number) < 16):
        raise NotFound(f"{number[:40]!r} is no version: versions of {name[:80]!r} are numbered from 1")
    card = get_version_card(server.ws, model=name, version=int(number))
    score = get_test_score(server.ws, model=name, version=int(number))
    facts = [(key, show_value(value)) for key, value in flatten(card.record.version.facts)]
    return page(
        "version.html", f"{name}@{int(number)}", room="/models", card=card, version=card.record.version, facts=facts, score=score,
        points=POINTS, now=server.ws.clock.now(), evidence=card.evidence[::-1],
    )  # fmt: skip
