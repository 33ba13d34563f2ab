"""The protocol of text channels: what is written about candidates, scored against a prompt.

One file a channel (`bm25`, `tfidf`, `names`), each a `TextScorer`, and one row in
`ranking.method.TEXT_SCORERS`. The searches that led to a candidate are no text about it: it would
match by having been looked for.

But: channels of several, and never the only gate: a source without a caption must be found too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from attribution.prompt import PromptParts


@dataclass(frozen=True, slots=True)
class CandidateText:
    """What is written about one candidate; several titles, captions or makers a line each.

    Attributes:
        title, caption: of the page or the catalogue that shows it.
        creator: whom they name as its maker.
    """

    title: str = ""
    caption: str = ""
    creator: str = ""

    @property
    def body(self) -> str:
        """What is said of the picture itself: its words, and not its maker's name."""
        return f"{self.title}\n{self.caption}".strip()


class TextScorer(Protocol):
    """The texts of a gallery's candidates, to be scored against prompts."""

    @property
    def name(self) -> str:
        """Of the channel, as in `channels.CHANNELS`."""

    def is_asked(self, prompt_parts: PromptParts) -> bool:
        """Whether the prompt asks for anything that this channel compares."""

    def scores(self, prompt_parts: PromptParts) -> NDArray[np.float32]:
        """(n,) float32, one a candidate; higher where more of what is asked for is written."""
