"""Turns names into everything a run needs, and refuses before the first byte what could not work."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import msgspec

from evalkit import plugins
from evalkit.app.allowing import checked_policy
from evalkit.app.judges import Panel, asked_in, require_fit, require_foreign, roles_of, with_panel
from evalkit.catalog.prices import load_prices
from evalkit.catalog.providers import endpoint_named, endpoints_of_weights
from evalkit.catalog.strict import convert
from evalkit.catalog.suites import load_suite
from evalkit.engine.drive import Bench
from evalkit.engine.plan import Plan, Shard
from evalkit.errors import UsageError
from evalkit.ports.core import Adapter, Scorer, Solver
from evalkit.pricing.resolve import price_record
from evalkit.store.folder import read_manifest, read_samples
from evalkit.types.effects import Generate
from evalkit.types.provider import Endpoint
from evalkit.types.run import PolicyRecord, PriceRecord, SuiteRecord
from evalkit.types.suite import LoadedSuite, Plugin, Sample
from evalkit.wire.keys import key_of

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path


FLOOR = "refusal"
"""The scorer that every suite gets: a refusal is neither wrong nor right, wherever it happens."""

TOOL_FORMAT = "tool_format"
"""The scorer that every suite gets whose solver offers tools: hosts of the same weights differ most there."""


class RunOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What a user asks for.

    `suites` are names or `name@tag`; `on` names endpoints; `weights` expands to every declared one.
    """

    suites: tuple[str, ...]
    weights: str | None = None
    providers: tuple[str, ...] | None = None
    on: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    limit: int | None = None
    epochs: int | None = None
    seed: int = 0
    reference: str | None = None
    policy: str | None = None
    prices: str | None = None
    shard: Shard = Shard()
    settings: dict[str, object] = {}
    panel: Panel = Panel()


class Setup(msgspec.Struct, frozen=True, kw_only=True):
    """A run that may start. Solvers and scorers are by suite id."""

    plan: Plan
    solvers: Mapping[str, Solver]
    scorers: Mapping[str, Sequence[Scorer]]
    adapters: Mapping[str, Adapter]
    judges: Mapping[str, Endpoint]
    prices: tuple[PriceRecord, ...]
    policy: tuple[PolicyRecord, ...]
    policy_file: str
    reference: str
    identity: str
    plan_identity: str

    @property
    def beside(self) -> dict[str, dict[str, Endpoint]]:
        """Judges and simulated users of each suite, by its id and their name: nobody else sees its data."""
        roles = roles_of(self.solvers, self.scorers)
        return {
            suite: {name: self.judges[name] for name in names if name in self.judges}
            for suite, names in roles.items()
        }

    @property
    def needs_sandbox(self) -> bool:
        """Whether anything in it runs code: always, or for some of the samples that were selected."""
        for loaded in self.plan.suites:
            parts: tuple[Solver | Scorer, ...] = (
                self.solvers[loaded.suite.id],
                *self.scorers[loaded.suite.id],
            )
            samples = self.plan.samples_of(loaded)
            if any(part.needs_sandbox or _asks_for_sandbox(part, samples) for part in parts):
                return True
        return False

    def benches(self) -> dict[str, Bench]:
        """What works each suite's trials, by suite id."""
        return {
            loaded.suite.id: Bench(
                suite=loaded.suite,
                solver=self.solvers[loaded.suite.id],
                scorers=self.scorers[loaded.suite.id],
            )
            for loaded in self.plan.suites
        }

    def suite_records(self) -> tuple[SuiteRecord, ...]:
        """The suites as the manifest keeps them."""
        return tuple(
            SuiteRecord(
                suite=loaded.suite,
                hash=loaded.hash,
                samples=len(self.plan.samples_of(loaded)),
                epochs=self.plan.epochs_of(loaded),
                metrics=tuple(m for scorer in self.scorers[loaded.suite.id] for m in scorer.metrics),
            )
            for loaded in self.plan.suites
        )


