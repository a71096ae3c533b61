"""Shared by all packages: interfaces, types, the root of the errors, settings. Standard library only.

One idea: packages on one floor never import each other, so they meet in the words of this one.

    interface        a promise of one floor to those above it, stated once
    artifact         the value of an asset or of one of its partitions
    file ID          identifies a stored content for ever; no ID is given twice
    materialization  one recorded output: its files, its inputs, its version
    selection        the materialization that an input or a run asks for, if not the current one
    version          one content that an asset or partition held, numbered from 1
    finding          one piece of damage, with its remedy
    branch           the errors after which a reader does the same: fix the code, call the operator, wait
    settings         the places that the environment names: catalog, storage, landing zone
"""
