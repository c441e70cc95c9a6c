"""Whose work a version is: who wrote its commits, ran its runs, changed its data or its thresholds, and registered it.

A version's manifest names those who had a part in it since the version before it. For a sign-off the names are gathered back to
the last version that somebody else approved: what stood before that was challenged then.

Bytes carry their makers along. Whoever made the same bundle, in whatever model or run, is an author of it here; and so is whoever
first gave the data that its run used or gave, on the whole way back.
"""

from collections.abc import Sequence

from incumbent.base.digest import Digest
from incumbent.base.documents import Document, Json
from incumbent.base.errors import NotFound, Unavailable
from incumbent.governance.independence import WORKS, Authorship, Work
from incumbent.governance.sign_off import sign_off_from_json
from incumbent.registry.model import ModelVersion
from incumbent.tracking.run import Run
from incumbent.usecases.ports import Transaction
from incumbent.usecases.standing import find_actor
from incumbent.usecases.workspace import Workspace


def describe_authors(ws: Workspace, tx: Transaction, model: str, run: Run) -> tuple[list[Json], str | None]:
    """Return who had a part in what a run gave, for the manifest of the next version of a model, and the version it counts from."""
    before = tx.registry.find_newest(model)
    since = str(_find_manifest(tx, before).get("commit") or "") if before else ""
    found: list[Document] = [{"who": ws.actor, "what": "registration", "ref": ""}]
    if ws.account:
        found.append({"who": ws.account, "what": "account", "ref": ""})
    found += [work.to_json() for maker in _list_makers(tx, run) for work in _works_of(maker, "run")]
    try:
        commits = ws.code.list_authors(run.code.commit, since)
    except Unavailable:  # the repository is elsewhere: say so in the manifest, where a sign-off will find it
        found.append({"who": "unknown", "what": "commit", "ref": run.code.commit})
    else:
        newest: dict[str, str] = {}
        for commit, address in commits:
            newest.setdefault(address, commit)
        found += [{"who": address, "what": "commit", "ref": commit} for address, commit in newest.items()]
    return list[Json](found), f"{before.model}@{before.version}" if before else None


def list_authorships(tx: Transaction, version: ModelVersion, thresholds: Sequence[Authorship] = ()) -> list[Authorship]:
    """Return everybody who had a part in a version since its last approved ancestor.

    Args:
        tx: An open transaction.
        version: The version.
        thresholds: Who set the thresholds that it is judged by.
    """
    found = [*thresholds, *_list_schema_authors(tx, version.model)]
    for ancestor in sorted(tx.registry.list_versions(version.model), key=lambda known: known.version, reverse=True):
        if ancestor.version > version.version:
            continue
        if ancestor.version < version.version and _was_approved(tx, ancestor):
            break
        found += _list_whole(tx, ancestor)
    return list(dict.fromkeys(found))


def _list_schema_authors(tx: Transaction, model: str) -> list[Authorship]:
    """Return who set the schema that holds for a model: all who set these very rules, for setting them again takes nobody's part away."""
    history = tx.records.list_history("schema", model)
    same = [record for record in history if record.body.get("schema") == history[-1].body.get("schema")]
    return [Authorship(find_actor(tx, record.seq), "policy", f"schema of {model}") for record in same]


def list_all_authorships(tx: Transaction, model: str) -> list[Authorship]:
    """Return everybody who had a part in any version of a model."""
    found = [work for version in tx.registry.list_versions(model) for work in _list_whole(tx, version)]
    return list(dict.fromkeys(found))


def _list_whole(tx: Transaction, version: ModelVersion) -> list[Authorship]:
    """Return who had a part in a version: by its own manifest, through the bytes of its bundle, and through its data."""
    run = tx.runs.get(version.run_id)
    givers = tx.index.find_givers([version.bundle.digest]).get(version.bundle.digest, ())
    found = []
    for other in [version, *tx.registry.list_versions(run_ids=givers)]:
        if other.bundle.digest == version.bundle.digest:
            found += _own_authorships(tx, other)
    if givers:
        found += [work for maker in _list_makers(tx, tx.runs.get(givers[0])) for work in _works_of(maker, "run")]
    return found + [work for giver in _list_data_givers(tx, run) for work in _works_of(giver, "data")]


