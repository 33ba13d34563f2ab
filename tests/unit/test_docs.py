"""The documents keep up with the code."""

from __future__ import annotations

import inspect
import re
import shlex

import pytest
import typer

import attribution
import harvester
from attribution.batch.table import SCHEMA
from attribution.cli.app import attribute_app
from harvester.cli.app import harvest_app
from harvester.dataset.arrow import KINDS
from harvester.distribution import VERSION
from harvester.schema import FetchStatus, SearchStatus
from tests.support.checkout import ROOT

README = (ROOT / "README.md").read_text("utf-8")
GUIDE = (ROOT / "docs" / "guide.md").read_text("utf-8")
DATASETS = (ROOT / "docs" / "datasets.md").read_text("utf-8")
COMMANDS = {
    "harvest": typer.main.get_command(harvest_app),
    "attribute": typer.main.get_command(attribute_app),
}


def every_command():
    for name, command in COMMANDS.items():
        yield from with_those_below(name, command)


def with_those_below(name, command):
    yield name, command
    for below, subcommand in getattr(command, "commands", {}).items():
        yield from with_those_below(f"{name} {below}", subcommand)


def options_of(command) -> set[str]:
    return {option for parameter in command.params for option in getattr(parameter, "opts", [])}


@pytest.mark.parametrize(("name", "command"), list(every_command()), ids=lambda x: str(x)[:30])
def test_every_command_has_help_and_every_option_too(name, command):
    assert command.help
    for parameter in command.params:
        assert parameter.help, f"{name}: {parameter.name}"


@pytest.mark.parametrize(("name", "command"), list(every_command()), ids=lambda x: str(x)[:30])
def test_every_subcommand_shows_an_example_that_parses(name, command):
    if name == "harvest":
        return  # it only leads to the others
    [example] = re.findall(r"Example: (.+)", command.help)
    assert example.startswith(name)
    words = set(re.findall(r"(?<!\w)--[a-z-]+", example))
    assert words <= options_of(command)


@pytest.mark.parametrize(("name", "command"), list(every_command()), ids=lambda x: str(x)[:30])
def test_an_example_is_broken_at_spaces_only(name, command):
    """In a terminal of 80 columns; whoever copies two lines then gets a command that runs."""
    context = command.make_context(name, [], resilient_parsing=True, terminal_width=80)
    shown = command.get_help(context).partition("Example: ")[2].partition("\n\n")[0]
    assert not re.search(r"-\n", shown), shown


@pytest.mark.parametrize("name", [name for name, _ in every_command()])
def test_every_command_stands_in_the_guide(name):
    assert name in GUIDE


@pytest.mark.parametrize("name", COMMANDS)
def test_both_commands_stand_in_the_readme(name):
    assert re.search(rf"^\$ {name} ", README, re.MULTILINE)


@pytest.mark.parametrize(("text", "least"), [(README, 7), (GUIDE, 20)], ids=["README", "guide"])
def test_every_command_of_the_documents_exists_with_its_options(text, least):
    lines = re.findall(r"^(?:\$ )?((?:harvest|attribute) .+?)(?:\s{2,}#.*)?$", text, re.MULTILINE)
    assert len(lines) > least
    known = dict(every_command())
    for line in lines:
        words = shlex.split(line.split("  #")[0])
        name = next(name for n in (3, 2, 1) if (name := " ".join(words[:n])) in known)
        given = {word for word in words if word.startswith("--")}
        assert given <= options_of(known[name]), line


@pytest.mark.parametrize("kind", [kind.name for kind in KINDS.values()])
def test_every_column_of_every_table_is_explained(kind):
    [section] = re.findall(rf"^## {kind}\n(.*?)(?=^## |\Z)", DATASETS, re.MULTILINE | re.DOTALL)
    [schema] = [found.schema for found in KINDS.values() if found.name == kind]
    explained = set(re.findall(r"`(\w+)`", section))
    assert set(schema.names) <= explained


def test_every_status_is_explained_under_its_class():
    for status in FetchStatus:
        if status.failure_class:
            [row] = re.findall(rf"^\| {status.failure_class} \|.*$", DATASETS, re.MULTILINE)
            assert f"`{status}`" in row
    assert all(f"`{status}`" in DATASETS for status in SearchStatus)


