"""Made up from what a product's name says: its category, and whether it is kept in lots with an expiry date."""

import re

import msgspec


class Category(msgspec.Struct, frozen=True, kw_only=True):
    """A product category; the pattern finds its words in a product's name."""

    code: str
    name: str
    words: str = ""


class Keeping(msgspec.Struct, frozen=True, kw_only=True):
    """A kind of goods that is kept in lots, with its shelf life from the day it is made."""

    name: str
    words: str
    unless: str
    shelf_life_days: int
    age_days_max: int
    """How old a lot may be when it arrives."""


# The first whose words are in the name decides.
CATEGORIES = (
    Category(
        code="XMAS", name="Christmas", words=r"CHRISTMAS|XMAS|ADVENT|SANTA|REINDEER|SNOW|BAUBLE|MISTLETOE|NOEL"
    ),
    Category(code="EASTER", name="Easter", words=r"EASTER|BUNNY|CHICK\b|\bEGGS?\b"),
    Category(
        code="JEWEL",
        name="Jewellery and hair",
        words=r"NECKLACE|BRACELET|EARRING|\bRINGS?\b|BANGLE|PENDANT|BROOCH"
        r"|HAIR ?CLIP|HAIR|DIAMANTE|CHARM|TIARA|BEADED|LARIAT|KEY-?RING|ORBIT",
    ),
    Category(
        code="CANDLE",
        name="Candles and fragrance",
        words=r"CANDLE|T-?LIGHTS?|TEALIGHT|INCENSE|SCENT|FRAGRANCE|VOTIVE"
        r"|OIL BURNER|LANTERN",
    ),
    Category(code="LIGHT", name="Lighting", words=r"\bLIGHTS?\b|LAMP|\bLED\b|CHANDELIER"),
    Category(
        code="BATH",
        name="Bath and care",
        words=r"SOAP|BATH|LIP GLOSS|BALM|FLANNEL|TOILET|COSMETIC|SPONGE|PLASTERS"
        r"|TISSUE|HAND WARMER|HOT WATER BOTTLE|WASH ?BAG|MANICURE|SHOWER",
    ),
    Category(
        code="GARDEN",
        name="Garden",
        words=r"GARDEN|PLANT|WATERING|PARASOL|BIRD ?(HOUSE|TABLE|FEEDER|BATH)|GROW YOUR|SEED"
        r"|POTTING|WINDMILL|TROWEL|FORK\b|THERMOMETER",
    ),
    Category(
        code="BAKE",
        name="Baking",
        words=r"CAKE|BAKING|COOKIE|BISCUIT|JELLY MOULD|MUFFIN|CUTTER|PASTRY|RECIPE|ROLLING PIN",
    ),
    Category(
        code="TABLE",
        name="Tableware",
        words=r"MUG|\bCUPS?\b|TEACUP|SAUCER|PLATE|BOWL|JUG|GLASS(?!ES)|TEA ?POT|CUTLERY|SPOON"
        r"|NAPKIN|COASTER|TRAY|PLACEMAT|STRAWS?|BEAKER|DISH|GOBLET|DECANTER|TUMBLER",
    ),
    Category(
        code="KITCHEN",
        name="Kitchen and storage",
        words=r"APRON|TEA TOWEL|OVEN|KITCHEN|JAR|\bTINS?\b|CADDY|BREAD|LUNCH BOX"
        r"|FOOD|COLANDER|\bPAN\b|SCALES|TEA COSY|BOTTLE|LARDER|PANTRY|COFFEE|TEA\b|LOLLY|TIMER|ENAMEL",
    ),
    Category(
        code="BAG",
        name="Bags and purses",
        words=r"\bBAGS?\b|HANDBAG|SHOPPER|PURSE|WALLET|BACKPACK|SUITCASE|LUGGAGE"
        r"|UMBRELLA|PASSPORT|RUCKSACK",
    ),
    Category(
        code="PARTY",
        name="Party and wrapping",
        words=r"PARTY|BUNTING|BALLOON|GARLAND|WRAP|RIBBON|GIFT (BAG|BOX|TAPE|TAG)"
        r"|DOIL|CONFETTI|PAPER CHAIN|BIRTHDAY|HONEYCOMB|STREAMER|\bFANS?\b",
    ),
    Category(
        code="PAPER",
        name="Cards and stationery",
        words=r"CARD|NOTEBOOK|PENCIL|\bPENS?\b|STICKER|STATIONERY|PAPER|MEMO|BOOK"
        r"|JOURNAL|ENVELOPE|CALCULATOR|RUBBER|ERASER|CHALK|TAPE|STAMP|LETTER|DIARY|CALENDAR|RULER",
    ),
    Category(
        code="TOY",
        name="Toys and crafts",
        words=r"TOY|JIGSAW|GAME|DOLL|CRAFT|KNITTING|SEWING|SKITTLES|PUZZLE|TEDDY|SPACEBOY"
        r"|GLIDER|BLOCK|MARBLES|PLAYING|DINOSAUR|SKIPPING|PUPPET|CHILD|KIT\b|WOOL|MAGIC|SOLDIER|ANIMAL|BALL\b",
    ),
    Category(
        code="TEXTILE",
        name="Textiles and cushions",
        words=r"CUSHION|QUILT|THROW|CURTAIN|DOORMAT|RUG|TOWEL|BLANKET|SLIPPER"
        r"|SCARF|SOCK|COVER|GLOVE|PILLOW|DOORSTOP|PAD\b|PARTY BAG|\bMAT\b|TABLECLOTH|TABLE ?CLOTH",
    ),
    Category(
        code="FURN",
        name="Furniture and hooks",
        words=r"CABINET|DRAWER|SHELF|HOOK|HANGER|CHAIR|STOOL|\bTABLE|RACK|KNOB|BASKET"
        r"|STORAGE|BOX\b|BOXES|CHEST|HOLDER|CRATE|BENCH|STAND\b|\bBIN\b|TIDY",
    ),
    Category(
        code="WALL",
        name="Frames, clocks and signs",
        words=r"FRAME|CLOCK|MIRROR|SIGN|PICTURE|WALL|PHOTO|MAGNET|BLACKBOARD"
        r"|BLACK BOARD|TILE|CANVAS|POSTER|CHALKBOARD|BELL|DOOR",
    ),
    Category(
        code="DECO",
        name="Decorations",
        words=r"DECORATION|HEART|FLOWER|ORNAMENT|HANGING|STAR|ROSE|FEATHER|BIRD|ANGEL|WREATH"
        r"|TREE|TRINKET|DOVE|BUTTERFL|FAIRY|CAGE|VASE|CHIME|POT\b|ART\b|SILVER|BUDDHA|ELEPHANT|DOG|CAT\b|MOBILE"
        r"|TINSEL|DUCKS|GNOME|JEWEL|SHELL|P'WEIGHT|HORSE",
    ),
)
OTHER = Category(code="OTHER", name="Other gifts")

