"""QuickSight turned on by its settings: the code location, and `spotifriend quicksight` as a person gives it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from spotifriend_dagster.cli import main
from spotifriend_dagster.definitions import build_definitions, build_home
from spotifriend_dagster.listeners import ListenersFile
from spotifriend_dagster.quicksight.resources import shown_tables
from spotifriend_dagster.settings import Settings, SettingsError, load_settings
from spotifriend_dagster.tables.insight import load_insights
from spotifriend_dagster_tests.aws.server import BUCKET, aws_server
from spotifriend_dagster_tests.quicksight.server import ACCOUNT, REGION, QuickSightServer, counted, quicksight_server

OWNER = f"arn:aws:quicksight:{REGION}:{ACCOUNT}:user/default/owner"
Command = Callable[..., Result]


@pytest.fixture(scope="module")
def aws() -> Iterator[dict[str, str]]:
    """The environment of an AWS in which listeners.toml can be."""
    with aws_server() as server:
        yield server.environment()


@pytest.fixture
def server(aws: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[QuickSightServer]:
    """A QuickSight, which the environment names."""
    with quicksight_server() as server:
        named = {
            **aws,
            "AWS_ENDPOINT_URL_QUICKSIGHT": server.url,
            "SPOTIFRIEND_DEPLOYMENT": "aws",
            "SPOTIFRIEND_HOME": str(tmp_path),
            "SPOTIFRIEND_REGION": REGION,
            "SPOTIFRIEND_BUCKET": BUCKET,
            "SPOTIFRIEND_PREFIX": tmp_path.name,
            "SPOTIFRIEND_QUICKSIGHT_ACCOUNT": ACCOUNT,
            "SPOTIFRIEND_QUICKSIGHT_PRINCIPAL": OWNER,
        }
        for name, value in named.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr("time.sleep", lambda _: None)  # this QuickSight is done as soon as it is asked twice
        yield server
        assert server.refused == []


def given(*arguments: str, answer: str = "") -> str:
    """What a command says; no traceback, whatever happens."""
    result = CliRunner().invoke(main, ["quicksight", *arguments], input=answer)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return " ".join(result.output.split())


def keys(settings: Settings) -> set[str]:
    specs = build_definitions(settings).resolve_all_asset_specs()
    return {spec.key.to_user_string() for spec in specs if spec.key.path[0] == "quicksight"}


def test_the_data_sets_are_assets_where_quicksight_is_turned_on(server: QuickSightServer):
    """An asset that can never be materialized is none; and building the code location asks QuickSight nothing."""
    settings = load_settings()
    assert keys(settings) == {f"quicksight/{name}" for name in shown_tables(load_insights())}
    job = build_definitions(settings).resolve_job_def("rebuild")
    assert "quicksight" in job.graph.node_dict
    assert server.asked == []
    off = settings.model_copy(update={"quicksight_account": None, "quicksight_principal": None})
    assert keys(off) == set()
    assert keys(settings.model_copy(update={"deployment": "local"})) == set()


def test_the_doctor_looks_at_quicksight_where_it_is_turned_on(
    server: QuickSightServer, monkeypatch: pytest.MonkeyPatch
):
    """A right that is missing is found before the night's refresh."""
    server.fails["ListIngestions"] = ("AccessDeniedException", "not authorized", 9)
    said = " ".join(CliRunner().invoke(main, ["doctor"]).output.split())
    assert "✓ QuickSight's account" in said
    assert "✗ refreshes of QuickSight's data (ListIngestions, DescribeIngestion): AWS denies quicksight:Lis" in said
    assert server.changes() == []
    server.asked.clear()
    monkeypatch.delenv("SPOTIFRIEND_QUICKSIGHT_ACCOUNT")
    monkeypatch.delenv("SPOTIFRIEND_QUICKSIGHT_PRINCIPAL")
    assert "QuickSight" not in CliRunner().invoke(main, ["doctor"]).output
    assert server.asked == []


