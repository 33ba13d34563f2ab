"""Which folders of which packages the shipped background is gathered from.

Packages of Debian 12, main section; `licence` repeats the short names in each package's own
copyright file, which says what holds for which file. The order matters: of two near pictures the
earlier one stays. Kinds were set by looking at the folders.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Kind = Literal["photo", "painting", "render", "clipart"]


@dataclass(frozen=True, slots=True)
class Folder:
    """Pictures of one kind in one package.

    Attributes:
        glob: inside the unpacked package; a Qt resource file stands for the files in it.
        most: pictures taken at most.
        without: paths that match this regular expression are left out.
        ground: the most frequent grey value's share of the picture, at most.
        colours: at least so many different ones (5 bits a channel) in the picture at 64 by 64.
    """

    glob: str
    kind: Kind
    most: int = 1_000_000
    without: str = r"(?!)"
    ground: float = 0.4
    colours: int = 120


@dataclass(frozen=True, slots=True)
class Package:
    """One package.

    Attributes:
        sha256: of the package file.
    """

    version: str
    sha256: str
    licence: str
    folders: tuple[Folder, ...]


SOURCES: Mapping[str, Package] = {
    "plasma-workspace-wallpapers": Package(
        "4:5.27.5-2",
        "32cd18b71c8c938a18b3b351f217c02ac590e323caa3cf322fbb875ce8892f8b",
        "GPL-2+",
        (
            Folder(
                "**/contents/images/*",
                "photo",
                without=r"Altai|Flow|Honeywave|Kay|Kokkini|Opal|Patak|SafeLanding|Shell|Volna|Kite|Elarun|Canopee|summer",
            ),
            Folder("**/contents/images*/*", "painting"),
        ),
    ),
    "mate-backgrounds": Package(
        "1.26.0-1",
        "7bf4c2209f34b4f61ba6d24c8b58c28b361e82e4b943aae6d42c030169af9e04",
        "GPL-2+, CC-BY-SA-4.0",
        (
            Folder("**/nature/*", "photo"),
            Folder("**/*", "render", most=20),
        ),
    ),
    "budgie-control-center-data": Package(
        "1.2.0-1",
        "cb0612110f60aed28e74aace76d1828b415ba82cee332b8aa938edfae8d0c477",
        "GPL-2+, LGPL-2.1+, LGPL-2+, Expat, …",
        (Folder("**/budgie-faces/**/*", "photo"),),
    ),
    "lomiri-wallpapers-16.04": Package(
        "20.04.0-2",
        "a99ff6a3bfe451e4cc0682ecb3cc82e71740626d59e4845ae34a0a0e45421eab",
        "CC-BY-SA-3.0, CC-BY-4.0, CC-BY-SA-4.0, CC0-1.0, …",
        (Folder("usr/share/backgrounds/*", "photo"),),
    ),
    "mate-screensaver-common": Package(
        "1.26.1-1+deb12u1",
        "4882a5d2ade33bad2848d1cfbec0007847b44d182e315886a76a143f80eba81a",
        "GPL-2+, MIT~OldStyle, LGPL-2+, public-domain, …",
        (Folder("**/*", "photo"),),
    ),
    "python3-skimage": Package(
        "0.19.3-8",
        "728d88c3e3440f1f3712de0805dc834d29248ff07e1eec8c0f3da07606f752f9",
        "BSD-3-Clause, BSD-2-Clause",
        (Folder("**/data/*", "photo"),),
    ),
    "kphotoalbum": Package(
        "5.9.1-1",
        "00f8b26b5db1beb30a822d15f464b3c68ffa556d267870aa98a59aaaaf81ec43",
        "GPL-2+",
        (Folder("usr/share/kphotoalbum/demo/*", "photo"),),
    ),
    "labelme-examples": Package(
        "5.1.1-1",
        "acf0f5be435c8899098397eb9f0e46b4c1be080e0c1202f128609d6391179e23",
        "GPL-3+, GPL-2+",
        (
            Folder("**/JPEGImages/*", "photo"),
            Folder("**/data_annotated/*.jpg", "photo"),
        ),
    ),
    "libdlib19.1": Package(
        "19.24+dfsg-1",
        "f03f46681d43701914ddd38eee42f1d34dc1d12e2f125bd1e3b562f23572b4da",
        "Boost-Software-License-1.0, public-domain~MH3, NTP~Adobe, BSD-3-clause, …",
        (
            Folder("**/examples/faces/*", "photo", without=r"dogs|bald"),
            Folder("**/video_frames/*", "photo", most=1),
        ),
    ),
    "scratch": Package(
        "1.4.0.6~dfsg1-6.1",
        "36c582eb93110f64f06c4e685c41e933ccba2fa68db12f79b10bfe840b21fc10",
        "GPL-2, MIT, CC-BY-SA-3.0, GPL-2+",
        (
            Folder("**/Backgrounds/Indoors/*", "photo"),
            Folder("**/Backgrounds/Nature/*", "photo"),
            Folder("**/Backgrounds/Outdoors/*", "photo"),
            Folder("**/Backgrounds/Sports/*", "photo"),
        ),
    ),
    "krank": Package(
        "0.7+dfsg2-4",
        "9a3d16fe30cef98d18a4ed9049f879339d8840f8cc729136ce2e0c7dbee33042",
        "public-domain",
        (Folder("**/unera-backgrounds/*", "photo"),),
    ),
    "qtbase5-examples": Package(
        "5.15.8+dfsg-11+deb12u3",
        "5d4ccd7f761ff34d806c06c0ae770824517b6ad8092fb4de6ebd25c2728ded08",
        "LGPL-3, GPL-2, GFDL-NIV-1.3, GPL-3, …",
        (Folder("**/*.jpg", "photo", without=r"cube|textures"),),
    ),
    "psychtoolbox-3-common": Package(
        "3.0.18.12.dfsg1-1.1",
        "8c3271ff5dbc685db95fd279a658eb386ed336e60f60436a20dd0a2a3cb512a7",
        "Expat, GPL-2+, BSD-3, LGPL-2+, …",
        (
            Folder("**/PsychDemos/**/*.jpg", "photo"),
            Folder("**/EyelinkDemos/**/*.jpg", "photo"),
        ),
    ),
    "tuxtype-data": Package(
        "1.8.3-5.1",
        "62f85e2c6d6820efbaf1d914039b50c070bf5899b1d1d14aea00cebca14f4c78",
        "GPL-2",
        (
            Folder("**/images/**/*.jpg", "photo"),
            Folder("**/themes/**/*.jpg", "photo"),
        ),
    ),
    "hugin-data": Package(
        "2022.0.0+dfsg-2",
        "0289091920be52eec91bf1ae6739a2dfe6c0075fc187daf3a39f765a8eab22e0",
        "GPL-2+, MISSING_2, MISSING_3, public-domain, …",
        (
            Folder(
                "**/help_en_EN/*.jpg", "photo", without=r"(?i)screen|dialog|tab|assistant|preview"
            ),
        ),
    ),
    "opencv-doc": Package(
        "4.6.0+dfsg-12",
        "4b12681df35878207ac7097dc66184b2ae552e4bf4ddd2af04a0f03ed0b8682a",
        "Apache-2.0 AND BSD-3-Clause, BSD-3-Clause, Expat, BSD-2-Clause, …",
        (
            Folder(
                "**/examples/**/*.jpg",
                "photo",
                without=r"starry|left[0-9]|right[0-9]|scenetext|imageText|sudoku|pca_test|board|Pattern|orapple|Blender|ela_",
            ),
            Folder(
                "**/examples/**/*.png",
                "photo",
                without=r"chess|calib|logo|board|imageText|home|pic[0-9]|input",
            ),
            Folder(
                "**/opencv4/html/*.jpg",
                "photo",
                ground=0.15,
                colours=300,
                without=r"(?i)screen|result|calib|chess|hist|threshold|board|output|axis|_det|scenetext|pose|_kp|markers|prompt|List|Theory|Logo|ela_|orapple|home|chaxis|oc_|demo|pattern|aero",
            ),
        ),
    ),
    "cimg-doc": Package(
        "3.2.1+dfsg-1",
        "68b81b088f892ae9ddfa9cbc073e7ad078b794a22a7c393995bd04a14730f739",
        "CeCILL",
        (Folder("**/img/*.jpg", "photo", ground=0.2, most=60),),
    ),
    "kalzium-data": Package(
        "4:22.12.3-1",
        "e72507a1cb095667849cc27cec7ae3330522a83fd9fba3ba5f7df05abfb07d04",
        "GPL-2.0-or-later, BSD-3-Clause, CC0-1.0, GFDL-1.2-only, …",
        (Folder("usr/share/kalzium/data/toolpics/*", "photo"),),
    ),
    "endless-sky-data": Package(
        "0.9.8-1.2",
        "e45835e05a11e84bb1a890a0ded390246a53b8318f21a25925aa70fa54f80c13",
        "GPL-3+, CC-BY-SA-4.0, CC-BY-SA-3.0, public-domain, …",
        (
            Folder("**/images/land/*", "photo"),
            Folder("**/images/scene/*", "photo"),
            Folder("**/images/portrait/*", "painting"),
            Folder("**/images/planet/*", "render", most=40),
            Folder("**/images/outfit/*", "render", most=40, ground=0.6),
        ),
    ),
    "gcompris-qt-data": Package(
        "3.1-2",
        "e9cf06ab2105529068df73085784e835d2ff03f870d2a8091f09125d40abac9f",
        "GPL-3+, GPL-3, LGPL-2.1, LGPL-3, …",
        (
            Folder(
                "**/*.rcc",
                "photo",
                without=r"/fishes/|/renewable/|/monuments/|explore_monuments|/paintings/|lang/resource|core/|leftright|/details/|van_gogh|louis|others/.*slate|rnib|chart|babyshapes|digital_el|gravity|clickgame|hangman|memory-sound|/tools/|numbers|alphabets|solar",
                ground=0.6,
            ),
        ),
    ),
    "tuxpaint-data": Package(
        "1:0.9.28-sdl2-1",
        "f5d0de8f9a70d2efc1241d19f26168cb8bf279f1b77abd3631e7a1a55c40e5e5",
        "GPL-2+, GPL-2, LGPL-2.1, public-domain, …",
        (
            Folder("**/templates/*", "photo"),
            Folder("**/starters/*", "painting", most=20),
        ),
    ),
    "tuxpaint-stamps-default": Package(
        "2022.06.04-1",
        "6db6c1bfc870a47f1499d6203b083522eacb57c5f9c87d468f2e92eb6d9d5f34",
        "GPL-2",
        (
            Folder(
                "usr/share/tuxpaint/stamps/**/*.png",
                "photo",
                ground=0.85,
                colours=110,
                without=r"cartoon|/symbols|letters|/signs|clipart|flags|/seasonal/halloween",
                most=420,
            ),
        ),
    ),
    "stellarium-data": Package(
        "0.22.2-1",
        "45aaebf39a814acbd6dcccea058c2f5651bcb5635599da03a215feeb51f4d5a5",
        "GPL-2+",
        (
            Folder("**/nebulae/default/*", "photo", most=70),
            Folder("**/landscapes/**/*", "photo"),
            Folder("**/scenery3d/**/*", "photo", most=25),
            Folder("**/skycultures/**/*", "painting", most=60),
        ),
    ),
    "freecol": Package(
        "1.0.0-1",
        "4ee2d052ff86d7a16eec296cd42cad4c215cca11c179cd6d5f8a732b5637184d",
        "GPL-2+, CC0-1.0, public-domain, public-domain-wikipedia, …",
        (
            Folder("**/foundingFathers/*", "painting"),
            Folder("**/monarch/*", "painting"),
            Folder("**/images/ui/*", "painting", most=12),
        ),
    ),
    "wesnoth-1.16-data": Package(
        "1:1.16.9-1",
        "1012b964bd412a6770685e3324ae3b61e176caff7846192d1ee63d55cd621e26",
        "GPL-2+",
        (
            Folder("**/images/story/**/*", "painting"),
            Folder("**/images/portraits/**/*", "painting", ground=0.8, most=150),
            Folder("**/images/maps/**/*", "painting", most=12),
            Folder("**/data/campaigns/**/story/**/*", "painting", most=100),
        ),
    ),
    "naev-data": Package(
        "0.8.2-1",
        "a98849cacdfc72779e03ceb68f32af03cb3c3f382ba8b82e3299ef87254b454d",
        "GPL-3+, PD, GPL-2+, CC-BY-SA-3.0, …",
        (
            Folder("**/planet/exterior/*", "painting"),
            Folder("**/gfx/loading/*", "painting"),
            Folder("**/gfx/portraits/**/*", "painting", most=90, ground=0.8),
            Folder("**/gfx/bkg/*", "render", ground=0.6),
            Folder("**/planet/space/*", "render", most=50, ground=0.9),
            Folder("**/commodity/*", "render", most=50, ground=0.6),
        ),
    ),
    "flare-game": Package(
        "1.14-1",
        "4ab6a8298276013d35a0806257e130d992761af1b749041433b409c3dafec508",
        "CC-BY-SA-3.0+, SIL-1.1, GPL-3+",
        (Folder("**/portraits/**/*", "painting", ground=0.8),),
    ),
    "freedroidrpg-data": Package(
        "1.0-1",
        "16c3cfeb82b1ec20c98493bbe1de2e356bd1aec832845630a5a7f12e303baa2b",
        "GPL-2+, Expat, BSD-3-clause, GPL-3, …",
        (
            Folder("**/graphics/backgrounds/*", "painting"),
            Folder("**/graphics/portraits/**/*", "painting", most=20),
        ),
    ),
    "widelands-data": Package(
        "2:1.1-3",
        "0e23d645b15bcfb9e3bcae0de9bc1bdfa75a6ecb36b2e449759d6eb0b4bbd8fb",
        "GPL-2+, Eris, SIL-Open-Font-License, GPL-2, …",
        (
            Folder("**/loadscreens/**/*", "painting"),
            Folder("**/data/campaigns/**/*", "painting", most=20),
            Folder("**/data/tribes/buildings/**/menu.png", "render", most=25, ground=0.8),
        ),
    ),
    "supertux-data": Package(
        "0.6.3-2",
        "a6ad8865972f1dbb5e7b49f4e1b381dd16a68f3028a3502cfeaca2400285d27f",
        "GPL-3+, CC0-1.0, OFL-1.1, Apache-2.0, …",
        (Folder("**/background/**/*", "painting", most=25),),
    ),
    "scorched3d-data": Package(
        "44+dfsg-8",
        "b0be0a6d561966a62b1f135e0e6f5681c85f12e34ecad5777cb1af9fbcb7f1da",
        "GPL-2+, Expat, CC-BY-SA-3, public-domain",
        (Folder("**/*.jpg", "photo", most=40, without=r"tanks|meshes|skin"),),
    ),
    "supertuxkart-data": Package(
        "1.4+dfsg-2",
        "568d69cda50dc8ad1facb89514bd14953dfca736fdb83c49ae330b0aa7dd2364",
        "GPL-3+, zlib, MIT, Apache-2.0, …",
        (
            Folder("**/tracks/**/screenshot*", "render"),
            Folder("**/data/textures/*.jpg", "photo", most=80),
            Folder("**/data/tracks/**/*.jpg", "photo", most=80, colours=200),
        ),
    ),
    "megaglest-data": Package(
        "3.13.0-3",
        "ed4783d9fc78e201a548b266f7c30325eb16cfd58a20bf4597dd6e622f84a07e",
        "CC-BY-SA-3.0, GPL-2+",
        (
            Folder("**/loading_screen*/*", "painting"),
            Folder("**/*screen*.jpg", "render"),
            Folder("**/*.jpg", "render", most=20),
        ),
    ),
    "lugaru-data": Package(
        "1.2-6",
        "6a25e8d2d7c2d94b7873669d1f52137b2ba56e86ba5c2f08fefeacd65e526023",
        "GPL-2+, CC-BY-SA-3.0, CC-BY-SA-4.0, BSD-3-clause",
        (Folder("**/Textures/**/*.jpg", "photo", most=25, colours=200),),
    ),
    "neverball-data": Package(
        "1.6.0+git20180603-3",
        "08fc3a2846cab0be57235b82a6ac113ed9612ace43374b8d6ea7eed61700937f",
        "GPL-2+, JPEG-License, DejaVu-License, GPL-3+-with-font-exception",
        (Folder("**/shot-*/*", "render", most=40),),
    ),
    "mandelbulber2-data": Package(
        "2.20-2",
        "8623ffbf79f3cf64d5f607b8f0d66efb895d703b1363b065554ccc60bfef5e77",
        "GPL-3+, CC-BY-4.0",
        (
            Folder("**/textures/*", "photo"),
            Folder("**/formula/img/*", "render", most=70, ground=0.6),
        ),
    ),
    "extremetuxracer-data": Package(
        "0.8.2-1",
        "8ce6c82e6fb89549d284f43f6c4b0a9d82e6c0e5da753bee0ef419276a21470c",
        "GPL-2+, quadtree-License, Expat, CC0",
        (
            Folder("**/courses/**/*", "render", most=20),
            Folder("**/terrains/*", "photo", most=15),
            Folder("**/env/**/*", "photo", most=12),
        ),
    ),
    "colobot-common-textures": Package(
        "0.2.0-2",
        "5b828825fe10602724e88865f2930719a61b0b90436e24ccfec3488a7fa49275",
        "GPL-3+, GPL-2+, BSD-3-clause, LGPL-2.1+, …",
        (Folder("**/*", "render", most=20, without=r"objects"),),
    ),
    "openuniverse-common": Package(
        "1.0beta3.1+dfsg-7.1",
        "23d09458c4895d7a63e717be9219a2461e1e7456862c3373b8150db34f887fc2",
        "GPL-2+",
        (Folder("**/*.jpg", "photo", most=12),),
    ),
    "kstars-data": Package(
        "5:3.6.2-2",
        "f48e4a101ddab20f1cf35879c821f9fa2ca1b459c5ea78eef99555fe22cf35aa",
        "GPL-2+, BSD-3-clause, Artistic-1_or_GPL-1+, LGPL-3+, …",
        (Folder("usr/share/kstars/**/*", "photo", most=20),),
    ),
    "fotoxx-common": Package(
        "20.08-2",
        "c28aa759ab495da36d85af4097efd5c6c8b5d8617ec0d8d90c424e1059e03c0d",
        "GPL-3+, CC0",
        (Folder("**/fotoxx/images/*.jpg", "photo", ground=0.1, colours=350),),
    ),
    "warmux-data": Package(
        "1:11.04.1+repack2-4",
        "cceec72afcc9d5b0515149eb505bf0d883bd47399e602b30a805cafa2d91eb70",
        "GPL-2+",
        (Folder("**/map/**/*", "painting", most=40),),
    ),
    "hedgewars-data": Package(
        "1.0.2-6",
        "722225903a72604403e6e0026e40e9a6953f47a74d94efc5f55504bc05bb4761",
        "GPL-2, GFDL-1.3, CC-BY-SA-3.0, MIT, …",
        (Folder("**/Missions/**/*", "render", most=30),),
    ),
    "opencity-data": Package(
        "0.0.6.5stable-5",
        "ca9e9e6619da070e20e1e0089bd9fd1187dce6d8b01b19ca3a9c1cdf8f580e6e",
        "GPL-2+, public-domain, ZLib, Expat",
        (Folder("**/*.png", "render", most=6),),
    ),
    "planetblupi-common": Package(
        "1.14.2-3",
        "4b0c6381e7f72e44585cb0ae766d33d40627c866dee0b4447c77bbc42df87304",
        "GPL-3+, Expat",
        (Folder("**/*", "render", most=25),),
    ),
    "ardentryst": Package(
        "1.71-9",
        "7a01180285a4acaa980b18118127c60ac0377f4e2bcd69244b1feb7de5fc566f",
        "GPL-3.0+, CC-BY-SA-3.0",
        (Folder("**/Data/*", "painting", most=15, colours=250),),
    ),
    "fillets-ng-data": Package(
        "1.0.1-1.1",
        "25de89afd8b1adf7bcace8290248a6a22c89cd42300317e69000e162c032cf84",
        "GPL-2+",
        (Folder("**/images/**/*", "painting", most=40, colours=200, ground=0.3),),
    ),
    "blobwars-data": Package(
        "2.00-2",
        "6b1d2b91038fe2264adc989edebcf8cf46ea25f74972a42bcab67017112f48ec",
        "GPL-2+, CC-BY-SA-3.0, CC-BY-3.0, LGPL-2.1, …",
        (Folder("**/*", "render"),),
    ),
    "blobandconquer-data": Package(
        "1.11-dfsg+20-2",
        "27744c29c5b34612b4feb0fee745f6749f738663939fc08b32556484068cf54e",
        "GPL-2+",
        (Folder("**/*", "render", most=8),),
    ),
    "freedroid-data": Package(
        "1.0.2+cvs040112-7",
        "4933efca95c93f5005bf66008c9a2a0f1909712bea87bb44efaf9d6ba4562b08",
        "GPL-2+",
        (Folder("**/*.jpg", "render", most=8),),
    ),
    "freeorion-data": Package(
        "0.4.10.2-1",
        "911a15d562f9c2a454eda03d4ed9e9ddc01be850d415652f257fe14660896017",
        "GPL-2, CC-BY-SA-3.0, LGPL-2.1+, BSL-1.0, …",
        (
            Folder("**/art/nebulae/*", "painting"),
            Folder("**/art/species/*", "painting"),
            Folder("**/art/**/*", "render", most=40),
        ),
    ),
    "propaganda-debian": Package(
        "13.5.10+nmu1",
        "f2dfbb9bd3185aaff781ac81fdba784391cb8ed004cb59a5573831ae38c0baf3",
        "GPL-2+",
        (Folder("**/*", "render"),),
    ),
    "lxqt-themes": Package(
        "1.2.0-1",
        "d518df36b515b09d36cb00b12645dd8ce170bb82bb0966297741905ce3edc8e1",
        "LGPL-2.1+, CC-BY-SA-3.0, LGPL-3",
        (Folder("**/wallpapers/*", "render"),),
    ),
    "ukui-wallpapers": Package(
        "20.04.3-1.1",
        "6d49be70152e6d603163458e177e501deb0be8f2916389ccbfcf59b0d7fc0262",
        "CC-BY-SA-3.0",
        (Folder("**/*", "render"),),
    ),
    "gnome-backgrounds": Package(
        "43.1-1",
        "a670dea21572652127d6e55f9cdb3a226d0037854fdbfd037003c7d00ee0dc4e",
        "CC-BY-SA-3.0, CC-BY-SA-2.0, CC-BY-2.0, GPL-2+",
        (Folder("**/*", "render"),),
    ),
    "sdl-ball-data": Package(
        "1.02-2",
        "6763e988833c1b3434ed78e8d74e76299395649f28ecc1710a41bb087f1e9ec2",
        "GPL-3+, Artistic, GPL-2, GPL-3",
        (Folder("**/*", "render", most=12),),
    ),
    "tuxmath-data": Package(
        "2.0.3-9",
        "7b928f122983074e06aee51a0b6f333926a3a475c1fc12485a8c040ca1cb9e75",
        "GPL-3+, Public-Domain, CC-BY-SA-3.0, SIL-OFL-1.1",
        (Folder("**/*", "painting", most=8, colours=200),),
    ),
    "palapeli-data": Package(
        "4:22.12.3-1",
        "69a15dce2ac25ed8708ac518cd0cee5f4eb0c70ed15da2fdb8899a19ac0ee058",
        "GPL-2+, GFDL-1.2+, LGPL-2+, LGPL-2.1+3+KDEeV, …",
        (Folder("**/*", "photo"),),
    ),
    "tagua-data": Package(
        "1.0~alpha2-16-g618c6a0-3",
        "5d6760bbc1c606fa3d66885eca8303082569c501a03aeaaf04ab029720e88570",
        "GPL-2+",
        (Folder("**/*", "photo"),),
    ),
    "retroarch-assets": Package(
        "1.7.6+git20221024+dfsg-3",
        "c74a87cb42047734f23e55a5f909bb1ddf13226fc928ad89fd840b4074bfb54b",
        "CC-BY-4.0, CC-BY-SA-3.0, CC-BY-2.0, CC0-1.0",
        (Folder("**/nosh/1920x1080/*", "render", most=25),),
    ),
    "pysiogame": Package(
        "4.20.01-1",
        "6b22766dfd8ef3a046c2665fe2598ac8a1ecee3d331bda38accf53de65bc59bf",
        "GPL-3+, public-domain, CC-BY-3.0",
        (Folder("**/art4apps/**/*", "clipart", most=90, ground=0.7),),
    ),
    "qabcs-data": Package(
        "1.0.2-6",
        "3484da4cf258e6f3a39a1fc99bbfcaddfd679cff96a8fa792f261ab0a2bf9d86",
        "GPL-3+, CC0-1.0, Public-Domain, MIT",
        (Folder("**/pics/**/*", "clipart", most=40, ground=0.7),),
    ),
    "openclipart-png": Package(
        "1:0.18+dfsg-19",
        "f07f1545a2970c2cf3fa339bc2405da1a95cf2b1827bfa05bf73eb1c20291c02",
        "public-domain",
        (
            Folder(
                "**/png/**/*",
                "clipart",
                most=90,
                ground=0.5,
                colours=180,
                without=r"icons|flags|signs|logos|gogh",
            ),
        ),
    ),
}
