"""Settings from code: the commands' defaults, and values that no setting can have."""

from __future__ import annotations

import pytest

from harvester import HarvestSettings, SettingError
from harvester.api.settings import check_engines
from harvester.cli.options import NetworkOptions, StoringOptions
from harvester.consent.signals import ConsentPolicy


def test_the_defaults_are_the_commands():
    options = StoringOptions().settings(NetworkOptions())
    assert HarvestSettings(max_side=512, near_duplicates="merge") == options


def test_a_source_has_defaults_of_its_own_until_something_is_set():
    plan = HarvestSettings().plan(max_side=1024, merge_near=False)
    assert (plan.max_side, plan.merge_near) == (1024, False)
    plan = HarvestSettings(max_side=64, near_duplicates="merge").plan(merge_near=False)
    assert (plan.max_side, plan.merge_near) == (64, True)


def test_a_plan_is_as_the_settings_say():
    plan = HarvestSettings(consent="record", timeout_s=3.0, concurrency=7).plan()
    assert plan.network.policy is ConsentPolicy.RECORD
    assert plan.network.concurrency == 7
    assert plan.network.limits.connect_s == 3.0


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"consent": "none"}, "strict, search-only, record, found 'none'"),
        ({"near_duplicates": "drop"}, "merge or keep, found 'drop'"),
        ({"engine": None}, "local, ray, found None"),
        ({"per_prompt": 0}, "per_prompt: expected 1 or more, found 0"),
        ({"timeout_s": float("nan")}, "timeout_s"),
        ({"max_side": 3}, "64 or more"),
    ],
)
def test_what_a_setting_cannot_be_is_refused_by_its_name(given, told):
    with pytest.raises(SettingError, match=told) as caught:
        HarvestSettings(**given)
    assert [caught.value.setting] == list(given)


@pytest.mark.parametrize(("names", "licenses"), [(("bing",), ()), ((), ()), (("ddg",), ("by",))])
def test_engines_that_cannot_be_asked_are_refused(names, licenses):
    with pytest.raises(SettingError):
        check_engines(names, licenses)
