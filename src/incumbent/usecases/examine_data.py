"""Tests of the data layer: privacy columns, leakage, and the schema that the training rows imply."""

import math
import re
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import scipy

from incumbent.base.documents import Json
from incumbent.registry.signature import Scalar
from incumbent.stats.metrics import auc
from incumbent.usecases.examine_registered import examine_table
from incumbent.usecases.examine_schema import find_breaches, infer_schema
from incumbent.usecases.examine_subject import Array, Exam, Found, Rows, count_rows, is_number_label, numbers, objects, shown, spread

LEAK_AUC, LEAK_SHARE = 0.995, 0.995
"""A column that alone ranks the label so well, or tells so large a share of it (of the variance, for a number), holds the answer."""
LEAK_ROWS_MIN, LEAK_CLASS_ROWS_MIN, LEAK_ROWS_MAX = 100, 10, 20_000
_BINS = 50
_FILLERS = frozenset({"is", "has", "label", "target", "y", "true", "truth", "class", "outcome", "flag", "actual"})

_LETTERS = re.compile(r"[a-z]+|\d+")
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_EMAIL = re.compile(r"[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63})*\.[A-Za-z]{2,24}")
_IBAN = re.compile(r"[A-Z]{2}\d{2}[A-Z0-9]{11,30}")
_LUCK = 1e-3
"""A check digit agrees by luck in a known share of random numbers; what luck explains with this probability is no find."""

PRIVATE_NAMES: tuple[tuple[str, ...], ...] = (
    ("email",), ("e", "mail"), ("ssn",), ("social", "security"), ("passport",), ("iban",), ("credit", "card"), ("card", "number"),
    ("phone",), ("telephone",), ("mobile",), ("first", "name"), ("last", "name"), ("surname",), ("full", "name"), ("birth",),
    ("birthday",), ("birthdate",), ("dob",), ("street",), ("address",), ("ip", "address"), ("national", "id"), ("tax", "id"),
    ("password",), ("firstname",), ("lastname",),
)  # fmt: skip
"""Words that, side by side in a column's name, say that it names or reaches a person."""


def is_luhn(digits: str) -> bool:
    """Return whether the last digit is the check digit of the rest (ISO/IEC 7812-1, Luhn).

    >>> is_luhn("4111111111111111"), is_luhn("4111111111111112")
    (True, False)
    """
    doubled = [int(d) * (2 if place % 2 else 1) for place, d in enumerate(reversed(digits))]
    return sum(d - 9 if d > 9 else d for d in doubled) % 10 == 0


def is_iban(text: str) -> bool:
    """Return whether a text is an IBAN by its form and its check digits (ISO 13616: mod 97 is 1).

    >>> is_iban("GB82 WEST 1234 5698 7654 32"), is_iban("GB83 WEST 1234 5698 7654 32")
    (True, False)
    """
    plain = text.replace(" ", "").upper()
    if _IBAN.fullmatch(plain) is None:
        return False
    return int("".join(str(int(c, 36)) for c in plain[4:] + plain[:4])) % 97 == 1


def _as_card(value: Scalar) -> bool | None:
    """Whether it could be a card number (13 to 19 digits) that its check digit confirms; None if it could not."""
    if isinstance(value, bool) or not isinstance(value, int | str):
        return None
    digits = str(value).replace(" ", "").replace("-", "")
    return is_luhn(digits) if digits.isascii() and digits.isdigit() and 13 <= len(digits) <= 19 else None


def _as_iban(value: Scalar) -> bool | None:
    if not isinstance(value, str) or _IBAN.fullmatch(value.replace(" ", "").upper()) is None:
        return None
    return is_iban(value)


def _as_email(value: Scalar) -> bool | None:
    return True if isinstance(value, str) and _EMAIL.search(value[:1000]) else None


PRIVATE_VALUES: dict[str, tuple[Callable[[Scalar], bool | None], float]] = {
    "e-mail addresses": (_as_email, 0.0),
    "card numbers": (_as_card, 0.1),
    "IBANs": (_as_iban, 1 / 97),
}
"""What values may be: how one is recognised (None: could not be one), and which share of what looks like it agrees by luck."""


def split_name(name: str) -> tuple[str, ...]:
    """Return the words of a column's name.

    >>> split_name("customerE-Mail_2")
    ('customer', 'e', 'mail', '2')
    """
    return tuple(_LETTERS.findall(_CAMEL.sub("_", name).lower()))


def find_private(name: str, values: Sequence[Scalar]) -> str:
    """Return what makes a column private, in words, "" if nothing does."""
    words = split_name(name)
    for private in PRIVATE_NAMES:
        if any(words[place : place + len(private)] == private for place in range(len(words))):
            return f"is called {' '.join(private)}"
    for kind, (check, luck) in PRIVATE_VALUES.items():
        checked = [answer for value in set(values) if (answer := check(value)) is not None]
        hits = sum(checked)
        if hits and (luck == 0 or scipy.special.bdtrc(hits - 1, len(checked), luck) <= _LUCK):
            return f"holds {kind}: {hits:,} of its distinct values"
    return ""


