"""A program that creates, reads and cleans up on a host whose clock is some days off, and prints the results.

It changes every clock of Python before it imports the package. SQLite's clock stays right, which is realistic: all
processes on a SQLite catalog share one host.
"""

import dataclasses
import datetime
import io
import json
import sys
import time
from typing import Any

_original_clock_gettime = time.clock_gettime
_original_datetime = datetime.datetime


def change_clocks(shift_s: float) -> None:
    def now() -> float:
        return _original_clock_gettime(time.CLOCK_REALTIME) + shift_s

    class WrongDatetime(datetime.datetime):
        @classmethod
        def now(cls, tz: datetime.tzinfo | None = None) -> Any:
            return _original_datetime.fromtimestamp(now(), tz)

        @classmethod
        def utcnow(cls) -> Any:
            return _original_datetime.fromtimestamp(now(), datetime.UTC).replace(tzinfo=None)

        @classmethod
        def today(cls) -> Any:
            return _original_datetime.fromtimestamp(now())

    class WrongDate(datetime.date):
        @classmethod
        def today(cls) -> Any:
            return _original_datetime.fromtimestamp(now()).date()

    changed: dict[Any, dict[str, Any]] = {
        time: {
            "time": now,
            "time_ns": lambda: int(now() * 1e9),
            "clock_gettime": lambda clock: now() if clock == time.CLOCK_REALTIME else _original_clock_gettime(clock),
        },
        datetime: {"datetime": WrongDatetime, "date": WrongDate},
    }
    for module, functions in changed.items():
        for name, function in functions.items():
            setattr(module, name, function)
    for name in ("gmtime", "localtime", "ctime"):
        original = getattr(time, name)
        setattr(time, name, lambda seconds=None, original=original: original(now() if seconds is None else seconds))


def main(shift_s: str, catalog_url: str, storage_url: str, held: str) -> None:
    change_clocks(float(shift_s))
    from artifact_pipelines.core.types import Content, FileDescription, FileId
    from artifact_pipelines.maintenance.clean_up import clean_up
    from artifact_pipelines_tests.stress.place import Place

    with Place(catalog_url, storage_url).open() as opened:
        created = opened.producer.create_artifact(io.BytesIO(b"made by a host with a wrong clock"), "bin")
        leased = opened.catalog.files.acquire_all([(Content("cd" * 32, 5), FileDescription("bin"))], "blake3")[
            0
        ].file.file_id
        opened.read(FileId(int(held)))
        report = clean_up(opened.catalog, opened.backend, max_share=1)
        collected: list[int] = [garbage.file_id for garbage in report.collected]
        done = Done(time.time(), created, leased, collected, list(report.reaped))
    print(json.dumps(dataclasses.asdict(done)))


@dataclasses.dataclass(frozen=True)
class Done:
    """The results, and the time that its clock showed."""

    time_s: float
    created: int
    leased: int
    collected: list[int]
    reaped: list[int]


if __name__ == "__main__":
    main(*sys.argv[1:])
