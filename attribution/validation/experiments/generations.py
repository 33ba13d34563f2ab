"""These are the queries of a run: what models that saw everything make of the prompts.

There is one such model a seed; it is trained here, or read where an earlier call has left it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from attribution.errors import ProofError
from attribution.validation.experiments.corpus import Corpus
from attribution.validation.experiments.retraining import Probe, Removal, model_path, train_all
from attribution.validation.model.checkpoints import load_model
from attribution.validation.model.dalle import losses_of
from attribution.validation.model.process_pool import ModelPool
from attribution.validation.model.text_tokenizer import TextTokenizer
from attribution.validation.model.training import Trained
from attribution.validation.outcomes import RetrainingOutcome, read_outcome


@dataclass(frozen=True)
class GeneratedQueries:
    """The queries, and the models that made them.

    Attributes:
        models: by seed.
        codes: by seed, (p, t) of all prompts.
        seed, prompt: (q,) of each query, the number of the prompt in `Corpus.prompts`; those of
            the counterfactual test come first, seed by seed.
    """

    corpus: Corpus
    models: dict[int, Trained]
    codes: dict[int, NDArray[np.int32]]
    seed: NDArray[np.int64]
    prompt: NDArray[np.int64]

    @property
    def captions(self) -> tuple[str, ...]:
        """The prompt of each query."""
        return tuple(self.corpus.prompts[number] for number in self.prompt)

    @cached_property
    def tokens(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Text (q, l) and codes (q, t) of the queries."""
        rows = [
            self.codes[int(seed)][number]
            for seed, number in zip(self.seed, self.prompt, strict=True)
        ]
        return self.corpus.text_of(self.captions), torch.from_numpy(np.stack(rows)).long()

    @cached_property
    def pixels(self) -> NDArray[np.uint8]:
        """(q, side, side, 3) of the queries."""
        return self.corpus.tokenizer.decode(self.tokens[1])

    @cached_property
    def _digest(self) -> str:
        """Of everything that is asked: other queries have other outcomes."""
        digest = hashlib.sha256()
        for tensor in self.tokens:
            digest.update(tensor.numpy().tobytes())
        digest.update(self.seed.tobytes() + self.prompt.tobytes())
        return digest.hexdigest()[:16]

    def probe(self) -> Probe:
        """What models without some pictures are asked."""
        corpus = self.corpus
        return Probe(
            data=corpus.data,
            recipe=corpus.settings.recipe,
            queries=self.tokens,
            prompts=corpus.text_of(corpus.prompts[: corpus.settings.prompts]),
            folder=corpus.folder / "outcomes",
            base=f"{corpus.base}-{self._digest}-{corpus.settings.prompts}",
        )

    def before(self, seed: int) -> RetrainingOutcome:
        """What the model of a seed answers that saw everything."""
        model = self.models[seed].model
        data = self.corpus.data
        return RetrainingOutcome(
            seed=seed,
            removed=(),
            query_losses=losses_of(model, *self.tokens),
            picture_losses=losses_of(model, data.text, data.codes),
            codes=self.codes[seed][: self.corpus.settings.prompts],
            training_loss=self.models[seed].losses[-1],
            seconds=self.models[seed].seconds,
        )


def generate(corpus: Corpus, step: Callable[[], None], *, workers: ModelPool) -> GeneratedQueries:
    """Train the models that see everything, one a seed, and let them generate."""
    settings = corpus.settings
    empty = torch.empty(0, corpus.data.text.shape[1], dtype=torch.long)
    probe = Probe(
        data=corpus.data,
        recipe=settings.recipe,
        queries=(empty, torch.empty(0, corpus.data.codes.shape[1], dtype=torch.long)),
        prompts=corpus.text_of(corpus.prompts),
        folder=corpus.folder / "bases",
        base=f"{corpus.base}-{_digest_of(corpus.prompts)}",
        models=corpus.folder / "models",
    )
    removals = [Removal(seed, frozenset()) for seed in settings.seeds]
    paths = {one.seed: model_path(corpus.folder / "models", one.seed) for one in removals}
    for removal in removals:
        if not paths[removal.seed].exists():  # it was deleted: what it said is of no use without it
            probe.path(removal).unlink(missing_ok=True)
    train_all(probe, removals, step, workers=workers)
    models, codes = {}, {}
    for removal in removals:
        models[removal.seed], text_tokenizer = load_model(
            paths[removal.seed], corpus.data.tokenizer
        )
        _check_same(paths[removal.seed], models[removal.seed], text_tokenizer, probe, removal.seed)
        codes[removal.seed] = read_outcome(probe.path(removal)).codes
    seed, prompt = _queries(settings.seeds, settings.prompts, settings.subset_prompts)
    return GeneratedQueries(corpus, models, codes, seed, prompt)


def _check_same(
    path: Path, trained: Trained, text_tokenizer: TextTokenizer, probe: Probe, seed: int
) -> None:
    """A file of the right name may be another training's, as `attribute validate train` leaves."""
    data = probe.data
    expected = replace(probe.recipe, seed=seed), frozenset(data.ids), data.text_tokenizer
    if (trained.recipe, trained.seen, text_tokenizer) != expected:
        raise ProofError(
            f"{path}: expected the model of this run's pictures and settings, found another; "
            "delete it and run the same command again"
        )


def _digest_of(prompts: Sequence[str]) -> str:
    return hashlib.sha256("\0".join(prompts).encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _queries(
    seeds: Sequence[int], prompts: int, more: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Seeds and prompts of the queries: the test's of every seed, and more of the first one."""
    pairs = [(seed, number) for seed in seeds for number in range(prompts)]
    pairs += [(seeds[0], number) for number in range(prompts, more)]
    rows = np.array(pairs, np.int64)
    return rows[:, 0], rows[:, 1]
