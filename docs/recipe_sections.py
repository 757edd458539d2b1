"""The sections of benchmarks.md that show one recipe's results each: lines of its file to Markdown."""

from __future__ import annotations

from typing import Any

from askance.report.tables import markdown


def speed(lines: list[dict[str, Any]]) -> str:
    """A training step in three loops."""
    columns = {
        "Loop": "method",
        "Precision": "precision",
        "Threads": "threads",
        "Slices/s": "slices_per_s",
        "To textbook": "processor_ratio_to_textbook",
        "To MONAI": "processor_ratio_to_monai",
        "To textbook fp32": "processor_ratio_to_textbook_fp32",
    }
    rows = [{title: figure(line.get(key)) for title, key in columns.items()} for line in lines]
    return "The same networks trained three ways in one run; ratios of processor time.\n\n" + markdown(rows) + "\n"


def ranking(lines: list[dict[str, Any]]) -> str:
    """Ranking beside baal's, and as a share of the training."""
    rows = [
        {
            "Data set": line["dataset"],
            "Views": str(line["views"]),
            "ms a slice": f"{1000 * line['seconds']:.0f}",
            "baal, 20 passes": f"{1000 * line['baal_seconds']:.0f}",
            "Ratio": figure(line["ratio"]),
            "Pool": str(line["pool_slices"]),
            "Looked at": str(line.get("ranked_slices", line["pool_slices"])),
            "Steps of the training": str(line["steps"]),
            "Share of its time": f"{100 * line['share_of_training']:.0f} %",
        }
        for line in lines
    ]
    return f"Processor time of one thread.\n\n{markdown(rows)}\n"


def difficulty(lines: list[dict[str, Any]]) -> str:
    """One patient's labels, all labels and a forest, seed by seed."""
    rows = [
        {
            "Seed": str(line["seed"]),
            "Method": line["method"],
            "State": line["state"] or "–",
            "Dice": figure(line["dice"]),
            "Per class": ", ".join(figure(value) for value in _values(line["dice_per_class"])),
        }
        for line in lines
    ]
    return markdown(rows) + "\n"


def large(lines: list[dict[str, Any]]) -> str:
    """Memory while a study is cached and ranked."""
    rows = [
        {
            "Volumes (GB)": f"{line['gb']:.1f}",
            "Slices": f"{line['pool_slices']:,}",
            "Peak (MB)": f"{line['peak_mb']:.0f}",
            "Caching (s)": f"{line['cache_seconds']:.0f}",
            "In all (s)": f"{line['seconds']:.0f}",
            "Code": str(line["commit"])[:7],
        }
        for line in lines
    ]
    return f"Anonymous memory: pages of mapped files are the system's to drop.\n\n{markdown(rows)}\n"


def waits(lines: list[dict[str, Any]]) -> str:
    """How long the next slice and its view take, with and without a training beside the server."""
    rows = [
        {
            "Experts": str(line["experts"]),
            "A training beside": "yes" if line["training"] else "no",
            "Slices": str(line["requests"]),
            "p50 (ms)": f"{line['p50_ms']:.0f}",
            "p95 (ms)": f"{line['p95_ms']:.0f}",
            "Server (MB)": str(line["server_mb"]),
        }
        for line in lines
    ]
    what = f"A study of {lines[-1]['cases']:,} cases and {lines[-1]['slices']:,} slices, {lines[-1]['cores']} cores"
    return f"{what}; first request to last byte on loopback, cold caches included.\n\n{markdown(rows)}\n"


def atlas(lines: list[dict[str, Any]]) -> str:
    """What fusion and level sets give, and what a case costs."""
    rows = [
        {
            "Data set": line["dataset"],
            "Fold": line["fold"],
            "Labels": line["method"].removeprefix("atlas-") if line["method"] != "atlas" else "majority",
            "Dice": figure(line["dice"]),
            "Per class": ", ".join(figure(value) for value in line["dice_per_class"]),
            "Cases": str(len(line["dice_per_case"])),
            "Hearts not found": str(len(line["failed_localisations"])),
            "Processor s a case": f"{line['processor_seconds']:.1f}",
            "Peak MB": f"{line['peak_mb']:.0f}",
        }
        for line in lines
    ]
    return f"Majority and STAPLE, `-fused` before the level sets; one thread.\n\n{markdown(rows)}\n"


