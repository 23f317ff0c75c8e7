"""Which questions were asked of late, by whom, and who answers? One child at a time, and a bounded memory."""

import secrets
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence

from webui.ask.child import Child
from webui.ask.exchange import Exchange

_KEPT, _KEPT_OF_ONE = 200, 20


class Room:
    """What all pages of this server share."""

    def __init__(self, start: Callable[[Sequence[str]], Child] = Child) -> None:
        self._start = start
        self._child: Child | None = None
        self._of: Hashable = None
        self._exchanges: OrderedDict[str, Exchange] = OrderedDict()
        self._lock = threading.Lock()

    @property
    def child(self) -> Child | None:
        """Who has models loaded now."""
        return self._child if self._child is not None and not self._child.ended else None

    def ask(self, exchange: Exchange, words: Sequence[str], of: Hashable, why_end: str) -> None:
        """`of` tells one model from another; whoever holds another ends, and `why_end` is what its askers are told."""
        with self._lock:
            child = self.child
            if child is not None and self._of != of:
                child.end(why_end)
                child = None
            if child is None:
                child = self._child = self._start(words)
                self._of = of
            child.ask(exchange)
            self._exchanges[exchange.id] = exchange
            theirs = self.exchanges_of(exchange.asker)
            for old in theirs[:-_KEPT_OF_ONE]:
                del self._exchanges[old.id]
            while len(self._exchanges) > _KEPT:
                self._exchanges.popitem(last=False)

    def exchanges_of(self, asker: str) -> list[Exchange]:
        """What a page has asked, in order."""
        return [each for each in list(self._exchanges.values()) if each.asker == asker]

    def stop(self, asker: str) -> bool:
        """End what a page waits for; whether there was anything."""
        found = [each for each in self.exchanges_of(asker) if not each.over]
        for each in found:
            if self._child is not None:
                self._child.stop(each)
        return bool(found)

    def forget(self, asker: str) -> None:
        """What a page has asked and is answered."""
        with self._lock:
            for each in self.exchanges_of(asker):
                if each.over:
                    del self._exchanges[each.id]

    def let_go(self, why: str) -> None:
        """The models' memory is wanted for something else."""
        with self._lock:
            if self.child is not None:
                self.child.end(why)


def new_asker() -> str:
    """A name for a page that nobody can guess, as it opens what was asked."""
    return secrets.token_hex(16)


ROOM = Room()
