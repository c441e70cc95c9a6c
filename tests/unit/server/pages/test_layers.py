import itertools
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from incumbent.server.pages.layers import BOX_HEIGHT, BOX_WIDTH, lay_out


@st.composite
def graphs(draw):
    """Graphs without circles: each node may need those before it."""
    count = draw(st.integers(0, 25))
    return {f"n{at}": [f"n{one}" for one in draw(st.sets(st.integers(0, at - 1), max_size=4))] if at else [] for at in range(count)}


def overlaps(one, other):
    return abs(one.x - other.x) < BOX_WIDTH and abs(one.y - other.y) < BOX_HEIGHT


@given(graphs())
def test_no_box_lies_on_another_and_every_box_lies_in_the_picture(needs):
    drawn = lay_out(needs)
    assert sorted(box.name for box in drawn.boxes) == sorted(needs)
    assert not any(overlaps(one, other) for one, other in itertools.combinations(drawn.boxes, 2))
    assert all(0 <= box.x <= drawn.width - BOX_WIDTH and 0 <= box.y <= drawn.height - BOX_HEIGHT for box in drawn.boxes)


@given(graphs())
def test_every_line_goes_down_from_what_is_needed_to_what_needs_it(needs):
    drawn = lay_out(needs)
    box = {one.name: one for one in drawn.boxes}
    assert sorted((line.start, line.end) for line in drawn.lines) == sorted((above, name) for name in needs for above in needs[name])
    for line in drawn.lines:
        assert line.points[0] == (box[line.start].x + BOX_WIDTH / 2, box[line.start].y + BOX_HEIGHT)
        assert line.points[-1] == (box[line.end].x + BOX_WIDTH / 2, box[line.end].y)
        assert all(lower[1] > upper[1] for upper, lower in itertools.pairwise(line.points))


@given(graphs())
def test_no_line_goes_through_a_box(needs):
    drawn = lay_out(needs)
    for line in drawn.lines:
        for (x, y), (next_x, next_y) in itertools.pairwise(line.points):
            for box in drawn.boxes:
                if y < box.y + BOX_HEIGHT and next_y > box.y:  # a piece beside a box goes straight down: both its ends have one x
                    assert x == next_x
                    assert not box.x <= x <= box.x + BOX_WIDTH, (line, box)


@given(graphs())
def test_a_box_stands_just_below_the_lowest_that_it_needs(needs):
    y = {box.name: box.y for box in lay_out(needs).boxes}
    levels = sorted(set(y.values()))
    for name, above in needs.items():
        assert levels.index(y[name]) == max((levels.index(y[one]) + 1 for one in above), default=0)


def test_a_fan_has_no_crossing():
    drawn = lay_out({"a": [], "b": [], "c": [], "to_c": ["c"], "to_b": ["b"], "to_a": ["a"]})
    x = {box.name: box.x for box in drawn.boxes}
    assert (x["a"] < x["b"]) == (x["to_a"] < x["to_b"])
    assert (x["b"] < x["c"]) == (x["to_b"] < x["to_c"])


@pytest.mark.parametrize("needs", [{"a": ["a"]}, {"a": ["b"], "b": ["c"], "c": ["a"]}, {"x": [], "a": ["x", "b"], "b": ["a"]}])
def test_a_circle_is_refused(needs):
    with pytest.raises(ValueError, match="needs itself"):
        lay_out(needs)


def test_what_needs_something_that_is_not_there_is_refused():
    with pytest.raises(ValueError, match="'a' needs 'gone', which is not there"):
        lay_out({"a": ["gone"]})


def test_a_thousand_boxes_in_one_chain_that_all_need_the_first_are_laid_out_without_a_lane_each():
    needs = {"n0": [], **{f"n{at}": list({"n0", f"n{at - 1}"}) for at in range(1, 1000)}}
    begun = time.process_time()
    assert len(lay_out(needs).boxes) == 1000
    assert time.process_time() - begun < 60  # a guard against the square of it, which takes hours; no claim of speed
