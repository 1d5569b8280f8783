"""The words that captions answer with: synonyms of the 110 classes, and words that several classes share."""

from __future__ import annotations

from coldframe.recipes.pocket.corpus import CLASSES, COARSE, NAMES

SYNONYMS: dict[str, tuple[str, ...]] = {
    "airplane": ("aeroplane", "plane", "aircraft", "jet", "airliner"),
    "automobile": ("car", "motorcar", "sedan", "passenger car"),
    "bird": ("songbird", "feathered bird", "small bird"),
    "cat": ("kitten", "kitty", "house cat", "domestic cat"),
    "deer": ("stag", "doe", "elk", "antlered deer"),
    "dog": ("puppy", "hound", "doggy", "domestic dog"),
    "frog": ("toad", "tree frog", "small frog"),
    "horse": ("pony", "stallion", "mare", "foal"),
    "ship": ("boat", "vessel", "watercraft", "big ship"),
    "truck": ("lorry", "fire truck", "big truck", "heavy truck"),
    "aquarium fish": ("goldfish", "ornamental fish", "tropical fish"),
    "baby": ("infant", "newborn", "baby child"),
    "bear": ("brown bear", "grizzly", "grizzly bear"),
    "beaver": ("gnawing beaver", "river beaver"),
    "bed": ("bedstead", "double bed", "bed for sleeping"),
    "bee": ("honeybee", "bumblebee", "honey bee"),
    "beetle": ("bug", "scarab", "ladybird", "stag beetle"),
    "bicycle": ("bike", "pushbike", "cycle"),
    "bottle": ("flask", "glass bottle", "wine bottle"),
    "boy": ("young boy", "schoolboy", "male child"),
    "bus": ("coach", "omnibus", "school bus"),
    "butterfly": ("moth", "winged butterfly"),
    "camel": ("dromedary", "desert camel"),
    "can": ("tin", "tin can", "soda can"),
    "castle": ("fortress", "palace", "citadel"),
    "caterpillar": ("larva", "hairy caterpillar"),
    "cattle": ("cow", "cows", "ox", "bull"),
    "chair": ("seat", "armchair", "wooden chair"),
    "chimpanzee": ("chimp", "ape", "monkey"),
    "clock": ("wall clock", "alarm clock", "timepiece"),
    "cloud": ("clouds", "cloudy sky", "white cloud"),
    "cockroach": ("roach", "cockroaches"),
    "couch": ("sofa", "settee"),
    "crab": ("crabs", "beach crab"),
    "crocodile": ("alligator", "caiman"),
    "cup": ("mug", "teacup", "coffee cup"),
    "dinosaur": ("dinosaurs", "tyrannosaurus", "extinct dinosaur"),
    "dolphin": ("porpoise", "dolphins"),
    "elephant": ("elephants", "african elephant"),
    "flatfish": ("flounder", "plaice", "sole fish"),
    "forest": ("woods", "woodland", "jungle"),
    "fox": ("red fox", "foxes", "vixen"),
    "girl": ("young girl", "schoolgirl", "female child"),
    "hamster": ("hamsters", "golden hamster"),
    "house": ("cottage", "home", "dwelling"),
    "kangaroo": ("wallaby", "kangaroos"),
    "keyboard": ("computer keyboard", "keypad"),
    "lamp": ("table lamp", "lampshade", "desk lamp"),
    "lawn mower": ("mower", "grass mower", "lawnmower"),
    "leopard": ("panther", "jaguar", "spotted leopard"),
    "lion": ("lioness", "lions", "maned lion"),
    "lizard": ("gecko", "iguana", "lizards"),
    "lobster": ("crayfish", "lobsters"),
    "man": ("adult man", "gentleman", "male adult"),
    "maple tree": ("maple", "maples"),
    "motorcycle": ("motorbike", "moped"),
    "mountain": ("mountains", "peak", "mountain range"),
    "mouse": ("mice", "field mouse"),
    "mushroom": ("toadstool", "fungus", "mushrooms"),
    "oak tree": ("oak", "oaks"),
    "orange": ("orange fruit", "mandarin", "oranges"),
    "orchid": ("orchids", "orchid flower"),
    "otter": ("otters", "river otter", "sea otter"),
    "palm tree": ("palm", "palms", "coconut palm"),
    "pear": ("pears", "pear fruit"),
    "pickup truck": ("pickup", "pick up truck", "pickup trucks"),
    "pine tree": ("pine", "fir", "spruce", "conifer"),
    "plain": ("grassland", "prairie", "meadow", "open field"),
    "plate": ("dish", "saucer", "dinner plate"),
    "poppy": ("poppies", "poppy flower", "red poppy"),
    "porcupine": ("spiny porcupine", "porcupines"),
    "possum": ("opossum", "possums"),
    "rabbit": ("bunny", "hare", "rabbits"),
    "raccoon": ("racoon", "raccoons"),
    "ray": ("stingray", "manta ray", "manta"),
    "road": ("highway", "street", "asphalt road"),
    "rocket": ("space rocket", "missile", "spacecraft"),
    "rose": ("roses", "rose flower", "red rose"),
    "sea": ("ocean", "seascape", "open sea"),
    "seal": ("sea lion", "seals", "walrus"),
    "shark": ("sharks", "white shark"),
    "shrew": ("shrews", "tiny shrew"),
    "skunk": ("skunks", "striped skunk"),
    "skyscraper": ("tower block", "high rise", "tall building"),
    "snail": ("slug", "snails", "snail with a shell"),
    "snake": ("serpent", "viper", "snakes"),
    "spider": ("tarantula", "spiders"),
    "squirrel": ("chipmunk", "squirrels", "red squirrel"),
    "streetcar": ("tram", "trolley", "tramcar"),
    "sunflower": ("sunflowers", "yellow sunflower"),
    "sweet pepper": ("bell pepper", "paprika", "pepper"),
    "table": ("desk", "dining table", "wooden table"),
    "tank": ("army tank", "battle tank", "armoured tank"),
    "telephone": ("phone", "telephones", "cellphone"),
    "television": ("tv", "television set", "tv screen"),
    "tiger": ("tigers", "striped tiger", "tigress"),
    "tractor": ("farm tractor", "tractors"),
    "train": ("locomotive", "railway train", "trains"),
    "trout": ("salmon", "river fish", "trouts"),
    "tulip": ("tulips", "tulip flower"),
    "turtle": ("tortoise", "turtles", "sea turtle"),
    "wardrobe": ("closet", "cupboard", "wooden wardrobe"),
    "whale": ("whales", "orca", "blue whale"),
    "willow tree": ("willow", "willows", "weeping willow"),
    "wolf": ("wolves", "grey wolf", "gray wolf"),
    "woman": ("adult woman", "lady", "female adult"),
    "worm": ("worms", "earthworm"),
    "apple": ("apples", "red apple", "green apple"),
    "bowl": ("bowls", "soup bowl", "mixing bowl"),
    "bridge": ("bridges", "suspension bridge", "footbridge"),
}
COARSE_WORDS: dict[str, tuple[str, ...]] = {
    "aquatic mammals": ("aquatic mammals", "aquatic mammal", "mammal that swims"),
    "fish": ("fish", "fishes", "swimming fish"),
    "flowers": ("flowers", "flower", "blossom"),
    "food containers": ("food containers", "food container", "container", "tableware"),
    "fruit and vegetables": ("fruit and vegetables", "fruit", "vegetable", "food"),
    "household electrical devices": ("household electrical devices", "electrical device", "appliance"),
    "household furniture": ("household furniture", "furniture", "piece of furniture"),
    "insects": ("insects", "insect", "six-legged insect"),
    "large carnivores": ("large carnivores", "large carnivore", "predator"),
    "large man-made outdoor things": ("large man-made outdoor things", "large building", "building", "structure"),
    "large natural outdoor scenes": ("large natural outdoor scenes", "natural scene", "landscape", "scenery"),
    "large omnivores and herbivores": ("large omnivores and herbivores", "large herbivore", "large omnivore"),
    "medium mammals": ("medium mammals", "medium mammal", "middle-sized mammal"),
    "non-insect invertebrates": ("non-insect invertebrates", "invertebrate", "animal without bones"),
    "people": ("people", "person", "human", "human being"),
    "reptiles": ("reptiles", "reptile", "scaly reptile"),
    "small mammals": ("small mammals", "small mammal", "rodent"),
    "trees": ("trees", "tree", "leafy tree"),
    "vehicles 1": ("vehicles", "vehicle for people", "passenger vehicle"),
    "vehicles 2": ("machines", "special vehicle", "heavy vehicle"),
}


