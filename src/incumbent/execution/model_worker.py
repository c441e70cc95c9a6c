"""The process that holds one model: loads a bundle, then answers frames until the socket closes.

Started as `python -P -m incumbent.execution.model_worker FD FOLDER [allow-pickle]` in a folder of its own. The bundle's code is
imported and its model file opened here and nowhere else. What it prints goes to the log that standard error is bound to, never into
an answer.

Frames: first {"ready": true} or {"failed": why}; then for each {"columns": …} one {"columns": …} or {"failed": why}, and for each
{"usage": true} one {"memory_bytes": …}.
"""

import importlib
import resource
import socket
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from incumbent.base.documents import Document
from incumbent.execution.bundles.loaders import open_loaded
from incumbent.execution.frames import FrameReader, encode_frame
from incumbent.registry.bundle import BUNDLE_FILE, CODE_FOLDER, parse_bundle_card

ALLOW_PICKLE = "allow-pickle"
_READ_BYTES = 1 << 16
Answerer = Callable[[Any], Any]


def load_bundle(folder: Path, *, allow_pickle: bool = False) -> Answerer:
    """Open the bundle by its loader, or import its entry point and call it with the folder; return the function that answers."""
    card = parse_bundle_card((folder / BUNDLE_FILE).read_bytes())
    sys.path.insert(0, str(folder / CODE_FOLDER))
    if card.loader:
        return open_loaded(folder, card, allow_pickle=allow_pickle)
    module, _, function = card.entry.partition(":")
    loaded = getattr(importlib.import_module(module), function)(folder)
    if not callable(loaded):
        raise TypeError(f"entry point {card.entry} gave {type(loaded).__name__}, which cannot be called")
    return loaded  # type: ignore[no-any-return] # it is the user's: only calling it tells


def answer_frames(end: socket.socket, answer: Answerer) -> None:
    """Answer until the other side closes its end."""
    reader = FrameReader()
    while data := end.recv(_READ_BYTES):
        for request in reader.feed(data):
            end.sendall(_answer_one(answer, request))


def peak_memory_bytes() -> int | None:
    """Return the peak resident memory of this process.

    Linux says it of the memory that the process has had since it became this program (VmHWM). `ru_maxrss` does not do there: it
    is handed down from the process that started this one. On macOS it does, and counts bytes.
    """
    try:
        for line in Path("/proc/self/status").read_text("ascii", "replace").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss if sys.platform == "darwin" else None
    return None


def _answer_one(answer: Answerer, request: Document) -> bytes:
    if "usage" in request:
        return encode_frame({"memory_bytes": peak_memory_bytes()})
    try:
        columns = answer(request["columns"])
        return encode_frame({"columns": {str(name): list(values) for name, values in columns.items()}})
    except Exception as error:  # noqa: BLE001 - whatever the user's model raises is an answer about this request
        traceback.print_exc()
        return encode_frame({"failed": _say(error)})


def _say(error: BaseException) -> str:
    text = str(error).splitlines()
    return f"{type(error).__name__}: {text[0][:300]}" if text else type(error).__name__


def main(arguments: list[str]) -> int:
    """Load, say whether that worked, then answer."""
    end = socket.socket(fileno=int(arguments[0]))
    sys.stdout = sys.stderr
    try:
        answer = load_bundle(Path(arguments[1]), allow_pickle=ALLOW_PICKLE in arguments[2:])
    except BaseException as error:  # noqa: BLE001 - even a SystemExit in the user's code is a bundle that cannot be loaded
        traceback.print_exc()
        end.sendall(encode_frame({"failed": _say(error)}))
        return 1
    end.sendall(encode_frame({"ready": True}))
    answer_frames(end, answer)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
