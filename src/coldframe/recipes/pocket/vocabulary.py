"""The words of pocket: those of its captions, and names of other data sets that it can spell and has not learned."""

from __future__ import annotations

from coldframe.backbones.words import words_of
from coldframe.recipes.pocket.captions import trained_texts

DIGITS = "zero one two three four five six seven eight nine ten 0 1 2 3 4 5 6 7 8 9 digit digits number handwritten"
CALTECH101 = """
    accordion airplanes anchor ant barrel bass beaver binocular bonsai brain brontosaurus buddha butterfly camera cannon
    car side ceiling fan cellphone chair chandelier cougar body face crab crayfish crocodile head cup dalmatian dollar
    bill dolphin dragonfly electric guitar elephant emu euphonium ewer faces easy ferry flamingo garfield gerenuk
    gramophone grand piano hawksbill headphone hedgehog helicopter ibis inline skate joshua kangaroo ketch lamp laptop
    leopards llama lobster lotus mandolin mayfly menorah metronome minaret motorbikes nautilus octopus okapi pagoda panda
    pigeon pizza platypus pyramid revolver rhino rooster saxophone schooner scissors scorpion sea seahorse soccer ball snoopy
    stapler starfish stegosaurus stop sign strawberry sunflower tick trilobite umbrella watch water lilly lily wheelchair
    wild windsor wrench yin yang background google
"""
OTHERS = """
    there are photos pictures images painting drawing sketch rendering sculpture origami toy video game plastic art itap
    my our your his her dirty clean cool nice weird large huge tiny close up cropped bright dark dim black white jpeg corrupted
    pixelated scene view type kind sort class object thing flower flowers rose tulip daisy dandelion sunflowers pets
    breed texture satellite aerial street house number food plant tree forest sky grass sand snow sea river lake highway
    person people man woman child hand fruit apple orange banana bicycle motorcycle bus train bear bee beetle bottle bowl
    boy bridge camel can castle caterpillar cattle chimpanzee clock cloud cockroach couch dinosaur flatfish fox girl hamster
    keyboard lawn mower leopard lion lizard maple tree motorcycle mountain mouse mushroom oak orchid otter palm pear pickup
    pine plain plate poppy porcupine possum rabbit raccoon ray road rocket seal shark shrew skunk skyscraper snail
    snake spider squirrel streetcar sweet pepper table tank telephone television tiger tractor trout turtle wardrobe
    whale willow wolf worm aquarium fish not no and or with without in on at by for from to under over near behind two
    healthy diseased normal abnormal positive negative left right old young new good bad left-handed sheep cow goat pig
    chicken duck goose eagle owl parrot penguin monkey cheetah jaguar ox zebra giraffe donkey mule sailboat yacht canoe
    submarine van taxi ambulance tram wagon cart scooter bike plane glider balloon drone
"""


def vocabulary() -> tuple[list[str], list[str]]:
    """Return the trained words and the words that are only spelt, each once and in order."""
    trained = sorted({word for text in trained_texts() for word in words_of(text.replace("{}", " "))})
    known = set(trained)
    spelt = sorted({word for text in (DIGITS, CALTECH101, OTHERS) for word in words_of(text)} - known)
    return trained, spelt
