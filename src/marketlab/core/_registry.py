"""A table of named components: one line registers, a misspelling is answered with what exists."""

from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

from marketlab.core._errors import ConfigError, did_you_mean

T = TypeVar("T")


class PluginRegistry(Generic[T]):
    """Named components of one kind. A name has one owner; aliases point to it.

    Parameters
    ----------
    kind : what is registered, in the user's word ("indicator"); used in messages.
    code : error code of an unknown name.
    """

    def __init__(self, kind: str, *, code: str = "CONFIG-UnknownName") -> None:
        self.kind = kind
        self.code = code
        self._items: dict[str, T] = {}
        self._aliases: dict[str, str] = {}

    def register(self, name: str, *, aliases: tuple[str, ...] = ()) -> Callable[[T], T]:
        """Return a decorator that registers its argument under `name` and `aliases`."""

        def add(item: T) -> T:
            self.add(name, item, aliases=aliases)
            return item

        return add

    def add(self, name: str, item: T, *, aliases: tuple[str, ...] = ()) -> None:
        """Register `item`; a second owner of a name is a mistake of ours."""
        for each in (name, *aliases):
            if each in self._items or each in self._aliases:
                raise AssertionError(f"{self.kind} {each!r} is registered twice")
        self._items[name] = item
        self._aliases.update(dict.fromkeys(aliases, name))

    def get(self, name: str, *, field: str | None = None) -> T:
        """Return the component called `name`.

        Raises
        ------
        ConfigError (``Invalid <kind> 'x'``) with close matches, if there is none.
        """
        resolved = self._aliases.get(name, name)
        if resolved not in self._items:
            raise ConfigError(
                f"Invalid {self.kind} {name!r}.",
                code=self.code,
                field=field,
                value=name,
                suggestion=did_you_mean(name, (*self._items, *self._aliases)),
            )
        return self._items[resolved]

    def canonical(self, name: str) -> str:
        """Return the owner's name for an alias (or the name itself)."""
        return self._aliases.get(name, name)

    def names(self) -> list[str]:
        """Return the registered names, sorted, without aliases."""
        return sorted(self._items)

    def items(self) -> Iterator[tuple[str, T]]:
        """Yield (name, component) in the order of names."""
        for name in self.names():
            yield name, self._items[name]

    def __contains__(self, name: object) -> bool:
        return name in self._items or name in self._aliases

    def __len__(self) -> int:
        return len(self._items)