def test_every_column_of_the_rankings_is_named():
    [section] = re.findall(r"^## Rankings\n(.*)", DATASETS, re.MULTILINE | re.DOTALL)
    assert set(SCHEMA.names) <= set(re.findall(r"`(\w+)`", section))


def test_every_pinned_version_is_exact_and_every_dependency_is_pinned():
    lines = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+==[\w.+!]+", pin) for pin in pins)
    pinned = {re.sub(r"[-_.]+", "-", pin.split("==")[0]).lower() for pin in pins}
    wanted = re.findall(
        r'^    "([a-z0-9-]+)[><=]', (ROOT / "pyproject.toml").read_text(), re.MULTILINE
    )
    assert set(wanted) <= pinned


@pytest.mark.parametrize(
    "path", ["README.md", "docs/guide.md", "docs/scale.md", "benchmarks/README.md"]
)
def test_no_figure_is_left_out(path):
    text = (ROOT / path).read_text("utf-8")
    assert "{{" not in text
    assert "}}" not in text
    assert "@@" not in text


@pytest.mark.parametrize("folder", ["harvester", "attribution", "docs", "."])
def test_nobody_is_told_to_install_the_other_project_of_that_name(folder):
    """On the package index `whence` is somebody else's; `harvester.distribution` has our name."""
    found = (ROOT / folder).glob("*" if folder == "." else "**/*")
    texts = [path for path in found if path.suffix in {".py", ".md", ".j2", ".toml", ".txt"}]
    assert texts
    for path in texts:
        text = path.read_text("utf-8")
        assert not re.search(r"whence\[|pip install '?\"?whence(?!-)|project/whence(?!-)", text), (
            path
        )


PAGES = (
    "README.md",
    "SECURITY.md",
    *(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md")),
)


@pytest.mark.parametrize("page", PAGES)
def test_no_link_leads_nowhere(page):
    path = ROOT / page
    for link in re.findall(r"\]\(([^)#\s]+)", path.read_text("utf-8")):
        if "://" not in link:
            assert (path.parent / link).exists(), link


def test_every_file_that_architecture_names_is_there():
    text = (ROOT / "docs" / "architecture.md").read_text("utf-8")
    named = re.findall(r"`((?:harvester|attribution|data|tests)/[\w/]+\.py)`", text)
    assert len(named) > 40
    real = [name for name in named if not name.endswith("/X.py")]  # X is what is to be added
    assert [name for name in real if not (ROOT / name).exists()] == []


def test_a_decision_says_why():
    text = (ROOT / "docs" / "decisions.md").read_text("utf-8")
    decisions = re.split(r"^## ", text, flags=re.MULTILINE)[1:-1]
    assert len(decisions) > 20
    for decision in decisions:
        assert "\nWhy: " in decision, decision.splitlines()[0]


def test_the_citation_names_this_version_and_the_paper():
    text = (ROOT / "CITATION.cff").read_text("utf-8")
    assert f"\nversion: {VERSION}\n" in text
    assert "arXiv:2504.01771" in text


def every_public_name():
    for package in (harvester, attribution):
        for name in package.__all__:
            value = getattr(package, name)
            yield f"{package.__name__}.{name}", value
            for below, member in vars(value).items() if inspect.isclass(value) else ():
                if not below.startswith("_") and (inspect.isfunction(member)):
                    yield f"{package.__name__}.{name}.{below}", member


PUBLIC = dict(every_public_name())


@pytest.mark.parametrize("name", PUBLIC)
def test_every_public_name_is_documented(name):
    value = PUBLIC[name]
    told = inspect.getdoc(value)
    assert told, name
    ours = value.__module__.split(".")[1:2] == ["api"]
    if inspect.isfunction(value) and ours:
        parameters = set(inspect.signature(value).parameters) - {"self"}
        explained = set(re.findall(r"^    (\w+):", told, re.MULTILINE))
        explained |= set(re.findall(r"`(\w+)`:", told))
        assert parameters <= explained, name
        assert "Raises:" in told or not parameters - {"published", "max_side", "merge_near"}, name
