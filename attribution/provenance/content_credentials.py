"""Content Credentials (C2PA): who signed a file, with what, and whether the signature holds.

The `c2pa` library checks signatures and hashes. Nothing is fetched: neither manifests that a file
only links to, nor lists of revoked certificates. A signature that holds says who holds the key;
that its name is true is vouched for only where the caller gives certificates to trust. Of a
manifest that does not hold nothing is told but that, and why.
"""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from harvester.errors import reason_of
from harvester.sanitize import clean

_log = logging.getLogger(__name__)
_MARKS = (b"jumb", b"c2pa", b"caBX", b"C2PA", b"provenance")
"""One of these stands in every file with credentials, or with a link to some."""
_UNTRUSTED = "signingCredential.untrusted"
_MAX_ACTIONS = 32
_MAX_PARENTS = 16
_MAX_NAME = 200
_REASONS = (
    (("assertion.dataHash", "assertion.bmffHash", "assertion.boxesHash"),
     "the file was changed after it was signed"),
    (("claimSignature",), "the signature does not fit what was signed"),
    (("signingCredential.expired", "claimSignature.outsideValidity"),
     "the signer's certificate had expired"),
    (("signingCredential.revoked", "signingCredential.ocsp.revoked"),
     "the signer's certificate was revoked"),
    (("signingCredential",), "the signer's certificate may not sign credentials"),
    (("assertion.hashedURI", "assertion.missing", "ingredient.hashedURI", "ingredient.manifest"),
     "a statement in them was changed after signing"),
)  # fmt: skip
"""What the failures whose code begins so mean, for a person; the first that fits is said."""


class CredentialState(StrEnum):
    """How far Content Credentials can be relied on."""

    VALID = "valid"  # whole, by a signer that the given certificates vouch for
    UNTRUSTED = "untrusted"  # whole, by a signer whom nobody vouches for
    INVALID = "invalid"  # broken, changed, or no credentials at all behind their mark
    ELSEWHERE = "not in the file"  # only linked to, and not fetched


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """What a file's Content Credentials say; only the reason where they are invalid.

    Attributes:
        signer: the organisation in the signing certificate.
        generator: the program that made the picture, by its own name.
        actions: what was done, newest manifest first (`c2pa.created`, `c2pa.converted`, …).
        digital_source_type: an address out of IPTC's or C2PA's list.
        signed_at: as in a time stamp, ISO 8601; None without one.
        reason: why the state is what it is, in words.
    """

    state: CredentialState
    signer: str | None = None
    generator: str | None = None
    actions: tuple[str, ...] = ()
    digital_source_type: str | None = None
    signed_at: str | None = None
    reason: str | None = None


def read_credentials(body: bytes, *, trust_anchors: str | None = None) -> Credentials | None:
    """The Content Credentials of a picture file; None if it has none. Never raises.

    Args:
        body: the file, byte for byte as it was found: saved again, credentials break or vanish.
        trust_anchors: certificates, as PEM text, that vouch for signers; without them no signer
            is more than `UNTRUSTED`.
    """
    if not any(mark in body for mark in _MARKS):
        return None
    # Here, because 23 MB of library are not loaded for the many files without credentials.
    import c2pa  # noqa: PLC0415

    try:
        report = _verify(body, trust_anchors)
    except c2pa.C2paError.ManifestNotFound:
        return None
    except c2pa.C2paError.NotSupported:
        return None
    except Exception as exc:  # noqa: BLE001  # a broken manifest can break a library anywhere
        reason = reason_of(exc)
        _log.debug("content credentials not read: %s", reason)
        if reason.startswith("Remote"):
            linked = "the file only links to them, and nothing is fetched"
            return Credentials(state=CredentialState.ELSEWHERE, reason=linked)
        return _invalid(f"they cannot be read ({clean(reason)})")
    return _describe(report)


def _verify(body: bytes, trust_anchors: str | None) -> dict[str, Any]:
    import c2pa  # noqa: PLC0415  # as in `read_credentials`

    settings: dict[str, Any] = {
        "verify": {"remote_manifest_fetch": False, "ocsp_fetch": False, "verify_trust": True},
        "core": {"allowed_network_hosts": []},
    }
    if trust_anchors:
        settings["trust"] = {"trust_anchors": trust_anchors}
    with (
        c2pa.Context.from_dict(settings) as context,
        c2pa.Reader(None, io.BytesIO(body), context=context) as reader,
    ):
        report: dict[str, Any] = json.loads(reader.json())
        return report


