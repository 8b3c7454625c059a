"""Functions that work trials, or make runs of what others recorded."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

import msgspec

from evalkit.api.objects import Planned, Run
from evalkit.api.options import (
    CONDUCTING,
    SELECTING,
    Asking,
    Conduct,
    PathLike,
    Quiet,
    check_names,
    conducted,
    results_of,
    selected,
    several,
    text,
    watcher,
)
from evalkit.app import merge as merging
from evalkit.app import recheck as rechecking
from evalkit.app import run as app_run
from evalkit.app.export import export_runs
from evalkit.app.importing import ImportOptions
from evalkit.app.importing import import_files as read_files
from evalkit.app.judges import Panel
from evalkit.app.judging import judge_run
from evalkit.app.plan import forecast
from evalkit.app.rescore import Rescoring, changed
from evalkit.app.setup import prepare, reopen
from evalkit.catalog.gates import load_gate
from evalkit.store.folder import find_run, new_run

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from evalkit.app.judging import Judged
    from evalkit.app.recheck import Rechecked
    from evalkit.app.run import Ended
    from evalkit.app.setup import Setup
    from evalkit.ports.core import Progress


def folder_of(run: Run | PathLike, results: Path) -> Path:
    """The folder of a run that is given by handle, name, unique prefix, path, or `latest`."""
    return run.folder if isinstance(run, Run) else find_run(str(run), results)


def run(suites: str | Sequence[str], **options: Unpack[Asking]) -> Run:
    """Run suites on endpoints. The same call again resumes: what is answered is not asked again.

    Where an event loop runs already, as in a notebook, the engine works in a thread of its own. Ctrl-C or the
    notebook's interrupt lets requests in flight end; the run's status is then `interrupted`.

    Args:
        suites: Suites by id or folder; `id@tag` takes the samples with a tag.
        **options: See `Selection` and `Conduct`.

    Raises:
        UsageError: a name, file, key or setting is wrong; nothing was sent.
        PolicyError: data would go where the policy forbids; nothing was sent.
        InfrastructureError: hosts failed more trials than `max_failed` allows. The run is kept.
    """
    check_names(options, SELECTING | CONDUCTING)
    setup = prepare(selected(suites, options))
    return _watched(setup, options, lambda progress: app_run.execute(setup, conducted(options), progress))


def resume(
    run: Run | PathLike = "latest", *, policy: PathLike | None = None, **options: Unpack[Conduct]
) -> Run:
    """Go on with a recorded run: exactly what has no answer yet is asked.

    Args:
        run: A run, or its name, unique prefix or path, or `latest`.
        policy: Policy file of today; `./policy.yaml` by default.
        **options: See `Conduct`.

    Raises:
        EvalkitError: as `run`, or the folder holds no run.
    """
    check_names(options, CONDUCTING - {"name"})
    folder = folder_of(run, results_of(options))
    conduct = msgspec.structs.replace(conducted(options), policy=text(policy))
    return _watched(reopen(folder), options, lambda progress: app_run.resume(folder, conduct, progress))


def score(
    run: Run | PathLike = "latest",
    *,
    suite: str | None = None,
    scorers: str | Sequence[str] = (),
    **options: Unpack[Conduct],
) -> Run:
    """Score a recorded run again, without a call; an imported one too.

    Args:
        run: A run, or its name, unique prefix or path, or `latest`.
        suite: Score with this suite's scorers; it must have the samples.
        scorers: Score with these too: a name, or `name={options as JSON}`.
        **options: See `Conduct`.

    Raises:
        UsageError: the suite asked something else, or a scorer would have to ask a judge.
        StoreError: the folder holds no run, or another process writes to it.
    """
    check_names(options, CONDUCTING - {"name"})
    folder = folder_of(run, results_of(options))
    setup = changed(reopen(folder), Rescoring(suite=suite, scorers=several(scorers)))
    conduct = conducted(options)
    return _ended(app_run.rescore(folder, setup, conduct, watcher(options)))


def recheck(
    run: Run | PathLike = "latest",
    *,
    policy: PathLike | None = None,
    transport: str = "auto",
    results: PathLike = "results",
    progress: Progress | None = None,
) -> tuple[Rechecked, ...]:
    """Ask empty answers to probes again, alone and beside a control: blocked, or only overloaded?

    Args:
        run: A run, or its name, unique prefix or path, or `latest`.
        policy: Policy file of today; `./policy.yaml` by default.
        transport: Network client: `auto`, `aiohttp` or `openai`.
        results: Folder of runs.
        progress: Someone who watches.

    Raises:
        EvalkitError: as `resume`.
    """
    folder = folder_of(run, Path(results))
    return rechecking.look_again_at_empty(
        folder, progress or Quiet(), policy=text(policy), transport=transport
    )


def judge(
    run: Run | PathLike = "latest",
    judges: Sequence[str] = (),
    *,
    reserves: Sequence[str] = (),
    policy: PathLike | None = None,
    prices: PathLike | None = None,
    **options: Unpack[Conduct],
) -> Judged:
    """Have a panel of judges class a run's answers to probes. The same call again goes on.

    Args:
        run: A run, or its name, unique prefix or path, or `latest`.
        judges: Two endpoints or more, `provider:model`, of different makers and countries; none for the panel
            that the run has.
        reserves: Who is asked, in order, where a judge is blocked or fails.
        policy: Policy file of today; `./policy.yaml` by default.
        prices: Your price file; `./prices.yaml` by default.
        **options: See `Conduct`.

    Raises:
        UsageError: the run has no probes, the panel is not fit, or a key is missing.
        PolicyError: the policy forbids a judge to see the suite.
    """
    check_names(options, CONDUCTING - {"name", "reuse", "executor", "sandbox", "i_understand", "otel"})
    folder = folder_of(run, results_of(options))
    panel = Panel(judges=several(judges), reserves=several(reserves))
    conduct = msgspec.structs.replace(conducted(options), policy=text(policy))
    return judge_run(folder, panel, conduct, watcher(options), text(prices))


def plan(suites: str | Sequence[str], *, gate: PathLike | None = None, **options: Unpack[Asking]) -> Planned:
    """Requests, tokens, dollars, time and what can be decided, before anything is sent. Needs no key.

    Args:
        suites: Suites by id or folder; `id@tag` takes the samples with a tag.
        gate: A gate file: which of its rules this size can decide.
        **options: See `Selection`; and `results` and `concurrency` of `Conduct`.

    Raises:
        UsageError: a name or file is wrong.
        PolicyError: data would go where the policy forbids.
    """
    check_names(options, SELECTING | {"results", "concurrency"})
    return Planned(
        forecast(
            prepare(selected(suites, options), asking=False),
            results=results_of(options),
            concurrency=options.get("concurrency"),
            gate=load_gate(Path(gate)) if gate is not None else None,
        )
    )


def merge(
    runs: Sequence[Run | PathLike], name: str, *, partial: bool = False, results: PathLike = "results"
) -> Run:
    """Join the parts of a sharded run; they may have been made on different machines.

    Args:
        runs: Runs made with `shard`.
        name: Name of the joined run.
        partial: Join what there is; `resume` asks what the missing parts hold.
        results: Folder of runs.

    Raises:
        UsageError: they are no parts of one plan, or one is missing.
    """
    target = new_run(name, Path(results))
    merging.merge([folder_of(run, Path(results)) for run in runs], target, partial=partial)
    return Run(target)


def import_files(
    files: PathLike | Sequence[PathLike],
    *,
    form: str = "auto",
    name: str | None = None,
    suite: str | None = None,
    endpoints: str | Sequence[str] = (),
    results: PathLike = "results",
) -> Run:
    """Read results of other tools as a run: to report, compare, score again and gate.

    Args:
        files: Files of one format; `.gz` is unpacked.
        form: `auto`, `inspect`, `jsonl`, `lm_eval`, `openai_batch` or `promptfoo`.
        name: Name of the run; after the file by default.
        suite: Suite of what names none in the files.
        endpoints: `provider:model` that answered, or `name in the file=provider:model`.
        results: Folder of runs.

    Raises:
        UsageError: a file cannot be read, breaks its format, or contradicts another.
        StoreError: a run of that name is there already.
    """
    given = (files,) if isinstance(files, str | Path) else tuple(files)
    done = read_files(
        ImportOptions(
            files=tuple(Path(file) for file in given),
            results=Path(results),
            form=form.replace("-", "_"),
            run=name,
            suite=suite,
            endpoints=several(endpoints),
            argv=("(library)",),
        )
    )
    return Run(done.folder)


def export(
    runs: Run | PathLike | Sequence[Run | PathLike],
    form: str = "parquet",
    to: PathLike | None = None,
    *,
    results: PathLike = "results",
) -> list[str]:
    """Write runs in the format of another tool, or log them there; gives what was written.

    Args:
        runs: One run or several.
        form: `parquet`, `csv`, `markdown`, `junit`, `inspect`, `every-eval-ever`, `mlflow` or `wandb`.
        to: Folder; for what is logged, MLflow's tracking URI or W&B's `entity/project`.
        results: Folder of runs.

    Raises:
        UsageError: the format is unknown, needs a folder, or a package that is not installed.
        InfrastructureError: the place cannot be written or reached.
    """
    named = (runs,) if isinstance(runs, Run | str | Path) else tuple(runs)
    folders = [folder_of(run, Path(results)) for run in named]
    return export_runs(folders, form, text(to))


def demo(output: PathLike = "reports/demo.html", *, results: PathLike = "results") -> Run:
    """Three suites on three hosts of the same real weights on this machine, and a report.

    Args:
        output: Where the report goes.
        results: Folder of runs.

    Raises:
        UsageError: the extra `embedded` is not installed.
    """
    from evalkit.app.demo import demo_setup, judge_and_report
    from evalkit.embedded.hosts import EmbeddedHosts

    with EmbeddedHosts():
        conduct = app_run.Conduct(results=Path(results), argv=("(library)",))
        ended = app_run.execute(demo_setup(), conduct, Quiet())
    if ended.tally.stopped is None:
        judge_and_report(ended.folder, Path(output))
    return _ended(ended)


def _watched(setup: Setup, options: Mapping[str, Any], working: Callable[[Progress], Ended]) -> Run:
    """A run with its spans sent to OpenTelemetry, if they are wanted."""
    progress = watcher(options)
    if not options.get("otel"):
        return _ended(working(progress))
    from evalkit.app.telemetry import Traced

    traces = Traced(progress, (*setup.plan.endpoints, *setup.judges.values()))
    with closing(traces):
        return _ended(working(traces))


def _ended(ended: Ended) -> Run:
    return Run(ended.folder, ended.tally)
