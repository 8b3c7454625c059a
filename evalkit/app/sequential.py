"""Runs suites batch by batch until every rule of a gate is decided."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from evalkit.analysis.drawing import Order, State, look_at, order_of, verdicts_of
from evalkit.analysis.look import is_sequential
from evalkit.app.gate import Judged, case_of, sides_of, verdict_on
from evalkit.app.look import load_run, load_whole_run
from evalkit.app.run import Conduct, execute
from evalkit.app.setup import RunOptions, Setup, prepare
from evalkit.catalog.gates import load_gate
from evalkit.errors import UnknownNameError, UsageError
from evalkit.store.folder import find_run
from evalkit.types.gate import WORDS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from evalkit.analysis.evidence import Case
    from evalkit.analysis.rundata import RunData
    from evalkit.ports.core import Progress
    from evalkit.types.gate import Gate


class Gating:
    """One sequential gating: a plan for the candidate and, unless it is recorded, the baseline."""

    def __init__(
        self, options: RunOptions, gate_file: Path, *, candidate: str, baseline: str | None, results: Path
    ) -> None:
        """Read everything and refuse what could not be decided this way; nothing is sent.

        Args:
            options: The suites, and how they are asked; endpoints are added here.
            gate_file: The gate's YAML.
            candidate: An endpoint, `provider:model`.
            baseline: Another endpoint, a recorded run, or None for rules without one.
            results: Where runs are found by name.

        Raises:
            UsageError: a name is unknown, or no rule can be looked at repeatedly.
            DefinitionError: a file breaks its schema.
            PolicyError: data would go where the policy forbids.
        """
        self.gate: Gate = load_gate(gate_file)
        if not any(rule.metric not in WORDS and is_sequential(rule) for rule in self.gate.rules):
            raise UsageError(
                f"{gate_file}: no rule bounds a share, so nothing is decided early; use `evalkit run` and "
                "`evalkit gate`."
            )
        self._recorded = _recorded(baseline, results)
        asked = [candidate] if baseline is None or self._recorded is not None else [baseline, candidate]
        self.setup: Setup = prepare(msgspec.structs.replace(options, on=tuple(asked)))
        self._candidate = self.setup.plan.endpoints[-1].id
        if len(asked) == 2 and len(self.setup.plan.endpoints) == 1:
            raise UsageError(f"{candidate} is candidate and baseline; name two endpoints.")
        design = self.gate.sequential
        self.orders: dict[str, Order] = {
            loaded.suite.id: order_of(loaded.suite.id, loaded.samples, design.seed, design.max_samples)
            for loaded in self.setup.plan.suites
        }

    def run(self, conduct: Conduct, progress: Progress, told: Callable[[str], None]) -> Judged:
        """Draw batches until every rule is decided or given up, or everything is drawn.

        The same call again goes on where an interrupted one ended: the order is fixed, and what is recorded
        is not asked again.

        Raises:
            EvalkitError: as `evalkit.app.run.execute`, or the sides cannot be compared.
        """
        drawn, batch = dict.fromkeys(self.orders, 0), self.gate.sequential.batch
        wanted = frozenset(self.orders)
        while True:
            for suite in wanted:
                drawn[suite] = min(drawn[suite] + batch, len(self.orders[suite].clusters))
            only = frozenset(pair for suite, n in drawn.items() for pair in self.orders[suite].first(n))
            ended = execute(self.setup, msgspec.structs.replace(conduct, only=only), progress)
            case = self._case(load_run(ended.folder))
            state = look_at(self.gate, case, self.orders)
            told(_line(state, drawn))
            left = {suite for suite, order in self.orders.items() if drawn[suite] < len(order.clusters)}
            wanted = state.open_suites & left
            if not wanted or ended.tally.stopped is not None:
                return self._ended(ended.folder, case, state, drawn)

    def _ended(self, folder: Path, case: Case, state: State, drawn: Mapping[str, int]) -> Judged:
        verdict = verdict_on(verdicts_of(self.gate, case, state), case)
        total = {suite: len(order.clusters) for suite, order in self.orders.items()}
        note = "; ".join(f"{suite}: {n} of {total[suite]} clusters drawn" for suite, n in drawn.items())
        verdict = msgspec.structs.replace(verdict, notes=(note,))
        folders = (self._recorded, folder) if self._recorded is not None else (folder,)
        return Judged(verdict=verdict, folders=folders)

    def _case(self, run: RunData) -> Case:
        if self._recorded is not None:
            runs = [run, load_whole_run(self._recorded)]
            return case_of(runs, *sides_of(runs, 1, self._candidate, None))
        return case_of([run], *sides_of([run], 1, self._candidate, self.setup.reference))


def _recorded(baseline: str | None, results: Path) -> Path | None:
    """The folder of a baseline that is a run; None for an endpoint."""
    if baseline is None:
        return None
    try:
        return find_run(baseline, results)
    except UnknownNameError:
        if ":" in baseline:
            return None
        raise


def _line(state: State, drawn: Mapping[str, int]) -> str:
    settled = sum(found.settled for _, found in state.looks)
    samples = ", ".join(f"{suite} {n}" for suite, n in drawn.items())
    return f"clusters drawn: {samples}; {settled} of {len(state.looks)} rules settled"
