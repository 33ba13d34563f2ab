"""What can go wrong while ranking, and the exit code each kind gives.

::

    RankingError
    ├── QueryImageError           3   the generated picture cannot be read
    ├── JobError                  3   a batch's settings do not fit what it wrote before
    ├── GalleryError              5   there are no candidates to rank
    ├── DescriptorMismatchError   5   descriptors of another model
    ├── WeightsMissingError       5   a model's weights are not there, or not those named
    ├── BackboneNameError         2   a further model is named as none is
    ├── ProcessorError            2   the processor lacks what was asked for
    ├── BackgroundError           5   no background, or one that does not fit
    ├── ReportError               5   a report cannot be written where it should
    ├── SuiteError                3   there is nothing to evaluate, or a suite's files are missing
    ├── ProofError                3   a proof's dataset, prompts or pictures do not fit
    └── CheckpointError           5   a trained model is missing, damaged, or of other parts
"""

from __future__ import annotations


class RankingError(Exception):
    """Base of all errors a ranking can end in; its text is one line for a person."""

    exit_code = 1


class QueryImageError(RankingError):
    """The generated picture is missing, or is no picture."""

    exit_code = 3


class JobError(RankingError):
    """A batch cannot go on from what an earlier run left."""

    exit_code = 3


class GalleryError(RankingError):
    """There is nothing to rank against."""

    exit_code = 5


class DescriptorMismatchError(RankingError):
    """Stored descriptors were made by another model or another preprocessing."""

    exit_code = 5


class WeightsMissingError(RankingError):
    """A model's weights are missing or differ from the ones named."""

    exit_code = 5


class BackboneNameError(RankingError):
    """A model to compare pictures with is named in a form that no model is, or twice."""

    exit_code = 2


class ProcessorError(RankingError):
    """A computation is asked for that this processor has no instructions for."""

    exit_code = 2


class BackgroundError(RankingError):
    """The pictures that chance is measured on are missing, too few, or of another model."""

    exit_code = 5


class ReportError(RankingError):
    """A report cannot be written where it should."""

    exit_code = 5


class SuiteError(RankingError):
    """An evaluation has nothing to work on, or names files that are not there."""

    exit_code = 3


class ProofError(RankingError):
    """What a counterfactual test is asked for cannot be done with these pictures."""

    exit_code = 3


class CheckpointError(RankingError):
    """A trained model's file is missing, damaged, or made with other parts than those at hand."""

    exit_code = 5