def unlike(lines: list[dict[str, Any]]) -> str:
    """What share of spoilt and foreign slices scores below the 5th percentile of the model's own."""
    rows = [
        {
            "Model": line["dataset"],
            "Side": line.get("side", "test"),
            "Slices": f"{line['kind']}{'' if line['strength'] is None else ' ' + format(line['strength'], 'g')}",
            "Number": str(line["slices"]),
            "Below": f"{line['below']:.3f}",
            "Without novelty": f"{line['below_without']:.3f}",
            "Novel": f"{line['novel']:.3f}",
            "Slice Dice": figure(line["slice_dice"]),
            "Code": str(line["commit"])[:7],
        }
        for line in lines
    ]
    sound = [line for line in lines if line["kind"] == "sound"]
    kept = [
        f"{line['dataset']}, {line.get('side', 'test')}: r = {line['score_r']:.3f} with the novelty in it, "
        f"{line['score_r_without']:.3f} without; error {line['mae']:.3f} and {line['mae_without']:.3f}."
        for line in sound
    ]
    return (
        "The share of slices that scores below the 5th percentile of the model's own slices of that side (`sound`), with "
        "the novelty in the score and without it. Strengths are defined in `benchmarks/artefacts.py`.\n\n"
        f"{markdown(rows)}\n\nSound slices. {' '.join(kept)}\n"
    )


def pseudo(lines: list[dict[str, Any]]) -> str:
    """What pseudo-labels, and their doubts, add to the same training, in points, paired by seed."""
    groups: dict[tuple[Any, ...], dict[str, dict[int, dict[str, Any]]]] = {}
    for line in lines:
        group = groups.setdefault((line["dataset"], line["fold"], line["tag"], line["base"], line.get("settings")), {})
        group.setdefault(line["method"], {})[line["seed"]] = line
    rows = []
    for (dataset, fold, tag, base, _), variants in sorted(groups.items(), key=str):
        rows.append(
            {
                "Data set": dataset,
                "Fold": fold or "test",
                "Settings": tag or "default",
                "Labelled": f"{100 * base:g} %",
                "Seeds": str(len(variants.get("with", {}))),
                "Without": _mean_of(variants, "without", "dice"),
                "With": _mean_of(variants, "with", "dice"),
                "With - without": _gain(variants, "with", "without", "dice"),
                "The same per slice": _gain(variants, "with", "without", "slice_dice"),
                "As if sure - without": _gain(variants, "sure", "without", "dice"),
                "With - as if sure": _gain(variants, "with", "sure", "dice"),
            }
        )
    return (
        "Three trainings on the same labels, with the same seed and steps: their last quarter on labels alone, on these and "
        "the model's own of the rest, as sure as it is of each pixel (what `askance run` does), or as if it were sure. Dice "
        f"per volume and differences in points, means over seeds (smallest to largest).\n\n{markdown(rows)}\n"
    )


def _mean_of(variants: dict[str, dict[int, dict[str, Any]]], method: str, key: str) -> str:
    values = [line[key] for line in variants.get(method, {}).values()]
    return figure(sum(values) / len(values)) if values else "–"


def _gain(variants: dict[str, dict[int, dict[str, Any]]], method: str, other: str, key: str) -> str:
    mine, theirs = variants.get(method, {}), variants.get(other, {})
    gains = [100 * (mine[seed][key] - theirs[seed][key]) for seed in sorted(mine.keys() & theirs.keys())]
    return f"{sum(gains) / len(gains):+.2f} ({min(gains):+.2f} to {max(gains):+.2f})" if gains else "–"


def bias(lines: list[dict[str, Any]]) -> str:
    """How far above their Dice slices score that were pseudo-labelled, beside test slices that would have been."""
    rows = [
        {
            "Data set": line["dataset"],
            "Asked by": line["acquisition"],
            "Seed": str(line["seed"]),
            "Cycle": str(line["cycle"]),
            "Pseudo-labelled": _bias_cell(line["pseudo"]),
            "Of test, would have been": _bias_cell(line["test_pseudo"]),
            "Difference": _between(line["too_high_pseudo"]),
            "Held": _bias_cell(line["held"]),
            "Of test, would have been held": _bias_cell(line["test_held"]),
            "Difference when held": _between(line["too_high_held"]),
        }
        for line in lines
    ]
    found = [100 * line["too_high_pseudo"]["mean"] for line in lines if line["too_high_pseudo"]]
    return (
        "How far scores lie above the Dice, mean in points and number of slices, for slices of the pool that the model "
        "learnt from as pseudo-labels and for slices of test patients that the same teacher would have labelled; "
        "differences with 95 % intervals over patients. Above 0: it believes what it was taught.\n\n"
        f"{markdown(rows)}\nMean of the differences over the {len(found)} models: {sum(found) / len(found):+.2f} points, "
        f"from {min(found):+.2f} to {max(found):+.2f}.\n"
    )


def _bias_cell(group: Any) -> str:
    return f"{100 * group['too_high']:+.1f} ({group['slices']})" if group["slices"] else "–"


def _between(difference: Any) -> str:
    if not difference:
        return "–"
    return "{:+.1f} ({:+.1f} to {:+.1f})".format(*(100 * difference[key] for key in ("mean", "low", "high")))


def _values(per_class: Any) -> list[Any]:
    return list(per_class.values()) if isinstance(per_class, dict) else list(per_class or [])


def figure(value: Any) -> str:
    """A figure as it stands in a table."""
    if value is None:
        return "–"
    return f"{value:.3f}" if isinstance(value, float) else str(value)
