"""A real S3 server on loopback, with an empty bucket; it forgets everything when it ends."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import quote

import pyarrow.fs as pafs
from moto.server import ThreadedMotoServer

BUCKET = "datasets"


@contextmanager
def s3_server() -> Iterator[str]:
    """The server's address; who connects may use any credentials."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # else it logs every request
    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        endpoint = f"http://{host}:{port}"
        make_bucket(endpoint, BUCKET)
        yield endpoint
    finally:
        server.stop()


def make_bucket(endpoint: str, name: str) -> None:
    files = pafs.S3FileSystem(
        endpoint_override=endpoint.partition("://")[2],
        scheme="http",
        region="us-east-1",
        access_key="any",
        secret_key="any",
        allow_bucket_creation=True,
    )
    files.create_dir(name)


def address(endpoint: str, path: str, bucket: str = BUCKET) -> str:
    """Where a dataset is, as a command takes it."""
    where = f"s3://any:any@{bucket}/{path}"
    return f"{where}?endpoint_override={quote(endpoint, safe='')}&region=us-east-1"
