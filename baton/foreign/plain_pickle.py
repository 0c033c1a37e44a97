"""Plain values out of a pickle, without unpickling it: nothing is imported, looked up or called.

A pickle is a program. Here its instructions are only listed (`pickletools.genops`), and those that make
plain values are followed: texts, numbers, truth values, None, bytes, and tuples, lists and dicts of
them. Whatever names a class or calls something is refused, and so is everything unknown.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable
from typing import Any

from ..errors import InputError

_MOST_STEPS = 10_000
_MOST_REPEATED = 1 << 20
"""Characters that come from memory again: a small pickle must not become a large value."""
_MARK = object()
_CONSTANTS: dict[str, Any] = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_EMPTY: dict[str, type] = {"EMPTY_TUPLE": tuple, "EMPTY_LIST": list, "EMPTY_DICT": dict}
_NUMBERS = frozenset({"INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"})
_TEXTS = frozenset({"UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"})
_BYTES = frozenset({"BINBYTES", "SHORT_BINBYTES", "BINBYTES8"})
_OF_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
_PASSED_OVER = frozenset(["PROTO", "FRAME"])


def read(data: bytes) -> Any:
    """The value; raises `InputError` for whatever is not a pickle of plain values only."""
    reader = _Reader()
    try:
        for step, (opcode, argument, _) in enumerate(pickletools.genops(data)):
            if step > _MOST_STEPS:
                raise InputError("it is too long")
            if opcode.name == "STOP":
                return reader.stack.pop()
            reader.follow(opcode.name, argument)
    except (ValueError, IndexError, KeyError, TypeError, OverflowError, UnicodeError) as problem:
        raise InputError(f"it is no pickle: {problem!r:.80}") from None
    raise InputError("it is no pickle: it has no end")


class _Reader:
    """The stack and the memory that a pickle's instructions speak of."""

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self._memory: dict[int, Any] = {}
        self._repeated = 0

    def follow(self, name: str, argument: Any) -> None:
        """One instruction."""
        if name in _PASSED_OVER:
            return
        if name in _CONSTANTS:
            self.stack.append(_CONSTANTS[name])
        elif name in _EMPTY:
            self.stack.append(_EMPTY[name]())
        elif name in _NUMBERS | _TEXTS | _BYTES:
            self.stack.append(argument)
        elif name == "MARK":
            self.stack.append(_MARK)
        elif name in _OF_TUPLES:
            count = _OF_TUPLES[name]
            self.stack[-count:] = [tuple(self.stack[-count:])]
        elif name in {"MEMOIZE", "BINPUT", "LONG_BINPUT", "PUT"}:
            self._memory[len(self._memory) if name == "MEMOIZE" else int(argument)] = self.stack[-1]
        elif name in {"BINGET", "LONG_BINGET", "GET"}:
            self.stack.append(self._again(self._memory[int(argument)]))
        else:
            self._collect(name)

    def _again(self, value: Any) -> Any:
        self._repeated += len(value) if isinstance(value, str | bytes) else 1
        if isinstance(value, tuple | list | dict) or self._repeated > _MOST_REPEATED:
            raise InputError("it repeats itself")
        return value

    def _collect(self, name: str) -> None:
        """Instructions that take what stands above the mark, or the one or two things on top."""
        if name in _FROM_MARK:
            self.stack.append(_FROM_MARK[name](self._above_mark()))
        elif name in {"APPEND", "APPENDS"}:
            items = [self.stack.pop()] if name == "APPEND" else self._above_mark()
            self._top(list).extend(items)
        elif name in {"SETITEM", "SETITEMS"}:
            if name == "SETITEM":
                value, key = self.stack.pop(), self.stack.pop()
                items = [key, value]
            else:
                items = self._above_mark()
            self._top(dict).update(_pairs(items))
        else:
            raise InputError(f"it holds more than plain values ({name}), and is not unpickled")

    def _above_mark(self) -> list[Any]:
        items: list[Any] = []
        while (item := self.stack.pop()) is not _MARK:
            items.append(item)
        return items[::-1]

    def _top(self, kind: type) -> Any:
        if type(self.stack[-1]) is not kind:
            raise InputError("it is no pickle: what it adds to is no collection")
        return self.stack[-1]


def _pairs(items: list[Any]) -> dict[Any, Any]:
    return dict(zip(items[::2], items[1::2], strict=True))


_FROM_MARK: dict[str, Callable[[list[Any]], Any]] = {"TUPLE": tuple, "LIST": list, "DICT": _pairs}
