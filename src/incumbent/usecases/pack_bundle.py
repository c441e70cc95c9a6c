"""Pack a bundle: complete a folder of model files with the code that answers from them and with its description.

The code goes in as its meaning alone: each module parsed, without comments and docstrings, printed anew. A stage that packs
a bundle is keyed on just that, so an edit that reruns nothing cannot leave other bytes behind.
"""

import ast
import inspect
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType

from incumbent.base.documents import Document, Json
from incumbent.base.errors import InvalidInput
from incumbent.registry.bundle import BUNDLE_FILE, CODE_FOLDER, make_bundle_card
from incumbent.registry.signature import Column, Columns, ColumnType, Signature, infer_columns


def pack_bundle(
    folder: Path,
    *,
    entry: str,
    modules: Sequence[ModuleType],
    inputs: Columns,
    outputs: Mapping[str, ColumnType],
    facts: Mapping[str, Json] | None = None,
) -> Document:
    """Write `code/` and `bundle.json` into a folder that holds the model's files.

    Args:
        folder: An existing folder; it becomes the bundle.
        entry: `module:function` among `modules`; it gets the folder and gives a function from columns to columns.
        modules: All modules of the project that answering needs; nothing else of the project is there when it is served.
        inputs: Training data as it will be asked, column by column: names, types and nulls of the signature come from it.
        outputs: Name -> type ("bool", "int", "float", "str") of each column that it answers.
        facts: What else to say about it, as plain values.

    Returns:
        What was written into `bundle.json`.

    Raises:
        InvalidInput: There is no such folder, the entry point names none of the modules or no function in one, or a column
            of `inputs` has no plain type.
    """
    if not folder.is_dir():
        raise InvalidInput(f"a bundle is packed into an existing folder; {folder} is none")
    by_name = {module.__name__: module for module in modules}
    module_name, _, function = entry.partition(":")
    if module_name not in by_name or not callable(getattr(by_name[module_name], function, None)):
        raise InvalidInput(f"entry point {entry!r} is no function of the packed modules: {', '.join(by_name) or 'none'}")
    columns = infer_columns(inputs)
    signature = Signature(columns, tuple(Column(name, kind) for name, kind in outputs.items()))
    card = make_bundle_card(entry, signature, choose_example(columns, inputs), facts or {})
    write_modules(folder, modules)
    (folder / BUNDLE_FILE).write_bytes(card.to_bytes())
    return card.to_json()


def choose_example(columns: tuple[Column, ...], inputs: Columns) -> dict[str, Json]:
    """Return the first row without nulls (the first row, if each has one): it shows most of what a request looks like."""
    rows = range(len(inputs[columns[0].name]))
    whole = next((row for row in rows if all(values[row] is not None for values in inputs.values())), 0)
    return {name: values[whole] for name, values in inputs.items()}


def write_modules(folder: Path, modules: Sequence[ModuleType]) -> None:
    """Write modules into the bundle's code folder, where whoever opens the bundle imports them.

    Raises:
        InvalidInput: One has no source in Python.
    """
    for module in modules:
        _write_module(folder / CODE_FOLDER, module.__name__, module)


def _write_module(code: Path, name: str, module: ModuleType) -> None:
    try:
        tree = ast.parse(inspect.getsource(module))
    except (OSError, TypeError) as error:
        raise InvalidInput(f"module {name!r} cannot be packed: {error}; only modules written in Python can") from error
    target = code.joinpath(*name.split("."))
    target = target / "__init__.py" if hasattr(module, "__path__") else target.with_suffix(".py")
    target.parent.mkdir(parents=True, exist_ok=True)
    for parent in target.relative_to(code).parents[:-1]:
        (code / parent / "__init__.py").touch()
    target.write_text(ast.unparse(_without_docstrings(tree)) + "\n", encoding="utf-8")


def _without_docstrings(tree: ast.Module) -> ast.Module:
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and ast.get_docstring(node) is not None:
            node.body = node.body[1:] or [ast.Pass()]
    return tree
