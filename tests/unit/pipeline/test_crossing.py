"""Code that comes to a stage with the objects it is given: an edit of a class reruns who may call its methods."""

import pytest

from incumbent.pipeline.crossing import reach_stages
from incumbent.pipeline.graph import build_graph
from incumbent.pipeline.reading import WrittenPipeline, read_pipeline
from small_project import Project

SHAPES = """
import math
class Shape:
    def area(self): return 0.0
class Circle(Shape):
    def __init__(self, r): self.r = r
    def area(self): return scale(3.0)
def scale(x): return x * 1.0
class Beside:
    n = 7
"""
MODELS = """
from sklearn.base import BaseEstimator
class Model(BaseEstimator):
    def predict(self, rows): return [row * 5 for row in rows]
def clip(x): return min(x, 9)
def make(): return Model()
"""


def closures(main: str, **files: str) -> dict[str, dict[str, str]]:
    """Return the leaves of each stage: id -> canonical text."""
    project = Project(main=f"import incumbent as inc\n{main}", **files)
    found = read_pipeline(project.modules["main"], None, project.graph.resolver)
    assert isinstance(found, WrittenPipeline)
    graph = build_graph(found.name, found.stages, found.sources)
    reached = reach_stages(graph, dict.fromkeys(graph.stages, project.modules["main"]), project.graph)
    return {
        name: {**{project.graph.node_id(n): project.graph.node_text(n) for n in reach.nodes}, "widened": "; ".join(reach.widened)}
        for name, reach in reached.items()
    }


def rerun(main: str, files: dict[str, str], path: str, old: str, new: str) -> set[str]:
    """Return the stages whose code an edit changes."""
    every = {"main": main, **files}
    assert every[path].count(old) == 1
    edited = {**every, path: every[path].replace(old, new)}
    before, after = closures(**every), closures(**edited)
    return {stage for stage in before if before[stage] != after[stage]}


AREA = """
from a import Circle, Shape
@inc.stage
def shape() -> {given}: return Circle(2.0)
@inc.stage
def area(shape: {taken}) -> float: return shape.area()
@inc.stage
def report(area: float) -> str: return str(area)
p = inc.Pipeline("p", [shape, area, report])
"""


@pytest.mark.parametrize("given", ["Circle", "Shape", "object", "list", "dict[str, Circle]", "Circle | None"])
@pytest.mark.parametrize("old", ["scale(3.0)", "x * 1.0", "self.r = r"])
def test_an_edit_of_a_class_reruns_the_stage_that_is_given_its_objects(given, old):
    main = AREA.format(given=given, taken="object")
    assert rerun(main, {"a": SHAPES}, "a", old, f"({old})[0]" if "=" not in old else "self.r = -r") == {"shape", "area"}


def test_a_stage_without_annotations_may_be_given_anything():
    main = AREA.replace(" -> {given}", "").replace(": {taken}", "")
    assert rerun(main, {"a": SHAPES}, "a", "scale(3.0)", "scale(4.0)") == {"shape", "area"}


@pytest.mark.parametrize(
    ("given", "taken"),
    [
        ("float", "float"),
        ("list[float]", "list[float]"),
        ("dict[str, int | None]", "object"),
        ("tuple[int, ...]", "object"),
        ("object", "str"),
    ],
)
def test_no_class_crosses_a_wire_of_plain_types(given, taken):
    assert rerun(AREA.format(given=given, taken=taken), {"a": SHAPES}, "a", "scale(3.0)", "scale(4.0)") == {"shape"}


def test_a_class_that_the_producer_does_not_reach_does_not_cross():
    assert rerun(AREA.format(given="Shape", taken="Shape"), {"a": SHAPES}, "a", "n = 7", "n = 8") == set()


def test_an_edit_of_an_estimator_of_the_project_reruns_the_stage_that_predicts():
    main = """
from sklearn.base import BaseEstimator
from a import make
@inc.stage
def train() -> BaseEstimator: return make()
@inc.stage
def evaluate(train: BaseEstimator) -> list[float]: return train.predict([1])
@inc.stage
def last(evaluate: list[float]) -> float: return evaluate[0]
p = inc.Pipeline("p", [train, evaluate, last])
"""
    assert rerun(main, {"a": MODELS}, "a", "row * 5", "row * 6") == {"train", "evaluate"}
    assert rerun(main, {"a": MODELS}, "a", "min(x, 9)", "min(x, 8)") == set()


