"""The rooms and their arrows, held against the code's own imports."""

from __future__ import annotations

import ast
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from tests.support.checkout import ROOT

PACKAGES = ("harvester", "attribution")
LIBRARIES = PACKAGES
"""The packages whose `__init__` gives names; every other one is a docstring alone."""

# Each room, and the rooms whose modules it may import. A package's name alone stands for the
# files at its root, its ground floor; its `__init__`, which gives the library's names, is a room of
# its own above `api`. The table has no circle: `test_the_rooms_make_no_circle`.
ROOMS = {
    "harvester": set(),
    "harvester.midjourney": {"harvester"},
    "harvester.readers": {"harvester"},
    "harvester.consent": {"harvester", "harvester.readers"},
    "harvester.dataset": {"harvester"},
    "harvester.discord": {"harvester", "harvester.midjourney", "harvester.readers"},
    "harvester.fetch": {"harvester", "harvester.consent"},
    "harvester.pictures": {"harvester", "harvester.consent"},
    "harvester.dedup": {"harvester", "harvester.dataset"},
    "harvester.maintenance": {"harvester", "harvester.dataset"},
    "harvester.sources": {"harvester", "harvester.readers"},
    "harvester.search": {
        "harvester",
        "harvester.fetch",
        "harvester.midjourney",
        "harvester.readers",
    },
    "harvester.progress": {"harvester", "harvester.dataset", "harvester.fetch"},
    "harvester.pipeline": {
        "harvester",
        "harvester.consent",
        "harvester.dataset",
        "harvester.dedup",
        "harvester.discord",
        "harvester.fetch",
        "harvester.pictures",
        "harvester.progress",
        "harvester.search",
    },
    "harvester.api": {
        "harvester",
        "harvester.consent",
        "harvester.dataset",
        "harvester.discord",
        "harvester.fetch",
        "harvester.maintenance",
        "harvester.pipeline",
        "harvester.progress",
        "harvester.readers",
        "harvester.search",
        "harvester.sources",
    },
    "harvester.__init__": {"harvester.api"},
    "harvester.cli": {
        "harvester",
        "harvester.api",
        "harvester.dataset",
        "harvester.discord",
        "harvester.fetch",
        "harvester.maintenance",
        "harvester.pipeline",
        "harvester.progress",
        "harvester.readers",
        "harvester.search",
        "harvester.sources",
    },
    "attribution.provenance": {"harvester", "harvester.readers"},
    "attribution.descriptors": {
        "attribution",
        "harvester",
        "harvester.dataset",
        "harvester.pictures",
    },
    "attribution.backbones": {"attribution", "attribution.descriptors", "harvester"},
    "attribution.matching": set(),
    "attribution.calibration": {
        "attribution",
        "attribution.descriptors",
        "attribution.matching",
        "harvester",
        "harvester.dataset",
    },
    "attribution.ranking": {
        "attribution",
        "attribution.calibration",
        "attribution.descriptors",
        "attribution.matching",
        "attribution.provenance",
        "harvester",
        "harvester.dataset",
        "harvester.pictures",
    },
    "attribution.baselines": {
        "attribution",
        "attribution.descriptors",
        "attribution.ranking",
        "harvester",
        "harvester.pictures",
    },
    "attribution.report": {
        "attribution",
        "attribution.calibration",
        "attribution.descriptors",
        "attribution.matching",
        "attribution.provenance",
        "attribution.ranking",
        "harvester",
        "harvester.dataset",
        "harvester.pictures",
    },
    "attribution.batch": {
        "attribution",
        "attribution.baselines",
        "attribution.descriptors",
        "attribution.provenance",
        "attribution.ranking",
        "harvester",
        "harvester.dataset",
    },
    "attribution.evaluate.lookalike_art": set(),
    "attribution.evaluate": {
        "attribution",
        "attribution.baselines",
        "attribution.batch",
        "attribution.calibration",
        "attribution.descriptors",
        "attribution.evaluate.lookalike_art",
        "attribution.matching",
        "attribution.ranking",
        "harvester",
        "harvester.dataset",
        "harvester.pictures",
    },
    "attribution.validation": {"attribution", "harvester", "harvester.dataset"},
    "attribution.validation.model": {
        "attribution",
        "harvester",
        "harvester.dataset",
        "harvester.pictures",
    },
    "attribution.validation.unlearning": {
        "attribution",
        "attribution.validation.model",
        "harvester",
        "harvester.dataset",
    },
    "attribution.validation.statistics": {"attribution.calibration", "attribution.evaluate"},
    "attribution.validation.methods": {
        "attribution",
        "attribution.baselines",
        "attribution.calibration",
        "attribution.descriptors",
        "attribution.evaluate",
        "attribution.ranking",
        "attribution.validation",
        "attribution.validation.model",
    },
    "attribution.validation.report": {
        "attribution.descriptors",
        "attribution.report",
        "attribution.validation",
        "harvester",
    },
    "attribution.validation.experiments": {
        "attribution",
        "attribution.calibration",
        "attribution.descriptors",
        "attribution.evaluate",
        "attribution.ranking",
        "attribution.validation",
        "attribution.validation.methods",
        "attribution.validation.model",
        "attribution.validation.report",
        "attribution.validation.statistics",
        "attribution.validation.unlearning",
        "harvester",
        "harvester.dataset",
    },
    "attribution.api": {
        "attribution",
        "attribution.backbones",
        "attribution.baselines",
        "attribution.batch",
        "attribution.calibration",
        "attribution.descriptors",
        "attribution.matching",
        "attribution.provenance",
        "attribution.ranking",
        "attribution.report",
        "harvester",
        "harvester.dataset",
        "harvester.midjourney",
        "harvester.search",
    },
    "attribution.__init__": {"attribution.api"},
    "attribution.cli": {
        "attribution",
        "attribution.api",
        "attribution.baselines",
        "attribution.batch",
        "attribution.calibration",
        "attribution.descriptors",
        "attribution.evaluate",
        "attribution.ranking",
        "attribution.report",
        "attribution.validation",
        "attribution.validation.experiments",
        "attribution.validation.report",
        "harvester",
        "harvester.api",
        "harvester.cli",
        "harvester.dataset",
        "harvester.pipeline",
        "harvester.progress",
        "harvester.sources",
    },
    "attribution": {"harvester"},
}


