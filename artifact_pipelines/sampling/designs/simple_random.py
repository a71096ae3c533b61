"""Simple random sampling without replacement.

One idea: a row's permanent random number does not depend on other rows, so a larger sample contains the smaller one,
and a sample hardly changes when the data grow.
"""

from typing import ClassVar, Literal

from artifact_pipelines.sampling.engine import smallest
from artifact_pipelines.sampling.engine.choice import Choice, choice_by_rule, chosen_rows
from artifact_pipelines.sampling.engine.rows import Rows
from artifact_pipelines.sampling.fields.sample_size import SizedDesign, notes_on_size


class SimpleRandom(SizedDesign):
    """Draw n rows without replacement: over the seeds, each subset of n rows is equally likely."""

    design: Literal["simple_random"] = "simple_random"
    CODE_VERSION: ClassVar[str] = "2"

    def summary(self) -> str:
        """See `ISamplingDesign`."""
        return f"Simple random sample of {self.size} without replacement"

    def share(self) -> float:
        """See `ISamplingDesign`."""
        return self.fixed_share()

    def choose(self, rows: Rows) -> Choice:
        """Choose the min(n, N) rows with the smallest numbers; π = min(n, N) / N.

        Source:
            Särndal, Swensson, Wretman, Model Assisted Survey Sampling, 1992, section 3.3.
        """
        n = self.size_of_sample(rows.count)
        drawn = min(n, rows.count)
        share, notes = drawn / max(1, rows.count), notes_on_size(n, rows.count)
        if drawn > smallest.MOST_POSITIONS:
            keep = smallest.rule_of_smallest_numbers(rows, drawn)
            return choice_by_rule(rows, keep, lambda batch: chosen_rows(batch.ordinals, share), planned=n, notes=notes)
        kept = smallest.smallest_numbers(rows, drawn)
        return Choice(chosen_rows(kept.ordinals, share), rows.count, planned=n, notes=notes, known=kept.known)
