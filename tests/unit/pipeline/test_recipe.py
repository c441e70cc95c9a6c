"""A recipe holds all five inputs; changing any one of them changes the key, and nothing else does."""

import hashlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from incumbent.base.artifact import Artifact
from incumbent.base.digest import Digest
from incumbent.base.documents import document_bytes
from incumbent.pipeline.recipe import Recipe, derive_seed

A, B = Digest("blake3:" + "a" * 64), Digest("blake3:" + "b" * 64)
BASE = {"stage": "s", "data": {"x": Artifact("value", A, 3)}, "code": A, "config": {"k": 1}, "environment": A, "seed": 5, "outputs": ("s",)}


def test_a_key_is_the_hash_of_the_stored_documents_bytes():
    recipe = Recipe(**BASE)
    text = json.dumps(recipe.document(), sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    assert recipe.key("sha256") == "sha256:" + hashlib.sha256(text).hexdigest()


@pytest.mark.parametrize(
    "change",
    [
        {"stage": "t"},
        {"data": {"x": Artifact("value", B, 3)}},
        {"data": {"x": Artifact("bytes", A, 3)}},
        {"data": {"x": Artifact("value", A, 3, "a.csv")}},
        {"data": {"y": Artifact("value", A, 3)}},
        {"data": {}},
        {"code": B},
        {"config": {"k": 1.0}},
        {"config": {"k": True}},
        {"config": {"k": "1"}},
        {"config": {"k": [1]}},
        {"config": {}},
        {"environment": B},
        {"seed": 6},
        {"outputs": ("t",)},
    ],
)
def test_any_changed_input_changes_the_key(change):
    assert Recipe(**{**BASE, **change}).key("blake3") != Recipe(**BASE).key("blake3")


def test_the_order_in_which_inputs_and_config_are_given_does_not_matter():
    one = Recipe(**{**BASE, "config": {"a": 1, "b": 2}})
    other = Recipe(**{**BASE, "config": {"b": 2, "a": 1}})
    assert one.key("blake3") == other.key("blake3")


@given(st.integers(0, 2**63 - 1), st.text(max_size=20), st.text(max_size=20))
def test_derived_seeds_fit_in_32_bits_and_follow_the_stated_formula(seed, stage, item):
    found = derive_seed(seed, stage, item)
    text = document_bytes({"seed": seed, "stage": stage, "item": item})
    assert found == int(hashlib.sha256(text).hexdigest()[:8], 16)
    assert 0 <= found < 2**32
