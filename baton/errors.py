"""The exception tree.

    BatonError
    ├── InputError            a person or a caller gave something unusable
    │   ├── ScheduleError     a cron expression, a zone, a rate
    │   ├── ParamTooLarge     an executor parameter over its limit
    │   ├── SettingsError     an environment variable
    │   └── HandlerError      a handler declared or named wrongly
    ├── MessageError          bytes from Redis that are not one of our messages
    │   ├── Malformed         not msgpack, not our frame, or a field of the wrong kind
    │   ├── BadSignature      not signed with the access token of this group
    │   ├── NewerVersion      written by a newer Baton than this one
    │   └── TooLarge          over the size bound of its kind
    ├── BrokerError           Redis cannot do what is asked (wrong version, not reachable)
    └── NewerSchema           the database was migrated by a newer Baton than this one

Each message says what was wrong (with the value), where, and how to mend it.
"""

from __future__ import annotations


class BatonError(Exception):
    """Root of everything Baton raises on purpose."""


class InputError(BatonError):
    """Something a person or a caller gave cannot be used. `problems` names every one."""

    def __init__(self, *problems: str) -> None:
        super().__init__("; ".join(problems))
        self.problems: tuple[str, ...] = problems


class ScheduleError(InputError):
    """A schedule that cannot be followed: bad cron, unknown zone, rate below one second."""


class ParamTooLarge(InputError):
    """An executor parameter over the limit of 64 KiB."""


class SettingsError(InputError):
    """One or more settings of the environment are unusable."""


class HandlerError(InputError):
    """A handler is declared or named in a way that cannot work."""


class MessageError(BatonError):
    """Bytes from Redis are not a message this process may act on."""


class Malformed(MessageError):
    """Not msgpack, not our frame, or a field is missing or of the wrong kind."""


class BadSignature(MessageError):
    """The signature does not fit: another access token, another group, or a forgery."""


class NewerVersion(MessageError):
    """The message was written by a newer Baton; upgrade this process first."""


class TooLarge(MessageError):
    """The message is over the size bound of its kind."""


class BrokerError(BatonError):
    """Redis cannot do what is asked of it."""


class NewerSchema(BatonError):
    """The database was migrated by a newer Baton; upgrade this process."""
