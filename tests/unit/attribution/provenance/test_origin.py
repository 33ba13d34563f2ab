"""What a generated file says of itself, in each tool's own way; a photograph says nothing."""

from __future__ import annotations

import json

import pytest
from PIL import PngImagePlugin

from attribution.provenance.origin import Claim, read_origin
from tests.support.generated_files import (
    GENERATED,
    JOB,
    NOTHING,
    WEB_UI,
    exif,
    picture,
    png,
    xmp,
)


def test_midjourney_png_gives_prompt_job_and_source_type_but_not_the_user():
    info = PngImagePlugin.PngInfo()
    info.add_text("Description", f"a lighthouse --ar 2:1 --stylize 80 --v 6 Job ID: {JOB}")
    info.add_text("Author", "somebody_private")
    packet = xmp(f'Iptc4xmpExt:DigImageGUID="{JOB}" Iptc4xmpExt:DigitalSourceType="{GENERATED}"')
    info.add_itxt("XML:com.adobe.xmp", packet.decode())
    origin = read_origin(picture(pnginfo=info))
    assert origin.prompt == "a lighthouse --ar 2:1 --stylize 80 --v 6"
    assert (origin.generator, origin.job_id) == ("Midjourney", JOB)
    assert origin.digital_source_type == GENERATED
    assert origin.credentials is None
    assert origin.claims == (
        Claim("PNG text Description", ("prompt", "generator", "job_id")),
        Claim("XMP DigImageGUID", ("job_id",)),
        Claim("XMP DigitalSourceType", ("digital_source_type",)),
    )
    assert "somebody" not in repr(origin)


@pytest.mark.parametrize("kind", ["JPEG", "WEBP", "TIFF", "AVIF"])
def test_midjourney_says_the_same_in_exif_of_other_formats(kind):
    text = f"a lighthouse --v 6 Job ID: {JOB}"
    origin = read_origin(picture(kind, exif=exif({0x010E: text})))
    assert (origin.prompt, origin.job_id) == ("a lighthouse --v 6", JOB)
    assert origin.claims[0].where == "EXIF ImageDescription"


@pytest.mark.parametrize("kind", ["JPEG", "WEBP", "TIFF", "AVIF"])
def test_xmp_is_read_in_every_format(kind):
    alt = (
        '<dc:description><rdf:Alt><rdf:li xml:lang="x-default">'
        f"a &lt;b&gt; barn Job ID: {JOB}</rdf:li>"
        '<rdf:li xml:lang="de">eine Scheune</rdf:li></rdf:Alt></dc:description>'
        f'<Iptc4xmpExt:DigitalSourceType rdf:resource="{GENERATED}"/>'
    )
    options = {"tiffinfo": {700: xmp("", alt)}} if kind == "TIFF" else {"xmp": xmp("", alt)}
    origin = read_origin(picture(kind, **options))
    assert (origin.prompt, origin.digital_source_type) == ("a <b> barn", GENERATED)


def test_iptc_fields_of_generated_pictures():
    packet = xmp(
        'Iptc4xmpExt:AISystemUsed="Some New Model"',
        "<Iptc4xmpExt:AIPromptInformation>a barn at dusk</Iptc4xmpExt:AIPromptInformation>",
    )
    origin = read_origin(picture("JPEG", xmp=packet))
    assert (origin.prompt, origin.generator) == ("a barn at dusk", "Some New Model")


def test_the_web_ui_block_has_many_lines():
    origin = read_origin(png(("parameters", WEB_UI)))
    assert origin.prompt == "a lighthouse, (storm:1.2)\noil on canvas"
    assert origin.negative_prompt == "blurry,\nlow quality"
    assert origin.generator == "Stable Diffusion web UI (Automatic1111)"


