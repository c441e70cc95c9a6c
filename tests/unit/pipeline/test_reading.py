"""Pipelines read from source: the same description as the live objects give, or the reason why it cannot be read."""

import sys
from pathlib import Path
from types import ModuleType

import pytest

import incumbent as inc
from incumbent.base.errors import InvalidInput, NotFound
from incumbent.pipeline.pipeline import Pipeline, describe, find_stage, type_text
from incumbent.pipeline.reading import BuiltByCode, WrittenPipeline, read_pipeline
from incumbent.pipeline.resolve import Resolver
from incumbent.pipeline.source import SourceSpec
from incumbent.pipeline.stage import Output, Unset
from incumbent.pipeline.symbols import SourceModule, read_module

HEAD = "import incumbent as inc\n@inc.stage\ndef a() -> int: return 1\n@inc.stage\ndef b(a: int) -> str: return ''\n"


def read(main: str, symbol: str | None = "p", **others: str) -> WrittenPipeline | BuiltByCode:
    modules: dict[str, SourceModule] = {}
    for name, text in {"main": main, **others}.items():
        modules[name] = read_module(text.encode(), path=f"{name}.py", label=f"{name}.py", name=name, is_package=False)
    return read_pipeline(modules["main"], symbol, Resolver(modules.get))


def written(main: str, symbol: str | None = "p", **others: str) -> WrittenPipeline:
    found = read(main, symbol, **others)
    assert isinstance(found, WrittenPipeline), found
    return found


@pytest.mark.parametrize(
    "source",
    [
        HEAD + "p = inc.Pipeline('x', [a, b])",
        HEAD + "p = inc.Pipeline(name='x', stages=(a, b), sources=None)",
        HEAD + "p: inc.Pipeline = inc.Pipeline('x', [a, b], {})",
        HEAD + "NAME = 'x'\nALL = [a, b]\np = inc.Pipeline(NAME, ALL)",
        HEAD + "MORE = [b]\np = inc.Pipeline('x', [a, *MORE])",
        HEAD + "p = inc.Pipeline('x', [a] + [b])",
        HEAD + "q = inc.Pipeline('x', [a, b])\np = q",
        HEAD + "p = inc.Pipeline('x', [a, b])\ninc.run_pipeline(p)\nprint(p)",
        HEAD.replace("import incumbent as inc", "import incumbent").replace("@inc.", "@incumbent.") + "p = incumbent.Pipeline('x', [a, b])",
        HEAD.replace("import incumbent as inc", "from incumbent import Pipeline as P, stage as s").replace("@inc.stage", "@s")
        + "p = P('x', [a, b])",
        HEAD.replace("@inc.stage\ndef b", "def c") + "b = inc.stage(name='b')(c)\np = inc.Pipeline('x', [a, b])",
    ],
)
def test_every_plain_spelling_is_read(source):
    found = written(source)
    assert (found.name, [stage.name for stage in found.stages], found.sources) == ("x", ["a", "b"], {})
    assert [(p.name, p.type) for p in found.stages[1].inputs] == [("a", "int")]
    assert found.stages[1].outputs == (Output("b", "str"),)


def test_stages_are_found_through_imports_and_attributes_of_modules():
    lib = HEAD.replace("def a", "def load").replace("a: int", "load: int")
    found = written("import incumbent as inc\nimport lib\nfrom lib import b as c\np = inc.Pipeline('x', [lib.load, c])", lib=lib)
    assert [(s.name, s.path, s.module, s.symbol) for s in found.stages] == [("load", "lib.py", "lib", "load"), ("b", "lib.py", "lib", "b")]


def test_a_pipeline_is_found_through_an_import():
    found = written("from lib import q as p", lib=HEAD + "q = inc.Pipeline('x', [a, b])")
    assert found.name == "x"


def test_sources_are_read_with_their_arguments():
    main = HEAD + (
        "from incumbent import source\nPLACE = 'data/x.csv'\n"
        "p = inc.Pipeline('x', [a], sources={'f': inc.source.file(PLACE, link=True), 'q': source.sql('sqlite:///a', query='select 1'),"
        "'d': source.delta('t', version=3)})"
    )
    assert written(main).sources == {
        "f": SourceSpec("file", "data/x.csv", link=True),
        "q": SourceSpec("sql", "sqlite:///a", "select 1"),
        "d": SourceSpec("delta", "t", "3"),
    }


def test_options_defaults_and_several_outputs_are_read():
    main = (
        "import incumbent as inc\nN = 3\n"
        "@inc.stage(name='split', outputs=('left', 'right'), retries=2, env=['A'], timeout_s=1.5)\n"
        "def s(x: list[int], *, k: int = 3, w: float = -0.5, names: list = ['a'], n: int = N, t: tuple = (1, 2), rng, seed: int)"
        " -> tuple[int, dict[str, int]]: ...\n"
        "p = inc.Pipeline('x', [s])"
    )
    spec = written(main).stages[0]
    assert (spec.name, spec.symbol, spec.injected) == ("split", "s", ("rng", "seed"))
    assert spec.outputs == (Output("left", "int"), Output("right", "dict[str, int]"))
    assert (spec.options.retries, spec.options.env, spec.options.timeout_s) == (2, ("A",), 1.5)
    defaults = {parameter.name: parameter.default for parameter in spec.config}
    assert [defaults[name] for name in ("k", "w", "names")] == [3, -0.5, ["a"]]
    assert isinstance(defaults["n"], Unset)
    assert isinstance(defaults["t"], Unset)
    assert all(parameter.has_default for parameter in spec.config)


