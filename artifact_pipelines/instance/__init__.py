"""What is read from a Dagster instance and told to it: its event log, its runs, and the pages of assets.

The one idea: the IO manager, the slices and the command line tell Dagster the same facts in the same words, whether a
run is going on or not.

    finding          the newest evaluation of a check that is about one materialization
    runless report   an event in Dagster's log that belongs to no run, such as that of a rollback
    dead run         a run that has started and whose process is gone
    outage           storage or catalog is away; the same work may succeed later
    page             an asset's page in the UI: its metadata, in the order in which people look for them
"""
