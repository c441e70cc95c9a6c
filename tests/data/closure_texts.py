"""Print, as JSON, the SHA-256 of each symbol text that a stage reaches, and of the whole text of other files.

Runs in any interpreter from 3.11 up with nothing installed but the package's own source on PYTHONPATH:
    python closure_texts.py PROJECT ENTRY_MODULE STAGE [FILE…]
"""

import hashlib
import json
import sys
from pathlib import Path

from incumbent.pipeline.reach import SymbolGraph
from incumbent.pipeline.symbols import SourceModule, read_module
from incumbent.pipeline.syntax import canonical_text, parse_source


def main(project: str, entry: str, stage: str, *files: str) -> None:
    root, known = Path(project), {}

    def find(name: str) -> SourceModule | None:
        for stem in (root / "pipelines" / name, root.joinpath(*name.split("."))):
            for file in (stem / "__init__.py", stem.with_name(stem.name + ".py")):
                if file.is_file():
                    path = file.relative_to(root).as_posix()
                    if path not in known:
                        package = file.name == "__init__.py"
                        known[path] = read_module(file.read_bytes(), path=path, label=path, name=name, is_package=package)
                    return known[path]
        return None

    module = find(entry)
    assert module is not None
    graph = SymbolGraph(find, module)
    texts = {graph.node_id(node): graph.node_text(node) for node in graph.reach(module, stage).nodes}
    texts |= {Path(file).name: canonical_text(parse_source(Path(file).read_bytes(), file).body, keep_docstrings=True) for file in files}
    json.dump({name: hashlib.sha256(text.encode()).hexdigest() for name, text in texts.items()}, sys.stdout, sort_keys=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
