"""Tokens of programs that use the API. Only a hash of each is stored."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass, fields

from sqlalchemy import Connection, delete, insert, select, update

from .models import ApiToken

PREFIX = "baton_"
"""Makes a token recognisable, for people and for programs that look for leaked ones."""
TOUCH_EVERY_MS = 60_000


@dataclass(frozen=True, slots=True)
class TokenView:
    """A token, without its secret."""

    id: int
    name: str
    created_by: str
    created_at: int
    last_used_at: int
    may_write_scripts: bool


_VIEW = select(*(ApiToken.__table__.c[field.name] for field in fields(TokenView)))


def make(
    connection: Connection, name: str, created_by: str, now_ms: int, *, may_write_scripts: bool = False
) -> str:
    """Make a token; answers its secret, which nobody sees again."""
    secret = PREFIX + secrets.token_urlsafe(32)
    values = {
        "name": name, "token_hash": _digest(secret), "created_by": created_by, "created_at": now_ms,
        "may_write_scripts": may_write_scripts,
    }  # fmt: skip
    connection.execute(insert(ApiToken).values(**values))
    return secret


def find(connection: Connection, secret: str) -> TokenView | None:
    """The token with this secret, or None."""
    row = connection.execute(_VIEW.where(ApiToken.token_hash == _digest(secret))).one_or_none()
    return TokenView(*row) if row else None


def touch(connection: Connection, token_id: int, now_ms: int) -> None:
    """The token was used."""
    connection.execute(update(ApiToken).where(ApiToken.id == token_id).values(last_used_at=now_ms))


def all_tokens(connection: Connection) -> list[TokenView]:
    """All of them, the newest first."""
    return [TokenView(*row) for row in connection.execute(_VIEW.order_by(ApiToken.id.desc()))]


def revoke(connection: Connection, token_id: int) -> bool:
    """Let the token open nothing any more; False if it is gone."""
    return connection.execute(delete(ApiToken).where(ApiToken.id == token_id)).rowcount == 1


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
