"""Which keys of ours there are: walked through by SCAN, a few hundred at a time. Spoken by the scanner."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import cast

from redis import Redis

from .keys import ALL_KEYS, KeyPlace, place_of

UNKNOWN = "unknown"
FOR_EVER = "for ever"
"""It would go by itself, and has lost its expiry."""
_AT_A_TIME = 500
_COUNTLESS = frozenset(["progress"])
_NO_EXPIRY = -1
_GONE = -2


@dataclass(frozen=True, slots=True)
class OddKey:
    """A key that the table of keys does not have, or has otherwise."""

    name: str
    why: str
    """`UNKNOWN`, `FOR_EVER`, or the type it has and the one it should have."""


@dataclass(slots=True)
class Names:
    """The names of one group."""

    of_family: defaultdict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    """Family -> what stands behind its colon: lanes, executors, numbers."""
    odd: list[OddKey] = field(default_factory=list)
    countless: int = 0
    """How many keys there are of which there may be one for each run of the last hour."""

    @property
    def count(self) -> int:
        """How many keys there are."""
        return self.countless + sum(map(len, self.of_family.values()))

    @property
    def is_readable(self) -> bool:
        """Whether every key has its type, so that nothing that reads it fails."""
        return all(key.why in (UNKNOWN, FOR_EVER) for key in self.odd)


@dataclass(frozen=True, slots=True)
class _Found:
    name: str
    kind: str
    ttl_s: int


def walk(redis: Redis) -> dict[str, Names]:
    """All our keys by group; those that belong to none under the empty name."""
    groups: defaultdict[str, Names] = defaultdict(Names)
    for page in _pages(redis):
        places = {name: place_of(name) for name in page}
        countless = {name for name, place in places.items() if place.family in _COUNTLESS}
        for name in countless:
            groups[places[name].app_name].countless += 1
        # a look at each would take longer than everything else together
        for key in _look(redis, [name for name in page if name not in countless] + sorted(countless)[:1]):
            place = places[key.name]
            group = groups[place.app_name]
            if key.name not in countless:
                group.of_family[place.family].add(_shown(place.rest))
            if why := _why_odd(key, place):
                group.odd.append(OddKey(_shown(key.name), why))
    return dict(groups)


def _pages(redis: Redis) -> Iterator[list[str]]:
    cursor = -1
    while cursor:
        cursor, page = redis.scan(max(cursor, 0), match=ALL_KEYS, count=_AT_A_TIME)
        yield [name.decode("utf-8", "surrogateescape") for name in cast(list[bytes], page)]


def _look(redis: Redis, names: Sequence[str]) -> Iterator[_Found]:
    with redis.pipeline(transaction=False) as pipeline:
        for name in names:
            raw = name.encode("utf-8", "surrogateescape")
            pipeline.type(raw)
            pipeline.ttl(raw)
        answers = pipeline.execute()
    for i, name in enumerate(names):
        kind, ttl_s = answers[2 * i], int(answers[2 * i + 1])
        if ttl_s != _GONE:
            yield _Found(name, _text(kind), ttl_s)


def _why_odd(key: _Found, place: KeyPlace) -> str:
    if place.rule is None:
        return UNKNOWN
    if key.kind != place.rule.kind:
        return f"{key.kind} instead of {place.rule.kind}"
    if place.rule.expires_s and key.ttl_s == _NO_EXPIRY:
        return FOR_EVER
    return ""


def _text(word: bytes | str) -> str:
    return word.decode() if isinstance(word, bytes) else word


def _shown(name: str) -> str:
    """Bytes that are no text are written out."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
