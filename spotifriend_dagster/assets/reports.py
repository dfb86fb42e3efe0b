"""Report assets: the listening summary as HTML. What is on the page belongs to `reports/`."""

import dagster as dg

from spotifriend_dagster.assets.resources import Lake, Listeners
from spotifriend_dagster.assets.specs import OWNERS, every_listener_check, every_listener_result
from spotifriend_dagster.reports.period import NothingYet
from spotifriend_dagster.reports.summary import READS, write_summary

_KEY = dg.AssetKey(["reports", "listening_summary"])


@dg.asset(
    key=_KEY,
    deps=[dg.AssetKey(["insights", name]) for name in READS],
    group_name="reports",
    kinds={"html", "altair"},
    owners=OWNERS,
    description="The listening summary: one page for each listener, over all time, made of insight tables alone.",
    check_specs=[every_listener_check(_KEY)],
)
def listening_summary(
    context: dg.AssetExecutionContext, lake: dg.ResourceParam[Lake], listeners: dg.ResourceParam[Listeners]
) -> dg.MaterializeResult:
    """Write every listener's page."""
    failures: dict[str, str] = {}
    pages: dict[str, str] = {}
    files = lake.states(context.run.run_id).files
    for person in listeners.read().values():
        try:
            pages[person.id] = write_summary(lake.reader(person.id, files), lake.storage, person.display_name, "all")
        except NothingYet:
            context.log.info("Nothing of %s is in the lake yet", person.id)
        except Exception as error:
            context.log.exception("Listener %s was left out", person.id)
            failures[person.id] = f"{type(error).__name__}: {error}"
    return dg.MaterializeResult(
        metadata={listener: dg.MetadataValue.path(lake.storage.address(key)) for listener, key in pages.items()},
        check_results=[every_listener_result(_KEY, failures)],
    )
