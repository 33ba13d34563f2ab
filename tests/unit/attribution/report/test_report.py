"""The report page: all of the evidence, none of a stranger's markup, and nothing from outside."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from html.parser import HTMLParser
from importlib import resources
from itertools import pairwise

import numpy as np
import pytest
from PIL import Image

from attribution.calibration.verdicts import Verdict
from attribution.descriptors.channels import CHANNELS
from attribution.errors import ReportError
from attribution.matching.geometry import Box, Region
from attribution.ranking.query import query_from_bytes
from attribution.ranking.rank import Match, Ranking
from attribution.report.html import (
    Provenance,
    is_report,
    made_now,
    render_report,
    write_report,
)
from harvester.pictures.decode import encode_jpeg
from harvester.pipeline.references import DeclaredReference
from harvester.schema import Candidate, FetchStatus, ReferenceRole
from tests.support.tiny import tiny_method

MADE = Provenance(
    whence_version="0.1.0",
    made_at=datetime(2025, 3, 4, 6, 0, tzinfo=timezone(timedelta(hours=2))),
    candidates=("data/candidates", "s3://b/<more>"),
    method="resnet50-gem@20f463085ca7-224, background scenes@123456789abc",
    background=("scenes & <views>", 1200),
)
REGIONS = (
    Region(Box(0.1, 0.2, 0.5, 0.6), Box(0, 0, 1, 1), 34, "sift", mirrored=False),
    Region(Box(0.5, 0, 1, 0.5), Box(0.25, 0.5, 0.5, 1), 41, "cells", mirrored=True),
)
VOID = {"meta", "img", "link", "br", "hr", "input"}


class Page(HTMLParser):
    """The page as a browser's parser sees it; fails on an element that is not closed in order."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(html)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag, attrs):
        assert len({name for name, _ in attrs}) == len(attrs)
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self._open.pop() == tag

    def handle_data(self, data):
        if self._open[-1:] != ["style"]:
            self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]

    @property
    def links(self) -> list[str]:
        """The addresses that lead off the page."""
        return [a["href"] for a in self.all("a") if not a["href"].startswith("#")]


def noise(seed: int, height: int = 96, width: int = 128) -> np.ndarray:
    """A smooth random picture, structured enough for PDQ."""
    cells = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), np.uint8)
    resized = Image.fromarray(cells).resize((width, height), Image.Resampling.BICUBIC)
    return np.asarray(resized)


def match(name: str = "a", number: int = 1, **given) -> Match:
    channels = {"pdq": 0.52, "resnet50-gem": 0.83, "phash": 0.6, "dhash": 0.5, "bm25": 4.21}
    default = {"score": 0.7, "verdict": Verdict.NO_EVIDENCE, "tile": None, "channels": channels}
    return Match(name, number, **(default | given))


def ranking(*matches: Match, name: str = "gen.png", prompt: str | None = "boats", grid="no"):
    query = query_from_bytes(encode_jpeg(noise(1, 256, 320)), name, prompt, grid=grid)
    rest = 1 - sum(one.share for one in matches)
    return Ranking(query, matches, 1234, Counter(m.verdict for m in matches), rest)


def order(*matches: Match) -> Ranking:
    """As the published ranker's, which gives no verdicts."""
    return replace(ranking(*matches), found=None)


def candidate(name: str = "a", **given) -> Candidate:
    return Candidate(id=name, **({"image": encode_jpeg(noise(2))} | given))


def page(*rankings: tuple[Ranking, dict[str, Candidate]]) -> Page:
    return Page(render_report(rankings, MADE))


def one(**given) -> Page:
    return page((ranking(match()), {"a": candidate(**given)}))


def test_the_page_shows_the_evidence_and_what_it_stands_on():
    known = candidate(
        title="Boats at low tide",
        creator="Ana Lima",
        license="CC BY 4.0",
        license_url="https://creativecommons.org/licenses/by/4.0/",
        page_url="https://www.example.org/boats",
        url="https://img.example.org/boats.jpg",
        rights=("noai",),
    )
    shown = page((ranking(match(), match("b", 2), name="x.png"), {"a": known, "b": candidate("b")}))
    text = " ".join(shown.text.split())
    assert text.index("No evidence: among 1,234 candidates") < text.index("boats")
    assert text.index("Boats at low tide") < text.index("Title unknown")
    for told in (
        *("x.png", "1,234 candidates", "no evidence", Verdict.NO_EVIDENCE.explanation, "0.70"),
        *("Ana Lima", "CC BY 4.0", "example.org/boats", "img.example.org/boats.jpg", "noai"),
        *("What this does not show", "training set", "stand-in", "log-odds"),
        "1,200 pictures of the background",
    ):
        assert told in text
    for name in match().channels:
        assert CHANNELS[name].meaning in text
        assert CHANNELS[name].source in text
    assert CHANNELS["tfidf"].meaning not in text
    assert shown.all("tr").count({"title": CHANNELS["pdq"].meaning}) == 2
    assert "https://creativecommons.org/licenses/by/4.0/" in shown.links
    assert len(shown.all("image")) == 3  # the generated one once, and two candidates


