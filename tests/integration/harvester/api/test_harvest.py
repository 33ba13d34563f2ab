"""Harvests from code, against a real server on loopback: outcomes, early ends, errors."""

from __future__ import annotations

import asyncio

import pytest

from harvester import (
    Candidate,
    ExportFormatError,
    FetchStatus,
    Finding,
    HarvestSettings,
    InputError,
    SettingError,
    ShardError,
    harvest_folder,
    harvest_midjourney,
    harvest_search,
    harvest_urls,
    open_dataset,
)
from harvester.dataset.writer import DatasetWriter
from harvester.search import commons
from tests.support.checkout import SAMPLE
from tests.support.servers.fault_server import picture
from tests.support.servers.offline_commons import OfflineCommons, file

NEAR = HarvestSettings(allow_private=True, near_duplicates="keep", timeout_s=5.0)


def serve(server, count: int) -> list[str]:
    """Addresses of so many pictures, no two of the same bytes."""
    return [
        server.serve(f"/{n}.png", picture("PNG") + bytes([n // 256, n % 256]), "image/png")
        for n in range(count)
    ]


async def test_each_address_has_an_outcome_and_failures_are_outcomes_too(tmp_path, fault_server):
    addresses = [*serve(fault_server, 3), *map(fault_server.url, ["/404", "/noai", "/html-as-jpg"])]
    harvest = harvest_urls(addresses, tmp_path, settings=NEAR)
    outcomes = {outcome.url: outcome.status async for outcome in harvest}
    assert [outcomes[url] for url in addresses] == [
        *[FetchStatus.OK] * 3,
        FetchStatus.NOT_FOUND,
        FetchStatus.OPTED_OUT,
        FetchStatus.HTML,
    ]
    assert (harvest.tally.new, harvest.tally.failed) == (3, 3)
    assert len(open_dataset(tmp_path)) == 6
    with pytest.raises(RuntimeError, match="not begun"):
        await harvest.run()


async def test_a_list_may_be_a_file_and_findings_may_tell_more(tmp_path, fault_server):
    (tmp_path / "list.txt").write_text("\n".join(serve(fault_server, 2)))
    listed = harvest_urls(tmp_path / "list.txt", tmp_path / "a", settings=NEAR)
    assert listed.expected is not None
    assert (await listed.run()).new == 2
    told = [Finding(url=fault_server.url("/0.png"), source="mine", creator="Ada")]
    await harvest_urls(told, tmp_path / "b", settings=NEAR).run()
    [row] = open_dataset(tmp_path / "b").rows(Candidate)
    assert (row.creator, row.source) == ("Ada", "mine")


@pytest.mark.parametrize("way", ["break", "cancel", "stop"])
async def test_an_early_end_leaves_a_whole_dataset_that_the_next_run_completes(
    tmp_path, fault_server, way
):
    addresses = serve(fault_server, 60)
    harvest = harvest_urls(addresses, tmp_path, settings=NEAR)
    seen: list[str] = []

    async def go() -> None:
        async for outcome in harvest:
            seen.append(outcome.url)
            if len(seen) == 5:
                if way == "break":
                    break
                if way == "stop":
                    harvest.stop()
                else:
                    asyncio.current_task().cancel()

    if way == "cancel":
        with pytest.raises(asyncio.CancelledError):
            await asyncio.create_task(go())
    else:
        await go()
    # The lock is free, what was yielded is stored, and nothing is stored twice later.
    await until_free(tmp_path)
    stored = {row.url for row in open_dataset(tmp_path).rows(Candidate)}
    assert set(seen) <= stored
    tally = await harvest_urls(addresses, tmp_path, settings=NEAR).run()
    assert tally.new + len(stored) == len(addresses)
    assert len(open_dataset(tmp_path)) == len(addresses)


async def until_free(folder) -> None:
    """A loop that was left gives its generator to the event loop, which closes it in its turn."""
    while True:
        try:
            with DatasetWriter(folder, Candidate):
                return
        except ShardError:
            await asyncio.sleep(0.01)


async def test_a_dataset_has_one_writer(tmp_path, fault_server):
    with DatasetWriter(tmp_path, Candidate), pytest.raises(ShardError):
        await harvest_urls(serve(fault_server, 1), tmp_path, settings=NEAR).run()


async def test_folders_keep_what_looks_alike(tmp_path):
    for name in ("a", "b"):
        (tmp_path / "in").mkdir(exist_ok=True)
        (tmp_path / "in" / f"{name}.png").write_bytes(picture("PNG") + name.encode())
    tally = await harvest_folder(tmp_path / "in", tmp_path / "out", creator="Ada").run()
    assert tally.new == 2
    assert {row.creator for row in open_dataset(tmp_path / "out").rows(Candidate)} == {"Ada"}


async def test_prompts_are_searched_for(tmp_path, fault_server, monkeypatch):
    [url] = serve(fault_server, 1)
    with OfflineCommons() as server:
        monkeypatch.setattr(commons, "BASE_URL", server.base_url)
        server.files["boat"] = [file("B.jpg", url=url)]
        harvest = harvest_search(["boat"], tmp_path, engines=("commons",), settings=NEAR)
        assert [outcome.source async for outcome in harvest] == ["commons"]
    assert harvest.expected == 100


async def test_exports_are_read(tmp_path, monkeypatch):
    monkeypatch.setenv("WHENCE_AUTHOR_KEY", "a key")
    harvest = harvest_midjourney(SAMPLE / "discord", tmp_path)
    assert (await harvest.run()).new == 13
    assert harvest.messages.kinds["finished"] == 13
    assert open_dataset(tmp_path).kind == "generations"


def test_what_is_wrong_is_told_before_anything_is_begun(tmp_path):
    with pytest.raises(InputError):
        harvest_urls(tmp_path / "none.csv", tmp_path / "out")
    with pytest.raises(InputError):
        harvest_folder(tmp_path / "none", tmp_path / "out")
    with pytest.raises(InputError):
        harvest_search(["…"], tmp_path / "out")
    with pytest.raises(SettingError):
        harvest_search(["boat"], tmp_path / "out", engines=("bing",))
    with pytest.raises(ExportFormatError):
        harvest_midjourney(tmp_path / "none.json", tmp_path / "out", keep_authors=True)
    with pytest.raises(ShardError):
        harvest_urls([], "nothing://there")
    assert not (tmp_path / "out").exists()
