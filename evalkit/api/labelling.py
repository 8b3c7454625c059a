"""Functions for what people say of answers to probes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from evalkit.api.running import folder_of
from evalkit.app import labelling

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from evalkit.analysis.probes.labelling import Labelling
    from evalkit.api.objects import Run
    from evalkit.api.options import PathLike
    from evalkit.app.labelling import Summary


def label(
    run: Run | PathLike = "latest",
    *,
    annotator: str,
    n: int = labelling.DEFAULT,
    settle: bool = False,
    languages: Sequence[str] = (),
    opened: Callable[[str], object] | None = None,
    results: PathLike = "results",
) -> Summary:
    """Serve a page on which a person labels a random sample of a run's answers to probes, until interrupted.

    Args:
        run: A run, or its name, unique prefix or path, or `latest`.
        annotator: Whose labels they are.
        n: Answers that are drawn, the same for every annotator.
        settle: Show only answers on which annotators differ.
        languages: Show only answers to questions in these; none for all.
        opened: Is given the page's address; opens the browser by default.
        results: Folder of runs.

    Raises:
        UsageError: the name will not do, or there is nothing to label.
        StoreError: the run is missing or damaged.
        InfrastructureError: the page cannot be served.
    """
    folder = folder_of(run, Path(results))
    return labelling.label_run(
        folder,
        annotator,
        n,
        settle=settle,
        languages=languages,
        opened=opened or labelling.open_browser,
    )


def label_status(run: Run | PathLike = "latest", *, results: PathLike = "results") -> Labelling:
    """How far the labelling of a run has come, and how far annotators agree.

    Args:
        run: A run, or its name, unique prefix or path, or `latest`.
        results: Folder of runs.

    Raises:
        UsageError: it has no answers to probes.
        StoreError: the run is missing or damaged.
    """
    return labelling.label_status(folder_of(run, Path(results)))
