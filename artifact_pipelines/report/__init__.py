"""The report of a dataset's version: one HTML file that says what its table is, what changed, and what needs attention.

It opens without a network, and equal results give equal bytes. It stands above the other slices: it shows what they
found, and computes nothing itself.

    facts      what the catalog knows of a version and of what was made from it
    attention  a sentence on what a reader should look at, the worst first
    card       the chart and the statistics of one column
"""