def room_of(module: str) -> str:
    """The longest entry of ROOMS that the module is in."""
    parts = module.split(".")
    names = [".".join(parts[:length]) for length in range(len(parts) - 1, 0, -1)]
    return next(name for name in (module, *names) if name in ROOMS)


def modules() -> dict[str, set[str]]:
    """Each module of whence, and the modules of whence that it imports anywhere in its code."""
    found = {}
    for package in PACKAGES:
        for path in (ROOT / package).rglob("*.py"):
            name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
            if path.name != "__init__.py" or path.parent.name in LIBRARIES:
                found[name] = imports(path)
    return found


def imports(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names


MODULES = modules()


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_only_the_rooms_below_it(room):
    for module, imported in MODULES.items():
        if room_of(module) == room:
            used = {room_of(one) for one in imported if one in MODULES} - {room}
            assert used <= ROOMS[room], f"{module} imports {sorted(used - ROOMS[room])}"


def test_the_table_has_no_arrow_that_no_import_needs():
    used = {room: set() for room in ROOMS}
    for module, imported in MODULES.items():
        used[room_of(module)] |= {room_of(one) for one in imported if one in MODULES}
    unused = {room: sorted(ROOMS[room] - used[room]) for room in ROOMS if ROOMS[room] - used[room]}
    assert not unused


def test_the_rooms_make_no_circle():
    left = {room: set(below) for room, below in ROOMS.items()}
    while left:
        ground = {room for room, below in left.items() if not below & left.keys()}
        assert ground, f"a circle among {sorted(left)}"
        left = {room: below for room, below in left.items() if room not in ground}


def test_a_package_holds_a_docstring_alone_but_for_the_two_that_are_a_library():
    doors = {ROOT / package / "__init__.py" for package in LIBRARIES}
    for package in PACKAGES:
        for path in {*(ROOT / package).rglob("__init__.py")} - doors:
            (only,) = ast.parse(path.read_text("utf-8")).body
            assert isinstance(only, ast.Expr), path
            assert isinstance(only.value, ast.Constant), path


@pytest.mark.parametrize("package", LIBRARIES)
def test_no_room_takes_a_name_from_a_librarys_door(package):
    names = {f"{package}.{name}" for name in import_module(package).__all__}
    for module, imported in MODULES.items():
        assert not imported & names, module


@pytest.mark.parametrize("package", LIBRARIES)
def test_a_library_gives_the_names_of_its_rooms(package):
    door = import_module(package)
    assert door.__all__ == sorted(door.__all__)
    told = {name for name in MODULES[f"{package}.__init__"] if name.startswith(f"{package}.api.")}
    typed = {name.rpartition(".")[2] for name in told if name not in MODULES}
    assert typed == set(door.__all__)
    assert set(door.__all__) <= set(dir(door))
    for name in door.__all__:
        assert getattr(door, name).__name__ == name
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        door.nothing  # noqa: B018  # what is looked up is what is tested


def test_the_files_make_no_circle():
    left = {name: {one for one in imported if one in MODULES} for name, imported in MODULES.items()}
    while left:
        ground = {name for name, below in left.items() if not (below & left.keys()) - {name}}
        assert ground, f"a circle among {sorted(left)}"
        left = {name: below for name, below in left.items() if name not in ground}


def test_few_files_stand_at_a_package_s_root():
    for package in PACKAGES:
        assert len(list((ROOT / package).glob("*.py"))) <= 8


def test_the_harvester_never_imports_the_attribution():
    assert not [
        room
        for room in ROOMS
        if room.startswith("harvester")
        and any(below.startswith("attribution") for below in ROOMS[room])
    ]


def test_only_the_shell_of_attribution_takes_more_than_pictures_datasets_and_readers():
    shared = {"harvester", "harvester.dataset", "harvester.pictures", "harvester.readers"}
    # A picture that is ranked from code gets the ranking that the command gives it, so the library
    # reads prompts by the same grammar; given in by the caller, it could be forgotten.
    more = {"attribution.api": {"harvester.midjourney", "harvester.search"}}
    for room, below in ROOMS.items():
        if room.startswith("attribution") and room != "attribution.cli":
            taken = {one for one in below if one.startswith("harvester")}
            assert taken <= shared | more.get(room, set()), room


@pytest.mark.parametrize(
    ("library", "only_in"),
    [
        (
            "torch",
            {
                "attribution.descriptors.resnet50",
                "attribution.descriptors.resnet50_torch",
                "attribution.backbones",
                "attribution.validation.model",
                "attribution.validation.unlearning",
                "attribution.validation.methods",
                "attribution.validation.experiments",
            },
        ),
        ("openvino", {"attribution.descriptors.resnet50_openvino"}),
        ("transformers", {"attribution.validation.model.dalle"}),
        ("matplotlib", {"attribution.validation.report"}),
        ("c2pa", {"attribution.provenance.content_credentials"}),
        ("ray", {"harvester.pipeline.ray_engine", "harvester.pipeline.ray_pace"}),
    ],
)
def test_heavy_libraries_stay_in_their_rooms(library, only_in):
    for name, imported in MODULES.items():
        if any(one.split(".")[0] == library for one in imported):
            assert name in only_in or room_of(name) in only_in, name


@pytest.mark.parametrize(
    "statement",
    [
        "import cli",
        "import cli, harvester.cli.app, attribution.cli.app",
        "import attribution, harvester",
        "import harvester; harvester.HarvestError, harvester.Candidate",
        "import attribution; attribution.RankingError",
    ],
)
@pytest.mark.subprocess
def test_importing_the_shell_or_a_library_loads_nothing_heavy(statement):
    heavy = ("torch", "openvino", "pyarrow", "numpy", "PIL", "httpx", "ddgs", "polars")
    code = f"{statement}; import sys; print([name for name in {heavy!r} if name in sys.modules])"
    ran = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert ran.stdout.strip() == "[]"


@pytest.mark.parametrize("command", ["harvest", "attribute"])
@pytest.mark.subprocess
def test_help_loads_neither_what_draws_boxes_nor_an_event_loop(command):
    """They take longer to import than all the rest: `--help` is to answer within .15 s."""
    heavy = ("rich", "asyncio", "logging.handlers", "attr", "markdown_it", "numpy")
    code = (
        f"import atexit, cli, sys; sys.argv = [{command!r}, '--help']\n"
        f"loaded = lambda: print('loaded', [name for name in {heavy!r} if name in sys.modules])\n"
        f"atexit.register(loaded); cli.{command}()"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert ran.stdout.startswith(f"Usage: {command} ")
    assert ran.stdout.splitlines()[-1] == "loaded []"


@pytest.mark.parametrize(
    ("arguments", "code", "out"),
    [
        (["harvest", "--version"], 0, "whence "),
        (["attribute", "--version"], 0, "whence "),
        (["rank"], 2, ""),
        ([], 2, ""),
    ],
)
@pytest.mark.subprocess
def test_the_checkout_has_a_door_to_both_commands(arguments, code, out):
    ran = subprocess.run(
        [sys.executable, "cli.py", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ran.returncode, ran.stdout[:7]) == (code, out)
    assert ("expected harvest or attribute" in ran.stderr) == (code == 2)


@pytest.mark.parametrize("command", ["harvest", "attribute"])
@pytest.mark.subprocess
def test_completion_can_be_had(command):
    code = (
        f"import cli, sys; sys.argv = [{command!r}, '--show-completion', 'bash']; cli.{command}()"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert f"_{command}_completion" in ran.stdout, ran.stderr


@pytest.mark.subprocess
def test_importing_both_libraries_takes_no_time():
    """Some 30 ms of a processor's time; the limit is generous, for slow ones."""
    code = "import time; began = time.process_time(); import attribution, harvester; "
    code += "print(time.process_time() - began)"
    ran = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert float(ran.stdout) < 0.3
