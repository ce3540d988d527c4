"""What was looked up lately, in a bounded space."""

from collections import OrderedDict
from collections.abc import Callable


class Memory[K, V]:
    """Keeps the most recently used values, `size` of them at most."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._values: OrderedDict[K, V] = OrderedDict()

    def __len__(self) -> int:
        return len(self._values)

    def get(self, key: K) -> V | None:
        value = self._values.get(key)
        if value is not None:
            self._values.move_to_end(key)
        return value

    def put(self, key: K, value: V) -> None:
        self._values[key] = value
        self._values.move_to_end(key)
        if len(self._values) > self._size:
            self._values.popitem(last=False)

    def forget(self, key: K) -> None:
        self._values.pop(key, None)

    def forget_where(self, applies: Callable[[V], bool]) -> None:
        for key in [key for key, value in self._values.items() if applies(value)]:
            del self._values[key]

    def clear(self) -> None:
        self._values.clear()
