"""Makes a report of a Parquet file with another tool: `python other_reports.py TOOL TABLE OUTPUT`.

It runs with the Python where that tool is installed, so it must import nothing of this project.
"""

import sys


def ydata(table: str, output: str, **options: bool) -> None:
    """fg-data-profiling, which was called ydata-profiling."""
    import pandas as pd

    try:
        from data_profiling import ProfileReport  # type: ignore[import-not-found]
    except ImportError:
        from ydata_profiling import ProfileReport  # type: ignore[import-not-found]
    ProfileReport(pd.read_parquet(table), progress_bar=False, **options).to_file(output)


def ydata_minimal(table: str, output: str) -> None:
    """The same without correlations, interactions and duplicates."""
    ydata(table, output, minimal=True)


def evidently(table: str, output: str) -> None:
    """Evidently's summary of a dataset."""
    import pandas as pd
    from evidently import Dataset, Report  # type: ignore[import-not-found]
    from evidently.presets import DataSummaryPreset  # type: ignore[import-not-found]

    Report([DataSummaryPreset()]).run(Dataset.from_pandas(pd.read_parquet(table)), None).save_html(output)


TOOLS = {"ydata": ydata, "ydata-minimal": ydata_minimal, "evidently": evidently}

if __name__ == "__main__":
    TOOLS[sys.argv[1]](*sys.argv[2:])
