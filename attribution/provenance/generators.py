"""The grammars of generators' metadata: one small parser a tool, all pure.

Every tool writes its prompt in its own way, and several ways are written by several tools, so a
text is tried by its name and its shape. A caption is no prompt: a text that no grammar knows says
nothing. Follows what Midjourney's website, Stable Diffusion web UI, ComfyUI, InvokeAI, NovelAI,
Fooocus, SwarmUI, Draw Things and IPTC's fields for generated pictures (2025.1) write. Omits
Easy Diffusion's separate fields but for the prompt, and every setting that is no word.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from attribution.provenance.comfyui import as_graph, read_graph
from attribution.provenance.file_texts import FileText

MIDJOURNEY = "Midjourney"
WEB_UI = "Stable Diffusion web UI (Automatic1111)"
FORGE = "Stable Diffusion WebUI Forge"
COMFYUI = "ComfyUI"
INVOKEAI = "InvokeAI"
NOVELAI = "NovelAI"
FOOOCUS = "Fooocus"
SWARMUI = "SwarmUI"
DRAW_THINGS = "Draw Things"
EASY_DIFFUSION = "Easy Diffusion"
_JOB = "Job ID:"
_GOOGLE = "made with google ai"
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_SOURCE_TYPE = re.compile(
    r"https?://(?:cv\.iptc\.org/newscodes|c2pa\.org)/digitalsourcetype/[A-Za-z]{3,60}"
)
_SETTINGS = re.compile(r"Steps: *\d+(?:,|$)")
_NEGATIVE = "Negative prompt:"
_DREAM = re.compile(r'"(?P<prompt>(?:[^"\\]|\\.)*)"[ \t]+-')
_BRACKETED = re.compile(r"\[([^\]]*)\]")
_MAKERS = (
    ("midjourney", MIDJOURNEY),
    ("novelai", NOVELAI),
    ("invokeai", INVOKEAI),
    ("comfyui", COMFYUI),
    ("fooocus", FOOOCUS),
    ("draw things", DRAW_THINGS),
    ("easy diffusion", EASY_DIFFUSION),
    ("automatic1111", WEB_UI),
    ("firefly", "Adobe Firefly"),
    ("dall-e", "DALL·E"),
    ("dall·e", "DALL·E"),
    ("chatgpt", "OpenAI"),
    ("gpt-4o", "OpenAI"),
    ("gpt-image", "OpenAI"),
    ("openai", "OpenAI"),
    ("bing image creator", "Bing Image Creator"),
    ("microsoft designer", "Microsoft Designer"),
    ("made with google ai", "Google AI"),
    ("google generative ai", "Google AI"),
    ("stability ai", "Stability AI"),
    ("leonardo.ai", "Leonardo.Ai"),
    ("ideogram", "Ideogram"),
)
"""What a program's own name holds, in lower case, and the name that it is told by."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileClaims:
    """What one text says; each part None where it is silent."""

    prompt: str | None = None
    negative_prompt: str | None = None
    generator: str | None = None
    job_id: str | None = None
    digital_source_type: str | None = None


def read_text(text: FileText) -> FileClaims | None:
    """What a file's text says of how the picture was made; None where no grammar knows it."""
    name = text.name.lower()
    plain = text.text.replace("\0", "").strip()
    parsed = _parse_json(plain)
    if parsed is not None:
        return _read_json(name, parsed)
    named = _NAMED.get(name)
    if named is not None:
        return named(plain)
    return _midjourney(plain) or _web_ui(name, plain)


def name_maker(program: str | None) -> str | None:
    """The generator that a program's name stands for; None if it is no known generator."""
    lower = (program or "")[:1000].lower().replace("_", " ").replace("dall.e", "dall·e")
    return next((maker for part, maker in _MAKERS if part in lower), None)


def find_job_id(text: str) -> str | None:
    """A Midjourney job's id, in lower case."""
    found = _UUID.search(text)
    return found[0].lower() if found else None


def source_type(address: str | None) -> str | None:
    """An address if it is one of IPTC's or C2PA's digital source types."""
    return address if address and _SOURCE_TYPE.fullmatch(address) else None


def _midjourney(text: str) -> FileClaims | None:
    prompt, mark, job = text.rpartition(_JOB)
    job_id = find_job_id(job[:100]) if mark else None
    if job_id is None:
        return None
    return FileClaims(prompt=prompt.strip() or None, generator=MIDJOURNEY, job_id=job_id)


def _web_ui(name: str, text: str) -> FileClaims | None:
    """The web UI's block: the prompt's lines, those behind `Negative prompt:`, one of settings."""
    lines = text.splitlines()
    last = next((n for n in range(len(lines) - 1, -1, -1) if _SETTINGS.match(lines[n].strip())), -1)
    if last < 0 and name != "parameters":
        return None
    settings = lines[last] if last >= 0 else ""
    words = lines[:last] if last >= 0 else lines
    at = next((n for n, line in enumerate(words) if line.lstrip().startswith(_NEGATIVE)), None)
    positive, negative = (
        words if at is None else words[:at],
        ""
        if at is None
        else "\n".join([words[at].lstrip().removeprefix(_NEGATIVE), *words[at + 1 :]]),
    )
    return FileClaims(
        prompt="\n".join(positive).strip() or None,
        negative_prompt=negative.strip() or None,
        generator=_web_ui_version(settings),
    )


def _web_ui_version(settings: str) -> str:
    """Which of the programs that write this block wrote it, by its `Version:`."""
    version = settings.partition("Version: ")[2].partition(",")[0].strip()
    if re.match(r"f\d", version):
        return FORGE
    return name_maker(version) or WEB_UI


