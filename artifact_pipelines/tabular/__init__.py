"""Tables: written as Parquet, hashed, checked, described and joined, without knowing where they are stored.

The one idea: a table is its values. Equal tables become equal bytes and have one logical hash, in any process, with any
library, thread count or layout in memory.

    batch           some consecutive rows of an Arrow table or a polars frame
    chunk           some consecutive rows of a polars frame, as its engine delivers them
    row group       the rows that Parquet encodes together; its borders depend on schema and values only
    logical size    the bytes of a table's values, independent of encoding and memory layout
    logical hash    a hash of a table's values, independent of encoding and memory layout
    unordered hash  the logical hash of a table whose rows have no order
    footer          the end of a Parquet file: schema, row counts, statistics
    cell            a value as a person reads it in a preview
    storable        readable by polars, pyarrow and DuckDB alike, with the same meaning
    permanent random number  a number that the same row always draws
"""
