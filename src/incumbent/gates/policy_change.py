"""What differs between two policies, number by number: who set a threshold after the result was seen has to be seen by whoever signs."""

from collections.abc import Iterator

from incumbent.base.documents import Json
from incumbent.gates.policy import GatePolicy

Values = dict[str, str]


def list_values(policy: GatePolicy) -> Values:
    """Return every value of a policy by its place in words; a guardrail is known by its metric, and what it is taken by and of."""
    found: Values = {}
    for place, value in _flatten("", policy.to_json()):
        found[place if place not in found else f"{place} again"] = value
    return found


def list_changes(before: Values, after: Values) -> dict[str, tuple[str, str]]:
    """Return the places that differ -> (value before, value after); "none" stands for one that is not there.

    >>> list_changes({"primary margin": "0.013"}, {"primary margin": "0.002"})
    {'primary margin': ('0.013', '0.002')}
    """
    places = dict.fromkeys([*before, *after])
    pairs = {place: (before.get(place, "none"), after.get(place, "none")) for place in places}
    return {place: pair for place, pair in pairs.items() if pair[0] != pair[1]}


def _flatten(place: str, value: Json) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _flatten(f"{place} {name}".strip(), inner)
    elif isinstance(value, list) and any(isinstance(item, dict) for item in value):
        for item in value:
            named = [str(item[name]) for name in ("metric", "by", "of", "output") if name in item] if isinstance(item, dict) else []
            yield from _flatten(" ".join([place, *named]), item)
    else:
        yield place, ", ".join(str(item) for item in value) if isinstance(value, list) else str(value)
