"""A place in an mmengine config, which errors name by file and key."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from ssr_mmseg.utils.errors import UserError, one_line

MANY = 20  # names that are too many to list in a message
LONGEST = 200  # characters of a value or a name in a message


@dataclass(frozen=True)
class Place:
    """A value in an mmengine config.

    Attributes:
        value: The value.
        key: Its dotted key, such as `optim_wrapper.optimizer`; empty for the whole config.
        name: The file, as the experiment names it.
        text: The file's own text, without its bases.
    """

    value: Any
    key: str
    name: str
    text: str

    @classmethod
    def of_file(cls, value: Any, name: str, file: Path) -> "Place":
        """Return the place of a whole config."""
        return cls(value, "", name, file.read_text(encoding="utf-8", errors="replace"))

    def error(self, message: str, quoted: str = "") -> UserError:
        """Return the error about this place.

        Args:
            message: What is wrong, and the remedy.
            quoted: Text of the mistake; if the file does not contain it, a base of the file must.
        """
        inherited = "_base_" in self.text and not (quoted and quoted in self.text)
        where = f"{self.name}{' (or a base of it)' if inherited else ''}: {one_line(self.key, LONGEST)}"
        return UserError(f"{where}: {one_line(message, 3 * LONGEST)}")

    @property
    def shown(self) -> str:
        """The value as in Python, shortened."""
        text = one_line(repr(self.value))
        return text if len(text) <= LONGEST else f"{text[:LONGEST]} …"

    def unknown(self, what: str, name: str, known: Iterable[str]) -> UserError:
        """Return the error about an unknown name, with the nearest one that is known.

        Args:
            what: What is wrong with the name, such as `unknown optimizer`.
        """
        name, names = one_line(name, LONGEST), sorted(known)
        folded = {other.lower(): other for other in names}
        close = get_close_matches(name, names, n=1) or [
            folded[other] for other in get_close_matches(name.lower(), folded, n=1)
        ]
        if close:
            hint = f"did you mean {close[0]}?"
        elif len(names) <= MANY:
            hint = f"known are: {', '.join(names) or 'none'}"
        else:
            hint = "check its name, and custom_imports if it is your own"
        return self.error(f"{what} {name}; {hint}", name)

    def __contains__(self, key: str) -> bool:
        return key in self.value

    def at(self, key: str | int) -> "Place":
        """Return the place of a value that exists."""
        name = f"{self.key}[{key}]" if isinstance(key, int) else f"{self.key}.{key}".lstrip(".")
        return replace(self, value=self.value[key], key=name)

    def require(self, path: str, remedy: str = "add it") -> "Place":
        """Return the place of a dotted key.

        Raises:
            UserError: It is missing, or one of its parents is not a dict.
        """
        place = self
        for key in path.split("."):
            place.mapping()
            if key not in place:
                raise replace(place, key=f"{place.key}.{key}".lstrip(".")).error(f"missing; {remedy}")
            place = place.at(key)
        return place

    def mapping(self) -> "Place":
        """Return this place, which must be a dict.

        Raises:
            UserError: It is something else.
        """
        if not isinstance(self.value, dict):
            raise self.error(f"expected a dict, found {self.shown}", str(self.value))
        return self

    def elements(self) -> Iterator["Place"]:
        """Yield the places of a list's elements.

        Raises:
            UserError: It is not a list.
        """
        if not isinstance(self.value, list | tuple):
            raise self.error(f"expected a list, found {self.shown}", str(self.value))
        yield from map(self.at, range(len(self.value)))

    def one_or_more(self) -> Iterator["Place"]:
        """Yield the place of a dict, or those of a list of them."""
        if isinstance(self.value, list | tuple):
            yield from self.elements()
        else:
            yield self.mapping()

    def find(self, key: str) -> "Place | None":
        """Return the first place below this one, or this one itself, that is a dict with `key`."""
        if isinstance(self.value, dict) and key in self.value:
            return self
        children: Iterable[Any] = ()
        if isinstance(self.value, dict):
            children = self.value
        elif isinstance(self.value, list | tuple):
            children = range(len(self.value))
        return next((found for found in (self.at(child).find(key) for child in children) if found), None)
