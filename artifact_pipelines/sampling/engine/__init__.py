"""What designs draw with: passes over a table of any size, and the rows that they choose.

population      a table in slices that are read one by one
rows            the rows that a design can draw, with their numbers; maps a function over batches
repeats         rows whose key stood before
list_order      rows in the order of some columns
sizes           sizes and weights of rows, checked
smallest        the rows with the n smallest numbers
smallest_ranks  the rows with the n smallest ranks, of which nothing is known before
pilot           guesses that speed up a pass, and are verified
strata          sizes of strata, and the rows with the smallest numbers of each
clusters        sizes of clusters, and the rows of some
labels          names of strata and clusters
choice          the rows that a design has chosen, by position
take            reads the rows of a choice
"""
