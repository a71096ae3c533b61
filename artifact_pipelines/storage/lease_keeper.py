"""Leases are kept alive while bytes are on their way, however long that takes."""

import contextlib
import threading
from collections.abc import Iterator, Sequence

from artifact_pipelines.core.exceptions import CatalogUnavailableError
from artifact_pipelines.core.interfaces import IFileCatalog
from artifact_pipelines.core.types import Lease

_SMALL_BYTES = 1 << 20


class LeaseKeeper:
    """Renews leases, three times in the time that they last. If one is lost all the same, settling it says so.

    Args:
        catalog: Where they are.

    Attributes:
        every_s: Seconds between two renewals.
    """

    def __init__(self, catalog: IFileCatalog) -> None:
        self._catalog = catalog
        self.every_s = catalog.lease_s / 3

    @contextlib.contextmanager
    def keeping(self, leases: Sequence[Lease]) -> Iterator[None]:
        """Keep leases alive while the block runs; more may be put on the list meanwhile."""
        done = threading.Event()

        def renew() -> None:
            while not done.wait(self.every_s):
                with contextlib.suppress(CatalogUnavailableError):  # there is time for two more
                    self._catalog.renew_all(tuple(leases))

        keeper = threading.Thread(target=renew, name="lease-keeper", daemon=True)
        keeper.start()
        try:
            yield
        finally:
            done.set()
            keeper.join()

    @contextlib.contextmanager
    def keeping_large(self, leases: Sequence[Lease]) -> Iterator[None]:
        """Do as `keeping` does, but for small files, which are put in a moment: to start a thread takes as long."""
        is_small = sum(lease.file.size_bytes for lease in leases) <= _SMALL_BYTES
        with contextlib.nullcontext() if is_small else self.keeping(leases):
            yield
