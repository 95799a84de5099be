"""The platform's parsers accept every config that passes MPIC's validation."""

from hypothesis import given
from hypothesis import strategies as st

from contracts.configs import parse_experiment, parse_instrument
from contracts.generation import Generation
from testbed.mpic.configs import Config, InvalidDraftError, validate
from testbed.mpic.experiment_form import read_json
from testbed.mpic.fields import Kind
from tests.testbed.mpic.conftest import config

NAMES = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,7}", fullmatch=True)
RATES = st.one_of(st.sampled_from([0, 1, 0.0, 1.0, 1e-6, 1e-5]), st.floats(1e-9, 1))
GROUPS = st.lists(
    st.one_of(NAMES, st.booleans(), st.integers(0, 9)),
    min_size=1,
    max_size=4,
    unique_by=lambda group: str(group).lower(),
)
ANYTHING = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text(max_size=8), NAMES),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(NAMES, inner, max_size=3)),
    max_leaves=6,
)


@st.composite
def valid_configs(draw: st.DrawFn) -> tuple[str, dict[str, object]]:
    """Draw a kind and a valid config of it."""
    kind = draw(st.sampled_from(["alpha", "xlab", "instrument"]))
    keys = draw(st.lists(RATES, max_size=3, unique=True))
    rates = {"default": draw(RATES), **{str(key): [f"wiki_{i}", f"wiki_{i}_b"] for i, key in enumerate(keys)}}
    changes: dict[str, object] = {"sample_rate": rates, "owner": draw(NAMES), "task": draw(st.sampled_from(["", "T1"]))}
    if kind == "alpha":
        values = draw(st.dictionaries(NAMES, GROUPS, min_size=1, max_size=2))
        changes["features"] = {name: {"control": groups[-1], "values": groups} for name, groups in values.items()}
    elif kind == "xlab":
        changes["groups"] = draw(GROUPS)
    return kind, config(kind, **changes)


def accepted(kind: str, payload: object) -> Config:
    """Return the config that the API would store."""
    draft, unreadable = read_json(Kind.INSTRUMENT if kind == "instrument" else Kind.EXPERIMENT, "dogfood-ctr", payload)
    try:
        return validate(draft, unreadable)
    except InvalidDraftError as error:
        # The API has a name for every problem's field.
        list(map(draft.api_name, error.problems))
        raise


@given(valid_configs())
def test_accepted_configs_are_parsed_with_equal_values(case: tuple[str, dict[str, object]]) -> None:
    kind, payload = case
    result = accepted(kind, payload)
    served = {"slug": result.slug, **result.content, "status": int(result.status)}
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


@given(valid_configs())
def test_a_config_survives_storing_and_reading_again(case: tuple[str, dict[str, object]]) -> None:
    result = accepted(*case)
    stored = result.to_json()
    assert Config.from_json(result.kind, stored) == result
    assert accepted(case[0], stored) == result


@given(valid_configs(), st.data())
def test_any_input_is_rejected_or_can_be_parsed(case: tuple[str, dict[str, object]], data: st.DataObject) -> None:
    kind, payload = case
    name = data.draw(st.sampled_from(sorted(payload)))
    try:
        result = accepted(kind, payload | {name: data.draw(ANYTHING)})
    except InvalidDraftError as error:
        assert set(map(type, error.problems.values())) == {str}  # noqa: PT017 – both outcomes are correct
        return
    served = {"slug": result.slug, **result.content, "status": int(result.status)}
    if kind == "instrument":
        assert parse_instrument(served).name == result.slug
    else:
        assert parse_experiment(Generation(kind), served).name == result.slug
