"""A small method for tests of what does not depend on the network: made scenes, 48 numbers each."""

from __future__ import annotations

import hashlib
from functools import cache

import cv2
import numpy as np

from attribution.calibration.background import Background, fit_background
from attribution.calibration.fusion import Fusion
from attribution.ranking.method import RankingSetup


class TinyEmbedder:
    """A stand-in for the network: the picture at 4 by 4 pixels, less its mean colour."""

    version = "1"
    dimension = 48

    def __init__(self, channel: str = "tiny"):
        self.channel = channel
        self.embedded = 0

    def embed(self, pictures):
        self.embedded += len(pictures)
        small = np.array(
            [cv2.resize(p, (4, 4), interpolation=cv2.INTER_AREA) for p in pictures], np.float32
        ).reshape(-1, self.dimension)
        small -= small.mean(axis=1, keepdims=True)
        return small / np.linalg.norm(small, axis=1, keepdims=True).clip(min=1e-6)


def scene(seed: int, side: int = 256) -> np.ndarray:
    """A picture with structure: smooth blobs of colour, different for each seed."""
    noise = np.random.default_rng(seed).random((6, 6, 3), np.float32)
    return (cv2.resize(noise, (side, side), interpolation=cv2.INTER_CUBIC).clip(0, 1) * 255).astype(
        np.uint8
    )


@cache
def tiny_background(channel: str = "tiny", count: int = 400) -> Background:
    """Of scenes whose seeds begin at 100,000, which no test uses otherwise."""
    seeds = range(100_000, 100_000 + count)
    vectors = TinyEmbedder(channel).embed([scene(seed, 32) for seed in seeds])
    ids = [hashlib.sha256(str(seed).encode()).hexdigest() for seed in seeds]
    inliers = {"sift": np.zeros(100, np.int64), "cells": np.zeros(100, np.int64)}
    return fit_background("scenes", ids, {channel: vectors}, {channel: "1"}, inliers)


def tiny_method(embedder: TinyEmbedder | None = None) -> RankingSetup:
    """Keypoints, words and the tiny channel."""
    embedder = embedder or TinyEmbedder()
    weights = Fusion(-4.0, {embedder.channel: 1.5}, {"sift": 0.5, "cells": 0.0}, {})
    return RankingSetup((embedder,), tiny_background(embedder.channel), weights)
