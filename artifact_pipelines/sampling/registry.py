"""All sampling designs of a YAML file."""

from typing import Annotated

from artifact_pipelines.declarations import OneOf
from artifact_pipelines.sampling.designs.simple_random import SimpleRandom
from artifact_pipelines.sampling.interfaces import ISamplingDesign

SamplingDesign = Annotated[ISamplingDesign, OneOf([SimpleRandom], default=SimpleRandom)]
