"""The campaigns use whole installations, as the relay tests do, and lone executors."""

from tests.relay.conftest import whole_baton
from tests.worker.conftest import world

__all__ = ["whole_baton", "world"]
