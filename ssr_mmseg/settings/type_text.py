"""The type of a configured value in words, from its JSON Schema: "integer ≥ 1", "list of [height, width]"."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

MOST_KEYS = 5  # mappings of more keys are not spelled out
NAME = " of 1 to 100 letters, digits or underscores"


@dataclass(frozen=True)
class Style:
    """The style in which a type is written.

    Attributes:
        sentence: For a sentence: with articles, and with limits that a table leaves out (lengths of lists, whether
            their values are distinct, what a name is).
        plural: For several values, as in "list of integers".
        quote: Mark before and after keys and fixed values.
    """

    sentence: bool = False
    plural: bool = False
    quote: str = "`"


TABLE = Style()
SENTENCE = Style(sentence=True, quote="")


def type_text(schema: dict, style: Style = TABLE) -> str:
    """Describe the values that a JSON Schema allows, one without references and of the kind that the models make."""
    if alternatives := schema.get("oneOf") or schema.get("anyOf"):
        if all(branch.get("type") == "object" for branch in alternatives):
            return _with_article("mappings" if style.plural else "mapping", style)
        joint = " or " if style.plural else ", or "
        return joint.join(dict.fromkeys(type_text(branch, style) for branch in alternatives))
    if "const" in schema or "enum" in schema:
        return _choice(schema.get("enum", [schema.get("const")]), style)
    kind = schema.get("type", "value")
    if kind == "boolean":
        return "booleans" if style.plural else _choice(["true", "false"], style)
    if kind == "array" and "format" in schema:  # a fixed shape, such as [height, width]
        return f"{schema['format']}, each {type_text(schema['items'], replace(style, sentence=True, plural=False))}"
    if kind in ("integer", "number"):
        text = _number(schema, style)
    elif kind == "string":
        text = schema.get("format", "string") + ("s" if style.plural else "")
        text += NAME if style.sentence and "pattern" in schema else ""
    elif kind == "array":
        text = _list(schema, style)
    elif kind == "object":
        text = _mapping(schema, style)
    else:
        text = kind
    return _with_article(text, style)


def _with_article(text: str, style: Style) -> str:
    if not style.sentence or style.plural or text == "null":
        return text
    return f"an {text}" if text.startswith("integer") else f"a {text}"


def _choice(values: Iterable, style: Style) -> str:
    quoted = [f"{style.quote}{value}{style.quote}" for value in values]
    return " or ".join([", ".join(quoted[:-1]), quoted[-1]] if len(quoted) > 1 else quoted)


def _number(schema: dict, style: Style) -> str:
    ending = "s" if style.plural else ""
    text = f"multiple{ending} of {schema['multipleOf']}" if "multipleOf" in schema else f"{schema['type']}{ending}"
    if "minimum" in schema and "maximum" in schema:
        return f"{text} from {schema['minimum']} to {schema['maximum']}"
    signs = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
    limits = [f"{sign} {schema[key]}" for key, sign in signs.items() if key in schema]
    return f"{text} {' and '.join(limits)}" if limits else text


def _list(schema: dict, style: Style) -> str:
    least, most = schema.get("minItems"), schema.get("maxItems")
    non_empty = style.sentence and (least, most) == (1, None)
    words = [
        "non-empty" if non_empty else "",
        "lists of" if style.plural else "list of",
        _count(least, most) if not non_empty and (style.sentence or least == most) else "",
        "distinct" if style.sentence and schema.get("uniqueItems") else "",
        type_text(schema["items"], replace(style, plural=True)),
        f"with {schema['contains']['const']} among them" if style.sentence and "contains" in schema else "",
    ]
    return " ".join(filter(None, words))


def _mapping(schema: dict, style: Style) -> str:
    noun = "mappings" if style.plural else "mapping"
    keys = [f"{style.quote}{key}{style.quote}" for key in schema.get("properties", ())]
    if "propertyNames" in schema:
        count = _count(schema.get("minProperties"), schema.get("maxProperties")) if style.sentence else ""
        return " ".join(filter(None, [noun, "of", count, "names"]))
    if keys and schema.get("additionalProperties"):
        return f"{noun} of {', '.join(keys)} and arguments"
    return f"{noun} of {', '.join(keys)}" if 0 < len(keys) <= MOST_KEYS else noun


def _count(least: int | None, most: int | None) -> str:
    if least == most:
        return "" if least is None else str(least)
    if most is None:
        return f"at least {least}"
    return f"{least} to {most}" if least else f"at most {most}"
