"""What the sample's Discord channel says, post by post, and what each picture is made from.

Every kind of message that `harvest midjourney` has to tell apart is here once.
"""

from __future__ import annotations

from dataclasses import dataclass

from data.sample_art import Tile

BOT = "Midjourney Bot"
RELAY = "Sample Relay"

BIRD = "a kingfisher perched on a mossy branch, loose oil painting"
FISH = "a clownfish among sea anemones, flat vintage travel poster"
MILL = "an old windmill beside a canal under heavy clouds, ink and watercolour"
CASTLE = "a fairytale castle on a wooded hill, storybook illustration"
REMIXED = "a fairytale castle on a wooded hill, ink and watercolour"
PANDA = "red panda resting in a tree autumn ink wash"
PALACE = "a palace of pink sandstone with hundreds of windows, gouache"
CHURCH = "a village church under a deep blue sky by Vincent van Gogh"

_BIRD = f"{BIRD} --ar 1:1 --v 6.0"
_FISH = f"{FISH} --v 6.1 --sref <https://s.mj.run/SampleRef01> --sw 200"
_MILL = f"{MILL} --v 5.2"
_CASTLE = f"{CASTLE} --s 250 --v 6.1"
_PANDA = "red panda resting in a tree::2 autumn ink wash::1 --no people, text --v 6.0"
_CHURCH = f"{CHURCH} --v 5.2"


@dataclass(frozen=True, slots=True, kw_only=True)
class Post:
    """One message of the channel.

    Attributes:
        text: as exported; `{user}` is where the exporter shows who asked.
        words: what the file name is made of; empty for a message without a picture.
        tiles: one picture, or a grid of four; unless `of` names a post's tile (1 to 4) to show.
        size: (height, width) of a tile, in pixels.
    """

    key: str
    text: str
    user: str = "Sample User A"
    author: str = BOT
    words: str = ""
    tiles: tuple[Tile, ...] = ()
    of: tuple[str, int] | None = None
    size: tuple[int, int] = (384, 384)
    ending: str = ".webp"
    reply_to: str | None = None

    @property
    def has_picture(self) -> bool:
        """Whether a file is attached."""
        return bool(self.tiles) or self.of is not None


_NEUSCHWANSTEIN = "neuschwansteinCastle"
_CHURCH_AT_AUVERS = "Eglise_dAuvers-sur-Oise_background"

