# ruff: noqa: SIM905 - words are easier to read, and to add to, as text
"""Invented names of artists, titles, shows and books, and ids in Spotify's alphabet.

What bears the names belongs to `catalogue.py`.
"""

from __future__ import annotations

import unicodedata

import numpy as np
from numpy.random import Generator

_BASE62 = np.frombuffer(b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz", dtype="uint8")

_ADJECTIVES = (
    "Velvet Copper Paper Quiet Amber Hollow Marble Crimson Distant Electric Feral Gentle Glass Golden Harbour Hidden "
    "Indigo Ivory Lunar Magnetic Midnight Mossy Northern Opal Pale Patient Polar Porcelain Reluctant Restless Rusted "
    "Saffron Salted Scarlet Second Silver Sleeping Slow Soft Solar Southern Static Sunken Tidal Timid Twin Unwritten "
    "Violet Wandering Weathered Winter Woollen Borrowed Burning Cobalt Crooked Drowsy Folded Thirteenth Untuned"
).split()
_NOUNS = (
    "Almanac Meridian Lantern Orchard Telegraph Harbour Sparrow Cathedral Compass Ember Ferry Garden Glacier Hotel "
    "Island Juniper Kestrel Ladder Library Lighthouse Linen Magnolia Map Meadow Mirror Monsoon Museum Notebook Oracle "
    "Parade Parlour Pavilion Pendulum Piano Postcard Quarry Radio River Satellite Season Shoreline Staircase Station "
    "Summer Tangerine Theatre Thistle Thunder Tide Tower Tramway Umbrella Valley Veranda Violin Vineyard Voyage Willow "
    "Window Wolf Zephyr Anchor Apricot Archive Balcony Bicycle Boulevard Canary Carousel Cinema Comet Dahlia Domino"
).split()
_FIRST_NAMES = (
    "Ansel Brielle Caspian Dariya Edda Fenno Gisella Håkon Ilse Jorunn Kaveh Liora Mattis Nahla Odile Pavel Quilla "
    "Runa Søren Tamsin Ulla Vesna Wiebke Ximo Yuki Zoë Anaïs Benicio Chiyo Dagny Eamon Freja Gáspár Hester Imre "
    "Joaquín Kirsi Lucho Maëlle Nils Oona Priya Renske Saoirse Tadeo Umar Viggo Wanda Yara Zdeněk"
).split()
_FAMILY_NAMES = (
    "Valehart Orrindel Marchbane Tolvanen Quillfeather Ostrava-Lind Brightwater Casterelli Dunmorrow Ekström-Vale "
    "Farrowgate Glimmerholt Hallowmere Isarström Jaspertone Kettleby-Rhys Lindqvarn Moorhaven Nachtigall-Sol Oakenshaw "
    "Pellerino Quintavalle Ravensworth-Ito Silberbach Thistledown Umbrecht Vesterlund Winterbourne-Ash Yarrowsmith "
    "Zamorelli Ashgrove-Mbeki Bellweather Corvalán Drăgulin Eversong Fjellheim Grauwacke Hoshigawa-Lee Içelik Jurasova "
    "Kvistgaard Lanternier Mirović-Bloom Nightingaire Øvrebø-Quist Pomeranz-Ray Roncador Szélanyai Tamarisk Vinterfell"
).split()
_SYLLABLES = (
    "mi re lu ka os no va ti ze ra el so ma ri fen dor quil hav ny sel tor um bra cy lo an ve ska øl".split(),
    "ra le no ki ve da lu so mi te lla nde ske vi ro na pho li mbe zu".split(),
    "ne lune ra dell kä tis mor ya vane rion beth sol lith mé dra quin wyn lo xis ndro".split(),
)
_OTHER_SCRIPTS = (
    "星屑図書館",
    "夜行列車の窓",
    "Тихий Перекрёсток",
    "Северный Трамвай",
    "Νυχτερινό Θερμοκήπιο",
    "푸른 서랍장",
    "مصباح بعيد",
    "גן הצללים הקטן",
    "纸灯笼电台",
    "Ọ̀sán Àárọ̀ Collective",
)
_PLACES = (
    "the Rain|the Dark|Winter|the Kitchen|Late August|the Harbour|Low Light|Another Town|the Morning|Slow Motion|"
    "the Valley|the Afternoon|Blue|Reverse|the Snow|Good Company|the Passenger Seat|Two Languages|Between|Overtime"
).split("|")
_VERBS = (
    "Waiting for|Leaving|Counting|Remembering|Painting|Chasing|Borrowing|Answering|Folding|Naming|Losing|Building|"
    "Watching|Forgetting|Driving Past|Writing to|Dancing with|Talking to|Sleeping Under|Walking Back to"
).split("|")
_STANDALONE = (
    "Ørsted|Saudade em Abril|Nachtzug|Été|Mañana Otra Vez|Fjord|Żuraw|Đêm Hè|Kärlek & Kaffe|Luz de Outono|Ça Commence|"
    "Hundra År|Σιωπή|夜明けまで|Домой|Año Nuevo, Calle Vieja|Über den Dächern|Piccola Tempesta|Öregfa|Até Já"
).split("|")
_SHOW_NAMES = (
    "The Ordinary Atlas",
    "Half Past Physics",
    "Kitchen Table Economics",
    "Long Way Home: Stories",
    "The Unfinished Library",
    "Morgenradio Sieben",
    "Two Rivers Football",
    "Small Machines",
    "Night Desk Mysteries",
    "Café Sin Prisa",
)
_BOOK_TITLES = ("The Cartographer's Winter", "A Field Guide to Lost Ferries", "Saltwater Arithmetic")


def spotify_ids(rng: Generator, count: int) -> np.ndarray:
    """`count` ids as Spotify makes them: 22 characters of base 62 (an array of str)."""
    return _BASE62[rng.integers(0, 62, (count, 22))].view("S22").ravel().astype("U22")


def artist_names(rng: Generator, count: int) -> list[str]:
    """`count` artists' names, no two alike, not even without accents and capitals."""
    names = list(_OTHER_SCRIPTS[: 1 + count // 60])
    taken = {plain(name) for name in names}
    while len(names) < count:
        name = _artist_name(rng)
        if plain(name) not in taken:
            taken.add(plain(name))
            names.append(name)
    return [names[place] for place in rng.permutation(count)]


def titles(rng: Generator, count: int) -> list[str]:
    """`count` titles of songs or albums; they repeat now and then, as titles do."""
    pattern = rng.choice(6, count, p=(0.24, 0.2, 0.2, 0.16, 0.16, 0.04))
    adjectives = rng.choice(_ADJECTIVES, count).tolist()
    nouns = rng.choice(_NOUNS, count).tolist()
    others = rng.choice(_NOUNS, count).tolist()
    places = rng.choice(_PLACES, count).tolist()
    verbs = rng.choice(_VERBS, count).tolist()
    alone = rng.choice(_STANDALONE, count).tolist()
    written = (
        lambda at: f"{adjectives[at]} {nouns[at]}",
        lambda at: f"{nouns[at]} in {places[at]}",
        lambda at: f"{verbs[at]} the {nouns[at]}",
        lambda at: f"{nouns[at]} & {others[at]}" if nouns[at] != others[at] else nouns[at],
        lambda at: f"{nouns[at]}, {adjectives[at]}",
        lambda at: alone[at],
    )
    return [written[kind](at) for at, kind in enumerate(pattern.tolist())]


def show_names() -> list[str]:
    """The names of the podcasts."""
    return list(_SHOW_NAMES)


def book_titles() -> list[str]:
    """The titles of the audiobooks."""
    return list(_BOOK_TITLES)


def plain(name: str) -> str:
    """A name without accents, capitals and a leading article: two names must differ in more than these."""
    letters = unicodedata.normalize("NFKD", name.casefold())
    return "".join(letter for letter in letters if not unicodedata.combining(letter)).removeprefix("the ")


def _artist_name(rng: Generator) -> str:
    def one_of(words: list[str]) -> str:
        return words[int(rng.integers(len(words)))]

    style = rng.random()
    if style < 0.3:
        return f"{one_of(_FIRST_NAMES)} {one_of(_FAMILY_NAMES)}"
    if style < 0.55:
        return "".join(one_of(syllables) for syllables in _SYLLABLES).capitalize()
    if style < 0.75:
        return f"{one_of(_ADJECTIVES)} {one_of(_NOUNS)} {one_of(['Club', 'Ensemble', 'Society', 'Union', 'Choir'])}"
    if style < 0.9:
        return f"The {one_of(_ADJECTIVES)} {_plural(one_of(_NOUNS))}"
    return f"{one_of(_FIRST_NAMES)} & the {one_of(_ADJECTIVES)} {_plural(one_of(_NOUNS))}"


def _plural(noun: str) -> str:
    if noun.endswith(("ry", "ny")):
        return f"{noun[:-1]}ies"
    return noun[:-1] + "ves" if noun.endswith("lf") else f"{noun}s"
