"""The command line `artifact-pipelines`. Each module is called like the commands it holds.

- `main`: the group of all commands, and the exit code of each kind of error.
- `terminal`: how commands talk to people and programs: shared options, tables, JSON, progress.
- `environment`: the catalog and the store that the environment variables name.

One idea: a command is wiring. It reads its options, calls one function of the store, the catalog or maintenance, and
prints the answer, for people as a table or a sentence, for programs as JSON. Heavy imports wait until the command runs:
`--help` answers at once.
"""
