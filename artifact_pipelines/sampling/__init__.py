"""Samples of a dataset's table.

The one idea: each row always draws the same random number, and a design is a rule on these numbers. So a sample depends
on no order, layout or thread count, and hardly changes when the data grow.

    population             the rows of a table
    design                 a rule that draws rows: a class in `designs/`
    key                    the columns that identify a row
    seed                   chooses one of all possible samples
    inclusion probability  π, the share of seeds with which a row is drawn
    sampling weight        1 / π, the number of rows that a drawn row stands for
"""
