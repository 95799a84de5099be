"""The kit's example experiment and instrument, as MPIC serves them."""

from collections.abc import Mapping

from contracts.generation import Generation

EXPERIMENT = "dogfood-ctr"
STREAM = "product_metrics.web_base"

#: Friendly name of the button that unpins the main menu, the element of the first production test.
ELEMENT = "pinnable-header.vector-main-menu.unpin"

#: Attributes that the first production test of the CTR instrument requested.
ATTRIBUTES = (
    "page_id",
    "page_title",
    "page_namespace_id",
    "mediawiki_database",
    "mediawiki_skin",
    "mediawiki_version",
    "performer_is_logged_in",
    "performer_id",
    "performer_name",
    "performer_session_id",
    "performer_pageview_id",
    "performer_edit_count_bucket",
    "performer_active_browsing_session_token",
)

_START, _END = "2025-01-27T14:30:00.000Z", "2035-01-27T14:30:00.000Z"


def example_experiment(generation: Generation, *, name: str = EXPERIMENT, rate: float = 0.5) -> Mapping[str, object]:
    """Return the config of an experiment with a control and a treatment group.

    Args:
        generation: decides the shape of the config.
        name: slug and name.
        rate: sample rate of every wiki.
    """
    common = _common(name, "Dogfooding: does an event arrive, in the right group?", rate, "user", "experiment")
    if generation is Generation.ALPHA:
        features = {f"{name}-feature": {"control": "false", "values": ["false", "true"]}}
        return {**common, "utc_start_dt": _START, "utc_end_dt": _END, "features": features}
    return {**common, "start": _START, "end": _END, "groups": ["control", "treatment"]}


def example_instrument(*, name: str = EXPERIMENT, rate: float = 1.0) -> Mapping[str, object]:
    """Return the config of the CTR instrument on the pinnable main menu."""
    common = _common(name, "Clicks on the control that unpins the main menu", rate, "session", "instrument")
    # MPIC serves these dates under the names of both generations.
    return {**common, "utc_start_dt": _START, "utc_end_dt": _END, "contextual_attributes": list(ATTRIBUTES)}


def _common(name: str, description: str, rate: float, unit: str, kind: str) -> dict[str, object]:
    return {
        "name": name,
        "slug": name,
        "description": description,
        "creator": "dogfood",
        "owner": "Experiment Platform",
        "purpose": "Proving the pipeline from producer to consumer",
        "task": "T379870",
        "compliance_requirements": "legal",
        "sample_unit": unit,
        "sample_rate": {"default": rate},
        "environments": "development",
        "security_legal_review": "pending",
        "status": 1,
        "stream_name": STREAM,
        "schema_title": "analytics/product_metrics/web/base",
        "schema_type": "custom",
        "email_address": "dogfood@example.org",
        "type": kind,
        "contextual_attributes": [],
    }
