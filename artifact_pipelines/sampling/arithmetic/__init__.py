"""The arithmetic of designs: functions of arrays, the same to the last bit on every machine. They know no table.

allocation            how many rows each stratum gives
proportional_to_size  inclusion probabilities in proportion to sizes, and the rows that are certain
ranks                 numbers by which unequal rows compete
conditional_poisson   samples of unequal probabilities of a fixed size, exactly
cube                  samples that match totals of the population
exact_sums            sums that do not depend on the order
elementary            logarithm and exponential by plain arithmetic
"""
