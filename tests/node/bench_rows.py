"""Lines of the benchmark: what was measured, what was wanted; each says whether it is good."""


def row(what, ours, rival, theirs, most, unit="ms"):
    """A time beside its rival's of the same run; `most` bounds the ratio."""
    ratio = ours / theirs
    print(f"{what:34} {ours:9.3f} {unit}  vs {rival:24} {theirs:9.2f} {unit}   ratio {ratio:7.4f}  "
          f"(wanted <= {most}){'' if ratio <= most else '   MISSED'}", flush=True)
    return ratio <= most


def figure(what, value, most, unit):
    print(f"{what:34} {value:9.2f} {unit}  (wanted < {most}){'' if value < most else '   MISSED'}", flush=True)
    return value < most