def prepare(options: RunOptions, *, asking: bool = True) -> Setup:
    """Resolve every name and check everything that can be checked without a request.

    Without `asking`, for a plan that is only looked at, keys may be missing.

    Raises:
        UsageError: a name, file, option or key is missing or wrong, or an endpoint cannot carry a parameter.
        PolicyError: data would go where the policy forbids.
    """
    suites = tuple(_selected(name, options) for name in dict.fromkeys(options.suites))
    _require_distinct(suites)
    suites = with_panel(suites, options.panel)
    endpoints = _endpoints(options)
    solvers = {loaded.suite.id: plugins.solver(loaded.suite.solver) for loaded in suites}
    scorers = {loaded.suite.id: scorers_of(loaded) for loaded in suites}
    roles = roles_of(solvers, scorers)
    judges = {name: endpoint_named(name) for name in sorted(asked_in(roles))}
    require_foreign([judges[name] for name in asked_in(roles, "judge")], endpoints)
    require_fit(scorers, judges)
    policy_file, records = checked_policy(options.policy, suites, endpoints, roles, judges)
    own = load_prices(options.prices)
    if asking:
        require_keys((*endpoints, *judges.values()))
    adapters = {
        e.provider.adapter: plugins.adapter(e.provider.adapter) for e in (*endpoints, *judges.values())
    }
    plan = Plan(
        suites=suites, endpoints=endpoints, seed=options.seed, epochs=options.epochs, shard=options.shard
    )
    _require_encodable(plan, solvers, adapters)
    prices = tuple(price_record(endpoint, own) for endpoint in (*endpoints, *judges.values()))
    _require_prices(solvers, prices)
    return Setup(
        plan=plan,
        solvers=solvers,
        scorers=scorers,
        adapters=adapters,
        judges=judges,
        prices=prices,
        policy=records,
        policy_file=policy_file,
        reference=_reference(options, endpoints),
        identity=_identity(plan, judges),
        plan_identity=_identity(plan.whole(), judges),
    )


def _selected(name: str, options: RunOptions) -> LoadedSuite:
    """A suite with the user's own selection and settings. `name@tag` selects the samples with a tag."""
    name, _, tag = name.partition("@")
    loaded = load_suite(name)
    samples = loaded.samples
    tags = {*options.tags, *([tag] if tag else [])}
    if tags:
        samples = tuple(sample for sample in samples if tags & set(sample.tags))
    if options.limit is not None:
        samples = samples[: options.limit]
    if not samples:
        raise UsageError(f"Suite {loaded.suite.id!r} has no samples with tag {' or '.join(sorted(tags))}.")
    suite = loaded.suite
    if options.settings:
        merged = {**msgspec.to_builtins(suite.generation), **options.settings}
        settings = convert(merged, type(suite.generation), lambda path: f"--set {path[2:]}")
        suite = msgspec.structs.replace(suite, generation=settings)
    return msgspec.structs.replace(loaded, suite=suite, samples=samples)


def _require_distinct(suites: Sequence[LoadedSuite]) -> None:
    ids = [loaded.suite.id for loaded in suites]
    twice = [name for name in ids if ids.count(name) > 1]
    if twice:
        raise UsageError(f"Suite {twice[0]!r} is named twice; name it once (tags can be joined with --tag).")


def _endpoints(options: RunOptions) -> tuple[Endpoint, ...]:
    found = [endpoint_named(name) for name in options.on]
    if options.weights is not None:
        found += endpoints_of_weights(options.weights, options.providers)
    if not found:
        raise UsageError("No endpoint is named; give --on provider:model or --weights repository.")
    unique = {endpoint.id: endpoint for endpoint in found}
    return tuple(unique.values())


def _reference(options: RunOptions, endpoints: Sequence[Endpoint]) -> str:
    if options.reference is None:
        return endpoints[0].id
    named = [e.id for e in endpoints if options.reference in {e.id, e.provider.id}]
    if len(named) != 1:
        raise UsageError(
            f"--reference {options.reference!r} names {len(named)} of the endpoints "
            f"{', '.join(e.id for e in endpoints)}; name one."
        )
    return named[0]


def scorers_of(loaded: LoadedSuite) -> tuple[Scorer, ...]:
    """The scorers of a suite, the floor that every suite gets, and that of tools where they are offered.

    Raises:
        UsageError: the suite's primary metric is of none of them, or two of them give one metric.
    """
    wanted = list(loaded.suite.scorers)
    if all(plugin.name not in {FLOOR, "probe"} for plugin in wanted):
        wanted.append(Plugin(name=FLOOR))
    offers_tools = getattr(plugins.solver(loaded.suite.solver), "offers_tools", False)
    if offers_tools and all(plugin.name != TOOL_FORMAT for plugin in wanted):
        wanted.append(Plugin(name=TOOL_FORMAT))
    scorers = tuple(plugins.scorer(plugin) for plugin in wanted)
    metrics = [metric.name for scorer in scorers for metric in scorer.metrics]
    if loaded.suite.primary not in metrics:
        raise UsageError(
            f"Suite {loaded.suite.id!r} names {loaded.suite.primary!r} as primary, but its scorers give "
            f"{', '.join(metrics)}."
        )
    return scorers


def _asks_for_sandbox(part: Solver | Scorer, samples: Sequence[Sample]) -> bool:
    asks = getattr(part, "needs_sandbox_for", None)
    return asks is not None and bool(asks(samples))


def _require_prices(solvers: Mapping[str, Solver], prices: Sequence[PriceRecord]) -> None:
    """A bound in dollars on each trial needs a price for everything that is asked."""
    bounded = [name for name, solver in solvers.items() if getattr(solver, "needs_prices", False)]
    unpriced = [record.endpoint for record in prices if record.price is None]
    if bounded and unpriced:
        raise UsageError(
            f"Suite {bounded[0]!r} bounds the cost of a trial (max_cost), but {', '.join(unpriced)} has no "
            "price; add it to prices.yaml, or bound its tokens."
        )


