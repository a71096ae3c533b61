"""The IO manager for Dagster: outputs become artifacts, inputs are loaded from them. Only this package knows both.

The one idea: a Dagster context is read once, into a frozen object of plain values; everything behind that is a function
of plain values, handlers and the catalog.

    asked            what a step asks for, as plain values: `InputAsked` for a load, `OutputAsked` for a write
    by hand          loaded by the code of a step (`context.load_asset_value`) or outside of a run, not as an input
    own output       an asset that the code of a step loads and that the same step makes; it is not an input
    pinned           selected by an input's metadata, for every run; the run tag `artifact/select` selects for one run
    loaded input     a materialization that a step loaded; it is recorded with everything that the step writes
    candidate        a version that waits for the blocking checks of its asset before it becomes current
    failure          an error that a retry cannot fix, as Dagster shows it: `dg.Failure(allow_retries=False)`
"""
