"""A small project in memory: what a stage of it reaches, before and after one edit."""

import hashlib

from incumbent.pipeline.reach import Reach, SymbolGraph
from incumbent.pipeline.symbols import SourceModule, read_module


class Project:
    """Files in memory; `stage` of `main.py` is what is closed over."""

    def __init__(self, **files: str) -> None:
        self.modules: dict[str, SourceModule] = {}
        for key, text in files.items():
            path = key.replace("__", "/")
            is_package = path.endswith("/init")
            name = path.removesuffix("/init").replace("/", ".")
            path = f"{path.removesuffix('init')}__init__.py" if is_package else f"{path}.py"
            self.modules[name] = read_module(text.encode(), path=path, label=path, name=name, is_package=is_package)
        self.graph = SymbolGraph(self.modules.get, self.modules["main"])

    def reach(self, symbol: str = "stage") -> Reach:
        return self.graph.reach(self.modules["main"], symbol)

    def leaves(self, symbol: str = "stage") -> dict[str, str]:
        reach = self.reach(symbol)
        texts = {self.graph.node_id(n): self.graph.node_text(n, keep_docstrings=reach.reads_docstrings) for n in reach.nodes}
        return {name: hashlib.sha256(text.encode()).hexdigest() for name, text in texts.items()}


def changes(files: dict[str, str], path: str, old: str, new: str) -> bool:
    """Say whether an edit changes what the stage reaches; the stage must not be widened."""
    assert files[path].count(old) == 1
    before, after = Project(**files), Project(**{**files, path: files[path].replace(old, new)})
    assert before.reach().widened == ()
    return before.leaves() != after.leaves()
