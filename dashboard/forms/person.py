"""The forms of the way in: a name and a password."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

from .common_passwords import is_common
from .reading import Reading

NAME_LIMIT = 64
SHORTEST_PASSWORD = 8
LONGEST_PASSWORD = 256
RECOMMENDED_PASSWORD = 15


@dataclass(frozen=True, slots=True)
class PersonForm:
    """Name and password of a person who signs in, or who sets them for the first time."""

    name: str = ""
    password: str = field(default="", repr=False)
    errors: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def to_sign_in(cls, form: Mapping[str, str]) -> Self:
        """Whoever they say they are; nothing here tells which names exist."""
        reading = Reading(form)
        name = reading.line("name", "The name", NAME_LIMIT, is_required=True)
        password = form.get("password", "")
        if not password:
            reading.wrong("password", "The password is missing.")
        elif len(password) > LONGEST_PASSWORD:
            reading.wrong("password", f"No password is longer than {LONGEST_PASSWORD} characters.")
        return cls(name, password, reading.errors)

    @classmethod
    def to_begin(cls, form: Mapping[str, str]) -> Self:
        """A new name and a password nobody guesses."""
        reading = Reading(form)
        name = reading.line("name", "The name", NAME_LIMIT, is_required=True)
        password = form.get("password", "")
        problem = password_problem(password, name)
        if problem:
            reading.wrong("password", problem)
        elif form.get("password_again", "") != password:
            reading.wrong("password_again", "This is not the same password; type it again.")
        return cls(name, password, reading.errors)


def password_problem(password: str, name: str) -> str:
    """What is wrong with a new password; empty if nothing is. Any character is welcome."""
    if len(password) < SHORTEST_PASSWORD:
        return (
            f"The password has {len(password)} characters; it needs at least {SHORTEST_PASSWORD}, "
            f"better {RECOMMENDED_PASSWORD}. A few words in a row are easy to remember."
        )
    if len(password) > LONGEST_PASSWORD:
        return f"The password has {len(password)} characters; at most {LONGEST_PASSWORD} fit."
    if is_common(password) or password.casefold() == name.casefold():
        return "Everybody who guesses passwords tries this one early. Choose another one."
    return ""
