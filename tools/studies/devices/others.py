"""Trains the networks of others as the sweep trains its students, and holds them against the same budgets."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras

from kd_edge.config.run import RunConfig
from kd_edge.conversion.export import convert_for
from kd_edge.cost.model import CostModel
from kd_edge.files import write_bytes, write_model
from kd_edge.ir.lowering import lower
from kd_edge.stages.student import distill_student
from kd_edge.sweep.cells import Cell
from kd_edge.sweep.context import SweepContext
from kd_edge.verification.observation import observe
from kd_edge.verification.verifier import judge
from tools.studies.devices.pages import NARROWER
from tools.studies.devices.shapes.parts import Build
from tools.studies.devices.shapes.public import PUBLIC, TEACHER_WIDTHS, teacher_of
from tools.studies.halting.rows import Row, Rows


class Others:
    """The networks of others on one data set.

    Args:
        name: Of the data set.
        context: Of the finished sweep: its teacher teaches these, too.
        folder: Where trained networks are kept.
        rows: Of the study; a row a network and cell.
    """

    def __init__(self, name: str, context: SweepContext, folder: Path, rows: Rows) -> None:
        self._name, self._context, self._folder, self._rows = name, context, folder, rows

    def run(self) -> None:
        """Train what fits some cell, and judge it in each; of the teacher's widths the largest that fits each cell."""
        for title, build in PUBLIC.items():
            self._judge(title, build, list(self._context.cells))
        widest: dict[int, list[Cell]] = {}
        for cell in self._context.cells:
            width = next((w for w in reversed(TEACHER_WIDTHS) if self._fits(teacher_of(w), cell)), None)
            if width is None:
                self._rows.once(lambda: {"fits": False}, set=self._name, network=NARROWER, cell=cell.name)
            else:
                widest.setdefault(width, []).append(cell)
        for width, cells in widest.items():
            self._judge(NARROWER, teacher_of(width), cells, width=width)

    def _judge(self, title: str, build: Build, cells: list[Cell], **also: Any) -> None:
        missing = [c for c in cells if self._rows.find(set=self._name, network=title, cell=c.name) is None]
        fitting = [cell for cell in missing if self._fits(build, cell)]
        for cell in missing:
            if cell not in fitting:
                self._rows.once(lambda: {"fits": False}, set=self._name, network=title, cell=cell.name)
        for cell, figures in self._figures(title, build, fitting, also):
            self._rows.once(lambda figures=figures: figures, set=self._name, network=title, cell=cell.name)

    def _fits(self, build: Build, cell: Cell) -> bool:
        data = self._context.data
        graph = lower(build(data.input_shape, data.num_outputs))
        return CostModel(cell.device).estimate(graph).fits(cell.budget)

    def _figures(self, title: str, build: Build, cells: list[Cell], also: Row) -> Iterator[tuple[Cell, Row]]:
        if not cells:
            return
        context, config = self._context, self._context.config
        student, content = self._trained(build, "-".join([title, *map(str, also.values())]), config)
        observed = observe(content, context.data, student=student, teacher=context.teacher_network)
        for cell in cells:
            found = judge(observed, device=cell.device, budget=cell.budget)
            interval = found.accuracy_ci95["int8_litert"]
            yield (
                cell,
                {
                    "fits": True,
                    **also,
                    "verdict": found.verdict,
                    "accuracy": found.accuracy.int8_litert,
                    "accuracy_low": interval.ci95_low,
                    "accuracy_high": interval.ci95_high,
                    "latency_ms": found.predicted.latency_ms,
                    "ram_bytes": found.ram_bytes,
                    "flash_bytes": found.measured.flash_bytes,
                    "macs": found.predicted.macs,
                },
            )

    def _trained(self, build: Build, title: str, config: RunConfig) -> tuple[keras.Model, bytes]:
        """Return a network trained by the students' recipe with the same teacher, and its file; made once."""
        data, folder = self._context.data, self._folder / title.replace(" ", "_").replace(",", "")
        model, file = folder / "student.keras", folder / "model.tflite"
        if file.is_file():
            return keras.models.load_model(model, compile=False), file.read_bytes()
        guide = self._context.guidance
        keras.utils.set_random_seed(config.seed)
        student = build(data.input_shape, data.num_outputs)
        distill_student(student, data, config.distill, teacher=guide, seed=config.seed)
        made = convert_for(
            student,
            data,
            config.convert,
            teacher=self._context.teacher_network,
            distill=config.distill,
            seed=config.seed,
        )
        write_model(model, student)
        write_bytes(file, made.content)
        return student, made.content
