"""Options that commands share: they stand on each command as its own, and become one value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import pytest
import typer
from typer.testing import CliRunner

from harvester.cli.options import NetworkOptions, StoringOptions, takes
from harvester.consent.signals import ConsentPolicy
from harvester.pipeline.run import EngineName


@dataclass(frozen=True, slots=True, kw_only=True)
class Colours:
    front: Annotated[str, typer.Option("--front", help="Colour in front.")] = "red"
    back: Annotated[int, typer.Option("--back")] = 3


@pytest.fixture
def app():
    app = typer.Typer()

    @app.command()
    @takes(Colours)
    def paint(what: str, *, colours: Colours, loud: bool = False) -> None:
        """Paint it."""
        typer.echo(f"{what} {colours.front} {colours.back} {loud}")

    return app


def test_fields_become_options_with_their_defaults(app):
    assert CliRunner().invoke(app, ["boat"]).stdout == "boat red 3 False\n"
    ran = CliRunner().invoke(app, ["boat", "--front", "blue", "--back", "9", "--loud"])
    assert ran.stdout == "boat blue 9 True\n"
    assert CliRunner().invoke(app, ["boat", "--back", "many"]).exit_code == 2


def test_the_help_is_the_commands_own(app):
    told = CliRunner().invoke(app, ["--help"]).stdout
    assert "Paint it." in told
    assert "Colour in front." in told
    assert "--colours" not in told


def test_the_network_is_as_the_options_say():
    options = NetworkOptions(
        consent="search-only", contact="a@b.example", timeout=2.0, max_bytes=1000
    )
    network = options.settings().plan().network
    assert network.policy is ConsentPolicy.SEARCH_ONLY
    assert network.contact == "a@b.example"
    limits = network.limits
    assert (limits.deadline_s, limits.answer_s, limits.connect_s) == (2.0, 2.0, 2.0)
    assert limits.max_bytes == 1000


def test_a_plan_is_as_the_options_say():
    storing = StoringOptions(near_duplicates="keep", max_side=256, engine="ray")
    plan = storing.settings(NetworkOptions()).plan()
    assert (plan.merge_near, plan.max_side, plan.engine) == (False, 256, EngineName.RAY)
    assert plan.settings["consent"] == "strict"
    assert plan.settings["near_duplicates"] == "keep"


@pytest.mark.parametrize(
    ("storing", "network", "named"),
    [
        ({"engine": "spark"}, {}, "local, ray"),
        ({"near_duplicates": "drop"}, {}, "merge or keep"),
        ({}, {"consent": "none"}, "strict, search-only, record"),
    ],
)
def test_what_is_no_choice_is_refused_with_the_choices(storing, network, named):
    with pytest.raises(typer.BadParameter, match=named):
        StoringOptions(**storing).settings(NetworkOptions(**network))
