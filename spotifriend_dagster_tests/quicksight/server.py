"""QuickSight on this machine: a server of its REST interface, as far as it is asked, with a log and faults on demand.

Requests are told apart, and answers shaped, by AWS's own model; each request is held against it as AWS would.
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import boto3
from botocore.config import Config

from spotifriend_dagster_tests.quicksight.strict import request_faults, service_model

Json = dict[str, Any]

ACCOUNT = "111122223333"
REGION = "eu-central-1"
_KINDS = {
    "DataSource": ("datasource", "DataSources", "data-sources"),
    "DataSet": ("dataset", "DataSetSummaries", "data-sets"),
    "Analysis": ("analysis", "AnalysisSummaryList", "analyses"),
    "Dashboard": ("dashboard", "DashboardSummaryList", "dashboards"),
}
_LISTS = {"ListDataSources": "DataSource", "ListDataSets": "DataSet", "ListAnalyses": "Analysis"} | {
    "ListDashboards": "Dashboard"
}
_NOT_KEPT = {"AwsAccountId", "Permissions", "Tags", "ValidationStrategy"}


class Refused(Exception):
    """What AWS answers instead: a code, and a message."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.code, self.status = code, status


@dataclass
class Kept:
    """One thing in QuickSight. A dashboard has versions, of which one is published."""

    kind: str
    id: str
    said: Json
    permissions: dict[str, list[str]]
    tags: dict[str, str]
    status: str = "CREATION_SUCCESSFUL"
    errors: list[Json] = field(default_factory=list)
    looks_until_done: int = 0
    published: int = 1
    versions: dict[int, Json] = field(default_factory=dict)

    @property
    def arn(self) -> str:
        return f"arn:aws:quicksight:{REGION}:{ACCOUNT}:{_KINDS[self.kind][0]}/{self.id}"


