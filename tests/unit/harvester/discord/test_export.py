"""Exports of every layout become generations; what is left out is counted."""

from __future__ import annotations

import csv
import hashlib
import hmac
from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from harvester.discord.export import MessageTally, read_exports
from harvester.schema import Generation
from tests.support.discord_samples import (
    ASKER,
    ASKER_ID,
    BOT,
    CHANNEL,
    GRID_JOB,
    NIJI,
    UPSCALE_JOB,
    export,
    link,
    message,
    raw,
    user,
    write,
)

MENTION = f"<@{ASKER_ID}>"
RENDERED = f"@{ASKER['nickname']}"
KEY = b"a key for tests"


def read(*paths, **options) -> tuple[list[Generation], MessageTally]:
    tally = MessageTally()
    posts = list(read_exports(paths, tally=tally, **{"author_key": KEY, **options}))
    assert tally.messages == tally.kinds.total()
    assert tally.kinds["finished"] == tally.actions.total() == len(posts)
    return [post.generation for post in posts], tally


def test_a_grid_fills_every_column(tmp_path):
    prompt = "glass, by lamplight --ar 2:1 --v 6.0 --no text"
    path = write(tmp_path / "e.json", export(message(f"**{prompt}** - {RENDERED} (turbo)")))
    [row], tally = read(path)
    assert (row.id, row.job_id, row.message_id) == (GRID_JOB, GRID_JOB, "1190000000000000001")
    assert row.prompt == "glass, by lamplight"
    assert [flag.name for flag in row.parameters] == ["ar", "v", "no"]
    assert (row.negatives, row.version, row.model) == (("text",), "6.0", "midjourney")
    assert (row.action, row.mode, row.channel, row.tile) == ("imagine", "turbo", "renders", None)
    assert row.created_at == datetime(2023, 12, 28, 19, 15, 30, 123000, UTC)
    assert row.url == link()
    assert row.raw_content == f"**{prompt}** - <@user> (turbo)"
    assert tally.actions == {"imagine": 1}


def test_the_author_is_who_asked_as_a_keyed_hash(tmp_path):
    expected = hmac.new(KEY, ASKER_ID.encode(), hashlib.sha256).hexdigest()[:16]
    for name, value in {
        "rendered": export(message(f"**a** - {RENDERED}")),
        "by id": export(message(f"**a** - {MENTION}")),
        "unresolved": export(message("**a** - @Unknown (fast)")),
        "renamed": export(message("**a** - @Other Name (fast)")),
        "raw": [raw(f"**a** - {MENTION}")],
    }.items():
        [row], _ = read(write(tmp_path / f"{name}.json", value))
        assert row.author == f"user-{expected}", name
        assert "Sample" not in row.raw_content
        assert ASKER_ID not in row.raw_content
        assert "Name" not in row.raw_content


def test_without_a_key_names_are_kept_but_not_in_the_text(tmp_path):
    path = write(tmp_path / "e.json", export(message(f"**a** - {RENDERED} (fast)")))
    [row], _ = read(path, author_key=None)
    assert row.author == "sample.user_a"
    assert row.raw_content == "**a** - <@user> (fast)"
    nobody = message("**a** - @Unknown (fast)", mentions=[])
    [row], _ = read(write(tmp_path / "e.json", export(nobody)), author_key=None)
    assert row.author is None


def test_users_named_inside_a_prompt_are_taken_out_too(tmp_path):
    other = user({"id": "100000000000000009", "name": "ann", "nickname": "Ann Lee"})
    asked = message(
        f"**portrait of @Ann Lee and <@100000000000000008>, @annette** - {RENDERED} (fast)",
        mentions=[other, user(ASKER)],
    )
    [row], _ = read(write(tmp_path / "e.json", export(asked)))
    assert row.prompt == "portrait of <@user> and <@user>, @annette"
    assert row.raw_content.startswith("**portrait of <@user> and <@user>, @annette** - <@user>")


def test_an_upscale_is_linked_to_its_grid(tmp_path):
    grid = message(f"**a cat** - {RENDERED} (fast)", id_="1190000000000000001")
    upscale = message(
        f"**a cat** - Upscaled (Subtle) by {RENDERED} (fast)",
        id_="1190000000000000005",
        job=UPSCALE_JOB,
        type="Reply",
        reference={"messageId": "1190000000000000001", "channelId": CHANNEL, "guildId": None},
    )
    rows, tally = read(write(tmp_path / "e.json", export(grid, upscale)))
    assert rows[1].grid_id == rows[0].message_id
    assert [row.id for row in rows] == [GRID_JOB, UPSCALE_JOB]
    assert tally.actions == {"imagine": 1, "upscale": 1}
    api = raw(f"**a** - Image #4 {MENTION}", message_reference={"message_id": "77"}, type=19)
    [row], _ = read(write(tmp_path / "raw.json", [api]))
    assert (row.grid_id, row.tile, row.action) == ("77", 4, "pick")


