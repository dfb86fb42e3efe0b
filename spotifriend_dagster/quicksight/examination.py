"""Whether QuickSight can be worked with: what only looks is asked once. Nothing is made, changed or refreshed.

What it is to hold is in `resources.py`; the other tests of a home are in `lake/`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from spotifriend_dagster.lake.examination import Finding
from spotifriend_dagster.quicksight.data_sets import ATHENA, RULES
from spotifriend_dagster.quicksight.place import Place
from spotifriend_dagster.quicksight.resources import ANALYSIS, DASHBOARD, DASHBOARD_KIND, DATA_SET, DATA_SOURCE, KINDS
from spotifriend_dagster.quicksight.service import NotThere, QuickSight, QuickSightError

_NAMES = {DATA_SOURCE: ATHENA, DATA_SET: RULES, ANALYSIS: DASHBOARD, DASHBOARD_KIND: DASHBOARD}
"""One of each kind; that it is not made yet, QuickSight says only to whom it would let look."""
_NOBODY = "doctor"


def examine_quicksight(service: QuickSight, place: Place) -> Iterator[Finding]:
    """Test the account, and each right to look; of those that change something, it is said that they are not tested."""
    account = _examined("QuickSight's account (DescribeAccountSubscription)", service.require_enterprise)
    yield account
    if not account.is_well:
        return
    yield _examined(
        "what there is in QuickSight (List…)",
        *(partial(service.call, f"list_{kind.operations}", MaxResults=1) for kind in KINDS),
    )
    yield _examined("how it is in QuickSight (Describe…, ListTagsForResource)", *_looks(service, place))
    of_rules = {"DataSetId": place.id(RULES)}
    yield _examined(
        "refreshes of QuickSight's data (ListIngestions, DescribeIngestion)",
        partial(service.call, "list_ingestions", **of_rules, MaxResults=1),
        partial(service.call, "describe_ingestion", **of_rules, IngestionId=_NOBODY),
    )
    said = "not tested: Create…, Update…, Delete…, Pass…, TagResource and CreateIngestion cannot be tried without trace"
    yield Finding("changes in QuickSight", True, said)


def _looks(service: QuickSight, place: Place) -> Iterator[Callable[[], Any]]:
    for kind, name in _NAMES.items():
        named, describe = {kind.id_key: place.id(name)}, f"describe_{kind.operation}"
        yield partial(service.call, describe, **named)
        if kind in (ANALYSIS, DASHBOARD_KIND):
            yield partial(service.call, f"{describe}_definition", **named)
        yield partial(service.call, f"{describe}_permissions", **named)
    yield partial(service.call, "list_tags_for_resource", ResourceArn=place.arn(DATA_SET.arn, RULES))


def _examined(what: str, *looks: Callable[[], Any]) -> Finding:
    """What all of these find: a sentence for each that fails, once where several fail alike."""
    said: dict[str, None] = {}
    for look in looks:
        try:
            look()
        except NotThere:
            continue
        except QuickSightError as error:
            said[str(error)] = None
    return Finding(what, not said, " ".join(said))
