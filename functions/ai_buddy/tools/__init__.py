"""What the agent can do in the shop, by role, and the actions that need a confirmation."""
