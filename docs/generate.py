"""Write docs/reference/ from the code: commands from their parsers, Python names from their docstrings, exit codes from the table.

python docs/generate.py            write the pages
python docs/generate.py --check    say which pages differ from the code, and fail if any does
"""

import argparse
import importlib
import inspect
import re
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import incumbent
from incumbent.cli import COMMANDS
from incumbent.cli.command import EXIT_CODES
from incumbent.governance.acts import rights_table
from incumbent.governance.assessment import MATERIALITY, TIER_OF
from incumbent.governance.tier import DEFAULT_TIERS
from incumbent.registry.transitions import transitions_table
from incumbent.server.api.reference import reference_page
from incumbent.server.mlflow.absent import ABSENT
from incumbent.server.mlflow.paths import FILE_PATHS, PATHS
from incumbent.server.routes import routes_table
from incumbent.usecases.rights import server_rights_table

MLFLOW_ROUTES = (*PATHS, *FILE_PATHS)
REFERENCE = Path(__file__).parent / "reference"
MADE = "<!-- Made by docs/generate.py from the code: change it there. -->\n"


def command_page() -> str:
    """Return the page of all commands."""
    parts = [MADE, "# Commands\n", "Errors go to stderr as one paragraph; [exit codes](exit-codes.md) say who has to act.\n"]
    for name, (module_name, line) in COMMANDS.items():
        module = importlib.import_module(module_name)
        parser = argparse.ArgumentParser(prog=f"incumbent {name}", add_help=False)
        module.add_arguments(parser)
        parts += [f"## incumbent {name}\n", f"{line[0].upper()}{line[1:]}.\n", *_parser_parts(parser)]
        examples = textwrap.dedent(getattr(module, "EXAMPLES", "")).strip()
        if examples:
            parts.append(f"```text\n{examples}\n```\n")
    return "\n".join(parts)


def _parser_parts(parser: argparse.ArgumentParser) -> Iterator[str]:
    groups = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    plain = [a for a in parser._actions if a not in groups and not isinstance(a, argparse._HelpAction) and a.help != argparse.SUPPRESS]
    if plain:
        yield "| argument | meaning |\n|---|---|\n" + "".join(f"| {_spelling(a)} | {_meaning(a, parser)} |\n" for a in plain)
    for group in groups:
        helps = {choice.dest: choice.help or "" for choice in group._choices_actions}
        for name, inner in group.choices.items():
            yield f"### {parser.prog} {name}\n"
            if helps.get(name):
                yield f"{helps[name][0].upper()}{helps[name][1:]}.\n"
            yield from _parser_parts(inner)


def _spelling(action: argparse.Action) -> str:
    if action.choices is not None and not isinstance(action.choices, dict):
        value = "\\|".join(str(choice) for choice in action.choices)
    else:
        metavar = action.metavar if isinstance(action.metavar, str) else action.dest.upper()
        value = metavar.replace("|", "\\|")
    if not action.option_strings:
        return f"`{value}`" + ("" if action.nargs not in {"?", "*"} else " (optional)")
    takes_value = action.nargs != 0
    return ", ".join(f"`{option}{f' {value}' if takes_value else ''}`" for option in action.option_strings)


def _meaning(action: argparse.Action, parser: argparse.ArgumentParser) -> str:
    text = (action.help or "") % {**vars(action), "prog": parser.prog}
    return " ".join(text.split()).replace("|", "\\|")


def python_page() -> str:
    """Return the page of all public names."""
    parts = [MADE, "# Python\n", "`import incumbent as inc`. Names are loaded when they are used.\n"]
    for name in sorted(incumbent.__all__, key=lambda name: (name[0].isupper(), name.lower())):
        value = getattr(incumbent, name)
        if name.startswith("__"):
            continue
        if inspect.ismodule(value):
            parts += [f"## inc.{name}\n", f"{_docstring(value).splitlines()[0]}\n"]
            for inner, member in vars(value).items():
                if inspect.isfunction(member) and member.__module__ == value.__name__ and not inner.startswith("_"):
                    parts += _member_parts(f"inc.{name}.{inner}", member, "###")
        else:
            parts += _member_parts(f"inc.{name}", value, "##")
    return "\n".join(parts)


def _member_parts(title: str, value: object, level: str) -> list[str]:
    heading = f"{level} {title}\n"
    if not callable(value):
        return [heading, f"```text\n{value!r}\n```\n"]
    signature = "" if _is_exception(value) else f"```python\n{title}{_signature(value)}\n```\n"
    return [heading, signature, f"```text\n{_docstring(value)}\n```\n"]


def _is_exception(value: object) -> bool:
    return isinstance(value, type) and issubclass(value, Exception)


def _signature(value: object) -> str:
    """Spell a signature, one parameter a line when it is long; classes by their last name, wherever this Python keeps them."""
    signature = inspect.signature(value)  # type: ignore[arg-type]
    text = _short(str(signature))
    if len(text) <= 100:
        return text
    marked, shown = False, []
    for parameter in signature.parameters.values():
        if parameter.kind is parameter.KEYWORD_ONLY and not marked:
            shown.append("*")
            marked = True
        shown.append(_short(str(parameter)))
    _, arrow, returns = text.rpartition(") -> ")
    return "(\n" + "".join(f"    {line},\n" for line in shown) + ")" + (f" -> {returns}" if arrow else "")


