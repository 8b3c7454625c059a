"""Logs a Weights & Biases run for each endpoint: figures in its summary, facts in its config.

The target is `project` or `entity/project`. `WANDB_MODE=offline` writes below the working folder and sends
nothing; `wandb sync` sends it later.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from evalkit.errors import InfrastructureError, UsageError
from evalkit.exporters.flat import facts, metrics, subjects
from evalkit.exporters.record import estimates

if TYPE_CHECKING:
    from evalkit.exporters.record import Exported, Exporter

PROJECT = "evalkit"


def build() -> Exporter:
    """The format `wandb`."""
    return Wandb()


class Wandb:
    """See `evalkit.exporters.record.Exporter`."""

    name = "wandb"
    remote = True

    def export(self, exported: Exported, target: str) -> list[str]:
        """See `evalkit.exporters.record.Exporter`."""
        os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
        os.environ.setdefault("WANDB_SILENT", "true")
        try:
            import wandb
        except ImportError:
            raise UsageError("Weights & Biases is not installed: pip install 'evalkit[wandb]'.") from None
        entity, _, project = target.rpartition("/")
        rows = estimates(exported)
        written: list[str] = []
        try:
            for subject, run, endpoint in subjects(exported):
                started: Any = wandb.init(
                    entity=entity or None,
                    project=project or PROJECT,
                    name=f"{run.manifest.run} {endpoint.id}",
                    group=run.manifest.run,
                    config=facts(run, endpoint),
                    job_type="evaluation",
                )
                started.summary.update(metrics(exported, subject))
                own = [row for row in rows if row["subject"] == subject]
                columns: list[str | int] = [*(own[0] if own else ["subject"])]
                table = wandb.Table(
                    columns=columns, data=[[row[str(name)] for name in columns] for row in own]
                )
                started.log({"estimates": table})
                where = started.dir if started.offline else started.url
                started.finish()
                written.append(f"{where} ({subject})")
        except wandb.errors.Error as error:
            raise InfrastructureError(
                f"Weights & Biases: {str(error).splitlines()[0][:300]}; log in, or set WANDB_MODE=offline."
            ) from None
        return written
