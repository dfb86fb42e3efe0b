"""Insight assets: one for each SQL file in `insights/`. Writing, auditing, publishing belong to `lake/`."""

from collections.abc import Iterator
from functools import partial
from itertools import dropwhile, islice
from typing import Any

import dagster as dg

from spotifriend_dagster.assets.catalog import CATALOGUED, catalog_key
from spotifriend_dagster.assets.resources import Lake
from spotifriend_dagster.assets.specs import (
    MATCHES_DECLARATION,
    OWNERS,
    asset_key,
    declaration_check,
    table_metadata,
)
from spotifriend_dagster.lake.publishing import Publication, publish
from spotifriend_dagster.lake.reading import query_rows
from spotifriend_dagster.reports.charts import CHARTED, draw, picture
from spotifriend_dagster.reports.figures import Figures, read_rows
from spotifriend_dagster.reports.period import Period
from spotifriend_dagster.tables.insight import Insight, load_insights
from spotifriend_dagster.tables.rendering import markdown_table

_PREVIEWED_ROWS = 5
_CATALOGUED = {table.name: table for table in CATALOGUED}


def read_key(name: str, insights: dict[str, Insight]) -> dg.AssetKey:
    """The asset that a query depends on when it reads the table `name`."""
    return asset_key(insights[name].table) if name in insights else catalog_key(_CATALOGUED[name])


def insight_asset(insight: Insight, insights: dict[str, Insight]) -> dg.AssetsDefinition:
    """The asset of one insight."""
    table = insight.table

    @dg.asset(
        key=asset_key(table),
        deps=[read_key(name, insights) for name in insight.reads],
        group_name="insights",
        kinds={"sql", "parquet"},
        owners=OWNERS,
        description=table.description,
        metadata=table_metadata(table),
        check_specs=[declaration_check(table)],
    )
    def publish_insight(context: dg.AssetExecutionContext, lake: dg.ResourceParam[Lake]) -> Iterator[Any]:
        states = lake.states(context.run.run_id)
        states.made(insight.reads)
        states.begin(_to_come(context, insight, insights), lake.engine)
        publication = publish(insight, lake.engine, lake.catalog, lake.storage, states)
        yield _check_result(publication)
        if publication.outcome == "failed_audits":
            faults = ", ".join(audit.name for audit in publication.audits if audit.blocks)
            raise dg.Failure(
                f"{table.name} was not published, as its new version fails {faults}; readers stay on the version "
                f"before. What was refused is in {publication.uri} for a day.",
                allow_retries=False,
            )
        yield dg.MaterializeResult(
            metadata={
                "dagster/row_count": publication.content.rows,
                "dagster/uri": publication.uri,
                "dagster/column_lineage": _column_lineage(insight, insights, lake),
                "version": publication.version,
                "outcome": publication.outcome,
                "bytes": publication.content.size,
                **({} if publication.bytes_scanned is None else {"bytes_scanned": publication.bytes_scanned}),
                "preview": dg.MetadataValue.md(_preview(publication)),
                **_chart(publication),
            }
        )

    return publish_insight


def insight_assets() -> list[dg.AssetsDefinition]:
    """The assets of all insights."""
    insights = load_insights()
    return [insight_asset(insight, insights) for insight in insights.values()]


def _to_come(context: dg.AssetExecutionContext, insight: Insight, insights: dict[str, Insight]) -> Iterator[Insight]:
    """The insights that the run makes after this one; as good as in its order."""
    of_run = context.job_def.asset_layer.selected_asset_keys
    after = dropwhile(lambda each: each is not insight, insights.values())
    return (each for each in islice(after, 1, None) if asset_key(each.table) in of_run)


def _check_result(publication: Publication) -> dg.AssetCheckResult:
    failed = [audit for audit in publication.audits if not audit.passed]
    return dg.AssetCheckResult(
        check_name=MATCHES_DECLARATION,
        passed=not failed,
        # what blocks publishing is an error; a sudden loss of rows alone can be meant, and is told
        severity=dg.AssetCheckSeverity.ERROR if any(audit.blocks for audit in failed) else dg.AssetCheckSeverity.WARN,
        metadata={
            audit.name: dg.MetadataValue.json({"passed": audit.passed, **audit.metadata})
            for audit in publication.audits
        },
    )


def _preview(publication: Publication) -> str:
    content = publication.content
    rows = content.sample.slice(0, _PREVIEWED_ROWS).to_pylist()
    return markdown_table(
        ("listener", *content.sample.column_names), [(content.listeners[0], *row.values()) for row in rows]
    )


def _column_lineage(insight: Insight, insights: dict[str, Insight], lake: Lake) -> dg.TableColumnLineage:
    return dg.TableColumnLineage(
        {
            column: [dg.TableColumnDep(read_key(name, insights), source) for name, source in sources]
            for column, sources in lake.engine.column_lineage(insight.query).items()
        }
    )


def _chart(publication: Publication) -> dict[str, dg.MetadataValue]:
    """The insight's chart for its first listener, where it has one, as a picture."""
    import pyarrow as pa  # noqa: PLC0415 - heavy

    table, content = publication.table, publication.content
    if table.name not in CHARTED or not content.rows:
        return {}
    listener, always = content.listeners[0], Period("all", "all")
    whose = pa.repeat(listener, content.sample.num_rows)
    sample = {table.name: content.sample.append_column("listener", whose)}
    schema = {table.name: {column.name: column.type for column in table.all_columns}}
    rows = read_rows(partial(query_rows, tables=sample, schema=schema), table, always)
    spec = draw(table.name, Figures(listener, listener, always, {table.name: rows}))
    return {} if spec is None else {"chart": dg.MetadataValue.md(f"![{listener}]({picture(spec)})")}
