"""Content Credentials, signed for real by a certificate made here and read by the real library."""

from __future__ import annotations

import datetime as dt
import io
import json
import random
import socket
import time
from dataclasses import dataclass
from functools import cache

import c2pa
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from PIL import Image, PngImagePlugin

from attribution.provenance.content_credentials import (
    Credentials,
    CredentialState,
    read_credentials,
)
from attribution.provenance.origin import Claim, read_origin

GENERATED = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
CREATED = {
    "action": "c2pa.created",
    "softwareAgent": {"name": "GPT-4o"},
    "digitalSourceType": GENERATED,
}
KINDS = {
    "PNG": "image/png",
    "JPEG": "image/jpeg",
    "WEBP": "image/webp",
    "AVIF": "image/avif",
    "TIFF": "image/tiff",
    "GIF": "image/gif",
}


@dataclass(frozen=True)
class Authority:
    """A certificate authority of this test, and a key that it vouches for.

    Attributes:
        root: its own certificate, PEM.
    """

    root: str
    chain: bytes
    key: bytes

    def sign(self, body: bytes, mime: str = "image/png", *told: dict) -> bytes:
        """A file made by `told`, or by GPT-4o."""
        builder = c2pa.Builder(claim(*(told or (CREATED,))), context=offline())
        return self.finish(builder, body, mime)

    def edit(self, body: bytes) -> bytes:
        """A PNG opened and saved by an editor that keeps what the file said before."""
        told = {"claim_generator_info": [{"name": "Some Editor"}]}
        builder = c2pa.Builder(told, context=offline())
        builder.set_intent(c2pa.C2paBuilderIntent.EDIT)
        return self.finish(builder, body, "image/png")

    def link(self, body: bytes, address: str) -> bytes:
        """A JPEG that only links to its manifest."""
        builder = c2pa.Builder(claim(CREATED), context=offline())
        builder.set_remote_url(address)
        builder.set_no_embed()
        return self.finish(builder, body, "image/jpeg")

    def finish(self, builder: c2pa.Builder, body: bytes, mime: str) -> bytes:
        info = c2pa.C2paSignerInfo(b"es256", self.chain, self.key, None)
        out = io.BytesIO()
        builder.sign(c2pa.Signer.from_info(info), mime, io.BytesIO(body), out)
        return out.getvalue()


def offline() -> c2pa.Context:
    settings = {
        "verify": {"verify_after_sign": False, "remote_manifest_fetch": False},
        "builder": {"thumbnail": {"enabled": False}},
    }
    return c2pa.Context.from_dict(settings)


def claim(*actions: dict) -> dict:
    return {
        "claim_generator_info": [{"name": "ChatGPT", "version": "1"}],
        "assertions": [{"label": "c2pa.actions", "data": {"actions": list(actions)}}],
    }


def certificate(subject, issuer, key, issuer_key, *, is_root, until) -> x509.Certificate:
    usage = dict.fromkeys(
        "content_commitment key_encipherment data_encipherment key_agreement encipher_only "
        "decipher_only".split(),
        False,
    )
    usage |= {"digital_signature": not is_root, "key_cert_sign": is_root, "crl_sign": is_root}
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(until - dt.timedelta(days=30))
        .not_valid_after(until)
        .add_extension(x509.BasicConstraints(ca=is_root, path_length=None), critical=True)
        .add_extension(x509.KeyUsage(**usage), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    if not is_root:
        issued_by = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key())
        purpose = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION])
        builder = builder.add_extension(issued_by, critical=False)
        builder = builder.add_extension(purpose, critical=False)
    return builder.sign(issuer_key, hashes.SHA256())


def name(organisation: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, organisation),
            x509.NameAttribute(NameOID.COMMON_NAME, f"{organisation} signing"),
        ]
    )


def found_authority(organisation: str, *, seconds: int = 20 * 86_400) -> Authority:
    root_key, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    until = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=seconds)
    above, own = name("Test Trust"), name(organisation)
    root = certificate(above, above, root_key, root_key, is_root=True, until=until)
    leaf = certificate(own, above, key, root_key, is_root=False, until=until)
    pem = [one.public_bytes(serialization.Encoding.PEM) for one in (leaf, root)]
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return Authority(pem[1].decode(), b"".join(pem), private)


