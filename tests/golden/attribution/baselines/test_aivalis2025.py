"""The published ranker, term by term, against the libraries that it was written with."""

from __future__ import annotations

import hashlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from PIL import Image
from scipy.special import rel_entr
from skimage.metrics import structural_similarity
from sklearn.metrics import mean_absolute_error, mean_squared_error
from sklearn.metrics.pairwise import cosine_similarity

from attribution.baselines import aivalis2025
from attribution.baselines.aivalis2025 import rank, shortlist
from attribution.baselines.aivalis2025_terms import (
    RAW,
    WEIGHTS,
    combine,
    common_size,
    latent_terms,
    raw_terms,
)
from attribution.descriptors.channels import AIVALIS2025
from attribution.descriptors.resnet50 import ResNet50Gem
from attribution.errors import GalleryError
from attribution.ranking.gallery import load_gallery
from attribution.ranking.query import query_from_bytes
from attribution.report.page import show_query
from attribution.report.wording import conclusion
from harvester.dataset.writer import DatasetWriter
from harvester.pictures.decode import encode_jpeg, open_picture
from harvester.schema import Candidate


def scene(seed: int, height: int = 90, width: int = 120) -> np.ndarray:
    noise = np.random.default_rng(seed).random((9, 7, 3), np.float32)
    large = cv2.resize(noise, (width, height), interpolation=cv2.INTER_CUBIC).clip(0, 1)
    return (large * 255).astype(np.uint8)


def noise(seed: int, height: int = 90, width: int = 120) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


BLACK = np.zeros((90, 120, 3), np.uint8)
PAIRS = {
    "two scenes": (scene(1), scene(2)),
    "the other way": (scene(2), scene(1)),
    "one picture": (scene(1), scene(1)),
    "a scene and noise": (scene(1), noise(2)),
    "noise and noise": (noise(1), noise(2)),
    "white and black": (255 - BLACK, BLACK),
    "black and white": (BLACK, 255 - BLACK),
    "black and black": (BLACK, BLACK),
    "the smallest": (noise(1, 7, 7), noise(2, 7, 7)),
    "large": (noise(3, 700, 900), noise(4, 700, 900)),
}


def raw_reference(generation, candidate):
    flat = generation.reshape(1, -1).astype(float), candidate.reshape(1, -1).astype(float)
    left = np.clip(generation.astype(int) - candidate, 0, 255).astype(np.uint8)
    grey = cv2.cvtColor(np.ascontiguousarray(left[:, :, ::-1]), cv2.COLOR_BGR2GRAY)
    return [
        3 * mean_squared_error(*flat),
        mean_absolute_error(*flat),
        cosine_similarity(*flat)[0, 0],
        structural_similarity(grey, np.zeros_like(grey)),
    ]


@pytest.mark.parametrize("pair", PAIRS.values(), ids=PAIRS)
def test_the_terms_of_pixels_are_those_of_the_libraries(pair):
    np.testing.assert_allclose(raw_terms(*pair), raw_reference(*pair), rtol=1e-9, atol=1e-12)


def latent_reference(generation, candidate):
    g, c = generation.astype(np.float64), candidate.astype(np.float64)
    # scipy's rel_entr is x ln(x / y), and 0 where x is 0.
    return [
        cosine_similarity([g], [c])[0, 0],
        mean_squared_error(g, c),
        rel_entr(g, np.clip(c, 1e-10, None)).sum(),
        np.abs(g - c).sum(),
        np.linalg.norm(g - c),
    ]


@pytest.fixture(scope="module")
def embedder():
    return ResNet50Gem(precision="float32")


@pytest.fixture(scope="module")
def real_maps(embedder):
    return embedder.maps([scene(1), scene(2), noise(1), scene(1), BLACK])


def test_the_terms_of_maps_are_those_of_the_libraries(real_maps):
    for generation in real_maps:
        found = latent_terms(generation, real_maps)
        expected = [latent_reference(generation, candidate) for candidate in real_maps]
        np.testing.assert_allclose(found, expected, rtol=2e-5, atol=2e-3)
        assert np.isfinite(found).all()


def test_kl_is_finite_only_for_its_floor(real_maps):
    """As the formula stands, the first two real pictures are infinitely far apart."""
    generation, candidate = real_maps[:2].astype(np.float64)
    assert rel_entr(generation, candidate).sum() == np.inf
    assert 0 < latent_terms(real_maps[0], real_maps[1:2])[0, 2] < 1e7


