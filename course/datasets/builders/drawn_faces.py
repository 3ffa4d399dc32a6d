"""Simulated drawings of faces, each as a hasty photograph and as a portrait, with known skin tone.

**Simulated, not real.** No person stands behind any picture. The rules:

- A face is drawn on 16 x 16 pixels: an oval of skin, eyes with whites and irises, brows, a mouth,
  ears, hair of one of four kinds or none, sometimes glasses, a plain background. Width, height and
  place vary a little. Every attribute is drawn independently of the skin tone and of the others.
- Skin has one number, the **tone**, from 0 (darkest) to 100 (lightest): a place on a straight line
  between two colours. Half of the tones of a balanced split are uniform from 15 to 45 ("darker"),
  half from 55 to 90 ("lighter"). Nothing is drawn in between, so that the two groups are clear.
- Each face comes twice. `portrait` shows it smiling, in even light, without noise. `photo` shows
  the same face smiling or not, in light that nobody controlled: all colours are multiplied by one
  number from 0.5 to 1.1, which is independent of the tone, and noise is added.
- `train_skewed` holds 97 lighter faces in 100, `train_balanced` and `test` 50 in 100.

What it cannot show: anything about people. Real skin is not one number: it has undertones, it
differs over one face and with the season, cameras and lamps change it, and no group of people is
"a tone". Real filters are larger, and real faces are not ovals. Only the way in which a skewed
collection becomes a skewed picture is the same.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import tensorflow_datasets as tfds

from course.datasets.base import OfflineBuilder

SIZE = 16
SEED = 25
# Examples of each split, and how many of 100 are lighter.
SPLITS = {"train_skewed": (1600, 97), "train_balanced": (1600, 50), "test": (400, 50)}
GROUPS = ("darker", "lighter")
TONES = {"darker": (15.0, 45.0), "lighter": (55.0, 90.0)}
HAIR = ("none", "cropped", "short", "long", "covered")
LIGHT = (0.5, 1.1)
NOISE = 12.0  # standard deviation, of 255

# Skin of tone 0 and of tone 100, as red, green and blue from 0 to 255.
DARKEST, LIGHTEST = np.array([52.0, 34.0, 27.0]), np.array([250.0, 222.0, 204.0])
# (top, left, bottom, right) of pixels that are skin on every face: cheeks and nose.
CHEEKS = (9, 5, 10, 11)

_FINE = 3  # points per pixel and direction, averaged at the end
_Y, _X = (np.mgrid[0 : SIZE * _FINE, 0 : SIZE * _FINE] + 0.5) / _FINE


def skin_colour(tone) -> np.ndarray:
    """Red, green and blue from 0 to 255 of skin of a tone from 0 to 100."""
    return DARKEST + np.asarray(tone)[..., None] / 100 * (LIGHTEST - DARKEST)


def _oval(x: float, y: float, wide: float, tall: float) -> np.ndarray:
    return ((_X - x) / wide) ** 2 + ((_Y - y) / tall) ** 2 < 1


def draw_face(face: dict, smile: bool) -> np.ndarray:
    """A face in even light: (16, 16, 3) float64 from 0 to 255, from what ``_face`` returns."""
    x, y, wide, tall = face["x"], face["y"], face["wide"], face["tall"]
    picture = np.empty((*_X.shape, 3))
    picture[:] = face["background"]
    skin, hair = skin_colour(face["tone"]), face["hair_colour"]
    kind = HAIR[face["hair"]]
    if kind in ("long", "covered"):  # behind the face
        picture[
            _oval(x, y + 0.5, wide + 1.5, tall + 1.2) | ((abs(_X - x) < wide + 1.0) & (y < _Y))
        ] = hair
    picture[(abs(_X - x) < 1.8) & (_Y > y)] = 0.88 * skin  # the neck, in the chin's shade
    for side in (-1, 1):
        if kind != "covered":
            picture[_oval(x + side * wide, y, 0.8, 1.3)] = 0.92 * skin
    oval = _oval(x, y, wide, tall)
    picture[oval] = skin
    if kind != "none":
        edge = {"cropped": 4.6, "short": 3.7, "long": 3.7, "covered": 3.9}[kind]
        top = _oval(x, y, wide + 0.5, tall + 0.5) & (_Y < y - edge + 0.12 * (_X - x) ** 2)
        picture[top] = hair
    for side in (-1, 1):
        eye_x, eye_y = x + side * 2.1, y - 1.1
        picture[_oval(eye_x, eye_y, 1.15, 0.7)] = (238, 238, 236)
        picture[_oval(eye_x, eye_y, 0.5, 0.6)] = (45, 32, 28)
        brow = (abs(_X - eye_x) < 1.3) & (abs(_Y - (eye_y - 1.5)) < 0.28)
        picture[brow] = 0.35 * skin
        if face["glasses"]:
            ring = _oval(eye_x, eye_y, 1.9, 1.5) & ~_oval(eye_x, eye_y, 1.5, 1.1)
            picture[ring] = (30, 30, 36)
    bend = 0.22 if smile else 0.0
    reach = 2.3 if smile else 1.7
    line = y + 4.1 - bend * (_X - x) ** 2
    mouth = (abs(_X - x) < reach) & (abs(_Y - line) < (0.62 if smile else 0.4))
    picture[mouth & oval] = 0.6 * skin + np.array([30.0, 0.0, 5.0])
    if smile:
        picture[(abs(_X - x) < 1.5) & (abs(_Y - line + 0.1) < 0.3)] = (240, 238, 232)
    return picture.reshape(SIZE, _FINE, SIZE, _FINE, 3).mean(axis=(1, 3))


def _face(rng: np.random.Generator, group: str) -> dict:
    """The attributes of one face; only the tone depends on the group."""
    hair, shade = int(rng.integers(len(HAIR))), rng.uniform(25, 170)
    kind = HAIR[hair]
    return {
        "tone": float(np.float32(rng.uniform(*TONES[group]))),
        "x": 8 + rng.uniform(-0.3, 0.3),
        "y": 8.3 + rng.uniform(-0.3, 0.3),
        "wide": rng.uniform(4.5, 5.4),
        "tall": rng.uniform(5.9, 6.6),
        "hair": hair,
        # Black to blond; a covering may have any colour.
        "hair_colour": rng.uniform(30, 190, 3)
        if kind == "covered"
        else shade * np.array([1, 0.78, 0.55]),
        "glasses": int(rng.random() < 0.25),
        "smile": int(rng.random() < 0.5),
        "background": rng.uniform(60, 230) + rng.uniform(-25, 25, 3),
        "light": float(np.float32(rng.uniform(*LIGHT))),
    }


def _to_bytes(picture: np.ndarray) -> np.ndarray:
    return np.round(np.clip(picture, 0, 255)).astype(np.uint8)


_DESCRIPTION = """
Simulated drawings of faces, 16 x 16 pixels in colour. **No person stands behind any picture.** A
face is drawn from rules: an oval of skin, eyes, brows, a mouth, ears, five kinds of hair or its
covering, sometimes glasses, a plain background. All of them are independent of the skin tone.

