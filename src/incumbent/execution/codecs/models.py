"""Models: estimators of the scikit-learn protocol as pickles whose bytes settle, boosters in their own formats.

A pickle tells more than the value: which equal strings, tuples and dtypes happened to be one object (interning, a detour through
another pickle), in what order a set iterates, what lay in the padding of a structured array. `StablePickler` writes these in one
way, and `settled_pickle` repeats dump and load until the bytes stay, because loading itself settles some things (a strided array
comes back contiguous). Aliasing of mutable objects is kept: there it is part of the value.
"""

import io
import json
import pickle
import sys
from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any, ClassVar

from incumbent.base.artifact import Artifact
from incumbent.base.canonical import encode
from incumbent.base.errors import Corrupt, InvalidInput
from incumbent.execution.codecs.arrays import normalise_array
from incumbent.execution.codecs.reading import put_bytes, reading, writing
from incumbent.usecases.ports import Blobs

_ADVICE = "define its classes and functions at the top of a module, and drop open files, locks and lambdas"
_ROUNDS_MAX = 4
_ADDRESS = "_stop_words_id"
"""scikit-learn's text vectorizers note the id() of their stop words, to check them once; without it they check them again."""

_BOOSTER_LINE = "\nincumbent: "
_BOOSTER_END = "\npandas_categorical:"


def is_estimator(value: object) -> bool:
    """Say whether `value` follows the scikit-learn protocol: an instance with `fit` and `get_params`."""
    cls = type(value)
    return cls is not type and callable(getattr(cls, "fit", None)) and callable(getattr(cls, "get_params", None))


def write_estimator(value: object, blobs: Blobs) -> Artifact:
    """Store an estimator. Raises InvalidInput when it cannot be pickled."""
    with writing(value, _ADVICE):
        data = settled_pickle(value)
    return put_bytes("pickle", data, blobs)


def read_estimator(artifact: Artifact, blobs: Blobs) -> object:
    """Return the estimator. Unpickling runs code, which is why only bytes that a stage stored get here: their digest is checked."""
    data = blobs.get(artifact.digest)
    if not (data.startswith(b"\x80\x05\x95") and data.endswith(b".")):
        raise Corrupt(f"pickle {artifact.digest} ({artifact.size} bytes) is not a pickle of protocol 5")
    with reading(artifact):
        value: object = pickle.loads(data)
    if not is_estimator(value):
        raise Corrupt(f"pickle {artifact.digest} holds a {type(value).__name__}, which is no estimator")
    return value


def settled_pickle(value: object) -> bytes:
    """Return pickle bytes that loading and dumping again leaves as they are (after 4 rounds, the last ones)."""
    data = dump_stable(value)
    for _ in range(_ROUNDS_MAX):
        again = dump_stable(pickle.loads(data))
        if again == data:
            break
        data = again
    return data


def dump_stable(value: object) -> bytes:
    """Return one pickle of `value` by `StablePickler`."""
    sink = io.BytesIO()
    StablePickler(sink, protocol=5).dump(value)
    return sink.getvalue()


_PythonPickler: Any = pickle._Pickler


