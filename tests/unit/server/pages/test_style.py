"""The style sheet's colours, by the arithmetic of WCAG 2.2 (relative luminance, contrast ratio)."""

import re

import pytest

from incumbent.server.pages.static_files import get_script, get_style

SHEET = get_style(None, None).body.decode()
TEXT_RATIO, GRAPHICS_RATIO = 4.5, 3.0
"""Success criteria 1.4.3 and 1.4.11."""


def colours(text):
    return dict(re.findall(r"--(\w+): (#[0-9a-f]{6});", text))


def schemes():
    light, _, dark = SHEET.partition("@media (prefers-color-scheme: dark)")
    first = colours(light)
    return {"light": first, "dark": {**first, **colours(dark.partition("* {")[0])}}


def luminance(colour):
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def ratio(one, other):
    brighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (brighter + 0.05) / (darker + 0.05)


def test_black_on_white_is_21_to_1():
    assert ratio("#000000", "#ffffff") == pytest.approx(21)
    assert ratio("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)  # the textbook's grey that just fails


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("ground", ["ground", "raised"])
@pytest.mark.parametrize("ink", ["ink", "quiet", "link", "good", "bad", "wait", "rest"])
def test_text_can_be_read_on_every_ground(scheme, ground, ink):
    found = schemes()[scheme]
    assert ratio(found[ink], found[ground]) >= TEXT_RATIO


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_button_can_be_read_and_the_focus_and_every_curve_can_be_seen(scheme):
    found = schemes()[scheme]
    assert ratio(found["ground"], found["link"]) >= TEXT_RATIO
    for drawn in ("focus", "s0", "s1", "s2", "s3", "s4", "s5"):
        assert ratio(found[drawn], found["ground"]) >= GRAPHICS_RATIO


def test_the_dark_scheme_is_another_one():
    both = schemes()
    assert luminance(both["dark"]["ground"]) < luminance(both["light"]["ground"])
    assert all(both["dark"][name] != both["light"][name] for name in ("ink", "link", "good", "bad", "wait", "focus"))


def test_no_rule_takes_the_focus_ring_away_and_nothing_comes_from_elsewhere():
    assert "outline: none" not in SHEET
    assert "outline: 0" not in SHEET
    assert ":focus-visible" in SHEET
    assert "@media print" in SHEET
    for text in (SHEET, get_script(None, None).body.decode()):
        assert "http" not in text
        assert "@import" not in text
        assert "innerHTML" not in text