def test_a_map_of_zeros_is_near_nothing():
    zeros, ones = np.zeros(4, np.float32), np.ones(4, np.float32)
    np.testing.assert_allclose(latent_terms(zeros, np.stack([zeros, ones]))[:, 0], 0)
    np.testing.assert_allclose(
        latent_terms(ones, zeros[None])[0], [0, 1, 4 * np.log(1e10), 4, 2], rtol=1e-6
    )


def test_maps_are_flattened_as_keras_does_and_pool_to_the_embedding(embedder):
    pictures = [scene(5, 300, 200), scene(6, 224, 224), *(noise(n) for n in range(8))]
    maps = embedder.maps(pictures)
    assert maps.dtype == np.float32
    assert maps.shape == (10, 7 * 7 * 2048)
    assert maps.min() >= 0
    pooled = (maps.reshape(10, 49, 2048).clip(1e-6).astype(float) ** 3).mean(1) ** (1 / 3)
    pooled /= np.linalg.norm(pooled, axis=1, keepdims=True)
    np.testing.assert_allclose(pooled, embedder.embed(pictures), atol=1e-5)
    assert embedder.maps([]).shape == (0, 7 * 7 * 2048)


@pytest.mark.parametrize("shape", [(300, 200), (512, 341), (90, 500), (224, 224), (1, 9)])
def test_the_network_sees_the_pixels_that_keras_loads(shape):
    """`load_img` takes Pillow's nearest pixel."""
    picture = noise(1, *shape)
    loaded = Image.fromarray(picture).resize((224, 224), Image.Resampling.NEAREST)
    np.testing.assert_array_equal(aivalis2025._nearest(picture), np.asarray(loaded))


def test_the_sum_is_the_published_one():
    mse, mae, cos, ssim, emb_cos, emb_mse, kl, manhattan, l2 = range(2, 11)
    expected = (
        1e-4 * mse
        + 0.01 * mae
        - cos
        - ssim
        - emb_cos
        + emb_mse
        + 1e-5 * kl
        + 1e-5 * manhattan
        + 1e-3 * l2
    )
    assert combine(np.arange(2.0, 11.0)[None])[0] == pytest.approx(expected)
    assert list(WEIGHTS) == list(AIVALIS2025)


def test_the_common_size_is_the_mean_cut_to_whole_pixels():
    assert common_size([(10, 21, 3), (11, 20, 3), (11, 20, 3)]) == (20, 10)
    assert common_size([(1, 300, 3)]) == (300, 7)


activations = arrays(np.float32, 12, elements=st.floats(0, 64, width=32))


@given(activations, activations)
def test_no_map_is_nearer_than_the_same(generation, other):
    both = latent_terms(generation, np.stack([generation, other]))
    weights = np.array(list(WEIGHTS.values()))[RAW:]
    same, different = both @ weights
    # The cosine of two maps of zeros is 0, and then so is every other one's.
    assert same <= different + 1e-5


@given(st.integers(0, 2**32), st.integers(0, 2**32))
def test_no_picture_is_nearer_than_the_same(seed, other):
    generation, candidate = noise(seed, 12, 12), noise(other, 12, 12)
    weights = np.array(list(WEIGHTS.values()))[:RAW]
    assert raw_terms(generation, generation) @ weights == pytest.approx(-2)
    assert raw_terms(generation, candidate) @ weights >= -2 - 1e-9


def test_the_text_lets_a_hundred_through_and_ties_stand_by_id():
    texts = ["a boat", "", *["a red barn"] * 60, *["nothing of it"] * 60, "red barn"]
    rows = shortlist(texts, "red barn")
    assert rows.tolist() == [0, 1, *range(2, 62), *range(62, 99), 122]
    assert shortlist(texts, None).tolist() == list(range(123))
    assert shortlist(texts[:100], "zebra").tolist() == list(range(100))


def stored(folder: Path, pictures: list[np.ndarray], titles: list[str] | None = None) -> Path:
    with DatasetWriter(folder, Candidate) as opened:
        for number, picture in enumerate(pictures):
            name = hashlib.sha256(str(number).encode()).hexdigest()
            title = titles[number] if titles else None
            opened.append(Candidate(id=name, url="", image=encode_jpeg(picture), title=title))
    return folder


def name_of(number: int) -> str:
    return hashlib.sha256(str(number).encode()).hexdigest()


def query(picture: np.ndarray, prompt: str | None = None, name: str = "q.png"):
    body = cv2.imencode(".png", picture[:, :, ::-1])[1].tobytes()
    return query_from_bytes(body, name, prompt, grid="no")


def decoded(picture: np.ndarray) -> np.ndarray:
    return open_picture(encode_jpeg(picture)).rgb