def reopen(folder: Path) -> Setup:
    """The setup of a recorded run, for scoring it again: its own suites, samples, endpoints and prices.

    Raises:
        StoreError: the folder holds no run, or its samples are gone.
        UnknownNameError: a solver, scorer or adapter that it used is not installed.
    """
    manifest = read_manifest(folder)
    suites = tuple(
        LoadedSuite(
            suite=msgspec.structs.replace(record.suite, epochs=record.epochs),
            samples=read_samples(folder, record.suite.id),
            folder=str(folder),
            hash=record.hash,
        )
        for record in manifest.suites
    )
    endpoints = manifest.endpoints
    everyone = (*endpoints, *manifest.judges)
    return Setup(
        plan=Plan(suites=suites, endpoints=endpoints, seed=manifest.seed, shard=Shard(*manifest.shard)),
        solvers={s.suite.id: plugins.solver(s.suite.solver) for s in suites},
        scorers={s.suite.id: scorers_of(s) for s in suites},
        adapters={e.provider.adapter: plugins.adapter(e.provider.adapter) for e in everyone},
        judges={judge.id: judge for judge in manifest.judges},
        prices=manifest.prices,
        policy=manifest.policy,
        policy_file=manifest.policy_file or "default",
        reference=manifest.reference or endpoints[0].id,
        identity=str(manifest.options.get("identity", "")),
        plan_identity=str(manifest.options.get("plan", "")),
    )


def recheck(setup: Setup, policy: str | None) -> Setup:
    """A reopened run under the policy and keys of today, for asking on.

    Raises:
        PolicyError: data would go where the policy forbids.
        UsageError: a key is missing.
    """
    roles, subjects = roles_of(setup.solvers, setup.scorers), setup.plan.endpoints
    file, records = checked_policy(policy, setup.plan.suites, subjects, roles, setup.judges)
    asked = {endpoint.id: endpoint for endpoint in subjects} | {
        name: setup.judges[name] for name in asked_in(roles)
    }
    require_keys(asked.values())
    # who is asked no more, as the judges of an earlier panel, keeps the verdict of then
    before = tuple(record for record in setup.policy if record.endpoint not in asked)
    return msgspec.structs.replace(setup, policy_file=file, policy=(*records, *before))


def require_keys(endpoints: Iterable[Endpoint]) -> None:
    """Every key that is missing, in one sentence, and who could be asked without them.

    Raises:
        UsageError: one is.
    """
    missing: dict[str, str] = {}
    usable: list[str] = []
    for provider in {endpoint.provider.id: endpoint.provider for endpoint in endpoints}.values():
        try:
            key_of(provider)
        except UsageError as error:
            missing[provider.id] = str(error)
        else:
            usable.append(provider.id)
    if len(missing) == 1 or (missing and not usable):
        raise UsageError(next(iter(missing.values())))
    if missing:
        raise UsageError(
            f"The keys of {', '.join(missing)} are not set in the environment or in .env; set them, or ask "
            f"only those that can be asked: --providers {','.join(usable)}."
        )


def _require_encodable(plan: Plan, solvers: Mapping[str, Solver], adapters: Mapping[str, Adapter]) -> None:
    """Encode first requests for each endpoint, so that an unsupported parameter is found now.

    Samples of one suite ask the same of the protocol, but for the `tool_choice` that one may declare, and
    for what each task of lm-eval asks.
    """
    for loaded in plan.suites:
        firsts = {_asking(loaded, sample): sample for sample in reversed(loaded.samples)}
        for sample in firsts.values():
            work = solvers[loaded.suite.id].solve(sample, loaded.suite)
            effect = next(work, None)
            work.close()
            if isinstance(effect, Generate):
                for endpoint in plan.endpoints:
                    try:
                        adapters[endpoint.provider.adapter].encode(effect.request, endpoint, stream=True)
                    except UsageError as error:
                        raise UsageError(
                            f"Suite {loaded.suite.id!r}, sample {sample.id!r}: {error}"
                        ) from None


def _asking(loaded: LoadedSuite, sample: Sample) -> str:
    return str(sample.data.get("tool_choice") if loaded.suite.lm_eval is None else sample.tags[0])


def _identity(plan: Plan, judges: Mapping[str, Endpoint]) -> str:
    """SHA-256 of what makes two plans the same; where a server happens to listen is not part of it."""
    parts: list[object] = [
        [
            (s.hash, [x.id for x in plan.samples_of(s)], plan.epochs_of(s), s.suite.generation)
            for s in plan.suites
        ],
        sorted((e.id, e.declaration.base_url or e.provider.base_url) for e in plan.endpoints),
        sorted(judges),
        [plan.seed, plan.shard.index, plan.shard.count],
    ]
    return hashlib.sha256(msgspec.json.encode(parts)).hexdigest()