def test_the_command_says_what_it_would_do_asks_and_does_it(server: QuickSightServer):
    """Nothing in somebody's account is made without a yes."""
    listeners = build_home(load_settings()).listeners
    listeners.add("anna", "Anna", "Europe/London")
    document = listeners.path
    assert not isinstance(document, Path)
    document.write((document.read() or b"") + b'quicksight = ["user/anna"]\n')
    said = given(answer="n\n")
    assert "create data source spotifriend-athena" in said
    assert "Nothing was changed" in said
    assert server.changes() == []
    said = given("--yes")
    assert "✓ create dashboard spotifriend-listening ✓ spotifriend-" in said
    assert "spotifriend-listening_clock: 365 rows" in said
    dashboard = server.kept["Dashboard", "spotifriend-listening"]
    assert [who.split(":")[-1] for who in dashboard.permissions] == ["user/default/anna", "user/default/owner"]
    rules = server.kept["DataSet", "spotifriend-row_level_security"].said["PhysicalTableMap"]["table"]["CustomSql"]
    assert "user/default/anna', CAST(NULL AS varchar), 'anna'" in rules["SqlQuery"]
    assert given() == "QuickSight is as it is to be."
    server.asked.clear()
    assert "spotifriend-listening_clock: 365 rows" in given("--refresh")
    assert counted(server.changes()) == {"CreateIngestion": len(shown_tables(load_insights()))}
    assert "✓ delete data source spotifriend-athena" in given("--remove", "--yes")
    assert server.kept == {}


@pytest.mark.parametrize("said", ['"user/anna"', '["anna"]', '["user/an,na"]', "[1]"])
def test_a_viewer_that_is_none_is_said(tmp_path: Path, said: str):
    """A slip here shows somebody's rows to nobody, or to another."""
    file = tmp_path / "listeners.toml"
    file.write_text(f'[anna]\ntime_zone = "Europe/London"\nquicksight = {said}\n')
    with pytest.raises(SettingsError, match=r'listeners.toml, \[anna\]: quicksight is .* such as \["user/anna"'):
        ListenersFile(file).read()


def test_a_failed_first_ingestion_is_said(server: QuickSightServer):
    """Before the first run there is no table to read: the dashboard is there, and empty."""
    server.broken["spotifriend-listening_clock"] = {"Type": "SQL_TABLE_NOT_FOUND", "Message": "not there"}
    assert "✗ spotifriend-listening_clock was not refreshed (SQL_TABLE_NOT_FOUND: not there): " in given("--yes")


def test_an_account_that_is_not_signed_up_is_said(server: QuickSightServer):
    """The commonest beginning."""
    server.edition = None
    assert given("--yes").startswith(f"✗ The AWS account {ACCOUNT} is not signed up for QuickSight: sign up once")


def test_quicksight_that_is_not_turned_on_is_said(server: QuickSightServer, monkeypatch: pytest.MonkeyPatch):
    """With the settings that turn it on."""
    monkeypatch.delenv("SPOTIFRIEND_QUICKSIGHT_ACCOUNT")
    assert "SPOTIFRIEND_QUICKSIGHT_ACCOUNT is not set, and QuickSight needs both" in given()
    monkeypatch.delenv("SPOTIFRIEND_QUICKSIGHT_PRINCIPAL")
    assert given().startswith("✗ QuickSight is not turned on: set SPOTIFRIEND_QUICKSIGHT_ACCOUNT")
    monkeypatch.setenv("SPOTIFRIEND_DEPLOYMENT", "local")
    assert given().startswith("✗ QuickSight reads the lake by Athena, and this one is in a folder")


@pytest.mark.parametrize(
    ("account", "principal", "sentence"),
    [
        ("1111-2222-3333", OWNER, "it must be the 12 digits of the AWS account"),
        (ACCOUNT, "anna", "it must be the ARN of a user or group of QuickSight"),
        (ACCOUNT, f"arn:aws:iam::{ACCOUNT}:user/anna", "it must be the ARN of a user or group of QuickSight"),
        ("999988887777", OWNER, "which is of another account than SPOTIFRIEND_QUICKSIGHT_ACCOUNT, 999988887777"),
    ],
)
def test_a_wrong_setting_is_said(monkeypatch: pytest.MonkeyPatch, account: str, principal: str, sentence: str):
    """Before anything begins."""
    monkeypatch.setenv("SPOTIFRIEND_QUICKSIGHT_ACCOUNT", account)
    monkeypatch.setenv("SPOTIFRIEND_QUICKSIGHT_PRINCIPAL", principal)
    with pytest.raises(SettingsError, match=sentence):
        load_settings()
