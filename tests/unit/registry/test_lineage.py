from incumbent.registry.lineage import Lineage, Link, Node


def make(edges, start="stage a"):
    names = {name for edge in edges for name in edge} | {start}
    nodes = {name: Node("stage", name.removeprefix("stage ")) for name in names}
    return Lineage(start, nodes, tuple(Link(source, "took", target) for source, target in edges))


def test_a_node_reached_twice_is_told_once_and_then_marked_a_repeat():
    diamond = make([("stage a", "stage b"), ("stage a", "stage c"), ("stage b", "stage d"), ("stage c", "stage d"), ("stage d", "stage e")])
    told = [(step.node.name, step.depth, step.is_repeat) for step in diamond.tell(diamond.origins)]
    assert told == [("a", 0, False), ("b", 1, False), ("d", 2, False), ("e", 3, False), ("c", 1, False), ("d", 2, True)]
    assert [node.name for node in diamond.list_origins()] == ["a", "b", "d", "e", "c"]


def test_a_chain_of_ten_thousand_is_told_to_its_end():
    chain = make([(f"stage {n}", f"stage {n + 1}") for n in range(10_000)], start="stage 0")
    assert len(chain.list_origins()) == 10_001


def test_a_circle_in_damaged_records_ends():
    circle = make([("stage a", "stage b"), ("stage b", "stage a")])
    assert [(step.node.name, step.is_repeat) for step in circle.tell(circle.origins)] == [("a", False), ("b", False), ("a", True)]
