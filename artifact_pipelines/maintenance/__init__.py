"""Keeps a store in order: deletes what nothing needs, verifies what is kept, and survives the loss of the catalog.

The words of this package:

- retention policy: rules of an asset that say which of its versions to keep, such as `keep_last`.
- verdict: the decision on one version, kept or not, with its reason.
- release: drop the references of a version; its files stay until nothing holds them.
- grace period: how long nothing must have held a file before it may be deleted.
- collect: delete the rows and then the bytes of files that nothing has held for the grace period.
- orphan: bytes in the store without a row in the catalog, left by a crash.
- left-over: an unfinished file of a writer that is gone.
- clean-up: all of these, in a safe order.
- wipe: a user removed an asset's materializations in Dagster's UI; clean-up treats its versions as not kept.
- finding: one piece of damage that verification found.
- backup: an artifact that holds all rows of the catalog; restore fills an empty catalog from it.
- rebuild: fill an empty catalog from the files of a store alone.
- adopt: take a file of the store into a catalog that does not know it.

One idea: decisions are pure functions of the catalog and reported before anything is deleted. Rows go before bytes, so
that a crash leaves orphans, which the next clean-up finds, and never a reference without bytes.
"""
