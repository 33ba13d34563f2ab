"""ComfyUI's graphs: the words that are wired to the sampler, and no others."""

from __future__ import annotations

import json

import pytest

from attribution.provenance.origin import read_origin
from tests.support.generated_files import GRAPH, WEB_UI, exif, graph_of, picture, png, read_graph
from tests.support.patience import cpu_seconds


def test_comfyui_words_are_those_wired_to_the_sampler():
    origin = read_graph(GRAPH)
    assert (origin.prompt, origin.negative_prompt) == ("a red barn", "watermark")
    assert origin.generator == "ComfyUI"


def test_comfyui_walks_through_boxes_between():
    graph = graph_of(
        n6={"class_type": "Words", "inputs": {"text": ["10", 0], "clip": ["4", 1]}},
        n10={"class_type": "StringConcatenate", "inputs": {"string_a": "a", "string_b": ["11", 0]}},
        n11={"class_type": "PrimitiveString", "inputs": {"value": "barn"}},
        n12={
            "class_type": "ControlNetApplyAdvanced",
            "inputs": {"positive": ["6", 0], "negative": ["7", 0], "strength": 1.0},
        },
    )
    graph["3"]["inputs"].update(positive=["12", 0], negative=["12", 1])
    origin = read_graph(graph)
    assert (origin.prompt, origin.negative_prompt) == ("a, barn", "watermark")


def test_comfyui_guiders_silenced_negatives_and_double_encoders():
    graph = {
        "1": {"class_type": "SamplerCustomAdvanced", "inputs": {"guider": ["2", 0]}},
        "2": {"class_type": "BasicGuider", "inputs": {"conditioning": ["3", 0]}},
        "3": {"class_type": "Flux", "inputs": {"clip_l": "a barn", "t5xxl": "a barn, at dusk"}},
    }
    assert read_graph(graph).prompt == "a barn, a barn, at dusk"
    silenced = graph_of(n7={"class_type": "ConditioningZeroOut", "inputs": {"c": ["6", 0]}})
    assert read_graph(silenced).negative_prompt is None
    together = {"1": {"class_type": "Draw", "inputs": {"positive": "a barn", "negative": "b"}}}
    assert (read_graph(together).prompt, read_graph(together).negative_prompt) == ("a barn", "b")


def test_comfyui_in_webp_stands_in_tags_of_the_camera():
    tags = {0x0110: "prompt:" + json.dumps(GRAPH), 0x010F: 'workflow:{"nodes": []}'}
    assert read_origin(picture("WEBP", exif=exif(tags))).prompt == "a red barn"


def test_a_graph_without_words_leaves_the_prompt_to_the_other_text():
    graph = graph_of(n6={"class_type": "Unknown", "inputs": {"seed": 3}})
    origin = read_origin(png(("prompt", json.dumps(graph)), ("parameters", WEB_UI)))
    assert (origin.prompt or "").startswith("a lighthouse")


@pytest.mark.parametrize(
    "graph",
    [
        graph_of(n6={"class_type": "Loop", "inputs": {"text": ["6", 0], "conditioning": ["3", 0]}}),
        graph_of(n3={"class_type": "KSampler", "inputs": {"positive": ["99", 0]}}),
        graph_of(n3={"class_type": "KSampler", "inputs": {"positive": [["6", 0], 0]}}),
        graph_of(n3={"class_type": "KSampler", "inputs": []}),
        {str(n): {"class_type": "S", "inputs": {"positive": [n + 1, 0]}} for n in range(20_000)},
    ],
    ids=["ring", "missing box", "nested list", "no inputs", "a long chain"],
)
def test_graphs_that_lead_nowhere_give_no_words(graph):
    with cpu_seconds(2):
        assert read_graph(graph).prompt is None
