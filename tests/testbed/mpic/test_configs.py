"""Whatever the checks let through, the platform's own reading of MPIC's answers takes too."""

from hypothesis import assume, given
from hypothesis import strategies as st

from metrics_platform.assignment import Generation
from metrics_platform.configs import parse_experiment, parse_instrument
from testbed.mpic.configs import Config, InvalidDraftError, validate
from testbed.mpic.drafts import read_json
from testbed.mpic.fields import Kind
from tests.testbed.mpic.conftest import config

NAMES = st.text(alphabet="abcAB09-_.", min_size=1, max_size=6)
WORDS = st.one_of(NAMES, NAMES, NAMES, st.text(max_size=6))
RATES = st.one_of(st.sampled_from([0, 1, 0.0, 1.0, 1e-6, 1e-5]), st.floats(1e-6, 1), st.floats(-1, 2))
WIKIS = st.lists(st.sampled_from(["frwiki", "enwiki", "arwiki", "dewiki"]), min_size=1, max_size=2, unique=True)
GROUPS = st.lists(st.one_of(WORDS, st.booleans(), st.integers(0, 3)), max_size=4)


@st.composite
def payloads(draw: st.DrawFn) -> tuple[str, dict[str, object]]:
    kind = draw(st.sampled_from(["alpha", "xlab", "instrument"]))
    keys = draw(st.lists(RATES.map(str), max_size=2, unique=True))
    rates = {"default": draw(RATES), **{key: draw(WIKIS) for key in keys}}
    changes: dict[str, object] = {"sample_rate": rates, "owner": draw(WORDS), "task": draw(st.sampled_from(["", "T1"]))}
    if kind == "alpha":
        names = draw(st.lists(WORDS, max_size=2, unique=True))
        values = {name: draw(GROUPS) for name in names}
        changes["features"] = {name: {"control": (values[name] or [""])[0], "values": values[name]} for name in names}
    elif kind == "xlab":
        changes["groups"] = draw(GROUPS)
    return kind, config(kind, **changes)


def accepted(kind: str, payload: dict[str, object]) -> Config | None:
    """The config of what the API would get; None, with every problem named, when it makes no sense."""
    draft, unreadable = read_json(Kind.INSTRUMENT if kind == "instrument" else Kind.EXPERIMENT, "dogfood-ctr", payload)
    try:
        return validate(draft, unreadable)
    except InvalidDraftError as error:
        if not error.problems or not all(map(draft.api_name, error.problems)):
            raise
        return None


# `assume` also guards against a strategy that hardly ever makes something acceptable: Hypothesis fails then.
@given(payloads())
def test_what_is_accepted_can_be_parsed_and_means_the_same(case: tuple[str, dict[str, object]]) -> None:
    kind, payload = case
    found = accepted(kind, payload)
    assume(found)
    assert found
    served = {"slug": found.slug, **found.content, "status": int(found.status)}
    rates = payload["sample_rate"]
    assert isinstance(rates, dict)
    if kind == "instrument":
        parsed = parse_instrument(served).sample_rate
    else:
        experiment = parse_experiment(Generation(kind), served)
        assert experiment.name == "dogfood-ctr"
        parsed = experiment.sample_rate
    assert parsed.default == float(rates["default"])
    wanted = tuple((float(rate), tuple(wikis)) for rate, wikis in rates.items() if rate != "default")
    assert parsed.wikis == wanted


@given(payloads())
def test_a_config_survives_storing_and_reading_again(case: tuple[str, dict[str, object]]) -> None:
    found = accepted(*case)
    assume(found)
    assert found
    stored = found.to_json()
    assert Config.from_json(found.kind, stored) == found
    again, unreadable = read_json(found.kind, found.slug, stored)
    assert (validate(again), unreadable) == (found, {})