@dataclass
class QuickSightServer:
    """An account's QuickSight.

    `asked` are the operations in order, with the id that they were about; `refused` what did not fit AWS's model.
    `fails` makes an operation fail so many times; `broken` makes something end in a failure that is told later.
    """

    url: str = ""
    edition: str | None = "ENTERPRISE"
    kept: dict[tuple[str, str], Kept] = field(default_factory=dict)
    ingestions: dict[str, dict[str, Json]] = field(default_factory=dict)
    asked: list[tuple[str, str]] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    fails: dict[str, tuple[str, str, int]] = field(default_factory=dict)
    broken: dict[str, Json] = field(default_factory=dict)
    rows: int = 365

    def changes(self) -> list[tuple[str, str]]:
        """What was asked that changes anything."""
        return [one for one in self.asked if not one[0].startswith(("Describe", "List"))]

    def client(self) -> Any:
        """A client of boto3 to it, which tries twice."""
        return _session().client(
            "quicksight",
            region_name=REGION,
            endpoint_url=self.url,
            aws_access_key_id="testing",
            aws_secret_access_key="testing",
            config=Config(retries={"mode": "standard", "total_max_attempts": 2}),
        )

    def answer(self, operation: str, said: Json) -> Json:
        """What an operation answers."""
        id_ = next((said[key] for key in ("DataSourceId", "DataSetId", "AnalysisId", "DashboardId") if key in said), "")
        self.asked.append((operation, id_))
        if faults := request_faults(operation, said):
            self.refused += faults
            raise Refused("InvalidParameterValueException", "; ".join(faults))
        if operation in self.fails:
            code, message, times = self.fails[operation]
            if times:
                self.fails[operation] = (code, message, times - 1)
                raise Refused(code, message, 429 if code == "ThrottlingException" else 400)
        if operation in _LISTS:
            return self._list(_LISTS[operation])
        if operation in ("ListTagsForResource", "TagResource"):
            return self._tags(operation, said)
        if operation.endswith(("Ingestion", "Ingestions")):
            return self._ingestion(operation, said)
        if operation == "DescribeAccountSubscription":
            if self.edition is None:
                raise Refused("ResourceNotFoundException", f"Account {ACCOUNT} is not signed up with QuickSight", 404)
            return {"AccountInfo": {"Edition": self.edition, "AccountSubscriptionStatus": "ACCOUNT_CREATED"}}
        if operation == "UpdateDashboardPublishedVersion":
            return self._publish(said)
        verb, kind, what = re.fullmatch(  # type: ignore[union-attr]
            "(Create|Describe|Update|Delete)(DataSource|DataSet|Analysis|Dashboard)(Permissions|Definition|)", operation
        ).groups()
        return getattr(self, f"_{verb.lower()}{'_permissions' if what == 'Permissions' else ''}")(kind, id_, said)  # type: ignore[no-any-return]

    def _get(self, kind: str, id_: str) -> Kept:
        if (kind, id_) not in self.kept:
            raise Refused("ResourceNotFoundException", f"{kind} {id_} is not found", 404)
        return self.kept[kind, id_]

    def _create(self, kind: str, id_: str, said: Json) -> Json:
        if (kind, id_) in self.kept:
            raise Refused("ResourceExistsException", f"{kind} {id_} already exists", 409)
        self._require_there(said)
        kept = Kept(
            kind,
            id_,
            {name: value for name, value in said.items() if name not in _NOT_KEPT},
            {one["Principal"]: one["Actions"] for one in said["Permissions"]},
            {tag["Key"]: tag["Value"] for tag in said["Tags"]},
        )
        self.kept[kind, id_] = kept
        if kind == "Dashboard":
            kept.versions[1] = kept.said
        return self._begun(kept, "CREATION", 1)

    def _update(self, kind: str, id_: str, said: Json) -> Json:
        kept = self._get(kind, id_)
        if kept.status.endswith("IN_PROGRESS"):
            raise Refused("ConflictException", f"{kind} {id_} is being changed", 409)
        self._require_there(said)
        kept.said = {**kept.said, **{name: value for name, value in said.items() if name not in _NOT_KEPT}}
        version = max(kept.versions, default=0) + 1
        if kind == "Dashboard":
            kept.versions[version] = kept.said
        return self._begun(kept, "UPDATE" if kind != "Dashboard" else "CREATION", version)

    def _begun(self, kept: Kept, doing: str, version: int) -> Json:
        answer: Json = {"Arn": kept.arn}
        if kept.kind == "DataSet":
            ingestion = f"by-itself-{len(self.ingestions.get(kept.id, {}))}"
            self._begin(kept.id, ingestion, "EDIT")
            return answer | {"IngestionId": ingestion}
        kept.status, kept.looks_until_done = f"{doing}_IN_PROGRESS", 1
        kept.errors = []
        if kept.kind == "Dashboard":
            answer["VersionArn"] = f"{kept.arn}/version/{version}"
        return answer

    def _require_there(self, said: Json) -> None:
        """AWS refuses what hangs on nothing."""
        arns = {kept.arn for kept in self.kept.values()}
        text = json.dumps(said)
        for arn in re.findall(r'"(?:DataSourceArn|DataSetArn|Arn)": "([^"]+)"', text):
            if arn not in arns:
                raise Refused("InvalidParameterValueException", f"{arn} does not exist")
        rules = said.get("RowLevelPermissionDataSet")
        if (
            rules
            and next(one for one in self.kept.values() if one.arn == rules["Arn"]).said.get("UseAs") != "RLS_RULES"
        ):
            raise Refused("InvalidParameterValueException", "The data set of rules is not used as RLS_RULES")

    def _describe(self, kind: str, id_: str, said: Json) -> Json:
        kept = self._get(kind, id_)
        if kept.looks_until_done:
            kept.looks_until_done -= 1
        elif kept.status.endswith("IN_PROGRESS"):
            doing = kept.status.split("_", maxsplit=1)[0]
            kept.errors = [self.broken[id_]] if id_ in self.broken else []
            kept.status = f"{doing}_{'FAILED' if kept.errors else 'SUCCESSFUL'}"
        if kind == "DataSet":
            filled_in = {"ConsumedSpiceCapacityInBytes": 0, "DataSetUsageConfiguration": {}, "OutputColumns": []}
            return {kind: kept.said | filled_in | {"Arn": kept.arn}}
        if kind == "DataSource":
            error = {"ErrorInfo": kept.errors[0]} if kept.errors else {}
            return {kind: kept.said | error | {"Arn": kept.arn, "Status": kept.status, "SslProperties": {}}}
        version = said.get("VersionNumber", kept.published)
        state = {"Status": kept.status, "Errors": kept.errors}
        shown = kept.versions.get(version, kept.said)
        return {
            # of the operations …Definition
            **shown,
            "ResourceStatus": kept.status,
            # of the others
            "Analysis": {**state, "Name": shown["Name"]},
            "Dashboard": {"Name": shown["Name"], "Version": {**state, "VersionNumber": version}},
        }

    def _delete(self, kind: str, id_: str, _: Json) -> Json:
        arn = self._get(kind, id_).arn
        if any(json.dumps(arn) in json.dumps(other.said) for other in self.kept.values()):
            raise Refused("ConflictException", f"{arn} is still used")  # AWS would let it: what uses it then breaks
        del self.kept[kind, id_]
        return {}

    def _publish(self, said: Json) -> Json:
        kept = self._get("Dashboard", said["DashboardId"])
        if not kept.status.endswith("SUCCESSFUL") or said["VersionNumber"] not in kept.versions:
            raise Refused("ConflictException", "The version is not made", 409)
        kept.published = said["VersionNumber"]
        return {}

    def _describe_permissions(self, kind: str, id_: str, _: Json) -> Json:
        permissions = self._get(kind, id_).permissions
        return {"Permissions": [{"Principal": who, "Actions": may} for who, may in permissions.items()]}

    def _update_permissions(self, kind: str, id_: str, said: Json) -> Json:
        permissions = self._get(kind, id_).permissions
        for one in said.get("GrantPermissions", []):
            permissions[one["Principal"]] = sorted({*permissions.get(one["Principal"], []), *one["Actions"]})
        for one in said.get("RevokePermissions", []):
            left = sorted({*permissions[one["Principal"]]} - {*one["Actions"]})
            permissions[one["Principal"]] = left
            if not left:
                del permissions[one["Principal"]]
        return {}

    def _list(self, kind: str) -> Json:
        found = [
            {f"{kind}Id": kept.id, "Arn": kept.arn, "Name": kept.said["Name"], "UseAs": kept.said.get("UseAs")}
            for kept in self.kept.values()
            if kept.kind == kind
        ]
        return {_KINDS[kind][1]: [{name: value for name, value in one.items() if value} for one in found]}

    def _tags(self, operation: str, said: Json) -> Json:
        kept = next((one for one in self.kept.values() if one.arn == said["ResourceArn"]), None)
        if kept is None:
            raise Refused("ResourceNotFoundException", f"{said['ResourceArn']} is not found", 404)
        if operation == "TagResource":
            kept.tags.update({tag["Key"]: tag["Value"] for tag in said["Tags"]})
        return {"Tags": [{"Key": key, "Value": value} for key, value in kept.tags.items()]}

    def _ingestion(self, operation: str, said: Json) -> Json:
        data_set = self._get("DataSet", said["DataSetId"]).id
        begun = self.ingestions.setdefault(data_set, {})
        if operation == "ListIngestions":
            ordered = sorted(begun.values(), key=lambda one: -one["CreatedTime"])
            first = int(said.get("NextToken", "0"))
            page = ordered[first : first + said["MaxResults"]]
            more = {"NextToken": str(first + len(page))} if first + len(page) < len(ordered) else {}
            return {"Ingestions": page, **more}
        if operation == "CreateIngestion":
            if said["IngestionId"] in begun:
                raise Refused("ResourceExistsException", f"Ingestion {said['IngestionId']} already exists", 409)
            self._begin(data_set, said["IngestionId"], "FULL_REFRESH")
        if said["IngestionId"] not in begun:
            raise Refused("ResourceNotFoundException", f"Ingestion {said['IngestionId']} is not found", 404)
        ingestion = begun[said["IngestionId"]]
        if operation == "DescribeIngestion":
            self._go_on(data_set, ingestion)
        return {"Ingestion": ingestion, "IngestionStatus": ingestion["IngestionStatus"]}

    def _begin(self, data_set: str, ingestion: str, why: str, age_seconds: float = 0) -> None:
        self.ingestions.setdefault(data_set, {})[ingestion] = {
            "Arn": f"arn:aws:quicksight:{REGION}:{ACCOUNT}:dataset/{data_set}/ingestion/{ingestion}",
            "IngestionId": ingestion,
            "IngestionStatus": "INITIALIZED",
            "CreatedTime": time.time() - age_seconds,
            "RequestSource": "MANUAL",
            "RequestType": why,
        }

    def _go_on(self, data_set: str, ingestion: Json) -> None:
        order = ("INITIALIZED", "RUNNING", "FAILED" if data_set in self.broken else "COMPLETED")
        if ingestion["IngestionStatus"] not in order[:2]:
            return
        ingestion["IngestionStatus"] = order[order.index(ingestion["IngestionStatus"]) + 1]
        if ingestion["IngestionStatus"] == "FAILED":
            ingestion["ErrorInfo"] = self.broken[data_set]
        if ingestion["IngestionStatus"] == "COMPLETED":
            dropped = 2 if data_set.endswith("skip_behaviour") else 0
            ingestion["RowInfo"] = {"RowsIngested": self.rows, "RowsDropped": dropped, "TotalRowsInDataset": self.rows}
            ingestion |= {"IngestionTimeInSeconds": 7, "IngestionSizeInBytes": 4096}


