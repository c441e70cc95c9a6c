"""A pickle machine that builds nothing: it keeps the stack and the memo of one in symbols, and notes what a real one would do.

It follows `pickle._Unpickler` opcode by opcode over `pickletools.genops`. Scanners that look for names alone miss the ones that
are put together on the stack, kept in the memo or read from a Python 2 name; those that stop at the first odd argument miss what
a real unpickler has done by then. So: names are resolved on the symbolic stack, an argument that cannot be read is passed over to
the end of its line, and what was noted before a stream broke off stays noted.
"""

import io
import math
import pickletools
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from incumbent.registry.pickle_findings import IMPORTS_MAX, NESTED_MAX, Broken, Findings, Made, Name, printable

OPCODES_MAX = 10_000_000
"""Opcodes that are followed in one file: 10,000,000, a minute's work."""

_KEPT_IN_DICT = 64
_LINE_OPCODES = b"ILFSVpg"
_IDENTIFIERS = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*")
_ITEM_BYTES = re.compile(r"[|<>=]?([a-zA-Z])(\d*)")
_MAY_NEST = (b"\x80", b"PK\x03\x04", b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"x\x01", b"x\x5e", b"x\x9c", b"x\xda", b"c", b"(")


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one stream ended: at byte `end`; `reason` says why if not at its STOP."""

    end: int
    reason: str
    was_called: bool
    is_plausible: bool
    has_unreadable: bool

    @property
    def is_clean(self) -> bool:
        """Whether it came to its STOP and every argument could be read."""
        return not self.reason and not self.has_unreadable


_OPAQUE = object()


class Machine:
    """Follows one stream."""

    def __init__(self, data: bytes, start: int, findings: Findings, *, passes_arrays: bool = True) -> None:
        self.data, self.findings, self.passes_arrays = data, findings, passes_arrays
        self.file = io.BytesIO(data)
        self.file.seek(start)
        self.stack: list[Any] = []
        self.marked: list[list[Any]] = []
        self.memo: dict[int, Any] = {}
        self.here = start
        self.was_called = self.is_plausible = self.has_unreadable = self.has_raw_arrays = False

    def run(self) -> Outcome:
        """Follow the stream to its STOP or to where it breaks."""
        while True:
            try:
                self._follow()
                return self._end("")
            except Broken as error:
                return self._end(str(error))
            except (ValueError, IndexError, KeyError, TypeError, OverflowError, AttributeError, MemoryError) as error:
                if not (isinstance(error, ValueError) and self._pass_over(self.here)):
                    return self._end(f"it breaks off at byte {self.here}")

    def _end(self, reason: str) -> Outcome:
        return Outcome(self.file.tell(), reason, self.was_called, self.is_plausible, self.has_unreadable)

    def _follow(self) -> None:
        self.here = self.file.tell()
        for opcode, argument, position in pickletools.genops(self.file):
            self.findings.opcodes += 1
            if self.findings.opcodes > OPCODES_MAX:
                raise Broken(f"it has more than {OPCODES_MAX:,} opcodes, and no more are followed")
            step = _STEPS.get(opcode.name)
            if step is not None:
                step(self, argument, position or 0)
            else:
                self._move(opcode, argument)
            self.here = self.file.tell()

    def _pass_over(self, at: int) -> bool:
        """Go on behind an argument that pickletools cannot read and an unpickler may."""
        if self.data[at : at + 1] not in {bytes([code]) for code in _LINE_OPCODES}:
            return False
        end = self.data.find(b"\n", at)
        self.findings.opcodes += 1
        if end < 0 or self.findings.opcodes > OPCODES_MAX:
            return False
        self.has_unreadable = True
        if self.data[at : at + 1] not in b"p":
            self.stack.append(_OPAQUE)
        self.file.seek(end + 1)
        return True

    def _move(self, opcode: pickletools.OpcodeInfo, argument: object) -> None:
        """Do what the opcode's own table says: take so many things, give so many; an argument is what it gives."""
        before, after = opcode.stack_before, opcode.stack_after
        if pickletools.markobject in before:
            self.pop_mark()
            before = before[: before.index(pickletools.markobject)]
        for _ in before:
            self.stack.pop()
        is_constant = not opcode.stack_before and argument is not None
        self.stack.extend((argument if is_constant else _OPAQUE) for _ in after)
        if isinstance(argument, bytes | bytearray):
            self.keep_nested(bytes(argument))

    def pop_mark(self) -> list[Any]:
        """Take everything down to the last mark."""
        items = self.stack
        self.stack = self.marked.pop()
        return items

    def keep_nested(self, data: bytes) -> None:
        """Keep bytes that may be a pickle themselves, to be looked into later."""
        if len(data) > 3 and data.startswith(_MAY_NEST):
            if len(self.findings.nested) < NESTED_MAX:
                self.findings.nested.append(data)
            else:
                self.findings.problems["it holds more pieces that may be pickles than are looked into"] = None

    def add_import(self, module: object, name: object) -> Name:
        """Note an import."""
        if any(part is None or isinstance(part, int | float | bytes | tuple | dict) for part in (module, name)):
            raise Broken("it imports something whose name is no text")
        if not isinstance(module, str) or not isinstance(name, str):
            self.findings.problems["it imports a name that it puts together in a way that cannot be followed"] = None
            self.is_plausible = True
            return Name("?", "?")
        if _IDENTIFIERS.fullmatch(module) and _IDENTIFIERS.fullmatch(name):
            self.is_plausible = True
        key = (printable(module), printable(name))
        if key not in self.findings.imports and len(self.findings.imports) >= IMPORTS_MAX:
            self.findings.problems[f"it imports more than {IMPORTS_MAX:,} names"] = None
        else:
            self.findings.imports.setdefault(key, False)
        return Name(module, name)

    def call(self, callee: object, arguments: object) -> Made:
        """Note a call and return what stands for its result."""
        self.was_called = True
        if not isinstance(callee, Name):
            self.findings.problems["it calls something that it computed"] = None
        else:
            key = (printable(callee.module), printable(callee.name))
            if key in self.findings.imports:
                self.findings.imports[key] = True
            if callee == Name("_codecs", "encode") and isinstance(arguments, tuple) and arguments and isinstance(arguments[0], str):
                self.keep_nested(arguments[0].encode("latin-1", "replace"))
        return Made(callee, arguments)


