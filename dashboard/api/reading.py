"""Reads JSON that a program sent; what is wrong is said with the name of the field."""

from __future__ import annotations

import json
from typing import Any

from flask import request

from baton.errors import InputError
from baton.messages import check_param

API_PATH = "/api/"
KEY_LIMIT = 120
ADDRESS_LIMIT = 255


class Refused(Exception):
    """Something the program has to mend."""

    def __init__(self, status: int, code: str, message: str, field: str = "") -> None:
        super().__init__(message)
        self.status, self.code, self.field = status, code, field

    def to_map(self) -> dict[str, str]:
        """The error as the answer has it."""
        said = {"code": self.code, "message": str(self)}
        return {**said, "field": self.field} if self.field else said


def body() -> dict[str, Any]:
    """The JSON object of this request; an empty body is an empty object."""
    raw = request.get_data(cache=False)
    if not raw:
        return {}
    if request.mimetype != "application/json":
        raise Refused(415, "not_json", "Send JSON, with the header Content-Type: application/json.")
    try:
        value = json.loads(raw)
    except (ValueError, RecursionError) as problem:
        raise Refused(400, "not_json", f"The body is not JSON: {problem}.") from None
    if not isinstance(value, dict):
        raise Refused(400, "not_an_object", "The body must be a JSON object.")
    return value


def only(value: dict[str, Any], known: set[str]) -> None:
    """Refuse fields that nobody reads: a misspelt one would be lost in silence."""
    strange = sorted(set(value) - known)
    if strange:
        message = f"There is no field {strange[0]!r}; there are: {', '.join(sorted(known))}."
        raise Refused(422, "unknown_field", message, strange[0])


def text(value: dict[str, Any], name: str, most: int) -> str | None:
    """A string of at most so many characters; None if it is not there."""
    found = value.get(name)
    if found is None:
        return None
    if not isinstance(found, str) or len(found) > most or not found.isprintable():
        raise Refused(422, "bad_value", f"{name} must be text of 1 to {most} printable characters.", name)
    return found or None


def param(value: dict[str, Any]) -> str | None:
    """The executor parameter: text as it is, anything else as JSON text."""
    if "param" not in value:
        return None
    found = value["param"]
    said = found if isinstance(found, str) else json.dumps(found, ensure_ascii=False)
    try:
        check_param(said)
    except InputError as problem:
        raise Refused(422, "too_large", f"{problem}.", "param") from None
    if "\x00" in said or said != said.encode("utf-8", "replace").decode():
        raise Refused(422, "bad_value", "param has a NUL character or half a surrogate pair.", "param")
    return said