POSTS = (
    Post(
        key="hello",
        text="Trying a few old motifs today. Does anyone know how --sw works?",
        author="Sample User B",
    ),
    Post(
        key="bird",
        text=f"**{_BIRD}** - {{user}} (relaxed)",
        words=BIRD,
        tiles=(
            Tile("kingfisher", "oil", (0.18, 0.0, 0.9, 1.0)),
            Tile("scarlet_macaw", "oil", (0.1, 0.0, 1.0, 1.0), hue=10),
            Tile("kingfisher", "oil", (0.25, 0.05, 0.8, 0.95), mirrored=True, hue=-14),
            Tile("owl", "oil", (0.35, 0.05, 1.0, 0.95)),
        ),
    ),
    Post(
        key="bird 3",
        text=f"**{_BIRD}** - Image #3 {{user}}",
        words=BIRD,
        of=("bird", 3),
        size=(512, 512),
        reply_to="bird",
    ),
    Post(
        key="castle",
        text=f"**{_CASTLE}** - {{user}} (fast)",
        user="Sample User B",
        words=CASTLE,
        tiles=(
            Tile(_NEUSCHWANSTEIN, "storybook", (0.1, 0.0, 0.85, 1.0)),
            Tile("chateaudeChambord", "storybook", (0.1, 0.05, 0.95, 0.95)),
            Tile("montStMichel", "storybook", (0.3, 0.1, 1.0, 0.9), hue=-12),
            Tile(_NEUSCHWANSTEIN, "storybook", (0.25, 0.15, 0.9, 0.95), mirrored=True, hue=14),
        ),
    ),
    Post(
        key="castle again",
        text=f"**{_CASTLE}** - Variations (Strong) by {{user}} (fast)",
        user="Sample User B",
        words=CASTLE,
        reply_to="castle",
        tiles=(
            Tile(_NEUSCHWANSTEIN, "gouache", (0.15, 0.05, 0.8, 0.95), mirrored=True),
            Tile("schwerinPalace", "gouache", (0.15, 0.05, 0.95, 0.95), hue=-10),
            Tile(_NEUSCHWANSTEIN, "oil", (0.1, 0.0, 0.9, 1.0), hue=18),
            Tile("chateaudeChenonceau", "gouache", (0.2, 0.0, 1.0, 0.9), mirrored=True),
        ),
    ),
    Post(
        key="stopped",
        text="**a lighthouse in fog --v 6.0** - {user} (Stopped)",
        user="Sample User C",
    ),
    Post(
        key="fish",
        text=f"**{_FISH}** - {{user}} (turbo)",
        user="Sample User C",
        words=FISH,
        ending=".png",
        tiles=(
            Tile("fish9", "poster", (0.0, 0.0, 0.85, 1.0)),
            Tile("fish10", "poster", (0.1, 0.05, 0.95, 0.95), hue=-10),
            Tile("fish1", "poster", (0.05, 0.0, 0.95, 1.0), mirrored=True),
            Tile("fish9", "poster", (0.1, 0.0, 0.75, 0.8), mirrored=True, hue=-16),
        ),
    ),
    Post(
        key="mill",
        text=f"**{_MILL}** - {{user}} (relaxed, stealth)",
        words=MILL,
        tiles=(
            Tile("windmill13", "watercolour", (0.2, 0.0, 1.0, 1.0)),
            Tile("windmill", "watercolour", (0.0, 0.05, 1.0, 0.95), hue=10),
            Tile("windmill3", "watercolour", (0.0, 0.0, 0.8, 1.0), mirrored=True),
            Tile("windmill13", "watercolour", (0.05, 0.05, 0.95, 0.95), mirrored=True, hue=-18),
        ),
    ),
    Post(
        key="mill wider",
        text=f"**{_MILL} --ar 8:5** - Pan Left by {{user}} (relaxed, stealth)",
        words=MILL,
        tiles=(Tile("windmill13", "watercolour", (0.0, 0.1, 1.0, 1.0)),),
        size=(480, 768),
        reply_to="mill",
    ),
    Post(
        key="church",
        text=f"**{_CHURCH}** - {{user}} (fast)",
        user="Unknown",  # left the server: the exporter no longer knows the name
        words=CHURCH,
        tiles=(
            Tile(_CHURCH_AT_AUVERS, "swirl", (0.0, 0.0, 1.0, 0.85)),
            Tile("VincentVanGoghBridge_background", "swirl", (0.1, 0.0, 0.9, 1.0), hue=8),
            Tile("Gogh4_background", "swirl", (0.0, 0.1, 1.0, 0.9), mirrored=True),
            Tile(_CHURCH_AT_AUVERS, "oil", (0.05, 0.05, 0.95, 0.8), mirrored=True, hue=-14),
        ),
    ),
    Post(
        key="church large",
        text=f"**{_CHURCH}** - Upscaled (Subtle) by {{user}} (fast)",
        user="Unknown",
        words=CHURCH,
        of=("church", 1),
        size=(512, 512),
        reply_to="church",
    ),
    Post(key="describe", text="", user="Sample User B"),
    Post(
        key="panda",
        text=f"**{_PANDA}** - {{user}} (fast)",
        user="Sample User C",
        words=PANDA,
        tiles=(
            Tile("red_panda", "ink wash", (0.25, 0.0, 0.95, 1.0)),
            Tile("lemur", "ink wash", (0.2, 0.0, 1.0, 1.0)),
            Tile("red_panda", "ink wash", (0.2, 0.0, 0.8, 0.9), mirrored=True, hue=12),
            Tile("panda", "ink wash", (0.0, 0.0, 0.85, 1.0)),
        ),
    ),
    Post(
        key="panda farther",
        text=f"**{_PANDA}** - Zoom Out by {{user}} (fast)",
        user="Sample User C",
        words=PANDA,
        tiles=(Tile("red_panda", "ink wash", (0.0, 0.0, 1.0, 1.0)),),
        size=(512, 768),
        reply_to="panda",
    ),
    Post(
        key="palace",
        text=f"**{PALACE} --v 6.0** - {{user}} (fast)",
        words=PALACE,
        tiles=(
            Tile("hawaMahal", "gouache", (0.1, 0.0, 0.9, 0.95)),
            Tile("goldenTemple", "gouache", (0.15, 0.05, 0.9, 1.0), hue=-10),
            Tile("charminar", "gouache", (0.0, 0.0, 1.0, 0.9)),
            Tile("hawaMahal", "watercolour", (0.0, 0.05, 0.85, 1.0), mirrored=True, hue=-12),
        ),
    ),
    Post(
        key="castle remixed",
        text=f"**{REMIXED} --s 250 --v 6.1** - Remix (Subtle) by {{user}} (fast)",
        user="Sample User B",
        words=REMIXED,
        reply_to="castle",
        tiles=(
            Tile(_NEUSCHWANSTEIN, "watercolour", (0.1, 0.0, 0.85, 1.0)),
            Tile("EilanDonanCastle_background", "watercolour", (0.3, 0.1, 1.0, 0.9)),
            Tile("schwerinPalace", "watercolour", (0.2, 0.0, 1.0, 0.9), mirrored=True),
            Tile(_NEUSCHWANSTEIN, "watercolour", (0.2, 0.1, 0.9, 1.0), mirrored=True, hue=-12),
        ),
    ),
    Post(
        key="relay",
        text=f"**{_CASTLE}** - {{user}} (fast)",
        user="Sample User B",
        author=RELAY,
        words=CASTLE,
        of=("castle", 1),
    ),
    Post(
        key="progress",
        text=f"**{_FISH}** - {{user}} (62%) (turbo)",
        user="Sample User C",
        words=FISH,
        of=("fish", 3),
        size=(128, 128),
        ending="_grid_0.webp",
    ),
    Post(key="waiting", text=f"**{_MILL}** - {{user}} (Waiting to start)"),
)
"""In the order of the channel; the last two had not ended when it was exported."""
