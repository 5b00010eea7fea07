"""The models of a server: `GET /v1/models`, and how each of them is talked with."""

import asyncio
import time
from collections.abc import Mapping

from springtide_workloads.contract import Layout
from springtide_workloads.errors import StorageError
from springtide_workloads.export import exported
from springtide_workloads.serve.http import About, Answer, Handler, Plain, Refusal, Request, described
from springtide_workloads.serve.openai import answers
from springtide_workloads.serve.openai.asking import TextEngine
from springtide_workloads.serve.openai.template import Template
from springtide_workloads.storage import Store


class Templates:
    """Forms of conversations, from the exports; each is read once, when it is asked for first."""

    def __init__(self, first: Store, further: Mapping[str, Store] | None = None) -> None:
        """Nothing is read yet.

        Args:
            first: artifacts of the model that is asked when none is named.
            further: of the others, by name.
        """
        self._first = first
        self._further = dict(further or {})
        self._read: dict[str, Template] = {}

    async def of(self, name: str) -> Template:
        """That of a model; a name that is not known means the first one.

        Raises:
            StorageError: the export cannot be read.
            ConfigError: it states a template that cannot be used.
        """
        key = name if name in self._further else ""
        if key not in self._read:
            self._read[key] = await asyncio.to_thread(_read, self._further.get(key, self._first))
        return self._read[key]


def _read(store: Store) -> Template:
    found = exported(store)
    if found is None:
        raise StorageError(f"there is no {store.url}/{Layout.EXPORT_CONFIG}")
    return Template.of(found.recipe.get("chat"))


def listing(engine: TextEngine) -> tuple[Handler, Handler]:
    """Handlers of the list and of one of it."""
    begun = int(time.time())

    @described(About(summary="The models that may be named.", gives=answers.Models))
    async def every(_request: Request) -> Answer:
        return Plain(body=answers.encoded(answers.Models(data=[_model(name) for name in engine.names])))

    @described(About(summary="One of the models.", gives=answers.Model))
    async def one(request: Request) -> Answer:
        name = request.path.rpartition("/")[2]
        if name not in engine.names:
            raise Refusal(404, f"there is no model {name}: this server has {', '.join(engine.names)}", field="model")
        return Plain(body=answers.encoded(_model(name)))

    def _model(name: str) -> answers.Model:
        return answers.Model(id=name, created=begun)

    return every, one