def _list_data_givers(tx: Transaction, run: Run) -> list[Run]:
    """Return the other runs that first gave what a run took or gave, and, run by run, what those took.

    Who gives the same bytes again later, as a reproduction does, made nothing new.
    """
    found: dict[str, Run] = {run.run_id: run}
    waiting = [run]
    while waiting:
        current = waiting.pop()
        digests = _list_digests(tx, current, is_whole=current is run)
        first = {runs[0] for runs in tx.index.find_givers(digests).values()}
        for run_id in sorted(first - found.keys()):
            found[run_id] = tx.runs.get(run_id)
            waiting.append(found[run_id])
    return [found[run_id] for run_id in sorted(found.keys() - {run.run_id})]


def _list_digests(tx: Transaction, run: Run, *, is_whole: bool) -> list[Digest]:
    """Return the digests that a run took, and with `is_whole` those that it gave."""
    rows = [row for row in tx.runs.list_artifacts(run.run_id) if is_whole or row.direction == "input"]
    digests = [row.artifact.digest for row in rows]
    for stage_run in tx.runs.list_stages(run.run_id):
        digests += [artifact.digest for artifact in stage_run.inputs.values()]
        digests += [artifact.digest for artifact in stage_run.outputs.values()] if is_whole else []
    return list(dict.fromkeys(digests))


def _own_authorships(tx: Transaction, version: ModelVersion) -> list[Authorship]:
    listed = _find_manifest(tx, version).get("authors")
    found = [Authorship(version.actor, "registration", f"{version.model}@{version.version}")]
    for author in listed if isinstance(listed, list) else []:
        match author:
            case {"who": str(who), "what": str(what), "ref": str(ref)} if what in WORKS:
                found.append(Authorship(who, what, ref or f"{version.model}@{version.version}"))
    if not isinstance(listed, list):  # from before manifests named them
        run = tx.runs.get(version.run_id)
        found += _works_of(run, "run")
    return found


def _was_approved(tx: Transaction, version: ModelVersion) -> bool:
    """Say whether a version went live anywhere on the word of somebody who had no part in it.

    One that went live without any sign-off (as while nobody was known here), or on its author's own, was challenged by nobody.
    """
    placements = tx.registry.list_placements(name=(version.model, version.version))
    entries = [tx.ledger.get(placed.seq) for placed in placements if placed.status == "Production" and placed.seq is not None]
    refs = [int(seq) for entry in entries for name, seq in entry.draft.refs.items() if name.startswith("sign-off-")]
    records = [tx.records.find("sign-off", tx.ledger.get(seq).draft.object.object_id) for seq in sorted(set(refs))]
    given = [sign_off_from_json(record.body) for record in records if record is not None]
    return any(sign_off.meaning in ("validated", "approved") and not sign_off.is_self for sign_off in given)


def _find_manifest(tx: Transaction, version: ModelVersion) -> Document:
    return tx.documents.get(version.manifest)


def _works_of(run: Run, what: Work) -> list[Authorship]:
    """Return who ran a run, and whose account of the system it ran from under their name.

    The tag is from before it was a fact, which the run's own code cannot set.
    """
    found = [Authorship(str(run.facts.get("actor") or run.tags.get("actor") or "unknown"), what, run.run_id)]
    account = run.facts.get("account")
    return [*found, Authorship(account, "account", run.run_id)] if isinstance(account, str) and account else found


def _list_makers(tx: Transaction, run: Run) -> list[Run]:
    """Return the run itself and every run whose stages it took from the cache."""
    keys = [stage_run.key for stage_run in tx.runs.list_stages(run.run_id) if stage_run.key is not None]
    ids = {action.run_id for action in tx.actions.find([Digest(key) for key in keys]).values()} - {run.run_id}
    found = [run]
    for run_id in sorted(ids):
        try:
            found.append(tx.runs.get(run_id))
        except NotFound:
            continue
    return found