@pytest.fixture(scope="module")
def maker() -> Authority:
    return found_authority("Example Generator Inc")


@cache
def picture(kind: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    gradient = Image.linear_gradient("L").resize((64, 64)).convert("RGB")
    gradient.save(buffer, kind)
    return buffer.getvalue()


def change(body: bytes, mark: bytes, ahead: int) -> bytes:
    at = body.index(mark) + ahead
    return body[:at] + bytes([body[at] ^ 1]) + body[at + 1 :]


@pytest.mark.parametrize("kind", KINDS)
def test_whole_credentials_by_an_unknown_signer(maker, kind):
    signed = maker.sign(picture(kind), KINDS[kind])
    assert read_credentials(signed) == Credentials(
        state=CredentialState.UNTRUSTED,
        signer="Example Generator Inc",
        generator="GPT-4o",
        actions=("c2pa.created",),
        digital_source_type=GENERATED,
        reason="the signature holds, but nobody vouches for the signer's name",
    )


def test_whole_credentials_by_a_signer_that_the_given_certificates_vouch_for(maker):
    found = read_credentials(maker.sign(picture()), trust_anchors=maker.root)
    assert (found.state, found.signer) == (CredentialState.VALID, "Example Generator Inc")
    assert found.reason is None


def test_certificates_of_another_authority_vouch_for_nobody(maker):
    other = found_authority("Somebody Else")
    found = read_credentials(maker.sign(picture()), trust_anchors=other.root)
    assert found.state is CredentialState.UNTRUSTED


def test_changed_pixels_are_invalid_and_nothing_else_is_told(maker):
    changed = change(maker.sign(picture()), b"IDAT", 20)
    expected = Credentials(
        state=CredentialState.INVALID, reason="the file was changed after it was signed"
    )
    assert read_credentials(changed, trust_anchors=maker.root) == expected


@pytest.mark.parametrize(
    ("mark", "ahead"), [(b"GPT-4o", 1), (b"ChatGPT", 2), (b"Example Generator", 3)]
)
def test_changed_statements_are_invalid(maker, mark, ahead):
    found = read_credentials(change(maker.sign(picture()), mark, ahead))
    assert found.state is CredentialState.INVALID
    assert found.reason
    assert (found.signer, found.generator, found.actions) == (None, None, ())


@pytest.mark.parametrize("lost", [1, 200, 2000])
def test_a_truncated_manifest_is_invalid(maker, lost):
    signed = maker.sign(picture())
    at = signed.index(b"caBX") - 4
    size = int.from_bytes(signed[at : at + 4], "big")
    kept = signed[at + 4 : at + 8 + size - lost] + bytes(4)
    cut = signed[:at] + (size - lost).to_bytes(4, "big") + kept + signed[at + 12 + size :]
    found = read_credentials(cut)
    assert found.state is CredentialState.INVALID
    assert found.signer is None


def test_a_certificate_that_expired_without_a_time_stamp_is_invalid():
    brief = found_authority("Example Generator Inc", seconds=1)
    signed = brief.sign(picture())
    time.sleep(2.1)  # valid to the end of its last second
    found = read_credentials(signed, trust_anchors=brief.root)
    assert (found.state, found.signer) == (CredentialState.INVALID, None)
    assert found.reason == "the signer's certificate had expired"


def test_no_credentials_at_all():
    assert read_credentials(picture()) is None
    assert read_credentials(b"") is None
    assert read_credentials(b"the word c2pa alone") is None
    info = PngImagePlugin.PngInfo()
    info.add_text("parameters", "a poster about c2pa")
    buffer = io.BytesIO()
    Image.new("RGB", (4, 4)).save(buffer, "PNG", pnginfo=info)
    assert read_credentials(buffer.getvalue()) is None


def test_manifests_elsewhere_are_not_fetched(maker):
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.3)
        address = f"http://127.0.0.1:{server.getsockname()[1]}/manifest.c2pa"
        found = read_credentials(maker.link(picture("JPEG"), address))
        with pytest.raises(TimeoutError):
            server.accept()
    assert found.state is CredentialState.ELSEWHERE
    assert found.signer is None


