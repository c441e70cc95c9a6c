"""The verbs of registered models as MLflow's clients know them: names, descriptions, tags, and what is put out of sight.

These are words for people: nothing governed rests on them, and they are no entries of the ledger. A version itself is never removed: put
out of sight it is still in the ledger, in `incumbent models`, and under its number, which no other version gets. What a slot has ever held
cannot be put out of sight.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from incumbent.base.errors import Conflict, InvalidInput, NotFound, Refused
from incumbent.registry.alias import own_slot
from incumbent.registry.model import ModelVersion
from incumbent.registry.names import check_model_name
from incumbent.registry.slot import find_status
from incumbent.registry.transitions import State
from incumbent.usecases.model_aliases import SlotsNow, list_aliases, read_slots
from incumbent.usecases.ports import Transaction
from incumbent.usecases.workspace import Workspace

KEY_CHARACTERS_MAX, VALUE_CHARACTERS_MAX, DESCRIPTION_CHARACTERS_MAX = 250, 100_000, 100_000
_DESCRIPTION, _TAG, _TIME = "description", "tag", "time"
_CREATED, _UPDATED, _HIDDEN = "created", "updated", "hidden"
_Words = Mapping[tuple[str, int, str], Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class VersionWords:
    """A version, and what is said of it.

    Attributes:
        updated_at: When it was made, moved in the model's own slot, or last described.
        status: In the model's own slot.
        aliases: That point at it now.
    """

    version: ModelVersion
    description: str
    tags: Mapping[str, str]
    updated_at: datetime
    status: State
    aliases: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RegisteredModel:
    """A named model.

    Attributes:
        versions: Those in sight, newest first.
        aliases: Alias -> number of the version that it points at now.
    """

    name: str
    created_at: datetime
    updated_at: datetime
    description: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    versions: tuple[VersionWords, ...] = ()
    aliases: Mapping[str, int] = field(default_factory=dict)


def create_model(ws: Workspace, tx: Transaction, name: str, *, description: str, tags: Mapping[str, str]) -> None:
    """Make a name known before it has a version.

    Raises:
        InvalidInput: The name is not legal, or a word is too long.
        Conflict: There is such a model.
    """
    check_model_name(name)
    if find_model(tx, name) is not None:
        raise Conflict(f"Registered Model (name={name}) already exists")
    now = _write_time(ws.clock.now())
    tx.model_words.delete(name, 0, _TIME, _HIDDEN)
    for time in (_CREATED, _UPDATED):
        tx.model_words.put(name, 0, _TIME, time, now)
    describe(ws, tx, name, 0, description)
    for key, value in tags.items():
        set_word(ws, tx, name, 0, key=key, value=value)


def find_model(tx: Transaction, name: str) -> RegisteredModel | None:
    """Return a model, None if there is none in sight."""
    return next(iter(_read(tx, [name], read_slots(tx, name))), None)


def get_model(tx: Transaction, name: str) -> RegisteredModel:
    """Return a model. Raises NotFound."""
    found = find_model(tx, name)
    if found is None:
        raise NotFound(f"Registered Model with name={name[:80]} not found")
    return found


def check_model(tx: Transaction, name: str) -> None:
    """Pass if there is a model of this name in sight, without reading its versions where its words tell. Raises NotFound."""
    times = tx.model_words.list_all([name], 0).get((name, 0, _TIME), {})
    if _CREATED not in times or _HIDDEN in times:
        get_model(tx, name)


def get_words(tx: Transaction, name: str, number: int) -> VersionWords:
    """Return a version in sight. Raises NotFound."""
    try:
        version = tx.registry.get_version(name, number)
    except NotFound:
        check_model(tx, name)  # it is the model that is not there, perhaps
        raise NotFound(f"Model Version (name={name[:80]}, version={number}) not found") from None
    found = _read_model(tx, name, [version], tx.model_words.list_all([name], number), read_slots(tx, name))
    if found is None or not found.versions:
        raise NotFound(f"Model Version (name={name[:80]}, version={number}) not found: it was deleted")
    return found.versions[0]


def list_models(tx: Transaction) -> list[RegisteredModel]:
    """Return all models in sight, by name."""
    return _read(tx, tx.model_words.list_models(), read_slots(tx))


def describe(ws: Workspace, tx: Transaction, name: str, number: int, text: str) -> None:
    """Replace the description of a model (`number` 0) or of a version. Raises NotFound, InvalidInput."""
    if len(text) > DESCRIPTION_CHARACTERS_MAX:
        raise InvalidInput(f"The description has {len(text)} characters; at most {DESCRIPTION_CHARACTERS_MAX}")
    _check_there(tx, name, number)
    if text:
        tx.model_words.put(name, number, _DESCRIPTION, "", text)
    else:
        tx.model_words.delete(name, number, _DESCRIPTION, "")
    _touch(ws, tx, name, number)


def set_word(ws: Workspace, tx: Transaction, name: str, number: int, *, key: str, value: str) -> None:
    """Set a tag of a model (`number` 0) or of a version. Raises NotFound, InvalidInput."""
    if not 0 < len(key) <= KEY_CHARACTERS_MAX:
        raise InvalidInput(f"A tag's key has 1 to {KEY_CHARACTERS_MAX} characters; this has {len(key)}")
    if len(value) > VALUE_CHARACTERS_MAX:
        raise InvalidInput(f"The value of tag {key[:80]!r} has {len(value)} characters; at most {VALUE_CHARACTERS_MAX}")
    _check_there(tx, name, number)
    tx.model_words.put(name, number, _TAG, key, value)
    _touch(ws, tx, name, number)


def delete_word(ws: Workspace, tx: Transaction, name: str, number: int, key: str) -> None:
    """Remove a tag of a model (`number` 0) or of a version; absent is no error. Raises NotFound."""
    _check_there(tx, name, number)
    tx.model_words.delete(name, number, _TAG, key)
    _touch(ws, tx, name, number)


def hide_model(ws: Workspace, tx: Transaction, name: str) -> None:
    """Put a model and its versions out of sight. A model of that name can be made again, and its versions count on.

    Raises:
        NotFound: There is none.
        Refused: A slot has held one of its versions.
    """
    now = _write_time(ws.clock.now())
    for one in get_model(tx, name).versions:
        _hide(tx, name, one.version.version, now)
    for (_, number, kind), words in tx.model_words.list_all([name]).items():
        if number == 0:
            for word in words:
                tx.model_words.delete(name, 0, kind, word)
    tx.model_words.put(name, 0, _TIME, _HIDDEN, now)


def hide_version(ws: Workspace, tx: Transaction, name: str, number: int) -> None:
    """Put a version out of sight. Raises NotFound; Refused, if a slot has ever held it."""
    get_words(tx, name, number)
    tx.model_words.put(name, 0, _TIME, _CREATED, _write_time(get_model(tx, name).created_at))  # it stays, also without a version
    _hide(tx, name, number, _write_time(ws.clock.now()))


def _hide(tx: Transaction, name: str, number: int, now: str) -> None:
    placements = tx.registry.list_placements(name=(name, number))
    if placements:
        slots = ", ".join(sorted({placement.slot for placement in placements}))
        raise Refused(
            f"{name}@{number} cannot be deleted: it is or was in slot {slots}, and what was governed stays; "
            "taking it out of its place is the stage Archived, or `incumbent archive`"
        )
    tx.model_words.put(name, number, _TIME, _HIDDEN, now)


def _check_there(tx: Transaction, name: str, number: int) -> None:
    if number:
        get_words(tx, name, number)
    else:
        check_model(tx, name)


def _touch(ws: Workspace, tx: Transaction, name: str, number: int) -> None:
    tx.model_words.put(name, number, _TIME, _UPDATED, _write_time(ws.clock.now()))


def _read(tx: Transaction, names: Sequence[str], slots: SlotsNow) -> list[RegisteredModel]:
    words = tx.model_words.list_all(names)
    found = (_read_model(tx, name, tx.registry.list_versions(name), words, slots) for name in names)
    return [model for model in found if model is not None]


def _read_model(tx: Transaction, name: str, versions: Sequence[ModelVersion], words: _Words, slots: SlotsNow) -> RegisteredModel | None:
    aliases = list_aliases(tx, name, slots)
    history = tx.registry.list_placements(own_slot(name))
    seen = []
    for version in versions:
        times = words.get((name, version.version, _TIME), {})
        if _HIDDEN in times and not tx.registry.list_placements(name=(name, version.version)):
            continue
        moved = [placement.since_at for placement in history if (placement.model, placement.version) == (name, version.version)]
        seen.append(
            VersionWords(
                version,
                words.get((name, version.version, _DESCRIPTION), {}).get("", ""),
                words.get((name, version.version, _TAG), {}),
                max([version.created_at, *moved, *_times(times, _UPDATED)]),
                find_status(history, (name, version.version)),
                tuple(sorted(alias for alias, number in aliases.items() if number == version.version)),
            )
        )
    times = words.get((name, 0, _TIME), {})
    if not seen and (_HIDDEN in times or _CREATED not in times):
        return None
    numbers = {one.version.version for one in seen}
    made = _times(times, _CREATED) or [version.created_at for version in versions]
    return RegisteredModel(
        name,
        min(made),
        max([*made, *_times(times, _UPDATED), *(one.version.created_at for one in seen)]),
        words.get((name, 0, _DESCRIPTION), {}).get("", ""),
        words.get((name, 0, _TAG), {}),
        tuple(seen),
        {alias: number for alias, number in sorted(aliases.items()) if number in numbers},
    )


def _times(times: Mapping[str, str], name: str) -> list[datetime]:
    return [datetime.fromisoformat(times[name])] if name in times else []


def _write_time(at: datetime) -> str:
    return at.isoformat()
