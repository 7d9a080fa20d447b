"""What OpenTelemetry calls things: the table against the published constants, and its choosing."""

from __future__ import annotations

import pytest
from opentelemetry.semconv import schemas
from opentelemetry.semconv._incubating.attributes import gen_ai_attributes
from opentelemetry.semconv._incubating.metrics import gen_ai_metrics
from opentelemetry.semconv.attributes import error_attributes

from tokenthrift.telemetry import CONVENTIONS, names_of
from tokenthrift.telemetry.names import ATTRIBUTES, METRICS, provider_name

PUBLISHED = {
    value
    for module in (gen_ai_attributes, gen_ai_metrics, error_attributes)
    for value in vars(module).values()
    if isinstance(value, str)
}
VALUES = {
    one.value for one in vars(gen_ai_attributes)["GenAiProviderNameValues"] if one.value != "other"
}


@pytest.mark.parametrize("version", CONVENTIONS[:2])
def test_names_that_were_published_are_spelt_as_published(version):
    """Every name of the versions before the move is a constant of the published package."""
    column = CONVENTIONS.index(version)
    names = {row[column] for row in [*ATTRIBUTES.values(), *METRICS.values()]} - {""}
    assert len(names) > 10
    assert names <= PUBLISHED


@pytest.mark.parametrize("seller", ["azure", "bedrock_converse", "vertex_ai-anthropic_models"])
def test_sellers_have_the_names_of_the_conventions(seller):
    """What the price map calls a seller becomes one of the well-known values."""
    assert provider_name(seller) in VALUES


@pytest.mark.parametrize(
    ("said", "versions"),
    [
        ("", ("1.36",)),
        ("http/dup, gen_ai_latest_experimental", ("2026-09",)),
        ("http", ("1.36",)),
    ],
)
def test_the_environment_chooses(monkeypatch, said, versions):
    """The word of the conventions' own variable asks for the newest names."""
    monkeypatch.setenv("OTEL_SEMCONV_STABILITY_OPT_IN", said)
    assert names_of().versions == versions


def test_the_setting_goes_before_the_environment(monkeypatch):
    """A version that is asked for in code is the one that is written."""
    monkeypatch.setenv("OTEL_SEMCONV_STABILITY_OPT_IN", "gen_ai_latest_experimental")
    assert names_of("1.41").versions == ("1.41",)
    assert names_of("1.41").schema_url == f"{schemas.Schemas.V1_41_0.value}"


def test_two_versions_write_both_names():
    """While dashboards move over, old and new names stand beside each other."""
    written = names_of(("1.36", "2026-09")).attributes({"provider": "x_ai", "stream": True})
    assert written == {
        "gen_ai.system": "xai",
        "gen_ai.provider.name": "x_ai",
        "gen_ai.request.stream": True,
    }
    assert names_of(CONVENTIONS).metric("token_usage") == ("gen_ai.client.token.usage",)


@pytest.mark.parametrize("wrong", ["1.99", (), ("1.36", "latest")])
def test_unknown_versions_are_refused(wrong):
    """The error lists what there is."""
    with pytest.raises(ValueError, match=r"1\.36, 1\.41, 2026-09"):
        names_of(wrong)