def test_a_ranking_is_the_plain_computation(tmp_path, embedder):
    """Two generations and pictures of many sizes, from the files to the order."""
    pictures = [scene(n, 60 + 17 * n, 150 - 13 * n) for n in range(9)] + [scene(3, 111, 111)] * 2
    gallery = load_gallery([stored(tmp_path / "candidates", pictures)], [embedder])
    generations = [scene(3, 111, 111), scene(20, 200, 100)]
    ranking = rank([query(one) for one in generations], gallery, embedder, k=20)
    opened = [decoded(picture) for picture in pictures]
    width, height = np.mean(
        [(one.shape[1], one.shape[0]) for one in [*opened, *generations]], axis=0
    ).astype(int)

    def load(picture):
        nearest = Image.fromarray(picture).resize((224, 224), Image.Resampling.NEAREST)
        return embedder.maps([np.asarray(nearest)])[0]

    expected = {}
    for number, candidate in enumerate(opened):
        terms = [
            [
                *raw_reference(
                    cv2.resize(generation, (width, height)), cv2.resize(candidate, (width, height))
                ),
                *latent_reference(load(generation), load(candidate)),
            ]
            for generation in generations
        ]
        expected[name_of(number)] = np.mean(terms, axis=0)
    weights = np.array(list(WEIGHTS.values()))
    distances = {name: float(terms @ weights) for name, terms in expected.items()}
    assert len(ranking.matches) == len(pictures)
    for match in ranking.matches:
        assert match.score == pytest.approx(-distances[match.candidate_id], rel=1e-4, abs=1e-4)
        found = [match.channels[name] * (1 if WEIGHTS[name] < 0 else -1) for name in WEIGHTS]
        np.testing.assert_allclose(found, expected[match.candidate_id], rtol=1e-4, atol=5e-3)
    assert [match.candidate_id for match in ranking.matches] == sorted(
        distances, key=lambda name: (round(distances[name], 6), name)
    )
    assert [match.rank for match in ranking.matches] == list(range(1, 12))
    assert {match.verdict for match in ranking.matches} == {None}


def test_the_same_picture_is_first_and_copies_of_one_stand_by_id(tmp_path, embedder):
    pictures = [scene(n) for n in (1, 7, 3, 7, 4, 7)]
    gallery = load_gallery([stored(tmp_path / "candidates", pictures)], [embedder])
    ranking = rank([query(decoded(scene(7)))], gallery, embedder, k=4)
    assert [match.candidate_id for match in ranking.matches[:3]] == sorted(
        name_of(number) for number in (1, 3, 5)
    )
    assert [match.score for match in ranking.matches[:3]] == pytest.approx([3] * 3, abs=1e-4)
    assert ranking.matches[0].score == ranking.matches[2].score
    assert ranking.matches[3].score < 2.9


def test_text_decides_who_is_compared_and_nothing_else(tmp_path, embedder):
    pictures = [scene(n, 40, 40) for n in range(104)]
    titles = ["a barn at dusk"] * 100 + ["something else"] * 4
    gallery = load_gallery([stored(tmp_path / "candidates", pictures, titles)], [embedder])
    asked = query(decoded(scene(102, 40, 40)), "a barn", "gen.png")
    ranking = rank([asked, asked], gallery, embedder, k=200)
    compared = {match.candidate_id for match in ranking.matches}
    assert compared == {name_of(number) for number in range(100)}
    assert ranking.query.name == "gen.png and 1 more"
    assert ranking.gallery_size == 104
    assert ranking.found is None
    assert show_query(1, ranking, {}).verdict.text == "order only"
    assert conclusion(ranking).startswith("An order and no evidence: 104 candidates searched")


def test_a_picture_that_went_bad_is_left_out(tmp_path, embedder, monkeypatch, caplog):
    gallery = load_gallery([stored(tmp_path / "c", [scene(n) for n in range(3)])], [embedder])
    good = type(gallery).pick

    def spoil(self, ids):
        picked = good(self, ids)
        for name in broken:
            picked[name] = Candidate(id=name, url="", image=b"none")
        return picked

    monkeypatch.setattr(type(gallery), "pick", spoil)
    broken = [name_of(1)]
    ranking = rank([query(scene(1))], gallery, embedder)
    assert {match.candidate_id for match in ranking.matches} == {name_of(0), name_of(2)}
    assert "1 stored pictures cannot be decoded" in caplog.text
    broken = [name_of(number) for number in range(3)]
    with pytest.raises(GalleryError, match="found none that can be decoded"):
        rank([query(scene(1))], gallery, embedder)
