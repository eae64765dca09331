"""What was measured, for people: a table for the terminal and a plot."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

OURS, THEIRS = "#4f46e5", "#9ca3af"


def table(figures: Mapping[str, Any]) -> str:
    """Names and values, one a line."""
    batch = figures["offline_batch"]
    rows = [
        ("model, device", f"{figures['model']}, {figures['device_name']}, {figures['dtype']}"),
        ("(a) one after another", f"{figures['serial_ips']} images/s"),
        (f"(b) offline batch of {batch}", f"{figures['offline_batch_ips']} images/s"),
        (
            f"(c) our engine, {figures['settings']['requests']} at once",
            f"{figures['engine_ips']} images/s; {figures['engine_over_serial']} times (a), "
            f"{figures['engine_over_offline_batch']} times (b)",
        ),
        (
            "(c) the same with mixed settings",
            f"{figures['engine_mixed_ips']} images/s; {figures['mixed_over_serial']} times one after another",
        ),
    ]
    for name in ("080", "130"):
        load = figures[f"load_{name}"]
        ours, fifo = load["engine"], load["first_come_first_served"]
        values = ", ".join(f"{key[:-2]} {ours[key]} ({fifo[key]})" for key in ours)
        ratio = figures[f"p95_ratio_{name}"]
        rows.append((f"(d) load {load['load']}", f"{values} s (first come first served); p95 ratio {ratio}"))
    rows += [
        (
            f"(e) first step beside {figures['first_step_among']} long ones",
            f"{figures['first_step_ticks']} ticks, {figures['first_step_s']} s; beside twice as many as fit "
            f"{figures['first_step_ticks_full']} ticks, {figures['first_step_s_full']} s",
        ),
        ("one lone request", f"{figures['lone_s']} s; diffusers {figures['serial_lone_s']} s"),
        ("(f) peak memory", f"{figures['peak_mb']} MB; diffusers {figures['serial_peak_mb']} MB"),
        (
            "(g) share of the roofline",
            f"{figures['roofline']} of {figures['peak_tflops']} TFLOP/s ({figures['peak_from']})",
        ),
        (
            "the two draw the same",
            f"at most {figures['same_work']['largest_difference']}/255 apart in "
            f"{figures['same_work']['pictures_compared']} pictures, float32",
        ),
    ]
    width = max(len(name) for name, _ in rows)
    return "\n".join(f"{name:<{width}}  {value}" for name, value in rows)


def plot(figures: Mapping[str, Any], raw: Mapping[str, Mapping[str, list[float]]], path: Path) -> bool:
    """Save the plot as PNG; False if matplotlib is not installed."""
    try:
        import matplotlib
    except ModuleNotFoundError:
        return False
    matplotlib.use("agg")
    from matplotlib import pyplot, ticker

    figure, (left, *rest) = pyplot.subplots(1, 3, figsize=(13, 4.2), layout="constrained")
    settings = figures["settings"]
    _bars(left, figures)
    highest = max(value for sides in raw.values() for values in sides.values() for value in values)
    lowest = min(value for sides in raw.values() for values in sides.values() for value in values)
    for axes, name in zip(rest, ("080", "130"), strict=True):
        sides = (("first_come_first_served", THEIRS, "diffusers, first come first served"),)
        for side, colour, label in (*sides, ("engine", OURS, "our engine")):
            values = sorted(raw[name][side])
            shares = [(index + 1) / len(values) * 100 for index in range(len(values))]
            axes.step(values, shares, where="post", color=colour, label=label, linewidth=2)
        axes.axhline(95, color="black", linewidth=0.6, linestyle=":")
        axes.set(xscale="log", xlim=(lowest * 0.8, highest * 1.25), ylim=(0, 101))
        axes.xaxis.set_major_formatter(ticker.FormatStrFormatter("%g"))
        axes.xaxis.set_minor_formatter(ticker.NullFormatter())
        axes.set(xlabel="seconds from asking to having", ylabel="% of the pictures")
        load = figures[f"load_{name}"]
        axes.set_title(
            f"Poisson arrivals at {load['load']:.2f} of (a)\np95 ratio {figures[f'p95_ratio_{name}']:.2f}"
        )
        axes.grid(alpha=0.25)
        axes.legend(loc="lower right", fontsize=8)
    figure.suptitle(
        f"{figures['model']} on {figures['device_name']}, {figures['dtype']}: {settings['size']}, "
        f"{settings['steps']} steps, {settings['sampler']}, guidance {settings['guidance']:g}",
        fontsize=11,
    )
    figure.savefig(path, dpi=110)
    pyplot.close(figure)
    return True


def _bars(axes: Any, figures: Mapping[str, Any]) -> None:
    bars = [
        ("(a) one after\nanother", figures["serial_ips"], THEIRS),
        (f"(b) offline\nbatch of {figures['offline_batch']}", figures["offline_batch_ips"], THEIRS),
        ("(c) our\nengine", figures["engine_ips"], OURS),
        ("mixed, one\nafter another", figures["serial_mixed_ips"], THEIRS),
        ("mixed, our\nengine", figures["engine_mixed_ips"], OURS),
    ]
    drawn = axes.bar(range(len(bars)), [value for _, value, _ in bars], color=[colour for *_, colour in bars])
    axes.bar_label(drawn, fmt="{:.3g}", padding=2)
    axes.set_xticks(range(len(bars)), [name for name, *_ in bars], fontsize=8)
    axes.set(ylabel="images/s")
    axes.set_title(f"{figures['settings']['requests']} requests at once")
    axes.margins(y=0.12)
