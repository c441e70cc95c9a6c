"""Arguments that every command about a pipeline takes, and how they are read."""

import argparse
import os
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path

from incumbent.base.documents import Json
from incumbent.base.errors import InvalidInput
from incumbent.bootstrap.workspace import open_workspace
from incumbent.cli.terminal import say
from incumbent.config import Settings, find_root, read_settings
from incumbent.pipeline.config import merge_setting
from incumbent.usecases.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Chosen:
    """What a command works on."""

    ws: Workspace
    settings: Settings
    pipeline: str
    config: dict[str, dict[str, Json]]
    seed: int


def add_pipeline_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the pipeline, `--set` and `--seed`."""
    text = "FILE.py:NAME or module:NAME; by default [tool.incumbent] pipeline in pyproject.toml"
    parser.add_argument("pipeline", nargs="?", default="", metavar="PIPELINE", help=text)
    add_setting_arguments(parser)


def add_setting_arguments(parser: argparse.ArgumentParser) -> None:
    """Add `--set`, `--seed` and `--json`."""
    parser.add_argument(
        "--set", action="append", default=[], metavar="STAGE.KEY=VALUE", help="a config value, as TOML writes it; repeatable"
    )
    parser.add_argument("--seed", type=int, default=None, help="the run seed (default 0, or [tool.incumbent] seed)")
    parser.add_argument("--json", action="store_true", help="one JSON document on stdout, nothing else")


def choose(arguments: argparse.Namespace, pipeline: str = "") -> Chosen:
    """Open the workspace of the current folder and read the pipeline's arguments.

    Raises:
        InvalidInput: A setting cannot be used, or no pipeline is named anywhere.
    """
    settings = read_settings(find_root(Path.cwd()))
    reference = _from_here(pipeline, settings.root) or settings.pipeline
    if not reference:
        raise InvalidInput('no pipeline named: give FILE.py:NAME, or write `[tool.incumbent] pipeline = "FILE.py:NAME"` in pyproject.toml')
    config = {stage: dict(values) for stage, values in settings.stage_config.items()}
    for text in arguments.set:
        path, value = parse_setting(text)
        merge_setting(config, path, value)
    seed = settings.seed if arguments.seed is None else arguments.seed
    return Chosen(open_workspace(settings), settings, reference, config, seed)


def _from_here(reference: str, root: Path) -> str:
    """Return a reference as seen from the root, when it names a file as seen from the current folder."""
    file, colon, name = reference.partition(":")
    here = Path(os.path.normpath(Path.cwd() / file))
    if file.endswith(".py") and here.is_file() and here.is_relative_to(root):
        return f"{here.relative_to(root).as_posix()}{colon}{name}"
    return reference


def parse_setting(text: str) -> tuple[str, Json]:
    """Return (path, value) of `STAGE.KEY=VALUE`.

    Raises:
        InvalidInput: There is no `=`.

    >>> parse_setting("train.depth=6"), parse_setting("train.name=deep"), parse_setting("train.lrs=[0.1, 1]")
    (('train.depth', 6), ('train.name', 'deep'), ('train.lrs', [0.1, 1]))
    """
    path, equals, value = text.partition("=")
    if not equals:
        raise InvalidInput(f"--set {text}: expected STAGE.KEY=VALUE, e.g. --set train.depth=6")
    return path.strip(), parse_value(value)


def parse_value(text: str) -> Json:
    """Return a value as TOML reads it (numbers, true, false, lists, quoted text), or the text itself; `none` is None."""
    if text.strip() == "none":
        return None
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text
    return value if isinstance(value, bool | int | float | str | list | dict) else text


def tell_progress(text: str) -> None:
    """Print a line of progress where it does not disturb the answer."""
    if sys.stderr.isatty():
        say(f"{text} …", file=sys.stderr)