def _global(machine: Machine, _: object, position: int) -> None:
    """Read the two lines as an unpickler does; pickletools undoes escapes in them and cannot tell a space from their border."""
    middle = machine.data.index(b"\n", position)
    end = machine.data.index(b"\n", middle + 1)
    module, name = machine.data[position + 1 : middle], machine.data[middle + 1 : end]
    machine.stack.append(machine.add_import(module.decode("utf-8"), name.decode("utf-8")))


def _inst(machine: Machine, argument: object, position: int) -> None:
    items = machine.pop_mark()
    _global(machine, argument, position)
    callee = machine.stack.pop()
    machine.stack.append(machine.call(callee, tuple(items)))


def _stack_global(machine: Machine, *_: object) -> None:
    name, module = machine.stack.pop(), machine.stack.pop()
    machine.stack.append(machine.add_import(module, name))


def _reduce(machine: Machine, *_: object) -> None:
    arguments, callee = machine.stack.pop(), machine.stack.pop()
    machine.stack.append(machine.call(callee, arguments))


def _newobj_ex(machine: Machine, *_: object) -> None:
    machine.stack.pop()
    _reduce(machine)


def _obj(machine: Machine, *_: object) -> None:
    callee, *items = machine.pop_mark()
    machine.stack.append(machine.call(callee, tuple(items)))


def _build(machine: Machine, *_: object) -> None:
    state, made = machine.stack.pop(), machine.stack[-1]
    if isinstance(made, Name):
        machine.was_called = True
        machine.findings.problems["it changes something that it imported"] = None
    elif not isinstance(made, Made):
        machine.findings.problems["it sets the state of something that it did not make"] = None
    elif machine.passes_arrays and made.maker == Name("joblib.numpy_pickle", "NumpyArrayWrapper") and isinstance(state, dict):
        _pass_array(machine, state)


def _pass_array(machine: Machine, state: dict[str, Any]) -> None:
    """Go past the bytes that joblib writes raw behind an array's description; an array of objects is a pickle there."""
    machine.has_raw_arrays = True
    kind = _item_bytes(state["dtype"])
    if kind is None:
        inner = Machine(machine.data, machine.file.tell(), machine.findings)
        outcome = inner.run()
        if outcome.reason:
            raise Broken(f"an array of objects inside: {outcome.reason}")
        machine.file.seek(outcome.end)
        return
    if state.get("numpy_array_alignment_bytes") is not None:
        padding = machine.file.read(1)
        machine.file.seek(padding[0], io.SEEK_CUR)
    end = machine.file.tell() + kind * math.prod(int(side) for side in state["shape"])
    if not machine.file.tell() <= end <= len(machine.data):
        raise Broken(f"an array inside reaches past the end, to byte {end}")
    machine.file.seek(end)


