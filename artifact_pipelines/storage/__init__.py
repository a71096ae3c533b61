"""Bytes: how they come into a store, lie there, and are read with proof.

content      a run of bytes, identified by its BLAKE3 hash
file         a stored content with an ID; one per content, in the catalog a row, in the store an object
path         where a file lies in a store: `<hash[:2]>/<hash>.<file_id>`; never written again once its file is gone
store        the folder or the S3 prefix that holds the bytes
backend      the code for one kind of store: puts, reads, deletes and lists paths, and decides nothing
stage        write bytes into a staging file, hashed on the way; they are under no path yet
put          make staged bytes durable under their path
lease        a reference with an expiry that holds a file while its bytes are on their way
settle       turn leases into lasting references of a holder
holding      the files of one writer between put and settlement: all become lasting, or all are given back
producer     the only class that creates files
artifact     a stored file in the hands of a reader
verify       hash the bytes while they are read, and raise before the last one if they are wrong
leftover     a staging file or multipart upload of a dead writer

One idea: the row exists before the bytes, and bytes move while no transaction is open. So bytes without a row are
garbage, and a committed reference always has its bytes.
"""
