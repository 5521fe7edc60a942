"""What the load generator reports: figures by target, and the table for people."""

import math
import statistics
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from bench.connection import Slice

TIMES = ("latency", "first_byte", "gap", "transit")


def report(slices: Mapping[str, list[Slice]]) -> dict[str, dict[str, Any]]:
    """By target: medians over slices, in milliseconds; `added_*` and `throughput_ratio` are paired
    with the first target's slice of the same round. A time nobody saw is None."""
    rows = {name: [_row(one) for one in seen] for name, seen in slices.items()}
    first = next(iter(rows.values()))
    result = {}
    for name, own in rows.items():
        summary: dict[str, Any] = {k: _median(row[k] for row in own) for k in own[0]}
        for key in ("latency_p50_ms", "latency_p99_ms", "gap_p50_ms", "transit_p50_ms"):
            summary[f"added_{key}"] = _median(
                _minus(a[key], b[key]) for a, b in zip(own, first, strict=True)
            )
        summary["throughput_ratio"] = _median(
            _ratio(a["per_second"], b["per_second"]) for a, b in zip(own, first, strict=True)
        )
        summary["requests"] = sum(len(one.latency) for one in slices[name])
        summary["events"] = sum(len(one.gap) for one in slices[name])
        summary["errors"] = dict(sum((one.errors for one in slices[name]), Counter()))
        result[name] = summary
    return result


def _row(one: Slice) -> dict[str, float | None]:
    row: dict[str, float | None] = {"per_second": len(one.latency) / one.elapsed_s}
    for name in TIMES:
        for percent in (50, 99):
            row[f"{name}_p{percent}_ms"] = _percentile(getattr(one, name), percent)
    for part, seconds in one.cpu_s.items():
        row[f"cpu_us_{part}"] = seconds * 1e6 / len(one.latency) if one.latency else None
    return row


def _percentile(times: list[float], percent: int) -> float | None:
    if not times:
        return None
    ordered = sorted(times)
    return ordered[math.ceil(len(ordered) * percent / 100) - 1] * 1000


def _minus(a: float | None, b: float | None) -> float | None:
    return None if a is None or b is None else a - b


def _ratio(a: float | None, b: float | None) -> float | None:
    return a / b if a is not None and b else None


def _median(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.median(known) if known else None


def table(measured: Mapping[str, Any]) -> str:
    """The report for people: a column for each target."""
    targets = measured["targets"]
    keys = [
        k for k in next(iter(targets.values())) if any(t[k] is not None for t in targets.values())
    ]
    lines = [f"{'':26}" + "".join(f"{name:>18}" for name in targets)]
    for key in keys:
        cells = [targets[name][key] for name in targets]
        lines.append(f"{key:26}" + "".join(f"{_cell(cell):>18}" for cell in cells))
    return "\n".join(lines)


def _cell(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{n} {what}" for what, n in value.items()) or "0"
    return "-" if value is None else f"{value:.3f}" if isinstance(value, float) else str(value)
