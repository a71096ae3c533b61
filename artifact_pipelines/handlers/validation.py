"""Let classes of tables that validate, such as patito's `Model.DataFrame`, validate what is stored and loaded.

One idea: a class with the attributes `model` and `validate` says by `table.validate()` whether a table fits it, so no
library of such classes is imported here.
"""

import typing
from typing import Any

from artifact_pipelines.handlers.exceptions import InvalidTableError

_MOST_CHARACTERS = 500


def check_table(value: object, annotation: Any) -> None:
    """Refuse a table that does not fit the class that an annotation names, alone, with None, or for each partition.

    Raises:
        InvalidTableError: The class refuses it.
    """
    for kind in (annotation, *typing.get_args(annotation)):
        if isinstance(kind, type) and hasattr(kind, "model") and isinstance(value, kind):
            validate: Any = getattr(value, "validate", None)
            if validate is not None:  # a LazyFrame has none: it would have to be computed
                _validate(validate, kind)


def _validate(validate: Any, kind: type) -> None:
    try:
        validate()
    except ValueError as error:
        reason = " ".join(str(error).split())[:_MOST_CHARACTERS]
        title = getattr(kind.model, "__qualname__", kind.__qualname__)  # type: ignore[attr-defined]
        raise InvalidTableError(title, reason) from None
