"""Rows out of the INSERT statements of a SQL dump, as MySQL and MariaDB write them. Executes nothing.

Only what such dumps contain is understood: INSERT and REPLACE with literals, of one row or many, with a
list of columns or without; then CREATE TABLE, further up, says which columns there are. Every other
statement is passed over, comments too. A row that cannot be read does not hold up the others.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from ..errors import InputError

Literal = str | int | float | None

_TOKEN = re.compile(
    r"""
      (?P<space> \s++ | --(?=\s|$)[^\n]*+ | \#[^\n]*+ | /\*(?s:.*?)(?:\*/|\Z) )
    | (?P<text>  '(?:[^'\\]++ | \\(?s:.) | '')*+' | "(?:[^"\\]++ | \\(?s:.) | "")*+" )
    | (?P<name>  `(?:[^`]++ | ``)*+` )
    | (?P<hex>   0x[0-9A-Fa-f]++ | [xX]'[0-9A-Fa-f]*+' )
    | (?P<number> [-+]?(?:\d++(?:\.\d*+)?|\.\d++)(?:[eE][-+]?\d++)? )
    | (?P<word>  [A-Za-z_]\w*+ )
    | (?P<sign>  (?s:.) )
    """,
    re.VERBOSE,
)
_ESCAPES = {"0": "\0", "b": "\b", "n": "\n", "r": "\r", "t": "\t", "Z": "\x1a", "%": "\\%", "_": "\\_"}
"""What stands after a backslash; everything else stands for itself."""
_WORDS: dict[str, Literal] = {"null": None, "true": 1, "false": 0, "default": None}
_QUOTES = "'\"`"
_OF_KEYS = frozenset(
    ["primary", "unique", "key", "index", "constraint", "foreign", "check", "fulltext", "spatial"]
)
"""Words that begin a line of CREATE TABLE which is no column."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a table."""

    table: str
    line: int
    """Where it begins in the dump."""
    values: Mapping[str, Literal]
    """By the names of the columns, in small letters."""


@dataclass(frozen=True, slots=True)
class BadRow:
    """One row, or the rest of a statement, that cannot be read."""

    line: int
    reason: str


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    at: int

    def is_word(self, *words: str) -> bool:
        return self.kind == "word" and self.text.lower() in words

    def is_sign(self, sign: str) -> bool:
        return self.kind == "sign" and self.text == sign


_END = _Token("end", "", -1)


def read(dump: str, known: Mapping[str, tuple[str, ...]]) -> Iterator[Row | BadRow]:
    """The rows of the tables in `known`, which has the columns that each has if the dump does not say."""
    yield from _Dump(dump, {**known}).rows()


