"""Figures: alt text is required and travels, and colours are told apart by everyone."""

from __future__ import annotations

from itertools import combinations

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.colors import to_rgb

from course import plots

matplotlib.use("agg")

ALT = "A line that falls from 3 to 1 in two steps."


@pytest.fixture
def figure():
    fig, axis = plt.subplots()
    axis.plot([3, 2, 1])
    yield fig
    plt.close("all")


@pytest.mark.parametrize("alt", ["", "   ", "plot", "a figure\n   \n"])
def test_a_figure_without_a_description_is_refused(figure, alt):
    with pytest.raises(ValueError, match="say what the figure shows"):
        plots.show(figure, alt=alt)


def test_the_alt_text_travels_with_the_image_and_the_figure_is_closed(figure, monkeypatch):
    shown = []
    monkeypatch.setattr(plots, "display", lambda output, **options: shown.append(output))
    plots.show(figure, alt=f"  {ALT}\n ")
    image, paragraph = shown
    # JupyterLab does not give images an alt text; this is what a screen reader finds there.
    assert f"Figure: {ALT}</p>" in paragraph["text/html"]
    data, metadata = image._repr_mimebundle_()
    assert set(data) == {"image/png"}
    assert metadata["image/png"]["alt"] == ALT
    # An open figure would be shown again, without the text.
    assert not plt.get_fignums()


@pytest.mark.parametrize(
    ("shape", "columns", "grid"),
    [((5, 8, 8), 3, (2, 3)), ((2, 8, 8, 1), 8, (1, 2)), ((1, 6, 9, 3), 8, (1, 1))],
)
def test_image_grid(shape, columns, grid):
    images = np.linspace(0, 1, int(np.prod(shape))).reshape(shape)
    titles = [f"no {i}" for i in range(shape[0])]
    fig = plots.image_grid(images, titles=titles, columns=columns)
    assert fig.axes[0].get_subplotspec().get_gridspec().get_geometry() == grid
    used = [axis for axis in fig.axes if axis.images]
    assert [axis.get_title() for axis in used] == titles
    assert not any(axis.axison for axis in fig.axes)
    # One scale for all, so that images can be compared.
    assert len({image.get_clim() for axis in used for image in axis.images}) == 1
    plt.close(fig)


# Viénot, Brettel and Mollon (1999), "Digital video colourmaps for checking the legibility of
# displays by dichromats": what somebody without red or green cones sees, in linear RGB.
WITHOUT_RED = np.array([[0.11238, 0.88762, 0], [0.11238, 0.88762, 0], [0.00401, -0.00401, 1]])
WITHOUT_GREEN = np.array([[0.29275, 0.70725, 0], [0.29275, 0.70725, 0], [-0.02234, 0.02234, 1]])


def lab(colour: str, eyes: np.ndarray) -> np.ndarray:
    """CIE L*a*b* of a colour as those eyes see it (white point D65)."""
    rgb = np.array(to_rgb(colour))
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    seen = np.clip(eyes @ linear, 0, 1)
    matrix = [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    xyz = np.array(matrix) @ seen / np.array([0.9505, 1, 1.089])
    f = np.where(xyz > (6 / 29) ** 3, np.cbrt(xyz), xyz / (3 * (6 / 29) ** 2) + 4 / 29)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def closest_pair(colours, eyes: np.ndarray) -> float:
    """The smallest difference between two of the colours; about 2 can just be seen."""
    return min(
        np.linalg.norm(lab(one, eyes) - lab(two, eyes)) for one, two in combinations(colours, 2)
    )


@pytest.mark.parametrize(
    "eyes", [np.eye(3), WITHOUT_RED, WITHOUT_GREEN], ids=["all", "red", "green"]
)
def test_the_palette_is_told_apart_by_the_colour_blind(eyes):
    assert closest_pair(plots.PALETTE, eyes) > 10
    # The first three, which most figures use.
    assert closest_pair(plots.PALETTE[:3], eyes) > 25


def test_the_test_notices_a_palette_that_is_not():
    assert closest_pair(["#d62728", "#2ca02c", "#8c564b"], WITHOUT_GREEN) < 10


def test_the_style_uses_the_palette():
    with plt.rc_context():
        plots.use_style()
        colours = plt.rcParams["axes.prop_cycle"].by_key()["color"]
        assert tuple(colours) == plots.PALETTE
        assert plt.rcParams["image.cmap"] == "cividis"


def test_a_noisy_figure_stays_small(monkeypatch):
    shown = []
    monkeypatch.setattr(plots, "display", lambda *values, **_: shown.extend(values))
    figure, axis = plt.subplots(figsize=(6.4, 4.8))
    axis.imshow(np.random.default_rng(0).random((480, 640)), cmap="gray")
    plots.show(figure, "Grey noise all over the picture, without any structure.")
    assert len(shown[0].data) <= plots.MAX_BYTES * 2.2
    assert shown[0].data.startswith(b"\x89PNG")
