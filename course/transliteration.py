"""Hindi in Latin letters, for figures and for readers who do not know Devanagari."""

from __future__ import annotations

# ISO 15919, as far as the course's Hindi needs it: consonants carry an a, which a sign replaces.
_CONSONANTS = dict(zip(
    "कखगघङचछजझञटठडढणतथदधनपफबभमयरलवशषसह",
    "k kh g gh ṅ c ch j jh ñ ṭ ṭh ḍ ḍh ṇ t th d dh n p ph b bh m y r l v ś ṣ s h".split(),
    strict=True,
))  # fmt: skip
_DOTTED = {"ज": "z", "ड": "ṛ", "ढ": "ṛh", "फ": "f", "क": "q", "ख": "x", "ग": "ġ"}
_VOWELS = dict(zip("अआइईउऊऋएऐऑओऔ", "a ā i ī u ū r̥ e ai ô o au".split(), strict=True))
_SIGNS = dict(zip("ािीुूृेैॉोौ", "ā i ī u ū r̥ e ai ô o au".split(), strict=True))
_NUKTA, _VIRAMA = "\u093c", "\u094d"
_ENDS = {"ँ": "m̐", "ं": "ṁ", "ः": "ḥ"}


def romanize(text: str) -> str:
    """Hindi in Latin letters, letter by letter, for figures: many fonts have no Devanagari.

    The a that a word's last consonant carries is not spoken, and left out.
    """
    return " ".join(_romanize_word(word) for word in text.split(" "))


def _romanize_word(word: str) -> str:
    # A letter with a dot below may be one character or two.
    for letter, whole in {"ज": "ज़", "ड": "ड़", "ढ": "ढ़", "फ": "फ़"}.items():
        word = word.replace(whole, letter + _NUKTA)
    latin, pending = "", False
    for place, letter in enumerate(word):
        if letter == _NUKTA:
            continue
        if letter in _CONSONANTS:
            is_dotted = word[place + 1 : place + 2] == _NUKTA
            latin += "a" * pending + (_DOTTED if is_dotted else _CONSONANTS)[letter]
            pending = True
        elif letter in _SIGNS or letter == _VIRAMA:
            latin += _SIGNS.get(letter, "")
            pending = False
        else:
            # A comma ends the word, and with it the need for an a.
            is_letter = letter in _VOWELS or letter in _ENDS
            latin += "a" * (pending and is_letter) + (_VOWELS | _ENDS).get(letter, letter)
            pending = False
    return latin
