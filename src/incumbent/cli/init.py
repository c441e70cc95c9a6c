"""`incumbent init`: a project that runs at once."""

import argparse
from pathlib import Path

from incumbent.base.errors import InvalidInput
from incumbent.bootstrap.workspace import open_workspace
from incumbent.cli.terminal import say
from incumbent.config import read_settings

EXAMPLES = """
examples:
  incumbent init                          in this folder
  incumbent init churn && cd churn && incumbent run
  incumbent init --digest sha256          a workspace for FIPS rules
"""

_PYPROJECT = """\
[project]
name = "{name}"
version = "0.1.0"
requires-python = ">=3.11"

[tool.incumbent]
pipeline = "pipelines/main.py:pipeline"
"""

_PIPELINE = '''\
"""A first pipeline: read a table, make a feature, fit a line, say how well it fits."""

import csv
from pathlib import Path

import incumbent as inc


@inc.stage
def ingest(table: Path) -> list[dict[str, float]]:
    """Read the rows."""
    with table.open(newline="") as file:
        return [{name: float(text) for name, text in row.items()} for row in csv.DictReader(file)]


@inc.stage
def features(ingest: list[dict[str, float]], *, scale: float = 1.0) -> list[tuple[float, float]]:
    """Pair the feature with the label."""
    return [(row["x"] * scale, row["y"]) for row in ingest]


@inc.stage
def train(features: list[tuple[float, float]]) -> dict[str, float]:
    """Fit y = slope * x + intercept by least squares."""
    n = len(features)
    mean_x = sum(x for x, _ in features) / n
    mean_y = sum(y for _, y in features) / n
    slope = sum((x - mean_x) * (y - mean_y) for x, y in features) / sum((x - mean_x) ** 2 for x, _ in features)
    return {"slope": slope, "intercept": mean_y - slope * mean_x}


@inc.stage
def evaluate(train: dict[str, float], features: list[tuple[float, float]]) -> dict[str, float]:
    """Mean squared error on the training rows."""
    errors = [(y - train["slope"] * x - train["intercept"]) ** 2 for x, y in features]
    inc.log_metric("mse", sum(errors) / len(errors))
    return {"mse": sum(errors) / len(errors)}


pipeline = inc.Pipeline(
    "main",
    [ingest, features, train, evaluate],
    sources={"table": inc.source.file("data/table.csv")},
)
'''

_TABLE = "x,y\n1,2.1\n2,3.9\n3,6.2\n4,7.8\n5,10.1\n"
_IGNORE = ".incumbent/\n__pycache__/\n"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument("folder", nargs="?", default=".", help="where (default: here)")
    parser.add_argument("--digest", choices=["blake3", "sha256"], default=None, help="digest algorithm of the workspace, for good")


def run(arguments: argparse.Namespace) -> int:
    """Run the command."""
    folder = Path(arguments.folder)
    name = folder.resolve().name
    files = {
        "pyproject.toml": _PYPROJECT.format(name=name) + (f'digest = "{arguments.digest}"\n' if arguments.digest else ""),
        "pipelines/main.py": _PIPELINE,
        "data/table.csv": _TABLE,
        ".gitignore": _IGNORE,
    }
    present = [path for path in files if (folder / path).exists()]
    if present:
        raise InvalidInput(f"{folder} already has {', '.join(present)}; nothing was written. Choose an empty folder: incumbent init NAME")
    for path, text in files.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, "utf-8")
    open_workspace(read_settings(folder.resolve())).store.close()
    say(f"made {', '.join(files)} in {folder}")
    say(f"next: {f'cd {folder} && ' if str(folder) != '.' else ''}incumbent run")
    return 0
