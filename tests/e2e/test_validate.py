"""`attribute validate` as people start it: drawn shapes in, a proof out, whatever comes between."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from PIL import Image, ImageDraw
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from tests.e2e.conftest import SAMPLE, SCRIPTS
from tests.support.patience import patient

COLOURS = "red green blue orange purple black teal brown pink navy olive gray gold maroon lime cyan"
CATEGORIES = {"circle": "round", "square": "angular", "triangle": "angular", "star": "pointed"}
COLOURS = [*COLOURS.split(), "magenta", "coral", "indigo", "tan"]

EAGER = """
import sys
from attribution.validation.experiments import train_one
from attribution.cli.main import main as attribute
train_one._SAVED_EVERY_S = 0.0
if __name__ == "__main__":
    attribute()
"""
"""`attribute` with a checkpoint after each step, so that a short training has some."""


def shape(name: str, colour: str, artist: int, *, size: tuple[int, int] = (64, 64)) -> bytes:
    """A drawing: the second artist draws smaller, and with an outline."""
    picture = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(picture)
    side = min(size)
    left, top = ((length - side) // 2 for length in size)
    near, far, middle = side // 8 * (1 + artist), side - side // 8 * (1 + artist), side // 2
    points = {
        "square": [(near, near), (far, near), (far, far), (near, far)],
        "triangle": [(middle, near), (far, far), (near, far)],
        "star": [(middle, near), (far, far), (near, middle), (far, middle), (near, far)],
    }
    ink = {"fill": colour, "outline": "black" if artist else None}
    if name == "circle":
        draw.ellipse((left + near, top + near, left + far, top + far), **ink)
    else:
        draw.polygon([(left + x, top + y) for x, y in points[name]], **ink)
    stream = io.BytesIO()
    picture.save(stream, "PNG")
    return stream.getvalue()


def draw_set(folder: Path, colours: list[str], *, captioned: bool = True) -> Path:
    """Pictures of two artists, of mixed sizes, with a list of what they are."""
    rows = []
    for artist in (0, 1):
        for number, colour in enumerate(colours):
            for name, category in CATEGORIES.items():
                path = folder / f"artist-{artist}" / f"{colour}-{name}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(shape(name, colour, artist, size=(48 + 9 * (number % 3), 64)))
                caption = f"{colour} {name}" if captioned else ""
                rows.append([path.relative_to(folder), caption, category, f"artist {artist}"])
    with (folder / "list.csv").open("w", newline="") as stream:
        lines = csv.writer(stream)
        lines.writerow(["file_name", "caption", "category", "creator"])
        lines.writerows(rows)
    return folder


def harvest(folder: Path, out: Path) -> Path:
    done = subprocess.run(
        [SCRIPTS / "harvest", "captions", folder, "--captions", folder / "list.csv", "--out", out],
        capture_output=True,
        text=True,
        check=False,
        timeout=patient(600),
    )
    assert done.returncode == 0, done.stderr
    return out


@pytest.fixture(scope="session")
def shapes(tmp_path_factory) -> Path:
    """A dataset of 160 drawings."""
    folder = tmp_path_factory.mktemp("shapes")
    return harvest(draw_set(folder / "drawn", COLOURS), folder / "shapes")


@pytest.fixture
def start(tmp_path, environment):
    """Start `attribute validate …`; whatever is left of it is ended."""
    started = []

    def start_command(*arguments: object, eager: bool = False) -> subprocess.Popen[str]:
        command = [sys.executable, tmp_path / "eager.py"] if eager else [SCRIPTS / "attribute"]
        (tmp_path / "eager.py").write_text(EAGER)
        process = subprocess.Popen(
            [*map(str, command), "validate", *map(str, arguments)],
            cwd=tmp_path,
            env=environment | {"PYTHONPATH": str(SAMPLE.parents[1])},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield start_command
    for process in started:
        process.kill()
        process.wait()


def wait_for(found, process: subprocess.Popen[str], limit_s: float = 1200) -> None:
    """Until there is something, while the process runs."""
    deadline = time.monotonic() + patient(limit_s)
    while not found():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline, "it did not come so far"
        time.sleep(0.02)


def children(pid: int) -> set[int]:
    """Of a process and of its children, by Linux's own account."""
    try:
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        found = {int(one) for task in tasks for one in (task / "children").read_text().split()}
    except FileNotFoundError:
        return set()
    return found.union(*(children(one) for one in found))


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def header(path: Path) -> dict:
    with safe_open(path, "pt") as file:
        return json.loads(file.metadata()["whence"])