def test_every_kind_of_message_is_counted_once(tmp_path):
    described = {"description": "1️⃣ a cat\n\n2️⃣ a dog", "image": {"url": "https://x/y.png"}}
    video = [{"id": "1", "url": "https://x/a.mp4", "fileName": "a.mp4"}]
    grid = [{"id": "1", "url": "https://x/a.webp", "fileName": f"u_a_{GRID_JOB}_grid_0.webp"}]
    person = user({"id": "5", "name": "someone", "nickname": "Midjourney Bot"})
    _, tally = read(
        write(
            tmp_path / "e.json",
            export(
                message(f"**a** - {RENDERED} (fast)"),
                message(f"**a** - {RENDERED} (Waiting to start)", attachments=[]),
                message(f"Upscaling image #2 with **a** - {RENDERED} (Waiting to start)"),
                message(f"**a** - {RENDERED} (62%) (fast)"),
                message(f"**a** - {RENDERED} (paused) (fast)"),
                message(f"**a** - {RENDERED} (fast)", attachments=grid),
                message(f"**a** - {RENDERED} (Stopped)"),
                message(f"**a** - {MENTION} (Moderated)"),
                message(f"**a** - {RENDERED} (fast)", attachments=[]),
                message(f"**a --video 1** - {RENDERED} (fast)", attachments=video),
                message("", embeds=[described], attachments=[]),
                message("There are 3 jobs in the queue."),
                message(f"**a** - {RENDERED} (fast)", author=person),
                "no message",
                None,
            ),
        )
    )
    assert tally.kinds == {
        "finished": 1,
        "start": 2,
        "progress": 3,
        "stopped": 1,
        "unknown state": 1,
        "no picture": 1,
        "video": 1,
        "describe": 1,
        "not a job": 1,
        "other author": 1,
        "malformed": 2,
    }
    assert "15 messages" in tally.describe()
    assert tally.record()["kinds"]["progress"] == 3


@pytest.mark.parametrize(
    ("author", "taken"),
    [
        (user(BOT, bot=True), True),
        (user(NIJI, bot=True), True),
        (user({"id": "7", "name": "Midjourney Bot"}, bot=True), True),
        (user({"id": "7", "name": "Midjourney Bot"}), False),
        (user({"id": "7", "name": "Relay"}, bot=True), False),
    ],
)
def test_both_bots_are_read_and_relays_only_on_demand(tmp_path, author, taken):
    path = write(tmp_path / "e.json", export(message(f"**a** - {RENDERED}", author=author)))
    assert bool(read(path)[0]) is taken
    assert len(read(path, any_author=True)[0]) == 1


def test_the_niji_bot_makes_niji_pictures(tmp_path):
    niji = user(NIJI, bot=True)
    path = write(tmp_path / "e.json", export(message(f"**a** - {RENDERED}", author=niji)))
    assert read(path)[0][0].model == "niji"


def test_hostile_values_cost_their_message_only(tmp_path):
    odd = message(f"**a** - {RENDERED}", job=UPSCALE_JOB)
    odd |= {"timestamp": 7, "mentions": {"a": 1}, "reference": [], "channel_id": {}, "embeds": 3}
    bad = [
        message("x", author="a", attachments=[None, 3, {"url": 4}], mentions=[None, 5]),
        {"content": ["x"], "attachments": "y", "author": None, "id": None},
        {},
        [],
    ]
    rows, tally = read(write(tmp_path / "e.json", export(odd, *bad)))
    assert [row.id for row in rows] == [UPSCALE_JOB]
    assert rows[0].created_at == datetime.fromtimestamp(
        ((int("1190000000000000001") >> 22) + 1420070400000) / 1000, UTC
    )
    assert tally.messages == 5