def _dream(text: str) -> FileClaims | None:
    found = _DREAM.match(text)
    return _with_brackets(found["prompt"], INVOKEAI) if found else None


def _maker_alone(text: str) -> FileClaims | None:
    maker = name_maker(text)
    return FileClaims(generator=maker) if maker else None


_NAMED: Mapping[str, Callable[[str], FileClaims | None]] = {
    "prompt": lambda text: None if text.startswith(('{"', "[")) else FileClaims(prompt=text),
    "negative_prompt": lambda _: None,
    "workflow": lambda _: None,
    "dream": _dream,
    "software": _maker_alone,
    "creatortool": _maker_alone,
    "credit": lambda text: _maker_alone(text) if text.casefold() == _GOOGLE else None,
    "aisystemused": lambda text: FileClaims(generator=name_maker(text) or text[:200]),
    "aipromptinformation": lambda text: FileClaims(prompt=text),
    "digimageguid": lambda text: FileClaims(job_id=find_job_id(text[:200])),
    "digitalsourcetype": lambda text: FileClaims(digital_source_type=source_type(text)),
}
"""Texts whose name alone says what they are."""


def _parse_json(text: str) -> dict[str, Any] | None:
    if not text.startswith("{"):
        return None
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _read_json(name: str, value: dict[str, Any]) -> FileClaims | None:
    if name == "workflow":
        return FileClaims(generator=COMFYUI) if isinstance(value.get("nodes"), list) else None
    graph = as_graph(value)
    if graph is not None:
        words = read_graph(graph)
        return FileClaims(prompt=words.positive, negative_prompt=words.negative, generator=COMFYUI)
    for read in (_wrapped_novelai, _invokeai, _novelai, _swarmui, _draw_things, _fooocus):
        said = read(name, value)
        if said is not None:
            return said
    return None


def _wrapped_novelai(name: str, value: dict[str, Any]) -> FileClaims | None:
    """NovelAI's WebP and JPEG keep all texts of the PNG in one, the comment as JSON inside it."""
    comment, software = value.get("Comment"), value.get("Software")
    if not (isinstance(comment, str) and software == NOVELAI):
        return None
    inner = _parse_json(comment)
    return _novelai(name, inner) if inner else FileClaims(prompt=_text(value.get("Description")))


def _novelai(_name: str, value: dict[str, Any]) -> FileClaims | None:
    if not value.keys() & {"uc", "v4_prompt"} or "c" in value:
        return None
    prompt, negative = _text(value.get("prompt")), _text(value.get("uc"))
    return FileClaims(
        prompt=_novelai_caption(value.get("v4_prompt")) or prompt,
        negative_prompt=_novelai_caption(value.get("v4_negative_prompt")) or negative,
        generator=NOVELAI,
    )


def _novelai_caption(value: Any) -> str | None:
    """From version 4: a caption of the whole, then one of each character."""
    match value:
        case {"caption": {"base_caption": str() as base, **rest}}:
            people = rest.get("char_captions")
            told = (
                [base, *(_char_caption(one) for one in (people or [])[:20])]
                if isinstance(people, list)
                else [base]
            )
            return ", ".join(filter(None, (one.strip() for one in told))) or None
    return None


def _char_caption(value: Any) -> str:
    return _text(value.get("char_caption")) or "" if isinstance(value, dict) else ""


def _invokeai(name: str, value: dict[str, Any]) -> FileClaims | None:
    """Its third format names both prompts; its second keeps one in `image`, negatives bracketed."""
    if "positive_prompt" in value and (name == "invokeai_metadata" or "app_version" in value):
        return FileClaims(
            prompt=_text(value["positive_prompt"]),
            negative_prompt=_text(value.get("negative_prompt")),
            generator=INVOKEAI,
        )
    if name != "sd-metadata":
        return None
    match value.get("image"):
        case {"prompt": [{"prompt": str() as prompt}, *_]} | {"prompt": str() as prompt}:
            return _with_brackets(prompt, INVOKEAI)
    return None


def _with_brackets(prompt: str, generator: str) -> FileClaims:
    negative = ", ".join(_BRACKETED.findall(prompt))
    return FileClaims(
        prompt=" ".join(_BRACKETED.sub(" ", prompt).split()) or None,
        negative_prompt=negative.strip() or None,
        generator=generator,
    )


def _swarmui(_name: str, value: dict[str, Any]) -> FileClaims | None:
    told = value.get("sui_image_params")
    if not isinstance(told, dict):
        return None
    return FileClaims(
        prompt=_text(told.get("prompt")),
        negative_prompt=_text(told.get("negativeprompt")),
        generator=SWARMUI,
    )


def _draw_things(_name: str, value: dict[str, Any]) -> FileClaims | None:
    if not isinstance(value.get("c"), str) or "sampler" not in value:
        return None
    return FileClaims(
        prompt=_text(value["c"]), negative_prompt=_text(value.get("uc")), generator=DRAW_THINGS
    )


def _fooocus(name: str, value: dict[str, Any]) -> FileClaims | None:
    """Fooocus; and any other tool that calls both prompts by their plain names."""
    if not isinstance(value.get("prompt"), str) or "negative_prompt" not in value:
        return None
    maker = FOOOCUS if str(value.get("version")).startswith(FOOOCUS) else None
    maker = maker or (FOOOCUS if name == "parameters" and "metadata_scheme" in value else None)
    return FileClaims(
        prompt=_text(value["prompt"]),
        negative_prompt=_text(value["negative_prompt"]),
        generator=maker,
    )


def _text(value: Any) -> str | None:
    return (value.strip() or None) if isinstance(value, str) else None