@pytest.mark.parametrize("rung", [*Verdict, None])
def test_each_verdict_has_its_words_and_its_badge(rung):
    shown = page((ranking(match(verdict=rung)) if rung else order(match(verdict=rung)), {}))
    style = f"rung-{rung.replace(' ', '-')}" if rung else "rung-none"
    (badge,) = [a for a in shown.all("strong") if (a.get("class") or "").startswith("badge")]
    assert badge["class"] == f"badge {style}"
    assert (rung or "not tested") in shown.text
    assert (rung.explanation if rung else "gives no verdicts") in shown.text
    css = resources.files("attribution.report").joinpath("ranking.css").read_text("utf-8")
    assert style == "rung-no-evidence" or f".badge.{style} " in css


def test_the_chance_the_share_and_the_ratio_are_told_and_explained():
    evidence = {"p": 2.1e-5, "q": 0.002, "share": 0.41, "ratio": 0.624, "z": {"resnet50-gem": 4.21}}
    shown = page((ranking(match(**evidence), match("b", 2, ratio=1.0)), {}))
    text = " ".join(shown.text.split())
    for told in ("p 3e-5 · q .002", "share 40%", "z 4.2", "unattributed 60%"):
        assert told in text
    assert text.count("Memorisation ratio 0.62, below 1") == 1
    leads = {a["href"] for a in shown.all("a")}
    ids = {a["id"] for _, a in shown.elements if "id" in a}
    assert {"#chance", "#shares", "#match-1-1"} <= leads & {f"#{one}" for one in ids}


def test_a_ranker_without_verdicts_has_neither_chance_nor_shares():
    text = page((order(match(verdict=None)), {})).text
    assert "An order and no evidence: 1,234 candidates searched" in text
    assert "it always puts one candidate first" in text
    for told in ("unattributed", "share 0%", "log-odds", "p - "):
        assert told not in text


def test_the_boxes_lie_over_both_pictures_and_are_told_in_words():
    known = {"a": candidate(image=encode_jpeg(noise(2, 100, 200)))}
    shown = page((ranking(match(regions=REGIONS)), known))
    rects = [a for a in shown.all("rect") if a.get("class") != "under"]
    sides = [tuple(float(a[name]) for name in ("x", "y", "width", "height")) for a in rects]
    assert sides == [
        *[(32, 51.2, 128, 102.4), (160, 0, 160, 128)],  # of 320 by 256
        *[(0, 0, 200, 100), (50, 50, 50, 50)],  # of 200 by 100
    ]
    groups = [a["class"] for a in shown.all("g")]
    assert groups == ["box box-1", "box box-2"] * 2
    text = " ".join(shown.text.split())
    assert "SIFT: 34 points agree, left side (15%) of the generated picture" in text
    assert "↔ nearly all (100%) of the candidate" in text
    assert "ResNet cells: 41 points agree, upper right (25%)" in text
    assert text.count("mirrored") == 1


def test_a_tiles_boxes_are_drawn_on_the_tile():
    shown = page((ranking(match(tile=4, regions=REGIONS[1:]), grid="yes"), {}))
    (box,) = [a for a in shown.all("rect") if a.get("class") != "under"]
    assert [box[name] for name in ("x", "y", "width", "height")] == ["80.0", "0.0", "80.0", "64.0"]
    assert "upper right (25%) of tile 4" in shown.text


