import dataclasses

from artifact_pipelines.catalog.catalog import Catalog
from artifact_pipelines.core.types import LandingFile, LandingState

FILE = LandingFile("flights", "a/flights.csv", 10, 123456789, LandingState.SEEN)


def test_saved_landing_files_are_read_back(catalog: Catalog) -> None:
    other = dataclasses.replace(FILE, path="b.csv", state=LandingState.FAILED, reason="because", attempt=2)
    catalog.landing.save([FILE, other])
    assert catalog.landing.files_of("flights") == {"a/flights.csv": FILE, "b.csv": other}


def test_saving_a_landing_file_again_replaces_it(catalog: Catalog) -> None:
    catalog.landing.save([FILE])
    catalog.landing.save([dataclasses.replace(FILE, state=LandingState.INGESTED, content_hash="c" * 64)])
    [file] = catalog.landing.files_of("flights").values()
    assert (file.state, file.content_hash) == (LandingState.INGESTED, "c" * 64)


def test_datasets_do_not_see_each_others_files(catalog: Catalog) -> None:
    catalog.landing.save([FILE])
    assert catalog.landing.files_of("weather") == {}
