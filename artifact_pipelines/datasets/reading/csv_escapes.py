r"""Escapes of a CSV file: those that can be read in one way only.

Programs agree that an escape makes a delimiter, a quote, a line end or an escape a plain character. They do not agree
on anything else: `\n` is a line end for MySQL, a backslash and a letter for Spark. A value `\N` is null, if declared.
"""

import functools
import re

from artifact_pipelines.datasets.reading.csv_dialect import CsvDialect

NULL = r"\N"
_DOUBTFUL = ("inside", "doubtful")


def find_doubtful(data: bytes, dialect: CsvDialect) -> int | None:
    """Return where the first escape stands that can be read in two ways."""
    if data.find(str(dialect.escape).encode()) < 0:
        return None
    return next((match.end() - 1 for match in _pattern(dialect).finditer(data) if match.lastgroup in _DOUBTFUL), None)


def with_nulls(data: bytes, dialect: CsvDialect) -> bytes:
    r"""Return rows whose values `\N` outside of quotes are empty."""
    if not dialect.has_escaped_null or data.find(NULL.encode()) < 0:
        return data
    return _pattern(dialect).sub(_without_null, data)


def _without_null(match: re.Match[bytes]) -> bytes:
    return match["null"] if match.lastgroup == "null" else match[0]


@functools.cache
def _pattern(dialect: CsvDialect) -> re.Pattern[bytes]:
    escape, quote = (re.escape(str(each).encode()) for each in (dialect.escape, dialect.quote))
    delimiter = re.escape(dialect.delimiter_byte)
    known = rb"%b[%b%b%b\r\n]" % (escape, escape, quote, delimiter)
    null = rb"(?P<null>\A|[%b\n])\\N(?![^%b\r\n])" % (delimiter, delimiter)
    null = null if dialect.has_escaped_null else rb"(?P<null>(?!))"
    quoted = rb"%b(?:%b|[^%b%b])*%b?" % (quote, known, quote, escape, quote) if dialect.quote else b"(?!)"
    return re.compile(rb"%b|%b|%b(?P<inside>%b)?|(?P<doubtful>%b)" % (null, known, quoted, escape, escape))
