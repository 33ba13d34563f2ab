"""The rooms and their arrows, held against the code's own imports."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROOMS = ("harvester", "attribution")

# What the attribution may take from the harvester: the ground floor, and the one door for
# pictures, so that a query and a candidate are never treated differently.
SHARED = {
    "harvester.errors",
    "harvester.images",
    "harvester.links",
    "harvester.overwriting",
    "harvester.places",
    "harvester.printable",
    "harvester.schema",
    "harvester.shards",
}


def modules() -> dict[str, set[str]]:
    """Each module of whence, and the modules of whence that it imports anywhere in its code."""
    found = {}
    for room in ROOMS:
        for path in (ROOT / room).rglob("*.py"):
            name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
            found[name.removesuffix(".__init__")] = imports(path)
    return found


def imports(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def test_the_harvester_never_imports_the_attribution():
    for name, imported in modules().items():
        if name.startswith("harvester"):
            assert not {one for one in imported if one.split(".")[0] == "attribution"}, name


# Part of the shell, as `harvester.commands` is: they parse, call and print.
SHELL = {
    "attribution.app",
    "attribution.opening",
    "attribution.preparing",
    "attribution.evaluate.commands",
    "attribution.evaluate.asking",
    "attribution.counterfactual.commands",
    "attribution.counterfactual.model_commands",
    "attribution.counterfactual.options",
}


def test_the_attribution_takes_the_shared_floor_and_nothing_else():
    for name, imported in modules().items():
        if name.startswith("attribution") and name not in SHELL:
            rooms = {".".join(one.split(".")[:2]) for one in imported if one[:10] == "harvester."}
            assert rooms <= SHARED, name


def test_no_room_imports_the_shell():
    for name, imported in modules().items():
        assert "cli" not in imported, name


# Where the local model is made, trained and asked; everything else of ranking goes without torch.
MODEL = {
    f"attribution.counterfactual.{name}"
    for name in (
        "exemplars",
        "experiment",
        "forgetting.approximate",
        "forgetting.sisa",
        "generations",
        "gradients",
        "material",
        "model.checkpoints",
        "model.dalle",
        "model.making",
        "model.parallel",
        "model.sampling",
        "model.tokenizer",
        "model.training",
        "recognition",
        "forgetting.requests",
        "report.showing",
        "wanted",
        "workers",
    )
}


@pytest.mark.parametrize(
    ("library", "only_in"),
    [
        (
            "torch",
            {
                "attribution.embeddings",
                "attribution.backbone_models",
                "attribution.backbone_clip",
                "attribution.evaluate.peers",
                *MODEL,
            },
        ),
        ("transformers", {"attribution.counterfactual.model.dalle"}),
        (
            "matplotlib",
            {
                "attribution.counterfactual.report.drawing",
                "attribution.counterfactual.report.plots",
            },
        ),
        ("faiss", {"attribution.index"}),
        ("c2pa", {"attribution.credentials"}),
    ],
)
def test_heavy_libraries_have_one_room_each(library, only_in):
    users = {
        name
        for name, imported in modules().items()
        if any(one.split(".")[0] == library for one in imported)
    }
    assert users == only_in


def test_the_ground_floor_rests_on_nothing_of_whence():
    for floor in (
        "harvester.schema",
        "harvester.errors",
        "harvester.printable",
        "attribution.errors",
    ):
        mine = {one for one in modules()[floor] if one.split(".")[0] in ROOMS}
        assert not mine, floor


@pytest.mark.parametrize("statement", ["import cli", "import cli, harvester.commands"])
def test_importing_the_shell_loads_nothing_heavy(statement):
    heavy = ("torch", "faiss", "pyarrow", "numpy", "PIL", "httpx", "ddgs", "polars")
    code = f"{statement}; import sys; print([name for name in {heavy!r} if name in sys.modules])"
    ran = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert ran.stdout.strip() == "[]"