tone: one number from 0 (darkest) to 100 (lightest), a place on a straight line between two colours.
group: "darker" (tones 15 to 45, uniform) or "lighter" (55 to 90, uniform).
portrait: (16, 16, 3), uint8: the face smiling, in even light, without noise.
photo: (16, 16, 3), uint8: the same face, smiling or not (`smile`), all colours multiplied by
`light`, uniform from 0.5 to 1.1, and noise added.
hair ("none", "cropped", "short", "long", "covered") and glasses say what is drawn.

Splits: train_skewed holds 1,600 faces, 97 lighter ones in 100; train_balanced 1,600 and test 400,
with as many darker as lighter ones. No face is in two splits.

What it cannot show: anything about people. Real skin is not one number: it has undertones, differs
over one face and with the season, and changes with cameras and lamps; and no group of people is a
tone. Only the way in which a skewed collection becomes a skewed picture is the same.

Licence: CC BY 4.0, as the course's texts are. There are no personal data in it.
"""

_CITATION = """
@misc{deep_learning_course_drawn_faces,
  title = {Simulated drawings of faces with a known skin tone, as photographs and as portraits},
  author = {{The authors of the deep-learning course}},
  year = {2026},
  note = {Simulated by course/datasets/builders/drawn_faces.py, version 1.0.0},
}
"""


class DrawnFaces(OfflineBuilder):
    """Simulated drawings of faces: see the module's docstring for the rules and the limits."""

    VERSION = tfds.core.Version("1.0.0")

    def _info(self) -> tfds.core.DatasetInfo:
        return tfds.core.DatasetInfo(
            builder=self,
            description=_DESCRIPTION,
            features=tfds.features.FeaturesDict(
                {
                    "photo": tfds.features.Image(
                        shape=(SIZE, SIZE, 3), doc="In any light, smiling or not, with noise."
                    ),
                    "portrait": tfds.features.Image(
                        shape=(SIZE, SIZE, 3), doc="In even light, smiling, without noise."
                    ),
                    "tone": tfds.features.Scalar(dtype=np.float32, doc="0 darkest, 100 lightest."),
                    "group": tfds.features.ClassLabel(names=list(GROUPS)),
                    "light": tfds.features.Scalar(
                        dtype=np.float32, doc="What the photo's colours were multiplied by."
                    ),
                    "smile": tfds.features.ClassLabel(names=["no", "yes"]),
                    "hair": tfds.features.ClassLabel(names=list(HAIR)),
                    "glasses": tfds.features.ClassLabel(names=["no", "yes"]),
                }
            ),
            supervised_keys=("photo", "portrait"),
            citation=_CITATION,
            license="CC BY 4.0",
            metadata=tfds.core.MetadataDict(
                cheeks=CHEEKS, darkest=DARKEST.tolist(), lightest=LIGHTEST.tolist()
            ),
            disable_shuffling=True,
        )

    def _split_generators(self, dl_manager):
        del dl_manager  # nothing to download
        first, splits = 0, {}
        for name, (count, lighter) in SPLITS.items():
            splits[name] = self._generate_examples(first, count, lighter)
            first += count
        return splits

    def _generate_examples(
        self, first: int, count: int, lighter: int
    ) -> Iterator[tuple[int, dict]]:
        for number in range(count):
            rng = np.random.default_rng([SEED, first + number])
            # Exactly so many lighter faces in each hundred, spread evenly over it.
            group = int((number * lighter) % 100 < lighter)
            face = _face(rng, GROUPS[group])
            lamp = face["light"] * rng.uniform(0.85, 1.15, 3)
            noise = rng.normal(0, NOISE, (SIZE, SIZE, 3))
            yield (
                number,
                {
                    "photo": _to_bytes(lamp * draw_face(face, face["smile"]) + noise),
                    "portrait": _to_bytes(draw_face(face, smile=True)),
                    "group": group,
                    **{key: face[key] for key in ("tone", "light", "smile", "hair", "glasses")},
                },
            )
