"""What a newcomer does in the first week."""

import pytest

from artifact_pipelines_tests.newcomer.project import Newcomer
from artifact_pipelines_tests.web_server import answer, wait_until

LAUNCH = """mutation($job: String!) { launchRun(executionParams: {selector: {repositoryLocationName: "my_project",
repositoryName: "__repository__", jobName: $job}, mode: "default", runConfigData: {}}) { __typename
... on LaunchRunSuccess { run { runId } } } }"""
TICKS = """query { sensorOrError(sensorSelector: {repositoryLocationName: "my_project",
repositoryName: "__repository__", sensorName: "artifact_landing"}) { ... on Sensor { sensorState {
ticks(statuses: [SUCCESS], limit: 50) { logEvents { events { message } } } } } } }"""
STATUS = """query($id: ID!) { runOrError(runId: $id) { ... on Run { status } } }"""


@pytest.mark.long
@pytest.mark.timeout(900)
def test_newcomer_sees_own_data_rolls_back_and_keeps_it_so(newcomer: Newcomer, dev: str) -> None:
    printed = newcomer.run("dg", "check", "defs")
    assert "All definitions loaded successfully" in printed
    newcomer.run("dg", "scaffold", "defs", "artifact_pipelines.DatasetPipeline", "towns")
    assert "All definitions loaded successfully" in newcomer.run("dg", "check", "defs")

    drop = ("artifact-pipelines", "drop", "cities.csv", "--dataset", "cities", "--wait", "--notice", "120")
    assert "cities/table version 1" in newcomer.run(*drop)
    assert "requested dataset=cities file=cities.csv files=1 seconds=" in str(answer(dev, TICKS))
    wait_until(lambda: newcomer.versions("cities/analyses/profile"), newcomer.log)
    newcomer.run("dg", "launch", "--assets", "largest")
    assert newcomer.versions("largest")[0]["rows"] == 1

    file = newcomer.folder / "cities.csv"
    file.write_text(file.read_text() + "XX,Nowhere,99999999,\n")  # the bad one
    assert "cities/table version 2" in newcomer.run(*drop)
    assert "Version 2 is withdrawn" in newcomer.run("artifact-pipelines", "rollback", "cities/table", "--to", "1")

    run_id = answer(dev, LAUNCH, job="cities_pipeline")["launchRun"]["run"]["runId"]  # as its schedule does
    wait_until(lambda: answer(dev, STATUS, id=run_id)["runOrError"]["status"] in ("SUCCESS", "FAILURE"), newcomer.log)
    assert answer(dev, STATUS, id=run_id)["runOrError"]["status"] == "SUCCESS"
    current = [row for row in newcomer.versions("cities/table") if "current" in (row["marks"] or "")]
    assert [row["version"] for row in current] == [1]
