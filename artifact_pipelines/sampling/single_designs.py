"""The designs that draw one sample at once, each of which can also be a round of several."""

from artifact_pipelines.declarations import Declaration
from artifact_pipelines.sampling.designs.balanced import Balanced
from artifact_pipelines.sampling.designs.bernoulli import Bernoulli
from artifact_pipelines.sampling.designs.cluster import Cluster
from artifact_pipelines.sampling.designs.custom import Custom
from artifact_pipelines.sampling.designs.poisson import Poisson
from artifact_pipelines.sampling.designs.pps import Pps
from artifact_pipelines.sampling.designs.simple_random import SimpleRandom
from artifact_pipelines.sampling.designs.simple_random_with_replacement import SimpleRandomWithReplacement
from artifact_pipelines.sampling.designs.stratified import Stratified
from artifact_pipelines.sampling.designs.systematic import Systematic
from artifact_pipelines.sampling.designs.two_stage import TwoStage
from artifact_pipelines.sampling.designs.weighted import Weighted

SINGLE_DESIGNS: list[type[Declaration]] = [
    SimpleRandom,
    SimpleRandomWithReplacement,
    Bernoulli,
    Poisson,
    Systematic,
    Stratified,
    Weighted,
    Pps,
    Cluster,
    TwoStage,
    Balanced,
    Custom,
]
