"""TLS that a client must refuse: each context is what one misled server would use."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta

import trustme


def expired_context(authority: trustme.CA, *names: str) -> ssl.SSLContext:
    """A certificate of a trusted authority that ran out yesterday."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    now = datetime.now(UTC)
    leaf = authority.issue_cert(
        *names, not_before=now - timedelta(days=30), not_after=now - timedelta(days=1)
    )
    leaf.configure_cert(context)
    return context


def self_signed_context() -> ssl.SSLContext:
    """A certificate that vouches for itself: an authority's own, which nobody trusts."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    stranger = trustme.CA()
    trustme.LeafCert(
        stranger.private_key_pem.bytes(), stranger.cert_pem.bytes(), []
    ).configure_cert(context)
    return context
