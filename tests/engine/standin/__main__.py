"""A provider that stands in for a cloud under the real engine: no account, no network, the offline plan's placeholders.

In a preview it answers nothing, so that everything only a cloud knows is unknown; in an update it answers with the very
values that the offline recorder hands to the program.
"""

import sys

from pulumi.provider.experimental import provider as api
from pulumi.provider.experimental.property_value import PropertyValue
from pulumi.provider.experimental.server import main

from springtide.offline import placeholder, wire
from springtide.offline.urn import Urn

Properties = dict[str, PropertyValue]


class StandIn(api.Provider):
    """Every type of every cloud, one behaviour."""

    async def configure(self, _request: api.ConfigureRequest) -> api.ConfigureResponse:
        return api.ConfigureResponse(accept_secrets=True, supports_preview=True)

    async def diff(self, _request: api.DiffRequest) -> api.DiffResponse:
        return api.DiffResponse(changes=None)  # not ours to say: the engine compares the inputs

    async def create(self, request: api.CreateRequest) -> api.CreateResponse:
        if request.preview:
            return api.CreateResponse(resource_id="", properties={})
        return api.CreateResponse(placeholder.identity(request.urn), _answer(request.urn, request.properties))

    async def update(self, request: api.UpdateRequest) -> api.UpdateResponse:
        return api.UpdateResponse({} if request.preview else _answer(request.urn, request.news))

    async def read(self, request: api.ReadRequest) -> api.ReadResponse:
        found = _answer(request.urn, request.inputs or request.properties)
        return api.ReadResponse(request.resource_id, found, request.inputs)

    async def delete(self, _request: api.DeleteRequest) -> None:
        return


def _answer(urn: str, inputs: Properties) -> Properties:
    plain = wire.revealed(wire.plain(PropertyValue.marshal_map(inputs)))
    return PropertyValue.unmarshal_map(wire.struct(placeholder.outputs(urn, Urn.parse(urn).type, plain)))


if __name__ == "__main__":
    main(sys.argv[1:], "0.0.0", StandIn())
