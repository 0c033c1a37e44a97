"""The form of a job's script."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Self

from baton.errors import InputError
from baton.script_source import check_source
from baton.store.glue import GlueVersionView

from .reading import Reading, sentence

REMARK_LIMIT = 100


@dataclass(frozen=True, slots=True)
class ScriptForm:
    """A source, and what changed in it."""

    source: str = ""
    remark: str = ""
    seen_id: int = 0
    """The version the person began with; 0 if there was none."""
    errors: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, version: GlueVersionView | None) -> Self:
        """The newest version, to be changed."""
        return cls(version.source, "", version.id) if version else cls()

    @classmethod
    def submitted(cls, form: Mapping[str, str]) -> Self:
        """Read and check what a person sent."""
        reading = Reading(form)
        source = reading.raw("source")
        try:
            source = check_source(source)
        except InputError as problem:
            reading.wrong("source", sentence(str(problem)))
        remark = reading.line("remark", "What changed", REMARK_LIMIT, is_required=True)
        return cls(source, remark, reading.whole("seen_id", "The version", 2**63 - 1), reading.errors)

    def with_error(self, name: str, text: str) -> ScriptForm:
        """The same, with something wrong about one field."""
        return replace(self, errors={**self.errors, name: text})
