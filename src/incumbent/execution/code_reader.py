"""The `CodeReader` port over a project's files: pipelines, the code of their stages, the git version. Nothing is imported here."""

import gc
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from incumbent.base.digest import Algorithm, Digest, digest_bytes
from incumbent.base.documents import document_bytes
from incumbent.base.errors import InvalidInput, NotFound
from incumbent.execution.git_authors import list_authors
from incumbent.execution.git_checkout import check_out
from incumbent.execution.git_version import read_version
from incumbent.execution.module_finder import ModuleFinder, SourceFiles
from incumbent.execution.pipeline_loader import LoadedPipeline, load_pipeline
from incumbent.pipeline.code import CodeClosure, PipelineCode
from incumbent.pipeline.crossing import reach_stages
from incumbent.pipeline.graph import build_graph
from incumbent.pipeline.reach import Reach, SymbolGraph
from incumbent.pipeline.reading import BuiltByCode, WrittenPipeline, read_pipeline
from incumbent.pipeline.resolve import Node
from incumbent.pipeline.stage import StageSpec
from incumbent.pipeline.symbols import SourceModule, read_module
from incumbent.tracking.run import CodeVersion


class ProjectCodeReader:
    """Reads pipelines of one project.

    Args:
        root: The project's root folder; ids and paths are relative to it.
        algorithm: Of the digests.
    """

    def __init__(self, root: Path, algorithm: Algorithm = "blake3") -> None:
        self.root = root.resolve()
        self.algorithm = algorithm
        self._files = SourceFiles(self.root)

    def read(self, reference: str) -> PipelineCode:
        """Return the pipeline that `FILE.py:NAME` or `module:NAME` names; NAME may be left out if there is only one.

        Raises:
            InvalidInput: The reference leaves the project; a file cannot be read, parsed or (where it must) imported; the
                pipeline breaks a rule.
            NotFound: There is no such file, module or name.
        """
        with _collection_paused():
            return self._read(reference)

    def _read(self, reference: str) -> PipelineCode:
        target, symbol = _split_reference(reference)
        file, name, base = self._find_entry(target)
        search = tuple(dict.fromkeys((base, self.root, self.root / "src")))
        finder = ModuleFinder(self._files, search)
        entry = finder.enter(file, name, base)
        symbols = SymbolGraph(finder.find, entry)
        found: WrittenPipeline | LoadedPipeline | BuiltByCode = read_pipeline(entry, symbol or None, symbols.resolver)
        is_static = not isinstance(found, BuiltByCode)
        if isinstance(found, BuiltByCode):
            found = load_pipeline(self.root, (entry.path, entry.name, symbol), found.reason)
        graph = build_graph(found.name, found.stages, found.sources)
        closures = _Closures(symbols, self.algorithm)
        reached = reach_stages(graph, {spec.name: _module_of(spec, finder, entry) for spec in found.stages}, symbols)
        by_stage = {spec.name: closures.close(reached[spec.name]) for spec in found.stages}
        contents = finder.list_contents()
        return PipelineCode(graph, by_stage, tuple(contents), is_static, contents)

    def symbol_text(self, path: str, symbol: str, source: str | None = None) -> str:
        """Return a symbol's source text; of a whole file, or of what no single definition spells, the whole text.

        Args:
            path: As in a leaf's id.
            symbol: As in a leaf's id, "" for the whole file.
            source: Text of the file at another time, to look in instead of the file.

        Raises:
            NotFound: There is no such file or symbol.
            InvalidInput: The path leaves the project, or the text is not Python.
        """
        if source is None:
            source = self._read_text(path)
        if not symbol or not symbol.isidentifier():
            return source
        module = read_module(source.encode("utf-8", "surrogatepass"), path=path, label=path, name="", is_package=False)
        spans = list(module.list_spans(symbol))
        if not spans:
            raise NotFound(f"{path} does not define {symbol!r}")
        lines = source.splitlines(keepends=True)
        return "".join("".join(lines[first - 1 : last]) for first, last in spans)

    def version(self) -> CodeVersion:
        """Return the git commit and the digest of what differs from it; empty outside of a repository."""
        return read_version(self.root, self.algorithm)

    def check_out(self, commit: str, folder: Path) -> None:
        """Write the files of a commit into an empty folder. Raises NotFound if the repository has it not."""
        check_out(self.root, commit, folder)

    def list_authors(self, commit: str, since: str = "") -> Sequence[tuple[str, str]]:
        """Return (commit, address) of everybody who had a part in the commits after `since` up to `commit`. Raises Unavailable."""
        return list_authors(self.root, commit, since)

    def _read_text(self, path: str) -> str:
        file = self._files.find_label(path) or self._inside(path)
        try:
            return file.read_text(encoding="utf-8")
        except FileNotFoundError as error:
            raise NotFound(f"there is no file {path} in the project") from error
        except (OSError, UnicodeDecodeError) as error:
            raise InvalidInput(f"{path} cannot be read as text: {error}") from error

    def _find_entry(self, target: str) -> tuple[Path, str, Path]:
        """Return the pipeline's file, its module name, and the folder it is imported from."""
        if not target.endswith(".py") and "/" not in target and os.sep not in target:
            return self._find_entry_module(target)
        file = self._inside(target)
        if file.is_dir() or file.suffix != ".py":
            raise InvalidInput(f"{target!r} is not a Python file; name a pipeline as FILE.py:NAME or module:NAME")
        if not file.exists():
            raise NotFound(f"there is no file {target} in the project at {self.root}; name a pipeline as FILE.py:NAME or module:NAME")
        parts = [] if file.name == "__init__.py" else [file.stem]
        folder = file.parent
        while (folder / "__init__.py").is_file() and folder != self.root:
            parts.insert(0, folder.name)
            folder = folder.parent
        if not all(part.isidentifier() for part in parts):
            raise InvalidInput(f"{target} cannot be imported: {'.'.join(parts)!r} is no module name; rename the file")
        return file, ".".join(parts), folder

    def _find_entry_module(self, target: str) -> tuple[Path, str, Path]:
        if not all(part.isidentifier() for part in target.split(".")):
            raise InvalidInput(f"{target!r} is neither a Python file nor a module name; name a pipeline as FILE.py:NAME or module:NAME")
        for base in (self.root, self.root / "src"):
            stem = base.joinpath(*target.split("."))
            for file in (stem / "__init__.py", stem.with_name(f"{stem.name}.py")):
                if file.is_file():
                    return self._inside(file.relative_to(self.root).as_posix()), target, base
        raise NotFound(f"there is no module {target!r} in the project at {self.root}, nor in its src folder")

    def _inside(self, path: str) -> Path:
        """Return a path of the project, absolute.

        Raises:
            InvalidInput: It leads out of the project, by `..`, as an absolute path or through a link, or is no path at all.
        """
        file = Path(os.path.normpath(self.root / path))
        if "\0" in path:
            raise InvalidInput(f"{path[:200]!r} is not a path that can be looked at: it has a NUL character")
        try:
            file.exists()
            is_inside = file.is_relative_to(self.root) and file.resolve().is_relative_to(self.root)
        except (OSError, ValueError, RuntimeError) as error:
            raise InvalidInput(f"{path[:200]!r} is not a path that can be looked at: {error}") from error
        if not is_inside:
            raise InvalidInput(f"{path[:200]!r} leads out of the project at {self.root}; a pipeline and its code live inside of it")
        return file


