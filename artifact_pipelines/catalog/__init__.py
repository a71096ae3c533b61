"""The catalog: rows about files and assets, on SQLite or PostgreSQL. The bytes are in `storage/`.

One idea: the database decides, in one transaction and by its own clock. Rows are written before bytes move and deleted
before bytes go, so a crash leaves garbage and never a gap.

Words:
- file: stored bytes, one row for each content; its ID is never given again.
- reference: one holder's claim on a file. A file with a reference is never deleted.
- holder: the owner of a reference: a materialization, a caller of `create_artifact`, or a lease.
- lease: a reference that expires; it holds a file while its bytes are on their way.
- settle: turn leases into lasting references; abandon: give them back.
- materialization: one recorded output of an asset, a partition or an op, with its files and its inputs.
- version: all materializations of an asset or partition with the same content, numbered from 1.
- current: the materialization that readers get; at most one for each asset or partition.
- candidate: a materialization that waits for its checks before it becomes current; it may be rejected or superseded.
- input: a materialization that was loaded to make another one.
- wipe: declare everything of an asset gone; release: let a version no longer hold its files; restore: take back either.
- pin, tag: marks on a version that keep it from being released.
- garbage: a file that nothing holds. Collecting deletes it after a grace period.
- rebuilt: held only because a lost catalog was refilled and nobody knows who needs the file.
- landing file: a file in the landing zone, and what became of it.
"""
