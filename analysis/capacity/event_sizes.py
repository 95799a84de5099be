"""Mean sizes of events, as `python -m bench.event_sizes` measures them; a forecast needs them without rendering any."""

from collections.abc import Mapping

from analysis.capacity.forecast import EventSize, Sizes
from contracts.generation import Generation

#: Bytes of a body and of a compressed row, by generation.
EVENT_SIZES: Mapping[Generation, Sizes] = {
    Generation.ALPHA: Sizes(
        EventSize(1031.1, 99.8), EventSize(1026.3, 99.3), 14_196, "measured on 14,196 rendered alpha events"
    ),
    Generation.XLAB: Sizes(
        EventSize(1032.6, 106.2), EventSize(1027.9, 105.7), 14_724, "measured on 14,724 rendered xlab events"
    ),
}
