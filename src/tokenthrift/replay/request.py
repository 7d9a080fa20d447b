"""One request out of a file: a body as it is, or the last request of a recorded conversation."""

from __future__ import annotations

from io import BytesIO
from itertools import islice
from typing import TYPE_CHECKING, Any

from tokenthrift import wire
from tokenthrift.errors import ReplayError, WireError
from tokenthrift.replay.conversation import cuts_of, is_conversation
from tokenthrift.replay.lines import lines_of
from tokenthrift.replay.readers import recording_of

if TYPE_CHECKING:
    from collections.abc import Mapping


def read_request(source: str, data: bytes, number: int, model: str) -> Mapping[str, Any]:
    """The body of a request in a file.

    Of a conversation that ends with an answer, the request that the answer was given to.

    Args:
        source: the file's name, for messages and for shared contexts next to it.
        data: its content: JSON or JSON Lines, gzipped or not.
        number: which line or list item, from 1.
        model: where the recording names none.

    Raises:
        ReplayError: there is no such line, or it is not a recording.
        WireError: it is not a request of any wire.
    """
    found = next(islice(lines_of(BytesIO(data), source, whole=True), number - 1, number), None)
    if found is None:
        raise ReplayError(f"{source}: there is no line {number}, or the file is empty")
    recording = recording_of(found)
    body = {**recording.body, "model": recording.model or model}
    if not is_conversation(recording, "auto"):
        return body
    try:
        request = wire.read(body, wire.detect(body))
    except WireError as error:
        raise WireError(f"{found.where}: {error.path}", error.problem) from error
    cuts = cuts_of(request.messages)
    if not cuts:
        raise ReplayError(f"{found.where}: only assistant messages: there is no request in it")
    return wire.upto(request, cuts[-1])
