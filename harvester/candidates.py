"""A finding, what was fetched for it and what that decoded to → the row that is stored."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import UTC, datetime

from harvester.consent import ConsentPolicy, decide, rights_of
from harvester.decoding import Decoded
from harvester.download import Fetched
from harvester.images import PictureError
from harvester.schema import Candidate, FetchStatus, Finding, failed_id

_SHARED = (
    *("query_prompt", "query", "source", "rank", "url", "page_url", "title", "caption"),
    *("creator", "license", "license_url"),
)


def make_candidate(
    finding: Finding,
    got: Fetched,
    policy: ConsentPolicy,
    picture: Decoded | PictureError | None = None,
) -> Candidate:
    """The row of one picture, or of its failure.

    Args:
        finding: where it was found.
        got: the download.
        policy: whether what the file itself says of its use is obeyed.
        picture: what the body decoded to, or why it did not; None where the download failed.
    """
    base = Candidate(
        id=failed_id(finding.url),
        **{name: getattr(finding, name) for name in _SHARED},
        final_url=got.final_url,
        rights=got.rights,
        mime=got.mime,
        etag=got.etag,
        fetched_at=datetime.now(UTC),
        status=got.status,
        error=got.error,
    )
    if picture is None:
        return base
    if isinstance(picture, PictureError):
        # Keyed by its address: two hosts that serve the same error page are two failures.
        return replace(
            base,
            sha256=hashlib.sha256(got.body).hexdigest(),
            bytes=len(got.body),
            status=picture.status,
            error=str(picture),
        )
    signals = (*got.signals, *picture.signals)
    refusal = decide(signals, policy)
    if refusal:
        error = f"expected leave to use it, found {refusal}"
        return replace(base, rights=rights_of(signals), status=FetchStatus.OPTED_OUT, error=error)
    return replace(
        base,
        id=picture.sha256,
        sha256=picture.sha256,
        bytes=len(got.body),
        creator=finding.creator or picture.creator,
        rights=rights_of(signals),
        width=picture.width,
        height=picture.height,
        mime=picture.mime,
        image=picture.jpeg,
        phash=picture.phash,
        dhash=picture.dhash,
        pdq=picture.pdq,
        pdq_quality=picture.pdq_quality,
    )