class StablePickler(_PythonPickler):  # type: ignore[misc]  # pickle's Python class has no stub
    """A pickler to which equal immutable values are one object, sets have one order, and padding is zero.

    Python's own pickler in Python: the one in C cannot be told how to treat str and tuple. Plain `pickle.load` reads what it writes.
    """

    dispatch: ClassVar[dict[type, Any]] = dict(_PythonPickler.dispatch)

    def __init__(self, file: Any, protocol: int) -> None:
        super().__init__(file, protocol)
        self._first: dict[tuple[type, object], Any] = {}
        self._numpy: Any = sys.modules.get("numpy")

    def save(self, obj: Any, save_persistent_id: bool = True) -> None:
        """Write `obj`, or the first object that was equal to it in type and value."""
        key = _NAMES.get(type(obj), self._name_numpy)(obj)
        if key is not None:
            obj = self._first.setdefault((type(obj), key), obj)
        super().save(obj, save_persistent_id)

    def _name_numpy(self, obj: Any) -> object:
        """Name NumPy's own immutable values, which every load makes anew: dtypes and scalars."""
        if self._numpy and isinstance(obj, self._numpy.dtype):
            return repr(obj) if obj.metadata is None else None
        return _name_plain(obj) if self._numpy and isinstance(obj, self._numpy.generic) else None

    def reducer_override(self, obj: Any) -> Any:
        """Leave out what is no part of the value: the padding of structured arrays (tree nodes, for one), and an address."""
        if self._numpy and type(obj) is self._numpy.ndarray and obj.dtype.names is not None and not obj.dtype.hasobject:
            return normalise_array(obj).__reduce_ex__(5)
        if _ADDRESS in getattr(obj, "__dict__", ()) and not isinstance(obj, type):
            make, arguments, state, *rest = obj.__reduce_ex__(5)
            return make, arguments, {name: part for name, part in state.items() if name != _ADDRESS}, *rest
        return NotImplemented

    def save_set(self, obj: Any) -> None:
        """Write a set, its items by their canonical bytes where all have them."""
        self.write(pickle.EMPTY_SET)
        self.memoize(obj)
        self.write(pickle.MARK)
        for item in _in_order(obj):
            self.save(item)
        self.write(pickle.ADDITEMS)

    def save_frozenset(self, obj: Any) -> None:
        """Write a frozenset the same way."""
        self.write(pickle.MARK)
        for item in _in_order(obj):
            self.save(item)
        if id(obj) in self.memo:  # it was reached again through an item of itself
            self.write(pickle.POP_MARK + self.get(self.memo[id(obj)][0]))
            return
        self.write(pickle.FROZENSET)
        self.memoize(obj)

    def save_picklebuffer(self, obj: Any) -> None:
        """Write an array's memory. Whether it was read-only (a memory map, for one) is no part of the value: it comes back writable."""
        with obj.raw() as memory:
            self.save(bytearray(memory))

    dispatch[pickle.PickleBuffer] = save_picklebuffer
    dispatch[set] = save_set
    dispatch[frozenset] = save_frozenset


def _in_order(items: Iterable[Any]) -> list[Any]:
    found = list(items)
    try:
        return sorted(found, key=encode)
    except InvalidInput:
        return found


def _name_plain(value: Any) -> object:
    try:
        return encode(value)
    except InvalidInput:  # a tuple that holds something mutable, whose identity matters
        return None


_NAMES: dict[type, Callable[[Any], object]] = {
    str: lambda value: value,
    bytes: lambda value: value,
    tuple: _name_plain,
    frozenset: _name_plain,
    complex: _name_plain,
    Decimal: _name_plain,
    dict: lambda _: None,
    list: lambda _: None,
    int: lambda _: None,
    float: lambda _: None,
    bool: lambda _: None,
    type(None): lambda _: None,
}


def write_lightgbm(value: Any, blobs: Blobs) -> Artifact:
    """Store a LightGBM Booster as its model text, every tree, with the best iteration in a line that LightGBM's readers pass over."""
    with writing(value, "train it before it is returned"):
        text = value.model_to_string(num_iteration=-1)
        facts = {"best_iteration": int(value.best_iteration), "best_score": {k: dict(v) for k, v in value.best_score.items()}}
        head, end, tail = text.rpartition(_BOOSTER_END)
        line = _BOOSTER_LINE + json.dumps(facts, sort_keys=True)
        data = (head + line + end + tail).encode("utf-8")
    return put_bytes("lightgbm", data, blobs)


def read_lightgbm(artifact: Artifact, blobs: Blobs) -> object:
    """Return the Booster."""
    data = blobs.get(artifact.digest)
    if not (data.startswith(b"tree\nversion=") and _BOOSTER_END.encode() in data and data.endswith(b"\n")):
        raise Corrupt(f"lightgbm {artifact.digest} ({artifact.size} bytes) is not a LightGBM model text")
    with reading(artifact):
        import lightgbm

        head, _, rest = data.decode("utf-8").rpartition(_BOOSTER_LINE)
        line, end, tail = rest.partition(_BOOSTER_END)
        facts = json.loads(line)
        booster = lightgbm.Booster(model_str=head + end + tail)
        booster.best_iteration = facts["best_iteration"]
        booster.best_score.update(facts["best_score"])
        return booster


def write_xgboost(value: Any, blobs: Blobs) -> Artifact:
    """Store an XGBoost Booster in its own UBJSON form (attributes such as the best iteration are inside)."""
    with writing(value, "train it before it is returned"):
        data = bytes(value.save_raw("ubj"))
    return put_bytes("xgboost", data, blobs)


def read_xgboost(artifact: Artifact, blobs: Blobs) -> object:
    """Return the Booster."""
    data = blobs.get(artifact.digest)
    if not (data.startswith(b"{L") and data.endswith(b"}")):
        raise Corrupt(f"xgboost {artifact.digest} ({artifact.size} bytes) is not an XGBoost model in UBJSON")
    with reading(artifact):
        import xgboost

        booster = xgboost.Booster()
        booster.load_model(bytearray(data))
        return booster
