"""What only Glue does: what it adds to a definition, edits by hand, views beside the tables, and what it refuses."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from spotifriend_dagster.lake.aws import AwsClients
from spotifriend_dagster.lake.catalog import CatalogConflict, CatalogError
from spotifriend_dagster.lake.glue import GlueCatalog
from spotifriend_dagster.tables.cleaned import PLAYS
from spotifriend_dagster.tables.declared import DECLARED_TABLES
from spotifriend_dagster.tables.insight import load_insights
from spotifriend_dagster.tables.raw import STREAMING_HISTORY
from spotifriend_dagster.tables.rendering import glue_table_input
from spotifriend_dagster_tests.aws.server import DATABASE
from spotifriend_dagster_tests.lake.client_faults import Faults

LOCATION = "s3://the-lake/cleaned/plays/"
DEFINITION = glue_table_input(PLAYS, LOCATION, listeners=["anna"])


@pytest.fixture
def catalog(clients: AwsClients) -> GlueCatalog:
    return GlueCatalog(clients, DATABASE)


@pytest.fixture
def faults(clients: AwsClients) -> Iterator[Faults]:
    faults = Faults(clients, "glue")
    yield faults
    faults.end()


def edit(clients: AwsClients, **changed: object) -> None:
    """What somebody does in the console."""
    clients.client("glue").update_table(DatabaseName=DATABASE, TableInput=DEFINITION | changed)


@pytest.mark.parametrize(
    "changed",
    [
        {"StorageDescriptor": DEFINITION["StorageDescriptor"] | {"Location": "s3://elsewhere/"}},
        {"StorageDescriptor": DEFINITION["StorageDescriptor"] | {"Columns": []}},
        {"StorageDescriptor": DEFINITION["StorageDescriptor"] | {"SerdeInfo": {"SerializationLibrary": "other"}}},
        {"Parameters": DEFINITION["Parameters"] | {"projection.enabled": "false"}},
        {"Parameters": DEFINITION["Parameters"] | {"projection.listener.values": "ben"}},
        {"Parameters": DEFINITION["Parameters"] | {"storage.location.template": "s3://the-lake/${listener}/"}},
        {"PartitionKeys": []},
        {"Description": "Mine."},
    ],
    ids=lambda changed: next(iter(changed)),
)
def test_a_table_edited_by_hand_is_found_and_restored(
    catalog: GlueCatalog, clients: AwsClients, changed: dict[str, object]
):
    """Whatever it is that somebody changed; the next run puts it back, and the edit stays in the history."""
    catalog.put_if_different(DEFINITION)
    edit(clients, **changed)
    edited = catalog.get("plays")
    assert edited is not None
    assert edited.table_input != DEFINITION
    assert catalog.put_if_different(DEFINITION) != edited.version
    restored = catalog.get("plays")
    assert restored is not None
    assert restored.table_input == DEFINITION
    assert len(catalog.history("plays")) == 3


def test_what_glue_and_others_note_is_no_difference(catalog: GlueCatalog, clients: AwsClients):
    """Statistics, a crawler's version, defaults that Glue fills in: a run that changes nothing makes no version."""
    version = catalog.put_if_different(DEFINITION)
    noted = {"numRows": "5", "CrawlerSchemaSerializerVersion": "1.0", "transient_lastDdlTime": "1"}
    filled_in = {"Compressed": False, "NumberOfBuckets": 0, "SortColumns": [], "StoredAsSubDirectories": False}
    edit(
        clients,
        Owner="hadoop",
        Retention=0,
        Parameters=DEFINITION["Parameters"] | noted,
        StorageDescriptor=DEFINITION["StorageDescriptor"] | filled_in,
    )
    present = catalog.get("plays")
    assert present is not None
    assert present.table_input == DEFINITION
    assert present.version != version
    assert catalog.put_if_different(DEFINITION) == present.version


def test_a_view_beside_the_tables_is_none_of_them(catalog: GlueCatalog, clients: AwsClients):
    """Somebody's own view in the database must not stop a query that misspells a table."""
    catalog.put_if_different(DEFINITION)
    view = {"Name": "mine", "TableType": "VIRTUAL_VIEW", "ViewOriginalText": "SELECT 1"}
    clients.client("glue").create_table(DatabaseName=DATABASE, TableInput=view)
    assert catalog.names() == ["plays"]


def test_every_declared_table_comes_back_as_it_was_put(catalog: GlueCatalog):
    """And fits into what Glue takes: botocore checks the lengths of comments and descriptions."""
    tables = [*DECLARED_TABLES, *(insight.table for insight in load_insights().values())]
    for table in tables:
        for column in table.all_columns:
            assert len(column.description) <= 255, column
        assert len(table.description) <= 2048
    for table in (PLAYS, STREAMING_HISTORY, load_insights()["listening_totals"].table):
        definition = glue_table_input(table, f"s3://the-lake/{table.folder}/", listeners=["anna"])
        catalog.put_if_different(definition)
        found = catalog.get(table.name)
        assert found is not None
        assert found.table_input == definition


def test_an_export_is_named_in_the_query_until_exports_are_known(catalog: GlueCatalog):
    """Athena finds a projected partition only where the catalog says its values, or the query does."""
    for exports, projected in (((), "injected"), (("b" * 64, "a" * 64), "enum")):
        catalog.put_if_different(glue_table_input(STREAMING_HISTORY, LOCATION, listeners=["anna"], exports=exports))
        found = catalog.get(STREAMING_HISTORY.name)
        assert found is not None
        assert found.parameters["projection.export.type"] == projected
    assert found.parameters["projection.export.values"] == f"{'a' * 64},{'b' * 64}"


def test_a_missing_database_is_named(clients: AwsClients):
    catalog = GlueCatalog(clients, "nowhere")
    for ask in (
        lambda: catalog.get("plays"),
        catalog.names,
        lambda: catalog.put(DEFINITION, None),
        lambda: catalog.put(DEFINITION, "1"),
        lambda: catalog.history("plays"),
    ):
        with pytest.raises(CatalogError, match=r"no database nowhere in eu-central-1: create it .*GLUE_DATABASE"):
            ask()


def test_what_glue_refuses_is_a_sentence(catalog: GlueCatalog, faults: Faults):
    """The denied action is named, and nothing is asked again."""
    who = "User: arn:aws:iam::1:user/anna is not authorized to perform: glue:UpdateTable on resource: arn:aws:glue:x"
    version = catalog.put(DEFINITION, None)
    faults.put("UpdateTable", 400, "AccessDeniedException", who)
    with pytest.raises(CatalogError, match=r"plays cannot be defined.*AWS denies glue:UpdateTable on arn:aws:glue:x"):
        catalog.put(DEFINITION, version)
    faults.put("GetTable", 400, "AccessDeniedException")
    with pytest.raises(CatalogError, match="AWS denies glue:GetTable to"):
        catalog.get("plays")
    faults.put("UpdateTable", 400, "ConcurrentModificationException", "Update table failed due to concurrent")
    with pytest.raises(CatalogConflict):
        catalog.put(DEFINITION, version)
    faults.put("GetTable", 400, "ThrottlingException", times=3)
    assert catalog.get("plays")
