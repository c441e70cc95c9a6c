import itertools
import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from incumbent.server.pages.chart import BOTTOM, COLUMNS, HEIGHT, LEFT, RIGHT, TOP, WIDTH, Series, draw_chart, list_ticks, thin

TOP_PX, FLOOR_PX = float(TOP), float(HEIGHT - BOTTOM)


def heights(path):
    return [float(y) for y in re.findall(r"[ML][\d.]+ ([\d.]+)", path)]


def strokes(path):
    return path.count("M")


def series(*y):
    return Series("m", [float(x) for x in range(len(y))], list(y))


def test_a_line_from_0_to_10_runs_from_the_left_lower_to_the_right_upper_corner():
    [curve] = draw_chart([series(0.0, 10.0)]).curves
    assert curve.path == f"M{LEFT} {FLOOR_PX:g}L{WIDTH - RIGHT} {TOP_PX:g}"


def test_a_spike_of_one_point_in_100000_is_drawn_to_the_top_and_a_dip_to_the_floor():
    y = [1.0] * 100_000
    y[61_803], y[27_182] = 5.0, -3.0
    [curve] = draw_chart([series(*y)]).curves
    assert min(heights(curve.path)) == TOP_PX
    assert max(heights(curve.path)) == FLOOR_PX
    assert len(heights(curve.path)) <= 2 * (COLUMNS + 1)


@given(st.lists(st.floats(allow_nan=True, allow_infinity=True), max_size=300), st.booleans())
def test_whatever_is_logged_every_place_is_inside_of_the_picture_and_every_point_is_drawn_or_counted(y, is_log):
    chart = draw_chart([series(*y)], is_log=is_log)
    [curve] = chart.curves
    assert all(TOP_PX <= at <= FLOOR_PX for at in heights(curve.path))
    assert all(LEFT <= tick.at <= WIDTH - RIGHT for tick in chart.x_ticks)
    assert all(TOP_PX <= tick.at <= FLOOR_PX for tick in chart.y_ticks)
    assert curve.points == len(y)
    assert curve.hidden == sum(not math.isfinite(v) or abs(v) > 1e300 or (is_log and v <= 0) for v in y)
    assert bool(curve.gaps) == (curve.hidden > 0)
    assert bool(curve.path) == (curve.hidden < len(y))
    assert "nan" not in curve.path + "".join(tick.label for tick in (*chart.x_ticks, *chart.y_ticks)).lower()


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=2000))
def test_the_extremes_of_any_column_are_kept(values):
    kept = thin(values)
    assert (min(kept), max(kept)) == (min(values), max(values))
    assert len(kept) <= 2


def test_nan_breaks_the_line_in_two_and_marks_where():
    [curve] = draw_chart([series(0.0, 1.0, math.nan, 1.0, 0.0)]).curves
    assert strokes(curve.path) == 2
    assert curve.gaps == (LEFT + COLUMNS / 2,)
    assert curve.hidden == 1


def test_a_lone_point_between_two_gaps_is_seen_as_a_dot():
    [curve] = draw_chart([series(0.0, math.nan, 2.0, math.nan, 0.0)]).curves
    assert strokes(curve.path) == 3
    assert curve.path.count("h0.01") == 3


def test_decades_lie_equally_far_apart_on_a_logarithmic_axis_and_what_is_not_above_0_is_counted():
    [curve] = draw_chart([series(0.001, 0.1, 10.0, 0.0, -1.0)], is_log=True).curves
    first, second, third = heights(curve.path)
    assert first - second == pytest.approx(second - third, abs=0.11)
    assert curve.hidden == 2


def test_series_share_one_scale():
    low, high = draw_chart([series(0.0, 1.0), series(0.0, 2.0)]).curves
    assert min(heights(low.path)) == pytest.approx((TOP_PX + FLOOR_PX) / 2, abs=0.1)
    assert min(heights(high.path)) == TOP_PX


@pytest.mark.parametrize("y", [(), (5.0,), (5.0, 5.0), (0.0, 0.0), (math.nan,), (1e16, 1e16 + 2), (1e300, -1e300), (5e-324, 0.0)])
def test_what_has_no_span_is_drawn_all_the_same(y):
    chart = draw_chart([series(*y)])
    assert all(TOP_PX <= at <= FLOOR_PX for at in heights(chart.curves[0].path))


@given(st.floats(-1e12, 1e12), st.floats(1e-6, 1e12))
def test_ticks_are_few_ascending_equally_spaced_and_inside(low, span):
    high = low + span
    ticks = list_ticks(low, high)
    assert len(ticks) <= 21
    assert ticks == sorted(set(ticks))
    steps = {round((b - a) / (ticks[1] - ticks[0]), 3) for a, b in itertools.pairwise(ticks)}
    assert len(steps) <= 1 or span / max(abs(low), abs(high)) < 1e-8
    slack = span * 1e-6 + max(abs(low), abs(high)) * 1e-11
    assert all(low - slack <= tick <= high + slack for tick in ticks)


def test_no_two_ticks_of_one_axis_are_called_the_same():
    chart = draw_chart([series(100_000_000_001.0, 100_000_000_005.0)])
    assert [tick.label for tick in chart.y_ticks] == ["100000000001", "100000000002", "100000000003", "100000000004", "100000000005"]
