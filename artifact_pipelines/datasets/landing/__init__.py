"""The landing zone: where people drop files, and which of them become a run.

The one idea: the state of each file is in the catalog. No clock and no cursor decides what is new.

    place      a folder, or a prefix of an S3 bucket
    entry      a name in the place; only a regular file can be ingested
    sighting   what one look at an entry found: size and time, or ETag
    complete   the same at two looks, or beside its marker
    outcome    what became of the run that was requested for a file
"""
