import contextlib
import functools
import io
import json
import os
import pathlib
import subprocess
import sys
from typing import Any

import click.testing
import dagster as dg
import pytest

from artifact_pipelines import ArtifactIOManager, Store
from artifact_pipelines.catalog.schema import HEAD_REVISION
from artifact_pipelines.cli.main import main
from artifact_pipelines.core.lineage import grow
from artifact_pipelines.core.retention import VersionName
from artifact_pipelines.io_manager.publishing import publish_candidates
from artifact_pipelines_tests.project import NO_LOGS


def run(*arguments: object, code: int = 0) -> str:
    result = click.testing.CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert result.exit_code == code, result.output
    return result.output


def run_json(*arguments: object) -> Any:
    return json.loads(run(*arguments, "--json"))


@pytest.fixture
def csv(tmp_path: pathlib.Path) -> pathlib.Path:
    path = tmp_path / "x.csv"
    path.write_text("a,b\n1,2\n")
    return path


@pytest.fixture
def numbers(store: Store) -> None:
    values = iter([{"n": 1}, {"n": 1}, {"n": 2}])

    @dg.asset
    def numbers() -> dict[str, int]:
        return next(values)

    for _ in range(3):
        dg.materialize([numbers], resources={"io_manager": ArtifactIOManager(store.catalog, store._producer)})


def test_a_file_is_put_and_got_back(csv: pathlib.Path, tmp_path: pathlib.Path) -> None:
    first = run("put", csv)
    assert first.startswith("1\t8 bytes")
    assert first.rstrip().endswith("new")
    assert "duplicate, nothing stored" in run("put", csv)
    assert "8 bytes" in run("get", 1, "-o", tmp_path / "out.csv")
    assert (tmp_path / "out.csv").read_text() == csv.read_text()


@pytest.mark.parametrize(("umask", "mode"), [(0o022, "0o644"), (0o077, "0o600"), (0o002, "0o664")])
def test_a_file_that_is_got_back_has_the_rights_that_its_user_gives_new_files(
    csv: pathlib.Path, tmp_path: pathlib.Path, umask: int, mode: str
) -> None:
    run("put", csv)
    before = os.umask(umask)
    try:
        run("get", 1, "-o", tmp_path / "out.csv")
    finally:
        os.umask(before)
    assert oct((tmp_path / "out.csv").stat().st_mode & 0o777) == mode


def test_bytes_go_to_standard_output_when_it_is_a_pipe(csv: pathlib.Path) -> None:
    run("put", csv)
    code = "from artifact_pipelines.cli.main import main; main(['get', '1'])"
    command = [sys.executable, "-c", code]
    assert subprocess.run(command, capture_output=True, check=True).stdout == csv.read_bytes()


