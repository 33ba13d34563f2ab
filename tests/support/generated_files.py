"""Pictures with texts in them, written the way generators write them."""

from __future__ import annotations

import io
import json
import struct
import zlib

from PIL import Image, PngImagePlugin

from attribution.provenance.origin import Origin, read_origin

JOB = "a7421d2f-b262-44f9-977c-ac23e9c7d3e3"
GENERATED = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
NOTHING = Origin()
WEB_UI = (
    "a lighthouse, (storm:1.2)\noil on canvas\nNegative prompt: blurry,\nlow quality\n"
    "Steps: 20, Sampler: Euler a, CFG scale: 7, Seed: 1, Size: 512x512, Version: v1.10.1"
)
GRAPH = {
    "3": {
        "class_type": "KSampler",
        "inputs": {
            "seed": 1,
            "model": ["4", 0],
            "positive": ["6", 0],
            "negative": ["7", 0],
            "latent_image": ["5", 0],
        },
    },
    "4": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "a.safetensors"}},
    "5": {"class_type": "EmptyLatentImage", "inputs": {"width": 512}},
    "6": {"class_type": "CLIPTextEncode", "inputs": {"text": "a red barn", "clip": ["4", 1]}},
    "7": {"class_type": "CLIPTextEncode", "inputs": {"text": "watermark", "clip": ["4", 1]}},
}
XMP = """<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about="" xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
 xmlns:dc="http://purl.org/dc/elements/1.1/" {attributes}>{elements}</rdf:Description>
</rdf:RDF></x:xmpmeta><?xpacket end="w"?>"""


def picture(kind: str = "PNG", **options) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (16, 16), (90, 20, 40)).save(buffer, kind, **options)
    return buffer.getvalue()


def png(*texts: tuple[str, str], zipped: bool = False) -> bytes:
    info = PngImagePlugin.PngInfo()
    for name, text in texts:
        info.add_text(name, text, zip=zipped)
    return picture(pnginfo=info)


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png_with(*chunks: bytes) -> bytes:
    """A PNG with more chunks behind its header."""
    body = picture()
    return body[:33] + b"".join(chunks) + body[33:]


def exif(tags: dict[int, object], deep: dict[int, object] | None = None) -> bytes:
    block = Image.Exif()
    for tag, value in tags.items():
        block[tag] = value
    for tag, value in (deep or {}).items():
        block.get_ifd(0x8769)[tag] = value
    return block.tobytes()


def xmp(attributes: str = "", elements: str = "") -> bytes:
    return XMP.format(attributes=attributes, elements=elements).encode()


def graph_of(**changed) -> dict:
    return json.loads(json.dumps(GRAPH)) | {key[1:]: node for key, node in changed.items()}


def read_graph(graph: object) -> Origin:
    return read_origin(png(("prompt", json.dumps(graph))))
