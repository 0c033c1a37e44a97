"""Totals and gauges in the words of Prometheus: the library writes them, this says what they are."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector, CollectorRegistry

from baton import meters
from baton.meters import NO_BOUND, SEPARATOR, SERIES, SUM, Counter, Histogram
from baton.vocabulary import Outcome

from .queries.gauges import GAUGES, Sample

Labels = tuple[str, ...]


class _Once(Collector):
    """Families that were made for one answer."""

    def __init__(self, families: Sequence[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        return self._families


def exposition(
    totals: Mapping[str, int], samples: Iterable[Sample], app_names: Iterable[str], accept: str
) -> tuple[bytes, str]:
    """The body of an answer and its content type, in the newest form that the asker accepts."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Once([*_counted(totals, app_names), *_measured(samples)]))
    encode, content_type = choose_encoder(accept)
    return encode(registry), content_type


def _counted(totals: Mapping[str, int], app_names: Iterable[str]) -> Iterator[Metric]:
    by_series = _by_series(totals)
    # a counter that is there from the beginning shows its first step, too
    for app_name in app_names:
        for outcome in Outcome:
            by_series[meters.RUNS.name].setdefault((app_name, outcome), 0)
    for series in SERIES:
        found = by_series[series.name]
        if isinstance(series, Counter):
            for labels in series.begins_with if series.labels else ((),):
                found.setdefault(labels, 0)
        yield _counter(series, found) if isinstance(series, Counter) else _histogram(series, found)


def _by_series(totals: Mapping[str, int]) -> defaultdict[str, dict[Labels, int]]:
    """Name -> labels -> total; in a histogram the last label is a bound, or `sum`."""
    found: defaultdict[str, dict[Labels, int]] = defaultdict(dict)
    for field, total in totals.items():
        name, *labels = field.split(SEPARATOR)
        found[name][tuple(labels)] = total
    return found


def _counter(series: Counter, found: Mapping[Labels, int]) -> Metric:
    family = CounterMetricFamily(series.name, series.meaning, labels=series.labels)
    for labels, total in sorted(found.items()):
        if len(labels) == len(series.labels):  # else it was written by a version with other labels
            family.add_metric(labels, total)
    return family


def _histogram(series: Histogram, found: Mapping[Labels, int]) -> Metric:
    family = HistogramMetricFamily(series.name, series.meaning, labels=series.labels)
    by_labels: defaultdict[Labels, dict[str, int]] = defaultdict(dict)
    for labels, total in found.items():
        if len(labels) == len(series.labels) + 1:
            by_labels[labels[:-1]][labels[-1]] = total
    for labels, places in sorted(by_labels.items()):
        sum_s = meters.seconds_of(places.pop(SUM, 0))
        family.add_metric(labels, _cumulated(series, places), sum_s)
    return family


def _cumulated(series: Histogram, places: Mapping[str, int]) -> list[tuple[str, float]]:
    """How many were at most so long, for each bound."""
    counts = [0] * (len(series.bounds) + 1)
    for bound, total in places.items():
        # bounds of another version count where they still say the truth
        counts[series.place_of(float(bound))] += total
    names = [*(f"{bound:g}" for bound in series.bounds), NO_BOUND]
    at_most: list[tuple[str, float]] = []
    so_far = 0
    for name, count in zip(names, counts, strict=True):
        so_far += count
        at_most.append((name, float(so_far)))
    return at_most


def _measured(samples: Iterable[Sample]) -> Iterator[Metric]:
    found = list(samples)
    for gauge in GAUGES:
        family = GaugeMetricFamily(gauge.name, gauge.meaning, labels=gauge.labels)
        for sample in found:
            if sample.gauge is gauge:
                family.add_metric(sample.labels, sample.value)
        yield family
