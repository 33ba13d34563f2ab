"""The report page: all of the evidence, none of a stranger's markup, and nothing from outside."""

from __future__ import annotations

import re
import unicodedata
from datetime import datetime, timedelta, timezone
from html.parser import HTMLParser
from importlib import resources
from itertools import pairwise

import numpy as np
import pytest
from PIL import Image

from attribution.descriptors import CHANNELS
from attribution.query import query_from_bytes
from attribution.ranking import Match, Ranking
from attribution.report.html import Provenance, ReportError, render_report, write_report
from attribution.verdicts import Verdict
from harvester.images import encode_jpeg
from harvester.schema import Candidate

MADE = Provenance(
    whence_version="0.1.0",
    made_at=datetime(2025, 3, 4, 6, 0, tzinfo=timezone(timedelta(hours=2))),
    candidates=("data/candidates", "s3://b/<more>"),
    embedding="resnet50-gem@20f463085ca7-224",
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
    default = {"score": 0.7, "verdict": Verdict.LIKENESS, "tile": None, "channels": channels}
    return Match(name, number, **(default | given))


def ranking(*matches: Match, name: str = "gen.png", prompt: str | None = "boats", grid="no"):
    query = query_from_bytes(encode_jpeg(noise(1, 256, 320)), name, prompt, grid=grid)
    return Ranking(query, matches, 1234, sum(m.verdict is Verdict.NEAR_COPY for m in matches))


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
        *("x.png", "1,234 candidates", "likeness only", Verdict.LIKENESS.explanation, "0.70"),
        *("Ana Lima", "CC BY 4.0", "example.org/boats", "img.example.org/boats.jpg", "noai"),
        *("What this does not show", "training set", "stand-in", "80% likeness", "20% words"),
    ):
        assert told in text
    for channel in CHANNELS.values():
        assert channel.meaning in text
        assert channel.source in text
    assert shown.all("tr").count({"title": CHANNELS["pdq"].meaning}) == 2
    assert "https://creativecommons.org/licenses/by/4.0/" in shown.links
    assert len(shown.all("img")) == 2


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
        evil = Provenance(word, MADE.made_at, (word,), word)
        rankings = [(ranking(match(), name=word, prompt=word), {"a": known})] * 2
        return render_report(rankings, evil)

    html = full(hostile)
    shown, harmless = Page(html), Page(full("boat"))
    tags = [tag for tag, _ in shown.elements]
    assert tags == [tag for tag, _ in harmless.elements]
    assert not {"script", "iframe", "object", "embed", "form", "link", "base"} & set(tags)
    for (_, attributes), (_, expected) in zip(shown.elements, harmless.elements, strict=True):
        assert attributes.keys() - {"title"} == expected.keys() - {"title"}
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
    assert shown.all("img") == []


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
    assert one().all("nav") == []


def test_a_grid_is_numbered_and_the_tile_stands_beside_its_candidate():
    shown = page((ranking(match(tile=4), grid="yes"), {"a": candidate()}))
    assert "Generated, tile 4" in shown.text
    assert [a.get("r") for a in shown.all("circle")] == ["22"] * 4
    boxes = [a.get("viewbox") for a in shown.all("svg")]
    assert boxes == ["0 0 320 256", "0 0 160.0 128.0", "160.0 128.0 160.0 128.0"]


def test_a_reader_without_eyes_or_mouse_gets_all_of_it():
    """Language, landmarks, headings in order, a name for every picture, a way past the header."""
    known = {"a": candidate(title="Boats"), "b": candidate("b")}
    shown = page((ranking(match(), match("b", 2)), known))
    assert shown.all("html")[0]["lang"] == "en"
    assert [len(shown.all(tag)) for tag in ("main", "header", "footer", "h1")] == [1, 3, 1, 1]
    levels = [int(tag[1]) for tag, _ in shown.elements if re.fullmatch(r"h[1-6]", tag)]
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    assert [a["alt"] for a in shown.all("img")] == ["Candidate 1: Boats", "Candidate 2"]
    assert all(a["aria-label"] for a in shown.all("svg") if a.get("role") == "img")
    assert shown.all("a")[0]["href"] == "#main"


def test_twenty_matches_stay_below_two_megabytes():
    """Even of pictures that JPEG cannot shrink, with long words."""
    random = np.random.default_rng(5)
    image = encode_jpeg(random.integers(0, 256, (512, 512, 3), np.uint8), quality=95)
    query = query_from_bytes(image, "gen.png", "long " * 500, grid="yes")
    known = {str(n): candidate(str(n), image=image, title="t" * 10_000) for n in range(20)}
    matches = tuple(match(str(n), n + 1) for n in range(20))
    html = render_report([(Ranking(query, matches, 20, 0), known)], MADE)
    assert len(html.encode()) < 2_000_000
    assert html.count('src="data:image/jpeg;base64,') == 20


def test_the_footer_says_what_it_was_made_with():
    text = " ".join(one().text.split())
    assert "whence 0.1.0 on 2025-03-04 04:00 UTC" in text
    assert "Candidates from data/candidates, s3://b/<more>." in text
    assert "resnet50-gem@20f463085ca7-224" in text


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_its_ground(scheme):
    """WCAG 2.2 AA: 4.5 to 1, in both colour schemes."""
    css = resources.files("attribution.report").joinpath("ranking.css").read_text("utf-8")
    blocks = re.findall(r":root \{(.*?)\}", css, re.DOTALL)
    block = blocks[0 if scheme == "light" else 1]
    colours = dict(re.findall(r"--([\w-]+): (#\w{6})", block))
    pairs = [(text, ground) for text in ("ink", "soft", "link") for ground in ("paper", "card")]
    for text, ground in [*pairs, ("soft", "well"), ("ink", "well"), ("on-copy", "copy")]:
        assert contrast(colours[text], colours[ground]) >= 4.5, (text, ground)


def contrast(one: str, other: str) -> float:
    bright, dark = sorted(map(luminance, (one, other)), reverse=True)
    return (bright + 0.05) / (dark + 0.05)


def luminance(colour: str) -> float:
    parts = [int(colour[n : n + 2], 16) / 255 for n in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return sum(weight * p for weight, p in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


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
