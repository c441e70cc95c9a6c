"""What is asked of a model, where its authors had a say: nothing that they lowered counts, all that they raised does."""

from hypothesis import given
from hypothesis import strategies as st

from incumbent.governance.lowering import Setting, hold

NAMES = ("places", "days")
asks = st.fixed_dictionaries({name: st.integers(-3, 3) for name in NAMES})
settings = st.lists(st.tuples(st.sampled_from(["ann", "omar"]), asks), max_size=8).map(
    lambda told: [Setting(seq, by, asked) for seq, (by, asked) in enumerate(told, 1)]
)


def is_ann(setting):
    return setting.by == "ann"


@given(asks, settings)
def test_without_authors_the_last_setting_holds(start, told):
    held = hold(start, told, lambda _: False)
    assert held.asks == (told[-1].asks if told else start)
    assert held.setting == (told[-1] if told else None)
    assert held.ignored == ()


@given(asks, settings)
def test_with_authors_no_less_is_asked_than_the_others_last_said_nor_than_the_last_setting_says(start, told):
    held = hold(start, told, is_ann)
    others = [setting for setting in told if not is_ann(setting)]
    floor = others[-1].asks if others else start
    after = [setting.asks for setting in told if setting.seq > (others[-1].seq if others else 0)]
    for name in NAMES:
        assert held.asks[name] >= floor[name]
        assert held.asks[name] in {floor[name], *(asked[name] for asked in after)}
        if after:
            assert held.asks[name] >= after[-1][name]
    assert all(is_ann(setting) for setting in held.ignored)


@given(asks, settings)
def test_the_last_word_of_somebody_else_holds_whatever_authors_said_before(start, told):
    last = Setting(99, "omar", {"places": -3, "days": -3})
    held = hold(start, [*told, last], is_ann)
    assert (held.asks, held.setting, held.ignored) == (last.asks, last, ())


def test_it_is_told_whether_less_is_asked_than_ever_before():
    two, one, three = ({"places": count} for count in (2, 1, 3))
    assert not hold(two, [Setting(1, "omar", two)], is_ann).is_lowered
    assert hold(two, [Setting(1, "omar", one)], is_ann).is_lowered
    assert hold(one, [Setting(1, "omar", three), Setting(2, "omar", two)], is_ann).is_lowered
    assert not hold(two, [Setting(1, "omar", one), Setting(2, "omar", two)], is_ann).is_lowered
    assert not hold(two, [Setting(1, "ann", one)], is_ann).is_lowered
