"""Fields that several designs share, each with its check and its arithmetic.

sample_size  `n` or `fraction`
clusters     `cluster`, `clusters`: designs that draw whole clusters first
excluding    `exclude`: designs that draw from the rows that other samples leave
within       `within`: another design in each stratum
panel        `panel`, which every design has
"""
