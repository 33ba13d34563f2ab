"""What a generated file says of itself, for a person and for a program; all of it hearsay."""

from __future__ import annotations

from typing import Any

from attribution.credentials import Credentials, CredentialState
from attribution.prompts import Origin
from attribution.report.facts import Fact, Words, to_words

_LIMIT = 200


def describe_origin(origin: Origin) -> tuple[Fact, ...]:
    """The facts that a file states, in reading order; the silent ones are left out.

    Credentials are the exception: that a file has none is worth a line.
    """
    facts = [
        Fact("Not to be shown", to_words(origin.negative_prompt, 1000)),
        Fact("Generator", to_words(origin.generator, _LIMIT)),
        Fact("Job", to_words(origin.job_id, _LIMIT)),
        Fact("Kind of source", to_words(_last(origin.digital_source_type), _LIMIT)),
        Fact("Said in", to_words(", ".join(claim.where for claim in origin.claims), 600)),
    ]
    signed = Fact("Content Credentials", _credentials(origin.credentials), "none in the file")
    return (*(fact for fact in facts if fact.words), signed)


def origin_record(origin: Origin) -> dict[str, Any]:
    """The same for JSON; keys are always all there, and the unknown is null."""
    found = origin.credentials
    return {
        "prompt": origin.prompt,
        "negative_prompt": origin.negative_prompt,
        "generator": origin.generator,
        "job_id": origin.job_id,
        "digital_source_type": origin.digital_source_type,
        "claims": [{"where": one.where, "facts": list(one.facts)} for one in origin.claims],
        "credentials": found
        and {
            "state": found.state.value,
            "signer": found.signer,
            "generator": found.generator,
            "actions": list(found.actions),
            "digital_source_type": found.digital_source_type,
            "signed_at": found.signed_at,
            "reason": found.reason,
        },
    }


def _credentials(found: Credentials | None) -> Words | None:
    if found is None:
        return None
    told = [found.state.value]
    if found.state in {CredentialState.VALID, CredentialState.UNTRUSTED}:
        told.append(f"signed by “{found.signer or 'nobody named'}”")
        if found.generator:
            told.append(f"made with “{found.generator}”")
        if found.signed_at:
            told.append(f"on {found.signed_at}")
        told.extend(found.actions)
    return to_words("; ".join([*told, *([found.reason] if found.reason else [])]), 600)


def _last(address: str | None) -> str | None:
    return address.rpartition("/")[2] if address else None
