"""What a policy says of its encoder: which model, how it runs, and how much of a text it reads.

Data only; the models are loaded by `tokenthrift.encoders.load_encoder`.
"""
# Annotations are evaluated by pydantic at run time, so there is no `from __future__` import here.

from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from tokenthrift.types import EncoderUse


class EncoderSettings(BaseModel):
    """A model that scores by meaning."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    model: str = Field(min_length=1)
    """A folder or a locally cached name; for ``kind: api`` the name that litellm knows, e.g.
    ``openai/text-embedding-3-small``."""
    kind: Literal["bi", "cross", "api"] = "bi"
    """``bi``: texts become vectors; ``cross``: a reranker reads question and text together;
    ``api``: vectors from a provider, whose bill goes into the ledger."""
    backend: Literal["torch", "onnx"] = "torch"
    """``onnx``: the folder was written by ``python -m tokenthrift.encoders.onnx_export``."""
    device: str | None = None
    """``cpu`` or ``cuda``, as torch names it; chosen by the library if none."""
    api_base: str | None = None
    """Where ``kind: api`` is served, if not by the provider itself."""
    share: float = Field(default=0.25, gt=0, le=1)
    """Of the blocks, the best by the fast score, that are encoded."""
    at_least: int = Field(default=64, ge=1)
    """Blocks that are encoded in any case; where there are fewer, all are."""
    deadline_ms: int | None = Field(default=2000, ge=1)
    """After so long the fast scores stand alone. None waits: then plans do not depend on speed."""
    weight: float = Field(default=0.5, ge=0)
    """Of the model's scores against the fast ones."""

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.backend == "onnx" and self.kind != "bi":
            raise ValueError(f"backend: onnx runs kind: bi only, not {self.kind}")
        if self.model == "static":
            raise ValueError("the bundled table is no encoder: give the stage relevance: static")
        if self.api_base is not None and self.kind != "api":
            raise ValueError("api_base is for kind: api")
        return self

    @classmethod
    def of(cls, entry: Any) -> Any:
        """An entry of a policy; a plain string names a bi-encoder."""
        return {"model": entry} if isinstance(entry, str) else entry

    @property
    def use(self) -> EncoderUse:
        """What the cascade needs to know."""
        return EncoderUse(self.share, self.at_least, self.deadline_ms, self.weight)
