"""What a chart's schema must say of a size or a duration, made of the table of settings in src/spec/fields.c.

    setting_patterns.py         write it into the charts' values.schema.json

A range is a pattern: numbers with units are texts in YAML.
"""

import json
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FIELDS = ROOT / "src/spec/fields.c"
K = 1024
SIZES = [("B?", 1), ("(K(i|iB)?|k)", K), ("(M(i|iB)?|m)", K ** 2), ("(G(i|iB)?|g)", K ** 3), ("(T(i|iB)?|t)", K ** 4)]
DURATIONS = [("ms", 1), ("s", 1000), ("m", 60 * 1000), ("h", 3600 * 1000), ("d", 24 * 3600 * 1000)]


def number(text):
    """An expression of C: 1ULL << 30, MINUTES(24 * 60), DAYS(7)."""
    text = text.replace("ULL", "").replace("MINUTES(", "60000 * (").replace("DAYS(", "86400000 * (")
    if not re.fullmatch(r"[0-9 <*()]+", text):
        raise ValueError(f"{FIELDS}: what is {text}?")
    return eval(text)  # pylint: disable=eval-used


def bounded():
    """{setting: ("SIZE" or "DURATION", least, most)}"""
    found = {}
    for entry in re.findall(r"^\t(\{ \"[^\n]*?SPEC_(?:SIZE|DURATION).*?\.help)", FIELDS.read_text(), re.M | re.S):
        key, kind = re.match(r'\{ "([a-z_.]+)", SPEC_(\w+)', entry).groups()
        least, most = (re.search(rf"\.{word} = (.+?),\s", entry) for word in ("min", "max"))
        found[key] = (kind, number(least[1]) if least else 0, number(most[1]))
    return found


def of_length(low, high):
    """Patterns of the numbers from *low* to *high*, which have as many digits."""
    if low == high:
        return [low]
    if low[1:] == "0" * len(low[1:]) and high[1:] == "9" * len(high[1:]):
        first = low[0] if low[0] == high[0] else f"[{low[0]}-{high[0]}]"
        rest = len(low) - 1
        return [first + ("" if not rest else "[0-9]" if rest == 1 else f"[0-9]{{{rest}}}")]
    if low[0] == high[0]:
        return [low[0] + rest for rest in of_length(low[1:], high[1:])]
    parts, first, last = [], int(low[0]), int(high[0])
    if low[1:] != "0" * len(low[1:]):
        parts += [low[0] + rest for rest in of_length(low[1:], "9" * len(low[1:]))]
        first += 1
    upper = []
    if high[1:] != "9" * len(high[1:]):
        upper = [high[0] + rest for rest in of_length("0" * len(high[1:]), high[1:])]
        last -= 1
    if first <= last:
        parts += of_length(f"{first}" + "0" * len(low[1:]), f"{last}" + "9" * len(low[1:]))
    return parts + upper


def between(low, high):
    """A pattern of the whole numbers from *low* to *high*, with leading zeros."""
    if low == 0:
        return f"0*({between(1, high)[3:-1]}|0)"
    first, last = len(str(low)), len(str(high))
    if first == last:
        return f"0*({'|'.join(of_length(str(low), str(high)))})"
    lower, whole, upper = of_length(str(low), "9" * first), [], of_length("1" + "0" * (last - 1), str(high))
    # Lengths of which all numbers are in it are one part.
    if low == 10 ** (first - 1):
        lower, first = [], first - 1
    if first + 1 < last:
        whole = ["[1-9]" + (f"[0-9]{{{first},{last - 2}}}" if last > 2 else "")]
    return f"0*({'|'.join(lower + whole + upper)})"


def pattern(kind, least, most):
    parts = ["0"] if kind == "DURATION" and not least else []
    for unit, factor in SIZES if kind == "SIZE" else DURATIONS:
        low, high = -(-least // factor), most // factor
        if low <= high:
            parts.append(between(low, high) + unit)
    return f"^({'|'.join(parts)})$"


def schema_of_setting(kind, least, most):
    schema = {"type": ["string", "integer"], "pattern": pattern(kind, least, most)}
    if kind == "SIZE":
        return {**schema, "minimum": least, "maximum": most}
    # 0 is the one duration without a unit.
    return {**schema, "type": "string"} if least else {**schema, "minimum": 0, "maximum": 0}


def schemas(chart, schema):
    """(where in the chart's values, what its schema has there, what it must have) of each."""
    installer = schema
    for word in ("runner", "dockerInstaller") if chart == "daytona-dev" else ():
        installer = installer["properties"][word]
    above = "runner.dockerInstaller." if chart == "daytona-dev" else ""
    for key, bounds in bounded().items():
        section, name = key.split(".")
        settings = installer["properties"]["config"]["properties"].get(section, {"properties": {}})["properties"]
        if name in settings:
            yield f"{above}config.{key}", settings[name], schema_of_setting(*bounds)
    if chart == "daytona-dev":
        size = {"type": "string", "pattern": pattern(*bounded()["pool.size"])}
        yield f"{above}xfsStorageSize", installer["properties"]["xfsStorageSize"], size


def main():
    for chart in ("berth", "daytona-dev"):
        path = ROOT / "helm" / chart / "values.schema.json"
        schema = json.loads(path.read_text())
        for _, has, wanted in schemas(chart, schema):
            has.clear()
            has.update(wanted)
        path.write_text(json.dumps(schema, indent=2, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
