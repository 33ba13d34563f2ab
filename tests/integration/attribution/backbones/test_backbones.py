"""A backbone's weights from a hub: a real one on loopback, and none at all."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import timm
from safetensors.torch import save_file

from tests.support.checkout import ROOT
from tests.support.patience import patient

CODE = """
import sys
from attribution.backbones.load import load_backbone; from attribution.backbones.spec import parse_backbone
from attribution.errors import WeightsMissingError
for text in sys.argv[1:]:
    try:
        print(load_backbone(parse_backbone(text)).version)
    except WeightsMissingError as exc:
        print(exc)
"""


@contextmanager
def hub(files: dict[str, bytes]) -> Iterator[tuple[str, list[str]]]:
    """The two questions that a download asks of the hub, HEAD and GET, and what was asked."""
    asked = []

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self._answer()

        def do_GET(self) -> None:
            self.wfile.write(self._answer())

        def _answer(self) -> bytes:
            asked.append(f"{self.command} {self.path}")
            body = files.get(self.path)
            self.send_response(404 if body is None else 200)
            self.send_header("X-Repo-Commit", "0" * 40)
            if body is None:
                self.send_header("X-Error-Code", "EntryNotFound")
            else:
                self.send_header("ETag", f'"{hashlib.sha256(body).hexdigest()}"')
            self.send_header("Content-Length", str(len(body or b"")))
            self.end_headers()
            return body or b""

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def load(endpoint: str, home: Path, *texts: str) -> subprocess.CompletedProcess[str]:
    """A line for each specification: its version, or why there is none."""
    kept = {k: v for k, v in os.environ.items() if "proxy" not in k.lower() and k[:3] != "HF_"}
    return subprocess.run(
        [sys.executable, "-c", CODE, *texts],
        cwd=ROOT,
        env={**kept, "HF_ENDPOINT": endpoint, "HF_HOME": str(home)},
        capture_output=True,
        text=True,
        timeout=patient(1200),
        check=True,
    )


def test_a_hub_that_does_not_answer_is_one_line_each(tmp_path):
    ran = load("http://127.0.0.1:9", tmp_path, "dinov2", "openclip")
    lines = ran.stdout.splitlines()
    assert len(lines) == 2
    for line, name in zip(lines, ("timm:vit_small_patch14_dinov2.lvd142m", "laion2b"), strict=True):
        assert "found [Errno 111] Connection refused" in line
        assert name in line
        assert line.endswith("=FILE'")
    # Left alone, the hub's library asks six times, for 23 seconds, and says so each time.
    assert ran.stderr == ""


def test_weights_of_the_hub_are_hashed_and_asked_for_once(tmp_path):
    save_file(timm.create_model("test_vit").state_dict(), tmp_path / "model.safetensors")
    body = (tmp_path / "model.safetensors").read_bytes()
    digest = hashlib.sha256(body).hexdigest()
    path = "/timm/test_vit.r160_in1k/resolve/main/model.safetensors"
    hashes = [f"timm:test_vit#sha256:{one}" for one in (digest, "0" * 12)]
    with hub({path: body}) as (endpoint, asked):
        ran = load(endpoint, tmp_path, "timm:test_vit", *hashes)
    first, again, refused = ran.stdout.splitlines()
    assert first.startswith(f"{digest[:12]}-160-")
    assert again == first
    assert f"expected sha256 {'0' * 12}, found {digest[:12]}" in refused
    assert asked.count(f"GET {path}") == 1


def test_the_second_best_file_is_taken_and_none_is_said(tmp_path):
    repository = "/laion/CLIP-ViT-B-32-laion2B-s34B-b79K/resolve/main/"
    body = b"any bytes: they are hashed, and not read before the first picture"
    with hub({f"{repository}open_clip_pytorch_model.bin": body}) as (endpoint, _):
        ran = load(endpoint, tmp_path, "openclip", "openclip:ViT-B-16/openai")
    found, none = ran.stdout.splitlines()
    assert found.startswith(f"{hashlib.sha256(body).hexdigest()[:12]}-224-")
    assert "expected open_clip_model.safetensors or open_clip_pytorch_model.bin" in none
    assert "found neither" in none