def size_of(path: Path) -> tuple[int, int]:
    with Image.open(path) as picture:
        picture.load()
        assert (picture.format, picture.mode) == ("PNG", "RGB")
        return picture.size


def refused(done, code: int, *words: str) -> None:
    """One line that says what to do, no traceback, the exit code of its kind."""
    assert done.code == code, done.err
    errors = [line for line in done.err.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1, done.err
    assert done.err.splitlines()[-1] == errors[0]
    for word in words:
        assert word in errors[0]
    assert done.out == ""


def test_a_killed_training_goes_on_as_if_it_had_not_been(run, start, shapes, tmp_path):
    train = ["train", shapes, "--size", "tiny", "--steps", "150", "--json"]
    whole = run("attribute", "validate", *train, "--out", "whole")
    assert whole.code == 0, whole.err
    told = json.loads(whole.out)
    assert (told["pictures"], told["model"]) == (48, "whole/models/base-0.safetensors")

    unfinished = tmp_path / "half" / "models" / "base-0.training.safetensors"
    process = start(*train, "--out", "half", eager=True)
    wait_for(unfinished.exists, process)
    time.sleep(0.5)
    process.kill()
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert 0 < header(unfinished)["done"] < 150

    again = run("attribute", "validate", *train, "--out", "half")
    assert again.code == 0, again.err
    assert not unfinished.exists()
    one, other = (tmp_path / name / "models" / "base-0.safetensors" for name in ("whole", "half"))
    ones, others = load_file(one), load_file(other)
    assert ones.keys() == others.keys()
    assert all(ones[name].equal(others[name]) for name in ones)
    assert header(one)["losses"] == header(other)["losses"]
    sheets = [(tmp_path / name / "sheets" / "base-0.png") for name in ("whole", "half")]
    assert sheets[0].read_bytes() == sheets[1].read_bytes()
    # 24 of the captions, seven beside each other.
    assert size_of(sheets[0])[0] == 2 * 14 + 7 * (96 + 6) - 6

    refuse_what_does_not_belong(run, shapes, tmp_path)


def refuse_what_does_not_belong(run, shapes: Path, folder: Path) -> None:
    """What else may be asked of the run `whole`, and is refused."""
    here = ["--size", "tiny", "--out", "whole"]
    done = run("attribute", "validate", "train", shapes, *here, "--steps", 10)
    refused(done, 3, "expected a run of the same pictures and settings", "another --out")
    done = run("attribute", "validate", "run", shapes, "--size", "small", "--out", "whole")
    refused(done, 3, "expected a run of the same pictures and settings")

    (folder / "ids.txt").write_text("# none of these\nabc\x1b[31m\n")
    done = run(
        *("attribute", "validate", "train", shapes, *here, "--steps", 150),
        *("--without", "ids.txt"),
    )
    refused(done, 3, "expected ids of the 48 pictures, found 1 unknown")
    assert "\x1b" not in done.err

    seen = header(folder / "whole" / "models" / "base-0.safetensors")["seen"]
    (folder / "ids.txt").write_text("\n".join(seen[:25]))
    done = run(
        *("attribute", "validate", "train", shapes, *here, "--steps", 150),
        *("--without", "ids.txt"),
    )
    refused(done, 3, "expected at least 24 pictures to learn from, found 23; remove fewer")

    other = load_file(folder / "whole" / "tokenizer.safetensors")
    other = {name: one + 1 if one.is_floating_point() else one for name, one in other.items()}
    told = {"whence": json.dumps(header(folder / "whole" / "tokenizer.safetensors"))}
    save_file(other, folder / "other", told)
    model = ["--model", "whole/models/base-0.safetensors"]
    generate = ["attribute", "validate", "generate", "--prompt", "red circle"]
    refused(run(*generate, *model, "--tokenizer", "other"), 5, "expected a model of the tokenizer")
    assert not (folder / "gen.png").exists()

    (folder / "cut").write_bytes((folder / model[1]).read_bytes()[:-1])
    refused(
        run(*generate, "--model", "cut", "--tokenizer", "whole/tokenizer.safetensors"),
        *(5, "cut: expected a whole model"),
    )


def test_a_dataset_that_no_model_can_learn_from(run, tmp_path):
    few = harvest(draw_set(tmp_path / "few-drawn", COLOURS[:2]), tmp_path / "few")
    mute = draw_set(tmp_path / "mute-drawn", COLOURS[:4], captioned=False)
    mute = harvest(mute, tmp_path / "mute")
    train = ["attribute", "validate", "train", "--size", "tiny", "--out", "never"]
    words = ["expected at least 24 pictures with captions", "harvest more"]
    refused(run(*train, few), 3, "few: ", *words, "found 16")
    refused(run(*train, mute), 3, *words, "found 0 (32 without a caption")
    # Enough for a model, and none left for the tokenizer.
    some = harvest(draw_set(tmp_path / "some-drawn", COLOURS[:6]), tmp_path / "some")
    refused(run(*train, some), 3, "for the image tokenizer", "--tokenizer-from")
    assert not list(tmp_path.glob("never/models/*"))


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_the_whole_proof_stopped_gone_on_with_and_asked_again(run, start, shapes, tmp_path):
    prove = ["run", shapes, "--size", "tiny", "--out", "out"]
    outcomes = tmp_path / "out" / "outcomes"
    process = start(*prove, "--part", "lds")
    wait_for(lambda: any(outcomes.glob("*.parquet")), process)
    below = children(process.pid)
    assert below, "nothing was trained side by side"
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=patient(600))
    assert process.returncode == 130, said
    assert "stopped: what is done is kept (a half-trained image tokenizer is not); run" in said
    assert "Traceback" not in said
    wait_for_end(below)
    kept = {path.name: path.stat().st_mtime_ns for path in outcomes.glob("*.parquet")}
    assert kept
    assert not (tmp_path / "out" / "report.html").exists()

    process = start(*prove)
    shown, said = process.communicate(timeout=patient(3600))
    assert process.returncode == 0, said
    assert "Traceback" not in said
    assert "report: out/report.html" in shown
    now = {path.name: path.stat().st_mtime_ns for path in outcomes.glob("*.parquet")}
    assert kept.items() <= now.items()  # none was trained again
    results = {path.stem for path in (tmp_path / "out").rglob("results/*/*.parquet")}
    assert {"effects", "paired", "random", "datamodelling", "exemplars", "recognisable"} <= results

    report = (tmp_path / "out" / "report.html").read_text("utf-8")
    again = run("attribute", "validate", *prove, "--part", "exemplars", "--json")
    assert again.code == 0, again.err
    told = json.loads(again.out)
    scored = {row["method"]: row for row in told["datamodelling"]}
    for method, ours in (("cosine", "whence"), ("trak", "whence, shares")):
        apart = scored[ours]["lds"] - scored[method]["lds"]
        assert scored[method]["above"] == pytest.approx(apart)
    assert scored["whence"]["above"] is None
    assert "the halves, trained again" in scored
    assert told["effects"]  # what is known already stays, whatever part is asked for
    assert timeless((tmp_path / "out" / "report.html").read_text("utf-8")) == timeless(report)
    assert now == {path.name: path.stat().st_mtime_ns for path in outcomes.glob("*.parquet")}

    model = ["--model", "out/models/base-0.safetensors"]
    prompts = ["--prompt", "red circle", "--prompt", "blue star", "--seed", 3]
    for image in ("one.png", "two.png"):
        done = run("attribute", "validate", "generate", *model, *prompts, "--image", image)
        assert (done.code, done.out) == (0, f"image: {image}\n")
    assert size_of(tmp_path / "one.png") == (2 * 224, 224)
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()
    done = run("attribute", "validate", "sheet", "--out", "out", "--count", 10)
    assert done.code == 0, done.err
    width, height = size_of(tmp_path / "sheet.png")
    assert width == 2 * 14 + 6 * (96 + 6) - 6
    assert height in {2 * 14 + 2 * (96 + lines * 16 + 12) - 12 for lines in (1, 2)}


def timeless(text: str) -> str:
    """Without how long it took, which is told once."""
    text = text.replace(" --part exemplars --json", "")
    bare, count = re.subn(r"(seconds of this call\W*(?:<[^>]*>\W*)*)[\d,]+", r"\1", text)
    assert count <= 1
    return bare


def wait_for_end(pids: set[int]) -> None:
    """Processes that were told to end do, soon."""
    deadline = time.monotonic() + patient(200)
    while left := [pid for pid in pids if is_running(pid)]:
        assert time.monotonic() < deadline, f"left behind: {left}"
        time.sleep(0.05)
    assert os.getpid() not in pids
