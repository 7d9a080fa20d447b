"""tokenthrift: every LLM call cheaper without making it worse."""
