"""Responses that the simulated provider stores: read, listed, deleted, cancelled by their ids.

Source: OpenAI API reference, "Responses": get, delete, cancel and list the input items.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tokenthrift.serve.simulated_types import ApiError

if TYPE_CHECKING:
    from tokenthrift.serve.simulated_types import Held


def stored(held: Held, method: str, response_id: str, what: str = "") -> dict[str, Any]:
    """What is answered about a stored response.

    Args:
        held: what the provider keeps for an API key.
        method: ``GET``, ``DELETE`` or ``POST``.
        response_id: which response.
        what: of it: nothing, ``input_items`` or ``cancel``.

    Raises:
        ApiError: there is no such response, or it cannot be cancelled.
    """
    if response_id not in held.bodies:
        message = f"Response with id '{response_id}' not found."
        raise ApiError(404, message, param="response_id", code="response_not_found")
    if what == "cancel":
        raise ApiError(400, "Only responses in the background can be cancelled.")
    if what == "input_items":
        body = held.bodies[response_id]
        items = held.responses[response_id]
        given = items[: len(items) - len(body["output"])]
        return {"object": "list", "data": list(reversed(given)), "has_more": False}
    if method == "DELETE":
        del held.bodies[response_id], held.responses[response_id]
        return {"id": response_id, "object": "response", "deleted": True}
    return held.bodies[response_id]