def _short(text: str) -> str:
    text = re.sub(r"<function (\w+) at 0x\w+>", r"\1", text)
    text = re.sub(r"\b(?:[a-z_]+\.)+([A-Z]\w*)", r"\1", text)
    return text.replace("None | bool | int | float | str | list['Json'] | dict[str, 'Json']", "Json").replace("'", '"')


def _docstring(value: object) -> str:
    return inspect.cleandoc(value.__doc__ or "")


def exit_code_page() -> str:
    """Return the page of exit codes."""
    rows = [(0, "", "Done."), *((code, kind.__name__, _docstring(kind).splitlines()[0]) for kind, code in EXIT_CODES.items())]
    rows.append((5, "", "`ledger verify` of an export: what is in it is sound, and documents that entries name are not in it."))
    rows.append((130, "", "Interrupted; what was done is kept."))
    table = "".join(f"| {code} | {f'`{name}`' if name else ''} | {text} |\n" for code, name, text in sorted(rows, key=lambda row: row[0]))
    return f"{MADE}\n# Exit codes\n\n| code | error class | meaning |\n|---|---|---|\n{table}"


def rights_page() -> str:
    """Return the page of who may do what."""
    return f"""{MADE}
# Who may do what

While nobody is registered, whoever may write the workspace may do everything, and the ledger says so. From the first person on, this
table holds on every route. "signed" is an act that carries a statement signed with the person's own key. A person may hold several
roles; each act is judged by itself. Whoever had a hand in a version may not validate it, approve it or accept its risk, whatever
role they hold.

{rights_table()}
## On the server

A route asks for one of the acts above, or for one of these rights. A person has what their roles give at that moment, narrowed by the
scope of the token. An act that is "signed" takes an envelope that was signed where the key is: a log-in is not a signature.

{server_rights_table()}
{routes_table()}"""


def statuses_page() -> str:
    """Return the page of the life of a version in a slot."""
    return f"""{MADE}
# Statuses of a version in a slot

At most one version of a slot is in Production: a unique index of the database holds it. Every other step than these is refused, with what
is legal from where the version is.

{transitions_table()}"""


def tiers_page() -> str:
    """Return the page of risk tiers."""
    materiality = "".join(f"| {exposure} | {purpose} | {level} |\n" for (exposure, purpose), level in MATERIALITY.items())
    tiers = "".join(f"| {level} | {inherent} | {tier} |\n" for (level, inherent), tier in TIER_OF.items())
    return f"""{MADE}
# Risk tiers

A tier is 1 (highest) to 4, from materiality (exposure and purpose) and inherent risk. An assessment may depart from the tables, with a
reason; lowering a tier takes an approver who had no hand in the model.

| exposure | purpose | materiality |
|---|---|---|
{materiality}
| materiality | inherent risk | tier |
|---|---|---|
{tiers}
What each tier asks for, unless `incumbent tiers set` sets another policy:

```toml
{DEFAULT_TIERS}```
"""


def http_page() -> str:
    """Return the page of our REST API."""
    return f"{MADE}\n{reference_page()}"


def mlflow_routes_page() -> str:
    """Return the page of MLflow's routes: those we have, and those we do not have."""
    have = "".join(
        f"| {method} | `{path.replace('*}', '}')}` | {_docstring(done).splitlines()[0]} |\n" for method, path, done in MLFLOW_ROUTES
    )
    absent = "".join(
        f"\n{why[0].upper()}{why[1:]}:\n\n" + "".join(f"- {' '.join(line.split())}\n" for line in lines.strip().splitlines())
        for why, lines in ABSENT.items()
    )
    return f"""{MADE}
# MLflow's routes

What an unmodified MLflow 3 client can ask this server; [how to use one](../how-to/use-mlflow-clients.md). What governance owns is asked for
here and decided as everywhere: a refusal is `PERMISSION_DENIED`, with the reasons.

| method | path | what it does |
|---|---|---|
{have}
## What we do not have

Of the public API of MLflow 3.17 and 3.18, these answer 404 `ENDPOINT_NOT_FOUND`, and say why. So does any path that MLflow does not have.
{absent}"""


PAGES = {
    "commands.md": command_page, "python.md": python_page, "exit-codes.md": exit_code_page, "rights.md": rights_page,
    "statuses.md": statuses_page, "tiers.md": tiers_page, "mlflow-routes.md": mlflow_routes_page, "http.md": http_page,
}  # fmt: skip


def main() -> int:
    """Write or check the pages; return 1 if a check found one that differs."""
    is_check = "--check" in sys.argv[1:]
    differing = []
    REFERENCE.mkdir(exist_ok=True)
    for name, make in PAGES.items():
        text = make().rstrip() + "\n"
        path = REFERENCE / name
        if not path.exists() or path.read_text() != text:
            differing.append(name)
            if not is_check:
                path.write_text(text)
    if is_check and differing:
        print(f"docs/reference/: {', '.join(differing)} no longer agree with the code; run: python docs/generate.py", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