@lru_cache
def _session() -> Any:
    """One for all tests: reading the model takes a second."""
    return boto3.session.Session()


@lru_cache
def _routes() -> list[tuple[str, re.Pattern[str], str, Any]]:
    model = service_model()
    routes = []
    for name in model.operation_names:
        operation = model.operation_model(name)
        pattern = re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>[^/]+)", re.escape(operation.http["requestUri"].split("?")[0]))
        routes.append((operation.http["method"], re.compile(pattern), name, operation.input_shape))
    return sorted(routes, key=lambda route: -len(route[1].pattern))  # a word before a placeholder


def _request(method: str, target: str, body: bytes) -> tuple[str, Json]:
    """The operation that is asked for, and its arguments, by AWS's model."""
    parts = urlsplit(target)
    for known, pattern, name, shape in _routes():
        if known == method and (match := pattern.fullmatch(parts.path)):
            query = {key: values[0] for key, values in parse_qs(parts.query).items()}
            said: Json = json.loads(body) if body else {}
            for member, of in shape.members.items():
                where = of.serialization.get("location")
                wire = of.serialization.get("name", member)
                value = {"uri": match.groupdict().get(wire), "querystring": query.get(wire)}.get(where or "")
                if value is not None:
                    text = unquote(value) if where == "uri" else value
                    is_number, is_flag = of.type_name in ("integer", "long"), of.type_name == "boolean"
                    said[member] = int(text) if is_number else text == "true" if is_flag else text
            return name, said
    raise Refused("UnknownOperationException", f"{method} {target}", 404)


class _Handler(BaseHTTPRequestHandler):
    quicksight: QuickSightServer
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body in one packet: two would wait for each other
    disable_nagle_algorithm = True

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers: dict[str, str] = {}
        try:
            answer, status = self.quicksight.answer(*_request(self.command, self.path, body)), 200
        except Refused as refused:
            answer, status = {"Message": str(refused)}, refused.status
            headers = {"x-amzn-ErrorType": refused.code}
        content = json.dumps(answer).encode()
        self.send_response(status)
        for name, value in {**headers, "Content-Type": "application/json", "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_PUT = do_DELETE = _answer  # noqa: N815

    def log_message(self, *_: Any) -> None:
        """Nothing."""


@contextmanager
def quicksight_server() -> Iterator[QuickSightServer]:
    """An empty QuickSight on 127.0.0.1."""
    server = QuickSightServer()
    handler = type("Handler", (_Handler,), {"quicksight": server})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as http:
        http.daemon_threads = True
        server.url = f"http://127.0.0.1:{http.server_address[1]}"
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        yield server
        http.shutdown()
        thread.join()


def counted(changes: list[tuple[str, str]]) -> Counter[str]:
    """How often each operation was asked for."""
    return Counter(operation for operation, _ in changes)
