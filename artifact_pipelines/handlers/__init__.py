"""Type handlers turn values into bytes and back, without Dagster and without the catalog.

The one idea: equal values become equal bytes, and a value is stored exactly or refused. Reading a stored file runs no
code from it.

    handler         stores values of some types as files of one format, and reads files back as values
    stream handler  a handler of values that already are bytes: files and streams
    registry        the handlers in use; it chooses one by the names of types
    annotation      the type hint of an input; it decides the type to read
    open annotation none, `Any` or `object`: the value comes back as the type that was stored
    file type       the format of a stored file, such as `parquet` or `csv.gzip`
    facts           properties of a stored file that need no scan: row count, columns, preview
    scan            to read only the columns and rows that a query needs, in place
    container       a dict, list or tuple whose elements become files of their own, and the value of several files
    member          an element of a container
    gather          to combine the values of partitions into the form that an annotation asks for
    split           to divide the output of one run into a value for each partition
"""
