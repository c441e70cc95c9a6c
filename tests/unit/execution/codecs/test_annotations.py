"""A value against its annotation: what contradicts is said in words, what cannot be judged is let through."""

# ruff: noqa: UP007, UP045 - both spellings of a union reach us

import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, NewType, Optional, Protocol, TypedDict, TypeVar, Union

import numpy as np
import pandas as pd
import polars as pl
import pytest
from numpy.typing import NDArray
from sklearn.base import ClassifierMixin
from sklearn.linear_model import LogisticRegression

from incumbent.execution.codecs.annotations import check_type, frame_of, item_annotation

UserId = NewType("UserId", int)
Bounded = TypeVar("Bounded", bound=int)
Free = TypeVar("Free")


class Row(TypedDict):
    a: int


class Closes(Protocol):
    def close(self) -> None: ...


FITS = [
    (1, int), (1, float), (1, complex), (True, int), (None, None), (None, type(None)), (1, Any), (1, object), (1, "unresolved.Name"),
    (1, int | str), (None, Optional[int]), ("a", Union[int, str]), ([1, 2], list[int]), ([], list[int]), ((1, "a"), tuple[int, str]),
    ((1, 2, 3), tuple[int, ...]), ((), tuple[()]), ({"a": 1}, dict[str, int]), ({"a": 1}, Mapping[str, float]), ([1], Sequence[int]),
    ({1}, set[int]), (iter([1]), Iterable[str]), (np.zeros(2), NDArray[np.float64]), (np.zeros(2), NDArray[np.floating]),
    (np.zeros(2), np.ndarray), (np.zeros(2), NDArray[Any]), (pl.DataFrame(), pl.DataFrame), (LogisticRegression(), ClassifierMixin),
    (Path("x"), Path), (UserId(3), UserId), ("x", Literal["x", "y"]), (1, Annotated[int, "positive"]), (1, Bounded), ("a", Free),
    ({"a": 1}, Row), (print, Callable[[int], None]), (3, Closes), ([{"a": [1]}], list[dict[str, list[int]]]), (int, type[int]),
]  # fmt: skip
CONTRADICTS = [
    ("1", int, "a str, where int is annotated"),
    (1.0, int, "a float, where int is annotated"),
    (None, int, "a NoneType, where int is annotated"),
    (1, None, "a int, where None is annotated"),
    (1.5, int | str, "a float, where int | str is annotated"),
    ([1, "a"], list[int], "item 1: a str, where int is annotated"),
    ([1, "a"], list[int] | None, "item 1: a str, where int is annotated"),
    ((1, 2), tuple[int, int, int], "a tuple of 2, where a tuple of 3 is annotated"),
    ((1, "a"), tuple[int, int], "item 1: a str, where int is annotated"),
    ({"a": "b"}, dict[str, int], "value of 'a': a str, where int is annotated"),
    ({1: 1}, dict[str, int], "key 1: a int, where str is annotated"),
    (np.zeros(2, "i4"), NDArray[np.float64], "an array of int32, where float64 is annotated"),
    ([1], NDArray[np.float64], "a list, where numpy.ndarray is annotated"),
    (pl.DataFrame(), pd.DataFrame, "a polars.DataFrame, where pandas.DataFrame is annotated"),
    ("z", Literal["x", "y"], "'z', where one of 'x', 'y' is annotated"),
    ("a", UserId, "a str, where int is annotated"),
    ("a", Annotated[int, "positive"], "a str, where int is annotated"),
    ([1], Row, "a list, where dict is annotated"),
]  # fmt: skip


@pytest.mark.parametrize(("value", "annotation"), FITS)
def test_a_value_that_fits_its_annotation_passes(value: object, annotation: object) -> None:
    assert check_type(value, annotation) is None


@pytest.mark.parametrize(("value", "annotation", "words"), CONTRADICTS)
def test_a_value_that_contradicts_its_annotation_is_told_in_words(value: object, annotation: object, words: str) -> None:
    assert check_type(value, annotation) == words


def test_the_frame_and_the_item_that_an_annotation_names_are_found() -> None:
    assert frame_of(pl.DataFrame) == "polars.DataFrame"
    assert frame_of(pd.DataFrame | None) == "pandas.DataFrame"
    assert frame_of(Annotated[pl.DataFrame, "rows"]) == "polars.DataFrame"
    assert frame_of(Any) is frame_of(int) is None
    assert item_annotation(list[int]) is item_annotation(tuple[int, ...]) is item_annotation(list[int] | None) is int
    assert item_annotation(typing.Any) is typing.Any
