"""The WebSocket side: open connections, the frames they get, and who gets them."""