def test_what_the_prompt_declares_stands_apart():
    picture = encode_jpeg(noise(7))
    url = "https://a.example/1.png"
    declared = (
        DeclaredReference(url, ReferenceRole.IMAGE, FetchStatus.OK, picture),
        DeclaredReference("2067381016", ReferenceRole.STYLE),
        DeclaredReference(
            "javascript:x", ReferenceRole.OBJECT, FetchStatus.NOT_FOUND, None, "<i>gone</i>"
        ),
        DeclaredReference(url, ReferenceRole.CHARACTER, FetchStatus.TIMEOUT, b"no picture"),
    )
    made = ranking(match())
    made = replace(made, query=replace(made.query, fetched_references=declared))
    shown = page((made, {}))
    text = " ".join(shown.text.split())
    assert text.index("Declared by the prompt") < text.index("The nearest candidates")
    for told in ("not found by the search", "2067381016", "not fetched", "<i>gone</i>", "timeout"):
        assert told in text
    assert shown.links == [url, url]
    assert len(shown.all("image")) == 2
    assert "Declared by the prompt" not in one().text


def test_a_prompt_of_many_links_makes_no_endless_page():
    declared = (DeclaredReference("https://a.example/1", ReferenceRole.IMAGE),) * 2000
    made = ranking(match())
    shown = page((replace(made, query=replace(made.query, fetched_references=declared)), {}))
    assert len(shown.links) == 16
    assert "And 1,984 more." in shown.text


HOSTILE = (
    "<script>alert(1)</script>",
    "\"' onerror=alert(1) x='\"><img src=x onerror=alert(1)>",
    "</style></title></svg><iframe src=//evil.example>",
    "{{ 7*7 }} {% include '/etc/passwd' %}",
    "photo\u202egnp.exe\u2066\x00\x1b[31m\x9b2J\ud800\u2028",
    "-->]]>&lt;b&gt;&#0;&amp;",
)


@pytest.mark.parametrize("hostile", HOSTILE)
def test_markup_in_words_is_shown_and_not_obeyed(hostile):
    """In every field at once: the page has the same elements as with harmless words."""
    told = ("title", "creator", "license", "query", "source", "caption")

    def full(word: str) -> str:
        known = candidate(**dict.fromkeys(told, word), rights=(word,), rank=1)
        evil = Provenance(word, MADE.made_at, (word,), word, (word, 200))
        made = ranking(match(regions=REGIONS), name=word, prompt=word)
        reference = DeclaredReference(word, ReferenceRole.STYLE, error=word)
        made = replace(made, query=replace(made.query, fetched_references=(reference,)))
        rankings = [(made, {"a": known})] * 2
        return render_report(rankings, evil)

    html = full(hostile)
    shown, harmless = Page(html), Page(full("boat"))
    tags = [tag for tag, _ in shown.elements]
    assert tags == [tag for tag, _ in harmless.elements]
    assert not {"script", "iframe", "object", "embed", "form", "link", "base"} & set(tags)
    for (_, attributes), (_, expected) in zip(shown.elements, harmless.elements, strict=True):
        assert attributes.keys() - {"title"} == expected.keys() - {"title"}
        assert attributes.get("href", "")[:5] == expected.get("href", "")[:5]
    odd = {unicodedata.category(letter) for letter in html if letter != "\n"}
    assert not odd & {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}
    html.encode("utf-8")


def test_hostile_words_are_still_readable():
    text = one(title=HOSTILE[0], creator=HOSTILE[3]).text
    assert "<script>alert(1)</script>" in text
    assert "{{ 7*7 }}" in text


@pytest.mark.parametrize(
    "address",
    [
        "javascript:alert(1)",
        "JaVaScRiPt:alert(1)",
        "data:text/html,<script>alert(1)</script>",
        "file:///etc/passwd",
        "vbscript:x",
        "//evil.example/a",
        "https://good.example@evil.example/",
        "https://evil.example\\.good.example/",
    ],
)
def test_an_address_off_the_web_is_text(address):
    shown = one(page_url=address, url=address, license_url=address, license="free")
    assert shown.links == []
    assert shown.text.count(address) == 3


def test_web_links_tell_the_target_nothing():
    shown = one(page_url="https://a.example/1?x=\"'<>&y", url="http://b.example/2")
    assert shown.links == ["https://a.example/1?x=%22'%3C%3E&y", "http://b.example/2"]
    for link in shown.all("a"):
        if not link["href"].startswith("#"):
            assert link["rel"] == "noopener noreferrer nofollow"
            assert link["referrerpolicy"] == "no-referrer"


