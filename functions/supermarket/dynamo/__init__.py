"""The kernel's adapters for DynamoDB: rows, transaction, outbox, sessions, idempotency keys."""
