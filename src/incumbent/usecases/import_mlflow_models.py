"""Bringing logged models and registered models of an MLflow store over.

A version of another store becomes a version here: same bytes, same number where that is still free, in no slot. That somebody
called it Production elsewhere is a claim: it is written down as a tag, and nothing governed rests on it. To go live here it
takes the same way as any other version. An alias that would say what is live here (`champion`, `production`, the name of a slot) is a
claim too; any other is a word, and is set.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from incumbent.base.errors import Conflict, Corrupt, IncumbentError, InvalidInput, NotFound, Refused, Unavailable
from incumbent.registry.names import check_model_name
from incumbent.tracking.experiment import LoggedModel, ModelFile, ModelMetric
from incumbent.tracking.record import check_name
from incumbent.usecases import registered_models
from incumbent.usecases.import_mlflow_checks import take_pairs, take_point, take_text, take_time
from incumbent.usecases.import_mlflow_ports import MlflowSource, SourceLoggedModel, SourceModelMetric, SourceRegistered, SourceVersion
from incumbent.usecases.import_mlflow_report import ImportReport
from incumbent.usecases.import_mlflow_runs import RunImport
from incumbent.usecases.model_aliases import find_alias, find_slot, set_alias
from incumbent.usecases.ports import Transaction
from incumbent.usecases.register_logged import find_source, register_logged
from incumbent.usecases.workspace import Workspace

NAME_TAG = "incumbent.imported.name"
FROM_TAG = "incumbent.imported.from"
CLAIM_TAG = "incumbent.imported.status"
ALIAS_TAG = "incumbent.imported.aliases"
GAP_MAX = 10_000
"""Version numbers that may be left out to keep one: those of versions that were deleted over there."""
_TAKEN = "incumbent.imported.numbers"
_MODEL_ID = re.compile(r"m-[0-9a-f]{32}", re.ASCII)
_Errors = (InvalidInput, Refused, Conflict, NotFound, Corrupt)


@dataclass(slots=True)
class ModelImport:
    """Brings logged models, then registered ones. What it refused, it remembers: the comparison leaves it out."""

    ws: Workspace
    source: MlflowSource
    report: ImportReport
    runs: RunImport
    refused: set[str] = field(default_factory=set)
    refused_files: set[tuple[str, str]] = field(default_factory=set)

    def bring_logged(self, model: SourceLoggedModel, experiment: int | None) -> None:
        """Bring a logged model with its files and metrics, or say why not. In a dry run `experiment` may be None."""
        try:
            self._bring_logged(model, experiment)
        except (*_Errors, Unavailable) as error:  # its files may be where the server itself does not reach
            self.refused.add(model.model_id)
            self.report.counts["logged models"].refuse(f"logged model {model.model_id[:80]}", str(error))

    def _bring_logged(self, model: SourceLoggedModel, experiment: int | None) -> None:
        if _MODEL_ID.fullmatch(model.model_id) is None:
            raise InvalidInput("its id is not `m-` and 32 hexadecimal digits")
        listed = self.source.files.list_files(model.place)
        known, known_files = self._find_logged(model.model_id)
        if known is not None and FROM_TAG not in known.tags:
            raise Conflict(f"a logged model {model.model_id} is here already, and no import brought it")
        made, metrics = self._make(model, experiment or 0, known)
        is_same = known == made and known_files == {file.path: file.size for file in listed} and self._has_metrics(metrics)
        if is_same and not self.runs.is_anew:
            self.report.counts["logged models"].add(1, is_there=True)
            self.report.counts["files"].add(len(listed), is_there=True)
            return
        if self.report.is_dry_run or experiment is None:
            self.report.counts["logged models"].add(1, is_there=False)
            self.report.counts["files"].add(len(listed), is_there=False)
            return
        files = []
        for file, stored in self.runs.store_files(model.place, listed):
            if isinstance(stored, IncumbentError):
                self.refused_files.add((model.model_id, file.path))
                self.report.counts["files"].refuse(f"logged model {model.model_id}, {file.path[:200]!r}", str(stored))
            else:
                files.append(ModelFile(model.model_id, file.path, stored.digest, stored.size))
        with self.ws.store.begin() as tx:
            if known is None:
                tx.logged_models.create(made)
            else:
                tx.logged_models.change(made)
            for one in files:
                tx.logged_models.put_file(one)
            tx.logged_models.add_metrics(metrics)
        self.report.counts["logged models"].add(1, is_there=False)
        self.report.counts["files"].add(len(files), is_there=False)
        self.runs.tell("logged models", self.report.counts["logged models"].source)

    def compare_logged(self, model: SourceLoggedModel) -> tuple[tuple[int, int], list[str]]:
        """Return how many files a logged model has there and here, and what differs. One that was refused is not compared."""
        if model.model_id in self.refused:
            return (0, 0), []
        try:
            listed = {file.path: file.size for file in self.source.files.list_files(model.place)}
        except _Errors as error:
            return (0, 0), [f"logged model {model.model_id}: its files cannot be listed again: {error}"]
        theirs = {path: size for path, size in listed.items() if (model.model_id, path) not in self.refused_files}
        known, ours = self._find_logged(model.model_id)
        wrong = [f"file {path[:80]!r} is not as in the source" for path in sorted(theirs) if ours.get(path) != theirs[path]]
        if known is None or known.status != model.status:
            wrong.append("it is not here as it is in the source")
        return (len(theirs), len(ours)), [f"logged model {model.model_id}: {text}" for text in wrong]

    def _find_logged(self, model_id: str) -> tuple[LoggedModel | None, Mapping[str, int]]:
        with self.ws.store.begin(read_only=True) as tx:
            try:
                known = tx.logged_models.get(model_id)
            except NotFound:
                return None, {}
            return known, {file.path: file.size for file in tx.logged_models.list_files(model_id)}

    def _has_metrics(self, metrics: Sequence[ModelMetric]) -> bool:
        if not metrics:
            return True
        with self.ws.store.begin(read_only=True) as tx:
            here = tx.logged_models.list_metrics([metrics[0].model_id])[metrics[0].model_id]
        return {replace(one, value=0.0) for one in metrics} <= {replace(one, value=0.0) for one in here}

    def _make(self, model: SourceLoggedModel, experiment: int, known: LoggedModel | None) -> tuple[LoggedModel, list[ModelMetric]]:
        def refuse(item: str, reason: str) -> None:
            self.report.counts["tags"].refuse(f"logged model {model.model_id}, {item}", reason)

        if model.status not in ("PENDING", "READY", "FAILED"):
            raise InvalidInput(f"its status is {model.status[:40]!r}")
        tags = take_pairs("tag", model.tags, refuse)
        kept = {} if known is None else known.tags
        deleted_at = (known.deleted_at if known else None) or self.ws.clock.now() if model.is_deleted else None
        made = LoggedModel(
            model_id=model.model_id,
            experiment=experiment,
            name=check_name("logged model", model.name),
            run_id=take_text("its run", model.run_id),
            kind=take_text("its kind", model.kind),
            status="READY" if model.status == "READY" else "FAILED" if model.status == "FAILED" else "PENDING",
            created_at=take_time(model.created_ms, "creation"),
            updated_at=take_time(model.updated_ms, "update"),
            deleted_at=deleted_at,
            params=take_pairs("param", model.params, refuse),
            tags={**kept, **tags, FROM_TAG: kept.get(FROM_TAG, self.source.name)},
        )
        return made, self._take_metrics(model)

    def _take_metrics(self, model: SourceLoggedModel) -> list[ModelMetric]:
        found = []
        for metric in model.metrics:
            try:
                found.append(_take_metric(model.model_id, metric))
            except InvalidInput as error:
                self.report.counts["metric points"].refuse(f"logged model {model.model_id}, metric {metric.name[:80]!r}", str(error))
        return found

    def bring_registered(self, model: SourceRegistered) -> None:
        """Bring a registered model, its versions and aliases, or say why not."""
        counts = self.report.counts
        try:
            name = legal_name(model.name)
            is_there = self._find_model(name, model.name)
            if not self.report.is_dry_run:
                self._put_words(name, model, is_there=is_there)
        except _Errors as error:
            counts["models"].refuse(f"model {model.name[:80]!r}", str(error))
            for kind, number in (("versions", len(model.versions)), ("aliases", len(model.aliases))):
                if number:
                    counts[kind].refuse(f"all {number} of model {model.name[:80]!r}", "the model is not brought", number)
            return
        if name != model.name:
            self.report.claims.append(f"model {model.name[:80]!r} is called {name} here")
        counts["models"].add(1, is_there=is_there)
        for version in sorted(model.versions, key=lambda one: one.number):
            try:
                self._bring_version(name, model, version)
            except _Errors as error:
                counts["versions"].refuse(f"{name}@{version.number}", str(error))
        for alias, number in sorted(model.aliases.items()):
            try:
                self._bring_alias(name, alias, number)
            except _Errors as error:
                counts["aliases"].refuse(f"alias {alias[:80]!r} of {name}", str(error))

    def _find_model(self, name: str, original: str) -> bool:
        """Say whether an earlier import brought this model. Raises Conflict if another model has its name."""
        with self.ws.store.begin(read_only=True) as tx:
            known = registered_models.find_model(tx, name)
        if known is not None and known.tags.get(NAME_TAG) != original:
            raise Conflict(f"there is a model {name} here that is another one; histories of two models are not mixed")
        return known is not None

    def _put_words(self, name: str, model: SourceRegistered, *, is_there: bool) -> None:
        with self.ws.store.begin() as tx:
            if not is_there:
                registered_models.create_model(self.ws, tx, name, description=model.description, tags={NAME_TAG: model.name})
            here = registered_models.get_model(tx, name).tags
            fresh = {key: value for key, value in {FROM_TAG: self.source.name, **model.tags}.items() if key not in here}
            self._put_tags(tx, name, 0, fresh)

    def _put_tags(self, tx: Transaction, model: str, number: int, tags: Mapping[str, str]) -> None:
        for key, value in tags.items():
            try:
                registered_models.set_word(self.ws, tx, model, number, key=key, value=take_text("tag", value))
            except InvalidInput as error:
                self.report.counts["tags"].refuse(f"{model}@{number or 'model'}, tag {key[:80]!r}", str(error))

    def _bring_version(self, name: str, model: SourceRegistered, version: SourceVersion) -> None:
        if version.number < 1:
            raise InvalidInput(f"its number is {version.number}")
        if version.life not in ("", "None"):
            self.report.claims.append(f"{name}@{version.number} was in {version.life[:40]} over there; here it is in no slot")
        aliases = sorted(alias for alias, number in model.aliases.items() if number == version.number)
        with self.ws.store.begin(read_only=True) as tx:
            known = _find_version(tx, name, version.number)
        self.report.counts["versions"].add(1, is_there=known is not None)
        if self.report.is_dry_run:
            return
        try:
            number = self._register(name, version) if known is None else known
            self._put_claims(name, number, version, aliases)
        except _Errors:
            counts = self.report.counts["versions"]
            counts.source, counts.brought, counts.there = (
                counts.source - 1,
                counts.brought - (known is None),
                counts.there - (known is not None),
            )
            raise

    def _register(self, model: str, version: SourceVersion) -> int:
        run_link = f"imported from {self.source.name}: {model} version {version.number}"
        source = _address(version)
        with self.ws.store.begin() as tx:
            _leave_out(tx, model, version.number)
        return register_logged(self.ws, model=model, source=source, run=version.run_id, run_link=run_link).version

    def _put_claims(self, model: str, number: int, version: SourceVersion, aliases: list[str]) -> None:
        claims = {
            FROM_TAG: f"{self.source.name}: version {version.number}, by {version.user or 'nobody named'}",
            **({CLAIM_TAG: version.life} if version.life not in ("", "None") else {}),
            **({ALIAS_TAG: ", ".join(aliases)} if aliases else {}),
        }
        with self.ws.store.begin() as tx:
            words = registered_models.get_words(tx, model, number)
            if version.description and not words.description:
                registered_models.describe(self.ws, tx, model, number, version.description)
            self._put_tags(
                tx, model, number, {key: value for key, value in {**version.tags, **claims}.items() if words.tags.get(key) != value}
            )

    def _bring_alias(self, model: str, alias: str, number: int) -> None:
        with self.ws.store.begin(read_only=True) as tx:
            ours = _find_version(tx, model, number)
            slot = find_slot(tx, model, alias)
            present = find_alias(tx, model, alias) if slot is None else None
        if slot is not None:
            raise Refused(f"it says what is live in slot {slot}, and version {number} is not because another store says so; kept as a tag")
        if ours is None and not self.report.is_dry_run:
            raise NotFound(f"version {number} was not brought")
        if present is not None and present != ours:
            raise Conflict(f"it points at version {present} here")
        if present is None and ours is not None and not self.report.is_dry_run:
            set_alias(self.ws, model=model, alias=alias, version=ours)
        self.report.counts["aliases"].add(1, is_there=present is not None)


def legal_name(name: str) -> str:
    """Return what a model is called here: its name, with what may not be in one replaced.

    Raises:
        InvalidInput: Nothing is left.

    >>> legal_name("Churn Model (EU)"), legal_name("churn")
    ('churn-model-eu', 'churn')
    """
    plain = re.sub(r"[^a-z0-9._-]+", "-", name.lower(), flags=re.ASCII)[:64].strip("._-")
    return check_model_name(plain)


def _take_metric(model_id: str, metric: SourceModelMetric) -> ModelMetric:
    point = take_point(metric.name, metric.point)
    texts = [take_text("its dataset", text) for text in (metric.dataset_name, metric.dataset_digest)]
    return ModelMetric(model_id, take_text("its run", metric.run_id), point.name, point.value, point.step, point.at, texts[0], texts[1])


def _find_version(tx: Transaction, model: str, number: int) -> int | None:
    """Return the number that a version of the source has here, None if no import brought it."""
    ending = f": {model} version {number}"
    for version in tx.registry.list_versions(model):
        link = find_source(version).run_link
        if link.startswith("imported from ") and link.endswith(ending):
            return version.version
    return None


def _leave_out(tx: Transaction, model: str, wanted: int) -> None:
    """Take the numbers before `wanted`, so that the next version gets it; too late for that, it gets the next one."""
    words = tx.model_words.list_all([model]).get((model, 0, _TAKEN), {})
    taken = max([int(words.get("", "0")), *(version.version for version in tx.registry.list_versions(model))])
    if wanted - taken > GAP_MAX:
        raise InvalidInput(f"its number is {wanted}, and the one before it here is {taken}: at most {GAP_MAX} are left out")
    if wanted - taken > 1:
        while taken < wanted - 1:
            taken = tx.registry.take_number(model)
        tx.model_words.put(model, 0, _TAKEN, "", str(taken))


def _address(version: SourceVersion) -> str:
    """Return where the version's files are, as it is said here: a path of the source becomes the run or logged model that it is of."""
    logged = re.search(r"/models/(m-[0-9a-f]{32})/artifacts/?$", version.source, re.ASCII)
    if logged is not None:
        return f"models:/{logged[1]}"
    head, found, tail = version.source.partition(f"/{version.run_id}/artifacts/")
    return f"runs:/{version.run_id}/{tail}" if version.run_id and found and not head.startswith("runs:") else version.source
