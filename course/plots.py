"""Figures that everyone can read: colours that the colour-blind can tell apart, and alt text.

A lesson draws with Matplotlib as usual and ends with ``plots.show(fig, alt="...")``.
"""

from __future__ import annotations

import html
import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

import matplotlib.pyplot as plt
import numpy as np
import PIL.Image
from cycler import cycler
from IPython.display import Image, display

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# The palette of Okabe and Ito (2008), "Color Universal Design", told apart with every common
# kind of colour blindness. Yellow comes last: on white it is faint.
BLUE, ORANGE, GREEN, PINK, SKY, VERMILION, BLACK, YELLOW = PALETTE = (
    "#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#000000", "#F0E442",
)  # fmt: skip

# A notebook holds a figure as text, which is a third longer, and should stay small enough to send.
MAX_BYTES = 70_000

MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")

# Outside the screen, and still read aloud.
_READ_ALOUD = "position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)"


def use_style() -> None:
    """Set Matplotlib's defaults: the palette, and sizes that stay legible at 480 pixels."""
    plt.rcParams.update(
        {
            "axes.prop_cycle": cycler(color=PALETTE),
            "axes.spines.right": False,
            "axes.spines.top": False,
            "axes.titlelocation": "left",
            "axes.titlesize": 12,
            "axes.labelsize": 11,
            "figure.constrained_layout.use": True,
            "figure.dpi": 100,
            "figure.figsize": (6.4, 3.6),
            "font.size": 11,
            "image.cmap": "cividis",
            "legend.frameon": False,
            "lines.linewidth": 2,
        }
    )


def show(fig: Figure, alt: str) -> None:
    """Display a figure with its alternative text, and close it.

    The text is in the image's metadata, where nbconvert and Jupyter Book find it. JupyterLab
    does not look there, so a paragraph that only screen readers see follows the image.

    Args:
        fig: the figure.
        alt: what the figure shows, for someone who cannot see it: the finding, not only the axes.

    Raises:
        ValueError: the alt text is missing or too short to describe anything.
    """
    alt = " ".join(alt.split())
    if len(alt) < 20:
        raise ValueError(f"alt={alt!r} is too short: say what the figure shows, in a sentence.")
    buffer = io.BytesIO()
    fig.savefig(buffer, format="png")
    plt.close(fig)
    display(Image(_small(buffer.getvalue()), alt=alt))
    paragraph = f'<p style="{_READ_ALOUD}">Figure: {html.escape(alt)}</p>'
    display({"text/html": paragraph}, raw=True)


def _small(png: bytes) -> bytes:
    """A PNG image, with fewer colours if it has more than ``MAX_BYTES``: photographs and films are
    noisy, and noise does not compress. An octree keeps rare colours, such as a marked box."""
    if len(png) <= MAX_BYTES:
        return png
    image = PIL.Image.open(io.BytesIO(png)).convert("RGB")
    reduced = image.quantize(256, PIL.Image.Quantize.FASTOCTREE, dither=PIL.Image.Dither.NONE)
    buffer = io.BytesIO()
    reduced.save(buffer, "png", optimize=True)
    return buffer.getvalue()


def image_grid(
    images: np.ndarray,
    titles: Sequence[str] | None = None,
    columns: int = 8,
    size: float = 1.0,
    cmap: str = "gray",
) -> Figure:
    """Draw images side by side and return the figure.

    Args:
        images: the images, of shape (n, height, width) or (n, height, width, 1 or 3).
        titles: one title for each image. None, the default, draws no titles.
        columns: the number of images in a row, 8 by default.
        size: the width of an image in inches, 1 by default.
        cmap: Matplotlib's colour map for images of one channel, ``"gray"`` by default.
    """
    images = np.asarray(images)
    if images.ndim == 4 and images.shape[-1] == 1:
        images = images[..., 0]
    columns = min(columns, len(images))
    rows = -(-len(images) // columns)
    height = size * images.shape[1] / images.shape[2] + (0.25 if titles is not None else 0)
    fig, axes = plt.subplots(rows, columns, figsize=(size * columns, height * rows), squeeze=False)
    low, high = float(images.min()), float(images.max())
    for index, axis in enumerate(axes.flat):
        axis.set_axis_off()
        if index < len(images):
            axis.imshow(images[index], cmap=cmap, vmin=low, vmax=high)
            if titles is not None:
                axis.set_title(titles[index], fontsize=10, loc="center")
    return fig


def box(axis: Axes, x: float, y: float, text: str, color: str = BLACK) -> None:
    """Draw a box with rounded corners and text around a point, for diagrams.

    Args:
        axis: where to draw, in its own units.
        x: the middle of the box.
        y: the middle of the box.
        text: what stands in it.
        color: the colour of its edge, black by default.
    """
    style = {"boxstyle": "round,pad=0.4", "fc": "white", "ec": color, "lw": 1.8}
    axis.text(x, y, text, ha="center", va="center", fontsize=11, bbox=style, zorder=3)


def arrow(
    axis: Axes,
    start: tuple[float, float],
    end: tuple[float, float],
    color: str = BLACK,
    width: float = 1.2,
    bend: float = 0.0,
) -> None:
    """Draw an arrow between two points, for diagrams.

    Args:
        axis: where to draw, in its own units.
        start: where the arrow begins.
        end: where its head is.
        color: its colour, black by default.
        width: the width of its line in points, 1.2 by default.
        bend: how far it leaves the straight line, as a share of its length; 0, straight, by
            default.
    """
    style = {"arrowstyle": "-|>", "color": color, "lw": width, "shrinkA": 0, "shrinkB": 0}
    style["connectionstyle"] = f"arc3,rad={bend}"
    axis.annotate("", end, start, arrowprops=style)
