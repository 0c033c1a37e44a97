"""The campaigns use whole installations, as the relay tests do."""

from tests.relay.conftest import whole_baton

__all__ = ["whole_baton"]
