"""Inputs made to break things: no crash, no hang, no error but the promised ones.

A few hundred of each in every run of the tests, 100,000 and more in `make soak`.
"""

from __future__ import annotations

import warnings

import pytest

from tests.soak.fuzz_targets import TARGETS
from tests.soak.fuzzing import fuzz, fuzz_in_processes

FEW = 300
MANY = 100_000


@pytest.mark.parametrize("name", TARGETS)
def test_a_few_mutated_inputs_do_no_harm(name):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the decoders' own; an error here would hide what follows
        assert not fuzz(TARGETS[name], seed=0, count=FEW)


@pytest.mark.soak
@pytest.mark.parametrize("name", TARGETS)
def test_mutated_inputs_do_no_harm(name):
    assert not fuzz_in_processes(name, MANY)
