"""Holds the values of a table to the rules of its columns, whatever the format, while the rows stream by.

One idea: a rule is a vectorised function that marks wrong values. Only if there is one, its row is looked for.
"""

import dataclasses
import decimal
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from artifact_pipelines.core.exceptions import InvalidArgumentError
from artifact_pipelines.datasets.reading.column_declaration import ColumnDeclaration
from artifact_pipelines.datasets.reading.contract import Contract
from artifact_pipelines.datasets.reading.named_types import declared_type
from artifact_pipelines.datasets.reading.shown_values import shown
from artifact_pipelines.tabular.rows_by_key import as_keys

MOST_PARTITIONS = 10_000
_MOST_KEY_BYTES = 1_000
_KEYS = "partitions"
_KEY_TYPES = (
    pa.types.is_string,
    pa.types.is_large_string,
    pa.types.is_integer,
    pa.types.is_date,
    pa.types.is_boolean,
)


@dataclasses.dataclass(frozen=True, slots=True)
class Rule:
    """A rule for the values of a column.

    Attributes:
        field: Its name in YAML, such as `columns.delay.min`.
        fault: In words, such as `is less than 0`.
        wrong: Marks the values that break it; null: the value does not.
    """

    column: str
    field: str
    fault: str
    wrong: Callable[[pa.Array], pa.Array]


@dataclasses.dataclass(frozen=True, slots=True)
class Breach:
    """A value that breaks a rule.

    Attributes:
        row: Its place in the batch, from 0.
    """

    row: int
    value: str | None
    rule: Rule


def rules_of(contract: Contract, schema: pa.Schema) -> Sequence[Rule]:
    """Return the rules for the columns of a table.

    Raises:
        InvalidArgumentError: A limit is no value of its column's type.
    """
    rules = [Rule(name, "key", "is null in a column of the key", pc.is_null) for name in contract.key]
    for field in schema:
        if declaration := contract.rules.get(field.name):
            rules += _rules_of_column(field, declaration)
        if field.name == contract.partition_column:
            rules += _rules_of_partitions(field)
    return rules


def check_rules(columns: Mapping[str, ColumnDeclaration]) -> None:
    """Raise the error of `rules_of` for columns whose types are declared."""
    for name, declared in columns.items():
        if declared.type is not None and "{{" not in declared.type:
            list(_rules_of_column(pa.field(name, declared_type(declared.type).arrow), declared))


def _rules_of_column(field: pa.Field, declared: ColumnDeclaration) -> Iterator[Rule]:
    name, place = field.name, f"columns.{field.name}"
    or_nan = ", or no number" if pa.types.is_floating(field.type) else ""  # NaN lies within no limits
    if not declared.nullable:
        yield Rule(name, f"{place}.nullable", "is null", pc.is_null)
    if declared.allowed is not None:
        allowed = pa.array([_scalar(text, field, f"{place}.allowed").as_py() for text in declared.allowed], field.type)
        shown = f"{', '.join(declared.allowed[:10])}{', …' if len(declared.allowed) > 10 else ''}"
        yield Rule(name, f"{place}.allowed", f"is none of {shown}", lambda values: _not_in(values, allowed))
    if declared.min is not None:
        least = _scalar(declared.min, field, f"{place}.min", decimal.ROUND_CEILING)
        fault = f"is less than {declared.min}{or_nan}"
        yield Rule(name, f"{place}.min", fault, lambda values: pc.invert(pc.greater_equal(values, least)))
    if declared.max is not None:
        most = _scalar(declared.max, field, f"{place}.max", decimal.ROUND_FLOOR)
        fault = f"is more than {declared.max}{or_nan}"
        yield Rule(name, f"{place}.max", fault, lambda values: pc.invert(pc.less_equal(values, most)))
    if declared.pattern is not None:
        if not (pa.types.is_string(field.type) or pa.types.is_large_string(field.type)):
            raise InvalidArgumentError(f"{place}.pattern", declared.pattern, f"a column of texts; it is {field.type}")
        whole = rf"\A(?:{declared.pattern})\z"
        fault = f"does not match {declared.pattern!r}"
        yield Rule(name, f"{place}.pattern", fault, lambda values: pc.invert(pc.match_substring_regex(values, whole)))


def _rules_of_partitions(field: pa.Field) -> Iterator[Rule]:
    kind = field.type.value_type if pa.types.is_dictionary(field.type) else field.type
    if not any(is_it(kind) for is_it in _KEY_TYPES):
        raise InvalidArgumentError(_KEYS, field.name, f"a column of texts, whole numbers or days; it is {kind}")
    fault = f"is no key of a partition: null, empty, over {_MOST_KEY_BYTES:,} bytes, with '...' or a control character"
    yield Rule(field.name, _KEYS, fault, _is_no_key)
    fault = f"is the key of one more partition than {MOST_PARTITIONS:,}"
    yield Rule(field.name, _KEYS, fault, _one_too_many(MOST_PARTITIONS))


def _is_no_key(values: pa.Array) -> pa.Array:
    keys = as_keys(values)
    size = pc.binary_length(keys)
    is_wrong = pc.or_(pc.equal(size, 0), pc.greater(size, _MOST_KEY_BYTES))
    return pc.or_(is_wrong, pc.match_substring_regex(keys, r"\.\.\.|[\x00-\x1f]")).fill_null(True)


def _one_too_many(most: int) -> Callable[[pa.Array], pa.Array]:
    seen: dict[str, None] = {}

    def wrong(values: pa.Array) -> pa.Array:
        keys = as_keys(values)
        now = pc.unique(keys.drop_null()).to_pylist()
        seen.update(dict.fromkeys([key for key in now if key not in seen][: most - len(seen)]))
        if all(key in seen for key in now):
            return pa.repeat(False, len(keys))
        return _not_in(keys, pa.array(list(seen), keys.type))

    return wrong


def _not_in(values: pa.Array, allowed: pa.Array) -> pa.Array:
    return pc.and_(pc.is_valid(values), pc.invert(pc.is_in(values, value_set=allowed)))


def _scalar(text: str, field: pa.Field, place: str, rounding: str | None = None) -> pa.Scalar:
    """Return a declared value in the column's type; a limit between two values of the type becomes the next one."""
    kind = field.type
    try:
        if rounding and pa.types.is_integer(kind):
            return pa.scalar(int(decimal.Decimal(text).to_integral_value(rounding)), kind)
        if rounding and pa.types.is_decimal(kind):
            with decimal.localcontext(prec=80):
                return pa.scalar(decimal.Decimal(text).quantize(decimal.Decimal(1).scaleb(-kind.scale), rounding), kind)
        return pa.scalar(text).cast(kind)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, decimal.InvalidOperation, OverflowError) as error:
        raise InvalidArgumentError(place, text, f"a value of the column's type {kind}") from error


def find_breaches(batch: pa.RecordBatch, rules: Sequence[Rule]) -> Sequence[Breach]:
    """Return the first breach of each wrong row, in the order of the rows."""
    breaches: dict[int, Breach] = {}
    for rule in rules:
        values = batch.column(rule.column)
        wrong = rule.wrong(values)
        if not pc.any(wrong).as_py():
            continue
        for row in np.flatnonzero(wrong.fill_null(False).to_numpy(zero_copy_only=False)):
            breaches.setdefault(int(row), Breach(int(row), _shown(values[int(row)]), rule))
    return [breaches[row] for row in sorted(breaches)]


def _shown(value: pa.Scalar) -> str | None:
    return shown(value) if value.is_valid else None
