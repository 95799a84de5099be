"""Report of a forecast: figures with units and sources, and JSON; `forecast_page` has the page."""

from dataclasses import asdict, fields
from typing import NamedTuple

import orjson

from analysis.capacity.forecast import RETENTION_DAYS, STREAM_LIMIT, Forecast, StreamNeed, Traffic, rounded_down

_CONTRACT = "platform's rule"


class ForecastFigure(NamedTuple):
    """One number of a forecast: name, formatted value, unit and source."""

    name: str
    value: str
    unit: str
    source: str


def assumptions(forecast: Forecast) -> list[ForecastFigure]:
    """Return the figures of the model."""
    traffic, sizes = forecast.traffic, forecast.sizes
    limit_source = _CONTRACT if traffic.stream_limit == STREAM_LIMIT else "as given"
    usual = {field.name: field.default for field in fields(Traffic)}

    def source(name: str) -> str:
        return "default" if getattr(traffic, name) == usual[name] else "as given"

    other_events = "default" if list(traffic.events_per_view.values()) == [1] else "as given"
    rows = [
        ForecastFigure("page views", f"{traffic.pageviews:,g}", "views/s", "as given"),
        ForecastFigure("logged in", f"{traffic.logged_in:.4g}", "share", source("logged_in")),
        ForecastFigure("with the element", f"{traffic.views_with_element:.4g}", "share", source("views_with_element")),
        ForecastFigure("clicks", f"{traffic.ctr:.4g}", "per view with it", source("ctr")),
    ]
    rows += [
        ForecastFigure(
            f"events, {stream}",
            f"{events:g}",
            "per view with it",
            other_events,
        )
        for stream, events in traffic.events_per_view.items()
    ]
    return [
        *rows,
        ForecastFigure("sample rate", f"{traffic.sample_rate:.6g}", "share of readers", source("sample_rate")),
        ForecastFigure("peak over average", f"{traffic.peak:g}", "times", source("peak")),
        ForecastFigure("stream limit", f"{traffic.stream_limit:,g}", "events/s", limit_source),
        ForecastFigure("sent by others", f"{traffic.background:,g}", "events/s", source("background")),
        ForecastFigure("impression", f"{sizes.impression.body:,.0f}", "bytes posted", sizes.source),
        ForecastFigure("click", f"{sizes.click.body:,.0f}", "bytes posted", sizes.source),
        ForecastFigure("row of the table", f"{sizes.impression.row:,.0f}", "bytes, Parquet, zstd", sizes.source),
    ]


def needs(need: StreamNeed) -> list[ForecastFigure]:
    """Return the resulting figures of one stream."""
    return [
        ForecastFigure("events, average", f"{need.average:,.1f}", "events/s",
               "views x logged in x sample rate x with the element x (events + clicks)"),
        ForecastFigure("events, peak", f"{need.peak:,.1f}", "events/s", "average x peak"),
        ForecastFigure("bodies, peak", f"{need.peak_bytes / 1000:,.1f}", "kB/s", "events x bytes posted"),
        ForecastFigure("rows", f"{need.rows_a_day:,.0f}", "rows/day", "average x 86,400 s"),
        ForecastFigure("table", f"{need.gb_a_day:,.3g}", "GB/day", "rows x bytes a row"),
        ForecastFigure(f"table, {RETENTION_DAYS} days", f"{need.kept_gb:,.3g}", "GB", _CONTRACT),
        ForecastFigure("headroom, peak", f"{need.headroom:,.1f}", "events/s", "limit - peak - others"),
        ForecastFigure("largest safe sample rate", f"{rounded_down(need.largest_rate):.4g}", "share",
               "(limit - others) / peak at sample rate 1, rounded down, at most 1"),
    ]  # fmt: skip


def sentence(forecast: Forecast) -> str:
    """Return the result in one sentence."""
    need, traffic = forecast.tightest, forecast.traffic
    safe = f"{rounded_down(forecast.largest_rate):.4g}"
    total = need.peak + traffic.background
    at = f"At sample rate {traffic.sample_rate:.6g}, {need.stream} carries {total:,.0f} events/s"
    limit = f"{traffic.stream_limit:,g} events/s that one stream may carry"
    if forecast.fits:
        return f"{at} at the peak, {need.used:.0%} of the {limit}. The largest safe sample rate is {safe}."
    if not forecast.largest_rate:
        return f"{at} at the peak: others use all of the {limit}, so no sample rate is safe."
    return f"{at} at the peak, above the {limit}. The largest safe sample rate is {safe}."


def to_json(forecast: Forecast) -> bytes:
    """Return *forecast* as JSON: figures as numbers, in the units of their names."""
    traffic = asdict(forecast.traffic)
    content = {
        "fits": forecast.fits,
        "sentence": sentence(forecast),
        "largest_safe_rate": forecast.largest_rate,
        "largest_safe_rate_rounded_down": rounded_down(forecast.largest_rate),
        "traffic": traffic,
        "sizes": {
            "impression_bytes": forecast.sizes.impression.body,
            "click_bytes": forecast.sizes.click.body,
            "impression_row_bytes": forecast.sizes.impression.row,
            "click_row_bytes": forecast.sizes.click.row,
            "measured_events": forecast.sizes.events,
            "source": forecast.sizes.source,
        },
        "streams": [
            {
                "stream": need.stream,
                "events_a_second_average": need.average,
                "events_a_second_peak": need.peak,
                "bytes_a_second_peak": need.peak_bytes,
                "rows_a_day": need.rows_a_day,
                "gb_a_day": need.gb_a_day,
                "gb_kept": need.kept_gb,
                "headroom_events_a_second": need.headroom,
                "used_share": need.used,
                "largest_safe_rate": need.largest_rate,
            }
            for need in forecast.streams
        ],
        "ramp_up": [
            {
                "at": step.at.isoformat(timespec="minutes"),
                "sample_rate": step.rate,
                "events_a_second_average": step.average,
                "events_a_second_peak": step.peak,
                "rows_a_day": step.rows_a_day,
                "used_share": step.used,
            }
            for step in forecast.ramp
        ],
    }
    return orjson.dumps(content, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