ANNOTATIONS = {
    "int": "int",
    "None": "None",
    "list[int]": "list[int]",
    "dict[str, list[Path]]": "dict[str, list[pathlib.Path]]",
    "pl.DataFrame": "polars.DataFrame",
    "'pl.DataFrame'": "polars.DataFrame",
    "list['pl.DataFrame']": "list[polars.DataFrame]",
    "pathlib.Path": "pathlib.Path",
    "int | None": "int | None",
    "Optional[Path]": "pathlib.Path | None",
    "Union[int, str, None]": "int | str | None",
    "Annotated[int, 'unit']": "int",
    "Literal['a', 'b']": "typing.Literal['a', 'b']",
    "tuple[int, ...]": "tuple[int, ...]",
    "Any": "typing.Any",
    "Row": "lib.Row",
    "lib.Row": "lib.Row",
    "Rows": "list[lib.Row]",
    "Local": "main.Local",
    "Callable[[int], str]": "collections.abc.Callable[[int], str]",
}


@pytest.mark.parametrize("annotation", ANNOTATIONS)
@pytest.mark.parametrize("future", ["", "from __future__ import annotations\n"])
def test_annotations_become_dotted_names(annotation, future):
    main = future + (
        "import incumbent as inc, pathlib, polars as pl, lib\nfrom pathlib import Path\n"
        "from typing import Annotated, Any, Literal, Optional, Union\nfrom collections.abc import Callable\n"
        "from lib import Row, Rows\nclass Local: ...\n"
        f"@inc.stage\ndef a(x: {annotation}) -> {annotation}: ...\np = inc.Pipeline('x', [a])"
    )
    spec = written(main, lib="class Row: ...\nRows = list[Row]").stages[0]
    assert spec.inputs[0].type == ANNOTATIONS[annotation]
    assert spec.outputs[0].type == ANNOTATIONS[annotation]


BUILT = {
    HEAD + "S = []\nfor s in (a, b): S.append(s)\np = inc.Pipeline('x', S)": "'S' (main.py) is bound or changed more than once",
    HEAD + "p = inc.Pipeline('x', [s for s in (a, b)])": "not a list that is written out",
    HEAD + "def make(): return inc.Pipeline('x', [a])\np = make()": "is not written as Pipeline",
    HEAD + "c = wrap(a)\np = inc.Pipeline('x', [a, c])": "'c' (main.py:6) is made by code",
    HEAD + "p = inc.Pipeline('x', [wrap(a)])": "listed as an expression",
    HEAD + "import outside\np = inc.Pipeline('x', [outside.c])": "'outside.c' (main.py:7) comes from outside of the project",
    HEAD + "p = inc.Pipeline('x', [c])": "'c' (main.py:6) is bound by code, or not at all",
    HEAD + "p = inc.Pipeline(*ARGS)": "unpacked",
    HEAD + "p = inc.Pipeline('x' + 'y', [a])": "'x' + 'y' is computed",
    HEAD + "p = inc.Pipeline('x', [a], sources={'f': inc.source.file(here())})": "here() is computed",
    HEAD + "p = inc.Pipeline('x', [a], sources={'f': make()})": "a source is not made by one of source.file",
    HEAD + "p = inc.Pipeline('x', [a], sources=make())": "not a dict that is written out",
    HEAD + "if X:\n  c = a\nelse:\n  c = b\np = inc.Pipeline('x', [c])": "'c' (main.py:6) is made by code",
    HEAD + "@wrap\n@inc.stage\ndef c(): ...\np = inc.Pipeline('x', [c])": "wrapped by another decorator",
    HEAD + "@inc.stage(**OPTIONS)\ndef c(): ...\np = inc.Pipeline('x', [c])": "unpacked",
    HEAD + "x = y\ny = x\np = inc.Pipeline('x', x)": "in a circle",
    HEAD + "L = [a, *L]\np = inc.Pipeline('x', L)": "contains itself",
}


@pytest.mark.parametrize("main", BUILT)
def test_what_is_built_by_code_is_said_to_be(main):
    found = read(main)
    assert isinstance(found, BuiltByCode)
    assert BUILT[main] in found.reason


def test_without_a_name_the_only_pipeline_is_taken_and_of_several_none():
    assert written(HEAD + "p = inc.Pipeline('x', [a, b])", None).symbol == "p"
    with pytest.raises(InvalidInput, match=r"main\.py holds 2 pipelines: p, q; say which, as main\.py:p"):
        read(HEAD + "p = inc.Pipeline('x', [a])\nq = inc.Pipeline('y', [a])", None)
    assert isinstance(read(HEAD, None), BuiltByCode)


