"""Logs an MLflow run for each endpoint: figures as metrics, facts as parameters, tables as artifacts.

The target is a tracking URI: a server, `sqlite:///file`, or a folder; without one MLflow's own setting holds.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from evalkit.errors import InfrastructureError, UsageError
from evalkit.exporters.flat import facts, metrics, subjects
from evalkit.exporters.record import estimates

if TYPE_CHECKING:
    from evalkit.exporters.record import Exported, Exporter

EXPERIMENT = "evalkit"
_MOST = 6000
"""MLflow's own bound on the length of a parameter."""


def build() -> Exporter:
    """The format `mlflow`."""
    return MLflow()


class MLflow:
    """See `evalkit.exporters.record.Exporter`."""

    name = "mlflow"
    remote = True

    def export(self, exported: Exported, target: str) -> list[str]:
        """See `evalkit.exporters.record.Exporter`."""
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        try:
            import mlflow
        except ImportError:
            raise UsageError("MLflow is not installed: pip install 'evalkit[mlflow]'.") from None
        if target:
            mlflow.set_tracking_uri(target)
        rows = estimates(exported)
        written: list[str] = []
        try:
            mlflow.set_experiment(os.environ.get("MLFLOW_EXPERIMENT_NAME", EXPERIMENT))
            for subject, run, endpoint in subjects(exported):
                with mlflow.start_run(run_name=f"{run.manifest.run} {endpoint.id}") as started:
                    mlflow.log_params({name: text[:_MOST] for name, text in facts(run, endpoint).items()})
                    mlflow.log_metrics(metrics(exported, subject))
                    own = [row for row in rows if row["subject"] == subject]
                    mlflow.log_dict({"estimates": own}, "estimates.json")
                written.append(f"{mlflow.get_tracking_uri()} run {started.info.run_id} ({subject})")
        except mlflow.exceptions.MlflowException as error:
            raise InfrastructureError(
                f"MLflow at {mlflow.get_tracking_uri()}: {str(error).splitlines()[0][:300]}; check --to."
            ) from None
        return written