@pytest.mark.parametrize(
    ("text", "prompt", "negative", "generator"),
    [
        ("a cat\nSteps: 20, Sampler: Euler", "a cat", None, "web UI"),
        ("a cat", "a cat", None, "web UI"),
        ("Negative prompt: b\nSteps: 4, Seed: 1", None, "b", "web UI"),
        ("Steps: 4, Seed: 1", None, None, "web UI"),
        ("a\nSteps: 4, Version: f2.0.1v1.10.1", "a", None, "Forge"),
        ("a\nSteps: 4, Version: ComfyUI", "a", None, "ComfyUI"),
        ("Steps: 1, up the hill\nSteps: 4, Seed: 1", "Steps: 1, up the hill", None, "web UI"),
        ("{masterpiece}, a cat\nSteps: 4, Seed: 1", "{masterpiece}, a cat", None, "web UI"),
    ],
)
def test_variants_of_the_web_ui_block(text, prompt, negative, generator):
    origin = read_origin(png(("parameters", text)))
    assert (origin.prompt, origin.negative_prompt) == (prompt, negative)
    assert generator in origin.generator


NOVELAI = {"prompt": "a cat", "uc": "bad hands", "sampler": "k_euler", "steps": 28}
NOVELAI_4 = {
    "prompt": "a cat",
    "uc": "",
    "v4_prompt": {
        "caption": {"base_caption": "two cats", "char_captions": [{"char_caption": "black cat"}]}
    },
    "v4_negative_prompt": {"caption": {"base_caption": "dog", "char_captions": []}},
}


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("Comment", NOVELAI, ("a cat", "bad hands", "NovelAI")),
        ("Comment", NOVELAI_4, ("two cats, black cat", "dog", "NovelAI")),
        (
            "Comment",
            {"Software": "NovelAI", "Comment": json.dumps(NOVELAI)},
            ("a cat", "bad hands", "NovelAI"),
        ),
        (
            "invokeai_metadata",
            {"positive_prompt": "a dog", "negative_prompt": "", "app_version": "4.2"},
            ("a dog", None, "InvokeAI"),
        ),
        (
            "sd-metadata",
            {"app_id": "invoke-ai/InvokeAI", "image": {"prompt": [{"prompt": "a dog [rain]"}]}},
            ("a dog", "rain", "InvokeAI"),
        ),
        (
            "parameters",
            {"sui_image_params": {"prompt": "a fox", "negativeprompt": "snow"}},
            ("a fox", "snow", "SwarmUI"),
        ),
        (
            "parameters",
            {"prompt": "a hen", "negative_prompt": "", "version": "Fooocus v2.5.5"},
            ("a hen", None, "Fooocus"),
        ),
        (
            "UserComment",
            {"c": "a cow", "uc": "grass", "sampler": "DPM++ 2M", "seed": 1},
            ("a cow", "grass", "Draw Things"),
        ),
        ("Comment", {"prompt": "a pig", "negative_prompt": "mud"}, ("a pig", "mud", None)),
    ],
)
def test_json_of_other_tools(name, value, expected):
    origin = read_origin(png((name, json.dumps(value))))
    assert (origin.prompt, origin.negative_prompt, origin.generator) == expected


def test_the_first_invokeai_and_easy_diffusion():
    assert read_origin(png(("Dream", '"a dog [rain]" -s 50 -S 1'))).negative_prompt == "rain"
    assert read_origin(png(("prompt", "a goat"), ("seed", "4"))).prompt == "a goat"


def test_a_program_s_name_tells_the_generator_where_nothing_else_does():
    assert read_origin(png(("Software", "NovelAI"))).generator == "NovelAI"
    assert read_origin(picture("JPEG", exif=exif({0x0131: "GIMP 2.10"}))) == NOTHING


@pytest.mark.parametrize(
    "tags",
    [
        {0x010E: "My holiday in Rome, Steps to heaven"},
        {0x010F: "Canon", 0x0110: "EOS 5D", 0x013B: "A. Photographer", 0x8298: "(c) somebody"},
    ],
)
def test_a_photograph_s_caption_is_no_prompt(tags):
    assert read_origin(picture("JPEG", exif=exif(tags))) == NOTHING