def _describe(report: Mapping[str, Any]) -> Credentials:
    state = {"Trusted": CredentialState.VALID, "Valid": CredentialState.UNTRUSTED}.get(
        str(report.get("validation_state"))
    )
    line = list(_lineage(report, vouched=state is CredentialState.VALID))
    if state is None or not line:
        return _invalid(_why(report))
    signature = _mapping(line[0].get("signature_info"))
    actions = [action for manifest in line for action in _actions(manifest)][:_MAX_ACTIONS]
    vouched = state is CredentialState.VALID
    return Credentials(
        state=state,
        signer=_name(signature.get("issuer")) or _name(signature.get("common_name")),
        generator=_generator(line, actions),
        actions=tuple(filter(None, (_name(action.get("action")) for action in actions))),
        digital_source_type=next(
            filter(None, (_name(action.get("digitalSourceType")) for action in actions)), None
        ),
        signed_at=_name(signature.get("time")),
        reason=None if vouched else "the signature holds, but nobody vouches for the signer's name",
    )


def _lineage(report: Mapping[str, Any], *, vouched: bool) -> Iterator[Mapping[str, Any]]:
    """The newest manifest, then the one of the file that it was made from, and so on.

    The state is the newest manifest's alone: an honest editor also signs over a file whose own
    credentials are broken or made up. So an older one is heard only where it held as well.
    """
    manifests = _mapping(report.get("manifests"))
    deltas = _mappings(_mapping(report.get("validation_results")).get("ingredientDeltas"))
    broken = any(_failures(_mapping(delta.get("validationDeltas"))) for delta in deltas)
    label = report.get("active_manifest")
    seen: set[str] = set()
    while isinstance(label, str) and label not in seen and len(seen) < _MAX_PARENTS:
        seen.add(label)
        manifest = _mapping(manifests.get(label))
        if not manifest:
            return
        yield manifest
        parent = next(
            (
                ingredient
                for ingredient in _mappings(manifest.get("ingredients"))
                if ingredient.get("relationship") == "parentOf"
            ),
            None,
        )
        if broken or parent is None or not _held(parent, vouched=vouched):
            return
        label = parent.get("active_manifest")


def _held(ingredient: Mapping[str, Any], *, vouched: bool) -> bool:
    """Whether a file's credentials held when the next were made over it."""
    results = _mapping(_mapping(ingredient.get("validation_results")).get("activeManifest"))
    former = [str(status.get("code")) for status in _mappings(ingredient.get("validation_status"))]
    if vouched and (_UNTRUSTED in former or _UNTRUSTED in _codes(results)):
        return False
    return not _failures(results) and not [code for code in former if code != _UNTRUSTED]


def _codes(results: Mapping[str, Any]) -> list[str]:
    return [str(status.get("code")) for status in _mappings(results.get("failure"))]


def _failures(results: Mapping[str, Any]) -> list[str]:
    """Codes of what did not hold; a signer whom nobody vouches for is no such thing."""
    return [code for code in _codes(results) if code != _UNTRUSTED]


def _actions(manifest: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for assertion in _mappings(manifest.get("assertions")):
        if str(assertion.get("label")).startswith("c2pa.actions"):
            yield from _mappings(_mapping(assertion.get("data")).get("actions"))


def _generator(line: list[Mapping[str, Any]], actions: list[Mapping[str, Any]]) -> str | None:
    """Who created the pixels, if an action says so; else the program that wrote the oldest claim.

    The newest claim may be an editor's; the oldest in the line is nearest to the making.
    """
    for action in reversed(actions):
        agent = action.get("softwareAgent")
        named = _name(agent.get("name") if isinstance(agent, dict) else agent)
        if action.get("action") == "c2pa.created" and named:
            return named
    for manifest in reversed(line):
        infos = _mappings(manifest.get("claim_generator_info"))
        named = next(filter(None, (_name(info.get("name")) for info in infos)), None)
        named = named or _name(manifest.get("claim_generator"))
        if named:
            return named
    return None


def _why(report: Mapping[str, Any]) -> str:
    codes = [str(status.get("code")) for status in _mappings(report.get("validation_status"))]
    failures = [code for code in codes if code != _UNTRUSTED]
    for starts, reason in _REASONS:
        if any(code.startswith(starts) for code in failures):
            return reason
    return f"they do not hold ({clean(failures[0])[:_MAX_NAME]})" if failures else "they are empty"


def _invalid(reason: str) -> Credentials:
    return Credentials(state=CredentialState.INVALID, reason=reason)


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _mappings(value: Any) -> Iterator[Mapping[str, Any]]:
    return (one for one in (value if isinstance(value, list) else ()) if isinstance(one, dict))


def _name(value: Any) -> str | None:
    return (clean(value[: 4 * _MAX_NAME])[:_MAX_NAME] or None) if isinstance(value, str) else None
