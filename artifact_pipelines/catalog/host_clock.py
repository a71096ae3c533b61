"""The clock of a SQLite catalog's host: time-based deletion stops when the clock has jumped.

One idea: the system also counts the seconds since its boot, and nobody can set that count. Within one boot the clock
must advance as the count does; over a reboot it may only go forward. PostgreSQL has a clock of its own, and a system
without `/proc` (macOS) is not checked.
"""

import dataclasses
import datetime
import time

import sqlalchemy as sa

from artifact_pipelines.catalog.engine import CatalogSection, reading, retried, writing
from artifact_pipelines.catalog.exceptions import ClockJumpedError
from artifact_pipelines.catalog.tables import host_clock, utc_now
from artifact_pipelines.core.processes import boot_id

_BOUND = datetime.timedelta(minutes=5)  # less than a lease or the shortest grace period


@dataclasses.dataclass(frozen=True, slots=True)
class _Moment:
    boot_id: str
    boot_s: float
    shown_at: datetime.datetime


class HostClock(CatalogSection):
    """Checks the clock against the moment that the catalog noted last. On PostgreSQL every method does nothing."""

    @retried
    def check(self) -> None:
        """Raise `ClockJumpedError` if the clock has jumped."""
        with reading(self._engine) as connection:
            check_clock(connection)

    @retried
    def check_and_note(self) -> None:
        """Note this moment; raise `ClockJumpedError`, and note nothing, if the clock has jumped."""
        with writing(self._engine) as connection:
            check_clock(connection)
            note_clock(connection)

    @retried
    def accept(self) -> bool:
        """Note this moment although the clock may have jumped, because the user has checked that it is right.

        Returns:
            False: the clock is not checked, so there is nothing to note.
        """
        with writing(self._engine) as connection:
            return note_clock(connection)


def note_clock(connection: sa.Connection) -> bool:
    """Replace the noted moment by this one; return False if the clock is not checked."""
    if (now := _this_moment(connection)) is None:
        return False
    connection.execute(sa.delete(host_clock))
    connection.execute(sa.insert(host_clock).values(dataclasses.asdict(now)))
    return True


def check_clock(connection: sa.Connection) -> None:
    """Raise `ClockJumpedError` if the clock has jumped since the noted moment."""
    now = _this_moment(connection)
    row = None if now is None else connection.execute(sa.select(host_clock)).first()
    if now is None or row is None:
        return
    noted = _Moment(**row._mapping)
    expected = noted.shown_at
    if is_same_boot := now.boot_id == noted.boot_id:
        expected += datetime.timedelta(seconds=now.boot_s - noted.boot_s)
    too_early, too_late = now.shown_at < expected - _BOUND, now.shown_at > expected + _BOUND
    if too_early or (too_late and is_same_boot):
        where = connection.engine.url.render_as_string(hide_password=True)
        raise ClockJumpedError(where, f"{now.shown_at:%F %T} UTC", f"{expected:%F %T} UTC")


def _this_moment(connection: sa.Connection) -> _Moment | None:
    """Return the present, or None if it is not checked."""
    boot = boot_id() if connection.dialect.name == "sqlite" else None
    if boot is None:
        return None
    shown_at = connection.execute(sa.select(utc_now())).scalar_one()
    return _Moment(boot, time.clock_gettime(time.CLOCK_BOOTTIME), shown_at)