def of(*groups: str) -> tuple[str, ...]:
    """Return class names, with those of a coarse class in its place."""
    return tuple(name for group in groups for name in COARSE.get(group, (group,)))


MAMMALS = of("aquatic mammals", "large carnivores", "large omnivores and herbivores", "medium mammals", "small mammals")
KINDS: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...] = (
    (("mammal", "mammals", "furry animal", "four-legged animal"), (*MAMMALS, *of("cat", "deer", "dog", "horse"))),
    (("winged animal", "bird", "birds", "animal with feathers"), of("bird")),
    (("amphibian", "amphibians", "cold-blooded animal"), of("frog")),
    (("fish", "fishes", "animal with fins"), of("fish")),
    (("reptile", "reptiles", "animal with scales"), of("reptiles")),
    (("insect", "insects", "animal with six legs"), of("insects")),
    (("invertebrate", "invertebrates", "animal without bones"), of("non-insect invertebrates")),
    (("person", "people", "human", "human being"), of("people")),
    (("flower", "flowers", "blossom", "flowering plant"), of("flowers")),
    (("tree", "trees", "tall plant"), of("trees")),
    (("food", "fruit", "vegetable", "something to eat"), of("fruit and vegetables")),
    (("container", "containers", "tableware"), of("food containers")),
    (("electrical device", "appliance", "household device"), of("household electrical devices")),
    (("furniture", "piece of furniture"), of("household furniture")),
    (("building", "structure", "construction"), of("large man-made outdoor things")),
    (("landscape", "scenery", "natural scene"), of("large natural outdoor scenes")),
    (("flying machine", "aircraft", "aircrafts", "machine that flies"), of("airplane", "rocket")),
    (("water vehicle", "boat", "boats", "vehicle on water"), of("ship")),
    (
        ("road vehicle", "motor vehicle", "vehicle with wheels", "land vehicle"),
        of("automobile", "truck", "vehicles 1", "lawn mower", "streetcar", "tank", "tractor"),
    ),
)
"""Kinds of things: the words of each, and its classes."""
VEHICLES = of("airplane", "automobile", "ship", "truck", "vehicles 1", "vehicles 2")
ANIMALS = (
    *of("bird", "cat", "deer", "dog", "frog", "horse"),
    *MAMMALS,
    *of("fish", "reptiles", "insects", "non-insect invertebrates"),
)
PLANTS = of("flowers", "trees")
INDOORS = of("food containers", "household electrical devices", "household furniture")
LIVING: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...] = (
    (("animal", "animals", "living creature", "creature", "beast", "living being"), ANIMALS),
    (("plant", "plants", "growing plant"), PLANTS),
    (("vehicle", "vehicles", "means of transport", "vehicle for transport"), VEHICLES),
    (("household object", "indoor object", "thing in a home"), INDOORS),
)
SCENES = of("fruit and vegetables", "large natural outdoor scenes")
NATURAL = (*(name for name in ANIMALS if name != "dinosaur"), *PLANTS, *SCENES)
MADE = (*VEHICLES, *INDOORS, *of("large man-made outdoor things"))
ORIGIN: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...] = (
    (("from-nature", "natural", "from nature", "not human-made", "found in nature"), NATURAL),
    (("human-made", "artificial", "man-made", "made by humans", "manufactured", "built by people"), MADE),
)
ALIVE: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...] = (
    (("alive", "living thing", "living"), (*ANIMALS, *PLANTS, *of("people"))),
    (("non-living thing", "not alive", "lifeless"), MADE),
)
PETS: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...] = (
    (("pet", "pets", "house pet", "domestic pet"), of("cat", "dog", "hamster", "aquarium fish")),
    (
        ("wild animal", "wildlife", "outdoor animal"),
        of("deer", "large carnivores", "aquatic mammals", "medium mammals", "elephant", "kangaroo", "crocodile", "shark"),
    ),
    (("farm animal", "animal of a farm", "farm animals"), of("horse", "cattle")),
)
MAN_MADE = tuple(CLASSES.index(name) for name in ("airplane", "automobile", "ship", "truck"))
"""CIFAR-10's human-made classes."""
ALSO: dict[str, tuple[str, ...]] = {
    "leopard": ("cat",),
    "lion": ("cat",),
    "tiger": ("cat",),
    "pickup truck": ("truck", "automobile"),
    "automobile": ("pickup truck",),
    "truck": ("pickup truck",),
    "dog": ("wolf",),
    "forest": of("trees"),
}
"""Names of other classes that may be true of a picture too: they are left out when it is asked about all 110."""
SHADES: dict[str, tuple[str, ...]] = {
    "brown": ("brown", "tan"),
    "purple": ("purple", "violet"),
    "grey": ("grey", "gray"),
    "black": ("black", "dark"),
    "white": ("white", "bright white"),
}


def said_of(name: str) -> tuple[str, ...]:
    """Return a class's name and its synonyms."""
    return (name, *SYNONYMS.get(name, ()))


def places(names: tuple[str, ...]) -> list[int]:
    """Return the labels of class names."""
    return [NAMES.index(name) for name in names]
