"""Which checkpoints may go, and that the last one that is known to be good never does."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass

from springtide_workloads.contract import Event, Layout
from springtide_workloads.errors import StorageError
from springtide_workloads.storage import Store
from springtide_workloads.tell import tell
from springtide_workloads.train.checkpoints import reading
from springtide_workloads.train.checkpoints.catalog import Catalog, Unreadable, set_aside, useless, whole
from springtide_workloads.train.checkpoints.manifest import Manifest
from springtide_workloads.train.events import EventLog
from springtide_workloads.train.ranks import Ranks


@dataclass(slots=True, kw_only=True)
class Shelf:
    """The checkpoints that are there: looked through, set aside when damaged, deleted when old."""

    store: Store
    events: EventLog
    keep: int
    epoch: int
    may_delete: Callable[[], None]
    """Raises ConfigError when the run was taken over."""
    proved: str | None = None
    """Path of a manifest whose checkpoint was read back and found good."""

    @property
    def catalog(self) -> Catalog:
        """What lies in the store."""
        return Catalog(store=self.store)

    def newest(self) -> Manifest | None:
        """The newest checkpoint whose manifest can be read; damaged ones are set aside."""
        readable: Manifest | None = None
        for found in self.catalog.manifests():
            if isinstance(found, Manifest):
                readable = found
            else:
                self.set_aside(found.path, found.damage)
        return readable

    def damage(self, ranks: Ranks, found: Manifest) -> str | None:
        """What is wrong with a checkpoint; all ranks read it, each a part."""
        listed = ranks.once(lambda: reading.missing(self.store, found))
        if listed is not None:
            return listed
        damages = ranks.each(lambda: reading.damage(self.store, found, share=ranks.rank, shares=ranks.world))
        return next((each for each in damages if each), None)

    def reject(self, ranks: Ranks, found: Manifest, damaged: str) -> None:
        """Sets a checkpoint aside, once for all ranks."""
        ranks.once(lambda: self.set_aside(found.path, damaged, found.step))

    def set_aside(self, path: str, damaged: str, step: int | None = None) -> None:
        """Takes a manifest out of the way, loudly: its checkpoint does not count any more."""
        where = path if step is None else f"of step {step}"
        tell(f"checkpoint {where} is damaged, going back to the one before: {damaged}")
        self.events.add(Event.REJECTED, step=step, path=path, damage=damaged)
        set_aside(self.store, path, secrets.token_hex(4))

    def retire(self, ranks: Ranks) -> None:
        """Deletes what is not needed any more. At least one checkpoint that was read back and found good always stays."""
        try:
            kept, gone = ranks.once(self._retirement)
            if not gone:
                return
            if self.proved not in {each.path for each in kept} and not self._prove(ranks, kept[-1]):
                return
            ranks.once(lambda: self._delete(gone))
        except StorageError as error:
            # the checkpoint itself is safe; the next save retires again
            tell(f"old checkpoints could not be deleted: {error}")

    def _retirement(self) -> tuple[list[Manifest], list[str]]:
        sizes = self.store.sizes(Layout.CHECKPOINTS)
        found = self.catalog.manifests(sizes)
        for each in found:
            if isinstance(each, Unreadable):
                self.set_aside(each.path, each.damage)
                sizes.pop(each.path)
        kept = whole(found, sizes)[-self.keep :]
        return kept, useless(sizes, kept, self.epoch) if kept else []

    def _prove(self, ranks: Ranks, newest: Manifest) -> bool:
        """Reads the newest checkpoint back before the last one that is known to be good may go."""
        damaged = self.damage(ranks, newest)
        if damaged is not None:
            self.reject(ranks, newest, damaged)
            return False
        self.proved = newest.path
        return True

    def _delete(self, paths: list[str]) -> None:
        self.may_delete()
        self.store.delete(paths)