def _item_bytes(made: object) -> int | None:
    """Return the bytes of one item of a pickled NumPy dtype, None if its items are objects."""
    if not isinstance(made, Made) or made.maker != Name("numpy", "dtype") or not isinstance(made.arguments, tuple):
        raise Broken("an array inside has a type that cannot be followed")
    found = _ITEM_BYTES.fullmatch(str(made.arguments[0]))
    if found is None:
        raise Broken("an array inside has a type that cannot be followed")
    letter, count = found[1], int(found[2] or 1)
    return None if letter == "O" else 4 * count if letter == "U" else count


def _setitems(machine: Machine, *_: object) -> None:
    items = machine.pop_mark()
    _put_items(machine, items)


def _put_items(machine: Machine, items: list[Any]) -> None:
    target = machine.stack[-1]
    if isinstance(target, Name):
        machine.was_called = True
        machine.findings.problems["it writes into something that it imported"] = None
    elif isinstance(target, dict):
        pairs = zip(items[::2], items[1::2], strict=False)
        target.update(pair for pair in pairs if isinstance(pair[0], str) and len(target) < _KEPT_IN_DICT)


def _setitem(machine: Machine, *_: object) -> None:
    value, key = machine.stack.pop(), machine.stack.pop()
    _put_items(machine, [key, value])


def _append(machine: Machine, *_: object) -> None:
    machine.stack.pop()
    _put_items(machine, [])


def _appends(machine: Machine, *_: object) -> None:
    machine.pop_mark()
    _put_items(machine, [])


def _mark(machine: Machine, *_: object) -> None:
    machine.marked.append(machine.stack)
    machine.stack = []


def _pop(machine: Machine, *_: object) -> None:
    if machine.stack:
        machine.stack.pop()
    else:
        machine.pop_mark()


def _pop_mark(machine: Machine, *_: object) -> None:
    machine.pop_mark()


def _stop(machine: Machine, *_: object) -> None:
    if not machine.stack:
        raise Broken("it ends with nothing built")


def _dict(machine: Machine, *_: object) -> None:
    items = machine.pop_mark()
    machine.stack.append({})
    _put_items(machine, items)


def _put(machine: Machine, argument: Any, _: int) -> None:
    machine.memo[int(argument)] = machine.stack[-1]


def _memoize(machine: Machine, *_: object) -> None:
    machine.memo[len(machine.memo)] = machine.stack[-1]


def _get(machine: Machine, argument: Any, _: int) -> None:
    machine.stack.append(machine.memo[int(argument)])


def _tuple_of_marked(machine: Machine, *_: object) -> None:
    items = machine.pop_mark()
    machine.stack.append(tuple(items))


def _tuple(count: int) -> Callable[[Machine, Any, int], None]:
    def take(machine: Machine, *_: object) -> None:
        if len(machine.stack) < count:
            raise Broken("it takes more than there is")
        items = machine.stack[len(machine.stack) - count :]
        del machine.stack[len(machine.stack) - count :]
        machine.stack.append(tuple(items))

    return take


def _extension(machine: Machine, argument: Any, _: int) -> None:
    machine.findings.problems[f"it uses extension code {argument}, whose meaning is not in the file"] = None
    machine.stack.append(_OPAQUE)


_STEPS: dict[str, Callable[[Machine, Any, int], None]] = {
    "GLOBAL": _global,
    "INST": _inst,
    "STACK_GLOBAL": _stack_global,
    "REDUCE": _reduce,
    "NEWOBJ": _reduce,
    "NEWOBJ_EX": _newobj_ex,
    "OBJ": _obj,
    "BUILD": _build,
    "SETITEMS": _setitems,
    "SETITEM": _setitem,
    "APPEND": _append,
    "APPENDS": _appends,
    "ADDITEMS": _appends,
    "MARK": _mark,
    "POP": _pop,
    "POP_MARK": _pop_mark,
    "DUP": lambda machine, *_: machine.stack.append(machine.stack[-1]),
    "DICT": _dict,
    "PERSID": lambda machine, *_: machine.stack.append(_OPAQUE),
    "STOP": _stop,
    "PUT": _put,
    "BINPUT": _put,
    "LONG_BINPUT": _put,
    "MEMOIZE": _memoize,
    "GET": _get,
    "BINGET": _get,
    "LONG_BINGET": _get,
    "TUPLE": _tuple_of_marked,
    "EMPTY_TUPLE": _tuple(0),
    "TUPLE1": _tuple(1),
    "TUPLE2": _tuple(2),
    "TUPLE3": _tuple(3),
    "EMPTY_DICT": lambda machine, *_: machine.stack.append({}),
    "NONE": lambda machine, *_: machine.stack.append(None),
    "EXT1": _extension,
    "EXT2": _extension,
    "EXT4": _extension,
    "FRAME": lambda *_: None,
    "PROTO": lambda *_: None,
}
