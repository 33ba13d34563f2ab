"""Bytes at the picture door: what is let in looks right, what is not is called by its name."""

from __future__ import annotations

import io
import struct
import zlib
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import imagehash
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms
from scipy.fftpack import dct

from harvester.pictures import decode as images
from harvester.pictures.decode import PictureError, encode_jpeg, open_picture, try_open
from harvester.pictures.formats import recognise
from harvester.schema import FetchStatus
from tests.support.patience import cpu_seconds

RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)


def save(picture: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def scene(width: int = 90, height: int = 60) -> Image.Image:
    """A smooth picture whose corners differ, so that a turn or a mirror shows."""
    across, down = np.meshgrid(np.linspace(0, 1, width), np.linspace(0, 1, height))
    rgb = np.stack([across, down, 0.5 + 0.5 * np.sin(6 * across * down)], axis=-1)
    return Image.fromarray((rgb * 255).astype(np.uint8))


def status_of(body: bytes, **options: Any) -> FetchStatus:
    with pytest.raises(PictureError) as caught:
        open_picture(body, **options)
    assert "\n" not in str(caught.value)
    return caught.value.status


def near(pixel: Any, colour: tuple[int, int, int], within: int = 3) -> bool:
    return bool(np.abs(np.asarray(pixel, dtype=int) - colour).max() <= within)


FORMATS = [
    ("JPEG", "image/jpeg"),
    ("PNG", "image/png"),
    ("WEBP", "image/webp"),
    ("GIF", "image/gif"),
    ("AVIF", "image/avif"),
    ("BMP", "image/bmp"),
    ("TIFF", "image/tiff"),
]


@pytest.mark.parametrize(("kind", "mime"), FORMATS)
def test_each_format_is_told_by_its_bytes(kind, mime):
    picture = open_picture(save(scene(), kind))
    assert (picture.width, picture.height, picture.mime) == (90, 60, mime)
    assert picture.rgb.shape == (60, 90, 3)
    assert picture.rgb.dtype == np.uint8
    assert picture.rgb.flags.writeable
    expected = np.asarray(scene(), dtype=int)
    assert np.abs(picture.rgb - expected).mean() < 12  # a GIF has few colours


@pytest.mark.parametrize(("kind", "mime"), FORMATS)
def test_a_picture_cut_short_is_truncated(kind, mime):
    noise = np.random.default_rng(0).integers(0, 256, (80, 80, 3), dtype=np.uint8)
    body = save(Image.fromarray(noise), kind)
    for share in (0.3, 0.6, 0.95):
        cut = body[: int(len(body) * share)]
        assert recognise(cut) == mime
        assert status_of(cut) is FetchStatus.TRUNCATED, share


@pytest.mark.parametrize(
    ("body", "status", "noun"),
    [
        (b"", FetchStatus.EMPTY, "0 bytes"),
        (b"<!DOCTYPE html><title>404</title>", FetchStatus.HTML, "a web page"),
        (b"\xef\xbb\xbf \r\n<HTML lang=en>", FetchStatus.HTML, "a web page"),
        (b"<script>location='/'</script>", FetchStatus.HTML, "a web page"),
        (b"\n<!-- hi --><head>", FetchStatus.HTML, "a web page"),
        ("\ufeff<html></html>".encode("utf-16-le"), FetchStatus.HTML, "a web page"),
        (b"<?xml version='1.0'?><Error><Code>AccessDenied</Code>", FetchStatus.HTML, "XML"),
        (b'{"message": "Unknown"}', FetchStatus.HTML, "JSON"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", FetchStatus.NOT_AN_IMAGE, "SVG"),
        (b"<?xml version='1.0'?><!-- x --><svg/>", FetchStatus.NOT_AN_IMAGE, "SVG"),
        (b"<?xml version='1.0'?><x:svg/>", FetchStatus.NOT_AN_IMAGE, "SVG"),
        (b"%PDF-1.7", FetchStatus.NOT_AN_IMAGE, "PDF"),
        (b"\x00\x00\x00\x18ftypheic\x00\x00", FetchStatus.NOT_AN_IMAGE, "HEIC"),
        (b"\x00\x00\x00\x18ftypisom\x00\x00", FetchStatus.NOT_AN_IMAGE, "video"),
        (b"not found", FetchStatus.NOT_AN_IMAGE, "plain text"),
        (b"BM is no bitmap", FetchStatus.NOT_AN_IMAGE, "text"),
        (b"\x00" * 40, FetchStatus.NOT_AN_IMAGE, "unknown bytes"),
    ],
)
def test_what_is_no_picture_is_named(body, status, noun):
    with pytest.raises(PictureError, match=noun) as caught:
        open_picture(body)
    assert caught.value.status is status


def test_stored_bytes_are_pixels_or_nothing():
    body = save(scene())
    assert np.array_equal(try_open(body), open_picture(body).rgb)
    assert try_open(body, max_side=9).shape[1] == 9
    assert try_open(body[:40]) is try_open(b"") is try_open(None) is None


def test_a_bomb_is_refused_by_its_header():
    body = save(Image.new("1", (20_000, 10_000)))
    assert len(body) < 50_000
    with cpu_seconds(0.2):
        assert status_of(body) is FetchStatus.TOO_MANY_PIXELS


def test_a_gif_whose_frame_outgrows_its_header_is_refused():
    body = bytearray(save(Image.new("P", (8, 8)), "GIF"))
    at = body.index(b",")  # the first frame's descriptor: left, top, width, height
    body[at + 5 : at + 9] = struct.pack("<HH", 60_000, 60_000)
    assert status_of(bytes(body)) is FetchStatus.TOO_MANY_PIXELS


def test_a_webp_that_announces_its_greatest_size_is_refused():
    body = bytearray(save(scene(8, 8), "WEBP", lossless=True))
    at = body.index(b"VP8L") + 9
    bits = int.from_bytes(body[at : at + 4], "little")
    body[at : at + 4] = (bits & ~0xFFFFFFF | 0xFFFFFFF).to_bytes(4, "little")
    assert status_of(bytes(body)) is FetchStatus.TOO_MANY_PIXELS


def test_the_pixel_limit_can_be_lowered():
    assert status_of(save(scene()), max_pixels=5399) is FetchStatus.TOO_MANY_PIXELS
    assert open_picture(save(scene()), max_pixels=5400).width == 90


def test_broken_inside_is_undecodable():
    body = bytearray(save(scene()))
    at = body.index(b"IDAT") + 20
    body[at : at + 30] = bytes(30)
    assert status_of(bytes(body)) is FetchStatus.UNDECODABLE


def test_a_jpeg_of_thousands_of_scans_is_not_decoded():
    body = save(scene(), "JPEG")
    assert status_of(body[:-2] + b"\xff\xda" * 5000 + body[-2:]) is FetchStatus.UNDECODABLE


@settings(max_examples=150, deadline=None)
@given(st.sampled_from([kind for kind, _ in FORMATS]), st.randoms(use_true_random=False))
def test_damaged_files_end_in_a_picture_or_a_picture_error(kind, random):
    body = bytearray(save(scene(24, 16), kind))
    for _ in range(random.randint(1, 8)):
        body[random.randrange(len(body))] = random.randrange(256)
    try:
        picture = open_picture(bytes(body), max_side=None, max_pixels=1_000_000)
    except PictureError:
        return
    assert picture.rgb.shape == (picture.height, picture.width, 3)


@given(st.binary(max_size=200))
def test_any_bytes_end_in_a_picture_error(body):
    with pytest.raises(PictureError):
        open_picture(body)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_pictures_stand_upright(kind, orientation):
    undo = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    stored = scene().transpose(undo[orientation]) if orientation in undo else scene()
    exif = Image.Exif()
    exif[0x0112] = orientation
    quality = {"lossless": True} if kind == "WEBP" else {}
    picture = open_picture(save(stored, kind, exif=exif, **quality), max_side=45)
    assert (picture.width, picture.height) == (90, 60)
    assert picture.rgb.shape == (30, 45, 3)
    small = scene().resize((45, 30), Image.Resampling.HAMMING)
    assert np.abs(picture.rgb - np.asarray(small, dtype=int)).mean() < 4


def test_damaged_exif_does_not_cost_the_picture():
    body = save(scene(), "JPEG", exif=b"Exif\x00\x00II*\x00\xff\xff\xff\xff")
    assert open_picture(body).width == 90


def test_a_colour_profile_is_brought_to_srgb():
    swapped = _swap_red_and_green(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")))
    for kind in ("PNG", "JPEG"):
        body = save(Image.new("RGB", (32, 32), (250, 20, 20)), kind, icc_profile=swapped)
        assert near(open_picture(body).rgb[16, 16], (20, 250, 20), within=6)


def _swap_red_and_green(profile: ImageCms.ImageCmsProfile) -> bytes:
    """An RGB profile whose first channel is green: its tags rXYZ and gXYZ change places."""
    data = profile.tobytes().replace(b"rXYZ", b"\0tmp").replace(b"gXYZ", b"rXYZ")
    return data.replace(b"\0tmp", b"gXYZ").replace("sRGB".encode("utf-16-be"), b"\0t\0e\0s\0t")


@pytest.mark.parametrize("profile", [b"", b"no profile", b"\x00" * 200])
def test_a_broken_profile_is_passed_over(profile):
    body = save(Image.new("RGB", (8, 8), RED), icc_profile=profile)
    assert near(open_picture(body).rgb[4, 4], RED)


def test_a_profile_of_another_colour_model_is_passed_over():
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    assert near(open_picture(save(Image.new("RGB", (8, 8), RED), icc_profile=lab)).rgb[4, 4], RED)


def test_alpha_lies_over_white():
    rgba = Image.new("RGBA", (40, 40), (0, 0, 0, 0))
    rgba.paste((255, 0, 0, 255), (0, 0, 20, 40))
    palette = Image.new("P", (40, 40), 1)
    palette.putpalette([255, 0, 0, 0, 0, 0])
    palette.paste(0, (0, 0, 20, 40))
    keyed = Image.new("RGB", (40, 40), (1, 2, 3))
    keyed.paste(RED, (0, 0, 20, 40))
    for body in (
        save(rgba),
        save(rgba, "WEBP", lossless=True),
        save(rgba, "TIFF"),
        save(palette, transparency=1),
        save(palette, "GIF", transparency=1),
        save(palette, transparency=b"\xff\x00"),
        save(keyed, transparency=(1, 2, 3)),
    ):
        for side in (512, 20):
            rgb = open_picture(body, max_side=side).rgb
            assert near(rgb[5, 2], RED)
            assert near(rgb[5, -3], WHITE)


def test_half_transparent_grey_lies_over_white():
    assert near(open_picture(save(Image.new("LA", (8, 8), (0, 128)))).rgb[4, 4], (127,) * 3)


def test_hidden_colours_of_transparent_pixels_do_not_bleed():
    """Green under alpha 0 must not tint the border when the picture is made smaller."""
    rgba = Image.new("RGBA", (401, 401), (0, 255, 0, 0))
    rgba.paste((255, 255, 255, 255), (0, 0, 200, 401))
    assert near(open_picture(save(rgba), max_side=50).rgb.reshape(-1, 3).min(axis=0), WHITE)


@pytest.mark.parametrize(
    ("picture", "kind", "colour"),
    [
        (Image.new("1", (8, 8), 1), "PNG", WHITE),
        (Image.new("L", (8, 8), 77), "PNG", (77, 77, 77)),
        (Image.fromarray(np.full((8, 8), 0x8080, np.uint16)), "PNG", (128,) * 3),
        (Image.fromarray(np.full((8, 8), 0x8080, np.uint16)), "TIFF", (128,) * 3),
        (Image.fromarray(np.full((8, 8), 0.5, np.float32)), "TIFF", (128,) * 3),
        (Image.fromarray(np.full((8, 8), np.nan, np.float32)), "TIFF", (0,) * 3),
        (Image.fromarray(np.full((8, 8), 200, np.int32)), "TIFF", (200,) * 3),
        (Image.fromarray(np.full((8, 8), 257 * 9, np.int32)), "TIFF", (9,) * 3),
        (Image.new("CMYK", (8, 8), (0, 255, 255, 0)), "JPEG", RED),
        (Image.new("CMYK", (8, 8), (0, 255, 255, 0)), "TIFF", RED),
        (Image.new("YCbCr", (8, 8), (76, 85, 255)), "TIFF", RED),
        (Image.new("LAB", (8, 8), (137, 208, 195)), "TIFF", (250, 5, 11)),
    ],
)
def test_every_mode_becomes_rgb(picture, kind, colour):
    assert near(open_picture(save(picture, kind)).rgb[4, 4], colour, within=4)


def test_floats_without_a_range_are_stretched():
    ramp = np.linspace(-40, 9000, 64, dtype=np.float32).reshape(8, 8)
    rgb = open_picture(save(Image.fromarray(ramp), "TIFF")).rgb
    assert (rgb.min(), rgb.max()) == (0, 255)


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "AVIF", "TIFF"])
def test_an_animation_shows_its_first_frame(kind):
    frames = [Image.new("RGB", (16, 16), colour) for colour in (RED, GREEN, BLUE)]
    body = save(frames[0], kind, save_all=True, append_images=frames[1:])
    assert near(open_picture(body).rgb[8, 8], RED, within=6)


def test_a_stereo_jpeg_is_a_jpeg():
    body = save(scene(), "MPO", save_all=True, append_images=[scene(30, 30)])
    picture = open_picture(body)
    assert (picture.mime, picture.width) == ("image/jpeg", 90)


@pytest.mark.parametrize(
    ("size", "side", "small"),
    [
        ((1000, 500), 512, (512, 256)),
        ((300, 200), 512, (300, 200)),
        ((1, 5000), 512, (1, 512)),
        ((5000, 3), 512, (512, 1)),
        ((1, 1), 512, (1, 1)),
        ((100, 50), None, (100, 50)),
        ((100, 50), 1, (1, 1)),
    ],
)
@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_pictures_are_made_smaller_and_never_larger(size, side, small, kind):
    picture = open_picture(save(Image.new("RGB", size, RED), kind), max_side=side)
    assert (picture.width, picture.height) == size
    assert picture.rgb.shape == (small[1], small[0], 3)
    assert near(picture.rgb[0, 0], RED)


def test_a_side_of_nothing_is_a_mistake_of_the_caller():
    with pytest.raises(ValueError, match="at least 1 pixel"):
        open_picture(save(scene()), max_side=0)


def test_a_jpeg_reduced_while_decoding_looks_as_one_reduced_afterwards():
    large = scene(2048, 1365)
    drafted = open_picture(save(large, "JPEG", quality=95)).rgb
    full = np.asarray(large.resize((512, 341), Image.Resampling.LANCZOS), dtype=int)
    assert np.abs(drafted - full).mean() < 1.5


@pytest.mark.parametrize("size", [(1024, 683), (683, 1024), (2047, 1365), (4096, 2731)])
def test_a_jpeg_is_decoded_no_larger_than_it_must_be(size, monkeypatch):
    """A half of 683 rows is 342, which the decoder gives though 683 is less than twice that."""
    loaded = []
    plain = images.to_plain_mode
    monkeypatch.setattr(images, "to_plain_mode", lambda one: loaded.append(one.size) or plain(one))
    picture = open_picture(save(Image.new("RGB", size, RED), "JPEG"))
    assert max(loaded[0]) < 2 * max(picture.rgb.shape)
    assert (picture.width, picture.height) == size


@pytest.mark.parametrize("size", [(1024, 683), (2048, 1365), (1279, 853), (3001, 2000)])
def test_a_reduced_jpeg_hashes_as_a_full_one(size):
    rough = np.random.default_rng(3).integers(0, 256, (24, 36, 3), dtype=np.uint8)
    large = Image.fromarray(rough).resize(size, Image.Resampling.BICUBIC)
    body = save(large, "JPEG", quality=90)
    small = images.open_image(body).image
    full = Image.open(io.BytesIO(body)).resize(small.size, Image.Resampling.HAMMING)
    one, two = images.hash_image(small), images.hash_image(full)
    assert (int(one.pdq, 16) ^ int(two.pdq, 16)).bit_count() <= 2
    assert (int(one.phash, 16) ^ int(two.phash, 16)).bit_count() <= 2


def _pictures_to_hash():
    random = np.random.default_rng(5)
    yield from (Image.new("L", (60, 40), level) for level in (0, 1, 7, 128, 255))
    across = np.linspace(0, 255, 64).astype(np.uint8)
    yield Image.fromarray(np.tile(across, (48, 1)))  # whole rows of frequencies are zero
    yield Image.fromarray(np.tile(across[:, None], (1, 48)))
    yield Image.fromarray(np.concatenate([across, across[::-1]])[None].repeat(50, axis=0))
    yield Image.fromarray(((np.indices((64, 64)).sum(axis=0) % 2) * 255).astype(np.uint8))
    for _ in range(2000):
        few = random.integers(0, 256, random.integers(1, 12, 2), dtype=np.uint8)
        width, height = (int(side) for side in random.integers(1, 90, 2))
        yield Image.fromarray(few).resize((width, height), Image.Resampling.BICUBIC)


def test_hashes_are_those_of_imagehash_bit_for_bit():
    """Where frequencies equal their median, ImageHash's rounding decides: never less than ours."""
    tied = 0
    for grey in _pictures_to_hash():
        hashes, theirs = images.hash_image(grey.convert("RGB")), imagehash.phash(grey)
        assert hashes.dhash == str(imagehash.dhash(grey))
        small = np.asarray(grey.resize((32, 32), Image.Resampling.LANCZOS), np.float64)
        frequencies = np.sort(dct(dct(small, axis=0), axis=1)[:8, :8], axis=None)
        if frequencies[32] - frequencies[31] > 1e-4:
            assert hashes.phash == str(theirs)
        else:
            tied += 1
            assert int(hashes.phash, 16) & ~int(str(theirs), 16) == 0
    assert 4 < tied < 1000


def test_a_picture_that_is_its_own_mirror_image_has_one_hash():
    half = np.asarray(scene(64, 64).convert("L"))
    mirrored = Image.fromarray(np.concatenate([half, half[:, ::-1]], axis=1))
    turned = mirrored.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    assert images._phash(mirrored) == images._phash(turned)


def test_a_picture_that_memory_cannot_hold_is_undecodable(monkeypatch):
    def no_memory(_: Image.Image) -> Image.Image:
        raise MemoryError

    monkeypatch.setattr(images, "to_plain_mode", no_memory)
    assert status_of(save(scene())) is FetchStatus.UNDECODABLE


def test_threads_get_the_same_pixels():
    profile = _swap_red_and_green(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")))
    body = save(scene(600, 400), icc_profile=profile)
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(partial(open_picture, max_side=200), [body] * 12))
    assert all(np.array_equal(results[0].rgb, other.rgb) for other in results)


def test_encoding_keeps_the_pixels_and_repeats_itself():
    rgb = np.asarray(scene())
    assert encode_jpeg(rgb) == encode_jpeg(rgb)
    assert np.abs(open_picture(encode_jpeg(rgb)).rgb - rgb.astype(int)).mean() < 2


def test_a_png_of_deflated_text_is_bounded():
    """A text chunk that inflates to 200 MB is refused, not kept in memory."""
    bomb = b"k\x00\x00" + zlib.compress(bytes(200_000_000), 1)
    chunk = b"zTXt" + bomb
    body = save(scene())
    at = body.index(b"IDAT") - 4
    packed = struct.pack(">I", len(bomb)) + chunk + struct.pack(">I", zlib.crc32(chunk))
    assert status_of(body[:at] + packed + body[at:]) is FetchStatus.UNDECODABLE
