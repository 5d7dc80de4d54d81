"""AI-Buddy: a shop assistant over a WebSocket. It acts for the signed-in person, and proposes what
cannot be undone.
"""
