import dataclasses

from artifact_pipelines.catalog.catalog import Catalog
from artifact_pipelines.catalog.landing import LandingSource
from artifact_pipelines.core.types import LandingFile, LandingState

FILE = LandingFile("flights", "a/flights.csv", 10, 123456789, LandingState.SEEN)


def test_saved_landing_files_are_read_back(catalog: Catalog) -> None:
    other = dataclasses.replace(FILE, path="b.csv", state=LandingState.QUARANTINED, reason="because", attempt=2)
    catalog.landing.save("flights", [FILE, other])
    assert catalog.landing.files_of("flights") == {"a/flights.csv": FILE, "b.csv": other}


def test_saving_a_landing_file_again_replaces_it(catalog: Catalog) -> None:
    catalog.landing.save("flights", [FILE])
    catalog.landing.save("flights", [dataclasses.replace(FILE, state=LandingState.INGESTED, content_hash="c" * 64)])
    [file] = catalog.landing.files_of("flights").values()
    assert (file.state, file.content_hash) == (LandingState.INGESTED, "c" * 64)


def test_source_of_a_dataset_is_the_last_one_noted(catalog: Catalog) -> None:
    catalog.landing.note_sources({"flights": LandingSource("f*.csv"), "weather": LandingSource("w*.csv")})
    catalog.landing.note_sources({"flights": LandingSource("flights*.csv")})
    assert catalog.landing.sources() == {"flights": LandingSource("flights*.csv"), "weather": LandingSource("w*.csv")}
    catalog.landing.note_sources({"flights": LandingSource("flights*.csv")}, gone=["weather", "never noted"])
    assert catalog.landing.sources() == {"flights": LandingSource("flights*.csv")}


def test_datasets_do_not_see_each_others_files(catalog: Catalog) -> None:
    catalog.landing.save("flights", [FILE])
    assert catalog.landing.files_of("weather") == {}


def test_rows_that_changed_since_they_were_read_are_not_written(catalog: Catalog) -> None:
    before = catalog.landing.files_of("flights")
    assert catalog.landing.save("flights", [FILE], before)
    other = dataclasses.replace(FILE, path="b.csv")
    assert not catalog.landing.save("flights", [other], before)
    assert catalog.landing.files_of("flights") == {FILE.path: FILE}
    assert catalog.landing.save("flights", [other], {FILE.path: FILE})