def run_watched(*arguments: object) -> tuple[str, bytes]:
    """Run the command while a person watches standard error; return what they saw, and what standard output got."""
    code = f"from artifact_pipelines.cli.main import main; main({[str(argument) for argument in arguments]})"
    terminal, standard_error = os.openpty()
    with os.fdopen(terminal, "rb", buffering=0) as screen:
        printed = subprocess.run(
            [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=standard_error, check=True
        ).stdout
        os.close(standard_error)
        seen = b""
        with contextlib.suppress(OSError):  # how a terminal ends that nobody writes to any more
            while piece := screen.read(1 << 16):
                seen += piece
    return seen.decode(), printed


def test_a_person_who_watches_sees_a_bar_that_counts_the_bytes(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "[b]large.bin"
    path.write_bytes(bytes(3_000_000))
    for arguments in (("put", path), ("put", path), ("get", 1, "-o", tmp_path / "out")):
        seen, _ = run_watched(*arguments)
        assert "3.0/3.0 MB" in seen
        assert ("[b]large.bin" if arguments[0] == "put" else "out") in seen
    assert (tmp_path / "out").stat().st_size == 3_000_000


def test_no_bar_stands_in_the_way_of_programs(csv: pathlib.Path, tmp_path: pathlib.Path) -> None:
    assert run_json("put", csv)["file_id"] == 1, "the runner mixes both streams"
    seen, printed = run_watched("get", 1)
    assert (seen, printed) == ("", csv.read_bytes()), "the other end of a pipe may be the same terminal"


def test_programs_get_json(csv: pathlib.Path, tmp_path: pathlib.Path) -> None:
    put = run_json("put", csv)
    assert (put["file_id"], put["new"], put["size_bytes"], put["file_type"]) == (1, True, 8, "csv")
    assert run_json("get", 1, "-o", tmp_path / "out")["output"] == str(tmp_path / "out")
    assert [row["file_id"] for row in run_json("ls", "--files")] == [1]
    assert run_json("show", 1)["holders"] == ["caller"]
    assert run_json("db", "current") == {"current": HEAD_REVISION, "needed": HEAD_REVISION}


@pytest.mark.usefixtures("numbers")
def test_assets_are_listed_with_what_they_hold_now() -> None:
    [row] = run_json("ls")
    assert (row["asset"], row["version"], row["size_bytes"]) == ("numbers", 2, 7)
    text = run("ls")
    assert "numbers" in text
    assert "partition" not in text, "a column that no row fills is left out"


@pytest.mark.usefixtures("numbers")
def test_outputs_of_ops_do_not_crowd_the_assets_out(store: Store) -> None:
    run_id = execute_ops(store)
    assert [row["asset"] for row in run_json("ls")] == ["numbers"]
    assert {row["asset"] for row in run_json("ls", "--ops")} == {"numbers", f"{run_id}/one/result"}
    assert [row["asset"] for row in run_json("history", f"{run_id}/one/result")] == [f"{run_id}/one/result"]
    text = run("ls", "--ops")
    assert f"{run_id}/one/result" in text
    assert f"{run_id}/one/result" not in run("ls")
    assert "lists assets" in run("ls", "--ops", "--files", code=2)


def test_where_there_are_only_outputs_of_ops_it_says_how_to_see_them(store: Store) -> None:
    execute_ops(store)
    assert "`ls --ops`" in run("ls")


def execute_ops(store: Store) -> str:
    """Execute a job of an op that is no asset, and return its run's ID."""

    @dg.op
    def one() -> int:
        return 1

    io_manager = ArtifactIOManager(store.catalog, store._producer)

    @dg.job(resource_defs={"io_manager": dg.IOManagerDefinition.hardcoded_io_manager(io_manager)})
    def count() -> None:
        one()

    return count.execute_in_process().run_id


@pytest.mark.usefixtures("numbers")
def test_the_history_of_an_asset_is_newest_first() -> None:
    assert [row["version"] for row in run_json("history", "numbers")] == [2, 1, 1]
    assert len(run("history", "numbers").splitlines()) == 4


@pytest.mark.usefixtures("numbers")
def test_history_lists_on_demand_what_can_still_be_restored(store: Store) -> None:
    assert store.catalog.retention.release(VersionName("numbers", None, 1), "test")
    assert [row["version"] for row in run_json("history", "numbers")] == [2]
    rows = run_json("history", "numbers", "--all")
    assert [(row["version"], row["marks"]) for row in rows] == [(2, "current"), (1, "released"), (1, None)]
    assert store.catalog.collection.collect(0, 10)
    assert [row["version"] for row in run_json("history", "numbers", "--all")] == [2]
    assert "Materialize it first" in run("history", "nothing", "--all", code=3)


def test_history_says_whether_what_is_current_is_loaded_where_partitions_came_or_went(store: Store) -> None:
    letter, loaded = dg.StaticPartitionsDefinition(["a"]), list[object]()

    def materialize(partitions: dg.PartitionsDefinition[str] | None) -> None:
        """Make an asset as it is defined by then, and what loads all of it."""

        @dg.asset(partitions_def=partitions)
        def price() -> str:
            return "in parts" if partitions else "whole"

        @dg.asset
        def report(price: Any) -> None:
            loaded.append(price)

        resources = {"io_manager": ArtifactIOManager(store.catalog, store._producer)}
        dg.materialize([price], resources=resources, partition_key="a" if partitions else None)
        dg.materialize([price, report], selection=[report], resources=resources)

    def marks() -> dict[str | None, str]:
        return {row["partition"]: row["marks"] for row in run_json("history", "price") if row["marks"]}

    materialize(None)
    assert marks() == {None: "current"}
    assert "with and without partitions" not in run("history", "price")
    materialize(letter)
    assert marks() == {"a": "current", None: "current if unpartitioned"}
    assert "with and without partitions" in run("history", "price")
    assert run_json("history", "price", "--partition", "a")[0]["marks"] == "current"
    store.catalog.retention.wipe("price")
    for partition in (["--partition", "a"], []):  # that comes back last which nothing has made since
        run("restore", "price", *partition)
    assert marks() == {"a": "current", None: "current if unpartitioned"}
    materialize(None)
    assert marks() == {None: "current", "a": "current if partitioned"}
    assert run_json("history", "price", "--partition", "a")[0]["marks"] == "current if partitioned"
    assert "with and without partitions" in run("history", "price", "--partition", "a")
    assert loaded == ["whole", "in parts", "whole"], "what the definition of then says, and nothing else"


def test_a_list_that_is_cut_short_says_so(store: Store) -> None:
    for number in range(3):
        store.create_artifact(io.BytesIO(bytes([number])), "bin")
    said = "These are the first 2, there are more: --limit N."
    for arguments in (["ls", "--files"], ["ls", "--files", "--json"]):
        for limit, error in ((2, said), (3, "")):
            result = click.testing.CliRunner().invoke(main, [*arguments, "--limit", str(limit)])
            assert result.stderr.strip() == error
            assert result.stdout.count("bin") == limit


def test_an_empty_store_says_how_to_begin(store: Store) -> None:
    assert "make demo" in run("ls")
    assert run_json("ls") == []
    assert "put FILE" in run("ls", "--files")


def test_files_without_assets_are_not_said_to_be_nothing(csv: pathlib.Path) -> None:
    run("put", csv)
    assert "ls --files" in run("ls")


def test_everything_known_of_a_file_is_shown(csv: pathlib.Path) -> None:
    run("put", csv)
    text = run("show", 1)
    for part in ("text/csv", "stored", "caller", "8 bytes"):
        assert part in text


@pytest.mark.parametrize(
    "arguments",
    [
        "ls",
        "ls --files",
        "show 1",
        "get 1 -o out",
        "history a",
        "lineage a",
        "pin a",
        "unpin a",
        "tag a gold",
        "untag a gold",
        "publish a --version 1",
        "rollback a --to 1",
        "restore a",
        "release 1",
        "release --rebuilt",
        "gc",
        "verify",
        "catalog backup",
        "db current",
    ],
)
def test_a_command_that_makes_no_catalog_says_where_none_is_and_leaves_nothing(
    arguments: str, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"sqlite:///{tmp_path / 'a' / 'typo.db'}"
    monkeypatch.setenv("ARTIFACT_CATALOG_URL", url)
    text = run(*arguments.split(), code=3)
    for part in ("NoCatalogError", url, "ARTIFACT_CATALOG_URL", "make demo"):
        assert part in text
    assert [path.name for path in tmp_path.iterdir()] == ["landing"]


@pytest.mark.parametrize("command", ["put {csv}", "db upgrade", "catalog rebuild"])
def test_a_command_that_begins_a_catalog_makes_it(command: str, csv: pathlib.Path) -> None:
    run(*command.format(csv=csv).split())
    assert run("db", "current").startswith(HEAD_REVISION)


@pytest.mark.usefixtures("store")
@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (("get", 1), 2, "name a file with -o"),
        (("get", 99, "-o", "x"), 3, "No file has ID 99"),
        (("show", 99), 3, "UnknownFileError"),
        (("show", "--", -1), 2, "positive whole number"),
        (("show", "x"), 2, "not a valid integer"),
        (("history", "nothing"), 3, "Materialize it first"),
        (("put", "gone.csv"), 2, "'gone.csv' does not exist"),
        (("put", "."), 2, "is a directory"),
        (("put", "/dev/full"), 5, "not a regular file"),
        (("history", "no[b]markup[/i]"), 3, "no[b]markup[/i]"),
        (("get", 1, "-o", "nowhere/x"), 2, "There is no folder 'nowhere'"),
        (("get", 1, "-o", "."), 2, "is a directory"),
        (("nonsense",), 2, "No such command"),
    ],
)
def test_errors_say_what_to_do_and_end_with_a_code_of_their_kind(
    arguments: tuple[object, ...], code: int, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    arguments = (*arguments, "--json") if arguments == ("get", 1) else arguments
    assert text in run(*arguments, code=code)


def test_missing_bytes_are_a_code_of_their_own(csv: pathlib.Path, store: Store, tmp_path: pathlib.Path) -> None:
    run("put", csv)
    (tmp_path / "store" / str(store.info(1).storage_path)).unlink()
    assert "MissingBytesError" in run("get", 1, "-o", tmp_path / "out", code=4)
    assert not (tmp_path / "out").exists()


def test_a_target_that_can_not_be_written_is_an_error(csv: pathlib.Path, tmp_path: pathlib.Path) -> None:
    run("put", csv)
    assert "StorageUnavailableError" in run("get", 1, "-o", tmp_path / ("x" * 300), code=6)


@pytest.mark.parametrize(("target", "code"), [("/dev/full", 6), ("/dev/null", 0)])
def test_standard_output_that_is_full_is_an_error(csv: pathlib.Path, target: str, code: int) -> None:
    run("put", csv)
    command = [sys.executable, "-c", "from artifact_pipelines.cli.main import main; main(['get', '1'])"]
    with pathlib.Path(target).open("wb") as sink:
        ended = subprocess.run(command, stdout=sink, stderr=subprocess.PIPE, text=True, check=False)
    assert ended.returncode == code
    assert ("Free space" in ended.stderr) == (code == 6)
    assert "Traceback" not in ended.stderr


def test_a_device_is_written_to_and_not_replaced(csv: pathlib.Path, tmp_path: pathlib.Path) -> None:
    run("put", csv)
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    run("get", 1, "-o", tmp_path / "pipe")
    assert os.read(reader, 100) == csv.read_bytes()
    os.close(reader)
    assert (tmp_path / "pipe").is_fifo()
    assert "Free space" in run("get", 1, "-o", "/dev/full", code=6)


def test_a_full_disk_leaves_no_half_of_the_target(
    csv: pathlib.Path, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("put", csv)
    (tmp_path / "out").mkdir()

    def fail(*_: object) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr("shutil.copyfileobj", fail)
    assert "Free space" in run("get", 1, "-o", tmp_path / "out" / "x", code=6)
    assert list((tmp_path / "out").iterdir()) == []


def test_a_wrong_url_is_wrong_usage(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARTIFACT_CATALOG_URL", "mysql://me:secret@host/db")
    text = run("ls", code=2)
    assert "ARTIFACT_CATALOG_URL" in text
    assert "secret" not in text


@pytest.mark.usefixtures("impatient")
def test_a_catalog_that_does_not_answer_is_a_code_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARTIFACT_CATALOG_URL", "postgresql://127.0.0.1:1/db")
    assert "CatalogUnavailableError" in run("ls", code=6)


def test_the_schema_is_brought_up_to_date() -> None:
    assert run("db", "upgrade") == f"Schema: none -> {HEAD_REVISION}\n"
    assert run("db", "upgrade") == f"Schema: {HEAD_REVISION} -> {HEAD_REVISION}\n"


@pytest.mark.parametrize("option", ["--help", "-h", "--version"])
def test_it_says_what_it_is(option: str) -> None:
    assert "artifact" in run(option).lower()


@pytest.fixture
def delays(store: Store) -> None:
    @dg.asset(key=["flights", "raw"])
    def raw() -> str:
        return "raw"

    @dg.asset(ins={"raw": dg.AssetIn(["flights", "raw"])})
    def delays(raw: str) -> str:
        return f"[b]{raw}"

    dg.materialize([raw, delays], resources={"io_manager": ArtifactIOManager(store.catalog, store._producer)})


@pytest.mark.usefixtures("delays")
def test_lineage_is_a_tree_up_and_down() -> None:
    text = run("lineage", "delays")
    assert "delays, version 1, file 2" in text.splitlines()[0]
    assert "made from:" in text.splitlines()[0]
    assert "flights/raw, version 1, file 1" in text.splitlines()[1]
    down = run("lineage", "flights/raw", "--down").splitlines()
    assert "flights/raw, version 1" in down[0]
    assert "delays, version 1" in down[1]


@pytest.mark.usefixtures("delays")
def test_the_lineage_of_a_file_is_that_of_what_has_it() -> None:
    assert run("lineage", "2") == run("lineage", "delays")
    assert run("lineage", "1", "--down") == run("lineage", "flights/raw", "--down")
    assert "neither partitions nor versions" in run("lineage", "1", "--version", 1, code=2)
    assert "No file has ID 9" in run("lineage", "9", code=3)


@pytest.mark.usefixtures("delays")
def test_a_number_is_the_id_of_a_file_unless_an_asset_is_called_so(store: Store) -> None:
    @dg.asset(name="1")
    def year() -> str:
        return "the year 1"

    assert run("lineage", "1", "--down").startswith("flights/raw, version 1, file 1")
    dg.materialize([year], resources={"io_manager": ArtifactIOManager(store.catalog, store._producer)})
    assert run("lineage", "1").startswith("1, version 1, file 3")
    assert run("lineage", "1", "--version", 1) == run("lineage", "1")
    assert "Asset 1 has nothing that is version 9" in run("lineage", "1", "--version", 9, code=3)
    assert run("lineage", "2") == run("lineage", "delays")


@pytest.mark.usefixtures("delays")
def test_programs_get_lineage_as_nested_json() -> None:
    found = run_json("lineage", "delays", "--up")
    [root] = found["roots"]
    [child] = root["children"]
    assert found["direction"] == "up"
    assert (root["asset"], root["version"], root["file_id"], root["repeated"], root["cut"]) == (
        "delays",
        1,
        2,
        False,
        False,
    )
    assert (child["asset"], child["partition"], child["file_id"], child["children"]) == ("flights/raw", None, 1, [])
    assert child["run_id"] == root["run_id"]
    assert child["created_at"].endswith("+00:00")


@pytest.mark.usefixtures("delays")
def test_lineage_of_what_is_not_there_says_what_there_is(csv: pathlib.Path) -> None:
    assert "version 1 (file 2" in run("lineage", "delays", "--version", 7, code=3)
    assert "Materialize it first" in run("lineage", "nothing", code=3)
    file_id = run_json("put", csv)["file_id"]
    assert run("lineage", file_id) == f"No asset ever held file {file_id}.\n"


@pytest.mark.usefixtures("delays")
def test_a_tree_that_is_cut_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    grown = functools.partial(grow, max_depth=0)
    monkeypatch.setattr("artifact_pipelines.cli.lineage.grow", grown)
    text = run("lineage", "delays")
    assert "…" in text.splitlines()[0]
    assert "there is more" in text.splitlines()[-1]
    assert run_json("lineage", "delays")["roots"][0]["cut"] is True


def test_history_says_what_is_not_published_and_publish_makes_it_current(
    store: Store, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    @dg.asset(
        metadata={"artifact/publish": "after_checks"},
        check_specs=[dg.AssetCheckSpec("small", asset="price", blocking=True)],
    )
    def price(context: dg.AssetExecutionContext) -> Any:
        yield dg.Output(len(context.run.tags["value"]))
        yield dg.AssetCheckResult(passed=context.run.tags["value"] == "x")

    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    (tmp_path / "dagster.yaml").write_text(json.dumps(NO_LOGS))
    manager = ArtifactIOManager(store.catalog, store._producer)
    with dg.DagsterInstance.from_config(str(tmp_path)) as instance:
        for value in ("x", "xx"):
            options: Any = {"tags": {"value": value}, "instance": instance, "raise_on_error": False}
            dg.materialize([price], resources={"io_manager": manager}, **options)
            publish_candidates(instance, store.catalog)
        assert "becomes current" not in run("history", "price")
        resources = {"io_manager": manager}
        dg.materialize([price], resources=resources, tags={"value": "xxx"}, instance=instance, raise_on_error=False)
        assert "A candidate becomes current when the sensor artifact_publisher, or" in run("history", "price")
        publish_candidates(instance, store.catalog)
    _, newest, oldest = run_json("history", "price")
    assert (newest["state"], oldest["state"]) == ("rejected: failed check small", None)
    said = run("publish", "price", "--version", 2)
    assert "version 2 is current" in said
    assert "Dagster is told" in said
    assert "Dagster knows already" in run("publish", "price", "--version", 2)
    assert run_json("history", "price")[1]["state"] == "published by command"
    assert "rollback price --to 1" in run("publish", "price", "--version", 1, code=2)
    run("publish", "price", "--version", 4, code=3)