def test_an_unknown_name_offers_the_nearest():
    with pytest.raises(NotFound, match=r"main\.py binds no name 'pipelin'; did you mean 'pipeline'\?"):
        read(HEAD + "pipeline = inc.Pipeline('x', [a])", "pipelin")
    with pytest.raises(NotFound, match="It has no pipeline"):
        read(HEAD, "p")


@pytest.mark.parametrize(
    ("main", "message"),
    [
        (HEAD + "def c(): ...\np = inc.Pipeline('x', [c])", "lists 'c', which is no stage; put @stage above"),
        (HEAD + "@inc.stage\ndef c(*args, **kw): ...\np = inc.Pipeline('x', [c])", r"takes \*args and \*\*kw"),
        (HEAD + "@inc.stage(retry=1)\ndef c(): ...\np = inc.Pipeline('x', [c])", r"main\.py:7: @stage has no option 'retry'"),
        (HEAD + "@inc.stage(outputs=('l', 'r'))\ndef c() -> tuple[int]: ...\np = inc.Pipeline('x', [c])", "a tuple of 2 types"),
        (HEAD + "p = inc.Pipeline('', [a])", "a pipeline needs a name"),
        (HEAD + "p = inc.Pipeline('x')", "given: name"),
        (HEAD + "p = inc.Pipeline('x', [a], sources={'f': inc.source.file()})", "source.file: .*missing"),
        (HEAD + "p = inc.Pipeline('x', [a], sources={'f': inc.source.file('')})", "needs a path"),
    ],
)
def test_what_no_pipeline_may_have_is_refused(main, message):
    with pytest.raises(InvalidInput, match=message):
        read(main)


def test_ten_thousand_stages_are_read():
    stages = "".join(f"@inc.stage\ndef s{n}(s{n - 1}: int) -> int: return s{n - 1}\n" for n in range(1, 10_000))
    names = ", ".join(f"s{n}" for n in range(10_000))
    main = f"import incumbent as inc\n@inc.stage\ndef s0() -> int: return 0\n{stages}p = inc.Pipeline('x', [{names}])"
    assert [spec.name for spec in written(main).stages] == [f"s{n}" for n in range(10_000)]


TWIN = """
import pathlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Optional

import incumbent as inc

@dataclass
class Row:
    n: int

@inc.stage(outputs=("left", "right"), retries=1)
def split(
    raw: Path, *, share: float = 0.5, names: list[str] = ["a"], mode: Literal["x", "y"] = "x", rng=None
) -> tuple[list[Row], "Row | None"]: ...

@inc.stage(map_over="left")
def each(left: Row, right: Optional[Row], *, seed: int, limit: "int | None" = None) -> dict[str, Any]: ...

def plain(each: list[dict[str, Any]], other: Any = None, /, *, facts: Mapping[str, int]): ...

last = inc.stage(plain, name="last") if False else inc.stage(plain)
end = inc.stage(name="end")(plain)
p = inc.Pipeline("twin", [split, each], sources={"raw": inc.source.file("data/raw.csv")})
"""


@pytest.fixture
def twin(monkeypatch):
    module = ModuleType("main")
    module.__file__ = "main.py"
    monkeypatch.setitem(sys.modules, "main", module)
    exec(compile(TWIN, "main.py", "exec"), vars(module))
    return module


def test_the_source_and_the_live_objects_give_the_same_description(twin):
    found = written(TWIN)
    live: Pipeline = twin.p
    assert found.stages == tuple(describe(stage) for stage in live.stages)
    assert (found.name, found.sources) == (live.name, live.sources)


def test_a_live_pipeline_checks_what_it_is_given(twin):
    with pytest.raises(InvalidInput, match="lists 3, which is no stage"):
        inc.Pipeline("x", [3])
    with pytest.raises(InvalidInput, match="source 'raw' is 'data.csv'"):
        inc.Pipeline("x", [twin.split], sources={"raw": "data.csv"})
    with pytest.raises(InvalidInput, match="takes 'raw', and no stage or source gives it"):
        inc.Pipeline("x", [twin.split])


def test_a_stage_is_found_by_its_symbol_or_inside_its_pipeline(twin):
    assert find_stage(vars(twin), "each") is twin.each
    assert find_stage(vars(twin), "p[each]") is twin.each
    for symbol in ("missing", "plain", "p[missing]", "each[x]", "p"):
        with pytest.raises(NotFound):
            find_stage(vars(twin), symbol)


def test_live_types_read_as_dotted_text():
    assert type_text(list[Path]) == "list[pathlib.Path]"  # wherever this Python keeps the class
    assert type_text(tuple[int, ...]) == "tuple[int, ...]"
    assert type_text(Pipeline) == "incumbent.pipeline.pipeline.Pipeline"
