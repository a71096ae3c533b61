"""Values as they are shown."""

import datetime
import decimal
import uuid
from typing import Any

import pyarrow as pa
import pytest

from artifact_pipelines.tabular.footer import ITEMS_SHOWN, format_cell

FAR = pa.array([4_000_000], pa.int32()).cast(pa.date32())[0]
DAY = datetime.date(2026, 1, 2)
MAP = pa.map_(pa.struct([("k", pa.int64())]), pa.date32())


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (pa.scalar(5), 5),
        (pa.scalar(2.5, pa.float16()), 2.5),
        (pa.scalar(True), True),
        (pa.scalar(None, pa.date32()), None),
        (pa.scalar("text", pa.string_view()), "text"),
        (pa.scalar(b"\xff"), "b'\\xff'"),
        (pa.scalar(decimal.Decimal("1.50")), "1.50"),
        (pa.array(["a"]).dictionary_encode()[0], "a"),
        (pa.array([uuid.UUID(int=0).bytes], pa.uuid())[0], str(bytes(16))),
        (FAR, "12921-08-18"),
        (pa.scalar(0, pa.timestamp("s", "Mars/Base")), "1970-01-01 00:00:00+00:00"),
        (pa.scalar(1_500_000, pa.timestamp("us")), "1970-01-01 00:00:01.5"),
        (pa.scalar(3 * 86_400, pa.duration("s")), "3 days 00:00:00"),
        (pa.scalar([1, None, 2]), "[1, null, 2]"),
        (pa.scalar([DAY], pa.list_(pa.date32(), 1)), "[2026-01-02]"),
        (pa.scalar({"a": [{"b": DAY}], "c": "x"}), "{a: [{b: 2026-01-02}], c: x}"),
        (pa.scalar([({"k": 1}, DAY)], MAP), "{{k: 1}: 2026-01-02}"),
        (pa.StructArray.from_arrays([[1], [2]], ["a", "a"])[0], "{a: 1, a: 2}"),
    ],
)
def test_numbers_are_shown_unchanged_and_other_values_as_text(value: pa.Scalar, told: Any) -> None:
    assert format_cell(value) == told
    assert type(format_cell(value)) is type(told)


@pytest.mark.parametrize("kind", [pa.timestamp("s"), pa.timestamp("us", "UTC"), pa.date32()])
def test_time_beyond_the_calendar_is_shown_as_its_number(kind: pa.DataType) -> None:
    number = 2 ** (kind.bit_width - 2)
    assert str(number) in str(format_cell(pa.array([number], f"int{kind.bit_width}").view(kind)[0]))


def test_malformed_utf_8_is_replaced_by_character() -> None:
    broken = pa.array([b"a\xffb"]).view(pa.string())[0]
    assert format_cell(broken) == "a\N{REPLACEMENT CHARACTER}b"


def test_long_list_is_shown_by_its_first_items() -> None:
    told = format_cell(pa.scalar(list(range(1_000_000))))
    assert told == f"[{', '.join(map(str, range(ITEMS_SHOWN)))}, …]"