def test_the_making_is_found_behind_a_later_edit(maker):
    found = read_credentials(maker.edit(maker.sign(picture())))
    assert found.state is CredentialState.UNTRUSTED
    assert (found.generator, found.digital_source_type) == ("GPT-4o", GENERATED)
    assert found.actions == ("c2pa.opened", "c2pa.created")


def test_a_trusted_editor_lends_no_trust_to_what_was_opened(maker):
    stranger = found_authority("Somebody Else")
    edited = maker.edit(stranger.sign(picture()))
    found = read_credentials(edited, trust_anchors=maker.root)
    assert (found.state, found.generator) == (CredentialState.VALID, "Some Editor")
    assert found.digital_source_type is None


def test_broken_credentials_of_what_was_opened_are_not_heard(maker):
    edited = maker.edit(change(maker.sign(picture()), b"IDAT", 20))
    found = read_credentials(edited)
    assert (found.generator, found.actions) == ("Some Editor", ("c2pa.opened",))


def test_the_origin_names_the_generator_and_where_it_is_said(maker):
    origin = read_origin(maker.sign(picture()))
    assert (origin.generator, origin.digital_source_type) == ("OpenAI", GENERATED)
    assert origin.prompt is None
    assert origin.claims == (Claim("Content Credentials", ("generator", "digital_source_type")),)
    assert origin.credentials.signer == "Example Generator Inc"


def test_broken_credentials_lend_the_origin_nothing(maker):
    origin = read_origin(change(maker.sign(picture()), b"IDAT", 20))
    assert (origin.generator, origin.digital_source_type) == (None, None)
    assert origin.claims == (Claim("Content Credentials", ()),)


@pytest.mark.parametrize(("vouched", "generator"), [(True, "OpenAI"), (False, "NovelAI")])
def test_only_a_trusted_signature_outweighs_a_text(maker, vouched, generator):
    info = PngImagePlugin.PngInfo()
    info.add_text("Comment", json.dumps({"prompt": "a cat", "uc": ""}))
    buffer = io.BytesIO()
    Image.new("RGB", (32, 32)).save(buffer, "PNG", pnginfo=info)
    signed = maker.sign(buffer.getvalue())
    origin = read_origin(signed, trust_anchors=maker.root if vouched else None)
    assert (origin.generator, origin.prompt) == (generator, "a cat")


def test_names_out_of_a_manifest_are_one_safe_line(maker):
    nasty = "Evil\x1b[2J\u202e\nGenerator" + "x" * 5000
    told = CREATED | {"softwareAgent": {"name": nasty}}
    found = read_credentials(maker.sign(picture(), "image/png", told))
    assert found.generator.startswith("Evil Generatorxxx")
    assert len(found.generator) == 200


def test_a_statement_against_the_rules_is_invalid_and_says_which(maker):
    found = read_credentials(maker.sign(picture(), "image/png", {"action": "c2pa.edited"}))
    assert found.state is CredentialState.INVALID
    assert found.reason == "they do not hold (assertion.action.malformed)"


def test_damage_never_raises_and_never_changes_what_a_valid_signature_says(maker):
    chance = random.Random(0)
    signed = maker.sign(picture())
    whole = read_credentials(signed, trust_anchors=maker.root)
    start = signed.index(b"caBX") + 4
    size = int.from_bytes(signed[start - 8 : start - 4], "big")
    for _ in range(200):
        at = start + chance.randrange(size)
        damaged = signed[:at] + bytes([signed[at] ^ (1 << chance.randrange(8))]) + signed[at + 1 :]
        found = read_credentials(damaged, trust_anchors=maker.root)
        # Some bytes, the padding among them, are not signed: what is said must still be the same.
        assert found in (None, whole) or found.state is CredentialState.INVALID, at
