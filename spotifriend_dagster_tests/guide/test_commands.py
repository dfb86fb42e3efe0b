"""Every command of the guides is one that there is: with those options, of those services."""

from __future__ import annotations

import json
import re
from functools import lru_cache
from typing import Any

import botocore.session
import click
import pytest
from botocore import xform_name
from botocore.validate import ParamValidator

from spotifriend_dagster.cli import main
from spotifriend_dagster_tests.guide.commands import ROOT, Command, commands

_EVERYWHERE = {"query", "output", "region", "cli-binary-format"}
_OF_S3 = {"cp": {"recursive"}, "rm": {"recursive"}, "sync": set()}


def of(program: str) -> list[Command]:
    """Those of a program, each once: where it is given first."""
    return list({command.words: command for command in commands() if command.words[0] == program}.values())


def test_the_guides_give_commands() -> None:
    """Whatever reads them must not read over them."""
    assert (len(of("spotifriend")), len(of("aws")), len(of("make"))) >= (25, 15, 8)


@pytest.mark.parametrize("command", of("spotifriend"), ids=str)
def test_spotifriend_takes_what_the_guides_give(command: Command) -> None:
    """An option that was renamed, or never was, is found by the reader otherwise."""
    words = [re.sub(r"^DAY$", "2025-01-01", word) for word in command.words[1:]]
    with click.Context(main) as context:
        name, subcommand, arguments = main.resolve_command(context, words)
        assert subcommand is not None
        if arguments:  # else it is only named
            subcommand.make_context(name, arguments, parent=context)


@pytest.mark.parametrize("command", of("make"), ids=str)
def test_make_makes_what_the_guides_ask_for(command: Command) -> None:
    """A target of the Makefile."""
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert {word for word in command.words[1:] if "=" not in word} <= set(targets)


@pytest.mark.parametrize("command", [each for each in of("aws") if each.words[1] not in ("sso", "configure")], ids=str)
def test_aws_takes_what_the_guides_give(command: Command) -> None:
    """By AWS's own model of the service: the operation, its options, and what is given as JSON."""
    _, service, operation, *rest = command.words
    following = [*rest[1:], "--"]
    given = {word[2:]: value for word, value in zip(rest, following, strict=True) if word.startswith("--")}
    if service == "s3":
        assert given.keys() <= _OF_S3[operation]
        return
    members = inputs(service.removesuffix("api"))[operation]
    assert given.keys() - _EVERYWHERE <= members.keys()
    for name in given.keys() - _EVERYWHERE:
        if given[name].startswith("{") and members[name].type_name == "structure":
            report = ParamValidator().validate(json.loads(given[name]), members[name])
            assert not report.has_errors(), report.generate_report()


@lru_cache
def inputs(service: str) -> dict[str, dict[str, Any]]:
    """What each operation of a service takes, by name and as the command line writes it."""
    model = botocore.session.get_session().get_service_model(service)
    return {
        xform_name(name, "-"): {
            xform_name(member, "-"): shape for member, shape in model.operation_model(name).input_shape.members.items()
        }
        for name in model.operation_names
        if model.operation_model(name).input_shape
    }
