"""The agent: the language model, its prompt, and what guards its input and output."""