KEEPINGS = (
    Keeping(
        name="seeds",
        words=r"GROW YOUR OWN|SEED ENVELOPE|SOW 'N' GROW|SEEDS?\b",
        unless=r"NECKLACE|BRACELET|EARRING",
        shelf_life_days=300,
        age_days_max=60,
    ),
    Keeping(
        name="cosmetics",
        words=r"LIP GLOSS|BALM|BATH SALT|SOAP|BUBBLE BATH|HAND CREAM|LIPSTICK",
        unless=r"DISH|HOLDER|RACK|SIGN|PEN\b(?! LIP)|BAG|BOTTLE",
        shelf_life_days=540,
        age_days_max=120,
    ),
    Keeping(
        name="first aid",
        words=r"PLASTERS|HAND WARMER",
        unless=r"BAG",
        shelf_life_days=1095,
        age_days_max=240,
    ),
    Keeping(
        name="fragrance",
        words=r"INCENSE|FRAGRANCE|POT POURRI|SCENTED|CITRONELLA",
        unless=r"HOLDER|BURNER",
        shelf_life_days=730,
        age_days_max=180,
    ),
    Keeping(
        name="candles",
        words=r"CANDLES?\b|T-LIGHTS\b",
        unless=r"HOLDER|HLDR|STICK|PLATE|STAND|BASE|SPIKE|WIRE|BOWL|LED\b|GLASS|LANTERN|HOOK|FOR CANDLE|POT$",
        shelf_life_days=1095,
        age_days_max=200,
    ),
)
_CATEGORIES = tuple((category, re.compile(category.words)) for category in CATEGORIES)
_KEEPINGS = tuple((keeping, re.compile(keeping.words), re.compile(keeping.unless)) for keeping in KEEPINGS)


def tidy(description: str) -> str:
    """The description with single spaces."""
    return " ".join(description.split())


def category_of(name: str) -> Category:
    """The category whose words the name holds."""
    capitals = name.upper()
    return next((category for category, words in _CATEGORIES if words.search(capitals)), OTHER)


def keeping_of(name: str) -> Keeping | None:
    """How the product is kept, when it is kept in lots."""
    capitals = name.upper()
    for keeping, words, unless in _KEEPINGS:
        if words.search(capitals) and not unless.search(capitals):
            return keeping
    return None
