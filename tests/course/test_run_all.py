"""*Run All* on lessons as they are released, not answered: it goes on to the end."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from course.check.answers import quiet_kernels

LESSONS = Path(__file__).parent.parent.parent / "lessons"
# Those whose own cells show something also where an exercise is not answered.
WITHOUT_ANSWERS = [
    "01_neurons_and_layers",
    "02_loss_and_backpropagation",
    "05_precision_and_hardware",
    "06_patient_records",
    "07_chest_xrays",
    "08_crops_and_climate",
    "10_recurrent_networks",
    "11_language_models",
    "12_translation",
    "13_image_captions",
    "17_autoencoders",
    "18_anomaly_detection",
    "22_deep_q_learning",
    "24_gans",
    "25_fakes_and_fairness",
]


@pytest.mark.slow
@pytest.mark.parametrize("lesson", WITHOUT_ANSWERS)
def test_an_unanswered_lesson_runs_to_its_end(lesson):
    (path,) = (LESSONS / lesson).glob("*.ipynb")
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(notebook, timeout=600, resources={"metadata": {"path": path.parent}})
    with quiet_kernels():
        client.execute()
    last = [cell for cell in notebook.cells if cell.cell_type == "code"][-1]
    assert last.execution_count
