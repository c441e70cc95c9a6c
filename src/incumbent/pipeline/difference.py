"""Why a stage would rerun: the first input of its recipe that differs, named down to the symbol, key or package."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from incumbent.base.documents import Document, Json

DifferenceKind = Literal["new", "data", "code", "config", "env", "seed", "outputs", "undeclared", "edited", "gone", "uncached"]


@dataclass(frozen=True, slots=True)
class Difference:
    """One input that is not what it was.

    Attributes:
        kind: Which of the five inputs (EQ V7.1), or why there is nothing to compare with.
        name: Parameter, symbol (`path::symbol`), config key, package, variable.
        old, new: Both values as text; "" where there was or is none.
    """

    kind: DifferenceKind
    name: str
    old: str = ""
    new: str = ""

    def __str__(self) -> str:
        match self.kind:
            case "new":
                return "never run before"
            case "edited":
                return "taken as edited"
            case "gone":
                return f"output {self.name} is no longer in the store"
            case "uncached":
                return "declared with cache=False"
        if self.kind == "code":
            state = "edited" if self.old and self.new else "no longer reached" if self.old else "newly reached"
            return f"code: {self.name} {state}"
        return f"{self.kind}: {self.name} {self.old or 'absent'} -> {self.new or 'absent'}"

    def to_json(self) -> Json:
        """Return the document form."""
        return {"kind": self.kind, "name": self.name, "old": self.old, "new": self.new}


def diff_recipes(old: Document, new: Document, get_document: Callable[[str], Document | None]) -> list[Difference]:
    """Return what differs between two recipes of one stage, most telling first: data, code, config, env, seed, outputs.

    Args:
        old: The recipe of an earlier run.
        new: The recipe of now.
        get_document: Gives the code closure or environment behind a digest, or None when it is not known.
    """
    found = _diff_texts("data", _table(old.get("data")), _table(new.get("data")))
    if old.get("code") != new.get("code"):
        found += _diff_behind("code", old, new, get_document, ("leaves",))
    found += _diff_texts("config", _flat(old.get("config")), _flat(new.get("config")))
    if old.get("env") != new.get("env"):
        found += _diff_behind("env", old, new, get_document, ())
    plain: tuple[DifferenceKind, ...] = ("seed", "outputs")
    for kind in plain:
        if old.get(kind) != new.get(kind):
            found.append(Difference(kind, "", _text(old.get(kind)), _text(new.get(kind))))
    return found


def _diff_behind(
    kind: DifferenceKind, old: Document, new: Document, get_document: Callable[[str], Document | None], path: tuple[str, ...]
) -> list[Difference]:
    before, after = get_document(str(old.get(kind))), get_document(str(new.get(kind)))
    if before is None or after is None:
        return [Difference(kind, "digest", str(old.get(kind)), str(new.get(kind)))]
    left: Json = before
    right: Json = after
    for part in path:
        left, right = _table(left).get(part), _table(right).get(part)
    return _diff_texts(kind, _flat(left), _flat(right)) or [Difference(kind, "digest", str(old.get(kind)), str(new.get(kind)))]


def _diff_texts(kind: DifferenceKind, old: Mapping[str, Json], new: Mapping[str, Json]) -> list[Difference]:
    names = sorted(old.keys() | new.keys())
    return [
        Difference(kind, name, _text(old.get(name)) if name in old else "", _text(new.get(name)) if name in new else "")
        for name in names
        if old.get(name) != new.get(name) or (name in old) != (name in new) or type(old.get(name)) is not type(new.get(name))
    ]


def _flat(value: Json, prefix: str = "") -> dict[str, Json]:
    """Spread nested tables into `a.b.c` names, so that a difference names the place and not the whole table."""
    table = _table(value)
    flat: dict[str, Json] = {}
    for name, inner in table.items():
        path = f"{prefix}{name}"
        if isinstance(inner, dict):
            flat.update(_flat(inner, f"{path}."))
        else:
            flat[path] = inner
    return flat


def _table(value: Json) -> dict[str, Json]:
    return value if isinstance(value, dict) else {}


def _text(value: Json) -> str:
    if isinstance(value, list):
        return " ".join(_text(item) for item in value)
    return repr(value) if isinstance(value, float) else str(value)
