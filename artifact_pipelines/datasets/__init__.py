"""From a dropped file to a raw artifact and a typed table.

The one idea: a file's identity is its content. A new content becomes one version; a known one changes nothing.

    landing zone  the folder where people drop files
    source        a dataset's glob below the landing zone
    complete      unchanged for a while, so that nobody is still writing it
    duplicate     a complete file with a content that the dataset already has
    raw file      the stored copy of a dropped file, byte for byte
    format        the rules that read a raw file as a table: a class in `formats/`
"""