def test_raw_dumps_flat_nested_and_as_lines(tmp_path):
    near = raw("chatter", id="3")
    hit = raw(f"**glass** - {MENTION} (relaxed)", hit=True)
    flat = write(tmp_path / "flat.json", [hit, near])
    nested = write(tmp_path / "kaggle.json", {"total_results": 2, "messages": [[near, hit], [hit]]})
    bare = write(tmp_path / "bare.json", [[hit], [near]])
    lines = tmp_path / "lines.jsonl"
    lines.write_bytes(b"\n".join(write(tmp_path / "x.json", v).read_bytes() for v in (hit, near)))
    for path, found in {flat: 1, nested: 2, bare: 1, lines: 1}.items():
        rows, tally = read(path)
        assert len(rows) == found, path
        assert tally.messages == 2
        assert (rows[0].width, rows[0].height, rows[0].channel) == (2048, 1024, CHANNEL)


def test_csv_of_the_exporter(tmp_path):
    path = tmp_path / f"Guild - renders [{CHANNEL}].csv"
    second = link(UPSCALE_JOB, name=f"a, b_{UPSCALE_JOB}.png")
    with path.open("w", encoding="utf-8-sig", newline="") as stream:
        stream.write("AuthorID,Author,Date,Content,Attachments,Reactions\n")
        rows = csv.writer(stream, quoting=csv.QUOTE_ALL)
        bot = (BOT["id"], "Midjourney Bot#9282", "28-Dec-23 8:15 PM")
        rows.writerow([*bot, "**line one\nline, two --v 6** - @Some One (fast)", link(), "x (2)"])
        rows.writerow([*bot, "**b** - @Some One", f"{second},{link()}", ""])
        rows.writerow([*bot, "**c** - @Some One", "", ""])
        rows.writerow(["5", "someone#0000", "28-Dec-23 8:15 PM", "**d** - @x", link(), ""])
        rows.writerow(["too", "few"])
    found, tally = read(path)
    assert [row.prompt for row in found] == ["line one line, two", "b"]
    assert found[1].url == second
    assert tally.kinds == {"finished": 2, "no picture": 1, "other author": 1, "malformed": 1}
    assert {row.channel for row in found} == {CHANNEL}
    assert found[0].created_at is not None
    assert found[0].created_at.year == 2023


def test_without_any_id_the_hash_of_the_message_is_the_id(tmp_path):
    path = tmp_path / "e.csv"
    row = f'"{BOT["id"]}","Midjourney Bot","2024-01-05T10:00:00Z","**a** - @{{}}","https://x/y.png{{}}",""'
    header = "AuthorID,Author,Date,Content,Attachments,Reactions\n"
    path.write_text(header + row.format("Ann", "?ex=1&is=2&hm=3"), encoding="utf-8")
    [first], _ = read(path)
    path.write_text(header + row.format("Renamed", "?ex=4&is=5&hm=6"), encoding="utf-8")
    [second], _ = read(path)
    assert first.id == second.id
    assert len(first.id) == 32


def test_parquet_dumps(tmp_path):
    path = tmp_path / "dump.parquet"
    count = 2500
    table = pa.table(
        {
            "id": [str(1190000000000000001 + at) for at in range(count)],
            "channel_id": [int(CHANNEL)] * count,
            "content": [f"**p{at}** - {MENTION} (fast)" for at in range(count - 1)] + ["chat"],
            "timestamp": pa.array([1_703_791_530_123_456_789] * count, pa.timestamp("ns")),
            "image_id": ["1"] * count,
            "height": [512.0] * count,
            "width": pa.array([1024] * count, pa.int64()),
            "url": [link(name=f"u_{at}.png") for at in range(count)],
            "size": [1] * count,
        }
    )
    pq.write_table(table, path)
    rows, tally = read(path)
    assert tally.kinds == {"finished": count - 1, "not a job": 1}
    assert (rows[7].prompt, rows[7].id, rows[7].channel) == ("p7", "1190000000000000008", CHANNEL)
    assert (rows[7].width, rows[7].height) == (1024, 512)
    assert rows[7].created_at == datetime(2023, 12, 28, 19, 25, 30, 123456, UTC)


def test_one_channel_in_several_layouts_has_the_same_ids(tmp_path):
    rendered = write(tmp_path / "a.json", export(message(f"**a** - {RENDERED} (fast)")))
    api = write(tmp_path / "b.json", [raw(f"**a** - {MENTION} (fast)")])
    [first], _ = read(rendered)
    [second], _ = read(api)
    assert (first.id, first.author, first.prompt) == (second.id, second.author, second.prompt)
    assert first.raw_content == second.raw_content