def test_nothing_is_loaded_from_outside():
    """Only <a href> leads off the page: every other address is a data: picture or an anchor."""
    known = candidate(title="https://t.example/x.png", page_url="https://a.example/1")
    html = render_report([(ranking(match(), grid="yes"), {"a": known})] * 2, MADE)
    shown = Page(html)
    for tag, attributes in shown.elements:
        for name in ("src", "href", "srcset", "data", "poster", "action", "background"):
            if name in attributes and tag != "a":
                assert attributes[name].startswith(("data:image/jpeg;base64,", "#"))
        assert not [name for name in attributes if name.startswith("on")]
    css = html[html.index("<style>") : html.index("</style>")]
    assert "url(" not in css
    assert "@import" not in css
    policy = shown.all("meta")[1]
    assert policy["http-equiv"] == "Content-Security-Policy"
    assert policy["content"].startswith(
        "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
    )


def test_anchors_lead_somewhere_and_ids_are_unique():
    first, second = ranking(match(), match("b", 2), grid="yes"), ranking(match())
    shown = page((first, {}), (second, {}))
    ids = [attributes["id"] for _, attributes in shown.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    used = [a["href"][1:] for tag in ("a", "use") for a in shown.all(tag)]
    used += [a["aria-labelledby"] for _, a in shown.elements if "aria-labelledby" in a]
    assert set(used) <= set(ids)
    assert {"query-1", "query-2", "picture-1", "picture-2"} <= set(used)


def test_a_very_long_title_is_cut_and_kept_in_its_tooltip():
    shown = one(title="long " * 2000, page_url="https://a.example/" + "b" * 3000)
    titles = [a["title"] for a in shown.all("span") if (a.get("title") or "").startswith("long")]
    assert [len(title) > 900 for title in titles] == [True]
    assert "long " * 40 not in shown.text
    assert "b" * 100 not in shown.text
    assert shown.links == ["https://a.example/" + "b" * 3000]


@pytest.mark.parametrize("known", [{}, {"a": Candidate(id="a")}])
def test_what_is_missing_is_unknown(known):
    shown = page((ranking(match(), prompt=None), known))
    assert shown.text.count("unknown") == 9  # prompt, title, and seven facts
    assert "unknown – ask the maker" in shown.text
    assert "No picture to show" in shown.text
    assert "None" not in shown.text
    assert len(shown.all("image")) == 1


def test_no_match_is_said_in_words():
    text = page((ranking(), {})).text
    assert "No evidence: among 1,234 candidates searched" in text
    assert "There is no candidate to show." in text
    assert "No generated picture was ranked" in page().text


def test_several_queries_have_an_index_with_their_verdicts():
    found = ranking(
        match(score=1.9, verdict=Verdict.NEAR_COPY), match("b", 2, verdict=Verdict.NEAR_COPY)
    )
    shown = page((ranking(match(), name="one.png"), {}), (found, {}))
    (nav,) = shown.all("nav")
    assert nav["aria-label"] == "Generated pictures"
    head = " ".join(shown.text[: shown.text.index("1,234 candidates")].split())
    assert re.search(r"one\.png no evidence .*gen\.png 2 near copies", head)
    badges = [a["class"] for a in shown.all("span") if (a.get("class") or "").startswith("badge")]
    assert badges == ["badge rung-no-evidence", "badge rung-near-copy"]
    assert one().all("nav") == []


def test_a_grid_is_numbered_and_the_tile_stands_beside_its_candidate():
    shown = page((ranking(match(tile=4), grid="yes"), {"a": candidate()}))
    assert "Generated, tile 4" in shown.text
    assert [a.get("r") for a in shown.all("circle")] == ["22"] * 4
    boxes = [a.get("viewbox") for a in shown.all("svg")]
    generated, candidates = boxes[:3], boxes[3:]
    assert generated == ["0 0 320 256", "0 0 160.0 128.0", "160.0 128.0 160.0 128.0"]
    assert candidates == ["0 0 128 96"]


def test_a_reader_without_eyes_or_mouse_gets_all_of_it():
    """Language, landmarks, headings in order, a name for every picture, a way past the header."""
    known = {"a": candidate(title="Boats"), "b": candidate("b")}
    shown = page((ranking(match(), match("b", 2)), known))
    assert shown.all("html")[0]["lang"] == "en"
    assert [len(shown.all(tag)) for tag in ("main", "header", "footer", "h1")] == [1, 3, 1, 1]
    levels = [int(tag[1]) for tag, _ in shown.elements if re.fullmatch(r"h[1-6]", tag)]
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    assert [a["aria-label"] for a in shown.all("svg")][2::2] == [
        "Candidate 1: Boats",
        "Candidate 2",
    ]
    assert all(a["aria-label"] for a in shown.all("svg") if a.get("role") == "img")
    assert shown.all("a")[0]["href"] == "#main"


def test_twenty_matches_stay_below_two_megabytes():
    """Even of pictures that JPEG cannot shrink, with long words."""
    random = np.random.default_rng(5)
    image = encode_jpeg(random.integers(0, 256, (512, 512, 3), np.uint8), quality=95)
    query = query_from_bytes(image, "gen.png", "long " * 500, grid="yes")
    known = {str(n): candidate(str(n), image=image, title="t" * 10_000) for n in range(20)}
    matches = tuple(match(str(n), n + 1, regions=REGIONS) for n in range(20))
    html = render_report([(Ranking(query, matches, 20, {}), known)], MADE)
    assert len(html.encode()) < 2_000_000
    assert html.count('href="data:image/jpeg;base64,') == 21


def test_the_footer_says_what_it_was_made_with():
    text = " ".join(one().text.split())
    assert "whence 0.1.0 on 2025-03-04 04:00 UTC" in text
    assert "Candidates from data/candidates, s3://b/<more>." in text
    assert "resnet50-gem@20f463085ca7-224, background scenes@123456789abc" in text


def test_provenance_names_the_method_and_its_background(tmp_path):
    made = made_now([tmp_path], tiny_method(), "9")
    assert (made.whence_version, made.candidates) == ("9", (str(tmp_path),))
    assert re.match(r"tiny@1, weights \w{12}, background scenes@\w{12}", made.method)
    assert made.background == ("scenes", 400)
    assert made_now([], "resnet50-gem@1", "9").method == "resnet50-gem@1"
    assert made_now([], "resnet50-gem@1", "9").background is None


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_its_ground(scheme):
    """WCAG 2.2 AA: 4.5 to 1, in both colour schemes."""
    css = resources.files("attribution.report").joinpath("ranking.css").read_text("utf-8")
    blocks = re.findall(r":root \{(.*?)\}", css, re.DOTALL)
    block = blocks[0 if scheme == "light" else 1]
    colours = dict(re.findall(r"--([\w-]+): (#\w{6})", block))
    pairs = [(text, ground) for text in ("ink", "soft", "link") for ground in ("paper", "card")]
    badges = [("on-copy", "copy"), ("on-part", "part"), ("above", "card"), ("above", "paper")]
    for text, ground in [*pairs, ("soft", "well"), ("ink", "well"), *badges]:
        assert contrast(colours[text], colours[ground]) >= 4.5, (text, ground)


def contrast(one: str, other: str) -> float:
    bright, dark = sorted(map(luminance, (one, other)), reverse=True)
    return (bright + 0.05) / (dark + 0.05)


def luminance(colour: str) -> float:
    parts = [int(colour[n : n + 2], 16) / 255 for n in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return sum(weight * p for weight, p in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


@pytest.mark.parametrize("count", [1, 2])
def test_a_report_is_known_again_so_that_it_may_be_replaced(tmp_path, count):
    page = render_report([(ranking(match()), {"a": candidate(title="t" * 9999)})] * count, MADE)
    write_report(tmp_path / "r.html", page)
    assert is_report(tmp_path / "r.html")
    write_report(tmp_path / "r.html", page.replace('<meta name="generator" content="whence">', ""))
    assert is_report(tmp_path / "r.html")  # as earlier versions wrote it


def test_a_report_is_written_whole_over_an_older_one(tmp_path):
    path = tmp_path / "new" / "report.html"
    write_report(path, "first")
    write_report(path, "Zweiter – 日")
    assert path.read_text("utf-8") == "Zweiter – 日"
    assert [file.name for file in path.parent.iterdir()] == ["report.html"]


def test_a_report_that_cannot_be_written_says_so_and_leaves_nothing(tmp_path):
    (tmp_path / "taken.html").mkdir()
    (tmp_path / "file").write_text("old")
    for path in (tmp_path / "taken.html", tmp_path / "file" / "r.html", tmp_path / ("x" * 300)):
        with pytest.raises(ReportError, match="expected to write the report there, found") as info:
            write_report(path, "text")
        assert "\n" not in str(info.value)
        assert info.value.exit_code == 5
    assert sorted(file.name for file in tmp_path.iterdir()) == ["file", "taken.html"]
    assert (tmp_path / "file").read_text() == "old"
