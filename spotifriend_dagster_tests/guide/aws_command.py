"""AWS's command line, as far as the guide uses it, over boto3: what each operation takes is said by AWS's own model."""

from __future__ import annotations

import json
import sys
from typing import Any
from urllib.parse import urlsplit

import boto3
import jmespath  # type: ignore[import-untyped]
from botocore import xform_name

_OUTPUT = ("query", "output")


def main(words: list[str]) -> None:
    """Do what is asked, and print the answer as text or JSON."""
    service, operation, *rest = words
    if service == "s3":
        _s3(operation, rest)
        return
    given = {name.removeprefix("--"): value for name, value in zip(rest[::2], rest[1::2], strict=True)}
    client = boto3.client(service.removesuffix("api"))
    named = client.meta.method_to_api_mapping[xform_name(operation.replace("-", "_"))]
    members = client.meta.service_model.operation_model(named).input_shape.members
    asked = {member: given[xform_name(member, "-")] for member in members if xform_name(member, "-") in given}
    unknown = given.keys() - {xform_name(member, "-") for member in members} - {*_OUTPUT}
    assert not unknown, f"{operation} takes no {unknown}"
    answer: Any = getattr(client, operation.replace("-", "_"))(**asked)
    answer.pop("ResponseMetadata")
    said = jmespath.search(given["query"], answer) if "query" in given else answer
    if given.get("output") == "text":
        for row in said or []:
            print("\t".join(str(each) for each in row))
    elif said:
        print(json.dumps(said, default=str))


def _s3(operation: str, words: list[str]) -> None:
    assert operation == "rm" and words[0] == "--recursive", "of the commands of s3, only this one is done here"
    where = urlsplit(words[1])
    boto3.resource("s3").Bucket(where.netloc).objects.filter(Prefix=where.path.lstrip("/")).delete()


if __name__ == "__main__":
    main(sys.argv[1:])
