"""Values of classes that are derived from what a file holds: stored as what they are derived from, and made anew."""

from typing import TypeVar

from artifact_pipelines.handlers.exceptions import ContentMismatchError
from artifact_pipelines.handlers.interfaces import ReadRequest
from artifact_pipelines.storage.artifact import Artifact
from artifact_pipelines.tabular.exceptions import UnsupportedTypeError

Value = TypeVar("Value")


def as_annotated(value: Value, artifact: Artifact, request: ReadRequest) -> Value:
    """Return what was read of a file as the subclass that an annotation asks for, `Wanted(value)`, or as it is.

    Raises:
        UnsupportedTypeError: The class is not made in this way.
        ContentMismatchError: It does not take this value.
    """
    wanted = request.annotation
    if not isinstance(wanted, type) or isinstance(value, wanted):
        return value
    name, base = wanted.__qualname__, type(value).__qualname__
    try:
        made: Value = wanted(value)
    except TypeError:  # what it says may show the value
        raise UnsupportedTypeError("load", name, [base, f"a class that is made by {name}({base})"]) from None
    except ValueError as error:
        problem = f"it is refused by {name}({base}) ({type(error).__name__})"
        remedy = f"Annotate {base} to see what it is."
        raise ContentMismatchError(
            artifact.info.file_id, name, problem, remedy
        ) from None  # what it says shows the value
    return made
