"""How much a clean-up may delete at once without being asked: who points it at the wrong store loses little."""

from artifact_pipelines.core.exceptions import InvalidArgumentError
from artifact_pipelines.core.types import Amount
from artifact_pipelines.maintenance.exceptions import TooMuchToDeleteError

MAX_SHARE = 0.1
FREE_FILES = 100
"""So many files may always go: in a small store a few are a large share."""


def check_share(what: str, going: Amount, of: Amount, max_share: float = MAX_SHARE) -> None:
    """Refuse what nobody expects.

    Args:
        what: What would go, for people.
        going: How much would go.
        of: How much there is.
        max_share: The share of files, and of bytes, that may go; from 0 to 1.

    Raises:
        TooMuchToDeleteError: More would go.
        InvalidArgumentError: No share.
    """
    if not 0 <= max_share <= 1:
        raise InvalidArgumentError("max_share", max_share, "a share from 0 to 1")
    is_much = going.files > max_share * of.files or going.size_bytes > max_share * of.size_bytes
    if going.files > FREE_FILES and is_much:
        raise TooMuchToDeleteError(
            what, going.files, of.files, going.size_bytes, of.size_bytes, allowed=f"{100 * max_share:g}%"
        )
