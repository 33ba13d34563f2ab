"""These are stop words: which words of a prompt are a subject's, which the generator's.

Literal tables, in lower case; chosen from what prompts of Midjourney and its kin are full of. A
phrase is taken off wherever it stands; a filler word only where its whole clause is of fillers,
because "detailed" may be said of a map. Words for a medium ("oil painting") stay: they are seen.
"""

from __future__ import annotations

import re
from collections import deque


def word_set(text: str) -> frozenset[str]:
    """A literal table of words, written as one text."""
    return frozenset(text.split())


_SITES = (
    r"art\s?station(?:\s?hq)?|deviant\s?art|behance(?:\s?hd)?|pinterest|pixiv|cg\s?society|"
    r"500px|flickr|unsplash|dribbble|instagram|zbrush\s?central|getty\simages|shutterstock|reddit"
)
_ENGINES = (
    r"octane|unreal(?:\s?engine)?(?:\s?[0-9](?:\.[0-9])?)?|unity(?:\s?engine)?|ue\s?[45]|v-?ray|"
    r"redshift|corona|arnold|blender|cinema\s?4d|c4d|lumion|keyshot|houdini|maya|mental\s?ray|"
    r"marmoset(?:\s?toolbag)?|cycles|eevee|cryengine|zbrush|rtx|renderman"
)
_CAMERAS = (
    r"canon|nikon|sony|fuji(?:film)?|hasselblad|leica|pentax|panasonic|lumix|olympus|arri(?:flex)?|"
    r"mamiya|rolleiflex|phase\sone|zeiss|sigma|samyang|dji|gopro"
)
_MODEL = r"(?:eos|mark|alpha|camera|lens|lenses|dslr|slr|alexa|mini|lf|[ivx]+|\S*[0-9]\S*)"
_FILMS = r"portra|ektar|ektachrome|kodachrome|tri-x|vision\s?3|superia|velvia|provia|800t"
BOILERPLATE = re.compile(
    rf"""
    (?<![\w-])(?:
    # Sharpness that is asked for and never seen in a thumbnail.
    (?:in\s)?(?:(?:full|ultra|true)[\s-]?)?(?:2|4|5|6|8|10|12|16|32|64)\s?k
        (?:[\s-](?:u?hd|hdr|resolution|quality|wallpaper|render|detail(?:s|ed)?|textures?))*
    | (?:full|ultra|super|true)[\s-]?hdr?|uhd|hdr?|[0-9]{{3,4}}[pi]|[0-9]{{2,4}}\s?dpi
    | (?:(?:ultra|super|hyper|insanely|extremely|highly|very|incredibly|intricately|finely)[\s-]*)+
        (?:detail(?:s|ed|ing)?|realis(?:tic|m)|photo-?realis(?:tic|m)|sharp|intricate|quality
        |high[\s-](?:quality|resolution)|resolution|beautiful)
    | photo-?realis(?:tic|m)
    | (?:best|high(?:est)?|top|amazing)[\s-](?:quality|resolution|res|detail(?:s|ed)?)
    | intricate(?:ly)?\s(?:details?|detailed|detailing)|(?:fine|crisp)\sdetails?|sharp\sfocus
    | (?:absolute\s)?master\s?piece|award[\s-]?winning|photo\sof\sthe\s(?:day|year)
    # Renderers: some share a name with people and places, so those need the word.
    | (?:rendered|render|made|created)\s(?:in|with|by|using)\s(?:{_ENGINES})
        (?:\srender(?:er|ing|ed)?)?
    | (?:{_ENGINES})[\s-]render(?:er|ing|ed|s)?
    | unreal\s?engine(?:\s?[0-9](?:\.[0-9])?)?|cinema\s?4d|c4d|ue\s?[45]|v-?ray|octane
    | (?:global|ambient)\s(?:illumination|occlusion)|(?:ray|path)[\s-]?trac(?:ing|ed)
    | sub-?surface\sscattering|anti-?aliasing|tone[\s-]?mapp(?:ing|ed)|post[\s-]?processing
    | (?:volumetric|cinematic|studio|dramatic|perfect|professional|soft|beautiful|epic|rim)
        \s(?:lighting|lights?)
    | (?:professional\s)?colou?r[\s-](?:grading|graded|corrected)|physically[\s-]based\s\w+
    # Places where pictures are shown.
    | (?:(?:and|currently)\s)*(?:trending|featured|popular|winner)\s(?:on|at|in)\s(?:{_SITES})
        (?:(?:\s(?:and|&|or))?\s(?:{_SITES}))*
    | (?:on|from|by)\s(?:{_SITES})|art\s?station(?:\s?hq)?|cg\s?society|deviant\s?art
    # Camera gear.
    | (?:shot|taken|captured|photographed|filmed)\s(?:on|with|by|using|through)\s(?:an?\s|the\s)?
        (?:{_CAMERAS}|kodak|cinestill|[0-9]{{2,3}}\s?mm|dslr|iphone)(?:\s(?:{_FILMS}|film|{_MODEL}))*
    | (?:{_CAMERAS})(?:\s{_MODEL})+
    | (?:kodak|fuji(?:film)?|cinestill)\s(?:{_FILMS})(?:\s[0-9]+\w?)?
    | [0-9]{{1,4}}(?:-[0-9]{{1,4}})?\s?mm(?:\s(?:lens|macro|prime|f/?[0-9.]+))*
    | f\s?/\s?[0-9]{{1,2}}(?:\.[0-9]+)?|iso\s?[0-9]{{2,6}}|1/[0-9]{{1,5}}\s?s(?:ec(?:onds?)?)?
    | (?:wide[\s-]angle|telephoto|macro|prime|anamorphic|fish-?eye)\slens(?:es)?
    | (?:shallow\s)?depth\sof\sfield|bokeh|dof|lens\sflares?|chromatic\saberration
    | rule\sof\sthirds|golden\sratio|film\sgrain
    )(?![\w-])""",
    re.IGNORECASE | re.VERBOSE,
)
"""Phrases that are searched for in vain."""
FILLER = word_set(
    """
    a an and the of in on with very highly super ultra extremely insanely incredibly hyper max
    detail details detailed detailing intricate intricacy elaborate quality resolution hd uhd hdr
    sharp crisp focus focused clear beautiful stunning amazing gorgeous awesome breathtaking epic
    masterpiece best perfect professional trending artstation behance pixiv pinterest unsplash
    dribbble flickr realistic realism photorealistic hyperrealistic photoreal lifelike render
    rendered rendering raytracing rtx cinematic lighting light composition aesthetic aesthetics
    octane unreal engine vray award winning texture textures textured smooth vivid vibrant
    contrast lens camera dslr canon nikon sony hasselblad leica shot style 3d wallpaper
    """
)
"""Words of clauses that go if they hold nothing else."""
MEDIUM = re.compile(
    r"\b(?:(?:oil|acrylic|gouache|ink|watercolou?r|digital|matte|tempera|fresco|ink wash|cave|"
    r"encaustic|landscape|portrait)\spaintings?|paintings?|watercolou?rs?|(?:pen and ink|ink|"
    r"pencil|charcoal|chalk|line|crayon)\s(?:drawings?|sketch(?:es)?|illustrations?)|"
    r"line art|drawings?|sketch(?:es)?|engravings?|etchings?|wood\s?(?:cuts?|block prints?)|"
    r"lino\s?cuts?|lithographs?|screen\s?prints?|risographs?|posters?|illustrations?|"
    r"concept art|pixel art|digital art|vector art|comic(?: book| strip)?s?|manga|anime|"
    r"sculptures?|statues?|mosaics?|tapestry|tapestries|stained glass|origami|collages?|murals?|"
    r"photo(?:graph(?:s|y)?|s)?|polaroids?|daguerreotypes?|(?:film|movie) stills?|frescoe?s?|"
    r"gouache|pastel\s(?:drawing|painting)s?|ukiyo-e|book covers?|storybook)\b",
    re.IGNORECASE,
)
"""What a picture is made as; the first one found goes with the artist's name."""
STOP_WORDS = word_set(
    """
    a an the and or of in on at to by with for from as is are be its it his her their this that
    into onto over under style art artist painted drawn inspired
    """
)
"""Words that make no difference between two queries."""
_LOOSE_ENDS = word_set(
    "and with in on by of at the a an using rendered as from for featuring to or & made"
)
_LOOSE_STARTS = word_set("and with or & featuring on")
_MARKS = " -\u2013\u2014.,:;/'&|"


def tidy(text: str) -> str:
    """Text with white space folded, without the words and marks that a cut left hanging."""
    words = deque(text.split())
    while words:
        last = words[-1].rstrip(_MARKS)
        if last and last.casefold() not in _LOOSE_ENDS:
            words[-1] = last
            break
        words.pop()
    while words:
        first = words[0].lstrip(_MARKS)
        if first and first.casefold() not in _LOOSE_STARTS:
            words[0] = first
            break
        words.popleft()
    return " ".join(words)