def test_a_function_that_an_object_holds_crosses_with_it():
    main = """
from sklearn.preprocessing import FunctionTransformer
from a import clip
@inc.stage
def train(): return FunctionTransformer(clip)
@inc.stage
def called(): return clip(3)
@inc.stage
def evaluate(train): return train.transform([1])
@inc.stage
def other(called): return called
p = inc.Pipeline("p", [train, called, evaluate, other])
"""
    assert rerun(main, {"a": MODELS}, "a", "min(x, 9)", "min(x, 8)") == {"train", "called", "evaluate"}


def test_a_class_crosses_stages_that_pass_its_objects_on():
    main = """
from a import Circle
@inc.stage
def one(): return Circle(1)
@inc.stage
def two(one): return [one]
@inc.stage
def count(two: list) -> int: return len(two)
@inc.stage
def three(two: list, count: int): return two[0].area()
p = inc.Pipeline("p", [one, two, count, three])
"""
    assert rerun(main, {"a": SHAPES}, "a", "scale(3.0)", "scale(4.0)") == {"one", "two", "count", "three"}


def test_one_output_of_several_lets_a_class_cross_and_another_does_not():
    main = """
from a import Circle
@inc.stage(outputs=("shape", "size"))
def make() -> tuple[Circle, int]: return Circle(1), 1
@inc.stage
def area(shape): return shape.area()
@inc.stage
def double(size): return size * 2
p = inc.Pipeline("p", [make, area, double])
"""
    assert rerun(main, {"a": SHAPES}, "a", "scale(3.0)", "scale(4.0)") == {"make", "area"}


def test_each_item_of_a_mapped_stage_brings_its_class():
    main = """
from a import Circle
@inc.stage
def shapes() -> list[Circle]: return [Circle(1)]
@inc.stage(map_over="shapes")
def area(shapes: Circle) -> float: return shapes.area()
@inc.stage
def total(area: list[float]) -> float: return sum(area)
p = inc.Pipeline("p", [shapes, area, total])
"""
    assert rerun(main, {"a": SHAPES}, "a", "scale(3.0)", "scale(4.0)") == {"shapes", "area"}


def test_a_class_from_a_registry_crosses():
    registry = "R = {}\ndef register(c):\n  R[c.__name__] = c\n  return c\n"
    main = """
import b
from a import R
@inc.stage
def make(): return R["One"]()
@inc.stage
def use(make): return make.go()
p = inc.Pipeline("p", [make, use])
"""
    files = {"a": registry, "b": "from a import register\n@register\nclass One:\n  def go(self): return 1"}
    assert rerun(main, files, "b", "return 1", "return 2") == {"make", "use"}


def test_a_class_made_by_a_call_crosses():
    main = """
from collections import namedtuple
Row = namedtuple("Row", "a")
@inc.stage
def make(): return Row(1)
@inc.stage
def use(make): return make._fields
p = inc.Pipeline("p", [make, use])
"""
    assert rerun(main, {}, "main", '"a"', '"b"') == {"make", "use"}


def test_a_producer_that_may_make_anything_widens_who_takes_from_it():
    main = """
import a
@inc.stage
def make(n): return getattr(a, n)()
@inc.stage
def use(make): return make.area()
@inc.stage
def n() -> str: return "Circle"
@inc.stage
def plain(make: str) -> str: return make
p = inc.Pipeline("p", [n, make, use, plain])
"""
    found = closures(main, a=SHAPES)
    assert found["make"]["widened"] == found["use"]["widened"] == "main.py:5 getattr(a, n) takes an attribute of a.py by a computed name"
    assert found["n"]["widened"] == found["plain"]["widened"] == ""
    assert rerun(main, {"a": SHAPES}, "a", "n = 7", "n = 8") == {"make", "use"}