class _Dump:
    """A place in the text that only moves on."""

    def __init__(self, text: str, columns: dict[str, tuple[str, ...]]) -> None:
        self._text = text
        self._columns = columns
        self._tokens = self._scan()
        self._token = next(self._tokens)
        self._depth = 0
        """Brackets that are open here."""
        self._line, self._counted = 1, 0

    def rows(self) -> Iterator[Row | BadRow]:
        """All statements, one after the other."""
        while self._token is not _END:
            line = self._line_here()
            try:
                if self._takes("insert", "replace"):
                    yield from self._insert()
                elif self._takes("create"):
                    self._create()
            except InputError as problem:
                yield BadRow(line, str(problem))
            self._skip_statement()

    # statements

    def _insert(self) -> Iterator[Row | BadRow]:
        while self._takes("low_priority", "delayed", "high_priority", "ignore", "into"):
            pass
        table = self._table_name()
        if table not in self._columns:
            return
        columns = self._columns[table]
        if self._token.is_sign("("):
            columns = tuple(self._names())
        if not self._takes("values", "value"):
            raise InputError(f"{self._shown()} where VALUES should stand: only rows of literals are read")
        while True:
            line, depth = self._line_here(), self._depth
            try:
                yield Row(table, line, self._row(columns))
            except InputError as problem:
                yield BadRow(line, str(problem))
                self._skip_to(depth)
            if not self._token.is_sign(","):
                return
            self._go_on()

    def _create(self) -> None:
        """Learn the columns of a table."""
        if not self._takes("table"):
            return
        while self._takes("if", "not", "exists"):
            pass
        table = self._table_name()
        if table not in self._columns or not self._token.is_sign("("):
            return
        depth, found = self._depth, list[str]()
        is_first = False
        while self._token is not _END and not self._token.is_sign(";"):
            token = self._go_on()
            if self._depth == depth:
                break
            if is_first and (token.kind == "name" or not token.is_word(*_OF_KEYS)):
                found.append(_bare(token))
            is_first = self._depth == depth + 1 and (token.is_sign(",") or token.is_sign("("))
        self._columns[table] = tuple(found)

    # parts of statements

    def _row(self, columns: tuple[str, ...]) -> dict[str, Literal]:
        self._expect("(")
        values = [self._literal()]
        while self._token.is_sign(","):
            self._go_on()
            values.append(self._literal())
        if not self._token.is_sign(")"):
            raise InputError(f"{self._shown()} where a comma or a bracket should stand")
        self._go_on()
        if len(values) != len(columns):
            raise InputError(f"it has {len(values)} values for {len(columns)} columns")
        return dict(zip(columns, values, strict=True))

    def _literal(self) -> Literal:
        token = self._go_on()
        if token.kind == "word" and token.text.startswith("_") and self._token.kind in {"text", "hex"}:
            token = self._go_on()  # a character set is named before the text: `_utf8mb4'…'`
        if token.kind == "text":
            text = _unescaped(token.text)
            while self._token.kind == "text":  # literals side by side are one
                text += _unescaped(self._go_on().text)
            return text
        if token.kind == "hex":
            return _of_hex(token.text)
        if token.kind == "number":
            return _number(token.text)
        if token.is_word(*_WORDS):
            return _WORDS[token.text.lower()]
        if token.kind == "word" and self._token.is_sign("("):
            depth = self._depth
            self._go_on()
            self._skip_to(depth)  # a call, as now(): nobody knows what it came to
            return None
        if token.kind == "sign" and token.text in _QUOTES:
            raise InputError("its text does not end: the dump breaks off, or a quotation mark is missing")
        raise InputError(f"{token.text[:40]!r} where a value should stand")

    def _names(self) -> list[str]:
        self._expect("(")
        found = [_bare(self._go_on())]
        while self._token.is_sign(","):
            self._go_on()
            found.append(_bare(self._go_on()))
        self._expect(")")
        return found

    def _table_name(self) -> str:
        """Without the database that may stand before it."""
        name = _bare(self._go_on())
        while self._token.is_sign("."):
            self._go_on()
            name = _bare(self._go_on())
        return name

    # tokens

    def _scan(self) -> Iterator[_Token]:
        for found in _TOKEN.finditer(self._text):
            if found.lastgroup != "space":
                yield _Token(str(found.lastgroup), found[0], found.start())
            if found.lastgroup == "sign" and found[0] in _QUOTES:
                break  # what it opens does not end: whatever follows may be inside of it
        while True:
            yield _END

    def _go_on(self) -> _Token:
        """The token here; the next one is here then."""
        token, self._token = self._token, next(self._tokens)
        self._depth += token.is_sign("(") - token.is_sign(")")
        return token

    def _takes(self, *words: str) -> bool:
        if not self._token.is_word(*words):
            return False
        self._go_on()
        return True

    def _expect(self, sign: str) -> None:
        if not self._token.is_sign(sign):
            raise InputError(f"{self._shown()} where {sign!r} should stand")
        self._go_on()

    def _skip_to(self, depth: int) -> None:
        """To where no more brackets are open than that."""
        while self._depth > depth and self._token is not _END and not self._token.is_sign(";"):
            self._go_on()

    def _skip_statement(self) -> None:
        while self._token is not _END and not self._go_on().is_sign(";"):
            pass
        self._depth = 0

    def _shown(self) -> str:
        return "the end" if self._token is _END else repr(self._token.text[:40])

    def _line_here(self) -> int:
        at = len(self._text) if self._token is _END else self._token.at
        self._line += self._text.count("\n", self._counted, at)
        self._counted = at
        return self._line


def _bare(token: _Token) -> str:
    """A name in small letters, without its quotes."""
    if token.kind == "name":
        return token.text[1:-1].replace("``", "`").lower()
    if token.kind == "text":
        return _unescaped(token.text).lower()
    if token.kind == "word":
        return token.text.lower()
    raise InputError(f"{token.text[:40]!r} where a name should stand")


def _unescaped(quoted: str) -> str:
    quote = quoted[0]

    def meant(found: re.Match[str]) -> str:
        pair = found[0]
        return quote if pair[0] == quote else _ESCAPES.get(pair[1], pair[1])

    return re.sub(rf"\\(?s:.)|{quote}{quote}", meant, quoted[1:-1])


def _of_hex(text: str) -> str:
    digits = text[2:].rstrip("'")
    try:
        return bytes.fromhex(digits.zfill(len(digits) + len(digits) % 2)).decode()
    except UnicodeDecodeError:
        raise InputError(f"{text[:40]} is no text in UTF-8") from None


def _number(text: str) -> int | float:
    return int(text) if text.lstrip("+-").isdigit() else float(text)
