"""From the bytes of a dropped file to typed columns, exactly: a value is stored as it is written, or refused.

The one idea: text first. A file is split into rows of texts; types are found on all rows by strict rules; each text is
then converted by a rule that has matched it. No engine guesses.

    dialect       how a text file is written: encoding, delimiter, quote, header
    block         whole rows of a text file, with the number of their first line
    column type   a rule for texts and the values that they become
    found type    the narrowest column type that all texts of a column follow
"""
