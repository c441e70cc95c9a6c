"""Every command, and every verb of one, shows in its help how it is called."""

import argparse
import importlib

import pytest

from incumbent.cli import COMMANDS, main


def list_verbs(name):
    parser = argparse.ArgumentParser()
    importlib.import_module(COMMANDS[name][0]).add_arguments(parser)
    groups = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    return [verb for group in groups for verb in group.choices]


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_and_each_of_its_verbs_shows_an_example_of_itself(name, capsys):
    for words in [[name], *([name, verb] for verb in list_verbs(name))]:
        with pytest.raises(SystemExit) as left:
            main([*words, "--help"])
        shown = capsys.readouterr().out
        assert left.value.code == 0
        examples = shown.rpartition("examples:\n")[2].splitlines() if "examples:\n" in shown else []
        called = " ".join(words)
        assert [line for line in examples if f"incumbent {called}" in line], f"`incumbent {called} --help` shows no example"


def test_the_lists_of_verbs_are_not_empty():
    """Read from the parsers: another way to make them would leave the test above with the commands alone."""
    assert {"set", "show", "ls"} <= set(list_verbs("policies"))
    assert "accept-clock" in list_verbs("ledger")
