"""Reads drafts from the fields of a submitted form."""

from itertools import zip_longest

from starlette.datastructures import FormData

from contracts.generation import Generation
from testbed.mpic.experiment_form import Draft, FeatureRow, RateRow, split
from testbed.mpic.fields import Kind, Widget, fields


def read_form(kind: Kind, generation: Generation | None, form: FormData, slug: str | None = None) -> Draft:
    """Return the draft in a submitted form, without empty rows.

    Args:
        kind, generation: kind and generation of the form's config.
        form: the form's fields, named as in `fields`; columns of rates and features have one value per row.
        slug: slug of the edited config; None for a new one, whose slug is in the form.
    """
    texts: dict[str, str] = {}
    lists: dict[str, tuple[str, ...]] = {}
    for item in fields(kind, generation):
        if item.widget in (Widget.CHECKS, Widget.ATTRIBUTES):
            lists[item.name] = _all(form, item.name)
        elif item.widget not in (Widget.RATES, Widget.FEATURES, Widget.GROUPS):
            texts[item.name] = text(form, item.name)
    if slug is not None:
        texts["slug"] = slug
    if generation is Generation.XLAB:
        texts["name"] = texts["slug"]
    rates = zip_longest(_all(form, "rate"), _all(form, "wikis"), fillvalue="")
    features = zip_longest(*(_all(form, f"feature_{column}") for column in ("name", "control", "values")), fillvalue="")
    return Draft(
        kind=kind,
        generation=generation,
        texts=texts,
        lists=lists,
        default_rate=text(form, "default_rate"),
        wiki_rates=tuple(RateRow(rate, split(wikis)) for rate, wikis in rates if rate or wikis),
        features=tuple(
            FeatureRow(name, control, split(values)) for name, control, values in features if name or control or values
        ),
        groups=split(text(form, "groups")),
        status=text(form, "status") == "1",
    )


def text(form: FormData, name: str) -> str:
    """Return the form's text *name* without surrounding blanks; empty when it is missing.

    A browser's CRLF becomes LF again, so that saving an unchanged form changes nothing.
    """
    value = form.get(name)
    return value.strip().replace("\r\n", "\n") if isinstance(value, str) else ""


def _all(form: FormData, name: str) -> tuple[str, ...]:
    return tuple(value.strip() for value in form.getlist(name) if isinstance(value, str))
