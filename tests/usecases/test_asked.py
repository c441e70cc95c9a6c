"""Every governed act holds what it is given to its type: a clear InvalidInput, and nothing done, recorded or crashed."""

import importlib
import inspect
import pkgutil

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import incumbent.usecases
from incumbent.base.errors import InvalidInput
from incumbent.bootstrap.workspace import open_workspace
from incumbent.config import read_settings
from incumbent.usecases.asked import CHECKS, asked
from incumbent.usecases.people import add_person

MARKS = ["\x00", "\n", "\x1b[2J", "\u202e", "\u200f", "\u2066", "\x85"]
NO_TEXT = st.sampled_from([True, 1, 1.0, b"text", ["a"], ("a",), {}, object()])
NO_NAME = NO_TEXT | st.just("a" * 301) | st.sampled_from(MARKS).map("model{}x".format)
NO_VERSION = st.sampled_from([True, False, 1.0, 0, -1, 10**30, -(10**30), float("nan"), "1", b"1", None, object(), (1,)])
NO_TARGET = st.sampled_from(["m@1", 1, ("m",), ("m", "1"), ("m", True), (None, 1), ["m", 1], ("m\n", 1), ("m", 10**30)])
HOSTILE = {
    "model": NO_NAME, "slot": NO_NAME, "version": NO_VERSION, "to": NO_TARGET, "reason": NO_TEXT, "comment": NO_TEXT, "resolution": NO_TEXT,
}  # fmt: skip
GOOD = {"model": "m", "slot": "m/eu", "version": 1, "to": ("m", 1)}


def list_acts():
    """Return every use case that records an act and takes a name that is checked, from the code: a new one appears by itself."""
    found = {}
    for module in pkgutil.iter_modules(incumbent.usecases.__path__):
        loaded = importlib.import_module(f"incumbent.usecases.{module.name}")
        for name, function in inspect.getmembers(loaded, inspect.isfunction):
            if name.startswith("_") or function.__module__ != loaded.__name__ or module.name == "asked":
                continue
            parameters = inspect.signature(function).parameters
            source = inspect.getsource(inspect.unwrap(function))
            is_act = next(iter(parameters), "") == "ws" and ("governed(" in source or "attempting(" in source)
            if is_act and HOSTILE.keys() & parameters.keys():
                found[f"{module.name}.{name}"] = function
    return found


ACTS = list_acts()
ASKED = [(act, name) for act, function in ACTS.items() for name in inspect.signature(function).parameters if name in HOSTILE]


@pytest.fixture(scope="module")
def ws(tmp_path_factory):
    folder = tmp_path_factory.mktemp("asked")
    opened = open_workspace(read_settings(folder, {"INCUMBENT_KEYS": str(folder / "keys"), "INCUMBENT_ACTOR": "ada"}))
    add_person(opened, person="ada", name="Ada", roles=["admin", "developer", "validator", "approver", "operator"])
    yield opened
    opened.store.close()


def size(ws):
    with ws.store.begin(read_only=True) as tx:
        return tx.ledger.size()


def call(ws, act, **given):
    function = ACTS[act]
    needed = [name for name, found in inspect.signature(function).parameters.items() if name != "ws" and found.default is found.empty]
    return function(ws, **{**{name: GOOD.get(name, "x") for name in needed}, **given})


def test_the_acts_of_the_guarded_path_are_found():
    expected = {"promote.promote", "roll_back.roll_back", "archive.archive", "propose.propose", "evaluate.evaluate", "sign_off.sign_off"}
    assert expected | {"findings.close_finding", "ledger_clock.accept_clock", "attest.attest", "register.register"} <= ACTS.keys()
    assert HOSTILE.keys() == CHECKS.keys()


@pytest.mark.parametrize(("act", "name"), ASKED)
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_an_act_refuses_what_is_of_another_type_or_cannot_be_shown_before_anything_is_recorded(ws, act, name, data):
    before = size(ws)
    may_lack = "None" in str(inspect.signature(ACTS[act]).parameters[name].annotation)
    value = data.draw(HOSTILE[name] if may_lack else HOSTILE[name] | st.none())
    with pytest.raises(InvalidInput) as told:
        call(ws, act, **{name: value})
    assert str(told.value).isprintable()
    assert len(str(told.value)) < 500
    assert size(ws) == before


def test_what_is_right_goes_through_and_none_only_where_it_may_be():
    @asked
    def act(_ws, *, model: str, version: int, slot: str | None, reason: str = "") -> tuple[object, ...]:
        return model, version, slot, reason

    assert act(None, model="flights-late", version=7, slot=None) == ("flights-late", 7, None, "")
    assert act(None, model="m", version=10**9 - 1, slot="m/eu", reason="two\nlines") == ("m", 10**9 - 1, "m/eu", "two\nlines")
    for wrong in ({"model": None}, {"version": None}, {"reason": None}):
        with pytest.raises(InvalidInput, match="is None; it is"):
            act(None, **{"model": "m", "version": 1, "slot": None, **wrong})
