"""What prompts as people write them are searched for."""

from __future__ import annotations

import pytest

from harvester.search.queries import plan_queries

# Made up after the prompts that people write; the last column is what a person would type.
GOLDEN = [
    (
        "a fisherman village by Ralph Steadman",
        ("a fisherman village by Ralph Steadman", "Ralph Steadman"),
    ),
    (
        "/imagine prompt: portrait of an old sailor, by greg rutkowski and alphonse mucha, artstation, 4k, octane render --ar 2:3 --v 5",
        ("portrait of an old sailor by greg rutkowski and alphonse mucha", "greg rutkowski"),
    ),
    ("glass --ar 1:1", ("glass",)),
    ("a white haired boy --niji 5", ("a white haired boy",)),
    (
        "S::9 Shanti border in style of 15th century illuminated manuscripts::6 medieval design, gouche::2.5 cinematic lighting --ar 4:6 --no human bodies --seed 1391 --no text",
        (
            "S Shanti border in style of 15th century illuminated manuscripts medieval design gouche",
            "Shanti border in style of 15th century illuminated manuscripts",
        ),
    ),
    (
        "hyperrealistic photo of a red fox in a snowy forest, shot on Canon EOS R5, 85mm f/1.4, bokeh, 8k uhd, highly detailed, award winning",
        ("photo of a red fox in a snowy forest",),
    ),
    ("car --ar 16:9 --v 6.0 --s 750 --style raw", ("car",)),
    ("cat::2 dog::-1", ("cat",)),
    (
        "cat in the style of Studio Ghibli::3 rainy street::1 people::-0.5",
        ("cat in the style of Studio Ghibli rainy street", "Studio Ghibli"),
    ),
    (
        "a house by the sea, surrounded by flowers, lit by candles",
        ("a house by the sea surrounded by flowers lit by candles", "a house by the sea"),
    ),
    (
        "Wes Anderson style hotel lobby, symmetrical, pastel colors --ar 16:9",
        (
            "Wes Anderson style hotel lobby symmetrical pastel colors",
            "hotel lobby Wes Anderson",
            "Wes Anderson",
        ),
    ),
    ("van gogh style sunflowers", ("van gogh style sunflowers", "van gogh")),
    (
        "isometric cutaway of a tiny bookshop, blender render, unreal engine 5, trending on artstation",
        ("isometric cutaway of a tiny bookshop",),
    ),
    ("<https://s.mj.run/JWu6jaL1D-8> a cat in a space suit --iw 2", ("a cat in a space suit",)),
    (
        "赛博朋克城市夜景,霓虹灯,雨天,宫崎骏风格 --ar 16:9",
        ("赛博朋克城市夜景 霓虹灯 雨天 宫崎骏风格", "赛博朋克城市夜景"),
    ),
    (
        "портрет девушки в стиле Ивана Айвазовского, масло, 8k",
        (
            "портрет девушки в стиле Ивана Айвазовского масло",
            "портрет девушки Ивана Айвазовского",
            "Ивана Айвазовского",
        ),
    ),
    (
        "((masterpiece)), (best quality:1.2), 1girl, silver hair, red eyes, kimono, cherry blossoms",
        ("1girl silver hair red eyes kimono cherry blossoms", "1girl silver hair"),
    ),
    ("4k, 8k uhd, octane render, masterpiece", ("4k, 8k uhd, octane render, masterpiece",)),
    ("🐱🚀", ("🐱🚀",)),
    ("--ar 16:9 --v 5", ()),
    ("", ()),
    (
        "art by Moebius and Jean Giraud, a desert caravan at dusk, line art",
        ("art by Moebius and Jean Giraud a desert caravan at dusk line art", "Moebius line art"),
    ),
    (
        "a desert temple, by Moebius, Syd Mead, and Hayao Miyazaki, wide shot",
        (
            "a desert temple by Moebius Syd Mead Hayao Miyazaki wide shot",
            "a desert temple Moebius Syd Mead",
            "Moebius",
        ),
    ),
    (
        "In a world where machines have taken over, a lone robot gardener with rusted arms tends to the last remaining greenhouse filled with exotic orchids while the dark storm outside rages over a ruined metropolis, dramatic lighting, in the style of Simon Stålenhag, melancholic, muted colors, cinematic composition, volumetric fog, 35mm film grain --ar 21:9 --v 6",
        (
            "a lone robot gardener with rusted arms tends to the last remaining greenhouse Simon Stålenhag In a world where machines have taken over melancholic muted colors",
            "a lone robot gardener with rusted arms tends to the last remaining greenhouse Simon Stålenhag",
            "Simon Stålenhag",
        ),
    ),
    (
        "oil painting, stormy sea with a small boat, J.M.W. Turner",
        ("oil painting stormy sea with a small boat J.M.W. Turner", "J.M.W. Turner oil painting"),
    ),
    (
        "a fox reading a newspaper, watercolor by Beatrix Potter, storybook illustration",
        (
            "a fox reading a newspaper watercolor by Beatrix Potter storybook illustration",
            "a fox reading a newspaper Beatrix Potter",
            "Beatrix Potter watercolor",
        ),
    ),
    (
        "cute corgi puppy wearing a wizard hat, Pixar style, 3D render",
        ("cute corgi puppy wearing a wizard hat Pixar style", "Pixar"),
    ),
    (
        "the great wave off kanagawa but with skyscrapers, ukiyo-e style, by katsushika hokusai",
        (
            "the great wave off kanagawa but with skyscrapers ukiyo-e style by katsushika hokusai",
            "katsushika hokusai ukiyo-e",
        ),
    ),
    ('site:example.com !g "cat" -dog', ("site example.com g cat dog",)),
    (
        "product photography of a perfume bottle on marble, studio lighting, sharp focus, Hasselblad H6D --ar 4:5 --q 2",
        ("product photography of a perfume bottle on marble",),
    ),
    (
        "a knight standing by Lake Como, painted by the artist John William Waterhouse",
        (
            "a knight standing by Lake Como painted by the artist John William Waterhouse",
            "John William Waterhouse",
        ),
    ),
    (
        "H.R. Giger inspired biomechanical cathedral, dark, intricate details, photorealistic::2 fog::1",
        (
            "H.R. Giger inspired biomechanical cathedral dark fog",
            "biomechanical cathedral H.R. Giger",
            "H.R. Giger",
        ),
    ),
    (
        "a portrait of a woman in the style of Amedeo Modigliani with a blue hat, oil on canvas",
        (
            "a portrait of a woman in the style of Amedeo Modigliani with a blue hat oil on canvas",
            "Amedeo Modigliani",
        ),
    ),
    (
        "mapa antiguo de una isla, al estilo de Tolkien",
        ("mapa antiguo de una isla al estilo de Tolkien", "Tolkien"),
    ),
    (
        "a painting by Vermeer of a girl with a phone",
        ("a painting by Vermeer of a girl with a phone", "Vermeer painting"),
    ),
    (
        "vintage travel poster of Mars, art deco, flat colors",
        ("vintage travel poster of Mars art deco flat colors", "vintage travel poster of Mars"),
    ),
    (
        "woman sitting by the window, photograph by Vivian Maier, black and white, 1950s",
        (
            "woman sitting by the window photograph by Vivian Maier black and white 1950s",
            "woman sitting by the window Vivian Maier",
            "Vivian Maier photograph",
        ),
    ),
    (
        "STEAMPUNK OWL, BRASS GEARS, BY KAREN HALLION, 4K",
        (
            "STEAMPUNK OWL BRASS GEARS BY KAREN HALLION",
            "STEAMPUNK OWL KAREN HALLION",
            "KAREN HALLION",
        ),
    ),
    (
        "a tea cup on a table, inspired by nature, macro lens, ISO 100",
        ("a tea cup on a table inspired by nature",),
    ),
    ("hot::1 dog::5", ("dog hot",)),
    (
        "state-of-the-art kitchen -- really modern",
        ("state-of-the-art kitchen really modern", "state-of-the-art kitchen"),
    ),
    (
        "prompt: two astronauts playing chess on the moon; style of Norman Rockwell",
        ("two astronauts playing chess on the moon style of Norman Rockwell", "Norman Rockwell"),
    ),
    (
        "Sea captain, weathered face, thick white beard, wool sweater, smoking a carved wooden pipe, standing on the deck of an old fishing trawler, rough North Sea waves, heavy rain, overcast sky, painted by Ilya Repin and Andrew Wyeth, oil on linen, visible brush strokes --ar 4:5 --stylize 250 --v 6.1",
        (
            "Sea captain Ilya Repin Andrew Wyeth weathered face thick white beard wool sweater smoking a carved wooden pipe standing on the deck of an old fishing trawler heavy rain",
            "Sea captain Ilya Repin Andrew Wyeth",
            "Ilya Repin",
        ),
    ),
    (
        "logo for a coffee roastery, flat vector, by Saul Bass\n--no shading, gradient",
        (
            "logo for a coffee roastery flat vector by Saul Bass",
            "logo for a coffee roastery Saul Bass",
            "Saul Bass",
        ),
    ),
    ("cyberpunk samurai —ar 9:16 —v 5.2", ("cyberpunk samurai",)),
    (
        "https://cdn.discordapp.com/attachments/1/2/a.png?ex=1 a watercolor of this cat, in the style of Hiroshi Yoshida --iw 1.5",
        ("a watercolor of this cat in the style of Hiroshi Yoshida", "Hiroshi Yoshida watercolor"),
    ),
    (
        "tarot card, The Hermit, by Pamela Colman Smith and Aubrey Beardsley, intricate line art, sharp focus, 4k",
        (
            "tarot card The Hermit by Pamela Colman Smith and Aubrey Beardsley intricate line art",
            "tarot card Pamela Colman Smith Aubrey Beardsley",
            "Pamela Colman Smith line art",
        ),
    ),
    (
        "a lighthouse in a storm {day, night} --sref 2067381016 --sw 200",
        ("a lighthouse in a storm day night",),
    ),
    (
        "a cozy cabin, photorealistic, cinematic lighting, hyper detailed, trending on artstation and cgsociety, by Thomas Kinkade",
        ("a cozy cabin by Thomas Kinkade", "Thomas Kinkade"),
    ),
    (
        "قط في الفضاء، لوحة زيتية، تفاصيل عالية --ar 1:1",
        ("قط في الفضاء لوحة زيتية تفاصيل عالية", "قط في الفضاء"),
    ),
]


@pytest.mark.parametrize(("prompt", "queries"), GOLDEN, ids=[prompt[:40] for prompt, _ in GOLDEN])
def test_prompts_become_these_queries(prompt, queries):
    assert plan_queries(prompt) == queries
