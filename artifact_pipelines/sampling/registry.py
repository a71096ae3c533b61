"""All sampling designs of a YAML file."""

from typing import Annotated

from artifact_pipelines.declarations import OneOf
from artifact_pipelines.sampling.designs.multi_round import MultiRound
from artifact_pipelines.sampling.designs.residual import Residual
from artifact_pipelines.sampling.designs.simple_random import SimpleRandom
from artifact_pipelines.sampling.designs.split import Split
from artifact_pipelines.sampling.interfaces import ISamplingDesign
from artifact_pipelines.sampling.single_designs import SINGLE_DESIGNS

SamplingDesign = Annotated[ISamplingDesign, OneOf([*SINGLE_DESIGNS, MultiRound, Residual, Split], default=SimpleRandom)]
