"""What stands out in a profile, as a list in Markdown: the page of many columns begins with it."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from artifact_pipelines.analysis.profile.associations import MEASURES
from artifact_pipelines.analysis.readable import percentage, plain_text

MOST_SHOWN = 8
_WORDS = dict(zip(MEASURES, ("Pearson", "Spearman", "Cramér's V", "correlation ratio"), strict=True))
_WEAKEST = 0.3

Rows = Sequence[Mapping[str, Any]]


def findings(rows: Rows) -> list[str]:
    """Return the findings about the columns of a profile, the most important first."""
    found = {
        "Without a value": [plain_text(row["column"]) for row in rows if 0 < row["row_count"] == row["null_count"]],
        "Constant": [plain_text(row["column"]) for row in rows if row["role"] == "constant"],
        "Key candidates": [plain_text(row["column"]) for row in rows if row["role"] == "key candidate"],
        "Null in the same rows": list(_missing(rows)),
        "Correlated": [shown for _, shown in sorted(_correlated(rows), key=lambda pair: -pair[0])],
        "Days without a row": list(_gaps(rows)),
    }
    return [f"- {heading}: {_listed(shown)}" for heading, shown in found.items() if shown]


def _listed(shown: Sequence[str]) -> str:
    more = f", and {len(shown) - MOST_SHOWN:,} more" if len(shown) > MOST_SHOWN else ""
    return "; ".join(shown[:MOST_SHOWN]) + more


def _missing(rows: Rows) -> Iterator[str]:
    """Yield each group of columns that are null in the same rows, and no others."""
    seen = set[str]()
    for row in rows:
        same = [each["column"] for each in row["missing_together"] or () if each["correlation"] > 1 - 1e-9]
        if same and row["column"] not in seen:
            seen.update((row["column"], *same))
            share = percentage(row["null_count"] / row["row_count"])
            yield f"{', '.join(map(plain_text, (row['column'], *same)))} ({share} of the rows)"


def _correlated(rows: Rows) -> Iterator[tuple[float, str]]:
    """Yield each pair of columns that goes together, with its strength."""
    for at, row in enumerate(rows):
        later = {other["column"] for other in rows[at + 1 :]} if row["correlations"] else ()
        for each in row["correlations"] or ():
            known = {name: each[name] for name in MEASURES if each[name] is not None}
            name = max(known, key=lambda measure: abs(known[measure]))
            if each["column"] in later and abs(known[name]) >= _WEAKEST:
                pair = f"{plain_text(row['column'])} and {plain_text(each['column'])}"
                yield abs(known[name]), f"{pair} ({_WORDS[name]} {known[name]:.2f})"


def _gaps(rows: Rows) -> Iterator[str]:
    for row in rows:
        if row["missing_days"]:
            longest = f"most in succession {row['longest_gap_days']:,}, from {row['longest_gap_start']}"
            yield f"{plain_text(row['column'])} {row['missing_days']:,} ({longest})"
