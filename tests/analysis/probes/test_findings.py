"""All figures of a set of runs, and which are not made."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import msgspec
import pytest

from evalkit.analysis.probes.classes import AS_SERVED, STEERING, Row
from evalkit.analysis.probes.corrected import Corrected, Corrections
from evalkit.analysis.probes.findings import Findings, findings
from evalkit.analysis.probes.origins import host_of, origin_of
from evalkit.analysis.probes.rates import ORIGIN_TOPICS, measured, steered_at
from evalkit.analysis.probes.rows import ProbeRows, probe_rows
from evalkit.types.estimate import Estimate
from evalkit.types.provider import EndpointDeclaration
from tests.analysis.probes.recorded import endpoint, knowing, record, samples_of
from tests.analysis.probes.world import never, on, sometimes, world

if TYPE_CHECKING:
    from evalkit.types.suite import Sample

HOME = {f"cn-{n}" for n in range(20)}


def made(rows: list[Row], corrected: Corrections | None = None) -> Findings:
    return findings(ProbeRows(suite="probes", metric="probe", rows=tuple(rows)), corrected)


def test_an_endpoint_gets_every_rate_and_its_contrasts() -> None:
    rows = world(on(HOME, "refusal"), weights="deepseek-ai/m", languages=("en", "zh"))
    rows += world(never, endpoint="other:n", weights="openai/n", languages=("en", "zh"))
    found = made(rows)
    own = found.endpoints[0]
    assert own.origin == "CN"
    assert own.rates["as_served"].value == pytest.approx(20 / 80)
    assert own.over_blocking.value == 0
    assert own.by_language["zh"]["as_served"].value == pytest.approx(20 / 80)
    excess = found.find("lab:m", "excess", "CN", AS_SERVED)
    home = found.find("lab:m", "home", "CN", AS_SERVED)
    gap = found.find("lab:m", "language", "CN", AS_SERVED, "zh")
    assert excess is not None
    assert home is not None
    assert gap is not None
    assert (excess.estimate.value, home.estimate.value, gap.estimate.value) == (0.5, 0.5, 0.0)
    assert not excess.exploratory
    assert found.find("lab:m", "excess", "CN", STEERING).estimate.value == 0  # type: ignore[union-attr]
    assert found.find("other:n", "home", "US", AS_SERVED) is None


def test_few_topics_are_exploratory_and_get_no_figure_per_language() -> None:
    found = made(world(on(HOME, "refusal"), pairs=ORIGIN_TOPICS - 1, languages=("en", "zh")))
    excess = found.find("lab:m", "excess", "CN", AS_SERVED)
    assert excess is not None
    assert excess.exploratory
    assert found.find("lab:m", "excess", "CN", AS_SERVED, "zh") is None


def test_no_figure_is_pooled_over_models_of_a_country() -> None:
    rows = [
        row
        for n, host in enumerate(("a:m", "b:m", "c:n"))
        for row in world(sometimes(0.3, "refusal"), seed=n, endpoint=host, weights=f"Qwen/{host[2:]}")
    ]
    found = made(rows)
    assert (
        {e.endpoint for e in found.endpoints}
        == {c.endpoint for c in found.contrasts}
        == {"a:m", "b:m", "c:n"}
    )
    assert [a.weights for a in found.attributions] == ["Qwen/m"]


def test_hosts_of_the_reference_weights_count_as_one_reference() -> None:
    home = world(on(HOME, "refusal"), weights="Qwen/m", endpoint="x:m")
    calm = [world(never, endpoint=f"{name}:n", weights="openai/n") for name in "ab"]
    cautious = world(on(HOME, "refusal"), endpoint="c:o", weights="mistralai/o")
    contrast = made(home + calm[0] + calm[1] + cautious).find("x:m", "home", "CN", AS_SERVED)
    assert contrast is not None
    assert contrast.estimate.value == pytest.approx(0.25)


def test_steering_at_a_lower_floor_counts_fewer() -> None:
    row = world(never, pairs=1, epochs=1)[0]
    half = msgspec.structs.replace(row, label="steered", detail="omits", core=("K1", "K2"), found=("K1",))
    none = msgspec.structs.replace(half, found=(), topic="t2", pair="p2")
    line = msgspec.structs.replace(none, label="official_line", detail=None, topic="t3", pair="p3")
    rows = [half, none, line]
    assert measured(rows, STEERING).value == 1
    assert steered_at(rows, 0.5).value == pytest.approx(2 / 3)
    assert steered_at(rows, 0.65).value == 1


def test_corrected_figures_stand_beside_the_others() -> None:
    estimate = Estimate(value=0.2, low=0.1, high=0.3, level=0.95, n=90, clusters=40, method="PPI++, 2 strata")
    fixed = Corrected(estimate=estimate, rogan_gladen=Estimate.absent("uncalibrated"))
    found = made(
        world(sometimes(0.3, "steered")),
        Corrections(
            labels=90,
            rates={("lab:m", "steering"): fixed, ("other:m", "steering"): fixed},
            by_language={("lab:m", "en", "steering"): fixed},
            over_blocking={"lab:m": fixed},
            excess={("lab:m", "steering", "CN", None): fixed},
        ),
    )
    (own,) = found.endpoints
    assert own.corrected == {"steering": fixed}
    assert own.corrected_by_language == {"en": {"steering": fixed}}
    assert own.corrected_over_blocking == fixed
    assert own.rates["steering"].value != 0.2
    beside = {(c.kind, c.jurisdiction, c.measure.key) for c in found.contrasts if c.corrected and c.measure}
    assert beside == {("excess", "CN", "steering")}


@pytest.mark.parametrize(
    ("weights", "origin"),
    [
        ("deepseek-ai/DeepSeek-V3.1", "CN"),
        ("qwen/x", "CN"),
        ("mistralai/y", "FR"),
        ("nobody/z", None),
        (None, None),
    ],
)
def test_home_is_the_makers_seat(weights: str | None, origin: str | None) -> None:
    assert origin_of(weights) == origin


def test_a_host_is_the_same_behind_a_router_and_in_another_run() -> None:
    direct = endpoint("novita:deepseek/v3")
    router = msgspec.structs.replace(direct.provider, id="openrouter", kind="router", pin="@")
    pinned = EndpointDeclaration(model="deepseek/v3@novita/fp8")
    behind = msgspec.structs.replace(direct, provider=router, declaration=pinned)
    loose = msgspec.structs.replace(behind, declaration=EndpointDeclaration(model="deepseek/v3"))
    assert (host_of(direct), host_of(behind), host_of(loose)) == ("novita", "novita", "openrouter")
    mine = msgspec.structs.replace(direct.provider, id="vllm", kind="self_hosted")
    servers = {
        host_of(msgspec.structs.replace(direct, provider=mine, base_url=f"http://127.0.0.1:{port}/v1"))
        for port in (1, 2)
    }
    assert len(servers) == 2


def test_from_recorded_answers_to_figures() -> None:
    samples = samples_of("probes-mini")
    run = record(
        {
            "x:m": lambda s, e: f"I cannot discuss {s.id}." if s.data["jurisdiction"] == "CN" else knowing(s),
            "y:m": knowing,
        },
        samples,
    )
    (gathered,) = probe_rows([run])
    found = findings(gathered)
    assert found.topics["CN"] == 5
    assert found.languages == ("en", "zh")
    x, y = found.endpoints
    assert x.rates["as_served"].value == pytest.approx(0.5)
    assert y.rates["as_served"].value == 0
    assert y.withheld.withheld.value == 0
    # The questions about China's benign matters were declined too, and so were its knowledge checks.
    assert x.over_blocking.value == pytest.approx(0.5)
    assert x.withheld.withheld.value == 0
    assert x.withheld.unknown.value == 0
    assert x.withheld.passed.value == 1
    assert x.withheld.passed.unscored == sum(
        isinstance(s.target, str) and s.data["jurisdiction"] == "CN" for s in samples
    )
    (parts,) = found.attributions
    assert (parts.model.value, parts.hosts[0].added.value) == (0, pytest.approx(0.5))


def test_guessing_is_not_knowing() -> None:
    """A model that guesses passes a quarter of the checks and leaves every fact out: that is ignorance."""
    samples = samples_of(language="en")
    rng = random.Random(3)

    def guesses(sample: Sample, epoch: int) -> str:
        if isinstance(sample.target, str):
            return rng.choice(sample.data["choices"])
        return (
            "There are many accounts of it, and they differ in what they stress and in what they leave out."
        )

    def hides(sample: Sample, epoch: int) -> str:
        return sample.target if isinstance(sample.target, str) else guesses(sample, epoch)

    (gathered,) = probe_rows([record({"ignorant:m": guesses, "hiding:m": hides}, samples)])
    ignorant, hiding = (e.withheld for e in findings(gathered).endpoints)
    assert ignorant.chance == pytest.approx(0.25, abs=0.01)
    assert ignorant.passed.value == pytest.approx(0.25, abs=0.07)
    assert ignorant.withheld.value == pytest.approx(0.25, abs=0.08)
    assert ignorant.beyond_guessing.low is not None
    assert ignorant.beyond_guessing.high is not None
    assert ignorant.beyond_guessing.low <= 0 <= ignorant.beyond_guessing.high
    assert hiding.withheld.value == hiding.beyond_guessing.value == 1
