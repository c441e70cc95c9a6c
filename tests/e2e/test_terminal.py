"""What a stage says goes through the real commands, and steers no terminal; a program gets it as it was."""

import json

from command import incumbent, write

HOSTILE = "\x1b[2J\x1b]0;fine\x07\x9b31m all is well \u202egnp.exe"
PIPE = f"""
import incumbent as inc

@inc.stage
def broken() -> int:
    raise ValueError({HOSTILE!r})

pipeline = inc.Pipeline("hostile", [broken])
"""
MARKS = ("\x1b", "\x07", "\x9b", "\u202e")


def test_what_a_stage_raises_steers_no_terminal_and_reaches_a_program_whole(tmp_path):
    write(tmp_path, {"pipe.py": PIPE, "pyproject.toml": '[tool.incumbent]\npipeline = "pipe.py:pipeline"\n'})
    done = incumbent(tmp_path, "run", code=1)
    [run] = json.loads(incumbent(tmp_path, "runs", "ls", "--json").stdout)["runs"]
    shown = incumbent(tmp_path, "runs", "show", run["run_id"]).stdout
    for text in (done.stdout, done.stderr, shown):
        assert not any(mark in text for mark in MARKS), text
    assert "⟨U+001B⟩[2J" in done.stderr
    assert "⟨U+202E⟩gnp.exe" in shown
    told = incumbent(tmp_path, "runs", "show", run["run_id"], "--json").stdout
    assert not any(mark in told for mark in MARKS[:3]), told
    assert json.dumps(HOSTILE)[1:-1] in json.dumps(json.loads(told)), "what a program reads is what was raised"
