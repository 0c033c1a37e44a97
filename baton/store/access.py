"""Who may sign in: people, their sessions, one-time links, and what they did.

Secrets are 256 random bits; only their SHA-256 is stored. Passwords are stored as scrypt hashes.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from base64 import b64decode, b64encode
from dataclasses import dataclass

from sqlalchemy import Connection, delete, exists, insert, select, update

from .models import AuditEvent, SignInLink, User, UserSession

_N, _R, _P = 2**15, 8, 1
_MEMORY_BYTES = 128 * _N * _R * 2
_NOBODY = "scrypt$32768$8$1$AAAAAAAAAAAAAAAAAAAAAA==$" + b64encode(bytes(32)).decode()
"""What a password is compared with when nobody has that name: the time must not tell."""


@dataclass(frozen=True, slots=True)
class SessionView:
    """A signed-in browser."""

    user_name: str
    last_seen_at: int


def hash_password(password: str) -> str:
    """`scrypt$n$r$p$salt$hash`."""
    salt = secrets.token_bytes(16)
    return f"scrypt${_N}${_R}${_P}${b64encode(salt).decode()}${b64encode(_scrypt(password, salt)).decode()}"


def verify(password_hash: str | None, password: str) -> bool:
    """Whether the password fits; None (nobody has that name) takes as long and never fits."""
    salt, expected = (b64decode(part) for part in (password_hash or _NOBODY).split("$")[4:])
    fits = hmac.compare_digest(_scrypt(password, salt), expected)
    return fits and password_hash is not None


def _scrypt(password: str, salt: bytes) -> bytes:
    raw = password.encode("utf-8", "surrogatepass")
    return hashlib.scrypt(raw, salt=salt, n=_N, r=_R, p=_P, maxmem=_MEMORY_BYTES, dklen=32)


def has_users(connection: Connection) -> bool:
    """Whether anybody can sign in."""
    return bool(connection.execute(select(exists(select(User.id)))).scalar_one())


def password_hash(connection: Connection, name: str) -> str | None:
    """The stored hash of a person's password; None if there is no such person."""
    return connection.execute(select(User.password_hash).where(User.name == name)).scalar_one_or_none()


def set_password(connection: Connection, name: str, hashed: str, now_ms: int) -> None:
    """Make the person, or give them this password and end their sessions."""
    user_id = connection.execute(select(User.id).where(User.name == name)).scalar_one_or_none()
    if user_id is None:
        connection.execute(insert(User).values(name=name, password_hash=hashed, created_at=now_ms))
        return
    connection.execute(update(User).where(User.id == user_id).values(password_hash=hashed))
    connection.execute(delete(UserSession).where(UserSession.user_id == user_id))


def users(connection: Connection) -> list[tuple[str, int]]:
    """Who may sign in, and since when (epoch milliseconds)."""
    rows = connection.execute(select(User.name, User.created_at).order_by(User.name))
    return [(name, created_at) for name, created_at in rows]


def delete_user(connection: Connection, name: str) -> bool:
    """End a person's sessions, and let them in no longer; False if there is no such person."""
    user_id = connection.execute(select(User.id).where(User.name == name)).scalar_one_or_none()
    if user_id is None:
        return False
    connection.execute(delete(UserSession).where(UserSession.user_id == user_id))
    connection.execute(delete(User).where(User.id == user_id))
    return True


def begin_session(connection: Connection, name: str, now_ms: int, expires_ms: int) -> str:
    """A new session; answers the secret for the cookie. Sessions that are over are removed."""
    connection.execute(delete(UserSession).where(UserSession.expires_at <= now_ms))
    token = secrets.token_urlsafe(32)
    user_id = connection.execute(select(User.id).where(User.name == name)).scalar_one()
    connection.execute(
        insert(UserSession).values(
            token_hash=_digest(token),
            user_id=user_id,
            created_at=now_ms,
            expires_at=expires_ms,
            last_seen_at=now_ms,
        )
    )
    return token


def session(connection: Connection, token: str, now_ms: int, *, idle_ms: int) -> SessionView | None:
    """The session of a cookie, if it is neither over nor idle for too long."""
    found = connection.execute(
        select(User.name, UserSession.last_seen_at)
        .join(User, User.id == UserSession.user_id)
        .where(
            UserSession.token_hash == _digest(token),
            UserSession.expires_at > now_ms,
            UserSession.last_seen_at > now_ms - idle_ms,
        )
    ).one_or_none()
    return None if found is None else SessionView(found[0], found[1])


def touch(connection: Connection, token: str, now_ms: int) -> None:
    """The session was used."""
    connection.execute(
        update(UserSession).where(UserSession.token_hash == _digest(token)).values(last_seen_at=now_ms)
    )


def end_session(connection: Connection, token: str) -> None:
    """Sign out."""
    connection.execute(delete(UserSession).where(UserSession.token_hash == _digest(token)))


def make_link(connection: Connection, now_ms: int, expires_ms: int) -> str:
    """A one-time sign-in link; answers its secret. Links that were not used are closed."""
    connection.execute(delete(SignInLink).where(SignInLink.used_at == 0))
    secret = secrets.token_urlsafe(32)
    connection.execute(
        insert(SignInLink).values(secret_hash=_digest(secret), created_at=now_ms, expires_at=expires_ms)
    )
    return secret


def link_is_open(connection: Connection, secret: str, now_ms: int) -> bool:
    """Whether the link can still be used."""
    statement = select(SignInLink.secret_hash).where(
        SignInLink.secret_hash == _digest(secret), SignInLink.used_at == 0, SignInLink.expires_at > now_ms
    )
    return connection.execute(statement).first() is not None


def use_link(connection: Connection, secret: str, now_ms: int) -> bool:
    """Use the link up. False: somebody did already, or its time is over."""
    used = connection.execute(
        update(SignInLink)
        .where(
            SignInLink.secret_hash == _digest(secret),
            SignInLink.used_at == 0,
            SignInLink.expires_at > now_ms,
        )
        .values(used_at=now_ms)
    )
    return used.rowcount == 1


def record(
    connection: Connection, now_ms: int, user_name: str, action: str, subject: str, facts: str
) -> None:
    """Write down who did what; `facts` is JSON."""
    connection.execute(
        insert(AuditEvent).values(
            at=now_ms, user_name=user_name[:64], action=action, subject=subject[:128], facts=facts
        )
    )


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