@contextmanager
def _collection_paused() -> Iterator[None]:
    """Pause the garbage collector: syntax trees are many small objects and no garbage, and it would walk them over and over."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _split_reference(reference: str) -> tuple[str, str]:
    target, colon, symbol = reference.rpartition(":")
    if not colon:
        target, symbol = reference, ""
    if not target or (colon and not symbol.isidentifier()):
        raise InvalidInput(f"{reference[:200]!r} names no pipeline; expected FILE.py:NAME or module:NAME")
    return target, symbol


def _module_of(spec: StageSpec, finder: ModuleFinder, entry: SourceModule) -> SourceModule:
    found = entry if spec.path == entry.path else finder.find(spec.module)
    if found is None or found.path != spec.path:
        raise InvalidInput(
            f"stage {spec.name!r} is bound in {spec.path} as module {spec.module!r}, which is not where the project finds it"
        )
    return found


class _Closures:
    """Digests what stages reach; the text of a symbol that many stages reach is digested once."""

    def __init__(self, symbols: SymbolGraph, algorithm: Algorithm) -> None:
        self._symbols = symbols
        self._algorithm = algorithm
        self._digests: dict[tuple[Node, bool], Digest] = {}

    def close(self, reach: Reach) -> CodeClosure:
        """Return what a stage reaches as the code of its recipe."""
        leaves = tuple((self._symbols.node_id(node), self._digest(node, reach.reads_docstrings)) for node in reach.nodes)
        paths = tuple(sorted({path for path, _ in reach.nodes}))
        undigested = CodeClosure(Digest(""), leaves, reach.imports, paths, reach.widened)
        digest = digest_bytes(document_bytes(undigested.document()), self._algorithm)
        return CodeClosure(digest, leaves, reach.imports, paths, reach.widened)

    def _digest(self, node: Node, keep_docstrings: bool) -> Digest:
        key = (node, keep_docstrings)
        known = self._digests.get(key)
        if known is None:
            text = self._symbols.node_text(node, keep_docstrings=keep_docstrings)
            known = self._digests[key] = digest_bytes(text.encode(), self._algorithm)
        return known