def examine_privacy(exam: Exam) -> Found:
    """No column is named like, or holds, what names or reaches a person; a registered schema may know better of a name."""
    found: dict[str, Json] = {}
    registered = exam.subject.schema
    declared = {name: column.privacy for name, column in registered.schema.columns.items()} if registered else {}
    cleared = sorted(name for name, privacy in declared.items() if privacy == "cleared")
    looked = 0
    for rows in (exam.training, exam.holdout):
        for name, values in (rows or {}).items():
            looked += len(values)
            if name not in found and (words := _find_declared(name, values, declared)):
                found[name] = words
    for name in exam.inputs:
        if name not in found and (words := _find_declared(name, (), declared)):
            found[name] = words
    if found:
        told = "; ".join(f"{name[:64]!r} {words}" for name, words in list(found.items())[:8])
        return Found("failed", f"{len(found)} columns are private: {told}", {"columns": found})
    if looked == 0:
        return Found("undecided", "the tables have no rows")
    told = f"; by the schema of entry {registered.seq} the names {shown(cleared)} mean no person" if registered and cleared else ""
    facts: dict[str, Json] = {"schema_entry": registered.seq if registered else None, "cleared": list[Json](cleared)}
    return Found(
        "passed", f"no column is named like, or holds, what names or reaches a person (names, e-mail, card numbers, IBANs){told}", facts
    )


def _find_declared(name: str, values: Sequence[Scalar], declared: Mapping[str, str]) -> str:
    """Hold what a person said of a column against what is seen: a name can be cleared, values cannot."""
    if declared.get(name) == "personal":
        return "is personal by the registered schema"
    return find_private("" if declared.get(name) == "cleared" else name, values)


def examine_leakage(exam: Exam) -> Found:
    """No input of the model is the label under another name, or tells it almost perfectly by itself, on the training rows."""
    scoring, training = exam.subject.scoring, exam.training
    assert scoring is not None
    assert training is not None
    if scoring.label not in training:
        return Found("not-applicable", f"the training rows have no label {scoring.label!r}; they have {shown([*training])}")
    labelled = [place for place, value in enumerate(training[scoring.label]) if value is not None]
    rows = spread({name: [values[place] for place in labelled] for name, values in training.items()}, LEAK_ROWS_MAX)
    label = objects(rows[scoring.label])
    is_number = is_number_label(exam.subject, rows[scoring.label])
    problem = _find_thin(label, is_number=is_number)
    named = [name for name in exam.inputs if _is_named_like(name, scoring.label)]
    leaks: dict[str, Json] = dict.fromkeys(named, "is named like the label")
    if not problem:
        for name in exam.inputs:
            if name in rows and name not in leaks and (words := _find_leak(rows[name], label, is_number=is_number)):
                leaks[name] = words
    facts: dict[str, Json] = {"rows": int(label.size), "columns": leaks}
    if leaks:
        told = "; ".join(f"{name[:64]!r} {words}" for name, words in list(leaks.items())[:8])
        return Found("failed", f"{len(leaks)} inputs give the label away: {told}", facts)
    if problem:
        return Found("undecided", problem, facts)
    absent = [name for name in exam.inputs if name not in rows]
    if absent:
        return Found("undecided", f"the training rows do not have {shown(absent)}, which the model is asked with", facts)
    return Found("passed", f"none of {len(exam.inputs)} inputs alone gives {scoring.label!r} away, on {label.size:,} training rows", facts)


def _find_thin(label: Array, *, is_number: bool) -> str:
    if label.size < LEAK_ROWS_MIN:
        return f"{label.size} labelled training rows tell nothing; at least {LEAK_ROWS_MIN}"
    counts = [count for _, count in _count(label)]
    if len(counts) < 2:
        return "the label never varies in the training rows"
    rare = sorted(counts)[-2]
    if not is_number and rare < LEAK_CLASS_ROWS_MIN:
        return f"only {rare} training rows have another label than the most frequent one; at least {LEAK_CLASS_ROWS_MIN}"
    return ""


def _count(values: Array) -> list[tuple[Scalar, int]]:
    seen: dict[Scalar, int] = {}
    for value in values.tolist():
        seen[value] = seen.get(value, 0) + 1
    return list(seen.items())


