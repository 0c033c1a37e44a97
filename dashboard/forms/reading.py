"""Reads form fields one by one and collects what is wrong, by field."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from baton.errors import InputError
from baton.messages import check_param

_E = TypeVar("_E", bound=StrEnum)


def sentence(text: str) -> str:
    """The words of an error as a sentence of its own."""
    return f"{text[:1].upper()}{text[1:]}{'' if text.endswith(('.', '?', '!')) else '.'}"


class Reading:
    """The values of one submitted form and their errors."""

    def __init__(self, form: Mapping[str, str]) -> None:
        self._form = form
        self.errors: dict[str, str] = {}

    def wrong(self, name: str, text: str) -> None:
        """Remember the first thing that is wrong with a field."""
        self.errors.setdefault(name, text)

    def raw(self, name: str) -> str:
        """As it was sent; browsers send line ends as CR LF, nobody types them."""
        return self._form.get(name, "").replace("\r\n", "\n")

    def line(self, name: str, what: str, most: int, *, is_required: bool = False) -> str:
        """One line of text."""
        value = self.raw(name).strip()
        if not value and is_required:
            self.wrong(name, f"{what} is missing.")
        elif len(value) > most:
            self.wrong(name, f"{what} has {len(value):,} characters; at most {most:,} fit.")
        elif not value.isprintable():
            self.wrong(name, f"{what} has a character that cannot be shown, such as a line break.")
        return value

    def text(self, name: str, what: str, most: int) -> str:
        """Some lines of text."""
        value = self.raw(name)
        if len(value) > most:
            self.wrong(name, f"{what} has {len(value):,} characters; at most {most:,} fit.")
        elif "\x00" in value:
            self.wrong(name, f"{what} has a NUL character; remove it.")
        return value

    def param(self, name: str) -> str:
        """An executor parameter: up to 64 KiB of anything but NUL."""
        value = self.raw(name)
        try:
            check_param(value)
        except InputError as problem:
            self.wrong(name, sentence(str(problem)))
        if "\x00" in value:
            self.wrong(name, "The parameter has a NUL character; remove it.")
        return value

    def whole(self, name: str, what: str, most: int, *, least: int = 0) -> int:
        """A whole number from `least`; empty is `least`."""
        value = self.raw(name).strip() or str(least)
        is_whole = value.isascii() and value.isdigit() and len(value) <= 12
        if not is_whole or not least <= int(value) <= most:
            self.wrong(name, f"{what} is {value[:40]!r}; give a whole number from {least} to {most:,}.")
            return least
        return int(value)

    def whole_if_any(self, name: str, what: str, most: int) -> int | None:
        """A whole number from 0; empty is None."""
        return self.whole(name, what, most) if self.raw(name).strip() else None

    def moment(self, name: str, what: str, zone: str) -> int:
        """A wall-clock time of `zone` as browsers send it, in epoch milliseconds; empty is 0."""
        value = self.raw(name).strip()
        if not value:
            return 0
        try:
            # a time that the clock shows twice means the first one, a time that it drops the one after
            wall = datetime.fromisoformat(value).replace(tzinfo=ZoneInfo(zone), fold=0)
            milliseconds = int(wall.timestamp() * 1000)
        except (ValueError, ZoneInfoNotFoundError, OverflowError):
            milliseconds = 0
        if milliseconds <= 0:  # before 1970 too: 0 stands for no bound
            self.wrong(name, f"{what} is {value[:40]!r}; write it as 2027-01-31T08:30.")
            return 0
        return milliseconds

    def choice(self, name: str, what: str, words: type[_E], otherwise: _E) -> _E:
        """One of the words of an enum."""
        value = self.raw(name) or otherwise.value
        if value not in words._value2member_map_:
            self.wrong(name, f"{what} is {value[:40]!r}; choose one of {', '.join(words)}.")
            return otherwise
        return words(value)

    def is_checked(self, name: str) -> bool:
        """Whether a box is ticked."""
        return bool(self.raw(name))
