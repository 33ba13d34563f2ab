"""img2dataset, the harvester that ours is measured beside: set up and run as its README recommends.

It gets a virtual environment of its own, from the package registry, in a pinned version. A process
a core and 64 threads each, one shard a process, so that none idles while another works; 256 px on
the longer side, as ours; Parquet; X-Robots-Tag obeyed as by default. What it does beyond that by
default stays on: sha256, EXIF.

But: it reads no robots.txt, checks no address and computes no picture hash, which ours does; and
its packages other than itself are the newest that the registry has.
"""

from __future__ import annotations

import json
import math
import os
import shutil
import ssl
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import certifi
from machine import SAMPLE_S, Cost, run_measured

VERSION = "1.47.0"
THREADS = 64
TIMEOUT_S = 10.0  # its default
_PACKAGES = ("img2dataset", "opencv-python-headless", "albumentations", "pyarrow")
_SHARED_CONTEXT = """
import functools, ssl
ssl._create_default_https_context = functools.cache(ssl.create_default_context)
"""
_CONTEXT_COST = """
import ssl, time
start = time.process_time()
for _ in range(50):
    ssl.create_default_context()
print((time.process_time() - start) / 50 * 1000)
"""
_VERSIONS = """
import json, platform, sys
from importlib.metadata import version
print(json.dumps({"python": platform.python_version(), **{n: version(n) for n in sys.argv[1:]}}))
"""


class Peer:
    """img2dataset in its own environment.

    Args:
        environment: folder of the virtual environment; made if it is missing.
        work: folder for lists and outputs.
        authority: PEM file of the authority to trust for HTTPS, beside the usual ones.

    Raises:
        SystemExit: if the environment cannot be made, or holds another version.
    """

    def __init__(self, environment: Path, work: Path, authority: Path | None = None) -> None:
        self._python = environment.resolve() / "bin" / "python"
        self._work = work / "img2dataset"
        self._work.mkdir(exist_ok=True)
        if not self._python.exists():
            _install(environment)
        # Those that it would load anyway: reading them is most of what a context costs.
        usual = Path(ssl.get_default_verify_paths().cafile or certifi.where()).read_text("utf-8")
        bundle = self._work / "authorities.pem"
        bundle.write_text(usual + (authority.read_text("ascii") if authority else ""), "utf-8")
        self._authorities = usual.count("BEGIN CERTIFICATE")
        self._variables = {"SSL_CERT_FILE": str(bundle), "NO_ALBUMENTATIONS_UPDATE": "1"}
        self.versions: dict[str, str] = json.loads(self._run(_VERSIONS, *_PACKAGES))
        if self.versions["img2dataset"] != VERSION:
            raise SystemExit(
                f"{environment}: expected img2dataset {VERSION}, found "
                f"{self.versions['img2dataset']}; remove the folder, or give another --peer-venv"
            )

    def settings(self, count: int, timeout_s: float) -> dict[str, str | int]:
        """Its options for so many addresses; `timeout_s` is what a single read may take."""
        processes = os.cpu_count() or 1
        return {
            "processes_count": processes,
            "thread_count": THREADS,
            "number_sample_per_shard": math.ceil(count / processes),
            "image_size": 256,
            "resize_mode": "keep_ratio_largest",
            "encode_quality": 95,
            "output_format": "parquet",
            "timeout": math.ceil(timeout_s),
        }

    def harvest(
        self,
        addresses: Sequence[str],
        *,
        timeout_s: float = TIMEOUT_S,
        shared_context: bool = False,
        stop_when: Callable[[], bool] | None = None,
    ) -> tuple[Cost, int]:
        """Run it once; returns what that cost, and how many pictures it says it stored.

        Args:
            addresses: of the pictures.
            timeout_s: what a single read may take; no limit on a whole download exists.
            shared_context: build one SSLContext a process instead of one a request, as Python
                3.12 and later do.
            stop_when: as `run_measured` has it.
        """
        listed, out = self._work / "list.txt", self._work / "out"
        listed.write_text("\n".join(addresses) + "\n", encoding="utf-8")
        shutil.rmtree(out, ignore_errors=True)
        command: list[str | Path] = [self._python.with_name("img2dataset")]
        options: dict[str, Path | str | int] = {"url_list": listed, "output_folder": out}
        options.update(self.settings(len(addresses), timeout_s))
        command += [f"--{name}={value}" for name, value in options.items()]
        variables = dict(self._variables)
        if shared_context:
            patch = self._work / "shared_context"
            patch.mkdir(exist_ok=True)
            (patch / "sitecustomize.py").write_text(_SHARED_CONTEXT, "ascii")
            variables["PYTHONPATH"] = str(patch)
        cost = run_measured(
            command, cwd=self._work, environment=variables, stop_when=stop_when, sample_s=SAMPLE_S
        )
        stats = [json.loads(path.read_text("utf-8")) for path in out.glob("*_stats.json")]
        return cost, sum(stat["successes"] for stat in stats)

    def context_ms(self) -> float:
        """CPU milliseconds that its Python takes to build one SSLContext."""
        return float(self._run(_CONTEXT_COST))

    def describe(self, count: int, timeout_s: float = TIMEOUT_S) -> dict[str, Any]:
        """What to print beside its figures."""
        return {
            "settings": self.settings(count, timeout_s),
            "versions": self.versions,
            "authorities": self._authorities,
        }

    def _run(self, program: str, *arguments: str) -> str:
        command = [str(self._python), "-c", program, *arguments]
        environment = {**os.environ, **self._variables}
        done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
        return done.stdout


def _install(environment: Path) -> None:
    print(f"{environment}: installing img2dataset {VERSION} …", file=sys.stderr, flush=True)
    pip = [str(environment / "bin" / "python"), "-m", "pip", "install", "--quiet"]
    try:
        subprocess.run([sys.executable, "-m", "venv", environment], check=True)
        subprocess.run([*pip, f"img2dataset=={VERSION}"], check=True, stdout=sys.stderr)
    except subprocess.CalledProcessError as exc:
        shutil.rmtree(environment, ignore_errors=True)
        raise SystemExit(
            f"{environment}: expected img2dataset {VERSION} from the package registry, found that "
            "pip failed; try again with a network, or leave it out with --no-peer"
        ) from exc