def _is_named_like(name: str, label: str) -> bool:
    def core(words: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(word for word in words if word not in _FILLERS) or words

    return name == label or core(split_name(name)) == core(split_name(label))


def _find_leak(values: Sequence[Scalar], label: Array, *, is_number: bool) -> str:
    """Say how a column gives the label away: learnt on every other row, judged on the rest, so that row numbers tell nothing."""
    if all(value == truth for value, truth in zip(values, label.tolist(), strict=True)):
        return "equals the label in every row"
    keys = _to_bins(values)
    learn, judge = np.arange(0, label.size, 2), np.arange(1, label.size, 2)
    classes = [value for value, _ in _count(label)]
    if is_number:
        truth = label.astype(np.float64)
        column = numbers(values)
        r2 = max(_r2(truth[judge], _means(keys, truth, learn)[judge]), 0.0 if column is None else _correlation(column, truth) ** 2)
        return f"alone tells {r2:.4f} of the label's variance" if r2 >= LEAK_SHARE else ""
    if len(classes) == 2:
        positive = np.array([value == classes[0] for value in label.tolist()])
        area = auc(positive[judge], _means(keys, positive.astype(np.float64), learn)[judge])
        column = numbers(values)
        if column is not None:
            known = ~np.isnan(column)
            straight = auc(positive[known], column[known])
            if known.mean() >= LEAK_SHARE and math.isfinite(straight):
                area = max(area, straight, 1 - straight)
        return f"alone ranks the label with an AUC of {area:.4f}" if area >= LEAK_AUC else ""
    right = _most_frequent(keys, label, learn)[judge] == label[judge]
    return f"alone tells {right.mean():.4f} of the labels" if right.mean() >= LEAK_SHARE else ""


def _to_bins(values: Sequence[Scalar]) -> Array:
    """Return a key a row: the value itself, or its quantile bin where a number has many values; null is a key of its own."""
    column = numbers(values)
    if column is None or np.unique(column[~np.isnan(column)]).size <= _BINS:
        return objects([repr(value) for value in values])
    edges = np.unique(np.nanquantile(column, np.arange(1, _BINS) / _BINS, method="inverted_cdf"))
    bins = np.searchsorted(edges, column, side="left").astype(np.int64)
    bins[np.isnan(column)] = -1
    return objects(bins.tolist())


def _means(keys: Array, truth: Array, learn: Array) -> Array:
    sums: dict[object, list[float]] = {}
    for place in learn.tolist():
        held = sums.setdefault(keys[place], [0.0, 0.0])
        held[0] += float(truth[place])
        held[1] += 1
    whole = float(truth[learn].mean())
    return np.array([sums[key][0] / sums[key][1] if key in sums else whole for key in keys.tolist()])


def _most_frequent(keys: Array, label: Array, learn: Array) -> Array:
    seen: dict[object, dict[Scalar, int]] = {}
    for place in learn.tolist():
        held = seen.setdefault(keys[place], {})
        held[label[place]] = held.get(label[place], 0) + 1
    # Mypy infers no lambda with a default.
    best = {key: max(held, key=lambda value, held=held: held[value]) for key, held in seen.items()}  # type: ignore[misc]
    return objects([best.get(key) for key in keys.tolist()])


def _r2(truth: Array, predicted: Array) -> float:
    spread_of = float(((truth - truth.mean()) ** 2).sum())
    return 1 - float(((truth - predicted) ** 2).sum()) / spread_of if spread_of > 0 else 0.0


def _correlation(column: Array, truth: Array) -> float:
    known = ~np.isnan(column)
    if known.mean() < LEAK_SHARE or column[known].std() == 0 or truth[known].std() == 0:
        return 0.0
    return float(np.corrcoef(column[known], truth[known])[0, 1])


def examine_schema(exam: Exam) -> Found:
    """The rows have the columns and types of the registered schema; or the holdout has those that the training rows imply."""
    if exam.subject.schema is not None:
        return examine_table(exam)
    training, holdout = exam.training, exam.holdout
    if training is None:
        return Found(
            "not-applicable", f"no schema is registered, and the run has no output {exam.subject.training_name!r} that implies one"
        )
    if count_rows(training) == 0:
        return Found("undecided", "the training rows are none: no schema follows from them")
    if holdout is None:
        return Found("not-applicable", "no holdout is known to hold to the schema of the training rows")
    wanted = set(exam.inputs) | ({exam.subject.scoring.label} if exam.subject.scoring else set())
    return _hold(exam, {name: values for name, values in training.items() if name in wanted}, holdout)


def _hold(exam: Exam, training: Rows, holdout: Rows) -> Found:
    absent = [name for name in exam.inputs if name not in training]
    breaches = find_breaches(infer_schema(training), holdout)
    facts: dict[str, Json] = {"columns": list[Json](sorted(training)), "breaches": list[Json](breaches)}
    if breaches:
        return Found("failed", f"{len(breaches)} breaches of the schema of the training rows: {'; '.join(breaches[:5])}", facts)
    if absent:
        return Found("undecided", f"the training rows do not have {shown(absent)}, which the model is asked with", facts)
    return Found(
        "passed",
        f"{count_rows(holdout):,} rows of the holdout hold to the schema that {len(training)} training columns imply; none is registered",
        facts,
    )
