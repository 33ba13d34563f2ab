"""Links to Discord's attachments, taken apart."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from harvester.discord.links import anonymous_link, canonical_link, expires_at, find_job_id

BASE = "https://cdn.discordapp.com/attachments/1/2/ann_lee_a_cat_0C5BA97C-5a71-4b6e-9f3e-2a2a2a2a2a2a.png"


def test_the_end_of_a_link_is_read_in_utc():
    end = datetime(2024, 1, 12, 21, 44, 34, tzinfo=UTC)
    assert expires_at(f"{BASE}?ex=65a1b2c2&is=658f3dc2&hm=ab") == end
    assert expires_at(f"{BASE}?is=658f3dc2&hm=ab&ex=65A1B2C2") == end


@pytest.mark.parametrize(
    "query", ["", "?ex=", "?ex=xyz", "?hex=65a1b2c2", "?ex=ffffffffff", "?ex=1g"]
)
def test_a_link_without_such_a_time_has_no_end(query):
    assert expires_at(BASE + query) is None


@pytest.mark.parametrize(
    ("query", "kept"),
    [
        ("?ex=65a1b2c2&is=658f3dc2&hm=ab", ""),
        ("?ex=65a1b2c2&is=658f3dc2&hm=ab&", ""),
        ("?ex=1&format=webp&is=2&width=1024&hm=3&height=512", "?format=webp&width=1024&height=512"),
        ("?exact=1&a%20b=c", "?exact=1&a%20b=c"),
        ("?ex=1#top", "#top"),
        ("", ""),
    ],
)
def test_two_links_to_one_attachment_are_one_link(query, kept):
    assert canonical_link(BASE + query) == BASE + kept


def test_the_last_uuid_of_a_name_is_the_job():
    first = "aaaaaaaa-bbbb-4ccc-8ddd-eeeeeeeeeeee"
    job = "0c5ba97c-5a71-4b6e-9f3e-2a2a2a2a2a2a"
    assert find_job_id(f"user_{first}_{job.upper()}.png") == job
    assert find_job_id(f"User__{job}.png") == job
    assert find_job_id("user_slug.png") is None


def test_an_anonymous_link_names_nobody():
    assert anonymous_link(f"{BASE}?ex=1&is=2&hm=3") == (
        "https://cdn.discordapp.com/attachments/1/2/user_0C5BA97C-5a71-4b6e-9f3e-2a2a2a2a2a2a.png"
    )
    assert anonymous_link("https://x/1/2/ann_lee.png?ex=1") == "https://x/1/2/user.png"
    assert anonymous_link("https://x/1/2/ann_lee") == "https://x/1/2/user"
